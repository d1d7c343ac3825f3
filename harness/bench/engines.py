"""``assay64 bench engines``: the benchmark programs on every engine, by turns, and the rates against Unicorn's.

Engines run in children and take turns round by round; what is compared is warm: translations are made before a round
begins, and a process under qemu-user is timed as the difference of a long run and a short one. Seconds are processor
time, so that somebody else's work on the machine costs an engine nothing but cache. Every run's checksum is held
against the expected one.
"""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from typing import NamedTuple, Protocol

import assay64
from assay64.harness.backends import dynarmic
from assay64.harness.bench import guests
from assay64.harness.bench.engine_result import BASELINE, COUNTING, EnginesResult, ProgramResult, Timing
from assay64.harness.bench.engine_worker import Answer, EngineLost, EngineProcess, Request, remapped_checksum
from assay64.harness.bench.programs import Program, load, table
from assay64.harness.bench.programs.expected import checksum
from assay64.harness.bench.ratios import Ratio, alternate, geometric_mean, ratio
from assay64.harness.errors import BackendUnavailable, UsageError

QUICK_ROUNDS, ROUNDS = 5, 7
QUICK_ROUND_S, ROUND_S = 0.04, 0.3
# A process's start varies by a millisecond, so that the difference of two needs a longer run.
QEMU_ROUND_S = 0.08
QEMU_FIRST_INSTRUCTIONS = 10_000_000
# A second look at an engine that is there anyway: left out of a quick benchmark, and of whole published ones.
NOT_QUICK = frozenset({"unicorn-virtual-tlb", COUNTING})
MOST_REPEATS = 1 << 30

Progress = Callable[[str, float], object]


class WrongChecksum(Exception):
    """An engine ended a program with a result that is not the program's."""


class Load(NamedTuple):
    """What one engine does in one round."""

    program: Program
    repeats: int
    size: int

    @property
    def instructions(self) -> int:
        """Instructions that are timed."""
        if self.program.entry.linux:
            return self.program.instructions(self.repeats, self.size)
        return self.program.instructions(1, self.size) * self.repeats

    def check(self, found: int) -> None:
        name = self.program.name
        if self.program.entry.linux:
            wanted = checksum(name, self.repeats, self.size)
        else:
            wanted = remapped_checksum(1, self.size, self.repeats)
        if found != wanted:
            raise WrongChecksum(f"{self.repeats} repeats of size {self.size} gave {found:#x}, expected {wanted:#x}")


class Engine(Protocol):
    """Does loads, and says how long each took."""

    def run(self, load: Load) -> Answer: ...

    def close(self) -> None: ...


class Child:
    """An engine in a process of its own, started anew after it was lost."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._process: EngineProcess | None = None

    def run(self, load: Load) -> Answer:
        program = load.program
        if program.entry.linux:
            request = Request(program.name, load.repeats, load.size)
        else:
            request = Request(program.name, 1, load.size, remaps=load.repeats)
        if self._process is None:
            self._process = EngineProcess(self._engine)
        try:
            answer = self._process.run(request)
        except EngineLost:
            self.close()
            raise
        load.check(answer.checksum)
        return answer

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None


class QemuUser:
    """qemu-user: the seconds of a process with the load less those of one with a single repeat."""

    def run(self, load: Load) -> Answer:
        short, long = (self._process(load._replace(repeats=repeats)) for repeats in (1, load.repeats + 1))
        return Answer(seconds=max(0.0, long - short))

    @staticmethod
    def _process(load: Load) -> float:
        found, seconds = guests.run_under_qemu(load.program, load.repeats, load.size)
        load.check(found)
        return seconds

    def close(self) -> None:
        pass


def measure(
    *,
    quick: bool = False,
    seed: int = 1,
    engines: Sequence[str] = (),
    programs: Sequence[str] = (),
    rounds: int | None = None,
    progress: Progress | None = None,
) -> EnginesResult:
    """Run the benchmark. ``engines`` and ``programs`` restrict it; ``progress`` gets a text and the part that is done.

    Raises UsageError for a name that does not exist, BackendUnavailable for an engine that was named and is not here.
    """
    chosen_programs = _chosen(programs, list(table()), "program")
    named = _chosen(engines, list(guests.ENGINES), "engine")
    absent = {engine: reason for engine in named if (reason := guests.missing(engine)) is not None}
    if engines and absent:
        engine, reason = next(iter(absent.items()))
        raise BackendUnavailable(f"engine {engine!r} is not available here: {reason}")
    present = [e for e in named if e not in absent and (engines or not quick or e not in NOT_QUICK)]
    rounds = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    results: list[ProgramResult] = []
    seconds: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        running: dict[str, Engine] = {e: QemuUser() if e == "qemu-user" else Child(e) for e in present}
        for engine in running.values():
            stack.callback(engine.close)
        for index, name in enumerate(chosen_programs):
            if progress is not None:
                progress(name, index / len(chosen_programs))
            result, seconds[name] = _program(load(name), running, rounds, quick=quick, seed=seed)
            results.append(result)
    means = _geomeans(results, seconds, [engine for engine in present if engine not in (BASELINE, COUNTING)], seed)
    return EnginesResult(
        programs=tuple(results),
        geomeans=means,
        versions={engine: _version(engine) for engine in present},
        absent=absent,
        seed=seed,
        rounds=rounds,
        quick=quick,
    )


def _chosen(wanted: Sequence[str], known: list[str], what: str) -> list[str]:
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no {what} {name!r}: choose among {', '.join(known)}")
    return [name for name in known if not wanted or name in wanted]


def _program(
    program: Program, engines: dict[str, Engine], rounds: int, *, quick: bool, seed: int
) -> tuple[ProgramResult, dict[str, list[float]]]:
    """Measure one program: its result, and the seconds for an instruction by engine and round."""
    failed: dict[str, str] = {}
    loads: dict[str, Load] = {}
    for name, engine in engines.items():
        if name == "qemu-user" and not program.entry.linux:
            continue
        try:
            loads[name] = _load(program, name, engine, quick=quick)
        except (EngineLost, guests.ProgramFailed, WrongChecksum) as problem:
            failed[name] = str(problem)
    answers: dict[str, Answer] = {}

    def contestant(name: str) -> Callable[[], float]:
        def run() -> float:
            if name in failed:
                return 0.0
            try:
                answer = engines[name].run(loads[name])
            except (EngineLost, guests.ProgramFailed, WrongChecksum) as problem:
                failed[name] = str(problem)
                return 0.0
            if answer.seconds <= 0:
                failed[name] = f"{loads[name].repeats} repeats took no time that can be measured"
            answers[name] = answer
            return answer.seconds

        return run

    taken = alternate({name: contestant(name) for name in loads if name != "golden"}, rounds, seed=seed)
    if "golden" in loads:
        taken["golden"] = [contestant("golden")() for _ in range(1 if quick else 3)]
    each = {
        name: [second / loads[name].instructions for second in times]
        for name, times in taken.items()
        if name not in failed
    }
    size = program.entry.size
    result = ProgramResult(
        name=program.name,
        title=program.entry.title,
        judged=program.entry.judged,
        instructions_per_repeat=program.instructions(1, size) - program.instructions(0, size),
        engines={name: _timing(loads[name], each[name], answers[name]) for name in engines if name in each},
        ratios={
            name: ratio(each[BASELINE], times, seed=seed)
            for name, times in each.items()
            if name not in ("golden", COUNTING, BASELINE) and BASELINE in each
        },
        counting=ratio(each[COUNTING], each["native"], seed=seed) if {COUNTING, "native"} <= each.keys() else None,
        failed=failed,
    )
    return result, each


def _load(program: Program, name: str, engine: Engine, *, quick: bool) -> Load:
    """As many repeats as fill a round on this engine; its machine is warm afterwards."""
    entry = program.entry
    if name == "golden":
        engine.run(load := Load(program, 1, entry.small))
        return load
    if entry.whole is not None and not quick and name not in NOT_QUICK:
        engine.run(Load(program, 1000, entry.size))
        return Load(program, entry.whole, entry.size)
    aim_s = QUICK_ROUND_S if quick else ROUND_S
    if name == "qemu-user":
        aim_s = max(aim_s, QEMU_ROUND_S)
    # Processes of qemu-user differ measurably only when they execute some millions of instructions.
    each = program.instructions(1, entry.size) - program.instructions(0, entry.size)
    load = Load(program, max(1, QEMU_FIRST_INSTRUCTIONS // each) if name == "qemu-user" else 1, entry.size)
    engine.run(load)
    while True:
        # Somebody else's work can make a run longer, nothing makes it shorter.
        seconds = min(engine.run(load).seconds for _ in range(2))
        if seconds >= aim_s / 4 or load.repeats >= MOST_REPEATS:
            return load._replace(repeats=max(1, min(MOST_REPEATS, round(load.repeats * aim_s / seconds))))
        load = load._replace(repeats=load.repeats * 4)


def _timing(load: Load, each: list[float], answer: Answer) -> Timing:
    second = statistics.median(each)
    return Timing(
        mips=1e-6 / second,
        repeats_per_second=load.repeats / (second * load.instructions),
        repeats=load.repeats,
        size=load.size,
        instructions=load.instructions,
        counters=answer.counters,
        hit_rates=_hit_rates(load, answer.change),
    )


# The lookups of which an engine counts the misses: what executed is known, and asks once each.
_LOOKUPS = {"read": "loads", "write": "stores", "jump": "indirect"}


def _hit_rates(load: Load, change: dict[str, int]) -> dict[str, float]:
    """The part of the last round's lookups that hit, by table; 0 where the engine misses more often than once each."""
    rates: dict[str, float] = {}
    runs, repeats = (1, load.repeats) if load.program.entry.linux else (load.repeats, 1)
    for table_name, kind in _LOOKUPS.items():
        lookups = load.program.executed(kind, repeats, load.size) * runs
        if lookups and f"{table_name}_misses" in change:
            rates[table_name] = max(0.0, 1 - change[f"{table_name}_misses"] / lookups)
    return rates


def _geomeans(
    results: list[ProgramResult], each: dict[str, dict[str, list[float]]], engines: list[str], seed: int
) -> dict[str, Ratio]:
    """By engine, over the judged programs: of those that it and the baseline both ended."""
    means: dict[str, Ratio] = {}
    for engine in engines:
        names = [result.name for result in results if result.judged and engine in result.ratios]
        quotients = [
            [base / own for base, own in zip(each[name][BASELINE], each[name][engine], strict=True)] for name in names
        ]
        if quotients:
            means[engine] = geometric_mean(quotients, seed=seed)
    return means


def _version(engine: str) -> str:
    match engine:
        case "unicorn":
            return f"Unicorn {version('unicorn')}, as it is opened: EL1, no counter"
        case "unicorn-virtual-tlb":
            return f"Unicorn {version('unicorn')} with its virtual TLB"
        case "dynarmic":
            return f"Dynarmic {dynarmic.BACKEND.capabilities().version}, memory through callbacks, cycles counted"
        case "native-counting":
            return f"assay64 {assay64.__version__}, counting what it executes"
        case "qemu-user":
            path = guests.qemu_user() or ""
            done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=60)
            return f"{done.stdout.splitlines()[0]}; the difference of two processes"
        case _:
            return f"assay64 {assay64.__version__}"
