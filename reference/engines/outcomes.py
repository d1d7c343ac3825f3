"""Enumerates what Arm permits: runs the same thing again and again, each time with other choices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from assay64.reference.pseudocode.processor import Constraint

T = TypeVar("T")


class TooManyOutcomes(Exception):
    """The choices multiply beyond the limit: the case is too long to be compared against a set."""


@dataclass
class PathChooser:
    """Follows a path of choices, takes the first option after its end, and records what it met."""

    path: tuple[int, ...] = ()
    taken: list[tuple[str, int, tuple[Constraint, ...]]] = field(
        default_factory=list[tuple[str, int, tuple[Constraint, ...]]]
    )
    keeps_unknown: bool = True

    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint:
        step = len(self.taken)
        index = self.path[step] if step < len(self.path) else 0
        self.taken.append((name, index, constraints))
        return constraints[index]

    def names(self) -> tuple[str, ...]:
        """The choices taken, such as ``WBOVERLAPLD=NOP``."""
        return tuple(f"{name}={constraints[index].name}" for name, index, constraints in self.taken)


def every_outcome(run: Callable[[PathChooser], T], limit: int = 64) -> Iterator[tuple[T, PathChooser]]:
    """``run`` once for each combination of choices that it meets. TooManyOutcomes past ``limit`` of them."""
    path: list[int] = []
    for _ in range(limit):
        chooser = PathChooser(tuple(path))
        yield run(chooser), chooser
        path = [index for _, index, _ in chooser.taken]
        while path and path[-1] + 1 == len(chooser.taken[len(path) - 1][2]):
            path.pop()
        if not path:
            return
        path[-1] += 1
    raise TooManyOutcomes(f"more than {limit} combinations of permitted behaviour")
