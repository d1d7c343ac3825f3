"""Golden against the other engines on whole programs: the benchmark programs, and random ones that rewrite themselves.

After every chunk all registers, all memory and the exit are compared.
"""

from __future__ import annotations

import pytest

from assay64.harness.backends import dynarmic, unicorn
from assay64.harness.bench.guests import available
from assay64.harness.bench.programs import load, table
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.reference import TableSizes
from assay64.suites.selftest import _lockstep as lockstep
from assay64.suites.selftest._lockstep import Mismatch, Start, compare
from assay64.suites.selftest._random_programs import CODE, random_program

PROGRAMS = [name for name, entry in table().items() if entry.linux]
NATIVE = [engine for engine in available() if engine == "native"]
BACKENDS = [name for name, one in (("unicorn", unicorn), ("dynarmic", dynarmic)) if one.BACKEND.available() is None]
SEEDS, NIGHTLY_SEEDS = 25, 2000


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("engine", [*NATIVE, *BACKENDS])
def test_a_benchmark_program(engine, name):
    program = load(name)
    size = program.entry.small
    ended = compare(Start.of(program, 2, size), engine, seed=1)
    assert not isinstance(ended, Mismatch), ended
    assert ended > program.instructions(2, size)


@pytest.mark.parametrize("aliased", [False, True], ids=["one-mapping", "aliased"])
@pytest.mark.parametrize("synchronised", [True, False], ids=["synchronised", "unsynchronised"])
@pytest.mark.parametrize("engine", NATIVE)
def test_random_programs_that_rewrite_themselves(engine, synchronised, aliased):
    check(engine, range(SEEDS), synchronised=synchronised, aliased=aliased)


@pytest.mark.parametrize("engine", NATIVE)
def test_tables_of_the_least_size_change_no_result(engine):
    least = TableSizes(code_pages=1, tlb_entries=2, jump_entries=2, logged_stores=1)
    for seed in range(SEEDS):
        ended = compare(random_program(seed, synchronised=False), engine, seed=seed, longest=60, sizes=least)
        assert not isinstance(ended, Mismatch), (seed, ended)
    program = load("quicksort")
    ended = compare(Start.of(program, 2, program.entry.small), engine, seed=1, sizes=least)
    assert not isinstance(ended, Mismatch), ended


@pytest.mark.nightly
@pytest.mark.parametrize("aliased", [False, True], ids=["one-mapping", "aliased"])
@pytest.mark.parametrize("synchronised", [True, False], ids=["synchronised", "unsynchronised"])
@pytest.mark.parametrize("engine", NATIVE)
def test_many_random_programs_that_rewrite_themselves(engine, synchronised, aliased):
    check(engine, range(SEEDS, NIGHTLY_SEEDS), synchronised=synchronised, aliased=aliased)


def check(engine: str, seeds: range, *, synchronised: bool, aliased: bool) -> None:
    for seed in seeds:
        start = random_program(seed, synchronised=synchronised, aliased=aliased)
        ended = compare(start, engine, seed=seed, longest=60)
        assert not isinstance(ended, Mismatch), (seed, ended)


def test_random_programs_end_and_do_change_their_code():
    changed = 0
    for seed in range(10):
        start = random_program(seed, synchronised=True)
        golden = lockstep.lane("golden", start)
        assert str(golden.run(1 << 62)) == "svc #0x0"
        assert golden.state()["x26"] == 0
        before = start.segments[0].data
        changed += golden.memories[CODE].map[: len(before)] != before
    assert changed >= 8


def test_a_program_is_a_function_of_its_seed():
    assert random_program(3, synchronised=True) == random_program(3, synchronised=True)
    assert random_program(3, synchronised=True) != random_program(4, synchronised=True)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (("X", 7), "x7"),
        (("V", 31), "v31"),
        (("PSTATE.C", 0), "c"),
        (("FPSR", 0), "fpsr"),
        ("memory", "memory 0x10008000"),
        ("exit", "exit"),
    ],
)
def test_lockstep_sees_one_fault(monkeypatch, part, name):
    """An engine that is golden with one bit wrong after the fifth chunk."""

    class Wrong(lockstep.MachineLane):
        chunks = 0

        def run(self, budget):
            ended = super().run(budget)
            self.chunks += 1
            if self.chunks == 5:
                match part:
                    case "memory":
                        self.memories[CODE].bytes[0x8000] ^= 1
                    case "exit":
                        return Exit(kind=ExitKind.BREAKPOINT)
                    case _:
                        register, index = part
                        self.machine.set(register, index, self.machine.get(register, index) ^ 1)
            return ended

    monkeypatch.setattr(lockstep, "BackendLane", lambda _engine, start: Wrong("golden", start))
    ended = compare(random_program(1, synchronised=True), "wrong", seed=1, longest=60)
    assert isinstance(ended, Mismatch)
    assert [difference.split(": ")[0] for difference in ended.differences] == [name]
