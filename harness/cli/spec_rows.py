"""What `assay64 spec coverage --run` prints: the rows of a CPU model as the campaigns of some runs judged them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay64.harness.errors import AssayError, UsageError

if TYPE_CHECKING:
    from assay64.harness.record.rows import RowRecord
    from assay64.reference.encoding.table import EncodingTable
    from assay64.reference.models import Model

SHOWN = 40
_FEATURE = re.compile(r'"(FEAT_\w+)"')


def records_of(runs: Sequence[Path], rows: dict[str, str]) -> list[RowRecord]:
    """The records of ``runs`` about ``rows``. UsageError when they hold none."""
    from assay64.harness.record.rows import read

    found = [record for record in read(*runs) if record.row in rows]
    if not found:
        names = ", ".join(map(str, runs))
        raise UsageError(
            f"{names}: no campaign over rows is recorded there; `assay64 run rows --row-cases 512 --report DIR` has one"
        )
    return found


def counted_rows(cpu: Model, table: EncodingTable | None) -> dict[str, str]:
    """The rows of a CPU model by their names, with the names under which they count: an external table's, if given."""
    from random import Random

    from assay64.harness.cases.rows import rows

    rng, names = Random(0), dict[str, str]()
    for row in rows(cpu.name):
        word = row.word(rng, cpu, attempts=4000) if table is not None else None
        outer = table.row(word) if table is not None and word is not None else None
        names[row.name] = row.name if outer is None else outer.name
    return names


def judges_text(cpu: Model, table: EncodingTable | None, runs: Sequence[Path], target: int) -> str:
    """The tables of ``--run``."""
    from assay64.harness.report.rows import below_target, coverage_table, lineage_table, unjudged

    rows = counted_rows(cpu, table)
    records = records_of(runs, rows)
    lineages, by_number = lineage_table(records, rows, target)
    none = set(by_number.get(0, ()))
    missing = sorted(set(rows) - {record.row for record in records})
    parts = [
        f"Rows of {cpu.name}, by backend and group: states, operand classes (share of the possible), FPCR combinations",
        coverage_table(records),
    ]
    if few := below_target(records, target):
        parts += [f"Rows with fewer than {target} states", few]
    if missing:
        listed = ", ".join(missing[:SHOWN]) + (" ..." if len(missing) > SHOWN else "")
        parts.append(f"Rows of which these runs have no record: {len(missing)}\n  {listed}")
    parts += [f"Rows by the lineages of engines that judged {target} states or more", lineages]
    if none:
        without = {row for row, name in rows.items() if name in none}
        parts += ["Rows without a judge, and why", unjudged(records, without)]
    lacking = features_without_judge(cpu, records)
    if lacking:
        parts.append(
            "Features of the model that the specification asks for and no backend of these runs has: what they change"
            f" in rows that have a judge is not judged\n  {', '.join(lacking)}"
        )
    return "\n\n".join(parts)


def judges_data(cpu: Model, table: EncodingTable | None, runs: Sequence[Path], target: int) -> dict[str, Any]:
    """As ``judges_text``, as data."""
    from msgspec import to_builtins

    from assay64.harness.report.rows import lineage_table

    rows = counted_rows(cpu, table)
    records = records_of(runs, rows)
    return {
        "model": cpu.name,
        "target": target,
        "lineages": {str(number): names for number, names in lineage_table(records, rows, target)[1].items()},
        "features_without_judge": features_without_judge(cpu, records),
        "rows": [to_builtins(record) for record in records],
    }


def features_without_judge(cpu: Model, records: Sequence[RowRecord]) -> list[str]:
    """The features of ``cpu`` on which the specification depends and which no backend that judged has."""
    from assay64.harness.judge.pool import Worker
    from assay64.harness.report.rows import lineage
    from assay64.reference import __file__ as reference

    judged = [record for record in records if lineage(record.backend) is not None and record.judged]
    had = {feature for record in judged for feature in record.features}
    for name in {record.backend for record in judged}:
        # One that cannot run here has shown by its records what it has, as far as whole rows ask for it.
        with contextlib.suppress(AssayError), Worker(name) as worker:
            had |= worker.capabilities.features
    asked = set[str]()
    for path in Path(reference or "").parent.rglob("*.py"):
        asked.update(_FEATURE.findall(path.read_text("utf-8")))
    base = {"FEAT_FP", "FEAT_AdvSIMD"}  # of Armv8.0: every backend has them, and capabilities leave them out
    return sorted((asked & cpu.features) - had - base)
