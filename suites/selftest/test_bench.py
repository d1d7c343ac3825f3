"""What benchmarks share: turns, ratios with intervals, results as text and data. No test here asserts a time."""

import json

import pytest

from assay64.harness.bench.ratios import Ratio, alternate, ratio, repetitions, timed
from assay64.harness.bench.result import Benchmark, Row, as_data, as_text


def test_every_round_runs_every_contestant_once_in_changing_order():
    turns: list[str] = []

    def contestant(name, seconds):
        def run():
            turns.append(name)
            return seconds

        return run

    seconds = alternate({"a": contestant("a", 2.0), "b": contestant("b", 1.0), "c": contestant("c", 3.0)}, 40)
    assert seconds == {"a": [2.0] * 40, "b": [1.0] * 40, "c": [3.0] * 40}
    rounds = [turns[start : start + 3] for start in range(0, len(turns), 3)]
    assert len(rounds) == 41  # one of them to warm up
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len({tuple(one) for one in rounds}) == 6


def test_a_ratio_is_that_of_its_own_rounds():
    drifting = [1.0, 5.0, 2.0, 9.0, 3.0]
    assert ratio([2 * one for one in drifting], drifting) == Ratio(2.0, 2.0, 2.0)
    found = ratio([1.0, 1.1, 0.9, 1.05, 0.95, 4.0], [1.0] * 6)
    assert found.value == pytest.approx(1.025)
    assert 0.9 <= found.low < found.value < found.high <= 4.0
    with pytest.raises(ValueError, match="2 and 1 rounds"):
        ratio([1.0, 2.0], [1.0])


def test_repetitions_fill_a_round():
    assert repetitions(lambda: 0.25, 1.0) == 4
    assert repetitions(lambda: 3.0, 1.0) == 1


def test_timed_counts_the_work():
    done: list[int] = []
    assert timed(lambda: done.append(1))() > 0
    assert done == [1]


def test_results_are_text_and_data():
    met = Row(name="x64", rate=1e6, unit="cases", ratio=Ratio(0.95, 0.9, 0.97), baseline="loop", target=0.9)
    missed = Row(name="x1", rate=1e3, unit="cases", target_rate=2e3)
    result = Benchmark(benchmark="judging", rows=(met, missed), seed=3, rounds=7, quick=True, versions={"u": "2.1"})
    lines = as_text(result).splitlines()
    assert lines[0].startswith("bench judging: assay64 ")
    assert lines[0].endswith("u 2.1; 7 rounds, seed 3, quick")
    assert lines[4].split()[-2:] == ["0.90:", "met"]
    assert lines[5].endswith("2,000/s: not met")
    data = json.loads(json.dumps(as_data(result)))
    assert data["rows"][0]["ratio"] == {"value": 0.95, "low": 0.9, "high": 0.97}
