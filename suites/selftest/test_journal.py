"""The journal: what is recorded survives kills, merging and damage. The writers that are killed are real processes."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import msgspec
import pytest

from assay64.harness.cases.outcome import Difference, Verdict, VerdictKind
from assay64.harness.errors import UsageError
from assay64.harness.record import journal, store
from assay64.harness.record.journal import LETTERS, Journal, JournalError
from assay64.harness.record.provenance import run_info, specification_hash
from assay64.harness.record.records import BackendInfo, CheckRecord, Tally, TestRecord

INFO = run_info("fuzz", seed=7, backends=[BackendInfo(name="unicorn", version="2.1.4")], options={"-k": "adds"})
WRONG = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference("nzcv", ".Z..", ".ZC.", "C differs"),))


def record(kind=VerdictKind.MISMATCH, test="t", backend="unicorn", cause="", token="T"):  # noqa: S107 - replay tokens
    verdict = WRONG if kind is VerdictKind.MISMATCH else Verdict(kind=kind)
    return CheckRecord(test=test, group="ADD", backend=backend, verdict=verdict, token=token, cause=cause, report="R")


def write(path, shard="s", cases=10, failing=(3,)):
    with Journal(path, INFO, shard=shard) as written:
        for number in range(cases):
            if number in failing:
                written.check(record(cause="ADDS: nzcv", token=f"T{number}"))
            else:
                written.matched("t", "ADD", "unicorn")
    return path


def test_everything_comes_back(tmp_path):
    path = tmp_path / "one.sqlite"
    with Journal(path, INFO, shard="s") as written:
        written.matched("t", "ADD", "unicorn", cases=3)
        written.check(record(cause="ADDS: nzcv"))
        written.check(record(VerdictKind.UNSUPPORTED))
        written.check(record(VerdictKind.MATCH))
        written.check(record(VerdictKind.HANG, backend="dynarmic", cause="B: hang"))
        written.test(TestRecord(test="t", outcome="failed", error="boom", seconds=1.5))
        written.note("first", INFO)
        written.note("first", msgspec.structs.replace(INFO, seed=8))
    found = store.read(path)
    assert found.info == INFO
    assert set(found.tallies) == {
        Tally("t", "ADD", "unicorn", VerdictKind.MATCH, "", 4),
        Tally("t", "ADD", "unicorn", VerdictKind.MISMATCH, "ADDS: nzcv", 1),
        Tally("t", "ADD", "unicorn", VerdictKind.UNSUPPORTED, "", 1),
        Tally("t", "ADD", "dynarmic", VerdictKind.HANG, "B: hang", 1),
    }
    assert [check.verdict.kind for check in found.checks] == [VerdictKind.MISMATCH, VerdictKind.HANG]
    assert found.checks[0] == record(cause="ADDS: nzcv")
    assert found.tests == [TestRecord(test="t", outcome="failed", error="boom", seconds=1.5)]
    assert store.verdicts(path) == {("t", "unicorn"): "...Fu.", ("t", "dynarmic"): "H"}
    assert store.notes(path, type(INFO)) == {"first": msgspec.structs.replace(INFO, seed=8)}
    assert found.unfinished == ()
    assert [one.name for one in tmp_path.iterdir()] == ["one.sqlite"]


def test_every_verdict_has_a_letter_of_its_own():
    assert set(LETTERS) == set(VerdictKind)
    assert len(set(LETTERS.values())) == len(LETTERS)


def test_cases_may_come_by_number(tmp_path):
    with Journal(tmp_path / "j", INFO, shard="s") as written:
        written.matched("t", "ADD", "unicorn", cases=2, number=10)
        written.check(record(), number=5)
        written.matched("t", "ADD", "unicorn", number=12)
    assert store.verdicts(tmp_path / "j") == {("t", "unicorn"): "?????F????..."}


def test_a_cause_is_kept_whole_only_so_often_but_counted_always(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "MAX_WHOLE", {True: 20, False: 3})
    with Journal(tmp_path / "j", INFO, shard="s") as written:
        for number in range(50):
            written.check(record(cause="c", token=f"T{number}"))
            written.check(record(VerdictKind.KNOWN_DEVIATION, cause="d"))
    found = store.read(tmp_path / "j")
    assert [check.token for check in found.failures()] == [f"T{number}" for number in range(20)]
    assert len(list(found.deviations())) == 3
    assert sorted(tally.cases for tally in found.tallies) == [50, 50]


def test_a_million_matches_take_a_few_megabytes(tmp_path):
    path = tmp_path / "j"
    with Journal(path, INFO, shard="s") as written:
        for _ in range(1_000_000):
            written.matched("t", "ADD", "unicorn")
    assert path.stat().st_size < 4 << 20
    assert store.read(path).cases() == 1_000_000
    assert store.verdicts(path)["t", "unicorn"] == "." * 1_000_000


def test_what_is_idle_is_committed_too(tmp_path):
    written = Journal(tmp_path / "j", INFO, shard="s")
    try:
        written.matched("t", "ADD", "unicorn")
        until = time.monotonic() + 30
        while not store.read(tmp_path / "j").tallies:
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        written.close()


def test_a_file_is_never_written_over(tmp_path):
    write(tmp_path / "j")
    before = (tmp_path / "j").read_bytes()
    with pytest.raises(JournalError, match=r"^[^\n]*cannot be written[^\n]*$"):
        Journal(tmp_path / "j", INFO, shard="s")
    assert store.read(tmp_path / "j").cases() == 10
    assert before[:16] == (tmp_path / "j").read_bytes()[:16]


def test_a_disk_that_refuses_is_one_line(tmp_path):
    written = Journal(tmp_path / "j", INFO, shard="s")
    written._database.execute("PRAGMA max_page_count = 20")
    written.check(record(token="T" * 1_000_000))
    with pytest.raises(JournalError, match="full"):
        written.commit()
    with pytest.raises(JournalError, match="full"):
        written.close()


# Writes numbered cases as fast as it can, and tells after each how many it has given to the journal, and when.
WRITER = """
import pathlib, sys, time
from assay64.harness.record.journal import Journal
from assay64.suites.selftest.test_journal import INFO, record
written = Journal(pathlib.Path(sys.argv[1]), INFO, shard="s")
number = 0
while True:
    for _ in range(20):
        if number % 50 == 7:
            written.check(record(cause="c", token=f"T{number}"))
        else:
            written.matched("t", "ADD", "unicorn")
        number += 1
    print(number, time.monotonic(), flush=True)
    time.sleep(0.002)
"""


def killed(path, after_s):
    """Kill a writer ``after_s`` seconds after its first case. (cases that were a second old, cases given, path)"""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        assert first, "the writer did not start"
        time.sleep(after_s)
        moment = time.monotonic()
        os.kill(child.pid, signal.SIGKILL)
        lines = [first, *child.stdout.read().splitlines()]
    told = [(int(count), float(when)) for count, when in (line.split() for line in lines if len(line.split()) == 2)]
    return max((count for count, when in told if when < moment - 1.0), default=0), told[-1][0]


def holds(path, old, given):
    found = store.read(path)
    cases = found.cases()
    # What was printed may be a turn behind what was given.
    assert old <= cases <= given + 40, (old, cases, given)
    letters = store.verdicts(path)["t", "unicorn"] if cases else ""
    assert letters == "".join("F" if number % 50 == 7 else "." for number in range(cases))
    assert [check.token for check in found.checks] == [f"T{number}" for number in range(7, cases, 50)]
    assert found.unfinished == ("s",)


def test_a_killed_writer_loses_less_than_a_second(tmp_path):
    old, given = killed(tmp_path / "j", 1.7)
    assert old > 0
    holds(tmp_path / "j", old, given)


@pytest.mark.nightly
def test_twenty_killed_writers_lose_less_than_a_second_each(tmp_path):
    rng = random.Random(1)
    for turn in range(20):
        path = tmp_path / f"j{turn}"
        holds(path, *killed(path, rng.uniform(0.0, 4.0)))


def test_shards_merge_and_merging_again_changes_nothing(tmp_path):
    one, two = write(tmp_path / "one", "1", 10, (3,)), write(tmp_path / "two", "2", 20, (5, 6))
    into = tmp_path / "into"
    store.merge(into, [one, two])
    once = store.read(into)
    assert once.cases() == 30
    assert [check.token for check in once.checks] == ["T3", "T5", "T6"]
    assert list(once.shards) == ["1", "2"]
    store.merge(into, [two, one, into])
    assert store.read(into) == once
    assert store.read(one, two, one) == once


def test_the_fuller_of_two_equal_shards_is_taken(tmp_path):
    short, full = write(tmp_path / "short", "1", 4), write(tmp_path / "full", "1", 10)
    for order in ([short, full], [full, short]):
        into = tmp_path / f"into-{order[0].name}"
        store.merge(into, order)
        assert store.read(into).cases() == 10
        assert store.verdicts(into) == {("t", "unicorn"): "...F......"}


def test_a_run_of_several_processes_is_one_file_in_the_end(tmp_path):
    store.begin(tmp_path, INFO, "run")
    (tmp_path / "mine.txt").write_text("keep")
    assert store.is_waiting(tmp_path)
    for name in ("gw0", "gw1"):
        with store.part(tmp_path, name) as part:
            part.matched(name, "ADD", "unicorn", cases=5)
    assert not store.is_waiting(tmp_path)
    assert store.progress(tmp_path).cases == {("unicorn", VerdictKind.MATCH): 10}
    going_on = store.read(tmp_path)
    assert (going_on.cases(), going_on.unfinished) == (10, ("run",))
    store.finish(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.sqlite", "mine.txt"]
    done = store.read(tmp_path)
    assert (done.cases(), done.unfinished, done.info) == (10, (), INFO)
    store.begin(tmp_path, INFO, "another")
    assert store.read(tmp_path).cases() == 0
    store.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_is_no_run_is_named(tmp_path):
    for path, message in ((tmp_path, "holds no run"), (tmp_path / "absent", "there is no such run")):
        with pytest.raises(UsageError, match=message):
            store.read(path)
    (tmp_path / "journal.sqlite").write_text("no database")
    with pytest.raises(UsageError, match=r"journal\.sqlite: the journal is damaged"):
        store.read(tmp_path)
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE t (a)").connection.close()
    with pytest.raises(UsageError, match="no journal of assay64"):
        store.read(tmp_path / "other")
    path = write(tmp_path / "newer")
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(UsageError, match="format 99; this assay64 reads 1"):
        store.read(path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE shards SET info = x'7b'",
        "UPDATE shards SET info = 5",
        "DELETE FROM shards",
        "UPDATE tallies SET kind = 'splendid'",
        "UPDATE tallies SET cases = 'many'",
        "UPDATE checks SET record = x'7b7d'",
        "DROP TABLE tests",
        "UPDATE subjects SET test = x'ff'",
    ],
)
def test_damage_is_one_line(tmp_path, damage):
    path = write(tmp_path / "j")
    with sqlite3.connect(path) as database:
        database.execute(damage)
    database.close()
    with pytest.raises(UsageError, match=r"^[^\n]*the journal is damaged[^\n]*$"):
        store.read(path)


def test_letters_out_of_place_are_damage(tmp_path):
    path = write(tmp_path / "j")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE verdicts SET start = 1 << 39")
    database.close()
    with pytest.raises(UsageError, match="a gap before case"):
        store.verdicts(path)


def test_the_specification_has_a_hash():
    assert len(specification_hash()) == 16
    assert INFO.specification == specification_hash()
