"""A child process that runs programs on one engine, and its parent's side: native code may crash without harm.

The child keeps a machine for each program, so that what is timed is the engine at work and not its start:
``python -m assay64.harness.bench.engine_worker ENGINE`` reads requests and writes answers, one JSON object a line.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import BinaryIO

import msgspec

from assay64.harness.bench import guests
from assay64.harness.bench.programs import PAGE_BYTES, REMAPPED_ADDRESS, load
from assay64.harness.bench.programs.expected import combine
from assay64.harness.cases.memory import HostMemory

# The first use of an engine may compile it.
START_TIMEOUT_S, RUN_TIMEOUT_S = 900.0, 300.0
STOP_TIMEOUT_S = 2.0

# Code of a remapped page: (x0 + this) and ret. Two buffers take turns, with different additions and data.
REMAPPED_CODE = (0x9100_0400, 0x9100_0800)  # add x0, x0, #1; add x0, x0, #2
REMAPPED_DATA = (0x1234_5678_9ABC_DEF0, 0x0FED_CBA9_8765_4321)
RETURN = 0xD65F_03C0


class Request(msgspec.Struct, frozen=True):
    """Run a program; ``remaps`` times, with every page of it mapped anew before each run, when that is not 0."""

    program: str
    repeats: int
    size: int
    remaps: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What a run came to, in seconds of processor time; ``error``: why there is no checksum.

    ``counters`` are the engine's own since its machine was made, ``change`` what this run added to them.
    """

    seconds: float = 0.0
    checksum: int = 0
    counters: dict[str, int] = {}
    change: dict[str, int] = {}
    error: str = ""


class EngineLost(Exception):
    """The child died, hung, or could not be started; the text says how."""


class EngineProcess:
    """The child of one engine, from the parent."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self._child = subprocess.Popen(
            [sys.executable, "-m", "assay64.harness.bench.engine_worker", engine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._answer(START_TIMEOUT_S)

    @property
    def process_id(self) -> int:
        return self._child.pid

    def run(self, request: Request) -> Answer:
        """Raises EngineLost when the child dies or takes longer than RUN_TIMEOUT_S, ProgramFailed for an error."""
        stdin = self._child.stdin
        assert stdin is not None
        try:
            stdin.write(msgspec.json.encode(request) + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise EngineLost(self._ending()) from None
        answer = self._answer(RUN_TIMEOUT_S)
        if answer.error:
            raise guests.ProgramFailed(f"{self.engine}, {request.program}: {answer.error}")
        return answer

    def _answer(self, timeout_s: float) -> Answer:
        assert self._child.stdout is not None
        timer = threading.Timer(timeout_s, self._child.kill)
        timer.start()
        try:
            line = self._child.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise EngineLost(self._ending())
        return msgspec.json.decode(line, type=Answer)

    def _ending(self) -> str:
        status = self._child.wait()
        how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        return f"the process of engine {self.engine} ended ({how})"

    def close(self) -> None:
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class Machines:
    """The child's machines of one engine by program."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._guests: dict[str, guests.Guest] = {}
        self._pages: tuple[HostMemory, HostMemory] | None = None

    def answer(self, request: Request) -> Answer:
        program = load(request.program)
        guest = self._guests.get(request.program)
        if guest is None:
            guest = self._guests[request.program] = guests.create(self._engine)
            guests.put(guest, program)
        before = guest.statistics()
        begin = time.process_time()
        checksum = guest.run(program, request.repeats, request.size) if not request.remaps else 0
        for turn in range(request.remaps):
            self.map_pages(guest, request.size, turn)
            checksum = combine(checksum, guest.run(program, request.repeats, request.size))
        seconds = time.process_time() - begin
        counters = guest.statistics()
        return Answer(seconds, checksum, counters, {name: counters[name] - before[name] for name in counters})

    def map_pages(self, guest: guests.Guest, pages: int, turn: int) -> None:
        """Map every page of ``remapping`` to one of two buffers, so that each page changes every time."""
        if self._pages is None:
            self._pages = HostMemory(PAGE_BYTES), HostMemory(PAGE_BYTES)
            for memory, code, data in zip(self._pages, REMAPPED_CODE, REMAPPED_DATA, strict=True):
                memory.words()[0] = code | RETURN << 32
                memory.words()[PAGE_BYTES // 16] = data
        for page in range(pages):
            address = REMAPPED_ADDRESS + page * PAGE_BYTES
            guest.map(address, self._pages[(turn + page) % 2], 0, PAGE_BYTES, "rx")


def remapped_checksum(repeats: int, size: int, remaps: int) -> int:
    """What a request with ``remaps`` must answer: remapping.c over the pages that map_pages gives."""
    result = 0
    for turn in range(remaps):
        checksum = 0
        for page in [*range(size)] * repeats:
            which = (turn + page) % 2
            checksum = combine(checksum, REMAPPED_DATA[which]) + which + 1
        result = combine(result, checksum)
    return result


def serve(engine: str, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more. The first answer says that the child is ready."""
    guests.create(engine).close()
    machines = Machines(engine)
    answer = Answer()
    while True:
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()
        line = requests.readline()
        if not line:
            return
        request = msgspec.json.decode(line, type=Request)
        try:
            answer = machines.answer(request)
        except guests.ProgramFailed as failure:
            answer = Answer(error=str(failure))
        except Exception as failure:  # noqa: BLE001 - an engine's code can fail in any way, and that is the answer
            answer = Answer(error=f"{type(failure).__name__}: {failure}")


def main() -> None:
    # What a library prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # The parent ends its children, also when the user interrupts it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        serve(sys.argv[1], sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
