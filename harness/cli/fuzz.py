"""``assay64 fuzz``: a campaign of random code on backends, and what it found. It wires; campaign.py does the work."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay64.harness.cli.options import Backends, Json, chosen_backends, parse_number, print_json
from assay64.harness.errors import UsageError

if TYPE_CHECKING:
    from assay64.harness.judge.campaign import Show
    from assay64.harness.judge.shard import Settings
    from assay64.harness.record.findings import Totals
    from assay64.harness.record.records import BackendInfo

DEFAULT_SEED = 1
DEFAULT_TIME = "1m"
MAX_JOBS = 8
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
PLAIN_EVERY_S = 30.0


def fuzz(
    backend: Backends = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="How long: 90s, 10m, 2h. Default, without --cases: 1m.")
    ] = None,
    cases: Annotated[int | None, typer.Option("--cases", min=1, metavar="N", help="How many cases.")] = None,
    seed: Annotated[str, typer.Option("--seed", metavar="N", help="Seed of everything that is drawn.")] = str(
        DEFAULT_SEED
    ),
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, metavar="N", help="Processes. Default: one per processor, at most 8."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="GLOB",
            help="Only instructions whose mnemonic or definition matches: 'FMLA*'. Repeatable.",
        ),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            "--weight",
            metavar="GLOB=FACTOR",
            help="Draw a group, definition, mnemonic or feature more or less often: 'FEAT_LSE=5', 'simd*=0.2'. "
            "Repeatable.",
        ),
    ] = None,
    length: Annotated[
        str | None,
        typer.Option(
            "--length", metavar="N[-M]", help="Instructions of a piece of code: 1 to 64. Default: all of them."
        ),
    ] = None,
    states: Annotated[
        int | None, typer.Option("--states", min=1, metavar="N", help="States for each piece of code. Default: 4.")
    ] = None,
    modes: Annotated[
        bool, typer.Option("--modes/--no-modes", help="Run every case in all execution modes, which have to agree.")
    ] = True,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Keep the run's journal in this directory.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that --report names.")] = False,
    as_json: Json = False,
) -> None:
    """Run random code on backends, shrink what fails, and group it by cause.

    Instructions and sequences of 1 to 64 come from the specification's own patterns; every case runs in several
    execution modes as well. Ctrl-C ends a campaign early and loses nothing. Exit code 1 when something failed,
    130 when it was ended early and nothing had.
    """
    from assay64.harness.cases.sequences import LENGTHS, STATES
    from assay64.harness.cli import INTERRUPTED
    from assay64.harness.judge import deviations
    from assay64.harness.judge.campaign import run
    from assay64.harness.judge.shard import Settings
    from assay64.harness.record import store
    from assay64.harness.record.findings import NOTE
    from assay64.harness.record.provenance import run_info
    from assay64.harness.report.campaign import campaign_data, campaign_report

    names = chosen_backends(backend)
    if not names:
        raise UsageError("no backend can run here; `assay64 doctor` says what is missing and how to get it")
    if report is not None:
        store.check_new(report, overwrite=overwrite)
    seconds = _seconds(time or DEFAULT_TIME) if time or cases is None else None
    with tempfile.TemporaryDirectory(prefix="assay64-fuzz-") as scratch:
        directory = Path(scratch) if report is None else report
        settings = Settings(
            seed=parse_number(seed, "--seed"),
            backends=tuple(names),
            directory=str(directory.resolve()),
            cases=cases,
            seconds=seconds,
            jobs=jobs or min(os.cpu_count() or 1, MAX_JOBS),
            only=tuple(only or ()),
            weights=dict(map(_weight, weight or ())),
            modes=modes,
            lengths=LENGTHS if length is None else _lengths(length),
            states=STATES if states is None else states,
        )
        _check(settings)
        options = {
            name: str(value)
            for name, value in (
                *(("--time", time), ("--cases", cases), ("--only", only), ("--weight", weight), ("--length", length)),
                *(("--states", states), ("--no-modes", None if modes else True)),
            )
            if value
        }
        info = run_info("fuzz", seed=settings.seed, backends=_backends(names), options=options)
        store.begin(directory, info, store.new_shard())
        with _progress(settings.cases, seconds, show=not as_json) as show:
            totals, findings = run(settings, show)
        with store.part(directory, "findings") as journal:
            for number, finding in enumerate(findings, 1):
                journal.note(f"{NOTE}{number:04}", finding)
        store.finish(directory)
    failed = bool(findings or totals.unsettled)
    titles = {entry.id: entry.title for name in names for entry in deviations.for_backend(name)}
    if as_json:
        print_json(campaign_data(info, totals, findings, int(failed)))
    else:
        typer.echo(campaign_report(info, totals, findings, titles))
        if report is not None:
            typer.echo(f"Journal: {report}")
    raise typer.Exit(1 if failed else INTERRUPTED if totals.interrupted else 0)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", text.strip())
    if match is None or not float(match[1]):
        raise UsageError(f"--time: {text[:40]!r} is no time: write 90s, 10m or 2h")
    return float(match[1]) * UNITS[match[2]]


def _weight(text: str) -> tuple[str, float]:
    glob, _, factor = text.rpartition("=")
    try:
        if glob and 0 <= float(factor) < float("inf"):
            return glob, float(factor)
    except ValueError:
        pass
    raise UsageError(f"--weight: {text[:60]!r} is not GLOB=FACTOR, as in 'FEAT_LSE=5'")


def _lengths(text: str) -> tuple[int, ...]:
    """Those of the default lengths that lie in the range, or all of it."""
    from assay64.harness.cases.sequences import LENGTHS, MAX_LENGTH

    match = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= MAX_LENGTH:
        raise UsageError(f"--length: {text[:40]!r} is no number or range from 1 to {MAX_LENGTH}, as in 4 or 2-16")
    return tuple(length for length in LENGTHS if first <= length <= last) or tuple(range(first, last + 1))


def _check(settings: Settings) -> None:
    """Find out before any process starts that nothing can be drawn. Raises UsageError."""
    from assay64.harness.cases.random_cases import Generator
    from assay64.harness.cases.sequences import Sequences

    Generator(settings.seed, settings.only).check_weights(settings.weights)
    Sequences(settings.seed, settings.only, settings.lengths, settings.states, weights=settings.weights).piece(0)


def _backends(names: list[str]) -> list[BackendInfo]:
    from assay64.harness.judge.pool import Worker
    from assay64.harness.record.records import BackendInfo

    found: list[BackendInfo] = []
    for name in names:
        # In a worker, because asking may load native code.
        with Worker(name) as worker:
            found.append(BackendInfo(name=name, version=worker.capabilities.version))
    return found


@contextmanager
def _progress(cases: int | None, seconds: float | None, *, show: bool) -> Generator[Show]:
    """Tells how far a campaign is: a bar on a terminal, a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    last = 0.0
    with Progress(*columns, console=console, transient=True, disable=not (show and console.is_terminal)) as progress:
        task = progress.add_task("starting", total=1.0)

        def tell(totals: Totals, what: str) -> None:
            nonlocal last
            part = totals.cases / cases if cases else totals.seconds / seconds if seconds else 0.0
            rate = totals.cases / totals.seconds if totals.seconds else 0.0
            text = f"{what}: {totals.cases} cases, {rate:.0f} a second, {totals.kinds} symptoms"
            progress.update(task, completed=min(part, 1.0), description=text)
            if show and not console.is_terminal and (totals.seconds - last >= PLAIN_EVERY_S):
                last = totals.seconds
                typer.echo(text, err=True)

        yield tell
