"""``assay64 fuzz`` on the real command line: what it finds, what it says of bad input, and what an interrupt leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from assay64.harness.cases.outcome import VerdictKind
from assay64.harness.record import store
from assay64.harness.record.findings import NOTE, Finding

FAKES = Path(__file__).with_name("fakes.py")
COMMAND = [sys.executable, "-c", "import sys; from assay64.harness.cli import main; sys.exit(main())", "fuzz"]


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A campaign on a backend whose ADDS and SUBS (shifted register) invert C."""
    folder = tmp_path_factory.mktemp("run")
    done = fuzz(
        *("--backend", f"{FAKES}:WRONG_CARRY", "--cases", "160", "--seed", "3", "-j", "2", "--json"),
        *("--only", "ADDS", "--only", "SUBS", "--length", "1-8", "--no-modes", "--report", str(folder)),
    )
    assert done.returncode == 1, done.stderr
    return json.loads(done.stdout), folder


def test_one_bug_is_one_finding_with_one_instruction(found: tuple[dict[str, Any], Path]) -> None:
    data, _ = found
    (finding,) = data["findings"]
    assert finding["symptom"] == "flags: C"
    assert {unit[0] for unit in finding["units"]} == {"add_sub_shifted_register"}
    assert finding["place"].startswith("reference/")
    assert len(finding["case"]["code"]) == 1
    assert data["cases"] == 160
    assert sum(data["verdicts"][f"{FAKES}:WRONG_CARRY"].values()) == 160


def test_the_journal_holds_every_verdict_and_the_findings(found: tuple[dict[str, Any], Path]) -> None:
    data, folder = found
    records = store.read(folder)
    assert records.info.command == "fuzz"
    assert records.cases() == 160
    assert records.count([VerdictKind.MISMATCH]) == data["verdicts"][f"{FAKES}:WRONG_CARRY"]["mismatch"]
    classes = {tally.group for tally in records.tallies}
    assert "Sequences of instructions" in classes
    assert any(name.startswith("ADD, ADDS, SUB, SUBS") for name in classes)
    assert all("assay64 replay '" in check.report for check in records.failures())
    notes = store.notes(folder, Finding, NOTE)
    assert [note.token for note in notes.values()] == [finding["token"] for finding in data["findings"]]


def test_the_same_seed_finds_the_same(found: tuple[dict[str, Any], Path]) -> None:
    data, _ = found
    again = fuzz(
        *("--backend", f"{FAKES}:WRONG_CARRY", "--cases", "160", "--seed", "3", "-j", "1", "--json"),
        *("--only", "ADDS", "--only", "SUBS", "--length", "1-8", "--no-modes"),
    )
    other = json.loads(again.stdout)
    assert other["verdicts"] == data["verdicts"]
    assert other["instructions"] == data["instructions"]


def test_the_report_says_who_is_wrong_and_how_to_see_it() -> None:
    backend = f"{FAKES}:WRONG_CARRY"
    done = fuzz("--backend", backend, "--cases", "60", "--only", "ADDS", "--length", "1", "-j", "1", "--no-modes")
    assert done.returncode == 1, done.stderr
    assert "in or below " in done.stdout
    assert "flags: C" in done.stdout
    assert "assay64 replay 'ab" in done.stdout or "assay64 replay '2b" in done.stdout
    assert "seed 1." in done.stdout


def test_a_right_backend_has_no_failures() -> None:
    done = fuzz("--backend", "reference", "--cases", "40", "-j", "1", "--only", "ADD*")
    assert done.returncode == 0, done.stdout
    assert "no failures" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--time", "soon"), "--time: 'soon' is no time"),
        (("--time", "0s"), "--time: '0s' is no time"),
        (("--only", "NOSUCH*"), "no instruction matches NOSUCH*"),
        (("--weight", "simd*"), "--weight: 'simd*' is not GLOB=FACTOR"),
        (("--weight", "simf*=2"), "the weight of 'simf*' matches no instruction"),
        (("--weight", "*=0"), "leave no instruction to draw"),
        (("--length", "0"), "--length: '0' is no number or range from 1 to 64"),
        (("--length", "9-65"), "--length: '9-65'"),
        (("--seed", "x"), "--seed: 'x' is no number"),
        (("--backend", "dynarmik"), "no backend is called 'dynarmik'"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], says: str) -> None:
    backend = () if "--backend" in arguments else ("--backend", "reference")
    done = fuzz(*backend, *arguments, "--cases", "1")
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_interrupt_ends_a_campaign_early_and_loses_nothing(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [*COMMAND, "--backend", f"{FAKES}:WRONG_CARRY", "--time", "1h", "-j", "1", "--report", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not sum(store.progress(tmp_path).cases.values()):
        time.sleep(0.2)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: the whole group
    output, errors = child.communicate(timeout=120)
    assert child.returncode in (1, 130), errors  # it may have found something already
    assert "interrupted" in output
    records = store.read(tmp_path)
    assert f"{records.cases()} cases" in output
    assert records.unfinished == ()
