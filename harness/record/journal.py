"""The journal: a run's records in SQLite, written so that a killed process loses less than the last second.

One process writes one file; a run of several processes is a folder of such files, a finished run a single one
(store.py). It keeps every verdict as a letter in the order of its test's cases, counts by cause, and whole what fails.
It knows no pytest and no backend.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType

import msgspec

from assay64.harness.cases.outcome import VerdictKind
from assay64.harness.errors import AssayError
from assay64.harness.record.records import FAILING, CheckRecord, RunInfo, TestRecord

FORMAT = 1
APPLICATION = 0x41363421  # "A64!" in the header of the file
COMMIT_EVERY_S = 0.5
MAX_PENDING = 20_000
# Beyond these a cause's cases are only counted: so many failures of one kind say nothing new.
MAX_WHOLE = {True: 10_000, False: 3}

# How a verdict is written where every case has one letter.
LETTERS = {
    VerdictKind.MATCH: ".",
    VerdictKind.MISMATCH: "F",
    VerdictKind.KNOWN_DEVIATION: "k",
    VerdictKind.UNSUPPORTED: "u",
    VerdictKind.CRASH: "C",
    VerdictKind.HANG: "H",
    VerdictKind.ERROR: "E",
}

SCHEMA = """
CREATE TABLE shards (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, info BLOB NOT NULL, finished INTEGER NOT NULL DEFAULT 0);
CREATE TABLE subjects (
    id INTEGER PRIMARY KEY, shard INTEGER NOT NULL REFERENCES shards, test TEXT NOT NULL, "group" TEXT NOT NULL,
    backend TEXT NOT NULL);
CREATE TABLE tallies (
    subject INTEGER NOT NULL REFERENCES subjects, kind TEXT NOT NULL, cause TEXT NOT NULL, cases INTEGER NOT NULL,
    PRIMARY KEY (subject, kind, cause)) WITHOUT ROWID;
CREATE TABLE verdicts (
    subject INTEGER NOT NULL REFERENCES subjects, start INTEGER NOT NULL, letters TEXT NOT NULL);
CREATE TABLE checks (
    subject INTEGER NOT NULL REFERENCES subjects, number INTEGER NOT NULL, record BLOB NOT NULL);
CREATE TABLE tests (shard INTEGER NOT NULL REFERENCES shards, record BLOB NOT NULL);
CREATE TABLE notes (
    shard INTEGER NOT NULL REFERENCES shards, key TEXT NOT NULL, note BLOB NOT NULL, PRIMARY KEY (shard, key));
"""
SHARD = 1  # the only one in a file that is being written


class JournalError(AssayError):
    """The journal cannot be written: the disk is full, or the file went away."""


class _Subject:
    """A test on a backend: its number in the file, the number of its next case, the letters not yet written."""

    def __init__(self, identifier: int) -> None:
        self.identifier = identifier
        self.next = 0
        self.runs: list[tuple[int, list[str]]] = []

    def add(self, number: int | None, letters: str) -> int:
        start = self.next if number is None else number
        if not self.runs or start != self.next:
            self.runs.append((start, []))
        self.runs[-1][1].append(letters)
        self.next = start + len(letters)
        return start


class Journal:
    """Takes the records of one process and commits them at least once in COMMIT_EVERY_S seconds, also while nothing new
    comes.

    ``shard`` names this part of the work and is the same whenever the same part is done again (seed, range, backend),
    so that merging takes it once. Safe to use from several threads. Raises JournalError when the disk refuses. Use as a
    context manager: only a journal that is closed counts as finished.
    """

    def __init__(self, path: Path, info: RunInfo, *, shard: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._subjects: dict[tuple[str, str], _Subject] = {}
        self._touched: set[_Subject] = set()
        self._tallies = Counter[tuple[int, str, str]]()
        self._whole = Counter[tuple[str, str, str]]()
        self._rows: list[tuple[str, tuple[object, ...]]] = []
        self._error: Exception | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = create(path)
            with self._database:
                row = (SHARD, shard, msgspec.json.encode(info))
                self._database.execute("INSERT INTO shards (id, name, info) VALUES (?, ?, ?)", row)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"{path}: the journal cannot be written: {error}") from None
        self._closing = threading.Event()
        self._committer = threading.Thread(target=self._commit_in_time, name="journal", daemon=True)
        self._committer.start()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        # What ended in an error is not the whole of its shard.
        self.close(finished=error is None)

    def check(self, record: CheckRecord, number: int | None = None) -> None:
        """Take one verdict. ``number`` counts the cases of its test on its backend; None: the next."""
        kind, failing = record.verdict.kind, record.verdict.kind in FAILING
        whole = failing or bool(record.cause)
        payload = msgspec.json.encode(record) if whole else b""
        with self._lock:
            subject = self._subject(record.test, record.group, record.backend)
            number = subject.add(number, LETTERS[kind])
            self._tallies[subject.identifier, kind, record.cause] += 1
            key = record.backend, kind, record.cause
            if whole and self._whole[key] < MAX_WHOLE[failing]:
                self._whole[key] += 1
                sql = "INSERT INTO checks (subject, number, record) VALUES (?, ?, ?)"
                self._rows.append((sql, (subject.identifier, number, payload)))
        self._taken()

    def matched(self, test: str, group: str, backend: str, cases: int = 1, number: int | None = None) -> None:
        """Take ``cases`` matches in a row, of which ``number`` is the first."""
        with self._lock:
            subject = self._subject(test, group, backend)
            subject.add(number, LETTERS[VerdictKind.MATCH] * cases)
            self._tallies[subject.identifier, VerdictKind.MATCH, ""] += cases
        self._taken()

    def test(self, record: TestRecord) -> None:
        """Take a test as pytest saw it."""
        row = "INSERT INTO tests (shard, record) VALUES (?, ?)", (SHARD, msgspec.json.encode(record))
        with self._lock:
            self._rows.append(row)
        self._taken()

    def note(self, key: str, value: msgspec.Struct | dict[str, object]) -> None:
        """Keep ``value`` under ``key``, in the place of an earlier one: what a campaign wants to find again."""
        sql = "INSERT OR REPLACE INTO notes (shard, key, note) VALUES (?, ?, ?)"
        row = sql, (SHARD, key, msgspec.json.encode(value))
        with self._lock:
            self._rows.append(row)
        self._taken()

    def commit(self) -> None:
        """Write what is pending; it happens by itself, too."""
        with self._lock:
            self._write()
        self._complain()

    def close(self, *, finished: bool = True) -> None:
        """Write the rest. ``finished`` False leaves the shard marked as not brought to its end."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._committer.join()
        with self._lock:
            if finished:
                self._rows.append(("UPDATE shards SET finished = 1 WHERE id = ?", (SHARD,)))
            self._write()
            # A finished journal is one file that can be read from a folder without write permission.
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("PRAGMA journal_mode = DELETE")
            self._database.close()
        self._complain()

    def _subject(self, test: str, group: str, backend: str) -> _Subject:
        subject = self._subjects.get((test, backend))
        if subject is None:
            subject = self._subjects[test, backend] = _Subject(len(self._subjects) + 1)
            sql = 'INSERT INTO subjects (id, shard, test, "group", backend) VALUES (?, ?, ?, ?, ?)'
            self._rows.append((sql, (subject.identifier, SHARD, test, group, backend)))
        self._touched.add(subject)
        return subject

    def _taken(self) -> None:
        if len(self._rows) >= MAX_PENDING:
            self.commit()
        elif self._error is not None:
            self._complain()

    def _commit_in_time(self) -> None:
        while not self._closing.wait(COMMIT_EVERY_S):
            with self._lock:
                self._write()

    def _write(self) -> None:
        """Write what is pending in one transaction. An error is kept for the next who calls."""
        if self._error is not None or not (self._rows or self._touched):
            return
        rows, touched, tallies = self._rows, self._touched, self._tallies
        self._rows, self._touched, self._tallies = [], set(), Counter[tuple[int, str, str]]()
        try:
            with self._database:
                for sql, values in rows:
                    self._database.execute(sql, values)
                for subject in touched:
                    letters = [(subject.identifier, start, "".join(parts)) for start, parts in subject.runs]
                    self._database.executemany("INSERT INTO verdicts VALUES (?, ?, ?)", letters)
                    subject.runs = []
                counts = [(*key, cases) for key, cases in tallies.items()]
                self._database.executemany(
                    "INSERT INTO tallies VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (subject, kind, cause) DO UPDATE SET cases = cases + excluded.cases",
                    counts,
                )
        except (sqlite3.Error, UnicodeError) as error:
            self._error = error

    def _complain(self) -> None:
        if self._error is not None:
            raise JournalError(f"{self.path}: the journal cannot be written: {self._error}")


def create(path: Path) -> sqlite3.Connection:
    """A new, empty journal, open for writing. Raises sqlite3.Error, also when the file exists already."""
    database = sqlite3.connect(path, check_same_thread=False, timeout=30)
    try:
        # In WAL mode a reader never waits for the writer; what is committed survives the process (not a power cut).
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA application_id = {APPLICATION}")
        database.execute(f"PRAGMA user_version = {FORMAT}")
        database.executescript(SCHEMA)
    except BaseException:
        database.close()
        raise
    return database
