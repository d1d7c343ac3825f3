"""What travels between the harness and a worker process: length-prefixed frames, the messages in them, and what
became of a case.

Messages are JSON, because MessagePack has no integers above 64 bits and V registers have 128. The arrays of a batch
lie in shared memory (arena.py). It knows no backend and starts no process.
"""

from __future__ import annotations

import signal
import struct
from functools import lru_cache

import msgspec

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Case, Environment
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
    """The backend or its wrapper raised an error, or answered something that means nothing. ``exhausted``: memory or
    mappings of the process were used up, which is seldom the fault of the case.
    """

    reason: str
    exhausted: bool = False


class Crashed(msgspec.Struct, frozen=True, tag="crashed"):
    """The worker process died in this case. ``signal`` is a name such as SIGSEGV, or ``exit status N``, or the limit of
    memory or output for which it was ended.

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
    """A batch ran: final states and exits lie in its slot; the changes follow as a raw frame."""

    n_changes: int


class BatchRefused(msgspec.Struct, frozen=True, tag="batch_refused"):
    """A batch did not run: the backend lacks something, or (``failed``) raised an error after ``done`` cases;
    ``exhausted`` as in Failed.
    """

    reason: str
    failed: bool
    exhausted: bool = False
    done: int = 0


class Execute(msgspec.Struct, frozen=True, tag="execute"):
    """Execute these cases in turn and answer each with Done."""

    cases: tuple[Case, ...]


class RunBatch(msgspec.Struct, frozen=True, tag="run_batch"):
    """Execute the batch whose code, code_words and initial states lie in this slot of the arena."""

    slot: int
    count: int
    width: int
    code_address: int
    budget: int
    fill: int | None
    environment: Environment = Environment()


Request = Execute | RunBatch
Answer = Hello | Refused | Done | BatchDone | BatchRefused

_requests = msgspec.json.Decoder(Request)
# Batches of one shape follow each other through the slots: as a rule their requests were seen before.
_seen = lru_cache(maxsize=8)(_requests.decode)
_SHORT_BYTES = 1024
_answers = msgspec.json.Decoder(Answer)
_encoder = msgspec.json.Encoder()


def frame(payload: bytes) -> bytes:
    return LENGTH.pack(len(payload)) + payload


def message(value: Request | Answer) -> bytes:
    return frame(_encoder.encode(value))


def read_request(payload: bytes) -> Request:
    return _seen(payload) if len(payload) <= _SHORT_BYTES else _requests.decode(payload)


def read_answer(payload: bytes) -> Answer:
    """The answer in a frame. Raises msgspec.DecodeError or UnicodeError for bytes that are none."""
    return _answers.decode(payload)


def ending(status: int | None) -> str:
    """An exit status in words: the signal's name, or ``exit status N``."""
    if status is None:
        return "closed its stream without ending"
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
