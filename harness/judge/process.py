"""One worker process as its parent sees it: streams, progress words, time limits, and how it ended.

It kills only the process that it started, by its id. Which cases a process runs, and what its end means for them, is
pool.py's affair.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque

import msgspec
import numpy as np

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.errors import BackendUnavailable, UsageError
from assay64.harness.judge import frames
from assay64.harness.judge.frames import Crashed, Failed, Hung
from assay64.harness.judge.worker import PROGRESS_BYTES

# The first use of a backend may compile its adapter.
START_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 2.0
POLL_S = 0.05
STDERR_LINES = 50
LAST_LINE_CHARACTERS = 200


class Lost(Exception):
    """The worker process is gone: it crashed, was killed for hanging, or sent what is no frame."""

    def __init__(self, result: Crashed | Hung | Failed) -> None:
        super().__init__(str(result))
        self.result = result
        self.done = 0  # cases of a batch that were finished by then


class ChildProcess:
    """One child process from its start to its end."""

    def __init__(self, backend: str) -> None:
        with tempfile.TemporaryFile() as shared:
            shared.truncate(PROGRESS_BYTES)
            self._map = mmap.mmap(shared.fileno(), PROGRESS_BYTES)
            self._words = np.frombuffer(self._map, np.uint64)
            self._child = subprocess.Popen(
                [sys.executable, "-m", "assay64.harness.judge.worker", backend, "--progress", str(shared.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(shared.fileno(),),
                bufsize=0,
            )
        self._received = bytearray()
        self._last_lines: deque[str] = deque(maxlen=STDERR_LINES)
        self._listener = threading.Thread(target=_listen, args=(self._child, self._last_lines), daemon=True)
        self._listener.start()
        # Runs at exit too, so that no worker outlives the harness.
        self._end = weakref.finalize(self, _end, self._child)

    @property
    def process_id(self) -> int:
        return self._child.pid

    def write(self, data: bytes) -> None:
        assert self._child.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self._child.stdin.write(view) or 0 :]

    def hello(self, backend: str, timeout_s: float) -> Capabilities:
        """Wait until the child is ready. Raises UsageError or BackendUnavailable when it says or shows that it cannot
        be.
        """
        try:
            answer = self.answer(timeout_s, starting=True)
        except Lost as lost:
            raise BackendUnavailable(f"backend {backend!r} did not start: {lost.result}") from lost
        match answer:
            case frames.Hello():
                return answer.capabilities
            case frames.Refused():
                raise (UsageError if answer.usage else BackendUnavailable)(_about(backend, answer.text))
            case _:
                raise BackendUnavailable(f"backend {backend!r} did not start: its worker said {type(answer).__name__}")

    def answer(self, timeout_s: float, *, starting: bool = False) -> frames.Answer:
        payload = self.read_frame(timeout_s, starting=starting)
        try:
            return frames.read_answer(payload)
        except msgspec.DecodeError as error:
            raise Lost(Failed(f"the worker's answer cannot be read: {error}")) from error

    def read_frame(self, timeout_s: float, *, starting: bool = False) -> bytes:
        """The next frame. Raises Lost when the child ends, or its case takes longer than ``timeout_s``."""
        began = time.monotonic()
        done = self.done()
        size = frames.LENGTH.size
        while True:
            if len(self._received) >= size:
                length = frames.LENGTH.unpack_from(self._received)[0]
                if length > frames.MAX_FRAME_BYTES:
                    raise Lost(Failed("the worker's stream holds what is no frame"))
                if len(self._received) >= size + length:
                    payload = bytes(self._received[size : size + length])
                    del self._received[: size + length]
                    return payload
            received = self._receive()
            if received == b"":
                raise Lost(self._crashed())
            if received is not None:
                continue
            if done != (done := self.done()):
                began = time.monotonic()
            activity, limit_s = int(self._words[frames.ACTIVITY]), timeout_s
            if activity == frames.IN_CASE:
                silent_s = (time.monotonic_ns() - int(self._words[frames.SINCE])) / 1e9
            elif starting or activity == frames.IN_BATCH:
                silent_s = time.monotonic() - began
            else:
                # Between cases it reads, writes or waits for the processor: no backend's fault, so it is given long.
                silent_s, limit_s = time.monotonic() - began, START_TIMEOUT_S
            if silent_s > limit_s:
                raise Lost(Hung(limit_s))

    def done(self) -> int:
        """How many cases of what was sent last the child has finished."""
        return int(self._words[frames.DONE])

    def _receive(self) -> bytes | None:
        """Bytes from the child; empty at its end; None when there are none for POLL_S."""
        assert self._child.stdout is not None
        descriptor = self._child.stdout.fileno()
        if not select.select([descriptor], [], [], POLL_S)[0]:
            # A grandchild may hold the pipe open after the worker's death.
            return b"" if self._child.poll() is not None and not select.select([descriptor], [], [], 0)[0] else None
        data = os.read(descriptor, 1 << 20)
        self._received += data
        return data

    def _crashed(self) -> Crashed:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(STOP_TIMEOUT_S)
        self._listener.join(STOP_TIMEOUT_S)
        lines = [line for line in self._last_lines if line]
        return Crashed(_ending(self._child.returncode), lines[-1][:LAST_LINE_CHARACTERS] if lines else "")

    def close(self) -> None:
        """Let the child end by itself, or kill it when it does not."""
        self._end()

    def kill(self) -> None:
        self._child.kill()
        self._end()


def _end(child: subprocess.Popen[bytes]) -> None:
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        child.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _listen(child: subprocess.Popen[bytes], lines: deque[str]) -> None:
    """Keep the last lines that the child prints; without a reader it would block on a full pipe."""
    assert child.stderr is not None
    with child.stderr:
        rest = b""
        while data := os.read(child.stderr.fileno(), 1 << 16):
            *complete, rest = (rest + data).split(b"\n")
            # A backend may print megabytes without a line's end.
            rest = rest[-(1 << 16) :]
            lines.extend(line.decode(errors="replace").strip() for line in complete)
        lines.append(rest.decode(errors="replace").strip())


def _ending(status: int | None) -> str:
    if status is None:
        return "closed its stream without ending"
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _about(backend: str, text: str) -> str:
    return text if backend in text else f"backend {backend!r}: {text}"
