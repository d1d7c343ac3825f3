"""How reports reach a terminal: in its width, with colour where it has some. Elsewhere they are plain text.

rich decides what a terminal can do, and obeys NO_COLOR, TERM and FORCE_COLOR.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

PLAIN_WIDTH = 120
NARROWEST = 60
STYLES = {
    r"\b(FAIL|CRASH|HANG|ERROR)\b": "bold red",
    r"^(Failures by cause|New failures|Failed:).*$": "bold red",
    r"\b\d+ known\b|^KNOWN\b|^Known deviations$": "yellow",
    r"\b\d+ unsupported\b": "dim",
    r"\bno failures\b|^Passed:.*$": "green",
}


def print_report(report: Callable[[int], str]) -> None:
    """Print what ``report`` makes for a width, in columns."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        sys.stdout.write(report(PLAIN_WIDTH) + "\n")
        return
    text = Text(report(max(console.width, NARROWEST)))
    for pattern, style in STYLES.items():
        text.highlight_regex(re.compile(pattern, re.MULTILINE), style)
    console.print(text, soft_wrap=True)
