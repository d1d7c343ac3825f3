"""``assay64 bench``: timing tables, one command per benchmark. Each gives ratios that were got within its own run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from assay64.harness.cli.options import print_json

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
