"""What a terminal shows while a run goes on, and what a log gets instead; reports in narrow terminals."""

import io
import re

import pytest
from rich.console import Console

from assay64.harness.cases.outcome import VerdictKind
from assay64.harness.record.records import Tally
from assay64.harness.record.store import Progress
from assay64.harness.report import styled
from assay64.harness.report.live import LiveProgress
from assay64.harness.report.table import verdict_table

PROGRESS = Progress(
    cases={
        ("unicorn", VerdictKind.MATCH): 1_234_567,
        ("unicorn", VerdictKind.CRASH): 3,
        ("dynarmic", VerdictKind.MISMATCH): 17,
        ("dynarmic", VerdictKind.KNOWN_DEVIATION): 5,
    },
    tests=120,
    collected=4000,
)
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shown(width, *, terminal=True, **options):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=width, height=25, legacy_windows=False, **options)
    with LiveProgress(console, ["unicorn", "dynarmic", "a-backend-with-a-very-long-name.so"], plain_every_s=0) as live:
        live.update(PROGRESS)
        live.update(PROGRESS)
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 89, 90, 120, 200])
def test_the_display_fits_and_has_every_count(width):
    lines = ESCAPES.sub("", shown(width)).replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "120/4000 tests" in text
    assert ("1,234,567" if width >= 90 else "1234k") in text
    for word in ("backend", "per s", "match", "known", "FAIL", "DIED", "17"):
        assert word in text


def test_no_color_is_obeyed(monkeypatch):
    assert "\x1b[1;31m" in shown(100, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown(100, color_system="standard"))


def test_a_log_gets_plain_lines():
    text = shown(80, terminal=False)
    assert "\x1b" not in text
    assert text.splitlines()[0].startswith(
        "120/4000 tests, 0:00; unicorn 1,234,570 cases (0/s): 1,234,567 match, 3 DIED;"
    )


def test_a_log_is_not_flooded():
    stream = io.StringIO()
    with LiveProgress(Console(file=stream, force_terminal=False), ["unicorn"]) as live:
        for _ in range(100):
            live.update(PROGRESS)
    assert stream.getvalue() == ""


def test_tables_are_split_where_the_terminal_is_narrow():
    names = ["reference", "unicorn", "dynarmic", "qemu-user"]
    tallies = [
        Tally("t", "Floating-point data-processing (2 source), all of it", name, VerdictKind.MATCH, "", 123_456)
        for name in names
    ]
    for width in (60, 80, 120):
        lines = verdict_table(tallies, names, width).splitlines()
        assert max(map(len, lines)) <= width
        assert " ".join(lines).count("123456") == 2 * len(names)
    assert sum("instruction class" in line for line in verdict_table(tallies, names, 60).splitlines()) > 1


def test_reports_are_plain_where_there_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    widths: list[int] = []
    styled.print_report(lambda width: widths.append(width) or "3 FAIL")
    assert (stream.getvalue(), widths) == ("3 FAIL\n", [styled.PLAIN_WIDTH])


def test_reports_have_colour_on_a_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "70", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    widths: list[int] = []
    styled.print_report(lambda width: widths.append(width) or "3 FAIL [x]")
    assert "\x1b[1;31mFAIL\x1b[0m" in stream.getvalue()
    assert "[x]" in stream.getvalue()
    assert widths == [70]
