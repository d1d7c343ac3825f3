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
import weakref
from collections import deque
from collections.abc import Sequence

import msgspec

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.errors import BackendUnavailable, UsageError
from assay64.harness.judge import frames
from assay64.harness.judge.control import Control, ServerLost
from assay64.harness.judge.zygote import MODULE, STOP_TIMEOUT_S, ForkedServer, Zygote, end_process, environment

OUTPUT_LINES = 50
LONGEST_LINE_BYTES = 1 << 16


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
    """A process with ``backend`` in it. ``memory_bytes`` is what a child may hold; 0 is no limit. With a ``zygote`` it
    is forked from that.
    """

    def __init__(self, backend: str, memory_bytes: int, zygote: Zygote | None = None) -> None:
        self.backend = backend
        self._idle = False  # loaded, and no child was asked for yet
        self._socket, theirs = socket.socketpair()
        self.control = Control(self._socket)
        output, their_output = os.pipe()
        try:
            self._process = _start(backend, memory_bytes, theirs.fileno(), their_output, zygote)
        except BaseException:
            self._socket.close()
            os.close(output)
            raise
        finally:
            theirs.close()
            os.close(their_output)
        self._listener = Listener(output)
        # Runs at exit too, so that no process outlives the harness.
        self._end = weakref.finalize(self, end_process, self._process, self._socket)

    def hello(self, timeout_s: float) -> Capabilities:
        """Wait until the backend is loaded. Raises UsageError or BackendUnavailable when it says or shows that it
        cannot be used.
        """
        self._socket.settimeout(timeout_s)
        try:
            size = frames.LENGTH.unpack(self.control.receive(frames.LENGTH.size))[0]
            answer = frames.read_answer(self.control.receive(min(size, frames.MAX_FRAME_BYTES)))
        except TimeoutError:
            raise BackendUnavailable(f"backend {self.backend!r} did not start within {timeout_s:g} s") from None
        except (ServerLost, msgspec.DecodeError, UnicodeError):
            raise BackendUnavailable(f"backend {self.backend!r} did not start: {self._ending()}") from None
        self._socket.settimeout(None)
        match answer:
            case frames.Hello():
                self._idle = True
                return answer.capabilities
            case frames.Refused():
                raise (UsageError if answer.usage else BackendUnavailable)(_about(self.backend, answer.text))
            case _:
                name = type(answer).__name__
                raise BackendUnavailable(f"backend {self.backend!r} did not start: its server said {name}")

    def start(self, descriptors: Sequence[int]) -> int:
        """Start a child that has these descriptors; its process id. Raises ServerLost."""
        self._idle = False
        return self.control.start(descriptors)

    def close(self) -> None:
        if self._idle and self._end.alive:
            # It may be making a machine that nobody will use.
            self._process.kill()
        self._end()

    def _ending(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        said = self._listener.last_line()
        return frames.ending(self._process.returncode) + (f": {said}" if said else "")


def _start(
    backend: str, memory_bytes: int, control: int, output: int, zygote: Zygote | None
) -> subprocess.Popen[bytes] | ForkedServer:
    if zygote is not None:
        with contextlib.suppress(ServerLost):
            return zygote.start(backend, memory_bytes, control, output)
    return subprocess.Popen(
        [sys.executable, "-m", MODULE, backend, f"--control={control}", f"--memory={memory_bytes}"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=(control,),
        env=environment(),
    )


def _about(backend: str, text: str) -> str:
    return text if backend in text else f"backend {backend!r}: {text}"
