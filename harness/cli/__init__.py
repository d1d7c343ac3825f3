"""The command line: one module per command. It only wires; it must not judge, compare or run cases itself."""

from __future__ import annotations

from typing import Annotated

import typer

import assay64
from assay64.harness.cli import doctor

app = typer.Typer(name="assay64", no_args_is_help=True)
app.command()(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"assay64 {assay64.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Says whether an ARM64 execution backend runs A64 code as the Arm architecture demands, and how fast."""


def main() -> None:
    """Entry point of the command `assay64`."""
    app()
