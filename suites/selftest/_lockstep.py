"""Two engines in lockstep: the same program in chunks of as many instructions, the whole state compared after each.

For golden against native and against other backends; it knows no verdicts and no known deviations.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from assay64.harness.backends import registry
from assay64.harness.backends.reference import exit_of
from assay64.harness.bench.programs import Program, Segment
from assay64.harness.cases.case import Environment
from assay64.harness.cases.layout import new_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.reference import Machine, TableSizes
from assay64.reference.bits import UnknownDecision

CPU = "apple-m2"
REFERENCE_ENGINES = ("golden", "native")
_SINGLE = {"sp": "SP_EL0", "pc": "PC", "fpcr": "FPCR", "fpsr": "FPSR", "tpidr_el0": "TPIDR_EL0"}


class Start(NamedTuple):
    """What a run begins with. ``aliases``: a guest address, and the address of the segment that is there too, as rw."""

    segments: Sequence[Segment]
    pc: int
    sp: int
    x: Mapping[int, int] = {}
    v: Mapping[int, int] = {}
    fpcr: int = 0
    aliases: Mapping[int, int] = {}

    @classmethod
    def of(cls, program: Program, repeats: int, size: int) -> Start:
        return cls(program.segments, program.start, program.stack_pointer, {0: repeats, 1: size})


class Lane(Protocol):
    """One engine with the program loaded."""

    memories: Mapping[int, HostMemory]

    def run(self, budget: int) -> Exit: ...

    def state(self) -> dict[str, int | None]:
        """Every register by name; None where the value is UNKNOWN."""
        ...


def _memories(start: Start) -> dict[int, HostMemory]:
    found: dict[int, HostMemory] = {}
    for segment in start.segments:
        memory = found[segment.address] = HostMemory(segment.size)
        memory.map[: len(segment.data)] = segment.data
    return found


class MachineLane:
    """An engine of the reference."""

    def __init__(self, engine: str, start: Start, sizes: TableSizes | None = None) -> None:
        self.machine = machine = Machine(CPU, engine=engine, sizes=sizes)
        self.memories: Mapping[int, HostMemory] = _memories(start)
        self._views = {address: memoryview(memory.map) for address, memory in self.memories.items()}
        for segment in start.segments:
            machine.map(segment.address, segment.size, segment.permissions, self._views[segment.address])
        for at, address in start.aliases.items():
            machine.map(at, self.memories[address].size, "rw", self._views[address])
        for register, values in (("X", start.x), ("V", start.v)):
            for index, value in values.items():
                machine.set(register, index, value)
        for register, value in (("PC", start.pc), ("SP_EL0", start.sp), ("FPCR", start.fpcr)):
            machine.set(register, 0, value)

    def run(self, budget: int) -> Exit:
        stop = self.machine.run(budget)
        return Exit(kind=ExitKind(stop.reason)) if stop.exception is None else exit_of(stop.exception)

    def state(self) -> dict[str, int | None]:
        names = [(f"x{index}", "X", index) for index in range(31)] + [(f"v{index}", "V", index) for index in range(32)]
        names += [(name, register, 0) for name, register in _SINGLE.items()]
        names += [(flag.lower(), f"PSTATE.{flag}", 0) for flag in "NZCV"]
        return {name: self._value(register, index) for name, register, index in names}

    def _value(self, register: str, index: int) -> int | None:
        try:
            return self.machine.get(register, index)
        except UnknownDecision:
            return None


class BackendLane:
    """A backend with exact budgets, behind the contract."""

    def __init__(self, backend: str, start: Start) -> None:
        self._instance = registry.load(backend).create(Environment(model=CPU))
        self.memories: Mapping[int, HostMemory] = _memories(start)
        for segment in start.segments:
            memory = self.memories[segment.address]
            self._instance.map(segment.address, memory, 0, segment.size, segment.permissions)
        for at, address in start.aliases.items():
            self._instance.map(at, self.memories[address], 0, self.memories[address].size, "rw")
        state = new_state()
        state["pc"], state["sp"], state["fpcr"] = start.pc, start.sp, start.fpcr
        for index, value in start.x.items():
            state["x"][index] = value
        for index, value in start.v.items():
            state["v"][index] = value & (1 << 64) - 1, value >> 64
        self._instance.set_state(0, state)

    def run(self, budget: int) -> Exit:
        return self._instance.run(0, budget, None)

    def state(self) -> dict[str, int | None]:
        record = new_state()
        self._instance.get_state(0, record)
        found = {f"x{index}": value for index, value in enumerate(record["x"].tolist())}
        found |= {f"v{index}": low | high << 64 for index, (low, high) in enumerate(record["v"].tolist())}
        found |= {name: int(record[name]) for name in _SINGLE}
        return found | {
            flag: int(record["pstate"]) >> bit & 1 for bit, flag in zip((31, 30, 29, 28), "nzcv", strict=True)
        }


def lane(engine: str, start: Start, sizes: TableSizes | None = None) -> Lane:
    """``golden``, ``native`` with tables of these ``sizes``, or the name of a backend."""
    return MachineLane(engine, start, sizes) if engine in REFERENCE_ENGINES else BackendLane(engine, start)


class Mismatch(NamedTuple):
    """The first difference: after ``executed`` instructions at most, of them the last ``chunk`` not compared singly."""

    executed: int
    chunk: int
    pc: int
    differences: tuple[str, ...]


def compare(
    start: Start,
    engine: str,
    *,
    seed: int,
    longest: int = 997,
    limit: int = 1 << 62,
    sizes: TableSizes | None = None,
) -> Mismatch | int:
    """Run golden and ``engine`` side by side to the exit that ends the program, or for ``limit`` instructions.

    Chunks of 1 to ``longest`` instructions are drawn from ``seed``. Gives the first mismatch, or how many instructions
    the chunks had in all.
    """
    golden, other = lane("golden", start), lane(engine, start, sizes)
    rng = random.Random(seed)
    executed, pc = 0, start.pc
    while executed < limit:
        budget = min(rng.choice((1, 2, rng.randint(1, longest))), limit - executed)
        ends = golden.run(budget), other.run(budget)
        executed += budget
        state = golden.state()
        differences = tuple(_differences(ends, state, other.state(), golden.memories, other.memories))
        if differences:
            return Mismatch(executed, budget, pc, differences)
        if ends[0].kind is not ExitKind.BUDGET:
            return executed
        pc = state["pc"] or 0
    return executed


def _differences(
    ends: tuple[Exit, Exit],
    golden: dict[str, int | None],
    other: dict[str, int | None],
    golden_memory: Mapping[int, HostMemory],
    other_memory: Mapping[int, HostMemory],
) -> Iterator[str]:
    if ends[0] != ends[1]:
        yield f"exit: {ends[0]}, got {ends[1]}"
    for name, value in golden.items():
        if value is not None and other[name] != value:
            got = other[name]
            yield f"{name}: {value:#x}, got {'UNKNOWN' if got is None else hex(got)}"
    for address, memory in golden_memory.items():
        different = (memory.bytes != other_memory[address].bytes).nonzero()[0]
        if len(different):
            at = int(different[0])
            yield f"memory {address + at:#x}: {memory.bytes[at]:#x}, got {other_memory[address].bytes[at]:#x}"
