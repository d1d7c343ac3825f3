"""The judge: case in, verdict out. Wires workers, the reference's permitted outcomes, comparison and known deviations
together.

It keeps one worker process per backend and leaves records and reports to others.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType

import msgspec
import numpy as np

from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.batches import Key, batch_key, batch_of, case_of, outcome_of
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Case, Run
from assay64.harness.cases.layout import Batch
from assay64.harness.cases.outcome import Permitted, Verdict, VerdictKind
from assay64.harness.engine_choice import chosen_engine
from assay64.harness.judge import deviations as known
from assay64.harness.judge.batch import BatchReference, Expected, expected_of, matching
from assay64.harness.judge.compare import Differences, compare_with_each
from assay64.harness.judge.deviations import Deviation
from assay64.harness.judge.divergence import first_divergence, of_the_last
from assay64.harness.judge.expected import Oracle
from assay64.harness.judge.frames import Crashed, Failed, Hung, Lacks, Ran, Result
from assay64.harness.judge.instructions import only_word
from assay64.harness.judge.pool import CHUNK, BatchResult, Worker
from assay64.harness.judge.process import CASE_TIMEOUT_S
from assay64.harness.judge.shrink import BUDGET, same_failure, shrink
from assay64.harness.judge.zygote import Zygote

Reference = Callable[[Case], tuple[Permitted, ...]]
_Compared = tuple[Verdict, tuple[Differences, ...]]
MATCH = Verdict(kind=VerdictKind.MATCH)
REMEMBERED_CASES = 4096
# Cases that are looked at together, and how many of them alike make a batch.
MANY, FEW = 256, 4
FAILURES = (VerdictKind.MISMATCH, VerdictKind.CRASH, VerdictKind.HANG)


class Judge:
    """Judges cases on backends. Use as a context manager: it ends its worker processes.

    ``timeout_s`` is the wall-clock time of a case. ``deviations`` replaces the known deviations of backends by name;
    others have those of the data files. ``reference`` says what Arm permits for a case that does not bring it: golden,
    and the native engine for batches, unless another one is given. ``zygote`` is what the workers share imports with.
    """

    def __init__(
        self,
        *,
        timeout_s: float = CASE_TIMEOUT_S,
        deviations: Mapping[str, Sequence[Deviation]] | None = None,
        reference: Reference | None = None,
        zygote: Zygote | None = None,
    ) -> None:
        self._timeout_s, self._zygote = timeout_s, zygote
        self._deviations: dict[str, Sequence[Deviation]] = dict(deviations or {})
        self._reference = reference or Oracle().permitted
        self._given_reference = reference is not None
        if reference is None:
            chosen_engine()  # a misspelt one is said before any work
        # Where the answers for the cases in hand are, by the case's identity: a row of a batch.
        self._in_hand: dict[int, tuple[Case, Expected, int]] = {}
        self._workers: dict[str, Worker] = {}
        self._expected: OrderedDict[bytes, tuple[Permitted, ...] | Verdict] = OrderedDict()

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def begin(self, backends: Iterable[str]) -> None:
        """Start loading backends that will be asked, all at the same time. They say on first use what they lack."""
        for backend in backends:
            self._worker(backend).begin()

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()

    def capabilities(self, backend: str) -> Capabilities:
        """What the backend declares. Raises UsageError or BackendUnavailable."""
        return self._worker(backend).capabilities

    def deviations(self, backend: str) -> Sequence[Deviation]:
        if backend not in self._deviations:
            self._deviations[backend] = known.for_backend(backend)
        return self._deviations[backend]

    @cached_property
    def _batch_reference(self) -> BatchReference | None:
        # Imported for batches: it brings LLVM along, which takes longer than a case.
        from assay64.harness.judge.native_reference import native_reference

        return None if self._given_reference else native_reference()

    def expected(self, case: Case) -> tuple[Permitted, ...] | Verdict:
        """What Arm permits for ``case``; a verdict (error or unsupported) when the reference cannot say."""
        if case.permitted is not None:
            return case.permitted
        found, answers, row = self._in_hand.get(id(case), (None, None, 0))
        if found is case and answers is not None and answers.decided[row]:
            return (Permitted(outcome=outcome_of(answers.answers, row)),)
        key = msgspec.json.encode(case)
        if key in self._expected:
            self._expected.move_to_end(key)
            return self._expected[key]
        try:
            answer: tuple[Permitted, ...] | Verdict = self._reference(case)
        except Unsupported as lacking:
            answer = Verdict(kind=VerdictKind.UNSUPPORTED, detail=f"the reference: {lacking}")
        except Exception as error:  # noqa: BLE001 - a fault of the reference must not end a run
            answer = Verdict(kind=VerdictKind.ERROR, detail=f"the reference: {type(error).__name__}: {error}")
        self._expected[key] = answer
        if len(self._expected) > REMEMBERED_CASES:
            self._expected.popitem(last=False)
        return answer

    def judge(self, case: Case, backend: str) -> Verdict:
        return next(self.judge_many([case], backend))[1]

    def judge_on(self, case: Case, backends: Sequence[str]) -> Iterator[tuple[str, Verdict, Result]]:
        """(backend, verdict, what the case came to) for each, which all execute at the same time.

        Raises UsageError or BackendUnavailable before the first.
        """
        workers = [self._worker(backend) for backend in backends]
        for worker in workers:
            worker.send([case])
        permitted = self.expected(case)
        for backend, worker in zip(backends, workers, strict=True):
            (result,) = worker.collect([case])
            verdict = _verdict(case, permitted, result, worker.capabilities)
            yield backend, self._explained(case, *verdict, backend), result

    def judge_many(
        self, cases: Iterable[Case], backend: str, *, in_sequences: bool = True
    ) -> Iterator[tuple[Case, Verdict]]:
        """(case, verdict) in order, as they come. Raises UsageError or BackendUnavailable before the first.

        Which instruction of a sequence is known to deviate takes many runs; ``in_sequences=False`` leaves that out.
        """
        remaining, capabilities = iter(cases), self.capabilities(backend)
        while chunk := tuple(itertools.islice(remaining, MANY)):
            self._in_hand.clear()
            groups: dict[Key, list[int]] = {}
            for index, case in enumerate(chunk):
                key = batch_key(case, capabilities)
                if key is not None:
                    groups.setdefault(key, []).append(index)
            found: dict[int, _Compared] = {}
            self._compare_batches(
                chunk, {key: group for key, group in groups.items() if len(group) >= FEW}, backend, found
            )
            self._compare_singly(chunk, [index for index in range(len(chunk)) if index not in found], backend, found)
            for index, case in enumerate(chunk):
                yield case, self._explained(case, *found[index], backend, in_sequences=in_sequences)

    def judge_batches(
        self, batches: Iterable[Batch], backend: str, reference: BatchReference | None = None
    ) -> Iterator[tuple[Batch, dict[int, Verdict]]]:
        """(batch, verdicts) in order: the verdicts by row of the cases that did not plainly match.

        The final states and exits of a batch are good until the next is asked for. ``reference`` answers for whole
        batches; without one the judge's own is asked case by case. Raises UsageError or BackendUnavailable before the
        first, Unsupported when the backend runs no batches, or not in their environment.
        """
        capabilities = self.capabilities(backend)
        for result in self._worker(backend).run_batches(batches):
            batch = result.batch
            expected = self._expected_batch(batch) if reference is None else reference(batch)
            verdicts: dict[int, Verdict] = {}
            for index, compared in self._compare_rows(result, expected, capabilities):
                verdicts[index] = self._explained(case_of(batch, index), *compared, backend)
            yield batch, verdicts

    def _expected_batch(self, batch: Batch, cases: Sequence[Case] = ()) -> Expected:
        """What Arm permits for a batch, whose ``cases`` may bring it themselves."""
        if self._batch_reference is None:
            cases = cases or [case_of(batch, index) for index in range(len(batch))]
            return expected_of(batch, cases, [self.expected(case) for case in cases])
        expected = self._batch_reference(batch)
        for index, case in enumerate(cases):
            if case.permitted is not None:
                expected.decided[index], expected.permitted[index] = False, case.permitted
        return expected

    def _compare_batches(
        self, chunk: Sequence[Case], groups: Mapping[Key, list[int]], backend: str, found: dict[int, _Compared]
    ) -> None:
        """Compare groups of cases as batches; what a backend refuses to run so is left out of ``found``."""
        capabilities = self.capabilities(backend)
        batches = (batch_of([chunk[index] for index in group], key) for key, group in groups.items())
        try:
            for group, result in zip(groups.values(), self._worker(backend).run_batches(batches), strict=True):
                cases = [chunk[index] for index in group]
                expected = self._expected_batch(result.batch, cases)
                self._in_hand.update((id(case), (case, expected, row)) for row, case in enumerate(cases))
                found.update((index, (MATCH, ())) for index in group)
                for row, compared in self._compare_rows(result, expected, capabilities, cases):
                    found[group[row]] = compared
        except Unsupported:
            return

    def _compare_singly(
        self, chunk: Sequence[Case], indices: Sequence[int], backend: str, found: dict[int, _Compared]
    ) -> None:
        worker = self._worker(backend)
        for start in range(0, len(indices), CHUNK):
            part = indices[start : start + CHUNK]
            cases = [chunk[index] for index in part]
            worker.send(cases)
            # The backend executes while the reference computes.
            expected = [self.expected(case) for case in cases]
            results = list(worker.collect(cases))
            for index, case, permitted, result in zip(part, cases, expected, results, strict=True):
                found[index] = _verdict(case, permitted, result, worker.capabilities)

    def _compare_rows(
        self, result: BatchResult, expected: Expected, capabilities: Capabilities, cases: Sequence[Case] = ()
    ) -> Iterator[tuple[int, _Compared]]:
        """The rows of a batch that do not plainly match, compared case by case."""
        batch = result.batch
        plain = matching(batch, expected, capabilities)
        plain[list(result.lost)] = False
        for index in np.flatnonzero(~plain).tolist():
            case = cases[index] if cases else case_of(batch, index)
            permitted = expected.permitted.get(index)
            if permitted is None and expected.decided[index]:
                permitted = (Permitted(outcome=outcome_of(expected.answers, index)),)
            yield (
                index,
                _verdict(
                    case,
                    self.expected(case) if permitted is None else permitted,
                    result.lost.get(index) or _ran(batch, index),
                    capabilities,
                ),
            )

    def raw(self, case: Case, backend: str) -> Verdict:
        """The verdict before known deviations are looked at."""
        return self._raw(case, backend)[0]

    def _raw(self, case: Case, backend: str) -> tuple[Verdict, tuple[Differences, ...]]:
        worker = self._worker(backend)
        return _verdict(case, self.expected(case), worker.execute(case), worker.capabilities)

    def fails(self, case: Case, backend: str) -> bool:
        """Whether the backend does otherwise than Arm permits, known or not."""
        return self.raw(case, backend).kind in FAILURES

    def shrink(self, case: Case, verdict: Verdict, backend: str, budget: int = BUDGET) -> Case:
        """A smaller case with the same failure; ``case`` itself when it cannot be made smaller."""
        # A known deviation shrinks as the mismatch that it is; a mismatch must not shrink to a known deviation.
        if verdict.kind is VerdictKind.KNOWN_DEVIATION:
            verdict = self.raw(case, backend)
            return shrink(case, same_failure(verdict, case, lambda smaller: self.raw(smaller, backend)), budget)
        return shrink(case, same_failure(verdict, case, lambda smaller: self.judge(smaller, backend)), budget)

    def diverging(self, case: Case, backend: str) -> Case | None:
        """``case`` cut behind the first instruction that diverges; None when it fails only as a whole, or cannot be
        cut.

        What precedes the cut is judged right, so the failure of the result is that of its last instruction.
        """
        if case.permitted is not None or len(case.actions) != 1 or not isinstance(case.actions[0], Run):
            return None
        if case.actions[0].until is not None:
            return None
        right, wrong = 0, len(case.code)
        while wrong - right > 1:
            middle = (right + wrong) // 2
            cut = msgspec.structs.replace(case, code=case.code[:middle])
            if self.fails(cut, backend):
                wrong = middle
            else:
                right = middle
        return msgspec.structs.replace(case, code=case.code[:wrong])

    def _worker(self, backend: str) -> Worker:
        if backend not in self._workers:
            self._workers[backend] = Worker(backend, timeout_s=self._timeout_s, zygote=self._zygote)
        return self._workers[backend]

    def _explained(
        self,
        case: Case,
        verdict: Verdict,
        against: tuple[Differences, ...],
        backend: str,
        *,
        in_sequences: bool = True,
    ) -> Verdict:
        entries = self.deviations(backend)
        if not (verdict.kind in FAILURES or verdict.indistinct) or not entries:
            return verdict
        capabilities = self.capabilities(backend)
        found = known.explain(
            case, verdict, entries, capabilities, alternatives=against, endings=lambda: self._endings(case)
        )
        if found.kind is not verdict.kind or verdict.kind is VerdictKind.MATCH or only_word(case) is not None:
            return found
        if not in_sequences:
            return found
        # What a suite expects holds for the whole case; where it begins to go wrong the reference knows.
        plain = msgspec.structs.replace(case, permitted=None)
        for cut, word in first_divergence(plain, backend, self):
            verdict_of_cut, against = self._raw(cut, backend)
            exits = len(cut.actions)
            verdict_of_cut = msgspec.structs.replace(
                verdict_of_cut, differences=of_the_last(verdict_of_cut.differences, exits)
            )
            against = tuple(of_the_last(one, exits) for one in against)
            first = known.explain(
                cut,
                verdict_of_cut,
                entries,
                capabilities,
                word=word,
                alternatives=against,
                endings=lambda cut=cut: self._endings(cut),
            )
            if first.kind is VerdictKind.KNOWN_DEVIATION:
                detail = "known from the instruction that diverges first; what follows it is not judged"
                return msgspec.structs.replace(
                    verdict, kind=VerdictKind.KNOWN_DEVIATION, deviation=first.deviation, detail=detail
                )
        return found

    def _endings(self, case: Case) -> Sequence[str]:
        permitted = self.expected(case)
        return (
            []
            if isinstance(permitted, Verdict)
            else [str(one.outcome.exits[-1]) for one in permitted if one.outcome.exits]
        )


def _ran(batch: Batch, index: int) -> Ran | Failed:
    try:
        return Ran(outcome_of(batch, index))
    except ValueError as error:
        return Failed(str(error))


def _verdict(
    case: Case, permitted: tuple[Permitted, ...] | Verdict, result: Result, capabilities: Capabilities
) -> tuple[Verdict, tuple[Differences, ...]]:
    """The verdict, and the differences against every permitted outcome."""
    match result:
        case Lacks():
            return Verdict(kind=VerdictKind.UNSUPPORTED, detail=result.reason), ()
        case Crashed():
            return Verdict(kind=VerdictKind.CRASH, detail=str(result)), ()
        case Hung():
            budgets = [action.budget for action in case.actions if isinstance(action, Run)]
            budget = f"; the budget was {budgets[0]} instructions" if budgets else ""
            return Verdict(kind=VerdictKind.HANG, detail=f"{result}{budget}"), ()
        case Failed():
            return Verdict(kind=VerdictKind.ERROR, detail=result.reason), ()
        case Ran():
            if isinstance(permitted, Verdict):
                return permitted, ()
            try:
                return compare_with_each(case, permitted, result.outcome, capabilities)
            except (ValueError, TypeError) as error:
                detail = f"the outcome cannot be compared: {error}"
                return Verdict(kind=VerdictKind.ERROR, detail=detail), ()
