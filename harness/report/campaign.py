"""A campaign as text and as data: what was run, then the causes under the pseudocode function that they share.

It reads what the campaign recorded and judges nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from assay64.harness.cases.files import plain
from assay64.harness.cases.outcome import VerdictKind
from assay64.harness.record.findings import Finding, Totals
from assay64.harness.record.records import RunInfo
from assay64.harness.report.failure import failure_report
from assay64.harness.report.table import cell

TWICE = "run again"


def campaign_report(info: RunInfo, totals: Totals, findings: Sequence[Finding], titles: Mapping[str, str]) -> str:
    """The whole report. ``titles`` says what the known deviations are about, by identifier."""
    sections = ["\n".join(_header(info, totals)), *_causes(info, findings), "\n".join(_deviations(totals, titles))]
    return "\n\n".join(filter(None, [*sections, summary(info, totals, findings)]))


def summary(info: RunInfo, totals: Totals, findings: Sequence[Finding]) -> str:
    """One line: how much was run and what came of it."""
    failures = sum(finding.count for finding in findings)
    parts = [f"{totals.cases} cases ({totals.instructions} instructions, {totals.runs} runs) in {totals.seconds:.0f} s"]
    if findings:
        parts.append(
            f"{failures} failure{'s' * (failures != 1)} with {len(findings)} cause{'s' * (len(findings) != 1)}"
        )
    if totals.unsettled:
        parts.append(f"{totals.unsettled} failures of sequences not looked into")
    if not findings and not totals.unsettled:
        parts.append("no failures")
    if totals.interrupted:
        parts.append("interrupted")
    return ", ".join(parts) + f"; seed {info.seed}."


def campaign_data(info: RunInfo, totals: Totals, findings: Sequence[Finding], exit_code: int) -> dict[str, Any]:
    """The same for ``--json``."""
    return {
        "run": msgspec.to_builtins(info),
        "exit_code": exit_code,
        "cases": totals.cases,
        "instructions": totals.instructions,
        "runs": totals.runs,
        "seconds": round(totals.seconds, 3),
        "interrupted": totals.interrupted,
        "unsettled": totals.unsettled,
        "verdicts": {
            name: {str(kind): number for kind, number in counts.items()} for name, counts in _by_backend(totals).items()
        },
        "known_deviations": {f"{name} {id_}": count for (name, id_), count in sorted(totals.deviations.items())},
        "findings": [plain(finding) for finding in findings],
    }


def _by_backend(totals: Totals) -> dict[str, Counter[VerdictKind]]:
    found: dict[str, Counter[VerdictKind]] = {}
    for (backend, kind), count in sorted(totals.verdicts.items()):
        found.setdefault(backend, Counter())[kind] += count
    return found


def _header(info: RunInfo, totals: Totals) -> Iterator[str]:
    yield f"assay64 {info.assay64} fuzz, Python {info.python}, {info.machine}, seed {info.seed}"
    counts = _by_backend(totals)
    for one in info.backends:
        if not one.missing:
            yield f"  {one.name} {one.version}: {cell(counts.get(one.name, {}))}"


def _causes(info: RunInfo, findings: Sequence[Finding]) -> Iterator[str]:
    for number, finding in enumerate(findings, 1):
        before = findings[number - 2].function if number > 1 else None
        if finding.function != before:
            same = [one for one in findings if one.function == finding.function]
            total = sum(one.count for one in same)
            where = f"in or below {finding.function}" if finding.function else "in no function that is known"
            yield f"{where}: {total} failure{'s' * (total != 1)}, {len(same)} cause{'s' * (len(same) != 1)}"
        yield _cause(info, number, finding)


def _cause(info: RunInfo, number: int, finding: Finding) -> str:
    names = " and ".join(finding.backends)
    lines = [f"{number}. {names}   {finding.title}   ({finding.count} case{'s' * (finding.count != 1)})"]
    lines.append(
        failure_report(
            finding.case,
            finding.verdict,
            backend=finding.run_on,
            token=finding.token,
            seed=f"{info.seed}:{finding.first}",
            before_shrinking=finding.before,
        )
    )
    if TWICE in finding.modes:
        lines.append("  modes    it shows when the same machine runs the case a second time")
    elif finding.modes:
        lines.append(f"  modes    it shows {', '.join(finding.modes)}, and not otherwise")
    lines += [f"  culprit  {_culprit(finding)}"]
    for name, votes in sorted(finding.votes.items()):
        lines.append(f"  vote     {name}: {', '.join(f'{count} {vote}' for vote, count in sorted(votes.items()))}")
    return "\n".join(lines)


def _culprit(finding: Finding) -> str:
    shared = f", shared by {len(finding.units)} instructions" if finding.shared else ""
    where = f" at {finding.place} or what stands for it{shared}" if finding.place else ""
    return f"{finding.culprit}{where}"


def _deviations(totals: Totals, titles: Mapping[str, str]) -> Iterator[str]:
    if totals.deviations:
        yield "Known deviations"
    for (backend, name), count in sorted(totals.deviations.items(), key=lambda item: (item[0][0], -item[1])):
        yield f"  {backend}   {name}   ({count} case{'s' * (count != 1)})   {titles.get(name, '')}".rstrip()
