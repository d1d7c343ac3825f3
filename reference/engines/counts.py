"""What was executed, in numbers: the same for every engine. How an engine counts is not known here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from assay64.reference.encoding import decode, definitions

UNALLOCATED = "unallocated"


@dataclass(frozen=True)
class Tally:
    """``instructions`` by the name of their definition, those included that an exception ended; ``reads`` and
    ``writes``: accesses to memory, those of the exclusive monitors not counted and an atomic one as a write;
    ``branches`` that were taken: the next instruction was not the following one. The native engine does not see the
    accesses of instructions that golden executes for it.
    """

    instructions: Mapping[str, int]
    reads: int
    writes: int
    branches: int


@dataclass(frozen=True)
class Counts(Tally):
    """A tally with the exceptions by the name of their class, and, under the native engine, the misses of the software
    TLB, the instructions that had to be decoded, and those that golden executed.
    """

    exceptions: Mapping[str, int] = field(default_factory=dict[str, int])
    read_misses: int = 0
    write_misses: int = 0
    decoded: int = 0
    golden: int = 0

    @property
    def total(self) -> int:
        """All instructions."""
        return sum(self.instructions.values())

    @property
    def groups(self) -> Mapping[str, int]:
        """Instructions by Arm's encoding groups."""
        group = {definition.name: definition.group for definition in definitions()}
        found = Counter[str]()
        for name, number in self.instructions.items():
            found[group.get(name, UNALLOCATED)] += number
        return dict(found)

    @property
    def read_hit_rate(self) -> float:
        """Of the software TLB; 1 without reads."""
        return _rate(self.read_misses, self.reads)

    @property
    def write_hit_rate(self) -> float:
        return _rate(self.write_misses, self.writes)

    @property
    def record_hit_rate(self) -> float:
        """How much of what was executed had been decoded before."""
        return _rate(self.decoded, self.total)


def _rate(misses: int, all_of_them: int) -> float:
    return 1 - misses / all_of_them if all_of_them else 1.0


class GoldenCounter:
    """Counts what golden reports of each instruction and access."""

    def __init__(self) -> None:
        self._instructions = Counter[str]()
        self._reads = self._writes = 0
        self._branches = 0
        self._next: int | None = None

    def instruction(self, address: int, word: int) -> None:
        decoded = decode(word)
        self._instructions[UNALLOCATED if decoded is None else decoded.definition.name] += 1
        self.end(address)
        self._next = address + 4

    def access(self, address: int, size: int, write: bool) -> None:
        self._reads += not write
        self._writes += write

    def begin(self, pc: int) -> None:
        self._next = pc

    def end(self, pc: int) -> None:
        self._branches += self._next != pc
        self._next = pc

    def tally(self) -> Tally:
        return Tally(dict(self._instructions), self._reads, self._writes, self._branches)
