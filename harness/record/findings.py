"""What a campaign found, as plain data: its totals and, for each cause, a finding. Kept as notes in the run's journal.

Nothing here knows how failures are grouped or shown.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from assay64.harness.cases.case import Case
from assay64.harness.cases.outcome import Verdict, VerdictKind

NOTE = "finding/"  # and its number, in four digits


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A group of failures with one cause.

    ``backends`` fail alike; ``culprit`` is who is likely wrong. ``place`` is a file and line of the specification,
    ``function`` the pseudocode function or definition there; ``shared`` says that several instructions (``units``:
    definition and mnemonic) fail because of it. ``modes`` are the execution modes in which it shows, empty for all.
    ``votes`` count what other backends make of these cases.

    ``token`` replays ``case``, the smallest, on ``run_on``; it was shrunk from ``before`` in ``seconds``. ``members``
    are tokens of others, ``first`` is the number of the first in the campaign, ``count`` how many there were.
    """

    title: str
    backends: tuple[str, ...]
    culprit: str
    symptom: str
    count: int
    first: int
    verdict: Verdict
    case: Case
    before: Case
    token: str
    run_on: str
    function: str = ""
    place: str = ""
    shared: bool = False
    modes: tuple[str, ...] = ()
    units: tuple[tuple[str, str], ...] = ()
    votes: dict[str, dict[str, int]] = {}
    members: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass
class Totals:
    """What a campaign has done.

    ``runs`` counts executions on backends, ``seconds`` wall-clock time, ``unsettled`` failures of sequences that were
    not looked into or did not show again, ``kinds`` the symptoms of instructions seen so far.
    """

    cases: int = 0
    instructions: int = 0
    runs: int = 0
    seconds: float = 0.0
    verdicts: Counter[tuple[str, VerdictKind]] = field(default_factory=Counter[tuple[str, VerdictKind]])
    deviations: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    unsettled: int = 0
    kinds: int = 0
    interrupted: bool = False
