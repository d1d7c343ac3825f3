"""A campaign: shards in processes of their own, their failures grouped, the smallest of each group shrunk.

It gives data; what it looks like on a terminal is report/campaign.py's affair.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import signal
import time
from collections import Counter
from collections.abc import Callable, Generator
from types import FrameType

import msgspec

from assay64.harness.cases.case import CODE_ADDRESS, Case, Run
from assay64.harness.cases.outcome import Verdict, VerdictKind
from assay64.harness.cases.sequences import Sequences
from assay64.harness.cases.tokens import to_token
from assay64.harness.errors import AssayError
from assay64.harness.judge import deviations as known
from assay64.harness.judge.expected import Oracle
from assay64.harness.judge.instructions import instruction
from assay64.harness.judge.judge import Judge
from assay64.harness.judge.modes import UNOPTIMISED, variants
from assay64.harness.judge.native_reference import prepare
from assay64.harness.judge.shard import Report, Settings, main
from assay64.harness.judge.shrink import same_failure, shrink
from assay64.harness.judge.spectra import Place, spectrum
from assay64.harness.judge.symptoms import symptom
from assay64.harness.judge.triage import Failure, Group, Triage, size, unit_of
from assay64.harness.record.findings import Finding, Totals
from assay64.harness.record.records import FAILING
from assay64.reference.errors import EngineUnavailable

POLL_S = 0.2
# Runs that shrinking one group may take: a crash costs a new process, a hang its whole timeout.
SHRINK_BUDGET = {VerdictKind.MISMATCH: 300, VerdictKind.CRASH: 40, VerdictKind.HANG: 4, VerdictKind.ERROR: 60}
MAX_SHRUNK = 100


class CampaignError(AssayError):
    """A process of the campaign failed."""


Show = Callable[[Totals, str], None]


def run(settings: Settings, show: Show) -> tuple[Totals, list[Finding]]:
    """Run a campaign to its end, or until Ctrl-C, which ends it early and loses nothing.

    ``show`` is told how far it is and what it does. Raises CampaignError when a shard fails.
    """
    triage, totals = Triage(_spectrum), Totals()
    show(totals, "preparing")
    _prepare(settings)
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    stop = context.Event()
    processes = [
        context.Process(target=main, args=(settings, index, reports.put, stop), daemon=True, name=f"shard {index}")
        for index in range(settings.jobs)
    ]
    with _deaf():
        for process in processes:
            process.start()
    left, error = settings.jobs, None
    with _interrupts(stop.set) as interrupted:
        try:
            while left:
                with contextlib.suppress(queue.Empty):
                    report = reports.get(timeout=POLL_S)
                    _take(report, totals, triage)
                    left -= report.finished
                    error = error or (report if report.error else None)
                    if report.error:
                        stop.set()
                dead = [process for process in processes if process.exitcode not in (None, 0)]
                if dead:
                    raise CampaignError(f"{dead[0].name} died with exit code {dead[0].exitcode}")
                totals.interrupted = interrupted()
                totals.seconds, totals.kinds = time.monotonic() - began, len(triage)
                show(totals, "stopping" if stop.is_set() else "judging")
        finally:
            stop.set()
            for process in processes:
                process.join(timeout=10)
                if process.is_alive():
                    process.terminate()
    if error is not None:
        if error.unavailable:
            raise EngineUnavailable(error.error.partition(": ")[2])
        raise CampaignError(f"a process of the campaign failed: {error.error}")
    return totals, _findings(triage, settings, lambda what: show(totals, what))


@contextlib.contextmanager
def _deaf() -> Generator[None]:
    """Children that are started here do not hear Ctrl-C, which would end them before they can say how far they are."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _interrupts(stop: Callable[[], None]) -> Generator[Callable[[], bool]]:
    """Ctrl-C calls ``stop``, and only a second one raises KeyboardInterrupt. Gives whether there was one."""
    times = 0

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal times
        times += 1
        stop()
        if times > 1:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: times > 0
    finally:
        signal.signal(signal.SIGINT, before)


def _prepare(settings: Settings) -> None:
    """Let the reference and the backends compile what they compile on first use, once, and not in every shard."""
    with Judge() as judge:
        if any(judge.capabilities(backend).batch for backend in settings.backends):
            prepare()
        for backend in settings.backends:
            features = judge.capabilities(backend).features
            drawn = Sequences(settings.seed, lengths=(1,), states=1, features=features, shared=features)
            for _ in judge.judge_many(drawn.cases(2), backend):
                pass


def _take(report: Report, totals: Totals, triage: Triage) -> None:
    totals.cases += report.cases
    totals.instructions += report.instructions
    totals.runs += report.runs
    totals.verdicts.update(report.verdicts)
    totals.deviations.update(report.deviations)
    totals.unsettled += report.unsettled
    for (backend, unit), count in report.passed.items():
        triage.passed(backend, unit, count)
    for case, changes in report.samples:
        triage.sample(case, changes)
    for failure in report.failures:
        triage.add(failure)
    for kind, count in report.more.items():
        triage.count(kind, count)


def _spectrum(case: Case) -> frozenset[Place]:
    return spectrum(case, Oracle().permitted)


def _findings(triage: Triage, settings: Settings, show: Callable[[str], None]) -> list[Finding]:
    show("grouping")
    groups = triage.groups()
    found = list[Finding]()
    plain = {name: known.for_backend(name) for name in settings.backends}
    with Judge() as judge:
        off = {name: judge.capabilities(name).optimiser_off for name in settings.backends} if groups else {}
    with Judge(deviations={off[n]: plain[n] for n in off if off[n]}) as judge:
        for number, group in enumerate(groups, 1):
            show(f"shrinking {number} of {len(groups)}")
            finding = _finding(group, judge, off, shrinks=number <= MAX_SHRUNK)
            same = next((index for index, other in enumerate(found) if _is_same(other, finding)), None)
            if same is None:
                found.append(finding)
            else:
                found[same] = _together(found[same], finding)
    # As triage orders groups, of which some are one by now: the place that explains most first.
    weights = Counter[str]()
    for finding in found:
        weights[finding.function] += finding.count
    return sorted(found, key=lambda one: (-weights[one.function], one.function, -one.count, one.title))


def _is_same(one: Finding, other: Finding) -> bool:
    """Whether two groups turn out to be of one instruction: a sequence may show only when it is small what it is."""
    if (one.backends, one.modes) != (other.backends, other.modes) or len(one.case.code) + len(other.case.code) != 2:
        return False
    (word,), (another,) = one.case.code, other.case.code
    family, unit = symptom(one.verdict, word).family, unit_of(other.case)
    return family == symptom(other.verdict, another).family and (unit in one.units or unit == unit_of(one.case))


def _together(one: Finding, other: Finding) -> Finding:
    smaller_one = min((one, other), key=lambda finding: size(finding.case))
    return msgspec.structs.replace(
        one,
        count=one.count + other.count,
        first=min(one.first, other.first),
        members=one.members + other.members,
        seconds=one.seconds + other.seconds,
        case=smaller_one.case,
        verdict=smaller_one.verdict,
        before=smaller_one.before,
        token=smaller_one.token,
    )


def _finding(group: Group, judge: Judge, off: dict[str, str], *, shrinks: bool) -> Finding:
    failure, began = group.smallest, time.monotonic()
    run_on = group.backends[0]
    if UNOPTIMISED in group.modes and len(group.modes) == 1:
        run_on = off.get(run_on) or run_on
    case, verdict = failure.case, failure.verdict
    if shrinks and verdict.kind in SHRINK_BUDGET:
        case = smaller(failure, group.backends if run_on == group.backends[0] else (run_on,), judge)
        again = judge.judge(case, run_on)
        verdict = again if again.kind in FAILING else verdict
    title, modes, units, members = group.title, group.modes, group.units, [one.case for one in group.members]
    plain = msgspec.structs.replace(case, actions=(Run(),), code_address=CODE_ADDRESS)
    if modes and len(case.code) == 1 and _fails_everywhere(plain, group.backends[0], judge):
        # What made the sequence differ between modes was the way that it took after an ordinary failure.
        case, verdict, run_on = plain, judge.judge(plain, group.backends[0]), group.backends[0]
        title, modes, units, members = (
            f"{instruction(case.code[0]).title}: {group.symptom}",
            (),
            (unit_of(case),),
            [case],
        )
    where, line = group.place or ("", 0)
    file = where.partition(" (")[2].rstrip(")")
    return Finding(
        title=title,
        backends=group.backends,
        culprit=group.culprit,
        symptom=group.symptom,
        count=group.count,
        first=group.first,
        token=to_token(case),
        run_on=run_on,
        function=group.function,
        place=f"{file}:{line}" if line else file,
        shared=group.shared,
        modes=modes,
        units=units,
        votes={name: dict(votes) for name, votes in group.votes.items()},
        verdict=verdict,
        case=case,
        before=failure.case,
        members=tuple(map(to_token, members)),
        seconds=round(time.monotonic() - began, 3),
    )


def _fails_everywhere(case: Case, backend: str, judge: Judge) -> bool:
    """Whether a case fails as it is and in every mode that the backend itself has."""
    expected = judge.expected(case)
    if isinstance(expected, Verdict) or judge.judge(case, backend).kind not in FAILING:
        return False
    capabilities = judge.capabilities(backend)
    for variant in variants(case, expected[0], capabilities):
        name = capabilities.optimiser_off if variant.unoptimised else backend
        if judge.judge(variant.case, name).kind not in FAILING:
            return False
    return True


def smaller(failure: Failure, backends: tuple[str, ...], judge: Judge) -> Case:
    """The failure's case, as small as it still fails in the same way on all of ``backends``."""
    predicates = [
        same_failure(failure.verdict, failure.case, lambda case, name=name: judge.judge(case, name))
        for name in backends
    ]
    budget = SHRINK_BUDGET[failure.verdict.kind]
    return shrink(failure.case, lambda case: all(holds(case) for holds in predicates), budget)
