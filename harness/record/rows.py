"""What a campaign over the rows of the specification has had: one record for each row and backend,
among the notes of the run's journal.

Plain data; nothing here knows pytest, a backend or the specification.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from assay64.harness.record import store

PREFIX = "row "
NO_FPCR = -1


class RowRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row on one backend.

    ``judged`` are the states with a verdict, known deviations (``known``, by identifier) and failures among them;
    ``unsupported`` counts the others by reason. ``fpcr`` has a bit for each combination of FPCR that was judged
    (random_rows.py numbers them), NO_FPCR where the instruction does not read it. ``classes`` counts states by what
    they had: ``Rn: infinity``, ``Rd=Rn``, ``IXC``. ``possible`` is the number of operand classes that there are.
    ``seeds`` are those with which the states were drawn. ``word`` is an encoding of the row, ``features`` what it needs
    beyond Armv8.0.
    """

    backend: str
    row: str
    definition: str
    mnemonic: str
    group: str
    word: int
    features: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    drawn: int = 0
    judged: int = 0
    failures: int = 0
    known: dict[str, int] = {}
    unsupported: dict[str, int] = {}
    fpcr: int = NO_FPCR
    classes: dict[str, int] = {}
    possible: int = 0

    @property
    def operand_classes(self) -> int:
        """How many classes of operand values were had, of the possible."""
        return sum(": " in name for name in self.classes)


def key(record: RowRecord) -> str:
    """The name of the record among the notes of a run."""
    return f"{PREFIX}{record.backend} {record.row}"


def read(*runs: Path) -> list[RowRecord]:
    """The records of all ``runs``, none where there was no such campaign. UsageError for what is no run.

    What several runs have of one row on one backend is put together, the same states (of one seed) once.
    """
    found: dict[str, RowRecord] = {}
    for run in runs:
        for name, record in store.notes(run, RowRecord, PREFIX).items():
            found[name] = _together(found[name], record) if name in found else record
    return list(found.values())


def _together(one: RowRecord, other: RowRecord) -> RowRecord:
    if set(one.seeds) & set(other.seeds):
        return max(one, other, key=lambda record: record.judged)
    reads_fpcr = NO_FPCR not in (one.fpcr, other.fpcr)
    return msgspec.structs.replace(
        one,
        seeds=(*one.seeds, *other.seeds),
        drawn=one.drawn + other.drawn,
        judged=one.judged + other.judged,
        failures=one.failures + other.failures,
        known=dict(Counter(one.known) + Counter(other.known)),
        unsupported=dict(Counter(one.unsupported) + Counter(other.unsupported)),
        fpcr=one.fpcr | other.fpcr if reads_fpcr else NO_FPCR,
        classes=dict(Counter(one.classes) + Counter(other.classes)),
    )
