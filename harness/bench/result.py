"""What a benchmark leaves: rows of rates and ratios with the circumstances they were got in, as data and as text."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import msgspec
from tabulate import tabulate

import assay64
from assay64.harness.bench.ratios import Ratio


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the table: ``rate`` is the median per second of ``unit`` things, ``ratio`` that against ``baseline``.

    ``target`` is the least ratio or (``target_rate``) rate that the project has set itself here.
    """

    name: str
    rate: float
    unit: str
    ratio: Ratio | None = None
    baseline: str = ""
    target: float | None = None
    target_rate: float | None = None
    counts: dict[str, int] = {}

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None when there is none."""
        if self.target is not None and self.ratio is not None:
            return self.ratio.value >= self.target
        return None if self.target_rate is None else self.rate >= self.target_rate


class Benchmark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A benchmark's result. ``versions`` are those of the backends that took part."""

    benchmark: str
    rows: tuple[Row, ...]
    seed: int
    rounds: int
    quick: bool
    versions: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    assay64: str = assay64.__version__
    python: str = platform.python_version()
    machine: str = f"{platform.system()} {platform.machine()}"


def as_data(result: Benchmark) -> dict[str, Any]:
    return msgspec.to_builtins(result)


def as_text(result: Benchmark) -> str:
    """The circumstances in a line, the table, the notes."""
    head = f"bench {result.benchmark}: assay64 {result.assay64}, Python {result.python}, {result.machine}"
    head += "".join(f", {name} {version}" for name, version in result.versions.items())
    head += f"; {result.rounds} rounds, seed {result.seed}{', quick' if result.quick else ''}"
    return "\n\n".join([head, _table(result.rows), *result.notes])


def _table(rows: Sequence[Row]) -> str:
    cells = [
        [
            row.name,
            f"{row.rate:,.0f} {row.unit}/s",
            row.baseline,
            "" if row.ratio is None else str(row.ratio),
            _goal(row),
        ]
        for row in rows
    ]
    headers = ["", "rate", "against", "ratio (95 %)", "target"]
    return tabulate(cells, headers=headers, tablefmt="simple", disable_numparse=True)


def _goal(row: Row) -> str:
    if row.met is None:
        return ""
    goal = f"{row.target:.2f}" if row.target is not None else f"{row.target_rate:,.0f}/s"
    return f"{goal}: {'met' if row.met else 'not met'}"
