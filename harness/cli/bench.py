"""``assay64 bench``: timing tables, one command per benchmark. Each gives ratios that were got within its own run."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from assay64.harness.cli.options import Json, print_json

if TYPE_CHECKING:
    from assay64.harness.bench.result import Benchmark

app = typer.Typer(no_args_is_help=True, help="Timing tables: ratios against a baseline measured in the same run.")

Quick = Annotated[bool, typer.Option("--quick", help="Fewer rounds and smaller ones: half a minute, wider intervals.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of cases and of the order of turns.")]


def show(result: Benchmark, *, as_json: bool) -> None:
    """Print a benchmark's result as text or data."""
    from assay64.harness.bench.result import as_data, as_text

    if as_json:
        print_json(as_data(result))
    else:
        typer.echo(as_text(result))


@app.callback()
def bench() -> None:
    """Timing tables: ratios against a baseline measured in the same run."""


@app.command()
def engines(
    quick: Quick = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    seed: Seed = 1,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", metavar="NAME", help="Only this engine; may be repeated.")
    ] = None,
    program: Annotated[
        list[str] | None, typer.Option("--program", metavar="NAME", help="Only this program; may be repeated.")
    ] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="Turns that every engine gets.")] = None,
) -> None:
    """Whole guest programs: the reference's engines beside Unicorn, Dynarmic and qemu-user."""
    from rich.console import Console
    from rich.progress import Progress

    from assay64.harness.bench.engine_result import as_data, as_text
    from assay64.harness.bench.engines import measure

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=1.0)

        def progress(text: str, done: float) -> None:
            bar.update(task, description=text, completed=done)

        result = measure(
            quick=quick, seed=seed, engines=engine or (), programs=program or (), rounds=rounds, progress=progress
        )
    if as_json:
        print_json(as_data(result))
    else:
        typer.echo(as_text(result))
    if result.failed:
        raise typer.Exit(1)


@app.command()
def judging(
    quick: Quick = False,
    as_json: Json = False,
    seed: Seed = 1,
) -> None:
    """What judging leaves of a backend's own speed: batches through a worker and the comparison, beside a bare loop."""
    from rich.console import Console

    from assay64.harness.bench.judging import measure

    console = Console(stderr=True)
    with console.status("starting") if console.is_terminal else nullcontext() as status:
        result = measure(quick=quick, seed=seed, progress=lambda text: status.update(text) if status else None)
    show(result, as_json=as_json)
