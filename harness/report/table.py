"""Tables of verdicts by instruction class and backend. Reads records and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

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


def verdict_table(tallies: Iterable[Tally], backends: Iterable[str]) -> str:
    """The table as text: a row for each instruction class, a column for each backend, and a row of totals."""
    counts, names = count(tallies), list(backends)
    rows = [[group, *(cell(by_backend.get(name, {})) for name in names)] for group, by_backend in counts.items()]
    totals = {name: Counter[VerdictKind]() for name in names}
    for by_backend in counts.values():
        for name in names:
            totals[name].update(by_backend.get(name, {}))
    rows.append([TOTAL, *map(cell, totals.values())])
    return tabulate(rows, headers=["instruction class", *names], tablefmt="simple", disable_numparse=True)
