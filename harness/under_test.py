"""A backend under test as suites see it: judges cases, records every verdict, and fails a test with a report.

It ties judge, records and failure report together for plugin.py, and must not know pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from assay64.harness.cases.case import Case
from assay64.harness.cases.outcome import Verdict, VerdictKind
from assay64.harness.cases.tokens import to_token
from assay64.harness.check_context import CheckFailed, Context
from assay64.harness.judge.instructions import instruction
from assay64.harness.judge.triage import Cause, blamed, cause_of
from assay64.harness.record.records import FAILING, CheckRecord
from assay64.harness.report.failure import failure_report

REPORTS_SHOWN = 5
MAX_SHRUNK = 50
# Runs that shrinking one failure may take: a crash costs a new process, a hang its whole timeout.
SHRINK_BUDGET = {
    VerdictKind.MISMATCH: 400,
    VerdictKind.KNOWN_DEVIATION: 100,
    VerdictKind.CRASH: 60,
    VerdictKind.HANG: 5,
    VerdictKind.ERROR: 60,
}


class CaseJudge(Protocol):
    """What is needed of ``judge.Judge``."""

    def judge(self, case: Case, backend: str) -> Verdict: ...

    def judge_many(self, cases: Iterable[Case], backend: str) -> Iterable[tuple[Case, Verdict]]: ...

    def diverging(self, case: Case, backend: str) -> Case | None: ...

    def shrink(self, case: Case, verdict: Verdict, backend: str, budget: int = ...) -> Case: ...


class RecordSink(Protocol):
    """What is needed of ``journal.Journal``."""

    def check(self, record: CheckRecord) -> None: ...

    def matched(self, test: str, group: str, backend: str) -> None: ...

    def note(self, key: str, value: msgspec.Struct) -> None: ...


@dataclass(frozen=True)
class _Explained:
    """A failure, as far as it could be explained: the case to show, its verdict, the cause, what to replay."""

    case: Case
    verdict: Verdict
    cause: str
    token: str
    shrunk: bool


class BackendUnderTest:
    """Checks cases on one backend. ``judge`` is there for suites that want verdicts instead of failures.

    ``seed`` is shown in reports. Only the first failure of each cause is shrunk, as that can take many runs.
    """

    def __init__(self, name: str, judge: CaseJudge, context: Context, sink: RecordSink | None, seed: str = "") -> None:
        self.name = name
        self.judge = judge
        self._context = context
        self._sink = sink
        self._seed = seed
        self._shrunk: set[str] = set()

    def __repr__(self) -> str:
        return f"<backend {self.name}>"

    def check(self, case: Case) -> None:
        """Judge ``case``. Raises CheckFailed unless the outcome is permitted, a known deviation, or unsupported.

        An unsupported case is recorded as such, and makes the test count as skipped, never as passed.
        """
        report = self._take(case, self.judge.judge(case, self.name))
        if report is not None:
            raise CheckFailed(report)

    def check_many(self, cases: Iterable[Case], observe: Callable[[Case, Verdict], None] | None = None) -> int:
        """Judge all ``cases`` and give their number; ``observe`` is told of each.

        Raises CheckFailed at the end, with the first few reports.
        """
        reports: list[str] = []
        number = failed = 0
        for case, verdict in self.judge.judge_many(cases, self.name):
            number += 1
            if observe is not None:
                observe(case, verdict)
            report = self._take(case, verdict)
            if report is not None:
                failed += 1
                if len(reports) < REPORTS_SHOWN:
                    reports.append(report)
        if failed:
            raise CheckFailed("\n".join([*reports, f"{failed} of {number} cases failed on {self.name}"]))
        return number

    def note(self, key: str, value: msgspec.Struct) -> None:
        """Keep ``value`` with the run's records."""
        if self._sink is not None:
            self._sink.note(key, value)

    def _take(self, case: Case, verdict: Verdict) -> str | None:
        """Record ``verdict``; the report when it is a failure."""
        context = self._context
        if verdict.kind is VerdictKind.MATCH:
            if self._sink is not None:
                self._sink.matched(context.test, context.group, self.name)
            return None
        if verdict.kind in FAILING:
            explained = self._explain(case, verdict)
            report = failure_report(
                explained.case,
                explained.verdict,
                backend=self.name,
                token=explained.token,
                seed=self._seed,
                before_shrinking=case if explained.shrunk else None,
            )
            context.tokens.append(explained.token)
            self._record(verdict, explained.token, case=to_token(_unnamed(case)), cause=explained.cause, report=report)
            return report
        plain = _plain(case)
        if verdict.kind is VerdictKind.UNSUPPORTED:
            context.unsupported.append(verdict.detail)
        if verdict.kind is VerdictKind.KNOWN_DEVIATION:
            plain = self._smaller_deviation(plain, verdict)
            context.tokens.append(to_token(plain))
        token = to_token(plain)
        self._record(verdict, token, cause=verdict.deviation)
        return None

    def _smaller_deviation(self, plain: Case, verdict: Verdict) -> Case:
        """The first case of each known deviation made small, as its token stands in reports; ``plain`` for others."""
        if verdict.deviation in self._shrunk:
            return plain
        self._shrunk.add(verdict.deviation)
        if verdict.indistinct:
            singles = [Case(code=(word,), environment=plain.environment) for word in plain.code]
            return next((one for one in singles if self.judge.judge(one, self.name).indistinct), plain)
        if self.judge.judge(plain, self.name).deviation != verdict.deviation:
            return plain
        smaller = self.judge.shrink(plain, verdict, self.name, SHRINK_BUDGET[verdict.kind])
        return smaller if self.judge.judge(smaller, self.name).deviation == verdict.deviation else plain

    def _explain(self, case: Case, verdict: Verdict) -> _Explained:
        plain = _plain(case)
        seen = verdict if case.permitted is None else self.judge.judge(plain, self.name)
        if seen.kind not in FAILING:
            # Only the suite's own expectation shows it: the token carries that, and nothing can be left out.
            whole = _unnamed(case)
            cause = cause_text(cause_of(self.name, verdict, blamed(case)), blamed(case))
            return _Explained(case, verdict, cause, to_token(whole), shrunk=False)
        if len(plain.code) > 1 and seen.kind is not VerdictKind.HANG:
            cut = self.judge.diverging(plain, self.name)
            found = seen if cut is None else self.judge.judge(cut, self.name)
            if cut is not None and found.kind in FAILING:
                plain, seen = cut, found
        word = blamed(plain)
        cause = cause_text(cause_of(self.name, seen, word), word)
        if cause in self._shrunk or len(self._shrunk) >= MAX_SHRUNK:
            return _Explained(plain, seen, cause, to_token(plain), shrunk=plain.code != case.code)
        self._shrunk.add(cause)
        smaller = self.judge.shrink(plain, seen, self.name, SHRINK_BUDGET[seen.kind])
        again = self.judge.judge(smaller, self.name)
        if again.kind in FAILING:
            plain, seen = smaller, again
        return _Explained(plain, seen, cause, to_token(plain), shrunk=True)

    def _record(self, verdict: Verdict, token: str, *, cause: str, case: str = "", report: str = "") -> None:
        if self._sink is not None:
            self._sink.check(
                CheckRecord(
                    test=self._context.test,
                    group=self._context.group,
                    backend=self.name,
                    verdict=verdict,
                    token=token,
                    case="" if case == token else case,
                    cause=cause,
                    report=report,
                )
            )


def cause_text(cause: Cause, word: int | None) -> str:
    """``ADDS (shifted register): nzcv``: what failures are grouped by."""
    about = instruction(word).title if word is not None else "several instructions"
    return f"{about}: {', '.join(cause.what) or cause.kind}"


def _unnamed(case: Case) -> Case:
    return msgspec.structs.replace(case, name="")


def _plain(case: Case) -> Case:
    """``case`` without name and expectation: what a short token can hold."""
    return msgspec.structs.replace(case, name="", permitted=None)
