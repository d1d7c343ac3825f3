"""Feeds worker processes with cases and turns a death or a silence into the result of the case that it belongs to.

It compares nothing: a Result is what a case came to on the backend. The process itself is process.py's affair.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

import msgspec
import numpy as np

from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Case
from assay64.harness.cases.layout import CHANGE_DTYPE, Batch
from assay64.harness.judge import frames
from assay64.harness.judge.arena import SLOTS, Arrays, Slot
from assay64.harness.judge.control import ServerLost
from assay64.harness.judge.fork_server import ForkServer
from assay64.harness.judge.frames import Crashed, Failed, Hung, Lacks, Ran, Result
from assay64.harness.judge.process import (
    CASE_TIMEOUT_S,
    MEMORY_BYTES,
    OUTPUT_BYTES,
    START_TIMEOUT_S,
    ChildProcess,
    Limits,
    Lost,
)
from assay64.harness.judge.zygote import Zygote

CHUNK = 64


@dataclass
class BatchResult:
    """A batch as it ended. ``lost`` has the cases that the backend did not survive; their rows are zero."""

    batch: Batch
    lost: dict[int, Crashed | Hung | Failed] = field(default_factory=dict[int, Crashed | Hung | Failed])


@dataclass(frozen=True)
class _Sent:
    """A batch on its way, and where its arrays are."""

    batch: Batch
    slot: int
    arrays: Arrays
    request: bytes


class Worker:
    """One child process with one backend in it, restarted as often as the backend needs.

    ``timeout_s`` is the wall-clock time that a case may take, ``memory_bytes`` what its process may hold (0: any),
    ``output_bytes`` what it may print; ``zygote`` is what it shares imports with. Not thread-safe. Raises UsageError
    for a name that is no backend and BackendUnavailable for one that cannot run here, both on first use. Use as a
    context manager, or call ``close``.
    """

    def __init__(
        self,
        backend: str,
        *,
        timeout_s: float = CASE_TIMEOUT_S,
        memory_bytes: int = MEMORY_BYTES,
        output_bytes: int = OUTPUT_BYTES,
        start_timeout_s: float = START_TIMEOUT_S,
        zygote: Zygote | None = None,
    ) -> None:
        self.backend = backend
        self._zygote = zygote
        self.limits = Limits(timeout_s, memory_bytes, output_bytes)
        self.start_timeout_s = start_timeout_s
        self.restarts = 0
        self._server: ForkServer | None = None
        self._slots: list[Slot] = []
        self._process: ChildProcess | None = None
        self._capabilities: Capabilities | None = None
        self._unanswered = False
        self._sent = deque[_Sent]()
        self._ahead = deque[BatchResult | Unsupported]()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self) -> None:
        """Start loading the backend and do not wait for it: several backends load at the same time."""
        if self._server is None:
            self._server = ForkServer(self.backend, self.limits.memory_bytes, self._zygote)

    def close(self) -> None:
        """End the processes; a worker that is used again starts others."""
        if self._process is not None:
            self._process.close()
            self._process, self._unanswered = None, False
        self._close_server()

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

    def restart(self) -> None:
        """Kill the child process as a crash would end it; the next case gets another."""
        self._discard()

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
        while self._sent:
            # Somebody wants a case in between: the answers of the batches on their way are kept for later.
            self._ahead.append(self._collected())
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
            except Lost as lost:
                result, died = self._confirmed(remaining[0], lost.result), True
            remaining = remaining[1:]
            if died and remaining:
                self.send(remaining)
            self._unanswered = bool(remaining)
            yield result

    def run_batch(self, batch: Batch) -> BatchResult:
        """Execute one batch; as ``run_batches``, and the result stays what it is."""
        (result,) = self.run_batches([batch])
        batch = result.batch
        batch.final, batch.exits = batch.final.copy(), batch.exits.copy()
        return result

    def run_batches(self, batches: Iterable[Batch]) -> Iterator[BatchResult]:
        """Execute batches, in order; the next one runs while the caller looks at a result.

        The result is the batch itself; its final states and exits are good until the next result is asked for. A case
        that the backend does not survive is in ``lost`` with its row left zero. Raises Unsupported when the backend
        runs no batches, or not in this environment; then the batches that were not answered have to be run otherwise.
        """
        if self._unanswered:
            self._discard()
        self._sent.clear()
        self._ahead.clear()
        remaining, turns = iter(batches), itertools.cycle(range(SLOTS))
        try:
            while True:
                free = SLOTS - len(self._sent) - len(self._ahead)
                self._sent.extend(self._put(batch, next(turns)) for batch in itertools.islice(remaining, free))
                if not self._sent and not self._ahead:
                    return
                result = self._ahead.popleft() if self._ahead else self._collected()
                if isinstance(result, Unsupported):
                    raise result
                yield result
        finally:
            if self._sent:
                self._discard()
            self._ahead.clear()

    def _put(self, batch: Batch, slot: int) -> _Sent:
        """Hand a batch to the worker."""
        self._started()
        count, width = batch.code.shape
        arrays = self._slots[slot].arrays(count, width)
        arrays.fill(batch)
        request = frames.RunBatch(
            slot=slot,
            count=count,
            width=width,
            code_address=batch.code_address,
            budget=batch.budget,
            fill=batch.fill,
            environment=batch.environment,
        )
        sent = _Sent(batch, slot, arrays, frames.message(request))
        self._ask(sent)
        return sent

    def _ask(self, sent: _Sent) -> None:
        process, self._unanswered = self._started(), True
        with contextlib.suppress(BrokenPipeError):
            process.write(sent.request)

    def _collected(self) -> BatchResult | Unsupported:
        """The result of the batch that was sent first, which leaves the queue."""
        first = self._sent.popleft()
        try:
            self._take(first)
            self._unanswered = bool(self._sent)
            return BatchResult(first.batch)
        except Unsupported as lacking:
            return lacking
        except Lost as lost:
            result = self._recovered(first, lost)
            for waiting in self._sent:
                # The process that was given up may have begun with it, and a state may lie where it was read.
                waiting.arrays.fill(waiting.batch)
                self._ask(waiting)
            return result

    def _take(self, sent: _Sent) -> None:
        """Put the worker's answer into the batch. Raises Unsupported or Lost; then the process is gone."""
        process, batch = self._process, sent.batch
        if process is None:
            raise Lost(Failed("the worker was closed while it had cases to run"))
        try:
            answer = process.answer()
            if isinstance(answer, frames.BatchRefused) and not answer.failed:
                raise Unsupported(answer.reason)
            if isinstance(answer, frames.BatchRefused):
                # The worker goes on with the next batch: what it shows as done may be of that one.
                raise Lost(Failed(answer.reason, answer.exhausted), answer.done)
            if not isinstance(answer, frames.BatchDone):
                raise Lost(Failed(f"the worker answered a batch with {type(answer).__name__}"))
            changes = process.read_frame()
            if len(changes) != answer.n_changes * CHANGE_DTYPE.itemsize:
                raise Lost(Failed(f"the worker answered {len(changes)} bytes for {answer.n_changes} changes"), None)
            rows = np.frombuffer(changes, CHANGE_DTYPE).copy()
            cases = rows["case"].astype(np.int64)
            if len(rows) and (cases[-1] >= len(batch) or (np.diff(cases) < 0).any()):
                reason = "the backend lists changes out of order, or of cases that the batch does not have"
                raise Lost(Failed(reason), None)
        except Lost:
            self._discard()
            raise
        batch.final, batch.exits = sent.arrays.final, sent.arrays.exits
        batch.changes, batch.n_changes, batch.done = rows, answer.n_changes, len(batch)

    def _recovered(self, sent: _Sent, lost: Lost) -> BatchResult:
        """The batch that cost the process, in pieces around the cases at fault.

        Those before such a case run again, because what they changed in memory died with the process.
        """
        batch, slot = sent.batch, sent.slot
        result = BatchResult(batch)
        final, exits = np.zeros_like(sent.arrays.final), np.zeros_like(sent.arrays.exits)
        changes: list[tuple[int, Batch]] = []
        # A process that was used up by the batches before is replaced: the next one may run all of it.
        spans, failure = [(0, len(batch))], None if _is_exhausted(lost.result) else lost
        while spans:
            start, end = spans.pop()
            if start == end:
                continue
            if failure is None:
                piece, fresh = _slice(batch, start, end), self._process is None
                try:
                    self._take(self._put(piece, slot))
                    self._unanswered = False
                    final[start:end], exits[start:end] = piece.final, piece.exits
                    changes.append((start, piece))
                    continue
                except Lost as again:
                    if _is_exhausted(again.result) and not fresh:
                        spans.append((start, end))
                        continue
                    failure = again
            if failure.done is None and end - start > 1:  # nobody knows which: each half by itself
                middle = (start + end) // 2
                spans += [(middle, end), (start, middle)]
                failure = None
                continue
            culprit = min(start + (failure.done or 0), end - 1)
            result.lost[culprit] = self._confirmed_in_batch(batch, culprit, slot, failure.result)
            spans += [(culprit + 1, end), (start, culprit)]
            failure = None
        changes.sort(key=lambda piece: piece[0])
        for start, piece in changes:
            piece.changes["case"] += start
        batch.final, batch.exits = final, exits
        batch.changes = np.concatenate([np.zeros(0, CHANGE_DTYPE), *(piece.changes for _, piece in changes)])
        batch.n_changes, batch.done = len(batch.changes), len(batch)
        return result

    def _confirmed_in_batch(
        self, batch: Batch, index: int, slot: int, first: Crashed | Hung | Failed
    ) -> Crashed | Hung | Failed:
        try:
            self._take(self._put(_slice(batch, index, index + 1), slot))
        except Lost as again:
            return again.result
        # What comes next must not depend on this case either.
        self._discard()
        return _not_alone(first)

    def _next_result(self) -> Ran | Lacks | Failed:
        process = self._process
        if process is None:
            raise Lost(Failed("the worker was closed while it had cases to run"))
        try:
            answer = process.answer()
            if not isinstance(answer, frames.Done):
                raise Lost(Failed(f"the worker answered a case with {type(answer).__name__}"))
            if _is_exhausted(answer.result):
                raise Lost(answer.result)
        except Lost:
            self._discard()
            raise
        return answer.result

    def _confirmed(self, case: Case, first: Crashed | Hung | Failed) -> Result:
        """What ``case`` does in a process of its own, and that it cost one with others before it."""
        self.send((case,))
        try:
            result = self._next_result()
        except Lost as again:
            return again.result
        if _is_exhausted(first):
            self._unanswered = False
            return result  # it was the process that had come to its end
        # What it does next must not depend on this case either.
        self._discard()
        return _not_alone(first)

    def _discard(self) -> None:
        self._unanswered = False
        if self._process is not None:
            self._process.kill()
            self._process = None
            self.restarts += 1

    def _started(self) -> ChildProcess:
        if self._process is None:
            try:
                self._process = self._child()
            except ServerLost:
                # Whoever killed the server between two cases has taken no case with it.
                self._close_server()
                self._process = self._child()
        return self._process

    def _child(self) -> ChildProcess:
        self.begin()
        assert self._server is not None
        if not self._slots:
            try:
                self._capabilities = self._server.hello(self.start_timeout_s)
            except BaseException:
                self._close_server()
                raise
            self._slots = [Slot(in_place=self._capabilities.in_place) for _ in range(SLOTS)]
        return ChildProcess(self._server, self._slots, self.limits)

    def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            for slot in self._slots:
                slot.close()
            self._server, self._slots = None, []


def _is_exhausted(result: Result) -> TypeGuard[Failed]:
    return isinstance(result, Failed) and result.exhausted


def _not_alone(result: Crashed | Hung | Failed) -> Crashed | Hung | Failed:
    return result if isinstance(result, Failed) else msgspec.structs.replace(result, alone=False)


def _slice(batch: Batch, start: int, end: int) -> Batch:
    return Batch(
        code=batch.code[start:end],
        code_words=batch.code_words[start:end],
        code_address=batch.code_address,
        initial=batch.initial[start:end],
        budget=batch.budget,
        fill=batch.fill,
        environment=batch.environment,
    )
