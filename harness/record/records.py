"""A run's records and their files: ``run.json``, ``checks*.jsonl`` and ``tests*.jsonl`` in one directory.

Every process of a run appends lines to files of its own and flushes each, so that nothing that was judged is lost when
one is killed. Nothing here knows pytest or a backend.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, TypeVar

import msgspec

from assay64.harness.cases.outcome import Verdict, VerdictKind
from assay64.harness.errors import UsageError

FORMAT = 1
RUN_FILE = "run.json"
T = TypeVar("T", bound=msgspec.Struct)

FAILING = frozenset({VerdictKind.MISMATCH, VerdictKind.CRASH, VerdictKind.HANG, VerdictKind.ERROR})


class BackendInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A backend as it was found: its version when it ran, or one line on what it lacked."""

    name: str
    version: str = ""
    missing: str = ""


class RunInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run was: enough to do it again. ``started`` is UTC in ISO 8601."""

    assay64: str
    python: str
    machine: str
    seed: int
    started: str
    backends: tuple[BackendInfo, ...]
    suites: tuple[str, ...] = ()
    format: int = FORMAT


class CheckRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One verdict. ``test`` is pytest's node, ``group`` the instruction class as the suite titles it.

    ``token`` replays the case, as small as it could be made. For a failure ``cause`` is what failures are grouped by
    and ``report`` its text; for a known deviation ``cause`` is the deviation's identifier.
    """

    test: str
    group: str
    backend: str
    verdict: Verdict
    token: str
    cause: str = ""
    report: str = ""


class TestRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One test as pytest saw it. ``error`` is a failure that is no verdict: a fault of the suite or the harness."""

    __test__ = False

    test: str
    outcome: str
    error: str = ""
    seconds: float = 0.0


class Records(msgspec.Struct, kw_only=True):
    """Everything that a run left."""

    info: RunInfo
    checks: list[CheckRecord]
    tests: list[TestRecord]

    def failures(self) -> list[CheckRecord]:
        return [check for check in self.checks if check.verdict.kind in FAILING]

    def deviations(self) -> list[CheckRecord]:
        return [check for check in self.checks if check.verdict.kind is VerdictKind.KNOWN_DEVIATION]

    def skipped(self) -> list[TestRecord]:
        """Tests that a suite skipped before they checked anything: they stand in no column of the table."""
        checked = {check.test for check in self.checks}
        return [test for test in self.tests if test.outcome == "skipped" and test.test not in checked]

    def errors(self) -> list[TestRecord]:
        return [test for test in self.tests if test.error]


class Lines:
    """Appends structs to a file, one JSON line each, flushed at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("ab")
        self._encode = msgspec.json.Encoder().encode

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, record: msgspec.Struct) -> None:
        self._file.write(self._encode(record) + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def write_info(directory: Path, info: RunInfo) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / RUN_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(info)) + b"\n")


def read(directory: Path) -> Records:
    """The records in ``directory``. Raises UsageError when it holds no run, or one that this version cannot read."""
    try:
        info = msgspec.json.decode((directory / RUN_FILE).read_bytes(), type=RunInfo)
    except OSError as error:
        raise UsageError(f"{directory} holds no run: {RUN_FILE}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise UsageError(f"{directory / RUN_FILE}: {error}") from None
    if info.format != FORMAT:
        raise UsageError(f"{directory}: records of format {info.format}; this assay64 reads {FORMAT}")
    return Records(
        info=info,
        checks=list(_read(directory, "checks*.jsonl", CheckRecord)),
        tests=list(_read(directory, "tests*.jsonl", TestRecord)),
    )


def clear(directory: Path) -> None:
    """Remove the records of an earlier run from ``directory``, and nothing else."""
    for pattern in (RUN_FILE, "checks*.jsonl", "tests*.jsonl"):
        for path in directory.glob(pattern):
            path.unlink()


def _read(directory: Path, pattern: str, kind: type[T]) -> Iterator[T]:
    decode = msgspec.json.Decoder(kind).decode
    for path in sorted(directory.glob(pattern)):
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                # A process that was killed may have left half a line at the end.
                if line.endswith(b"\n"):
                    try:
                        yield decode(line)
                    except msgspec.DecodeError as error:
                        raise UsageError(f"{path}:{number}: {error}") from None
