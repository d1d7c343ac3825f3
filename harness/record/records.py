"""The records of a run: what it was, its verdicts, its tests. Plain data; journal.py keeps them on disk.

Nothing here knows pytest, a backend or SQLite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from assay64.harness.cases.outcome import Verdict, VerdictKind

FAILING = frozenset({VerdictKind.MISMATCH, VerdictKind.CRASH, VerdictKind.HANG, VerdictKind.ERROR})


class BackendInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A backend as it was found: its version when it ran, or one line on what it lacked."""

    name: str
    version: str = ""
    missing: str = ""


class RunInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run was: enough to do it again.

    ``started`` is UTC in ISO 8601. ``specification`` and ``packages`` as provenance.py gives them; ``command`` is the
    command that ran, ``options`` what else it was asked for.
    """

    assay64: str
    python: str
    machine: str
    seed: int
    started: str
    backends: tuple[BackendInfo, ...]
    suites: tuple[str, ...] = ()
    specification: str = ""
    packages: dict[str, str] = {}
    command: str = "run"
    options: dict[str, str] = {}


class CheckRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One verdict. ``test`` is pytest's node, or what else cases are drawn for; ``group`` the instruction class.

    ``token`` replays the case, as small as it could be made; ``case`` is the token of the case that was judged, empty
    when it is the same. For a failure ``cause`` is what failures are grouped by and ``report`` its text; for a known
    deviation ``cause`` is the deviation's identifier.
    """

    test: str
    group: str
    backend: str
    verdict: Verdict
    token: str
    case: str = ""
    cause: str = ""
    report: str = ""


class TestRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One test as pytest saw it. ``error`` is a failure that is no verdict: a fault of the suite or the harness."""

    __test__ = False

    test: str
    outcome: str
    error: str = ""
    seconds: float = 0.0


class Tally(NamedTuple):
    """How many cases of a test came to a verdict with a cause on a backend."""

    test: str
    group: str
    backend: str
    kind: VerdictKind
    cause: str
    cases: int


class Records(msgspec.Struct, kw_only=True):
    """Everything that a run left.

    ``tallies`` count every verdict; ``checks`` are those that are kept whole: failures, and for each cause of other
    kinds an example. ``shards`` names the parts of which the run was put together, ``unfinished`` those of them that
    were not brought to their end.
    """

    info: RunInfo
    tallies: list[Tally]
    checks: list[CheckRecord]
    tests: list[TestRecord]
    shards: dict[str, RunInfo] = {}
    unfinished: tuple[str, ...] = ()

    def cases(self) -> int:
        return sum(tally.cases for tally in self.tallies)

    def count(self, kinds: Iterable[VerdictKind]) -> int:
        wanted = frozenset(kinds)
        return sum(tally.cases for tally in self.tallies if tally.kind in wanted)

    def failures(self) -> Iterator[CheckRecord]:
        return (check for check in self.checks if check.verdict.kind in FAILING)

    def deviations(self) -> Iterator[CheckRecord]:
        return (check for check in self.checks if check.verdict.kind is VerdictKind.KNOWN_DEVIATION)

    def skipped(self) -> list[TestRecord]:
        """Tests that a suite skipped before they checked anything: they stand in no column of the table."""
        checked = {tally.test for tally in self.tallies}
        return [test for test in self.tests if test.outcome == "skipped" and test.test not in checked]

    def errors(self) -> list[TestRecord]:
        return [test for test in self.tests if test.error]
