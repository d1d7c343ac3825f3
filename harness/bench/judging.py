"""How much of a backend's own speed is left when its answers are judged.

The same cases run through a worker and the comparison (the reference's answers are there beforehand) and through the
smallest loop over the backend's interface (bare.py), in turns. Every case has a whole state of its own.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from assay64.harness.backends import registry
from assay64.harness.bench.bare import Bare
from assay64.harness.bench.ratios import alternate, ratio, repetitions, timed
from assay64.harness.bench.result import Benchmark, Row
from assay64.harness.cases.batches import Key, batch_key, batch_of
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import CODE_ADDRESS, Case, Environment, Run
from assay64.harness.cases.layout import Batch
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.cases.random_cases import Generator
from assay64.harness.cases.state import State
from assay64.harness.errors import BackendUnavailable
from assay64.harness.judge.batch import BatchReference, Expected, empty_like, expected_of, matching
from assay64.harness.judge.expected import Oracle
from assay64.harness.judge.instructions import NOP
from assay64.harness.judge.native_reference import NativeReference
from assay64.harness.judge.pool import Worker
from assay64.reference import decode

BACKENDS = ("dynarmic", "unicorn")
STATES = 64
# Cases of a batch: their arrays stay in a processor's cache. Rounds, and how long one lasts, as a rule and for --quick.
SIZE = 1024
SECONDS, ROUNDS = {False: 1.0, True: 0.25}, {False: 15, True: 5}
GROUPS = ("data_processing_immediate", "data_processing_register", "simd_and_fp")
KEY: Key = (CODE_ADDRESS, Run().budget, None, Environment())
SHARED, DISTINCT = "one piece of code x 64 states", "distinct instructions"
TARGETS = {SHARED: 0.90, DISTINCT: 0.60}
CHECKS_PER_CORE = 250_000
# A worker is replaced within 200 ms and 50 ms.
RESTARTS = {"dynarmic": 5.0, "unicorn": 20.0}


@dataclass(frozen=True)
class Work:
    """A batch with the reference's answers, and how often it runs in a round."""

    batch: Batch
    expected: Expected
    repeat: int

    @property
    def cases(self) -> int:
        return len(self.batch) * self.repeat

    def batches(self) -> Iterator[Batch]:
        return (empty_like(self.batch) for _ in range(self.repeat))


def measure(*, quick: bool, seed: int, progress: Callable[[str], None]) -> Benchmark:
    """The table. Raises BackendUnavailable when none of the backends can run here."""
    available = [name for name in BACKENDS if registry.load(name).available() is None]
    if not available:
        raise BackendUnavailable(f"bench judging needs one of {', '.join(BACKENDS)}: see `assay64 doctor`")
    progress("asking the reference")
    begin = time.perf_counter()
    works = {name: _work(cases) for name, cases in _cases(seed).items()}
    reference_s = (time.perf_counter() - begin) / sum(len(work.batch) for work in works.values())
    reference = NativeReference()
    for work in works.values():
        _check(reference, work)
    rows = list[Row]()
    versions: dict[str, str] = {}
    for backend in available:
        with Worker(backend) as worker:
            versions[backend] = worker.capabilities.version
            bare = Bare(backend)
            try:
                for name, work in works.items():
                    progress(f"{backend}: {name}")
                    again = repetitions(timed(partial(bare.run, work.batch)), SECONDS[quick])
                    timing = replace(work, repeat=again)
                    rows += _measured(backend, name, timing, worker, bare, reference, ROUNDS[quick], seed)
            finally:
                bare.close()
            progress(f"{backend}: crashes")
            rows.append(_restarts(backend, worker, ROUNDS[quick]))
    rows.append(Row(name="reference (golden), case by case", rate=1 / reference_s, unit="cases"))
    return Benchmark(
        benchmark="judging",
        rows=tuple(rows),
        seed=seed,
        rounds=ROUNDS[quick],
        quick=quick,
        versions=versions,
        notes=(
            "judged: a worker executes, this process compares; the reference's answers are there beforehand. "
            "against: the smallest loop over the backend's own interface that loads and reads every register.",
            "comparing: by this process's processor time: batches handed over, answers compared.",
            "per core: by the processor time of both processes together; with the reference: its native engine's, too.",
        ),
    )


def _cases(seed: int) -> Mapping[str, Sequence[Case]]:
    """By kind of work SIZE cases that run to the end of their code on every backend."""
    drawn = list(itertools.islice(_plain(seed), SIZE))
    pieces = drawn[: SIZE // STATES]
    shared = [
        msgspec.structs.replace(piece, states=(_with_fpcr_of(piece, drawn[number * STATES + index]),))
        for number, piece in enumerate(pieces)
        for index in range(STATES)
    ]
    return dict(zip(TARGETS, (shared, drawn), strict=True))


def _with_fpcr_of(piece: Case, other: Case) -> State:
    """The state of another case with this one's FPCR: a JIT translates anew for every FPCR."""
    return State.of(**dict(other.states[0].registers()) | {"fpcr": piece.states[0].simd.fpcr})


def _plain(seed: int) -> Iterator[Case]:
    """Single data-processing instructions that every CPU has, with random registers."""
    generator = Generator(seed, lengths=(1,), features=frozenset())
    for case in (generator.case(number) for number in itertools.count()):
        decoded = decode(case.code[0])
        if decoded is not None and decoded.definition.group in GROUPS and not case.requires:
            yield Case(code=case.code, states=case.states)


def _work(cases: Sequence[Case], repeat: int = 1) -> Work:
    oracle = Oracle()
    permitted = [oracle.permitted(case) for case in cases]
    # Without an exit of its own every case is the same work to every loop.
    good = [
        index
        for index, found in enumerate(permitted)
        if len(found) == 1 and found[0].outcome.exits[0].kind is ExitKind.UNTIL
    ]
    cases, permitted = [cases[index] for index in good], [permitted[index] for index in good]
    batch = batch_of(cases, KEY)
    return Work(batch, expected_of(batch, cases, permitted), repeat)


def _check(reference: BatchReference, work: Work) -> None:
    """The engine that is timed answers as golden does. RuntimeError when it does not."""
    found = reference(work.batch)
    same = matching(found.answers, work.expected, Capabilities(name="native", version="", reports_fault_kind=True))
    if not same[found.decided].all():
        raise RuntimeError(f"the native engine and golden differ in {int((~same[found.decided]).sum())} cases")


def _measured(
    backend: str, name: str, work: Work, worker: Worker, bare: Bare, reference: BatchReference, rounds: int, seed: int
) -> Iterator[Row]:
    used: dict[str, list[float]] = {"judged": [], "alone": [], "comparing": [], "whole": []}
    wrong = list[int]()

    def judged() -> float:
        before, begin = _processor_s(worker.process_id), time.perf_counter()
        own = time.process_time()
        wrong[:] = []
        for result in worker.run_batches(work.batches()):
            wrong.append(len(work.batch) - int(matching(result.batch, work.expected, worker.capabilities).sum()))
        seconds = time.perf_counter() - begin
        used["judged"].append(_processor_s(worker.process_id) - before)
        used["comparing"].append(time.process_time() - own)
        return seconds

    def whole() -> float:
        before, begin = _processor_s(worker.process_id), time.perf_counter()
        for result in worker.run_batches(work.batches()):
            matching(result.batch, reference(result.batch), worker.capabilities)
        seconds = time.perf_counter() - begin
        used["whole"].append(_processor_s(worker.process_id) - before)
        return seconds

    def alone() -> float:
        before, begin = time.process_time(), time.perf_counter()
        for _ in range(work.repeat):
            bare.run(work.batch)
        seconds = time.perf_counter() - begin
        used["alone"].append(time.process_time() - before)
        return seconds

    assert batch_key(Case(code=(0,)), worker.capabilities) is not None
    seconds = alternate({"judged": judged, "alone": alone, "whole": whole}, rounds, seed=seed)
    yield Row(
        name=f"{backend}, {name}",
        rate=work.cases / float(np.median(seconds["judged"])),
        unit="cases",
        ratio=ratio(seconds["alone"], seconds["judged"], seed=seed),
        baseline=f"{backend} alone",
        target=TARGETS[name],
        counts={"cases": work.cases, "not plainly matching": sum(wrong)},
    )
    yield Row(
        name=f"{backend}, {name}, alone",
        rate=work.cases / float(np.median(seconds["alone"])),
        unit="cases",
    )
    yield Row(
        name=f"{backend}, {name}, comparing",
        rate=work.cases / float(np.median(used["comparing"][1:])),
        unit="cases",
    )
    # Without the round that only warms up. Processor time is counted in ticks, so a round has to be long enough.
    judged_s, alone_s, whole_s = (
        [max(one, 1 / os.sysconf("SC_CLK_TCK")) for one in used[key][1:]] for key in ("judged", "alone", "whole")
    )
    yield Row(
        name=f"{backend}, {name}, per core",
        rate=work.cases / float(np.median(judged_s)),
        unit="cases",
        ratio=ratio(alone_s, judged_s, seed=seed),
        baseline=f"{backend} alone",
    )
    yield Row(
        name=f"{backend}, {name}, with the reference, per core",
        rate=work.cases / float(np.median(whole_s)),
        unit="cases",
        target_rate=CHECKS_PER_CORE if backend == "dynarmic" and name == SHARED else None,
    )


def _restarts(backend: str, worker: Worker, rounds: int) -> Row:
    """How quickly a process that is gone is replaced by one that has run a case."""
    seconds = list[float]()
    for _ in range(rounds):
        worker.restart()
        begin = time.perf_counter()
        worker.execute(Case(code=(NOP,)))
        seconds.append(time.perf_counter() - begin)
    rate = 1 / float(np.median(seconds))
    return Row(name=f"{backend}, worker replaced", rate=rate, unit="processes", target_rate=RESTARTS[backend])


def _processor_s(process_id: int) -> float:
    """Processor time of this process and of a worker; of this one alone where the system does not tell (macOS)."""
    own = time.process_time()
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return own
    return own + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
