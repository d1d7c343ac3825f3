"""Tables of verdicts by instruction class and backend. Reads records and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tabulate import tabulate

from assay64.harness.cases.outcome import VerdictKind
from assay64.harness.record.records import Tally

Counts = Mapping[str, Mapping[str, Counter[VerdictKind]]]

# How a count is written in a cell, in this order; the rest of the words are in the legend.
WORDS = {
    VerdictKind.MATCH: "",
    VerdictKind.KNOWN_DEVIATION: "known",
    VerdictKind.UNSUPPORTED: "unsupported",
    VerdictKind.MISMATCH: "FAIL",
    VerdictKind.CRASH: "CRASH",
    VerdictKind.HANG: "HANG",
    VerdictKind.ERROR: "ERROR",
}
TOTAL = "total"
CLASS = "instruction class"
MIN_CLASS = 24
LEGEND = "Numbers are cases that match; known: known deviations; unsupported is never counted as a match."


def count(tallies: Iterable[Tally]) -> dict[str, dict[str, Counter[VerdictKind]]]:
    """Verdicts by instruction class, in the order of the suites' files, and backend."""
    counts: dict[str, dict[str, Counter[VerdictKind]]] = {}
    # Processes that share the work leave their records in any order.
    for tally in sorted(tallies, key=lambda tally: tally.test.partition("::")[0]):
        counts.setdefault(tally.group, {}).setdefault(tally.backend, Counter())[tally.kind] += tally.cases
    return counts


def cell(counter: Mapping[VerdictKind, int]) -> str:
    """``412, 3 known, 1 FAIL``; ``-`` when there were no cases."""
    parts = [f"{counter[kind]} {word}".strip() for kind, word in WORDS.items() if counter.get(kind)]
    return ", ".join(parts) or "-"


def verdict_table(tallies: Iterable[Tally], backends: Iterable[str], width: int = 120) -> str:
    """The table as text: a row for each instruction class, a column for each backend, and a row of totals.

    Backends that do not fit into ``width`` columns stand in tables below it.
    """
    counts, names = count(tallies), list(backends)
    rows = [[group, *(cell(by_backend.get(name, {})) for name in names)] for group, by_backend in counts.items()]
    totals = {name: Counter[VerdictKind]() for name in names}
    for by_backend in counts.values():
        for name in names:
            totals[name].update(by_backend.get(name, {}))
    rows.append([TOTAL, *map(cell, totals.values())])
    # tabulate gives a header two columns more than it has characters.
    widths = [max(len(name) + 2, *(len(row[column + 1]) for row in rows)) for column, name in enumerate(names)]
    tables = list[str]()
    for columns in _parts(widths, max(width, MIN_CLASS)):
        room = width - sum(widths[column] + 2 for column in columns)
        longest = max(room, MIN_CLASS)
        part = [[_cut(row[0], longest), *(row[column + 1] for column in columns)] for row in rows]
        headers = [CLASS, *(names[column] for column in columns)]
        tables.append(tabulate(part, headers=headers, tablefmt="simple", disable_numparse=True))
    return "\n\n".join(tables)


def _parts(widths: Sequence[int], width: int) -> Iterator[list[int]]:
    """The columns of each table, so that with a first column of MIN_CLASS each fits into ``width``; one at least."""
    part, used = list[int](), MIN_CLASS
    for column, needed in enumerate(widths):
        if part and used + needed + 2 > width:
            yield part
            part, used = [], MIN_CLASS
        part.append(column)
        used += needed + 2
    yield part


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
