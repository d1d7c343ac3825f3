"""How far a run is, while it goes on: tests, and for each backend its rate and its verdicts.

On a terminal it is a display that stays in place; elsewhere a plain line now and then. It shows what it is told, and
reads no journal itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from assay64.harness.cases.outcome import VerdictKind
from assay64.harness.record.store import Progress

PLAIN_EVERY_S = 30.0
WINDOW_S = 10.0
NARROW = 90
# Shown in this order: what a column is called, what it counts, its colour when it is not zero.
COLUMNS: Sequence[tuple[str, tuple[VerdictKind, ...], str]] = (
    ("match", (VerdictKind.MATCH,), "green"),
    ("known", (VerdictKind.KNOWN_DEVIATION,), "yellow"),
    ("unsup.", (VerdictKind.UNSUPPORTED,), ""),
    ("FAIL", (VerdictKind.MISMATCH, VerdictKind.ERROR), "bold red"),
    ("DIED", (VerdictKind.CRASH, VerdictKind.HANG), "bold red"),  # or hung
)


class LiveProgress:
    """Shows progress on ``console``, which is stderr as a rule. Use as a context manager."""

    def __init__(self, console: Console, backends: Sequence[str], *, plain_every_s: float = PLAIN_EVERY_S) -> None:
        self._console = console
        self._backends = list(backends)
        self._began = self._told = time.monotonic()
        self._plain_every_s = plain_every_s
        self._history: list[tuple[float, dict[str, int]]] = []
        self._live = (
            Live(console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> LiveProgress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, progress: Progress) -> None:
        now = time.monotonic()
        totals = {
            name: sum(n for (backend, _), n in progress.cases.items() if backend == name)
            for name in self._names(progress)
        }
        self._history = [one for one in self._history if now - one[0] <= WINDOW_S] + [(now, totals)]
        if self._live is not None:
            self._live.update(self._picture(progress, totals), refresh=True)
        elif now - self._told >= self._plain_every_s:
            self._told = now
            self._console.print(self.line(progress), soft_wrap=True, highlight=False, markup=False)

    def line(self, progress: Progress) -> str:
        """``120/4000 tests, 31 s; unicorn 12,345 cases (410/s), 3 FAIL``: what a log gets."""
        parts = [f"{_tests(progress)}, {_duration(time.monotonic() - self._began)}"]
        for name in self._names(progress):
            counts = _counts(progress, name)
            bad = [f"{count:,} {title}" for (title, _, _), count in zip(COLUMNS, counts, strict=True) if count]
            parts.append(f"{name} {sum(counts):,} cases ({self._rate(name):,.0f}/s): {', '.join(bad) or 'none yet'}")
        return "; ".join(parts)

    def _names(self, progress: Progress) -> list[str]:
        return list(dict.fromkeys([*self._backends, *(backend for backend, _ in progress.cases)]))

    def _rate(self, name: str) -> float:
        """Cases per second over the last seconds."""
        if len(self._history) < 2:
            return 0.0
        (start, before), (end, after) = self._history[0], self._history[-1]
        return (after.get(name, 0) - before.get(name, 0)) / max(end - start, 1e-9)

    def _picture(self, progress: Progress, totals: dict[str, int]) -> Group:
        wide = self._console.width >= NARROW
        table = Table(box=None, pad_edge=False, padding=(0, 1), expand=False)
        table.add_column("backend", max_width=24 if wide else 10, no_wrap=True, overflow="ellipsis")
        table.add_column("cases", justify="right", no_wrap=True)
        table.add_column("per s", justify="right", no_wrap=True)
        for title, _, _ in COLUMNS:
            table.add_column(title, justify="right", no_wrap=True)
        for name, total in totals.items():
            cells = [
                Text(_short(count, wide) if count else "-", style=style if count else "dim")
                for (_, _, style), count in zip(COLUMNS, _counts(progress, name), strict=True)
            ]
            table.add_row(name, _short(total, wide), _short(round(self._rate(name)), wide), *cells)
        bar = ProgressBar(total=progress.collected, completed=progress.tests, width=max(10, self._console.width // 3))
        head = Table.grid(padding=(0, 1))
        head.add_row(bar, Text(f"{_tests(progress)}  {self._times(progress)}", no_wrap=True, overflow="ellipsis"))
        return Group(head, table)

    def _times(self, progress: Progress) -> str:
        elapsed = time.monotonic() - self._began
        if not progress.collected or not progress.tests:
            return _duration(elapsed)
        left = elapsed / progress.tests * max(progress.collected - progress.tests, 0)
        return f"{_duration(elapsed)}, {_duration(left)} left"


def _tests(progress: Progress) -> str:
    return f"{progress.tests}/{progress.collected or '?'} tests"


def _counts(progress: Progress, name: str) -> list[int]:
    return [sum(progress.cases.get((name, kind), 0) for kind in kinds) for _, kinds, _ in COLUMNS]


def _short(count: int, wide: bool) -> str:
    """``12,345``; where there is little room ``12k``."""
    if wide or count < 10_000:
        return f"{count:,}" if wide else str(count)
    return f"{count // 1000}k" if count < 10_000_000 else f"{count // 1_000_000}M"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
