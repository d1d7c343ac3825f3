"""A connection to a backend's program: frames out, frames in, and what becomes of it when the program ends.

It knows no machine and no case. Frames that are none make the connection useless, and it says what they were.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Generator, Sequence
from typing import BinaryIO, cast

from assay64.harness.backends.contract import BackendDied, Unsupported
from assay64.harness.backends.library import OK, UNSUPPORTED
from assay64.harness.backends.program.protocol import HEADER, Kind
from assay64.harness.errors import BackendUnavailable

MAX_ANSWER_BYTES = 1 << 26
MAX_REASON_CHARACTERS = 500
END_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 10.0
READ_BYTES = 1 << 16


class ProtocolError(Exception):
    """The program answered something that the protocol does not allow."""


class ProgramError(Exception):
    """The program answered with an error; the text is its own."""


class _Late(Exception):
    """What had to come by a certain time has not."""


class _Answers:
    """The bytes that a program writes. Of what it announces only that is held which has come."""

    def __init__(self, stream: BinaryIO) -> None:
        self._descriptor = stream.fileno()
        self._received = bytearray()
        self.deadline: float | None = None

    def come(self, timeout_s: float) -> bool:
        """Whether there are bytes, or an end, within that time."""
        return bool(self._received) or _readable(self._descriptor, timeout_s)

    def read(self, size: int) -> bytes:
        """``size`` bytes, or fewer when they end before. Raises _Late behind the deadline."""
        while len(self._received) < size:
            if self.deadline is not None and not _readable(self._descriptor, self.deadline - time.monotonic()):
                raise _Late
            data = os.read(self._descriptor, READ_BYTES)
            if not data:
                break
            self._received += data
        found = bytes(self._received[:size])
        del self._received[:size]
        return found


def _readable(descriptor: int, timeout_s: float) -> bool:
    if timeout_s <= 0:
        return False
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(1000 * timeout_s))


class Connection:
    """``process`` is None for a program that somebody else has started. ``broken``: nothing more can be asked.

    Who takes several answers to one request holds ``asking`` meanwhile: machines in other threads share the connection.
    """

    def __init__(
        self, name: str, requests: BinaryIO, answers: BinaryIO, process: subprocess.Popen[bytes] | None
    ) -> None:
        self._name = name
        self._requests, self._answers, self._process = requests, _Answers(answers), process
        self._writing, self.asking = threading.Lock(), threading.RLock()
        self.broken = False
        self._end = weakref.finalize(self, _end, requests, answers, process, _guard(process))

    def ask(self, kind: Kind, machine: int, payload: bytes) -> bytes:
        """The answer to a request. Raises Unsupported, ProgramError, ProtocolError or BackendDied."""
        with self.asking:
            self.send(kind, machine, payload)
            return self.answer(kind)

    @contextlib.contextmanager
    def within(self, seconds: float) -> Generator[None]:
        """What is asked here has to be answered in that time: who is asked may be no backend at all. ProtocolError."""
        self._answers.deadline = time.monotonic() + seconds
        try:
            yield
        except _Late:
            raise self.wrong(f"has not answered within {seconds:g} s") from None
        finally:
            self._answers.deadline = None

    def send(self, kind: Kind, machine: int, payload: bytes) -> None:
        """A request alone; from any thread."""
        if self.broken:
            raise ProtocolError(f"{self._name}: the connection is lost since an answer that was no frame")
        try:
            with self._writing:
                self._requests.write(HEADER.pack(kind, machine, len(payload)) + payload)
                self._requests.flush()
        except ConnectionError as error:
            # It may have ended already, and what it said before tells more than that it did: `answer` reads both.
            if not self._answers.come(END_TIMEOUT_S):
                raise self._died() from error

    def answer(self, kind: Kind) -> bytes:
        """The next answer, which must be to a request of this kind."""
        found, status, size = HEADER.unpack(self._read(HEADER.size))
        if found != kind or size > MAX_ANSWER_BYTES or status > UNSUPPORTED + 1:
            self.broken = True
            raise ProtocolError(
                f"{self._name} answered {kind.name} with what is no frame "
                f"(kind {found}, status {status}, {size} bytes): its output must hold frames alone"
            )
        payload = self._read(size)
        if status == OK:
            return payload
        reason = payload.decode(errors="replace")[:MAX_REASON_CHARACTERS] or "no reason given"
        raise (Unsupported if status == UNSUPPORTED else ProgramError)(f"{self._name}: {' '.join(reason.split())}")

    def wrong(self, text: str) -> ProtocolError:
        """The error of an answer whose contents are wrong; the connection is of no more use."""
        self.broken = True
        return ProtocolError(f"{self._name} {text}")

    def close(self) -> None:
        """End the program, or the connection to it."""
        self.broken = True
        self._end()

    def _read(self, size: int) -> bytes:
        try:
            data = self._answers.read(size)
        except ConnectionError:
            data = b""
        if len(data) < size:
            raise self._died()
        return data

    def _died(self) -> BackendDied:
        self.broken = True
        if self._process is None:
            return BackendDied(1)
        try:
            status = self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # It closed a stream and lives on: of no use to anybody.
            _kill(self._process)
            status = self._process.wait()
        return BackendDied(status)


def start(command: Sequence[str], name: str) -> Connection:
    """Start the program. Raises BackendUnavailable when that fails."""
    try:
        # A group of its own: a script that starts the program is killed together with it.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
    except OSError as error:
        raise BackendUnavailable(f"backend {name!r}: {command[0]} cannot be started: {error.strerror}") from error
    return Connection(name, cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout), process)


def connect(path: str, name: str) -> Connection:
    """Connect to the local socket at ``path``. Raises BackendUnavailable when nobody listens there."""
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(CONNECT_TIMEOUT_S)
    try:
        link.connect(path)
    except OSError as error:
        link.close()
        raise BackendUnavailable(f"backend {name!r}: nobody answers at {path}: {error.strerror or error}") from error
    link.settimeout(None)
    with link:
        # The files keep the socket open.
        return Connection(name, link.makefile("wb"), link.makefile("rb"), None)


def _guard(process: subprocess.Popen[bytes] | None) -> subprocess.Popen[bytes] | None:
    """A shell that kills the program when this process ends without having done so: a program may hang for ever."""
    if process is None:
        return None
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read line || kill -9 -"$0"', str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _end(
    requests: BinaryIO,
    answers: BinaryIO,
    process: subprocess.Popen[bytes] | None,
    guard: subprocess.Popen[bytes] | None,
) -> None:
    for stream in (requests, answers):
        with contextlib.suppress(OSError):
            stream.close()
    if process is not None and guard is not None:
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
        # The line lets it end without killing anybody: the program's number may be another's by now.
        guard.communicate(b"\n")
