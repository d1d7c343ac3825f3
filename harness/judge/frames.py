"""What travels between the harness and a worker process: length-prefixed frames, the messages in them, and what
became of a case.

Messages are JSON, because MessagePack has no integers above 64 bits and V registers have 128. Arrays of a batch
follow as raw frames. It knows no backend and starts no process.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Case
from assay64.harness.cases.layout import CHANGE_DTYPE, EXIT_DTYPE, STATE_DTYPE, Batch
from assay64.harness.cases.outcome import Outcome

LENGTH = struct.Struct("<Q")
# Longer frames are noise that got into the stream, never a message.
MAX_FRAME_BYTES = 1 << 34

# The progress words that parent and worker share, 64 bits each: how many cases are done in what was sent last, what
# the worker does, and when it began (CLOCK_MONOTONIC in nanoseconds).
DONE, ACTIVITY, SINCE = 0, 1, 2
IDLE, IN_CASE, IN_BATCH = 0, 1, 2


class Ran(msgspec.Struct, frozen=True, tag="ran"):
    """The case ran to its end, with this outcome."""

    outcome: Outcome


class Lacks(msgspec.Struct, frozen=True, tag="lacks"):
    """The backend lacks something that the case needs; ``reason`` names it."""

    reason: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The backend or its wrapper raised an error, or answered something that means nothing."""

    reason: str


class Crashed(msgspec.Struct, frozen=True, tag="crashed"):
    """The worker process died in this case. ``signal`` is a name such as SIGSEGV, or ``exit status N``.

    ``last_line`` is what it printed last. ``alone`` is false when the case ran well in a process of its own
    afterwards, so that cases before it have a part in the crash.
    """

    signal: str
    last_line: str = ""
    alone: bool = True

    def __str__(self) -> str:
        said = f": {self.last_line}" if self.last_line else ""
        return f"{self.signal}{said}{'' if self.alone else ' (not when the case runs alone)'}"


class Hung(msgspec.Struct, frozen=True, tag="hung"):
    """The case did not end within ``seconds`` and its worker was killed. ``alone`` as in Crashed."""

    seconds: float
    alone: bool = True

    def __str__(self) -> str:
        return f"no end within {self.seconds:g} s{'' if self.alone else ' (not when the case runs alone)'}"


Result = Ran | Lacks | Crashed | Hung | Failed


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The worker is ready."""

    capabilities: Capabilities


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The backend cannot run here; ``usage`` when the name is wrong and not the machine."""

    text: str
    usage: bool = False


class Done(msgspec.Struct, frozen=True, tag="done"):
    """One case is done."""

    result: Ran | Lacks | Failed


class BatchDone(msgspec.Struct, frozen=True, tag="batch_done"):
    """A batch ran; final states, exits and ``n_changes`` changes follow as three raw frames."""

    n_changes: int


class BatchRefused(msgspec.Struct, frozen=True, tag="batch_refused"):
    """A batch did not run: the backend lacks something, or (``failed``) raised an error."""

    reason: str
    failed: bool


class Execute(msgspec.Struct, frozen=True, tag="execute"):
    """Execute these cases in turn and answer each with Done."""

    cases: tuple[Case, ...]


class RunBatch(msgspec.Struct, frozen=True, tag="run_batch"):
    """Execute a batch; its code, code_words and initial states follow as three raw frames. ``changes`` is the room
    for these.
    """

    count: int
    width: int
    code_address: int
    budget: int
    fill: int | None
    changes: int


Request = Execute | RunBatch
Answer = Hello | Refused | Done | BatchDone | BatchRefused

_requests = msgspec.json.Decoder(Request)
_answers = msgspec.json.Decoder(Answer)
_encoder = msgspec.json.Encoder()


def frame(payload: bytes) -> bytes:
    return LENGTH.pack(len(payload)) + payload


def message(value: Request | Answer) -> bytes:
    return frame(_encoder.encode(value))


def read_request(payload: bytes) -> Request:
    return _requests.decode(payload)


def read_answer(payload: bytes) -> Answer:
    """The answer in a frame. Raises msgspec.DecodeError (or its ValidationError) for bytes that are none."""
    return _answers.decode(payload)


def batch_request(batch: Batch) -> bytes:
    """The frames that ask for ``batch``."""
    code = np.ascontiguousarray(batch.code, np.uint32)
    header = RunBatch(len(batch), code.shape[1], batch.code_address, batch.budget, batch.fill, len(batch.changes))
    words = np.ascontiguousarray(batch.code_words, np.uint32)
    initial = np.ascontiguousarray(batch.initial)
    return message(header) + frame(code.tobytes()) + frame(words.tobytes()) + frame(initial.tobytes())


def read_batch(request: RunBatch, next_frame: Callable[[], bytes]) -> Batch:
    """The batch that a request announces; ``next_frame`` gives the raw frames behind it."""
    code = np.frombuffer(next_frame(), np.uint32).reshape(request.count, request.width).copy()
    words = np.frombuffer(next_frame(), np.uint32).copy()
    initial = np.frombuffer(next_frame(), STATE_DTYPE).copy()
    return Batch(
        code=code,
        code_words=words,
        code_address=request.code_address,
        initial=initial,
        budget=request.budget,
        fill=request.fill,
        changes=np.zeros(request.changes, CHANGE_DTYPE),
    )


def batch_answer(batch: Batch) -> bytes:
    changes = batch.changes[: batch.n_changes]
    return message(BatchDone(batch.n_changes)) + b"".join(
        frame(np.ascontiguousarray(array).tobytes()) for array in (batch.final, batch.exits, changes)
    )


def take_batch(batch: Batch, answer: BatchDone, frames: tuple[bytes, bytes, bytes]) -> None:
    """Put a worker's answer into ``batch``. Raises ValueError when the arrays have other sizes."""
    final, exits, changes = (
        np.frombuffer(data, dtype) for data, dtype in zip(frames, (STATE_DTYPE, EXIT_DTYPE, CHANGE_DTYPE), strict=True)
    )
    _fit(final, len(batch))
    _fit(exits, len(batch))
    _fit(changes, answer.n_changes)
    batch.final[:], batch.exits[:] = final, exits
    batch.changes, batch.n_changes, batch.done = changes.copy(), answer.n_changes, len(batch)


def _fit(array: npt.NDArray[Any], count: int) -> None:
    if len(array) != count:
        raise ValueError(f"the worker answered {len(array)} records where {count} belong")
