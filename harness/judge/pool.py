"""Feeds worker processes with cases and turns a death or a silence into the result of the case that it belongs to.

It compares nothing: a Result is what a case came to on the backend. The process itself is process.py's affair.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Case
from assay64.harness.cases.layout import Batch
from assay64.harness.judge import frames
from assay64.harness.judge.frames import Crashed, Failed, Hung, Lacks, Ran, Result
from assay64.harness.judge.process import START_TIMEOUT_S, ChildProcess, Lost

CASE_TIMEOUT_S = 10.0
CHUNK = 64


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
        self._process: ChildProcess | None = None
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
            except Lost as lost:
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
            except Lost as lost:
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
        except Lost as again:
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
                raise Lost(Failed(answer.reason))
            if not isinstance(answer, frames.BatchDone):
                raise Lost(Failed(f"the worker answered a batch with {type(answer).__name__}"))
            final, exits, changes = (process.read_frame(self.timeout_s) for _ in range(3))
            frames.take_batch(batch, answer, (final, exits, changes))
        except Lost as lost:
            lost.done = process.done()
            self._discard()
            raise
        return batch

    def _next_result(self) -> Ran | Lacks | Failed:
        process = self._process
        if process is None:
            raise Lost(Failed("the worker was closed while it had cases to run"))
        try:
            answer = process.answer(self.timeout_s)
            if not isinstance(answer, frames.Done):
                raise Lost(Failed(f"the worker answered a case with {type(answer).__name__}"))
        except Lost:
            self._discard()
            raise
        return answer.result

    def _confirmed(self, case: Case, first: Crashed | Hung | Failed) -> Result:
        """What ``case`` does in a process of its own, and that it cost one with others before it."""
        self.send((case,))
        try:
            self._next_result()
        except Lost as again:
            return again.result
        # What it does next must not depend on this case either.
        self._discard()
        return _not_alone(first)

    def _discard(self) -> None:
        self._unanswered = False
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _started(self) -> ChildProcess:
        if self._process is None:
            process = ChildProcess(self.backend)
            try:
                self._capabilities = process.hello(self.backend, self.start_timeout_s)
            except BaseException:
                process.kill()
                raise
            self._process = process
        return self._process


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
        changes=np.zeros(len(batch.changes), batch.changes.dtype),
    )
