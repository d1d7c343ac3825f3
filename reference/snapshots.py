"""A machine's whole state as a value: it can be restored as often as one likes, under either engine.

What a machine did so far (statistics, counters) is no part of it, nor are hooks and requests to stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from assay64.reference.bits import Bits
from assay64.reference.engines.accesses import Controls, Reservation
from assay64.reference.engines.golden import GoldenPE
from assay64.reference.engines.watching import WatchedRange
from assay64.reference.memory import AddressSpace, Location, Page


@dataclass(frozen=True)
class ElementState:
    """One processing element. ``executed`` is what its counters of time count."""

    registers: Mapping[str, tuple[Bits, ...]]
    executed: int
    reservation: Reservation | None
    unknowns: tuple[bool, bool, bool]

    @classmethod
    def of(cls, element: GoldenPE) -> ElementState:
        return cls(
            {name: tuple(values) for name, values in element.registers.items()},
            element.executed,
            element.reservation,
            (element.monitor_unknown, element.all_memory_unknown, element.address_unknown),
        )

    def restore(self, element: GoldenPE) -> None:
        element.registers.update({name: list(values) for name, values in self.registers.items()})
        element.executed, element.reservation = self.executed, self.reservation
        element.monitor_unknown, element.all_memory_unknown, element.address_unknown = self.unknowns


@dataclass(frozen=True)
class Snapshot:
    """Registers, memory, monitors, breakpoints and watchpoints of a machine, taken by ``Machine.snapshot``.

    Memory is copied; pages that have not changed are shared with the snapshot before.
    """

    model: str
    controls: Controls
    elements: Sequence[ElementState]
    pages: Mapping[int, Page]
    contents: Mapping[Location, bytes]
    reservations: Mapping[int, tuple[int, int, int]]
    unknown: frozenset[Location]
    breakpoints: frozenset[int]
    watchpoints: frozenset[WatchedRange]

    @classmethod
    def of(
        cls,
        elements: Sequence[GoldenPE],
        breakpoints: set[int],
        watchpoints: frozenset[WatchedRange],
        before: Snapshot | None,
    ) -> Snapshot:
        """The state of golden elements that share a space."""
        first = elements[0]
        return cls(
            first.model.name,
            replace(first.controls),
            tuple(map(ElementState.of, elements)),
            dict(first.space.pages),
            first.space.contents(before.contents if before else {}),
            dict(first.space.reservations),
            frozenset(first.space.unknown),
            frozenset(breakpoints),
            watchpoints,
        )

    def restore(self, elements: Sequence[GoldenPE], space: AddressSpace) -> None:
        """ValueError when the elements are not those of such a machine."""
        first = elements[0]
        mine, theirs = (first.model.name, len(elements)), (self.model, len(self.elements))
        if mine != theirs or first.controls != self.controls:
            raise ValueError(
                f"the snapshot is of a machine {theirs[0]} with {theirs[1]} elements and {self.controls};"
                f" this is {mine[0]} with {mine[1]} and {first.controls}"
            )
        space.replace(self.pages, self.contents)
        space.reservations, space.unknown = dict(self.reservations), set(self.unknown)
        for state, element in zip(self.elements, elements, strict=True):
            state.restore(element)
