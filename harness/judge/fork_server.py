"""The harness's side of a fork server: one process that has a backend loaded and starts the children that run it.

Loading Python and a JIT's library takes half a second, a fork some milliseconds: a crash should cost no more than that.
It knows neither cases nor what its children are for (worker.py is the program that it talks to).
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence

import msgspec

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.errors import BackendUnavailable, UsageError
from assay64.harness.judge import frames
from assay64.harness.judge.worker import ANSWER_BYTES, POLL, RUNS, START

STOP_TIMEOUT_S = 2.0
OUTPUT_LINES = 50
LONGEST_LINE_BYTES = 1 << 16


class ServerLost(Exception):
    """The server is gone, and its children with it."""


class Listener:
    """Reads what a process prints to its end, so that it never waits for us, and keeps the last lines."""

    def __init__(self, descriptor: int) -> None:
        self.bytes_read = 0
        self._lines: deque[str] = deque(maxlen=OUTPUT_LINES)
        self._thread = threading.Thread(target=self._listen, args=(descriptor,), daemon=True)
        self._thread.start()

    def last_line(self) -> str:
        """The last line that is not empty, once the process has ended."""
        self._thread.join(STOP_TIMEOUT_S)
        return next((line for line in reversed(self._lines) if line), "")

    def _listen(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            rest = b""
            while data := os.read(stream.fileno(), 1 << 16):
                self.bytes_read += len(data)
                *complete, rest = (rest + data).split(b"\n")
                # A backend may print megabytes without a line's end.
                rest = rest[-LONGEST_LINE_BYTES:]
                self._lines.extend(line.decode(errors="replace").strip() for line in complete[-OUTPUT_LINES:])
            self._lines.append(rest.decode(errors="replace").strip())


class ForkServer:
    """A process with ``backend`` in it. ``memory_bytes`` is what a child may hold; 0 is no limit."""

    def __init__(self, backend: str, memory_bytes: int) -> None:
        self.backend = backend
        self._control, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "assay64.harness.judge.worker", backend]
            self._process = subprocess.Popen(
                [*command, f"--control={theirs.fileno()}", f"--memory={memory_bytes}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                # Threads that nobody needs would stand in the way of a fork.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        assert self._process.stdout is not None
        self._listener = Listener(os.dup(self._process.stdout.fileno()))
        self._process.stdout.close()
        # Runs at exit too, so that no process outlives the harness.
        self._end = weakref.finalize(self, _end, self._process, self._control)

    def hello(self, timeout_s: float) -> Capabilities:
        """Wait until the backend is loaded. Raises UsageError or BackendUnavailable when it says or shows that it
        cannot be used.
        """
        self._control.settimeout(timeout_s)
        try:
            size = frames.LENGTH.unpack(self._receive(frames.LENGTH.size))[0]
            answer = frames.read_answer(self._receive(min(size, frames.MAX_FRAME_BYTES)))
        except TimeoutError:
            raise BackendUnavailable(f"backend {self.backend!r} did not start within {timeout_s:g} s") from None
        except (ServerLost, msgspec.DecodeError, UnicodeError):
            raise BackendUnavailable(f"backend {self.backend!r} did not start: {self._ending()}") from None
        self._control.settimeout(None)
        match answer:
            case frames.Hello():
                return answer.capabilities
            case frames.Refused():
                raise (UsageError if answer.usage else BackendUnavailable)(_about(self.backend, answer.text))
            case _:
                name = type(answer).__name__
                raise BackendUnavailable(f"backend {self.backend!r} did not start: its server said {name}")

    def start(self, descriptors: Sequence[int]) -> int:
        """Start a child that has these descriptors; its process id. Raises ServerLost."""
        return self._ask(START, descriptors)

    def status(self, child: int) -> int | None:
        """The exit status of a child, negative for a signal; None while it runs. May be asked until it has ended.

        Raises ServerLost.
        """
        status = self._ask(POLL + child.to_bytes(ANSWER_BYTES, "little"))
        return None if status == RUNS else status

    def close(self) -> None:
        self._end()

    def _ask(self, request: bytes, descriptors: Sequence[int] = ()) -> int:
        try:
            if descriptors:
                socket.send_fds(self._control, [request], descriptors)
            else:
                self._control.sendall(request)
            return int.from_bytes(self._receive(ANSWER_BYTES), "little", signed=True)
        except OSError as error:
            raise ServerLost from error

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                part = self._control.recv(size - len(data))
            except ConnectionError as error:
                raise ServerLost from error
            if not part:
                raise ServerLost
            data += part
        return data

    def _ending(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        said = self._listener.last_line()
        return frames.ending(self._process.returncode) + (f": {said}" if said else "")


def _end(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    control.close()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait(server: ForkServer, child: int, timeout_s: float) -> int | None:
    """The exit status of ``child``; None when it has not ended in time, or nobody can tell any more."""
    until, pause_s = time.monotonic() + timeout_s, 0.0005
    with contextlib.suppress(ServerLost):
        while (status := server.status(child)) is None and time.monotonic() < until:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.05)
        return status
    return None


def _about(backend: str, text: str) -> str:
    return text if backend in text else f"backend {backend!r}: {text}"
