"""The harness's side of a process that has imported what every fork server needs, and forks one for each backend.

Starting Python and importing takes a fork server longer than loading most backends. A command that uses backends starts
this before it does anything else: the fork servers share the imports, and the command has its own meanwhile. It must be
cheap to import.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import weakref
from contextlib import AbstractContextManager, nullcontext

from assay64.harness.judge.control import Control, ServerLost

STOP_TIMEOUT_S = 2.0
MODULE = "assay64.harness.judge.worker"


def environment() -> dict[str, str]:
    """That of processes which fork: threads that nobody needs would stand in the way."""
    return os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Zygote:
    """Starts at once. Its fork servers have the environment and folder of this moment. Use as a context manager, after
    which no fork server may be started; those that run are not ended.
    """

    def __init__(self) -> None:
        end, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE, f"--control={theirs.fileno()}"],
                stdin=subprocess.DEVNULL,
                # Where it fails, the fork server that is started without it says why.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment(),
            )
        self._control = Control(end)
        self.close = weakref.finalize(self, _kill, process, end)

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, backend: str, memory_bytes: int, control: int, output: int) -> ForkedServer:
        """A fork server with these descriptors. Raises ServerLost."""
        process_id = self._control.start([control, output], f"{memory_bytes} {backend}".encode())
        return ForkedServer(self._control, process_id)


def zygote() -> AbstractContextManager[Zygote | None]:
    """A zygote where forking is safe, which is on Linux."""
    return Zygote() if sys.platform == "linux" else nullcontext()


class ForkedServer:
    """A fork server's process, with what is needed here of ``subprocess.Popen``."""

    def __init__(self, control: Control, process_id: int) -> None:
        self._control, self.pid = control, process_id
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, or -SIGKILL where nobody can tell. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            try:
                self._control.status(self.pid)
            except ServerLost:
                self.returncode = -signal.SIGKILL
            else:
                self.returncode = self._control.wait(self.pid, STOP_TIMEOUT_S if timeout is None else timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(MODULE, timeout or STOP_TIMEOUT_S)
        return self.returncode

    def kill(self) -> None:
        with contextlib.suppress(ServerLost, ProcessLookupError):
            if self._control.status(self.pid) is None:
                os.kill(self.pid, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    # It may still be importing, and has nothing to bring to an end.
    control.close()
    process.kill()
    process.wait()


def end_process(process: subprocess.Popen[bytes] | ForkedServer, control: socket.socket) -> None:
    """Close our end, which ends the process; kill it where it does not end."""
    control.close()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
