"""Runs on disk: a folder of journals while processes write them, one journal when it is finished. Reads and merges.

What comes from a file is not trusted: every damage is a UsageError that names the file. It writes only merged journals.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from assay64.harness.cases.outcome import VerdictKind
from assay64.harness.errors import UsageError
from assay64.harness.record.journal import APPLICATION, FORMAT, LETTERS, SCHEMA, SHARD, Journal, JournalError, create
from assay64.harness.record.records import CheckRecord, Records, RunInfo, Tally, TestRecord

MAIN = "journal.sqlite"
PATTERN = "journal*.sqlite"
SIDE_FILES = ("-wal", "-shm", "-journal")
# Steps of SQLite's machine between two looks at whether a damaged file leads it in circles, and how many looks it gets.
STEPS, MAX_LOOKS = 1_000_000, 2_000
COUNTS = "SELECT backend, kind, sum(cases) FROM tallies JOIN subjects ON subjects.id = subject GROUP BY backend, kind"
CASES = "SELECT coalesce(sum(cases), 0) FROM tallies JOIN subjects ON subjects.id = subject WHERE shard = ?"
# What belongs to a subject, and what to a shard: how it is read, the types of what is read, how it is written.
OF_SUBJECT = (
    ("SELECT subject, kind, cause, cases FROM tallies", (str, str, int), "INSERT INTO tallies VALUES (?, ?, ?, ?)"),
    ("SELECT subject, start, letters FROM verdicts", (int, str), "INSERT INTO verdicts VALUES (?, ?, ?)"),
    ("SELECT subject, number, record FROM checks", (int, bytes), "INSERT INTO checks VALUES (?, ?, ?)"),
)
OF_SHARD = (
    ("SELECT shard, record FROM tests", (bytes,), "INSERT INTO tests VALUES (?, ?)"),
    ("SELECT shard, key, note FROM notes", (str, bytes), "INSERT INTO notes VALUES (?, ?, ?)"),
)
DROP = (
    "DELETE FROM tallies WHERE subject IN (SELECT id FROM subjects WHERE shard = ?)",
    "DELETE FROM verdicts WHERE subject IN (SELECT id FROM subjects WHERE shard = ?)",
    "DELETE FROM checks WHERE subject IN (SELECT id FROM subjects WHERE shard = ?)",
    "DELETE FROM subjects WHERE shard = ?",
    "DELETE FROM tests WHERE shard = ?",
    "DELETE FROM notes WHERE shard = ?",
    "DELETE FROM shards WHERE id = ?",
)
# What Python raises where a file is damaged: SQLite's words about it may themselves be no UTF-8.
DAMAGE = (sqlite3.Error, OverflowError, UnicodeError)
T = TypeVar("T", bound=msgspec.Struct)


def new_shard() -> str:
    """A name that no other run has."""
    return secrets.token_hex(8)


def check_new(directory: Path, *, overwrite: bool) -> None:
    """Raise UsageError for a directory that holds a run already, which would be lost."""
    if not overwrite and any(directory.glob(PATTERN)):
        raise UsageError(f"{directory} holds a run already: name another directory, or say --overwrite")


def begin(directory: Path, info: RunInfo, shard: str) -> None:
    """Make ``directory`` the place of a new run. Records of an earlier run in it are removed, and nothing else.

    Raises JournalError when it cannot be written.
    """
    try:
        clear(directory)
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"{directory}: {error.strerror}") from None
    Journal(directory / MAIN, info, shard=shard).close(finished=False)


def is_waiting(directory: Path) -> bool:
    """Whether a run began in ``directory`` that no process has a part of yet."""
    if [path.name for path in directory.glob(PATTERN)] != [MAIN]:
        return False
    try:
        return bool(read(directory).unfinished)
    except UsageError:
        return False


def part(directory: Path, name: str) -> Journal:
    """A journal of its own for process ``name`` of the run that began in ``directory``. UsageError when none did."""
    info, shard = _begun(directory)
    return Journal(directory / f"journal-{name}.sqlite", info, shard=f"{shard}/{name}")


def finish(directory: Path, *, complete: bool = True) -> None:
    """Put the parts of the run in ``directory`` into its one journal. ``complete`` False: it was broken off."""
    parts = [path for path in journals(directory) if path.name != MAIN]
    merge(directory / MAIN, parts)
    for path in parts:
        _remove(path)
    if complete:
        with closing(_open(directory / MAIN, "rw")) as database, database:
            database.execute("UPDATE shards SET finished = 1 WHERE id = ?", (SHARD,))


def clear(directory: Path) -> None:
    """Remove the records of an earlier run from ``directory``, and nothing else."""
    for path in directory.glob(PATTERN):
        _remove(path)


def journals(run: Path) -> list[Path]:
    """The files of a run: itself, or those in a folder with the first to be begun in front. UsageError for none."""
    if run.is_file():
        return [run]
    found = sorted(run.glob(PATTERN), key=lambda path: (path.name != MAIN, path.name)) if run.is_dir() else []
    if not found:
        what = "holds no run" if run.is_dir() else "there is no such run"
        raise UsageError(f"{run}: {what}: a run is what `assay64 run --report` leaves, a folder or its {MAIN}")
    return found


def read(*runs: Path) -> Records:
    """The records of a run, also of one that is going on or was killed; of several runs together.

    A shard that several of them have counts once. Raises UsageError for what is no run, and for a damaged one.
    """
    paths = [path for run in runs for path in journals(run)]
    if len(paths) == 1:
        with closing(_open(paths[0])) as database:
            return _records(database, paths[0])
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        for path in paths:
            _add(database, path)
        return _records(database, paths[0])


def verdicts(run: Path) -> dict[tuple[str, str], str]:
    """By (test, backend) a letter for each case in order, as journal.LETTERS has them; ``?`` where none is known."""
    found: dict[tuple[str, str], bytearray] = {}
    for path in journals(run):
        with closing(_open(path)) as database:
            sql = "SELECT test, backend, start, letters FROM verdicts JOIN subjects ON subjects.id = subject"
            for test, backend, start, letters in _rows(database, path, sql, (str, str, int, str)):
                if not 0 <= start < 1 << 40 or not letters.isascii():
                    _damaged(path, f"letters at {start}")
                line = found.setdefault((test, backend), bytearray())
                if start + len(letters) > (1 << 28) + len(line):
                    _damaged(path, f"a gap before case {start}")
                line.extend(b"?" * (start + len(letters) - len(line)))
                line[start : start + len(letters)] = letters.encode()
    return {key: line.decode() for key, line in found.items()}


def notes(run: Path, kind: type[T], prefix: str = "") -> dict[str, T]:
    """The notes of a run whose keys begin with ``prefix``, by key. UsageError when one is no ``kind``."""
    found: dict[str, T] = {}
    for path in journals(run):
        with closing(_open(path)) as database:
            for key, note in _rows(database, path, "SELECT key, note FROM notes ORDER BY rowid", (str, bytes)):
                if key.startswith(prefix):
                    found[key] = _decoded(note, kind, path)
    return found


class Progress(msgspec.Struct):
    """How far a run is: cases by (backend, verdict), tests done, and tests in all as soon as that is known."""

    cases: dict[tuple[str, VerdictKind], int] = {}
    tests: int = 0
    collected: int | None = None


def progress(directory: Path) -> Progress:
    """What the journals in ``directory`` say now: for a display while a run goes on."""
    found = Progress()
    for path in directory.glob(PATTERN):
        try:
            with closing(_open(path)) as database:
                for backend, kind, cases in database.execute(COUNTS):
                    key = backend, VerdictKind(kind)
                    found.cases[key] = found.cases.get(key, 0) + cases
                found.tests += database.execute("SELECT count(*) FROM tests").fetchone()[0]
                for (note,) in database.execute("SELECT note FROM notes WHERE key = 'collected'"):
                    found.collected = msgspec.json.decode(note, type=dict[str, int]).get("tests")
        except (UsageError, sqlite3.Error, ValueError, msgspec.DecodeError):
            continue  # it is just being made, or merged
    return found


def merge(into: Path, runs: Sequence[Path]) -> None:
    """Put the shards of ``runs`` into the journal ``into``, which is made when it does not exist.

    A shard that it has already is replaced when the other has more cases: doing a part of the work again changes
    nothing. Raises UsageError for a file that is no journal, JournalError when ``into`` cannot be written.
    """
    paths = [path for run in runs for path in journals(run)]
    for path in paths:
        _open(path).close()
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        with closing(_open(into, "rw") if into.exists() else create(into)) as database:
            for path in paths:
                if not into.samefile(path):
                    _add(database, path)
            database.execute("PRAGMA journal_mode = DELETE")
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"{into}: the journal cannot be written: {error}") from None


def _begun(directory: Path) -> tuple[RunInfo, str]:
    path = directory / MAIN
    with closing(_open(path)) as database:
        for info, shard in _rows(database, path, "SELECT info, name FROM shards ORDER BY id LIMIT 1", (bytes, str)):
            return _decoded(info, RunInfo, path), shard
    raise UsageError(f"{path}: no run began here")


def _remove(path: Path) -> None:
    for suffix in ("", *SIDE_FILES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _open(path: Path, mode: str = "ro") -> sqlite3.Connection:
    """An existing journal. UsageError when there is none, or the file is none that this version reads."""
    if not path.is_file():
        raise UsageError(f"{path}: there is no journal")
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=30)
    except sqlite3.Error as error:
        raise UsageError(f"{path}: cannot be opened: {error}") from None
    try:
        _guard(database)
        application = database.execute("PRAGMA application_id").fetchone()[0]
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION:
            raise UsageError(f"{path}: no journal of assay64")
        if version != FORMAT:
            raise UsageError(f"{path}: a journal of format {version}; this assay64 reads {FORMAT}")
    except DAMAGE as error:
        database.close()
        _damaged(path, error)
    except UsageError:
        database.close()
        raise
    return database


def _guard(database: sqlite3.Connection) -> None:
    """Let SQLite distrust the file: its schema cannot call functions, and what leads in circles ends."""
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA cell_size_check = ON")
    looks = iter(range(MAX_LOOKS))
    database.set_progress_handler(lambda: int(next(looks, None) is None), STEPS)


def _damaged(path: Path, what: object) -> NoReturn:
    raise UsageError(f"{path}: the journal is damaged: {' '.join(str(what).split())[:500]}") from None


def _rows(
    database: sqlite3.Connection, path: Path, sql: str, types: tuple[type, ...], *values: int
) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, each value of its type. UsageError where the file holds something else."""
    try:
        for row in database.execute(sql, values):
            if not all(map(isinstance, row, types)):
                _damaged(path, f"a row holds {', '.join(type(value).__name__ for value in row)}")
            yield row
    except DAMAGE as error:
        _damaged(path, error)


def _decoded(data: bytes, kind: type[T], path: Path) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        _damaged(path, error)


def _records(database: sqlite3.Connection, path: Path) -> Records:
    shards: dict[str, RunInfo] = {}
    unfinished: list[str] = []
    for name, info, finished in _rows(
        database, path, "SELECT name, info, finished FROM shards ORDER BY id", (str, bytes, int)
    ):
        shards[name] = _decoded(info, RunInfo, path)
        if not finished:
            unfinished.append(name)
    if not shards:
        _damaged(path, "it names no run")
    sql = 'SELECT test, "group", backend, kind, cause, cases FROM tallies JOIN subjects ON subjects.id = subject'
    tallies = [
        Tally(test, group, backend, _kind(kind, path), cause, cases)
        for test, group, backend, kind, cause, cases in _rows(database, path, sql, (str, str, str, str, str, int))
    ]
    return Records(
        info=next(iter(shards.values())),
        tallies=tallies,
        checks=[
            _decoded(record, CheckRecord, path)
            for (record,) in _rows(database, path, "SELECT record FROM checks ORDER BY rowid", (bytes,))
        ],
        tests=[
            _decoded(record, TestRecord, path)
            for (record,) in _rows(database, path, "SELECT record FROM tests ORDER BY rowid", (bytes,))
        ],
        shards=shards,
        unfinished=tuple(unfinished),
    )


def _kind(text: str, path: Path) -> VerdictKind:
    if text not in LETTERS:
        _damaged(path, f"{text[:40]!r} is no verdict")
    return VerdictKind(text)


def _add(target: sqlite3.Connection, path: Path) -> None:
    """Copy the shards of a journal into ``target``, in one transaction."""
    with closing(_open(path)) as source, target:
        for shard, name, info, finished in _rows(
            source, path, "SELECT id, name, info, finished FROM shards", (int, str, bytes, int)
        ):
            cases = _cases(source, path, shard)
            present = target.execute("SELECT id FROM shards WHERE name = ?", (name,)).fetchone()
            if present is not None:
                if _cases(target, path, present[0]) >= cases:
                    continue
                for sql in DROP:
                    target.execute(sql, (present[0],))
            sql = "INSERT INTO shards (name, info, finished) VALUES (?, ?, ?)"
            _copy(source, target, path, shard, target.execute(sql, (name, info, finished)).lastrowid or 0)


def _cases(database: sqlite3.Connection, path: Path, shard: int) -> int:
    return next(_rows(database, path, CASES, (int,), shard))[0]


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, path: Path, shard: int, into: int) -> None:
    new: dict[int, int] = {}
    sql = 'SELECT id, test, "group", backend FROM subjects WHERE shard = ?'
    insert = 'INSERT INTO subjects (shard, test, "group", backend) VALUES (?, ?, ?, ?)'
    for old, *names in _rows(source, path, sql, (int, str, str, str), shard):
        new[old] = target.execute(insert, (into, *names)).lastrowid or 0
    for owners, statements in ((new, OF_SUBJECT), ({shard: into}, OF_SHARD)):
        for select, types, write in statements:
            for old, *values in _rows(source, path, select, (int, *types)):
                if old in owners:
                    target.execute(write, (owners[old], *values))
