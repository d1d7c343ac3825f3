"""How much of a backend's own speed is left when its answers are judged, and where the rest goes.

The same cases run through a worker and the comparison (the reference's answers are there beforehand) and through the
smallest loop over the backend's interface (bare.py), in turns. Every case has a whole state of its own, and there are
more of them than the caches hold: nobody judges the same states twice.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import msgspec
import numpy as np
import numpy.typing as npt

from assay64.harness.backends import registry
from assay64.harness.backends.contract import BatchInstance
from assay64.harness.bench.bare import Bare
from assay64.harness.bench.ratios import alternate, ratio, repetitions, timed
from assay64.harness.bench.result import Benchmark, Row
from assay64.harness.cases.batches import Key, batch_of, case_of
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import CODE_ADDRESS, CODE_REGION, DATA_REGION, Case, Environment, Run
from assay64.harness.cases.layout import CHANGE_DTYPE, EXIT_KINDS, Batch
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.cases.random_cases import Generator
from assay64.harness.cases.sequences import LENGTHS
from assay64.harness.cases.state import State
from assay64.harness.errors import BackendUnavailable
from assay64.harness.judge.batch import BatchReference, Expected, expected_of, matching
from assay64.harness.judge.expected import Oracle
from assay64.harness.judge.instructions import NOP
from assay64.harness.judge.native_reference import NativeReference
from assay64.harness.judge.pool import Worker
from assay64.reference import decode
from assay64.reference.engines.native import batch as engine

BACKENDS = ("dynarmic", "unicorn")
STATES = 64
# Cases of a batch, and of how many golden answers, too. Batches, rounds, and how long one lasts, as a rule and for
# --quick.
SIZE, GOLDEN = 4096, 512
BATCHES = {False: 4, True: 2}
SECONDS, ROUNDS = 0.25, {False: 31, True: 5}
GROUPS = ("data_processing_immediate", "data_processing_register", "simd_and_fp")
KEY: Key = (CODE_ADDRESS, Run().budget, None, Environment())
# Pieces as long as a campaign's, and, where less is left to hide behind, of one instruction.
SHARED, ONE, DISTINCT = "one piece of code x 64 states", "one instruction x 64 states", "distinct instructions"
TARGETS = {SHARED: 0.90, ONE: 0.90, DISTINCT: 0.60}
CHECKS_PER_CORE = 250_000
# What the reference's native engine is to answer in a second.
ANSWERS = {ONE: 3_000_000, DISTINCT: 400_000}
ENGINE_CALLS = 50
# A worker is replaced within 200 ms and 50 ms.
RESTARTS = {"dynarmic": 5.0, "unicorn": 20.0}


@dataclass(frozen=True)
class Work:
    """Batches with the reference's answers, and how often they run in a round."""

    answered: tuple[tuple[Batch, Expected], ...]
    repeat: int = 1

    @property
    def cases(self) -> int:
        return sum(len(batch) for batch, _ in self.answered) * self.repeat

    def pairs(self) -> Iterator[tuple[Batch, Expected]]:
        """The batches with their answers, again and again."""
        return itertools.chain.from_iterable(itertools.repeat(self.answered, self.repeat))


def measure(*, quick: bool, seed: int, progress: Callable[[str], None]) -> Benchmark:
    """The table. Raises BackendUnavailable when none of the backends can run here."""
    available = [name for name in BACKENDS if registry.load(name).available() is None]
    if not available:
        raise BackendUnavailable(f"bench judging needs one of {', '.join(BACKENDS)}: see `assay64 doctor`")
    progress("asking the reference")
    reference = NativeReference()
    pieces = [_cases(seed * BATCHES[quick] + number) for number in range(BATCHES[quick])]
    works = {name: Work(tuple(_answered(piece[name], reference) for piece in pieces)) for name in TARGETS}
    golden_s = sum(_golden_s(*work.answered[0]) for work in works.values()) / len(works)
    notes = list[str]()
    rows = list[Row]()
    answered: dict[str, float] = {}
    versions: dict[str, str] = {}
    for backend in available:
        with Worker(backend) as worker:
            versions[backend] = worker.capabilities.version
            bare = Bare(backend)
            try:
                for name, work in works.items():
                    progress(f"{backend}: {name}")
                    again = repetitions(timed(partial(_alone, bare, work)), SECONDS)
                    timing = replace(work, repeat=again)
                    measured = _Measured(timing, worker, bare, reference, ROUNDS[quick], seed)
                    rows += measured.rows(backend, name)
                    answered.setdefault(name, measured.answers_per_s)
                    notes.append(measured.breakdown(backend, name))
            finally:
                bare.close()
            progress(f"{backend}: crashes")
            rows.append(_restarts(backend, worker, ROUNDS[quick]))
    rows += [
        Row(
            name=f"native engine, {name}",
            rate=_engine_rate(work, ROUNDS[quick]),
            unit="cases",
            target_rate=ANSWERS.get(name),
        )
        for name, work in works.items()
    ]
    rows += [Row(name=f"reference (native), {name}", rate=rate, unit="cases") for name, rate in answered.items()]
    rows.append(Row(name="reference (golden), case by case", rate=1 / golden_s, unit="cases"))
    return Benchmark(
        benchmark="judging",
        rows=tuple(rows),
        seed=seed,
        rounds=ROUNDS[quick],
        quick=quick,
        versions=versions,
        notes=(
            "judged: by the clock on the wall, a worker executes while this process hands over and compares; the "
            "reference's answers are there beforehand. Where others use the processors, both wait: see its process.",
            "alone: the smallest loop over the backend's own interface that loads and reads every register.",
            "its process: by the worker's processor time alone; comparing: by that of this process.",
            "per core: by the processor time of both together; with the reference: with its native engine's, too.",
            "native engine: its one call for the batch; reference (native): with what makes records of the answers.",
            *notes,
        ),
    )


def _cases(seed: int) -> Mapping[str, Sequence[Case]]:
    """By kind of work SIZE cases that run to the end of their code on every backend."""
    drawn = list(itertools.islice(_plain(seed), SIZE))
    rng, words = random.Random(seed), itertools.cycle(case.code[0] for case in drawn)
    ones = drawn[: SIZE // STATES]
    pieces = [msgspec.structs.replace(one, code=tuple(itertools.islice(words, rng.choice(LENGTHS)))) for one in ones]
    shared, single = (
        [
            msgspec.structs.replace(piece, states=(_with_fpcr_of(piece, drawn[number * STATES + index]),))
            for number, piece in enumerate(kind)
            for index in range(STATES)
        ]
        for kind in (pieces, ones)
    )
    return {SHARED: shared, ONE: single, DISTINCT: drawn}


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


def _answered(cases: Sequence[Case], reference: BatchReference) -> tuple[Batch, Expected]:
    """The cases that run to the end of their code in one way, with the native engine's answers."""
    found = reference(batch_of(cases, KEY))
    # Without an exit of its own every case is the same work to every loop.
    good = found.decided & (found.answers.exits["kind"] == EXIT_KINDS.index(ExitKind.UNTIL))
    batch = batch_of([case for case, one in zip(cases, good.tolist(), strict=True) if one], KEY)
    return batch, reference(batch)


def _alone(bare: Bare, work: Work) -> None:
    for batch, _ in work.pairs():
        bare.run(batch)


def _engine_rate(work: Work, rounds: int) -> float:
    """Cases that the native engine runs in a second of processor time: one call for a whole batch, the same again."""
    batch, machine = work.answered[0][0], engine.BatchMachine(KEY[3].model, CODE_REGION, DATA_REGION)
    cases = engine.Batch(batch.code, batch.code_words, batch.initial, batch.budget)
    seconds = list[float]()
    for _ in range(rounds + 1):
        begin = time.process_time()
        for _ in range(ENGINE_CALLS):
            machine.run(cases, batch.code_address, finish=False)
        seconds.append(time.process_time() - begin)
    return ENGINE_CALLS * len(batch) / float(np.median(seconds[1:]))


def _golden_s(batch: Batch, expected: Expected) -> float:
    """Seconds that golden takes for a case. RuntimeError when the engine that is timed does not answer as it does."""
    rows = range(0, len(batch), max(1, len(batch) // GOLDEN))
    cases = [case_of(batch, row) for row in rows]
    oracle, begin = Oracle(), time.perf_counter()
    permitted = [oracle.permitted(case) for case in cases]
    seconds = (time.perf_counter() - begin) / len(cases)
    chosen = batch_of(cases, KEY)
    golden = expected_of(chosen, cases, permitted)
    answers = replace(chosen, final=expected.answers.final[:: rows.step], exits=expected.answers.exits[:: rows.step])
    same = matching(answers, golden, Capabilities(name="native", version="", reports_fault_kind=True))
    if not same.all():
        raise RuntimeError(f"the native engine and golden differ in {int((~same).sum())} cases")
    return seconds


class _Measured:
    """The work of one table's lines, done in turns by everybody. Times are seconds, one for each round."""

    def __init__(
        self, work: Work, worker: Worker, bare: Bare, reference: BatchReference, rounds: int, seed: int
    ) -> None:
        self.work, self.worker, self.bare, self.reference, self.seed = work, worker, bare, reference, seed
        self.wrong = 0
        # Processor time by who used it.
        self.used: dict[str, list[float]] = {}
        self._progress = HostMemory(mmap.PAGESIZE)
        instance = registry.load(worker.backend).create(Environment())
        assert isinstance(instance, BatchInstance)
        self._here: BatchInstance = instance
        try:
            contestants = {"judged": self._judged, "alone": self._alone, "whole": self._whole, "adapter": self._adapter}
            self.wall = alternate(contestants, rounds, seed=seed)
        finally:
            instance.close()

    def _note(self, name: str, seconds: float) -> None:
        self.used.setdefault(name, []).append(seconds)

    def _judged(self) -> float:
        work, worker = self.work, self.worker
        before, own, begin = _processor_s(worker.process_id), time.process_time(), time.perf_counter()
        comparing, self.wrong = 0.0, 0
        batches = (replace(batch) for batch, _ in work.pairs())
        for result, (_, expected) in zip(worker.run_batches(batches), work.pairs(), strict=True):
            start = time.process_time()
            self.wrong += int((~matching(result.batch, expected, worker.capabilities)).sum())
            comparing += time.process_time() - start
        seconds = time.perf_counter() - begin
        self._note("harness", time.process_time() - own)
        self._note("comparing", comparing)
        self._note("process", _processor_s(worker.process_id) - before)
        return seconds

    def _whole(self) -> float:
        worker, answering = self.worker, 0.0
        before, own, begin = _processor_s(worker.process_id), time.process_time(), time.perf_counter()
        for result in worker.run_batches(replace(batch) for batch, _ in self.work.pairs()):
            start = time.process_time()
            expected = self.reference(result.batch)
            answering += time.process_time() - start
            matching(result.batch, expected, worker.capabilities)
        seconds = time.perf_counter() - begin
        self._note("whole", time.process_time() - own + _processor_s(worker.process_id) - before)
        self._note("reference", answering)
        return seconds

    def _alone(self) -> float:
        return self._timed("alone", self.work, self.bare.run)

    def _adapter(self) -> float:
        """What runs in the worker for a batch, here and without what carries it there."""
        changes = np.zeros(SIZE + DATA_REGION[1] // 8, CHANGE_DTYPE)

        def run(batch: Batch) -> None:
            batch.done, batch.n_changes, batch.changes = 0, 0, changes
            self._here.run_batch(batch, self._progress)

        answered = tuple((replace(batch), expected) for batch, expected in self.work.answered)
        for batch, _ in answered:
            batch.final, batch.exits = batch.final.copy(), batch.exits.copy()
        return self._timed("adapter", replace(self.work, answered=answered), run)

    def _timed(self, name: str, work: Work, run: Callable[[Batch], None]) -> float:
        before, begin = time.process_time(), time.perf_counter()
        for batch, _ in work.pairs():
            run(batch)
        seconds = time.perf_counter() - begin
        self._note(name, time.process_time() - before)
        return seconds

    def _counted(self, name: str) -> npt.NDArray[np.float64]:
        """Without the round that only warms up."""
        return np.maximum(np.array(self.used[name][1:], np.float64), 1e-9)

    @property
    def answers_per_s(self) -> float:
        """Cases that the reference answers in a second of processor time."""
        return self.work.cases / float(np.median(self._counted("reference")))

    def rows(self, backend: str, name: str) -> Iterator[Row]:
        cases, title, seed = self.work.cases, f"{backend}, {name}", self.seed
        alone, process, harness = (self._counted(who) for who in ("alone", "process", "harness"))

        def rate(seconds: Sequence[float] | npt.NDArray[np.float64]) -> float:
            return cases / float(np.median(seconds))

        yield Row(
            name=title,
            rate=rate(self.wall["judged"]),
            unit="cases",
            ratio=ratio(self.wall["alone"], self.wall["judged"], seed=seed),
            baseline=f"{backend} alone",
            target=TARGETS[name],
            counts={"cases": cases, "not plainly matching": self.wrong},
        )
        yield Row(name=f"{title}, alone", rate=rate(self.wall["alone"]), unit="cases")
        yield Row(
            name=f"{title}, its process",
            rate=rate(process),
            unit="cases",
            ratio=ratio(alone.tolist(), process.tolist(), seed=seed),
            baseline=f"{backend} alone",
        )
        yield Row(name=f"{title}, comparing", rate=rate(harness), unit="cases")
        yield Row(
            name=f"{title}, per core",
            rate=rate(process + harness),
            unit="cases",
            ratio=ratio(alone.tolist(), (process + harness).tolist(), seed=seed),
            baseline=f"{backend} alone",
        )
        yield Row(
            name=f"{title}, with the reference, per core",
            rate=rate(self._counted("whole")),
            unit="cases",
            target_rate=CHECKS_PER_CORE if backend == "dynarmic" and name != DISTINCT else None,
        )

    def breakdown(self, backend: str, name: str) -> str:
        """Where the time goes, in nanoseconds of processor time a case."""
        parts = ("alone", "adapter", "process", "harness", "comparing", "reference")
        share = float(np.median(self._counted("alone") / np.array(self.wall["alone"])))
        ns = {part: float(np.median(self._counted(part))) / self.work.cases * 1e9 for part in parts}
        return (
            f"{backend}, {name}, ns a case: alone {ns['alone']:,.0f}; adapter {ns['adapter']:,.0f} in this process, "
            f"{ns['process']:,.0f} with the transport in its own; here {ns['harness']:,.0f}, of which handing over "
            f"{ns['harness'] - ns['comparing']:,.0f} and comparing {ns['comparing']:,.0f}; "
            f"the reference {ns['reference']:,.0f}. Alone had {share:.0%} of a processor."
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
    """Processor time of another process so far; 0 where the system does not tell (macOS)."""
    clock = ctypes.c_int()
    find = _find_clock()
    if find is None or find(process_id, ctypes.byref(clock)):
        return 0.0
    return time.clock_gettime(clock.value)


@lru_cache(maxsize=1)
def _find_clock() -> Callable[..., int] | None:
    try:
        return ctypes.CDLL(None).clock_getcpuclockid
    except (AttributeError, OSError, TypeError):
        return None
