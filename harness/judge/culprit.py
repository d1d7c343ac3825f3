"""Finds the pseudocode function that failures of several instructions share, so that one bug is one group.

A place of the specification is the cause of failures when the instructions that run through it fail, and few that run
through it do not. It knows what was counted and which places were seen; it runs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from assay64.harness.judge.spectra import Place

Unit = tuple[str, str]  # definition and mnemonic
ALL = 0.8  # of an instruction's failures run through what they have in common
UNLIKELY = 0.05  # an instruction that passes is evidence against a place when that is as unlikely as this
QUANTILE = 0.5  # of the rates at which the instructions that fail do so: what one that passes is measured by
MOST = 0.25  # evidence against, for each instruction that fails


@dataclass
class Failing:
    """Failures of one instruction with one symptom: how many, and the spectra of some of them."""

    unit: Unit
    count: int
    spectra: Sequence[frozenset[Place]]


@dataclass
class Passing:
    """Cases of one instruction that passed: how many, and for some the spectra and the kinds of state that changed."""

    count: int
    spectra: Sequence[frozenset[Place]]
    changes: Collection[str]

    def through(self, place: Place) -> float:
        """About how many of them ran through ``place``."""
        seen = sum(place in one for one in self.spectra)
        return self.count * seen / len(self.spectra) if seen else 0.0


def shared_place(failing: Sequence[Failing], passing: Mapping[Unit, Passing], kind: str) -> Place | None:
    """The place that explains most of ``failing`` by being wrong; None when no two instructions share one that does.

    ``kind`` of state is what differs: an instruction that never changes it says nothing by passing.
    """
    best: tuple[float, float, int, Place] | None = None
    for place in frozenset[Place]().union(*(one for item in failing for one in item.spectra)):
        through = [item for item in failing if runs_through(item, place)]
        units = {item.unit for item in through}
        if len(units) < 2 or not _telling(through):
            continue
        failures = {unit: sum(item.count for item in through if item.unit == unit) for unit in units}
        rates = sorted(
            count / (count + (passing[unit].through(place) if unit in passing else 0.0))
            for unit, count in failures.items()
        )
        rate = rates[int(QUANTILE * len(rates))]
        against = sum(
            1
            for unit, passed in passing.items()
            if unit not in units
            and (kind not in ("flags", "FPSR", "register", "vector", "memory", "base") or kind in passed.changes)
            and (1 - rate) ** passed.through(place) < UNLIKELY
        )
        if against > MOST * len(units):
            continue
        total = sum(failures.values())
        passed = sum(one.through(place) for one in passing.values())
        # The most failures explained; of several places that do, the one that the fewest others run through.
        rank = (total, total / (total + passed), -place[1], place)
        if best is None or rank > best:
            best = rank
    return best[3] if best else None


def _telling(items: Sequence[Failing]) -> bool:
    """Whether instructions share a place by more than chance: three definitions, or neighbours in one file."""
    definitions = {item.unit[0] for item in items}
    return len(definitions) > 2 or len({_file(item) for item in items}) == 1


def _file(item: Failing) -> str:
    """Where the definition stands, as far as it was seen."""
    for name, _ in item.spectra[0] if item.spectra else ():
        function, _, where = name.partition(" (")
        if function == item.unit[0]:
            return where
    return item.unit[0]


def runs_through(item: Failing, place: Place) -> bool:
    return bool(item.spectra) and sum(place in one for one in item.spectra) >= ALL * len(item.spectra)


def suspicious(failing: Iterable[Failing], passing: Mapping[Unit, Passing]) -> Place | None:
    """The place that the failures of one group have in common and that the fewest others run through."""
    items = [item for item in failing if item.spectra]
    if not items:
        return None
    common = frozenset[Place].intersection(*(one for item in items for one in item.spectra))
    if not common:
        return None
    return min(common, key=lambda place: (sum(one.through(place) for one in passing.values()), place[1] == 0, place))


def cluster(
    failing: Sequence[Failing], passing: Mapping[Unit, Passing], kind: str
) -> list[tuple[Place | None, list[Failing]]]:
    """``failing``, of one symptom, by cause: a shared place each, or (None) the instructions of one definition."""
    left, found = list(failing), list[tuple[Place | None, list[Failing]]]()
    while (place := shared_place(left, passing, kind)) is not None:
        members = [item for item in left if runs_through(item, place)]
        left = [item for item in left if item not in members]
        found.append((place, members))
    for definition in dict.fromkeys(item.unit[0] for item in left):
        found.append((None, [item for item in left if item.unit[0] == definition]))
    return found
