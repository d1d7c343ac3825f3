"""One process of a campaign: draws pieces of code, judges them on every backend, in every execution mode, and reports.

It sends failures whole as long as they say something new, and counts of the rest. Which failures belong together, its
parent decides (campaign.py).
"""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from assay64.harness.cases.case import Case
from assay64.harness.cases.outcome import Permitted, Verdict, VerdictKind
from assay64.harness.cases.sequences import LENGTHS, STATES, Sequences
from assay64.harness.cases.tokens import to_token
from assay64.harness.judge import deviations as known
from assay64.harness.judge.compare import compare
from assay64.harness.judge.culprit import Unit
from assay64.harness.judge.frames import Ran
from assay64.harness.judge.instructions import instruction
from assay64.harness.judge.isolate import WRONG, settle
from assay64.harness.judge.judge import Judge
from assay64.harness.judge.modes import CACHED, ELSEWHERE, ONE_BLOCK, Variant, agree, variants
from assay64.harness.judge.pool import Worker
from assay64.harness.judge.symptoms import symptom
from assay64.harness.judge.triage import SEQUENCE, Failure, Kind, kind_of, kinds_changed, unit_of, vote
from assay64.harness.record.records import FAILING, CheckRecord
from assay64.reference.errors import EngineUnavailable

PIECES = 16  # between two reports
KEPT = 12  # failures of a kind that are sent whole
SAMPLES = 6  # passing cases of an instruction that are sent whole
SLOW = 0.5  # the part of a process's time that may go into isolating failures of sequences
TEST = "fuzz"
SEQUENCES, MODES = "Sequences of instructions", "Execution modes"
UNDECIDED = ("the reference: UnknownDecision", "the reference: TooManyOutcomes")
RUN_THROUGH = (VerdictKind.MATCH, VerdictKind.MISMATCH)
MOVED = 0x440  # bytes: code at another place that is nothing special


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign does. ``cases`` None: until ``seconds`` have passed. ``directory`` holds the journals."""

    seed: int
    backends: tuple[str, ...]
    directory: str
    cases: int | None = None
    seconds: float | None = None
    jobs: int = 1
    only: tuple[str, ...] = ()
    lengths: tuple[int, ...] = LENGTHS
    states: int = STATES
    weights: dict[str, float] = {}
    modes: bool = True


@dataclass
class Report:
    """What a shard has to say since its last report.

    ``unsettled`` are failures of sequences that were not looked into, because too many came.
    """

    shard: int
    cases: int = 0
    instructions: int = 0
    runs: int = 0
    verdicts: Counter[tuple[str, VerdictKind]] = field(default_factory=Counter[tuple[str, VerdictKind]])
    deviations: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    passed: Counter[tuple[str, Unit]] = field(default_factory=Counter[tuple[str, Unit]])
    failures: list[Failure] = field(default_factory=list[Failure])
    more: Counter[Kind] = field(default_factory=Counter[Kind])
    samples: list[tuple[Case, tuple[str, ...]]] = field(default_factory=list[tuple[Case, tuple[str, ...]]])
    unsettled: int = 0
    finished: bool = False
    error: str = ""
    unavailable: bool = False  # the error is that of an engine that cannot run here


class Stop(Protocol):
    def is_set(self) -> bool: ...


class Part(Protocol):
    """What is needed of ``journal.Journal``."""

    def check(self, record: CheckRecord, number: int | None = None) -> None: ...


def main(settings: Settings, index: int, send: Callable[[Report], None], stop: Stop) -> None:
    """Run shard ``index`` to its end; whatever goes wrong is in its last report."""
    from assay64.harness.record import store

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    parent = os.getppid()
    try:
        with ExitStack() as stack:
            journal = stack.enter_context(store.part(Path(settings.directory), f"shard{index}"))
            shard = Shard(settings, index, journal)
            stack.callback(shard.close)
            for report in shard.run(lambda: stop.is_set() or os.getppid() != parent):
                send(report)
    except Exception as error:  # noqa: BLE001 - a shard that ends without a word would leave its parent waiting
        unavailable = isinstance(error, EngineUnavailable)
        send(Report(index, finished=True, error=f"{type(error).__name__}: {error}", unavailable=unavailable))


class Shard:
    """Judges every ``jobs``-th piece of the campaign."""

    def __init__(self, settings: Settings, index: int, journal: Part) -> None:
        self.settings, self.index, self._journal = settings, index, journal
        plain = {name: known.for_backend(name) for name in settings.backends}
        self._judge = Judge()
        self._capabilities = {name: self._judge.capabilities(name) for name in settings.backends}
        off = {name: has.optimiser_off for name, has in self._capabilities.items() if has.optimiser_off}
        if off and settings.modes:
            self._judge.close()
            more = {off[name]: plain[name] for name in off}
            self._judge = Judge(deviations=more)
        self._workers: dict[str, Worker] = {}
        features = [has.features for has in self._capabilities.values()]
        self.sequences = Sequences(
            settings.seed,
            settings.only,
            settings.lengths,
            settings.states,
            features=frozenset[str]().union(*features),
            shared=frozenset[str].intersection(*features),
            weights=settings.weights,
        )
        self._kinds = Counter[Kind]()
        self._sampled = Counter[Unit]()
        self._spent_s = 0.0
        self._report = Report(shard=index)

    def close(self) -> None:
        self._judge.close()
        for worker in self._workers.values():
            worker.close()

    def run(self, stopped: Callable[[], bool]) -> Iterator[Report]:
        """A report after each chunk of pieces; the last one is ``finished``."""
        began, settings = time.monotonic(), self.settings
        piece, last = self.index, None
        if settings.cases is not None:
            last = -(-settings.cases // settings.states)
        while not stopped():
            over = settings.seconds is not None and time.monotonic() - began >= settings.seconds
            pieces = [piece + settings.jobs * number for number in range(PIECES)]
            pieces = [one for one in pieces if last is None or one < last]
            if over or not pieces:
                break
            cases = [case for one in pieces for case in self.sequences.piece(one)]
            if settings.cases is not None:
                cases = [case for case in cases if _number(case) < settings.cases]
            self.take(cases, time.monotonic() - began)
            piece += settings.jobs * PIECES
            yield self._sent()
        self._report.finished = True
        yield self._sent()

    def _sent(self) -> Report:
        report, self._report = self._report, Report(shard=self.index)
        return report

    def take(self, cases: Sequence[Case], elapsed_s: float) -> None:
        """Judge ``cases`` on every backend and in every mode, and note what there is to report."""
        report = self._report
        report.cases += len(cases)
        report.instructions += sum(len(case.code) for case in cases)
        found: list[dict[str, Verdict]] = [{} for _ in cases]
        smaller = dict[tuple[int, str], Case | None]()
        settled = set[tuple[int, str]]()  # failures that are findings of their modes
        for backend in self.settings.backends:
            judged = [_decided(*one) for one in self._judge.judge_many(cases, backend, in_sequences=False)]
            expected = [
                self._judge.expected(case) if verdict.kind in RUN_THROUGH else verdict
                for case, verdict in zip(cases, judged, strict=True)
            ]  # before the judge has other cases in hand
            for index, (case, verdict) in enumerate(zip(cases, judged, strict=True)):
                if len(case.code) > 1 and verdict.kind in WRONG:
                    judged[index], smaller[index, backend] = self._settle(case, verdict, backend, elapsed_s)
                found[index][backend] = judged[index]
                report.runs += 1
                self._note(case, backend, judged[index])
            if self.settings.modes:
                for index in self._in_modes(cases, judged, expected, backend):
                    settled.add((index, backend))
        for index, (case, verdicts) in enumerate(zip(cases, found, strict=True)):
            failing = [name for name, verdict in verdicts.items() if verdict.kind in FAILING]
            left = {name: smaller.get((index, name), case) for name in failing if (index, name) not in settled}
            if failing:
                self._failed(case, verdicts, left)
            elif len(case.code) == 1 and any(v.kind is VerdictKind.MATCH for v in verdicts.values()):
                self._passed(case, verdicts)

    def _settle(self, case: Case, verdict: Verdict, backend: str, elapsed_s: float) -> tuple[Verdict, Case | None]:
        """What is known of a sequence's failure, and the case made small: None when too many such failures came."""
        if self._spent_s > SLOW * max(elapsed_s, 1.0):
            return self._judge.judge(case, backend), None
        began = time.monotonic()
        settled = settle(case, verdict, backend, self._judge)
        self._spent_s += time.monotonic() - began
        return settled

    def _note(self, case: Case, backend: str, verdict: Verdict) -> None:
        self._report.verdicts[backend, verdict.kind] += 1
        if verdict.deviation:
            self._report.deviations[backend, verdict.deviation] += 1
        self._record(case, backend, verdict)

    def _record(self, case: Case, backend: str, verdict: Verdict, modes: tuple[str, ...] = ()) -> None:
        about = instruction(case.code[0]) if len(case.code) == 1 else None
        group = MODES if modes else SEQUENCES if about is None else about.family
        failing = verdict.kind in FAILING
        token = to_token(msgspec.structs.replace(case, name="")) if failing or verdict.deviation else ""
        cause, report = verdict.deviation, ""
        if failing:
            seen = symptom(verdict, None if about is None else about.word)
            cause = ", ".join((f"{SEQUENCE if about is None else about.title}: {seen}", *modes))
            report = f"  {case.name}\n  replay   assay64 replay '{token}' --backend {shlex.quote(backend)}"
        test = f"{TEST}::{group}"  # the journal has one instruction class for a test
        check = CheckRecord(
            test=test, group=group, backend=backend, verdict=verdict, token=token, cause=cause, report=report
        )
        self._journal.check(check)

    def _passed(self, case: Case, verdicts: dict[str, Verdict]) -> None:
        unit = unit_of(case)
        for backend, verdict in verdicts.items():
            self._report.passed[backend, unit] += verdict.kind is VerdictKind.MATCH
        if self._sampled[unit] < SAMPLES:
            self._sampled[unit] += 1
            expected = self._judge.expected(case)
            if not isinstance(expected, Verdict):
                before, after = dict(case.states[0].registers()), dict(expected[0].outcome.states[0].registers())
                changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
                kinds = set(kinds_changed(dict.fromkeys(changed)))
                kinds |= {"memory"} if expected[0].outcome.memory else set()
                self._report.samples.append((case, tuple(sorted(kinds))))

    def _failed(self, case: Case, verdicts: dict[str, Verdict], failing: Mapping[str, Case | None]) -> None:
        """Keep the failures of ``case`` that are not alike: ``failing`` has what is left of it on each backend."""
        settled = set[str]()
        for backend, small in failing.items():
            if backend in settled:
                continue
            if small is None:
                self._report.unsettled += 1
                continue
            seen = verdicts if small is case else {name: self._judge.judge(small, name) for name in verdicts}
            if seen[backend].kind is VerdictKind.KNOWN_DEVIATION:
                self._report.deviations[backend, seen[backend].deviation] += 1
                continue
            if seen[backend].kind not in FAILING:  # it does not fail every time
                self._report.unsettled += 1
                continue
            alike = tuple(name for name in seen if _same(seen[name], seen[backend]))
            settled |= set(alike)
            self._keep(_failure(alike, small, seen[backend], seen))

    def _keep(self, failure: Failure) -> None:
        if failure.modes:
            self._record(failure.case, failure.backends[0], failure.verdict, failure.modes)
        kind = kind_of(failure)
        self._kinds[kind] += 1
        if self._kinds[kind] <= KEPT:
            self._report.failures.append(failure)
        else:
            self._report.more[kind] += 1

    # --- execution modes

    def _in_modes(
        self,
        cases: Sequence[Case],
        verdicts: Sequence[Verdict],
        expected: Sequence[tuple[Permitted, ...] | Verdict],
        backend: str,
    ) -> list[int]:
        """Run what ``backend`` can run in the other modes. A case that it fails in some modes only is a finding.

        Gives the indices of cases that fail as they are, and in not all other modes.
        """
        todo: list[tuple[int, Case, Verdict, list[Variant]]] = []
        for index, (case, verdict, permitted) in enumerate(zip(cases, verdicts, expected, strict=True)):
            if verdict.kind in RUN_THROUGH and not isinstance(permitted, Verdict):
                todo.append((index, case, verdict, list(variants(case, permitted[0], self._capabilities[backend]))))
        off = self._capabilities[backend].optimiser_off
        usual = self._run(backend, [c for _, case, _, all_ in todo for c in (case, *_cases(all_, unoptimised=False))])
        plain = self._run(off, [c for *_, all_ in todo for c in _cases(all_, unoptimised=True)]) if off else iter(())
        settled = list[int]()
        for index, case, verdict, all_ in todo:
            base = next(usual)
            differing = list[Variant]()
            for variant in all_:
                result = next(plain if variant.unoptimised else usual)
                self._report.runs += 1
                both = isinstance(base, Ran) and isinstance(result, Ran)
                if not both or not agree(case, base.outcome, variant, result.outcome):  # type: ignore[union-attr]
                    differing.append(variant)
            if verdict.kind in FAILING and self._passes(case, base, backend):
                # It failed where its code, or that of other states, had run before.
                self._keep(_failure((backend,), case, verdict, modes=(CACHED,)))
                settled.append(index)
            elif self._compare(case, verdict, all_, differing, backend):
                settled.append(index)
        return settled

    def _compare(
        self, case: Case, verdict: Verdict, all_: Sequence[Variant], differing: Sequence[Variant], backend: str
    ) -> bool:
        """Ask the reference about modes that differ: registers may hold the code's address, or be UNKNOWN.

        True when ``verdict`` is a failure, and it is one of modes.
        """
        if verdict.kind in FAILING:
            # Elsewhere the same code may rightly do something else.
            differing = [variant for variant in differing if variant.mode not in ELSEWHERE]
        wrong = list[tuple[Variant, Verdict]]()
        for variant in differing:
            name = self._capabilities[backend].optimiser_off if variant.unoptimised else backend
            if variant.mode == CACHED:
                self._judge.judge(variant.case, name)
            seen = _decided(variant.case, self._judge.judge(variant.case, name))
            if seen.kind in (VerdictKind.KNOWN_DEVIATION, VerdictKind.UNSUPPORTED):
                continue
            if (seen.kind in FAILING) != (verdict.kind in FAILING):
                wrong.append((variant, seen))
        if not wrong:
            return False
        if verdict.kind in FAILING:  # it fails in all modes but these
            right = {variant.mode for variant, _ in wrong}
            modes = tuple(variant.mode for variant in all_ if variant.mode not in right | ELSEWHERE)
            self._keep(_failure((backend,), case, verdict, modes=(ONE_BLOCK, *modes)))
            return True
        if all(variant.mode in ELSEWHERE for variant, _ in wrong):
            moved = msgspec.structs.replace(case, code_address=case.code_address + MOVED)
            if self._judge.judge(moved, backend).kind in FAILING:  # at any other place: it is the code, and no mode
                everywhere = {name: self._judge.judge(moved, name) for name in self.settings.backends}
                _, small = settle(moved, everywhere[backend], backend, self._judge)
                self._failed(moved, everywhere, {backend: small})
                return False
        variant, seen = wrong[0]
        self._keep(_failure((backend,), variant.case, seen, modes=tuple(variant.mode for variant, _ in wrong)))
        return False

    def _passes(self, case: Case, result: object, backend: str) -> bool:
        expected = self._judge.expected(case)
        if isinstance(expected, Verdict) or not isinstance(result, Ran):
            return False
        return compare(case, expected, result.outcome, self._capabilities[backend]).kind is VerdictKind.MATCH

    def _run(self, backend: str, cases: Sequence[Case]) -> Iterator[object]:
        if backend not in self._workers:
            self._workers[backend] = Worker(backend)
        return self._workers[backend].run(cases)


def _cases(all_: Sequence[Variant], *, unoptimised: bool) -> list[Case]:
    return [variant.case for variant in all_ if variant.unoptimised == unoptimised]


def _failure(
    backends: tuple[str, ...],
    case: Case,
    verdict: Verdict,
    verdicts: dict[str, Verdict] | None = None,
    modes: tuple[str, ...] = (),
) -> Failure:
    votes = {name: vote(other) for name, other in (verdicts or {}).items() if name not in backends}
    number = _number(case)
    plain = msgspec.structs.replace(case, name="")
    return Failure(backends=backends, case=plain, verdict=verdict, number=number, modes=modes, votes=votes)


def _number(case: Case) -> int:
    return int(case.name.rpartition(":")[2] or 0)


def _decided(case: Case, verdict: Verdict) -> Verdict:
    """``verdict``, but unsupported for a sequence that branches on UNKNOWN values, or makes too many choices."""
    undecided = verdict.kind is VerdictKind.ERROR and verdict.detail.startswith(UNDECIDED) and len(case.code) > 1
    return msgspec.structs.replace(verdict, kind=VerdictKind.UNSUPPORTED) if undecided else verdict


def _same(one: Verdict, other: Verdict) -> bool:
    """Whether two backends fail in the same way: the same fields with the same values."""
    return one.kind is other.kind and one.differences == other.differences and one.detail == other.detail
