"""Results as data for ``--json``, addresses and large numbers as hexadecimal text. Reads records, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from assay64.harness.cases.files import plain
from assay64.harness.cases.outcome import Verdict
from assay64.harness.record.records import Records
from assay64.harness.report.table import count
from assay64.harness.report.terminal import Group, deviations, failures


def verdict_data(verdict: Verdict) -> dict[str, Any]:
    return plain(verdict)


def run_data(records: Records, titles: Mapping[str, str], exit_code: int) -> dict[str, Any]:
    """The run: its circumstances, verdicts by class and backend, failures and known deviations by cause."""
    return {
        "run": msgspec.to_builtins(records.info),
        "exit_code": exit_code,
        "verdicts": {
            group: {name: {str(kind): number for kind, number in counter.items()} for name, counter in found.items()}
            for group, found in count(records.tallies).items()
        },
        "failures": [_group(group) | {"report": group.smallest.report} for group in failures(records)],
        "known_deviations": [_group(group) | {"title": titles.get(group.cause, "")} for group in deviations(records)],
        "skipped": [test.test for test in records.skipped()],
        "errors": [msgspec.to_builtins(test) for test in records.errors()],
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "backend": group.backend,
        "cause": group.cause,
        "count": group.count,
        "test": group.smallest.test,
        "token": group.smallest.token,
        "verdict": verdict_data(group.smallest.verdict),
    }
