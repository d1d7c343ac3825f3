"""``assay64 compare``: two runs held against each other, and an exit code for a release's gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay64.harness.cli.options import Json, print_json

FailOn = Annotated[
    str,
    typer.Option(
        "--fail-on",
        metavar="REASONS",
        help="What makes the exit code 1, separated by commas: new, changed, crash, hang, error, unsupported, missing, "
        "deviation; or none.",
    ),
]
DEFAULT_FAIL_ON = "new,crash"


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A run: a folder that `run --report` left, or its file.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The run to hold against it.")],
    fail_on: FailOn = DEFAULT_FAIL_ON,
    as_json: Json = False,
) -> None:
    """What appeared, what was fixed and what changed its cause between two runs.

    Exit code 1 when one of the reasons of --fail-on is given, 2 for what is no run.
    """
    raise typer.Exit(compare_and_print(old, new, fail_on, as_json=as_json))


def compare_and_print(old: Path, new: Path, fail_on: str, *, as_json: bool) -> int:
    """Print the comparison; the exit code. Raises UsageError."""
    import msgspec

    from assay64.harness.record import store
    from assay64.harness.record.comparing import broken, compare_runs, parse_policy
    from assay64.harness.report.comparison import comparison_report

    policy = parse_policy(fail_on)
    comparison = compare_runs(store.read(old), store.read(new), store.verdicts(old), store.verdicts(new))
    reasons = broken(comparison, policy)
    if as_json:
        print_json({**msgspec.to_builtins(comparison), "failed": list(reasons)})
    else:
        typer.echo(comparison_report(comparison, reasons))
    return int(bool(reasons))
