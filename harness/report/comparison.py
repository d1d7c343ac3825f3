"""A comparison of two runs as text. Reads the comparison and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assay64.harness.record.comparing import POLICIES, Cause, Comparison
from assay64.harness.report.failure import replay_command

SHOWN = 20


def comparison_report(comparison: Comparison, reasons: Sequence[str]) -> str:
    """The whole report; ``reasons`` are those for which the comparison fails."""
    sections = [
        *(f"Note: {note}" for note in comparison.notes),
        "\n".join(_causes("New failures", comparison.new)),
        "\n".join(_changed(comparison)),
        "\n".join(_causes("Fixed", comparison.fixed, replay=False)),
        "\n".join(_causes("Not shown any more, but their tests were not run", comparison.gone, replay=False)),
        "\n".join(_causes("Still failing", comparison.remaining)),
        "\n".join(_causes("New known deviations", comparison.new_deviations)),
        "\n".join(_causes("Known deviations that do not occur any more", comparison.fixed_deviations, replay=False)),
        "\n".join(
            _list(
                "More unsupported cases than before",
                [f"{where}: {count} more" for where, count in comparison.unsupported.items()],
            )
        ),
        "\n".join(_list("Tests that were not run any more", comparison.missing)),
        "\n".join(_list("Cases whose verdict changed", [f"{k}: {n}" for k, n in comparison.cases.items()])),
        _summary(comparison),
        _verdict(reasons),
    ]
    return "\n\n".join(section for section in sections if section)


def _causes(title: str, causes: Sequence[Cause], *, replay: bool = True) -> Iterator[str]:
    if causes:
        yield f"{title} ({len(causes)})"
    for one in causes[:SHOWN]:
        counts = f"{one.old} -> {one.new} cases"
        yield f"  {one.backend}   {one.cause or 'no cause given'}   ({counts})"
        if replay and one.token:
            yield f"    {replay_command(one.token, one.backend)}"
    yield from _more(causes)


def _changed(comparison: Comparison) -> Iterator[str]:
    if comparison.changed:
        yield f"Failing for another cause ({len(comparison.changed)})"
    for one in comparison.changed[:SHOWN]:
        yield f"  {one.backend}   {one.old} -> {one.new}"
        yield f"    {replay_command(one.token, one.backend)}"
    yield from _more(comparison.changed)


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"{title} ({len(lines)})"
    yield from (f"  {line}" for line in lines[:SHOWN])
    yield from _more(lines)


def _more(items: Sequence[object]) -> Iterator[str]:
    if len(items) > SHOWN:
        yield f"  ... and {len(items) - SHOWN} more"


def _summary(comparison: Comparison) -> str:
    return (
        f"{len(comparison.new)} new, {len(comparison.changed)} changed, {len(comparison.fixed)} fixed, "
        f"{len(comparison.remaining)} still failing; in the new run {comparison.crashes} crashes, "
        f"{comparison.hangs} hangs, {comparison.errors} errors."
    )


def _verdict(reasons: Sequence[str]) -> str:
    if not reasons:
        return "Passed: nothing that this comparison should fail on."
    return "\n".join(["Failed:", *(f"  {name}: {POLICIES[name]}" for name in reasons)])
