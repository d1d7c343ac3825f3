"""What ``bench engines`` leaves: per program the rates, ratios and counters of every engine, as data and as text."""

from __future__ import annotations

import platform
import statistics
from typing import Any

import msgspec
from tabulate import tabulate

import assay64
from assay64.harness.bench.ratios import Ratio

BASELINE = "unicorn"
# How the native engine's tier is called where it is held against others.
TIER = {"native": "threaded"}
TARGET_MEAN, TARGET_WORST = 1.5, 0.8
# The native engine with counters: how many times longer a program may take.
COUNTING, TARGET_COUNTING = "native-counting", 3.0


class Timing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One engine on one program: rates are medians over the rounds.

    A round is ``repeats`` of ``size``, ``instructions`` in all. ``counters`` are the engine's own since it was made;
    ``hit_rates`` are the last round's: of loads in the read TLB, of stores in the write TLB, of BR, BLR and RET in the
    cache of jumps.
    """

    mips: float
    repeats_per_second: float
    repeats: int
    size: int
    instructions: int
    counters: dict[str, int] = {}
    hit_rates: dict[str, float] = {}


class ProgramResult(msgspec.Struct, frozen=True, kw_only=True):
    """One program. ``ratios`` are rates against the baseline's in the same rounds; ``counting`` is how much longer the
    native engine takes when it counts; ``failed`` says what went wrong.
    """

    name: str
    title: str
    judged: bool
    instructions_per_repeat: int
    engines: dict[str, Timing]
    ratios: dict[str, Ratio]
    failed: dict[str, str]
    counting: Ratio | None = None


class EnginesResult(msgspec.Struct, frozen=True, kw_only=True):
    """The whole benchmark. ``absent`` are the engines that cannot run here, and why; ``geomeans`` is by engine."""

    programs: tuple[ProgramResult, ...]
    geomeans: dict[str, Ratio]
    versions: dict[str, str]
    absent: dict[str, str]
    seed: int
    rounds: int
    quick: bool

    @property
    def failed(self) -> bool:
        return any(program.failed for program in self.programs)

    def worst(self, engine: str) -> tuple[str, Ratio] | None:
        """The judged program on which the engine does worst against the baseline."""
        found = [(program.name, program.ratios[engine]) for program in self.programs if _counts(program, engine)]
        return min(found, key=lambda one: one[1].value, default=None)


def _counts(program: ProgramResult, engine: str) -> bool:
    return program.judged and engine in program.ratios


def as_data(result: EnginesResult) -> dict[str, Any]:
    """``geomean_X_vs_unicorn`` is a number (null for an engine that did not run), with ``..._interval`` beside it."""
    data: dict[str, Any] = {
        "benchmark": "engines",
        "assay64": assay64.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **{name: msgspec.to_builtins(getattr(result, name)) for name in ("seed", "rounds", "quick")},
        "versions": result.versions,
        "absent": result.absent,
    }
    for engine in dict.fromkeys(["native", *result.geomeans]):
        mean, worst = result.geomeans.get(engine), result.worst(engine)
        key = f"{TIER.get(engine, engine).replace('-', '_')}_vs_{BASELINE}"
        data[f"geomean_{key}"] = None if mean is None else mean.value
        data[f"geomean_{key}_interval"] = None if mean is None else [mean.low, mean.high]
        data[f"worst_{key}"] = None if worst is None else {"program": worst[0], **msgspec.to_builtins(worst[1])}
    data["programs"] = msgspec.to_builtins(result.programs)
    return data


def as_text(result: EnginesResult) -> str:
    """The circumstances, the rates, the ratios, what the engines count, what failed."""
    head = f"bench engines: assay64 {assay64.__version__}, Python {platform.python_version()}, {platform.system()} "
    head += f"{platform.machine()}; {result.rounds} rounds, seed {result.seed}{', quick' if result.quick else ''}"
    parts = [head, *(f"{engine}: {text}" for engine, text in result.versions.items())]
    parts += [f"{engine}: absent, {text}" for engine, text in result.absent.items()]
    parts += ["", "Million instructions a second (golden: at a small size)", _rates(result)]
    if result.geomeans:
        parts += ["", f"Against {BASELINE} in the same rounds, with intervals of 95 %", _ratios(result)]
    if not any(engine == "native" for engine in result.versions):
        parts += [
            "",
            f"No target is judged: the native engine did not run ({result.absent.get('native', 'not asked')}).",
        ]
    for engine, mean in result.geomeans.items():
        if engine in TIER:
            parts += ["", _targets(result, engine, mean)]
    parts += _counting(result) + _counters(result) + _speeds(result)
    parts += [f"FAILED {p.name} on {engine}: {text}" for p in result.programs for engine, text in p.failed.items()]
    return "\n".join(parts)


def _table(rows: list[list[str]], headers: list[str]) -> str:
    align = ["left", *["right"] * (len(headers) - 1)]
    return tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True, colalign=align if rows else None)


def _rates(result: EnginesResult) -> str:
    engines = list(result.versions)
    rows = [
        [
            program.title,
            f"{program.instructions_per_repeat:,}",
            *(_number(program.engines[engine].mips) if engine in program.engines else "-" for engine in engines),
        ]
        for program in result.programs
    ]
    return _table(rows, ["program", "insns a repeat", *engines])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratios(result: EnginesResult) -> str:
    engines = list(result.geomeans)
    rows = [
        [program.title, *(str(program.ratios[engine]) if engine in program.ratios else "-" for engine in engines)]
        for program in result.programs
        if program.judged
    ]
    rows.append(["geometric mean", *(str(result.geomeans[engine]) for engine in engines)])
    return _table(rows, ["program", *engines])


def _targets(result: EnginesResult, engine: str, mean: Ratio) -> str:
    worst = result.worst(engine)
    assert worst is not None
    met = mean.value >= TARGET_MEAN, worst[1].value >= TARGET_WORST
    words = ["met" if one else "not met" for one in met]
    return (
        f"{TIER[engine]}: geometric mean {mean.value:.2f}, at least {TARGET_MEAN} wanted: {words[0]}; "
        f"least {worst[1].value:.2f} ({worst[0]}), at least {TARGET_WORST} wanted: {words[1]}"
    )


def _counting(result: EnginesResult) -> list[str]:
    found = {program.title: program.counting for program in result.programs if program.judged and program.counting}
    if not found:
        return []
    title, most = max(found.items(), key=lambda one: one[1].value)
    mean = statistics.geometric_mean(one.value for one in found.values())
    return [
        "",
        f"counting every instruction, access and branch: {mean:.2f} times as long (geometric mean), "
        f"at most {most} ({title}), at most {TARGET_COUNTING:g} wanted: "
        f"{'met' if most.value <= TARGET_COUNTING else 'not met'}",
    ]


def _counters(result: EnginesResult) -> list[str]:
    """A table for each engine that counts: the last round's hit rates, and all counters since it was made."""
    parts: list[str] = []
    for engine in result.versions:
        rows: list[dict[str, str]] = []
        for program in result.programs:
            timing = program.engines.get(engine)
            if timing is not None and timing.counters:
                rates = {f"{name} hits": f"{rate:.4%}" for name, rate in timing.hit_rates.items()}
                counters = {name.replace("_", " "): f"{value:,}" for name, value in timing.counters.items()}
                rows.append({"program": program.title, **rates, **counters})
        if rows:
            headers = list(dict.fromkeys(name for row in rows for name in row))
            cells = [[row.get(name, "-") for name in headers] for row in rows]
            parts += ["", f"{engine}: hit rates of the last round, counters since the start", _table(cells, headers)]
    return parts


def _speeds(result: EnginesResult) -> list[str]:
    """The programs outside the means: how often a second each engine does what they are about."""
    parts = [""]
    for program in result.programs:
        if not program.judged and program.engines:
            rates = (f"{engine} {_number(timing.repeats_per_second)}" for engine, timing in program.engines.items())
            parts.append(f"{program.title}, times a second: {', '.join(rates)}")
    return parts if len(parts) > 1 else []
