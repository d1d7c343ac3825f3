"""A run's result as text: versions, verdicts, failures by cause, known deviations. Reads records and nothing else."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from assay64.harness.cases.outcome import VerdictKind
from assay64.harness.record.records import FAILING, CheckRecord, Records
from assay64.harness.report.failure import replay_command
from assay64.harness.report.table import LEGEND, verdict_table

ERROR_LINES = 12
ERRORS_SHOWN = 5


@dataclass(frozen=True)
class Group:
    """Cases with one cause on one backend; of those that were kept, ``smallest`` has the shortest token."""

    backend: str
    cause: str
    count: int
    smallest: CheckRecord


def grouped(records: Records, kinds: Iterable[VerdictKind]) -> list[Group]:
    """The cases with a verdict of these kinds by backend and cause, the largest groups first."""
    wanted = frozenset(kinds)
    counts = Counter[tuple[str, str]]()
    for tally in records.tallies:
        if tally.kind in wanted:
            counts[tally.backend, tally.cause] += tally.cases
    smallest: dict[tuple[str, str], CheckRecord] = {}
    for check in records.checks:
        key = check.backend, check.cause
        if check.verdict.kind in wanted and (key not in smallest or _size(check) < _size(smallest[key])):
            smallest[key] = check
    groups = [Group(*key, counts[key], check) for key, check in smallest.items()]
    return sorted(groups, key=lambda group: (-group.count, group.backend, group.cause))


def _size(check: CheckRecord) -> tuple[int, str]:
    return len(check.token), check.token


def failures(records: Records) -> list[Group]:
    return grouped(records, FAILING)


def deviations(records: Records) -> list[Group]:
    return grouped(records, (VerdictKind.KNOWN_DEVIATION,))


def run_report(
    records: Records, titles: Mapping[str, str], fixed: Iterable[tuple[str, str]] = (), *, width: int = 120
) -> str:
    """The whole report, in ``width`` columns as far as what it quotes allows.

    ``titles`` says what the known deviations are about, by identifier. ``fixed`` are (backend, identifier) of known
    deviations that nothing shows any more.
    """
    sections = [
        "\n".join(_header(records)),
        verdict_table(records.tallies, _backends(records), width),
        textwrap.fill(LEGEND, width),
        *_failures(records),
        *_errors(records),
        "\n".join(_deviations(records, titles)),
        "\n".join(f"{backend}: the known deviation {name} does not occur any more: fixed?" for backend, name in fixed),
        textwrap.fill(summary(records), width),
    ]
    return "\n\n".join(section for section in sections if section)


def summary(records: Records) -> str:
    """One line: how many cases and what became of them."""
    failed = records.count(FAILING)
    parts = [f"{records.cases()} cases"]
    if failed:
        parts.append(f"{_number(failed, 'failure')} with {_number(len(failures(records)), 'cause')}")
    if known := records.count((VerdictKind.KNOWN_DEVIATION,)):
        parts.append(f"{_number(known, 'case')} with known deviations")
    if errors := records.errors():
        parts.append(f"{_number(len(errors), 'test')} that could not be run to the end")
    if skipped := records.skipped():
        parts.append(f"{_number(len(skipped), 'test')} that the suites skipped")
    if not failed and not errors:
        parts.append("no failures")
    return ", ".join(parts) + f"; seed {records.info.seed}."


def _backends(records: Records) -> list[str]:
    """Those that ran, and those that have verdicts without having been announced."""
    announced = [one.name for one in records.info.backends if not one.missing]
    return list(dict.fromkeys([*announced, *sorted({tally.backend for tally in records.tallies})]))


def _header(records: Records) -> Iterator[str]:
    info = records.info
    yield f"assay64 {info.assay64}, Python {info.python}, {info.machine}, seed {info.seed}"
    for one in info.backends:
        yield f"  {one.name}: not available: {one.missing}" if one.missing else f"  {one.name} {one.version}".rstrip()
    seeds = sorted({one.seed for one in records.shards.values()} - {info.seed})
    if seeds:
        yield f"  with parts of other seeds: {', '.join(map(str, seeds))}"
    if records.unfinished:
        yield "  not brought to its end: this is what it has so far, or had when it was stopped"


def _failures(records: Records) -> Iterator[str]:
    groups = failures(records)
    if groups:
        yield f"Failures by cause ({len(groups)})"
    for group in groups:
        yield f"{group.backend}   {group.cause}   ({_number(group.count, 'case')})\n{group.smallest.report}"


def _errors(records: Records) -> Iterator[str]:
    errors = records.errors()
    if errors:
        yield f"Tests that could not be run to the end ({len(errors)}): faults of a suite or of assay64, not verdicts"
    for test in errors[:ERRORS_SHOWN]:
        lines = test.error.splitlines()
        yield "\n".join([test.test, *(f"  {line}" for line in lines[-ERROR_LINES:])])
    if len(errors) > ERRORS_SHOWN:
        yield f"... and {len(errors) - ERRORS_SHOWN} more"


def _deviations(records: Records, titles: Mapping[str, str]) -> Iterator[str]:
    groups = deviations(records)
    if groups:
        yield "Known deviations"
    for group in groups:
        title = titles.get(group.cause, "")
        yield f"  {group.backend}   {group.cause}   ({_number(group.count, 'case')})   {title}".rstrip()
        yield f"    {replay_command(group.smallest.token, group.backend)}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
