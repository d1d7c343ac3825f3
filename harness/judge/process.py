"""One worker process as its parent sees it: streams, progress words, limits, and how it ended.

It kills only the process that was started for it, by its id. Which cases a process runs, and what its end means for
them, is pool.py's affair.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
import weakref
from dataclasses import dataclass
from pathlib import Path

import msgspec

from assay64.harness.judge import frames
from assay64.harness.judge.arena import ProgressMemory, Slot, progress_file
from assay64.harness.judge.control import Control, ServerLost
from assay64.harness.judge.fork_server import ForkServer, Listener
from assay64.harness.judge.frames import Crashed, Failed, Hung
from assay64.harness.judge.zygote import STOP_TIMEOUT_S

CASE_TIMEOUT_S = 10.0
MIB = 1 << 20
MEMORY_BYTES = 4096 * MIB
OUTPUT_BYTES = 64 * MIB
# The first use of a backend may compile its adapter.
START_TIMEOUT_S = 600.0
POLL_S = 0.05
# A batch takes a worker a millisecond or so, and waking us would cost it a thirtieth of that: we look for ourselves,
# and sleep in earnest only where it takes long.
NAP_S, NAPS = 50e-6, 20
LAST_LINE_CHARACTERS = 200


@dataclass(frozen=True)
class Limits:
    """What a case may take: wall-clock time, memory of its process, bytes printed. 0 bytes of memory: any."""

    timeout_s: float
    memory_bytes: int
    output_bytes: int


class Lost(Exception):
    """The worker process is gone: it crashed, was killed at a limit, or sent what is no frame."""

    def __init__(self, result: Crashed | Hung | Failed, done: int | None = 0) -> None:
        super().__init__(str(result))
        self.result = result
        # Cases of what was sent last that were finished by then; None where all of it was answered wrongly.
        self.done = done


class ChildProcess:
    """One child process of a fork server, from its start to its end. Raises ServerLost when there is no server."""

    def __init__(self, server: ForkServer, slots: list[Slot], limits: Limits) -> None:
        self._control, self._limits = server.control, limits
        progress = progress_file()
        their_requests, requests = os.pipe()
        answers, their_answers = os.pipe()
        output, their_output = os.pipe()
        theirs = [their_requests, their_answers, their_output]
        try:
            self._memory = ProgressMemory(progress)
            self._words = self._memory.words()
            self.process_id = server.start([*theirs, progress, *(slot.descriptor for slot in slots)])
        except BaseException:
            for descriptor in (requests, answers, output):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (*theirs, progress):
                os.close(descriptor)
        self._requests, self._answers = requests, answers
        self._listener = Listener(output)
        self._printed_before = 0
        self._received = bytearray()
        self._end = weakref.finalize(self, _end, server.control, self.process_id, requests, answers)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._requests, view) :]

    def answer(self) -> frames.Answer:
        payload = self.read_frame()
        try:
            return frames.read_answer(payload)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise self._lost(Failed(f"the worker's answer cannot be read: {error}")) from error

    def read_frame(self) -> bytes:
        """The next frame. Raises Lost when the child ends, or its case exceeds a limit."""
        began = checked = time.monotonic()
        done = self.done()
        self._printed_before = self._listener.bytes_read
        size = frames.LENGTH.size
        while True:
            if len(self._received) >= size:
                length = frames.LENGTH.unpack_from(self._received)[0]
                if length > frames.MAX_FRAME_BYTES:
                    raise self._lost(Failed("the worker's stream holds what is no frame"))
                if len(self._received) >= size + length:
                    payload = bytes(self._received[size : size + length])
                    del self._received[: size + length]
                    return payload
            received = self._receive()
            if received == b"":
                raise self._lost(self._crashed())
            if received is None or time.monotonic() - checked > POLL_S:
                checked = time.monotonic()
                if done != (done := self.done()):
                    began, self._printed_before = checked, self._listener.bytes_read
                self._check_limits(began)

    def done(self) -> int:
        """How many cases of what was sent last the child has finished."""
        return int(self._words[frames.DONE])

    def _lost(self, result: Crashed | Hung | Failed) -> Lost:
        return Lost(result, self.done())

    def _check_limits(self, began: float) -> None:
        limits = self._limits
        activity, limit_s = int(self._words[frames.ACTIVITY]), limits.timeout_s
        if activity == frames.IN_CASE:
            silent_s = (time.monotonic_ns() - int(self._words[frames.SINCE])) / 1e9
        elif activity == frames.IN_BATCH:
            silent_s = time.monotonic() - began
        else:
            # Between cases it reads, writes or waits for the processor: no backend's fault, so it is given long.
            silent_s, limit_s = time.monotonic() - began, START_TIMEOUT_S
        if silent_s > limit_s:
            raise self._lost(Hung(limit_s))
        if self._listener.bytes_read - self._printed_before > limits.output_bytes:
            printed = f"printed more than {limits.output_bytes // MIB} MiB"
            raise self._lost(Crashed("output limit", printed))
        if limits.memory_bytes and resident_bytes(self.process_id) > limits.memory_bytes:
            raise self._lost(Crashed("memory limit", f"held more than {limits.memory_bytes // MIB} MiB"))

    def _receive(self) -> bytes | None:
        """Bytes from the child; empty at its end; None when there are none for POLL_S."""
        if not self._comes():
            # A grandchild may hold the pipe open after the worker's death.
            ended = self._control.wait(self.process_id, 0) is not None
            return b"" if ended and not select.select([self._answers], [], [], 0)[0] else None
        data = os.read(self._answers, 1 << 20)
        self._received += data
        return data

    def _comes(self) -> bool:
        """Whether there is something to be read, within POLL_S."""
        waiting = [self._answers], (), ()
        for _ in range(NAPS):
            if select.select(*waiting, 0)[0]:
                return True
            if self._words[frames.ACTIVITY] != frames.IN_BATCH:
                break
            time.sleep(NAP_S)
        return bool(select.select(*waiting, POLL_S)[0])

    def _crashed(self) -> Crashed:
        status = self._control.wait(self.process_id, STOP_TIMEOUT_S)
        return Crashed(frames.ending(status), self._listener.last_line()[:LAST_LINE_CHARACTERS])

    def close(self) -> None:
        """Let the child end by itself, or kill it when it does not."""
        self._end()

    def kill(self) -> None:
        with contextlib.suppress(ServerLost):
            if self._control.status(self.process_id) is None:
                os.kill(self.process_id, signal.SIGKILL)
        self._end()


def resident_bytes(process_id: int) -> int:
    """Memory that the process holds and shares with nobody; 0 where the system does not tell (macOS)."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{process_id}/statm").read_text("ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def _end(control: Control, process_id: int, requests: int, answers: int) -> None:
    for descriptor in (requests, answers):
        with contextlib.suppress(OSError):
            os.close(descriptor)
    if control.wait(process_id, STOP_TIMEOUT_S) is None:
        with contextlib.suppress(ServerLost, ProcessLookupError):
            if control.status(process_id) is None:
                os.kill(process_id, signal.SIGKILL)
                control.wait(process_id, STOP_TIMEOUT_S)
