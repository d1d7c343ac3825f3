"""What looks on while a machine runs: functions of the user's, and counters. They cost nothing unless they are there.

Functions are called by golden, which then executes for the native engine too. Counters are the native engine's own, and
golden's for what golden executes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from assay64.reference.engines.counts import Counts, GoldenCounter
from assay64.reference.engines.golden import GoldenPE
from assay64.reference.pseudocode.exceptions import ArchitecturalException

if TYPE_CHECKING:
    from assay64.reference.engines.native.engine import NativePE, Statistics

OnInstruction = Callable[[int, int, int], None]
OnAccess = Callable[[int, int, int, bool], None]
OnException = Callable[[int, ArchitecturalException], None]


class Instruments:
    """The instruments of one machine."""

    def __init__(self) -> None:
        self.on_instruction: OnInstruction | None = None
        self.on_access: OnAccess | None = None
        self.on_exception: OnException | None = None
        self._counters: list[GoldenCounter] = []
        self._exceptions: list[Counter[str]] = []
        self._before: list[Statistics] = []

    @property
    def need_golden(self) -> bool:
        """Whether there is a function to call in the course of an instruction."""
        return self.on_instruction is not None or self.on_access is not None

    @contextmanager
    def listening(self, pe: GoldenPE) -> Generator[GoldenCounter | None]:
        """Let golden tell what it executes. Gives the counter, which is to be told where a run ends."""
        counter = self._counters[pe.number] if self._counters else None
        instruction, access = (
            function and partial(function, pe.number) for function in (self.on_instruction, self.on_access)
        )
        pe.on_instruction = _both(counter and counter.instruction, instruction)
        pe.on_access = _both(counter and counter.access, access)
        if counter:
            counter.begin(pe.pc)
        try:
            yield counter
        finally:
            pe.on_instruction = pe.on_access = None

    def exception(self, element: int, exception: ArchitecturalException) -> None:
        if self._exceptions:
            self._exceptions[element][type(exception).__name__] += 1
        if self.on_exception:
            self.on_exception(element, exception)

    # --- counting

    def start(self, elements: list[GoldenPE], native: list[NativePE]) -> None:
        """Count from zero."""
        self._counters = [GoldenCounter() for _ in elements]
        self._exceptions = [Counter[str]() for _ in elements]
        self._before = [element.statistics() for element in native]
        for element in native:
            element.count(wanted=True)

    def stop(self, native: list[NativePE]) -> None:
        """Count no more. The numbers are forgotten."""
        self._counters, self._exceptions, self._before = [], [], []
        for element in native:
            element.count(wanted=False)

    def counts(self, element: int, native: list[NativePE]) -> Counts:
        """The numbers so far. ValueError when nothing is counted."""
        if not self._counters:
            raise ValueError("nothing is counted: call start_counting before the run")
        tally, misses = self._counters[element].tally(), dict[str, int]()
        instructions = Counter(tally.instructions)
        reads, writes, branches = tally.reads, tally.writes, tally.branches
        if native and (counters := native[element].counters):
            own, before, now = counters.tally(), self._before[element], native[element].statistics()
            instructions.update(own.instructions)
            reads, writes, branches = reads + own.reads, writes + own.writes, branches + own.branches
            misses = {name: getattr(now, name) - getattr(before, name) for name in _MISSES}
        found: Mapping[str, int] = dict(sorted(instructions.items()))
        return Counts(found, reads, writes, branches, dict(self._exceptions[element]), **misses)


_MISSES = ("read_misses", "write_misses", "decoded", "golden")


def _both(one: Callable[..., None] | None, other: Callable[..., None] | None) -> Callable[..., None] | None:
    if one is None or other is None:
        return one or other

    def both(*arguments: int) -> None:
        one(*arguments)
        other(*arguments)

    return both
