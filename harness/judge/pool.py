"""The parent's side of worker processes: starts one per backend, feeds it, and turns its death or silence into a
result.

It kills only processes that it started, by their id. It compares nothing: a Result is what a case came to on the
backend.
"""

from __future__ import annotations

import contextlib
import itertools
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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Case
from assay64.harness.cases.layout import Batch
from assay64.harness.errors import BackendUnavailable, UsageError
from assay64.harness.judge import frames
from assay64.harness.judge.frames import Crashed, Failed, Hung, Lacks, Ran, Result
from assay64.harness.judge.worker import PROGRESS_BYTES

CASE_TIMEOUT_S = 10.0
# The first use of a backend may compile its adapter.
START_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 2.0
POLL_S = 0.05
CHUNK = 64
STDERR_LINES = 50
LAST_LINE_CHARACTERS = 200


class _Lost(Exception):
    """The worker process is gone: it crashed, was killed for hanging, or sent what is no frame."""

    def __init__(self, result: Crashed | Hung | Failed) -> None:
        super().__init__(str(result))
        self.result = result
        self.done = 0  # cases of a batch that were finished by then


@dataclass
class BatchResult:
    """A batch as it ended. ``lost`` has the cases that the backend did not survive; their rows are zero."""

    batch: Batch
    lost: dict[int, Crashed | Hung | Failed] = field(default_factory=dict[int, Crashed | Hung | Failed])


class Worker:
    """One child process with one backend in it, restarted as often as the backend needs.

    ``timeout_s`` is the wall-clock time that a case may take. Not thread-safe. Raises UsageError for a name that is
    no backend and BackendUnavailable for one that cannot run here, both on first use. Use as a context manager, or
    call ``close``.
    """

    def __init__(
        self, backend: str, *, timeout_s: float = CASE_TIMEOUT_S, start_timeout_s: float = START_TIMEOUT_S
    ) -> None:
        self.backend = backend
        self.timeout_s = timeout_s
        self.start_timeout_s = start_timeout_s
        self._process: _Process | None = None
        self._capabilities: Capabilities | None = None
        self._unanswered = False

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child process; a worker that is used again starts another."""
        if self._process is not None:
            self._process.close()
            self._process, self._unanswered = None, False

    @property
    def capabilities(self) -> Capabilities:
        if self._capabilities is None:
            self._started()
        assert self._capabilities is not None
        return self._capabilities

    @property
    def process_id(self) -> int:
        """The child process's id; it changes after a crash or a hang."""
        return self._started().process_id

    def execute(self, case: Case) -> Result:
        return next(self.run([case]))

    def run(self, cases: Iterable[Case]) -> Iterator[Result]:
        """The results of ``cases`` in their order, as they come. A crash or a hang costs its case and nothing else."""
        remaining = iter(cases)
        while chunk := tuple(itertools.islice(remaining, CHUNK)):
            self.send(chunk)
            yield from self.collect(chunk)

    def send(self, chunk: Sequence[Case]) -> None:
        """Hand ``chunk`` to the worker, which begins at once; ``collect`` has to follow."""
        if self._unanswered:
            # Answers that nobody waited for would be taken for those of these cases.
            self._discard()
        process, self._unanswered = self._started(), True
        # A worker that has just died is found out when its answers are collected.
        with contextlib.suppress(BrokenPipeError):
            process.write(frames.message(frames.Execute(tuple(chunk))))

    def collect(self, chunk: Sequence[Case]) -> Iterator[Result]:
        """The results of the chunk that was sent last, in order."""
        remaining = tuple(chunk)
        while remaining:
            try:
                result: Result = self._next_result()
                died = False
            except _Lost as lost:
                result, died = self._confirmed(remaining[0], lost.result), True
            remaining = remaining[1:]
            if died and remaining:
                self.send(remaining)
            self._unanswered = bool(remaining)
            yield result

    def run_batch(self, batch: Batch) -> BatchResult:
        """Execute a batch. Raises Unsupported when the backend runs none.

        A case that the backend does not survive is in ``lost`` with its row left zero; those before it are run again,
        because their results died with the process.
        """
        result = BatchResult(batch)
        pieces: list[tuple[int, Batch]] = []
        spans = [(0, len(batch))]
        while spans:
            start, end = spans.pop()
            if start == end:
                continue
            try:
                pieces.append((start, self._run_batch_once(_slice(batch, start, end))))
            except _Lost as lost:
                culprit = min(start + lost.done, end - 1)
                result.lost[culprit] = self._confirmed_in_batch(batch, culprit, lost.result)
                spans += [(culprit + 1, end), (start, culprit)]
        pieces.sort(key=lambda piece: piece[0])
        for start, piece in pieces:
            batch.final[start : start + len(piece)], batch.exits[start : start + len(piece)] = piece.final, piece.exits
            piece.changes["case"] += start
        batch.changes = np.concatenate([batch.changes[:0], *(piece.changes for _, piece in pieces)])
        batch.n_changes, batch.done = len(batch.changes), len(batch)
        return result

    def _confirmed_in_batch(self, batch: Batch, index: int, first: Crashed | Hung | Failed) -> Crashed | Hung | Failed:
        try:
            self._run_batch_once(_slice(batch, index, index + 1))
        except _Lost as again:
            return again.result
        return _not_alone(first)

    def _run_batch_once(self, batch: Batch) -> Batch:
        if self._unanswered:
            self._discard()
        process = self._started()
        with contextlib.suppress(BrokenPipeError):
            process.write(frames.batch_request(batch))
        try:
            answer = process.answer(self.timeout_s)
            if isinstance(answer, frames.BatchRefused) and not answer.failed:
                raise Unsupported(answer.reason)
            if isinstance(answer, frames.BatchRefused):
                raise _Lost(Failed(answer.reason))
            if not isinstance(answer, frames.BatchDone):
                raise _Lost(Failed(f"the worker answered a batch with {type(answer).__name__}"))
            final, exits, changes = (process.read_frame(self.timeout_s) for _ in range(3))
            frames.take_batch(batch, answer, (final, exits, changes))
        except _Lost as lost:
            lost.done = process.done()
            self._discard()
            raise
        return batch

    def _next_result(self) -> Ran | Lacks | Failed:
        process = self._process
        if process is None:
            raise _Lost(Failed("the worker was closed while it had cases to run"))
        try:
            answer = process.answer(self.timeout_s)
            if not isinstance(answer, frames.Done):
                raise _Lost(Failed(f"the worker answered a case with {type(answer).__name__}"))
        except _Lost:
            self._discard()
            raise
        return answer.result

    def _confirmed(self, case: Case, first: Crashed | Hung | Failed) -> Result:
        """What ``case`` does in a process of its own, and that it cost one with others before it."""
        self.send((case,))
        try:
            self._next_result()
        except _Lost as again:
            return again.result
        # What it does next must not depend on this case either.
        self._discard()
        return _not_alone(first)

    def _discard(self) -> None:
        self._unanswered = False
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _started(self) -> _Process:
        if self._process is None:
            process = _Process(self.backend)
            try:
                self._capabilities = process.hello(self.backend, self.start_timeout_s)
            except BaseException:
                process.kill()
                raise
            self._process = process
        return self._process


def _not_alone(result: Crashed | Hung | Failed) -> Crashed | Hung | Failed:
    return result if isinstance(result, Failed) else msgspec.structs.replace(result, alone=False)


class _Process:
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
        except _Lost as lost:
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
            raise _Lost(Failed(f"the worker's answer cannot be read: {error}")) from error

    def read_frame(self, timeout_s: float, *, starting: bool = False) -> bytes:
        """The next frame. Raises _Lost when the child ends, or its case takes longer than ``timeout_s``."""
        began = time.monotonic()
        done = self.done()
        size = frames.LENGTH.size
        while True:
            if len(self._received) >= size:
                length = frames.LENGTH.unpack_from(self._received)[0]
                if length > frames.MAX_FRAME_BYTES:
                    raise _Lost(Failed("the worker's stream holds what is no frame"))
                if len(self._received) >= size + length:
                    payload = bytes(self._received[size : size + length])
                    del self._received[: size + length]
                    return payload
            received = self._receive()
            if received == b"":
                raise _Lost(self._crashed())
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
                raise _Lost(Hung(limit_s))

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


def _slice(batch: Batch, start: int, end: int) -> Batch:
    return Batch(
        code=batch.code[start:end],
        code_words=batch.code_words[start:end],
        code_address=batch.code_address,
        initial=batch.initial[start:end],
        budget=batch.budget,
        fill=batch.fill,
        changes=np.zeros(len(batch.changes), batch.changes.dtype),
    )
