"""A backend under test as suites see it: judges cases, records every verdict, and fails a test with a report.

It ties judge, records and failure report together for plugin.py, and must not know pytest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from assay64.harness.cases.case import Case
from assay64.harness.cases.outcome import Verdict, VerdictKind
from assay64.harness.cases.tokens import to_token
from assay64.harness.record.records import FAILING, CheckRecord
from assay64.harness.report.failure import failure_report

REPORTS_SHOWN = 5


class CheckFailed(AssertionError):
    """One or more cases ended as Arm does not permit; the text is the report."""


class CaseJudge(Protocol):
    """What is needed of ``judge.Judge``."""

    def judge(self, case: Case, backend: str) -> Verdict: ...

    def judge_many(self, cases: Iterable[Case], backend: str) -> Iterable[tuple[Case, Verdict]]: ...


class Explainer(Protocol):
    """Groups and shrinks failures: ``judge.triage`` and ``judge.shrink``, or a stand-in."""

    def cause(self, case: Case, verdict: Verdict) -> str: ...

    def shrink(self, case: Case, backend: str) -> Case: ...


class RecordSink(Protocol):
    def append(self, record: msgspec.Struct) -> None: ...


@dataclass
class Context:
    """The test that is running, and what its checks came to so far."""

    test: str = ""
    group: str = ""
    unsupported: list[str] = field(default_factory=list[str])
    tokens: list[str] = field(default_factory=list[str])

    def enter(self, test: str, group: str) -> None:
        self.test, self.group = test, group
        self.unsupported.clear()
        self.tokens.clear()


class BackendUnderTest:
    """Checks cases on one backend. ``judge`` is there for suites that want verdicts instead of failures."""

    def __init__(
        self, name: str, judge: CaseJudge, explainer: Explainer, context: Context, sink: RecordSink | None, seed: str = ""
    ) -> None:
        self.name = name
        self.judge = judge
        self._explainer = explainer
        self._context = context
        self._sink = sink
        self._seed = seed
        self._explained: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<backend {self.name}>"

    def check(self, case: Case) -> None:
        """Judge ``case``. Raises CheckFailed unless the outcome is permitted, a known deviation, or unsupported.

        An unsupported case is recorded as such, and makes the test count as skipped, never as passed.
        """
        report = self._take(case, self.judge.judge(case, self.name))
        if report is not None:
            raise CheckFailed(report)

    def check_many(self, cases: Iterable[Case]) -> int:
        """Judge all ``cases``, in batches where the backend has them, and give their number. Raises CheckFailed at the end."""
        reports: list[str] = []
        number = failed = 0
        for case, verdict in self.judge.judge_many(cases, self.name):
            number += 1
            report = self._take(case, verdict)
            if report is not None:
                failed += 1
                if len(reports) < REPORTS_SHOWN:
                    reports.append(report)
        if failed:
            raise CheckFailed("\n".join([*reports, f"{failed} of {number} cases failed on {self.name}"]))
        return number

    def _take(self, case: Case, verdict: Verdict) -> str | None:
        """Record ``verdict``; the report when it is a failure."""
        context = self._context
        if verdict.kind is VerdictKind.UNSUPPORTED:
            context.unsupported.append(verdict.detail)
        if verdict.kind not in FAILING:
            token = _identifying_token(case)
            if verdict.kind is VerdictKind.KNOWN_DEVIATION:
                context.tokens.append(token)
            self._record(CheckRecord(
                test=context.test, group=context.group, backend=self.name, verdict=verdict, token=token,
                cause=verdict.deviation,
            ))
            return None
        cause = self._explainer.cause(case, verdict)
        shown, shown_verdict, before = case, verdict, None
        token = self._replayable(case)
        reproducer = ""
        if cause not in self._explained:
            smaller = self._smaller(case)
            if smaller is not None:
                shown, shown_verdict = smaller
                before, reproducer = case, to_token(shown)
            self._explained[cause] = reproducer or token
        context.tokens.append(reproducer or token)
        report = failure_report(
            shown, shown_verdict, backend=self.name, token=reproducer or token, seed=self._seed, before_shrinking=before
        )
        self._record(CheckRecord(
            test=context.test, group=context.group, backend=self.name, verdict=verdict, token=token, cause=cause,
            report=report, reproducer=reproducer,
        ))
        return report

    def _smaller(self, case: Case) -> tuple[Case, Verdict] | None:
        """``case`` shrunk, with its verdict; None when it does not fail without the suite's own expectation, or again."""
        plain = _plain(case)
        if case.permitted is not None and self.judge.judge(plain, self.name).kind not in FAILING:
            return None
        shrunk = self._explainer.shrink(plain, self.name)
        verdict = self.judge.judge(shrunk, self.name)
        return (shrunk, verdict) if verdict.kind in FAILING else None

    def _replayable(self, case: Case) -> str:
        """A token that fails again: the short one when the reference sees the failure, too, else one with the expectation."""
        plain = _plain(case)
        if case.permitted is not None and self.judge.judge(plain, self.name).kind not in FAILING:
            return to_token(msgspec.structs.replace(case, name=""))
        return to_token(plain)

    def _record(self, record: CheckRecord) -> None:
        if self._sink is not None:
            self._sink.append(record)


def _plain(case: Case) -> Case:
    """``case`` without name and expectation: what a short token can hold."""
    return msgspec.structs.replace(case, name="", permitted=None)


def _identifying_token(case: Case) -> str:
    return to_token(_plain(case))
