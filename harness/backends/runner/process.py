"""The runner program as a process: it makes system calls for the harness, and runs cases until they end or are stopped.

Nothing here knows a guest's memory or what a signal means.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import time
import weakref
from collections.abc import Callable, Sequence

from assay64.harness.backends.contract import BackendDied
from assay64.harness.backends.runner import arena
from assay64.harness.backends.runner.program import HANDLER, program
from assay64.harness.cases.memory import HostMemory

# System calls of arm64 Linux (include/uapi/asm-generic/unistd.h)
SIGALTSTACK, RT_SIGACTION, RT_SIGPROCMASK, PRCTL, RECVMSG = 132, 134, 135, 167, 212
MUNMAP, MMAP, MPROTECT = 215, 222, 226

CASE_SIGNALS = (signal.SIGILL, signal.SIGTRAP, signal.SIGBUS, signal.SIGFPE, signal.SIGUSR1, signal.SIGSEGV)
_SA_SIGINFO, _SA_EXPOSE_TAGBITS, _SA_ONSTACK = 0x4, 0x800, 0x800_0000
_PR_SET_PDEATHSIG, _SIG_SETMASK, _SOL_SOCKET, _SCM_RIGHTS = 1, 2, 1, 1
_AT_NULL = 0
POLL_S = 0.005
# What a case may use of the processor's time: a start, and a microsecond for each instruction of its budget, which no
# emulator needs.
START_S, INSTRUCTION_S = 0.02, 1e-6
END_TIMEOUT_S = 5.0


class Runner:
    """A running runner program. ``launcher`` is the command in front of it: an emulator and its options, or nothing."""

    def __init__(self, launcher: Sequence[str]) -> None:
        self.arena = arena.Arena()
        self.control = self.arena.control
        ours, theirs = socket.socketpair()
        elf = os.memfd_create("assay64-runner")
        try:
            os.write(elf, program())
            self._process = subprocess.Popen(
                [*launcher, f"/proc/self/fd/{elf}", str(self.arena.descriptor), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(elf, self.arena.descriptor, theirs.fileno()),
                # QEMU_CPU and the like would change what the options say.
                env={name: value for name, value in os.environ.items() if not name.startswith("QEMU_")},
            )
        finally:
            os.close(elf)
            theirs.close()
        self._socket = ours
        ours.settimeout(POLL_S)
        self._end = weakref.finalize(self, _end, self._process, ours)
        self._cpu_clock = (
            ~self._process.pid << 3 | 2
        )  # CPUCLOCK_SCHED of a process (include/linux/posix-timers_types.h)
        self._wait(lambda: None)
        self._prepare()

    def _prepare(self) -> None:
        scratch, words = arena.address(arena.SCRATCH), self.control[arena.SCRATCH[0] // 8 :]
        words[:3] = (arena.address(arena.STACK), 0, arena.STACK[1])
        self.call(SIGALTSTACK, scratch, 0)
        words[:4] = (HANDLER, _SA_SIGINFO | _SA_EXPOSE_TAGBITS | _SA_ONSTACK, 0, arena.NOBODY)
        for number in CASE_SIGNALS:
            self.call(RT_SIGACTION, number, scratch, 0, 8)
        # Signals reach the guest alone; the harness's are kept while the runner itself is at work.
        self.call(RT_SIGPROCMASK, _SIG_SETMASK, scratch + 24, 0, 8)
        self.call(PRCTL, _PR_SET_PDEATHSIG, signal.SIGKILL)

    @property
    def process_id(self) -> int:
        return self._process.pid

    def auxiliary(self) -> dict[int, int]:
        """The auxiliary vector that the kernel, or the emulator in its place, gave the program."""
        start, size = (number // 8 for number in arena.AUXILIARY)
        pairs = self.control[start : start + size].reshape(-1, 2).tolist()
        return {kind: value for kind, value in pairs if kind != _AT_NULL}

    def call(self, number: int, *arguments: int) -> int:
        """Make a system call in the runner. OSError when it fails."""
        result = self._called(number, arguments, None)
        if result >= (1 << 64) - 4095:
            error = (1 << 64) - result
            raise OSError(error, os.strerror(error))
        return result

    def _called(self, number: int, arguments: Sequence[int], descriptor: int | None) -> int:
        control = self.control
        control[arena.COMMAND] = arena.SYSTEM_CALL
        control[arena.CALL : arena.CALL + 7] = [
            value & arena.NOBODY for value in (number, *arguments, *[0] * (6 - len(arguments)))
        ]
        self._send()
        if descriptor is not None:
            socket.send_fds(self._socket, [b"f"], [descriptor])
        self._wait(lambda: None)
        return int(control[arena.RESULT])

    def open(self, memory: HostMemory) -> int:
        """The runner's own descriptor of the file behind ``memory``."""
        base, words = arena.SCRATCH[0], self.control[arena.SCRATCH[0] // 8 :]
        scratch = arena.address(arena.SCRATCH)
        # struct msghdr, a byte of data in a struct iovec, and room for one descriptor
        words[:7] = (0, 0, scratch + 0x80, 1, scratch + 0x100, 24, 0)
        words[0x80 // 8 :][:2] = (scratch + 0x200, 1)
        received = self._called(RECVMSG, (int(self.control[arena.SOCKET]), scratch, 0), memory.descriptor)
        length, level, kind, descriptor = struct.unpack("<QiiI", self.arena.bytes[base + 0x100 :][:20].tobytes())
        if received != 1 or (length, level, kind) != (20, _SOL_SOCKET, _SCM_RIGHTS):
            raise OSError(f"the runner did not receive a file's descriptor: recvmsg returned {received:#x}")
        return descriptor

    def run_cases(self, budget: int, watch: Callable[[], object]) -> None:
        """Run the cases that the control block describes. One that uses more of the processor's time than ``budget``
        instructions need is stopped by SIGUSR1. ``watch`` is called every few milliseconds.
        """
        control, allowance_s = self.control, START_S + budget * INSTRUCTION_S
        control[arena.COMMAND], control[arena.STOP] = arena.RUN_CASES, arena.NOBODY
        seen, since = -1, 0.0

        def look() -> None:
            nonlocal seen, since
            watch()
            case, used = int(control[arena.NEXT]), self._used_s()
            if case != seen:
                seen, since = case, used
            elif used - since > allowance_s:
                self.stop(case)

        self._send()
        self._wait(look)

    def stop(self, case: int) -> None:
        """From any thread: end ``case`` if it runs."""
        self.control[arena.STOP] = case
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGUSR1)

    def _used_s(self) -> float:
        try:
            return time.clock_gettime(self._cpu_clock)
        except OSError:  # it has just died
            return 0.0

    def _send(self) -> None:
        # A runner that is dead is found out when its answer is awaited.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.send(b"c")

    def _wait(self, look: Callable[[], object]) -> None:
        while True:
            try:
                answer = self._socket.recv(1)
            except TimeoutError:
                look()
                continue
            except ConnectionResetError:
                answer = b""
            if answer:
                return
            status = self._process.wait(END_TIMEOUT_S)
            raise BackendDied(status)

    def close(self) -> None:
        self._end()


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    process.kill()
    process.wait()
