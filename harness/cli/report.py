"""``assay64 report``: what a run left, also one that was killed; several runs together, and merged into one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assay64.harness.cli.options import Json, print_json


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders that `run --report` left, or their files.")
    ],
    merge: Annotated[
        Path | None, typer.Option("--merge", metavar="FILE", help="Put the runs together into this journal, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what a run found: verdicts, failures by cause, known deviations.

    A run that was killed, or is going on, shows what it has so far. Several runs (shards of one campaign) are shown as
    one; a part that two of them have counts once. Exit code 2 for what is no run.
    """
    from assay64.harness.judge import deviations
    from assay64.harness.record import store
    from assay64.harness.record.records import FAILING
    from assay64.harness.report.jsonout import run_data
    from assay64.harness.report.styled import print_report
    from assay64.harness.report.terminal import run_report

    if merge is not None:
        store.merge(merge, runs)
        runs = [merge]
    records = store.read(*runs)
    backends = {tally.backend for tally in records.tallies}
    titles = {entry.id: entry.title for name in sorted(backends) for entry in deviations.for_backend(name)}
    if as_json:
        print_json(run_data(records, titles, int(bool(records.count(FAILING) or records.errors()))))
    else:
        print_report(lambda width: run_report(records, titles, width=width))
