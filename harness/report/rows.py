"""Tables of a campaign over the rows of the specification: what its states had, rows that got too few, and by how many
independent lineages of engines each row was judged. Reads records and nothing else.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from tabulate import tabulate

from assay64.harness.record.rows import NO_FPCR, RowRecord

# Engines that share their implementation of A64 share its mistakes, and count once.
LINEAGES: Mapping[str, str] = {
    "unicorn": "QEMU",
    "qemu-user": "QEMU",
    "dynarmic": "Dynarmic",
    "icicle": "SLEIGH",
    "native": "hardware",
    "kvm": "hardware",
    "hvf": "hardware",
}
_FLAGS = ("IOC", "DZC", "OFC", "UFC", "IXC", "IDC", "QC")
_REASONS_SHOWN = 60


def lineage(backend: str) -> str | None:
    """The lineage of a backend; None for the reference, which is no judge of itself. Unknown ones are their own."""
    return None if backend == "reference" else LINEAGES.get(backend, backend)


def coverage_table(records: Iterable[RowRecord]) -> str:
    """By backend and encoding group: rows, states a row, operand classes, combinations of FPCR, exceptions raised."""
    groups: dict[tuple[str, str], list[RowRecord]] = {}
    for record in records:
        groups.setdefault((record.backend, record.group), []).append(record)
    lines = [[backend, group.replace("_", " "), *_line(found)] for (backend, group), found in groups.items()]
    headers = ["backend", "group", "rows", "judged", "states a row", "operand classes", "FPCR combinations", "flags"]
    return tabulate(lines, headers=headers, tablefmt="simple", disable_numparse=True)


def _line(found: Sequence[RowRecord]) -> list[str]:
    judged = [record for record in found if record.judged]
    if not judged:
        return [str(len(found)), "0", "-", "-", "-", "-"]
    states = [record.judged for record in judged]
    shares = [100 * record.operand_classes // record.possible for record in judged if record.possible]
    combinations = [record.fpcr.bit_count() for record in judged if record.fpcr != NO_FPCR]
    return [
        str(len(found)),
        str(len(judged)),
        _spread(states),
        f"{_spread(shares)} %" if shares else "-",
        f"{_spread(combinations)} of 64 ({len(combinations)} rows)" if combinations else "-",
        " ".join(flag for flag in _FLAGS if any(flag in record.classes for record in judged)) or "-",
    ]


def _spread(values: Sequence[int]) -> str:
    """``500..512``: the least and the median."""
    return f"{min(values)}..{statistics.median_low(values)}"


def below_target(records: Iterable[RowRecord], target: int) -> str:
    """The rows that got fewer states than ``target`` on a backend, rows with the same reason as one line."""
    reasons: dict[tuple[str, str], list[RowRecord]] = {}
    for record in records:
        if record.judged < target:
            reasons.setdefault((record.backend, reason(record)), []).append(record)
    lines = [
        [
            backend,
            str(len(found)),
            f"{min(r.judged for r in found)}..{max(r.judged for r in found)}",
            why,
            _names(found),
        ]
        for (backend, why), found in sorted(reasons.items(), key=lambda item: (item[0][0], -len(item[1])))
    ]
    headers = ["backend", "rows", "states", "why", "mnemonics"]
    return tabulate(lines, headers=headers, tablefmt="simple", disable_numparse=True) if lines else ""


def reason(record: RowRecord) -> str:
    """Why a row got too few states: what most of its unsupported states lacked."""
    if not record.unsupported:
        return f"only {record.drawn} states were drawn"
    return max(record.unsupported, key=lambda why: record.unsupported[why])


def _names(records: Iterable[RowRecord]) -> str:
    text = " ".join(sorted({record.mnemonic for record in records}))
    return text if len(text) <= _REASONS_SHOWN else f"{text[: text.rfind(' ', 0, _REASONS_SHOWN)]} ..."


def lineage_table(
    records: Iterable[RowRecord], rows: Mapping[str, str], target: int
) -> tuple[str, Mapping[int, Sequence[str]]]:
    """The table of how many lineages judged a row with at least ``target`` states, and the rows by that number.

    ``rows`` maps the names of those that count to the name under which they are counted: several rows of ours may be
    one of an external table's, which is judged when all of them are.
    """
    judged: dict[str, set[str]] = {name: set() for name in rows}
    for record in records:
        name = lineage(record.backend)
        if name is not None and record.row in judged and record.judged >= target:
            judged[record.row].add(name)
    counted: dict[str, set[str]] = {}
    for row, name in rows.items():
        counted[name] = counted[name] & judged[row] if name in counted else judged[row]
    combinations = Counter(tuple(sorted(found)) for found in counted.values())
    lines = [
        [str(len(found)), ", ".join(found) or "none", str(count)]
        for found, count in sorted(combinations.items(), key=lambda item: (-len(item[0]), -item[1]))
    ]
    lines.append(["", "all", str(len(counted))])
    by_number: dict[int, list[str]] = {}
    for name, found in counted.items():
        by_number.setdefault(len(found), []).append(name)
    headers = ["lineages", "which", "rows"]
    return tabulate(lines, headers=headers, tablefmt="simple", disable_numparse=True), by_number


def unjudged(records: Iterable[RowRecord], names: Collection[str]) -> str:
    """Why rows have no judge: for each of their backends the reason, rows with the same reasons together."""
    found: dict[str, list[RowRecord]] = {}
    for record in records:
        if record.row in names and lineage(record.backend) is not None:
            found.setdefault(record.row, []).append(record)
    together: dict[tuple[str, ...], list[RowRecord]] = {}
    for of_row in found.values():
        key = tuple(sorted({f"{one.backend}: {reason(one)}" for one in of_row}))
        together.setdefault(key, []).append(of_row[0])
    lines = [
        [str(len(rows)), _names(rows), "\n".join(why)]
        for why, rows in sorted(together.items(), key=lambda item: -len(item[1]))
    ]
    return tabulate(lines, headers=["rows", "mnemonics", "why"], tablefmt="simple", disable_numparse=True)
