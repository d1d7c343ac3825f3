"""Comparing runs, and the commands over what runs leave: compare, report, and a run that is broken off."""

import json
import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest

from assay64.harness.cases.outcome import Verdict, VerdictKind
from assay64.harness.cli import invoke
from assay64.harness.errors import UsageError
from assay64.harness.record import store
from assay64.harness.record.comparing import POLICIES, broken, compare_runs, parse_policy
from assay64.harness.record.journal import Journal
from assay64.harness.record.provenance import run_info
from assay64.harness.record.records import BackendInfo, CheckRecord, TestRecord
from assay64.suites.selftest.judge_backends import MODULE

INFO = run_info("run", seed=1, backends=[BackendInfo(name="b", version="1")])
FAIL, KNOWN, CRASH, HANG, ERROR = (
    VerdictKind.MISMATCH,
    VerdictKind.KNOWN_DEVIATION,
    VerdictKind.CRASH,
    VerdictKind.HANG,
    VerdictKind.ERROR,
)


def run(path, *results, info=INFO, errors=()):
    """A journal with results (test, kind, cause): the token of each is its test's name and its number."""
    with Journal(path, info, shard=str(path)) as journal:
        for number, (test, kind, cause) in enumerate(results):
            verdict = Verdict(kind=kind)
            journal.check(
                CheckRecord(test=test, group="G", backend="b", verdict=verdict, token=f"{test}.{number}", cause=cause)
            )
        for test in errors:
            journal.test(TestRecord(test=test, outcome="failed", error="boom"))
    return path


def compared(tmp_path, old, new, **more):
    one, other = run(tmp_path / "old", *old), run(tmp_path / "new", *new, **more)
    return compare_runs(store.read(one), store.read(other), store.verdicts(one), store.verdicts(other))


MATCH = ("t", VerdictKind.MATCH, "")


def test_equal_runs_differ_in_nothing(tmp_path):
    results = [MATCH, ("t", FAIL, "c"), ("t", KNOWN, "d")]
    found = compared(tmp_path, results, results)
    assert [(one.cause, one.old, one.new) for one in found.remaining] == [("c", 1, 1)]
    assert msgspec.structs.replace(found, remaining=()) == msgspec.structs.replace(type(found)())
    assert broken(found, POLICIES) == ()


def test_what_appeared_was_fixed_or_is_unknown(tmp_path):
    old = [("t", FAIL, "fixed"), ("gone", FAIL, "hidden"), ("t", FAIL, "stays"), MATCH, ("t", KNOWN, "old one")]
    new = [MATCH, MATCH, ("t", FAIL, "stays"), ("t", FAIL, "new"), ("t", KNOWN, "new one")]
    found = compared(tmp_path, old, new)
    assert [one.cause for one in found.new] == ["new"]
    assert found.new[0].token == "t.3"  # noqa: S105 - a replay token, no password
    assert [one.cause for one in found.fixed] == ["fixed"]
    assert [one.cause for one in found.gone] == ["hidden"]
    assert [one.cause for one in found.remaining] == ["stays"]
    assert [one.cause for one in found.new_deviations] == ["new one"]
    assert [one.cause for one in found.fixed_deviations] == ["old one"]
    assert found.missing == ("gone on b",)
    assert broken(found, POLICIES) == ("new", "missing", "deviation")


def test_a_case_that_fails_otherwise_is_named(tmp_path):
    found = compared(tmp_path, [("t", FAIL, "one")], [("t", FAIL, "other")])
    assert [(one.token, one.old, one.new) for one in found.changed] == [("t.0", "one", "other")]
    assert "changed" in broken(found, POLICIES)


def test_crashes_hangs_and_errors_count_even_if_they_are_old(tmp_path):
    results = [("t", CRASH, "c"), ("t", HANG, "h"), ("t", ERROR, "e")]
    found = compared(tmp_path, results, results, errors=["t"])
    assert (found.crashes, found.hangs, found.errors) == (1, 1, 2)
    assert broken(found, ("new", "crash", "hang", "error")) == ("crash", "hang", "error")


def test_more_unsupported_cases_are_told(tmp_path):
    lacking = ("t", VerdictKind.UNSUPPORTED, "")
    found = compared(tmp_path, [MATCH, lacking], [lacking, lacking])
    assert found.unsupported == {"t on b": 1}
    assert found.cases == {"match -> unsupported": 1}
    assert broken(found, ("unsupported",)) == ("unsupported",)


def test_cases_are_only_held_against_each_other_where_they_are_the_same(tmp_path):
    other = msgspec.structs.replace(INFO, seed=2, specification="x", backends=(BackendInfo(name="b", version="2"),))
    found = compared(tmp_path, [MATCH], [("t", FAIL, "c")], info=other)
    assert found.cases == {}
    assert len(found.notes) == 3
    assert "b: version 1 before, 2 now" in found.notes
    (tmp_path / "again").mkdir()
    assert compared(tmp_path / "again", [MATCH], [("t", FAIL, "c")]).cases == {"match -> mismatch": 1}


def test_policies_are_named():
    assert parse_policy("new, crash") == ("new", "crash")
    assert parse_policy("none") == ()
    for text in ("newest", "", ",", "none,new"):
        with pytest.raises(UsageError, match=r"--fail-on: .*none"):
            parse_policy(text)


def test_compare_is_a_release_gate(tmp_path, capsys):
    good = str(run(tmp_path / "good", MATCH, ("t", FAIL, "c")))
    bad = str(run(tmp_path / "bad", MATCH, ("t", FAIL, "c"), ("t", FAIL, "d")))
    assert invoke(["compare", good, good]) == 0
    assert "Passed" in capsys.readouterr().out
    assert invoke(["compare", good, bad]) == 1
    out = capsys.readouterr().out
    assert "New failures (1)\n  b   d   (0 -> 1 cases)\n    assay64 replay 't.2' --backend b" in out
    assert "Failed:\n  new: a cause of failures that the old run does not have" in out
    assert invoke(["compare", good, bad, "--fail-on", "crash"]) == 0
    capsys.readouterr()
    assert invoke(["compare", bad, good, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert ([one["cause"] for one in data["fixed"]], data["failed"]) == (["d"], [])
    assert invoke(["compare", good, str(tmp_path / "absent")]) == 2
    assert "there is no such run" in capsys.readouterr().err


def test_report_reads_and_merges_runs(tmp_path, capsys):
    one, two = str(run(tmp_path / "one", MATCH, ("t", FAIL, "c"))), str(run(tmp_path / "two", MATCH))
    assert invoke(["report", one]) == 0
    assert "2 cases, 1 failure with 1 cause; seed 1." in capsys.readouterr().out
    merged = tmp_path / "merged"
    assert invoke(["report", one, two, one, "--merge", str(merged)]) == 0
    assert "3 cases, 1 failure with 1 cause; seed 1." in capsys.readouterr().out
    assert invoke(["report", str(merged), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdicts"]["G"]["b"] == {"match": 2, "mismatch": 1}
    assert invoke(["report", str(tmp_path)]) == 2


SLOW = '''"""Sums: made up."""
import time
import pytest
from assay64.harness.cases.case import Case
from assay64.harness.cases.state import State
from assay64.suites.selftest.judge_backends import add

@pytest.mark.parametrize("number", range(2000))
def test_sum(backend, number):
    backend.check(Case(code=(add(0, 1, 2),), states=(State.of(x1=number),)))
    time.sleep(0.02)
'''


def heed_interrupts() -> None:
    """A job in the background of a shell script ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def going_on(tmp_path):
    """A run that has some verdicts and would last 40 s: (process, directory). In a process group of its own."""
    suite, report = tmp_path / "test_slow.py", tmp_path / "report"
    suite.write_text(SLOW)
    command = [sys.executable, "-c", "from assay64.harness.cli import main; main()", "run", str(suite)]
    command += ["--backend", f"{MODULE}:Tiny", "--report", str(report), "-j", "2"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    ) as child:
        until = time.monotonic() + 120
        while sum(store.progress(report).cases.values() if report.exists() else ()) < 20:
            assert time.monotonic() < until, child.poll()
            assert child.poll() is None, child.stderr.read() if child.stderr else ""
            time.sleep(0.1)
        yield child, report
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)


def test_an_interrupted_run_is_reported_and_readable(going_on, capsys):
    child, report = going_on
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "not brought to its end" in out
    assert "interrupted" in err
    assert "Traceback" not in out + err
    assert sorted(path.name for path in report.glob("journal*")) == ["journal.sqlite"]
    assert invoke(["report", str(report)]) == 0
    assert "not brought to its end" in capsys.readouterr().out


def test_a_killed_run_is_readable(going_on, capsys):
    child, report = going_on
    before = sum(store.progress(report).cases.values())
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate(timeout=60)
    assert invoke(["report", str(report)]) == 0
    assert "not brought to its end" in capsys.readouterr().out
    assert store.read(report).cases() >= before


def test_plain_pytest_leaves_a_finished_run_too(tmp_path):
    suite, records = tmp_path / "test_sums.py", tmp_path / "records"
    suite.write_text(SLOW.replace("2000", "6"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", str(suite)]
    command += ["--backend", f"{MODULE}:Tiny", "--assay-records", str(records)]
    for _ in range(2):  # the second run takes the place of the first
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
        assert [path.name for path in records.iterdir()] == ["journal.sqlite"]
        found = store.read(records)
        assert (found.cases(), len(found.tests), found.unfinished) == (6, 6, ())
        assert {found.info.command, found.info.seed} == {"pytest", 1}


def test_a_run_is_held_against_its_baseline(tmp_path, capsys):
    suite = tmp_path / "test_sums.py"
    suite.write_text(SLOW.replace("2000", "4"))
    command = ["run", str(suite), "-j", "1", "--backend"]
    old, new = str(tmp_path / "old"), str(tmp_path / "new")
    assert invoke([*command, f"{MODULE}:Tiny", "--report", old]) == 0
    assert invoke([*command, f"{MODULE}:Tiny", "--report", new, "--baseline", old]) == 0
    assert "Passed" in capsys.readouterr().out
    assert invoke([*command, f"{MODULE}:Tiny", "--report", old, "--baseline", f"{old}/journal.sqlite"]) == 2
    assert "would write over" in capsys.readouterr().err
    assert invoke([*command, f"{MODULE}:Tiny", "--report", new]) == 2
    assert f"{new} holds a run already" in capsys.readouterr().err
    assert invoke([*command, f"{MODULE}:Tiny", "--report", new, "--overwrite"]) == 0
    assert invoke([*command, f"{MODULE}:Tiny", "--baseline", old, "--fail-on", "sunshine"]) == 2
    capsys.readouterr()
    assert invoke([*command, f"{MODULE}:Rogue", "--baseline", old, "--fail-on", "missing", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["missing"]) == 4
