"""What benchmarks share: turns, ratios with intervals, results as text and data. No test here asserts a time."""

import json

import pytest

from assay64.harness.backends import registry
from assay64.harness.bench.bare import Bare
from assay64.harness.bench.judging import KEY, SIZE, STATES, Work, _answered, _cases, _golden_s
from assay64.harness.bench.ratios import Ratio, alternate, ratio, repetitions, timed
from assay64.harness.bench.result import Benchmark, Row, as_data, as_text
from assay64.harness.cases.batches import batch_of
from assay64.harness.cases.case import Case
from assay64.harness.cases.state import State
from assay64.harness.judge.native_reference import NativeReference
from assay64.suites.selftest.judge_backends import adds


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


@pytest.mark.parametrize("backend", ["unicorn", "dynarmic"])
def test_the_bare_loop_does_the_work_that_it_is_to_stand_for(backend):
    if missing := registry.load(backend).available():
        pytest.skip(missing)
    cases = [Case(code=(adds(0, 1, 2),), states=(State.of(x1=n, x2=-1, v3=n, nzcv=5),)) for n in range(100)]
    batch = batch_of(cases, KEY)
    bare = Bare(backend)
    try:
        for _ in range(2):
            bare.run(batch)
            assert bare.final["x"][:, 0].tolist() == [(n - 1) % (1 << 64) for n in range(100)]
            assert bare.final["v"][:, 3, 0].tolist() == list(range(100))
            flags = [(bare.final["pstate"][n] >> 28) & 15 for n in (0, 1, 2)]
            assert flags == [8, 6, 2]  # N; Z and C; C
        lengths = (1, 1, 5, 2, 2, 1, 64, 3)
        pieces = [Case(code=(adds(0, 0, 1),) * n, states=(State.of(x1=7 + n),)) for n in lengths]
        bare.run(batch_of(pieces, KEY))
        assert bare.final["x"][:, 0].tolist() == [n * (7 + n) for n in lengths]
    finally:
        bare.close()


def test_the_work_of_judging_is_what_it_says():
    cases = _cases(1)
    shared, single, distinct = cases.values()
    assert len(shared) == len(single) == len(distinct) == SIZE
    for kind in (shared, single):
        assert {len({case.code for case in kind[at : at + STATES]}) for at in range(0, SIZE, STATES)} == {1}
        assert len({repr(case.states) for case in kind[:STATES]}) == STATES
    assert {len(case.code) for case in single} == {1} < {len(case.code) for case in shared}
    assert len({case.code for case in distinct}) > SIZE * 0.9
    one, other = (_answered(part, NativeReference()) for part in (distinct[:50], shared[:80]))
    work = Work((one, other), repeat=3)
    assert work.cases == 3 * (len(one[0]) + len(other[0])) > 300
    assert [batch is two[0] for (batch, _), two in zip(work.pairs(), (one, other) * 3, strict=True)] == [True] * 6
    batch, expected = one
    assert expected.decided.all()
    assert _golden_s(batch, expected) > 0
    expected.answers.final["x"][7, 3] ^= 1
    with pytest.raises(RuntimeError, match="differ in 1 cases"):
        _golden_s(batch, expected)
