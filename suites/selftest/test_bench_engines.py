"""``bench engines``: what it measures, how it says so, and what becomes of an engine that is wrong or dies.

No test here asserts a time.
"""

from __future__ import annotations

import json
import math
import re

import pytest

from assay64.harness.bench import engines, guests
from assay64.harness.bench.engine_result import EnginesResult, ProgramResult, as_data, as_text
from assay64.harness.bench.engine_worker import Answer, EngineLost
from assay64.harness.bench.programs import load
from assay64.harness.bench.ratios import Ratio, geometric_mean
from assay64.harness.cli import invoke
from assay64.harness.errors import UsageError

pytestmark = pytest.mark.skipif("unicorn" not in guests.available(), reason="Unicorn is the baseline")


@pytest.fixture(scope="module")
def result() -> EnginesResult:
    wanted = [engine for engine in guests.available() if engine != "unicorn-virtual-tlb"]
    return engines.measure(quick=True, engines=wanted, programs=["call_loop", "remapping"], rounds=2)


def test_every_engine_ends_every_program(result):
    assert not result.failed
    loop, remapping = result.programs
    assert set(loop.engines) == set(result.versions)
    assert set(remapping.engines) == set(result.versions) - {"qemu-user"}
    for name, timing in loop.engines.items():
        assert timing.instructions == load("call_loop").instructions(timing.repeats, 0) == 20 + 8 * timing.repeats
        assert timing.mips * 1e6 / timing.repeats_per_second == pytest.approx(timing.instructions / timing.repeats), (
            name
        )
    for timing in remapping.engines.values():
        assert timing.instructions == timing.repeats * load("remapping").instructions(1, timing.size)


def test_only_judged_programs_are_in_the_means(result):
    assert set(result.geomeans) == set(result.versions) - {"golden", "unicorn", "native-counting"}
    loop = result.programs[0]
    for engine, mean in result.geomeans.items():
        assert mean.value == pytest.approx(loop.ratios[engine].value, rel=1e-6)
        assert result.worst(engine) == ("call_loop", loop.ratios[engine])


def test_counting_is_held_against_the_same_engine_without(result):
    for program in result.programs:
        assert "native-counting" not in program.ratios
        assert program.counting.value == pytest.approx(
            program.engines["native"].mips / program.engines["native-counting"].mips, rel=0.5
        )
    title = result.programs[0].title
    assert re.search(rf"as long \(geometric mean\), at most .* \({title}\), at most 3 wanted: ", as_text(result))


def test_data_has_the_means_as_numbers(result):
    data = json.loads(json.dumps(as_data(result)))
    for engine, mean in result.geomeans.items():
        key = {"native": "threaded"}.get(engine, engine.replace("-", "_"))
        assert data[f"geomean_{key}_vs_unicorn"] == mean.value
        assert data[f"geomean_{key}_vs_unicorn_interval"] == [mean.low, mean.high]
    assert data["programs"][0]["instructions_per_repeat"] == 8


def test_without_the_native_engine_its_mean_is_null_and_no_target_is_judged():
    result = engines.measure(quick=True, engines=["unicorn"], programs=["call_loop"], rounds=1)
    assert as_data(result)["geomean_threaded_vs_unicorn"] is None
    assert "No target is judged" in as_text(result)


def test_the_text_names_every_program_and_says_what_was_missed():
    ratios = {"sieve": Ratio(2.0, 1.9, 2.1), "sha256": Ratio(0.5, 0.4, 0.6)}
    programs = tuple(
        ProgramResult(
            name=name,
            title=f"the {name}",
            judged=True,
            instructions_per_repeat=1,
            engines={},
            ratios={"native": one},
            failed={"dynarmic": "it died"},
        )
        for name, one in ratios.items()
    )
    result = EnginesResult(
        programs=programs,
        geomeans={"native": Ratio(1.0, 0.9, 1.1)},
        versions={"native": "1", "unicorn": "2"},
        absent={"qemu-user": "not installed"},
        seed=1,
        rounds=2,
        quick=False,
    )
    text = as_text(result)
    assert "threaded: geometric mean 1.00, at least 1.5 wanted: not met; least 0.50 (sha256)" in text
    assert "qemu-user: absent, not installed" in text
    assert "FAILED sieve on dynarmic: it died" in text
    assert as_data(result)["worst_threaded_vs_unicorn"]["program"] == "sha256"


def test_a_wrong_checksum_is_a_failure_and_no_rate(monkeypatch, capsys):
    monkeypatch.setattr(engines, "checksum", lambda name, repeats, size: 1)
    assert invoke(["bench", "engines", "--quick", "--engine", "unicorn", "--program", "sieve", "--rounds", "1"]) == 1
    out = capsys.readouterr().out
    assert (
        "FAILED sieve on unicorn: 1 repeats of size 500000 gave 0xa2420007a10b, expected 0x1" in out
    )  # 41538 primes, the last 499979


def test_an_engine_that_dies_once_costs_one_program_only(monkeypatch):
    class Dying:
        def __init__(self, engine: str) -> None:
            self.engine = engine

        def run(self, one: engines.Load) -> Answer:
            if one.program.name == "sieve":
                raise EngineLost("SIGSEGV")
            return Answer(seconds=0.1)

        def close(self) -> None:
            pass

    monkeypatch.setattr(engines, "Child", Dying)
    result = engines.measure(quick=True, engines=["unicorn"], programs=["sieve", "bytecode"], rounds=2)
    assert [program.failed for program in result.programs] == [{"unicorn": "SIGSEGV"}, {}]
    assert [set(program.engines) for program in result.programs] == [set(), {"unicorn"}]


@pytest.mark.parametrize("option", ["--engine", "--program"])
def test_names_that_do_not_exist_are_named(option, capsys):
    assert invoke(["bench", "engines", option, "nonsense"]) == 2
    assert "'nonsense'" in capsys.readouterr().err
    with pytest.raises(UsageError):
        engines.measure(programs=["nonsense"])


def test_an_engine_that_is_not_here_has_its_own_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(guests, "qemu_user", lambda: None)
    assert invoke(["bench", "engines", "--engine", "qemu-user"]) == 3
    assert "apt-get install qemu-user" in capsys.readouterr().err


def test_geometric_mean_of_medians():
    mean = geometric_mean([[2.0, 2.0, 2.0], [8.0, 8.0, 8.0]])
    assert (mean.value, mean.low, mean.high) == pytest.approx((4.0, 4.0, 4.0))
    wide = geometric_mean([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    assert wide.value == pytest.approx(2.0)
    assert 1.0 <= wide.low < 2.0 < wide.high <= 4.0
    assert math.isclose(geometric_mean([[3.0]]).high, 3.0)
    with pytest.raises(ValueError, match="needs ratios"):
        geometric_mean([[]])
