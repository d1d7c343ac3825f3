"""The frames of docs/pipe-protocol.md: their numbers and fixed parts, little endian, and the greeting."""

from __future__ import annotations

import ctypes
import struct
from enum import IntEnum
from typing import Protocol

from assay64.harness.backends.base import read_capabilities
from assay64.harness.backends.batch_regions import BatchRecord
from assay64.harness.backends.library import Info
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.layout import ABI_VERSION, CHANGE_DTYPE, EXIT_DTYPE, STATE_DTYPE
from assay64.harness.errors import BackendUnavailable


class Kind(IntEnum):
    """What a frame is about; an answer has the number of its request."""

    HELLO = 1
    CREATE = 2
    DESTROY = 3
    MAP = 4
    PROTECT = 5
    UNMAP = 6
    WRITE = 7
    SET_STATE = 8
    GET_STATE = 9
    RUN = 10
    STEP = 11
    SET_BREAKPOINT = 12
    CLEAR_BREAKPOINT = 13
    SET_WATCHPOINT = 14
    CLEAR_WATCHPOINT = 15
    REQUEST_STOP = 16
    RUN_BATCH = 17


HEADER = struct.Struct("<IIQ")  # kind; machine in requests, status in answers; bytes that follow
RANGE = struct.Struct("<QQ")  # address, size
MAPPING = struct.Struct("<QQII")  # address, size, permissions, flags
VCPU = struct.Struct("<II")  # vCPU, zero
RUNNING = struct.Struct("<IIQQ")  # vCPU, zero, budget, until
BATCH = struct.Struct("<QQQQQQ")  # cases, words per row, code address, budget, data address, data size

_INFO = struct.Struct("<6I")
INFO = _INFO.pack(
    _INFO.size,
    ABI_VERSION,
    STATE_DTYPE.itemsize,
    EXIT_DTYPE.itemsize,
    CHANGE_DTYPE.itemsize,
    ctypes.sizeof(BatchRecord),
)
assert _INFO.size == ctypes.sizeof(Info)


class Asks(Protocol):
    def ask(self, kind: Kind, machine: int, payload: bytes) -> bytes: ...


def hello(connection: Asks, name: str) -> Capabilities:
    """Greet the program. BackendUnavailable when it was built for another version, or describes itself wrongly."""
    answer = connection.ask(Kind.HELLO, 0, INFO)
    theirs, text = answer[: len(INFO)], answer[len(INFO) :]
    if theirs != INFO:
        version = int.from_bytes(theirs[4:8], "little")
        raise BackendUnavailable(
            f"backend {name!r} has version {version} of assay64_backend.h, or structures of other sizes; "
            f"this assay64 has version {ABI_VERSION}: rebuild it with this header"
        )
    try:
        return read_capabilities(text)
    except ValueError as error:
        raise BackendUnavailable(f"backend {name!r}: the capabilities that it answers are wrong: {error}") from error
