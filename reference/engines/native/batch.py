"""Batches: many short cases in one call, each from its own registers and with its own code.

Nothing of Python runs for a case, but where golden has to finish it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.reference.engines.native import layout
from assay64.reference.engines.native.block import Block
from assay64.reference.engines.native.engine import NativePE
from assay64.reference.engines.native.layout import BATCH, CHANGE, ENDED, STATE
from assay64.reference.machine import Machine, Stop
from assay64.reference.models import Model
from assay64.reference.pseudocode.exceptions import (
    ArchitecturalException,
    DataAbort,
    SoftwareBreakpoint,
    SupervisorCall,
    Undefined,
)


def _dtype(fields: layout.Fields, shapes: dict[str, Any] | None = None) -> np.dtype[Any]:
    """A structure of layout.py as a numpy type; ``shapes`` has the types of fields that are several values."""
    kinds = {"i8": "<u1", "i32": "<u4", "i64": "<u8"}
    formats = [(shapes or {}).get(name) or kinds.get(kind, f"V{kind}") for name, kind in fields.kinds.items()]
    return np.dtype(
        {
            "names": list(fields.offsets),
            "formats": formats,
            "offsets": list(fields.offsets.values()),
            "itemsize": fields.size,
        }
    )


# struct assay64_state of assay64_backend.h
STATE_DTYPE = _dtype(STATE, {"x": ("<u8", 31), "v": ("<u8", (32, 2)), "keys": ("<u8", (5, 2)), "reserved": ("<u8", 4)})
# How a case ended: ``kind`` is an EXIT_* of layout.py, or EXIT_OTHER with ``exception`` of the batch.
ENDED_DTYPE = _dtype(ENDED)
# Eight bytes of the data region, at a multiple of 8, that a case left different.
CHANGE_DTYPE = _dtype(CHANGE)
EXIT_OTHER = 10


@dataclass
class Batch:
    """n cases. ``code`` (n, w) holds the words, of which row i has ``code_words[i]``; ``initial`` (n,) the states as
    STATE_DTYPE. A case stops behind its code, after ``budget`` instructions, or by an exception.

    The results: ``final`` and ``ended`` (n,), ``changes`` by case and address, ``open`` (n,): where Arm permits more
    than this one outcome. ``exceptions`` has those that ``ended`` cannot express, by case.
    """

    code: npt.NDArray[np.uint32]
    code_words: npt.NDArray[np.uint32]
    initial: npt.NDArray[Any]
    budget: int = 1000
    final: npt.NDArray[Any] = field(init=False)
    ended: npt.NDArray[Any] = field(init=False)
    open: npt.NDArray[np.uint8] = field(init=False)
    changes: npt.NDArray[Any] = field(init=False)
    exceptions: dict[int, ArchitecturalException] = field(init=False)

    def __post_init__(self) -> None:
        self.code = np.ascontiguousarray(self.code, np.uint32)
        self.code_words = np.ascontiguousarray(self.code_words, np.uint32)
        self.initial = np.ascontiguousarray(self.initial)
        count = len(self.code)
        if self.code.ndim != 2 or len(self.code_words) != count or len(self.initial) != count:
            raise ValueError("a batch has as many rows of code, numbers of words and initial states as cases")
        if self.initial.dtype.itemsize != STATE.size:
            raise ValueError(f"a state has {STATE.size} bytes, not {self.initial.dtype.itemsize}")
        if count and int(self.code_words.max()) > self.code.shape[1]:
            raise ValueError("code_words names more words than a row of code has")
        self.clear()

    def clear(self) -> None:
        """Forget the results."""
        count = len(self.code)
        self.final, self.ended = np.zeros(count, STATE_DTYPE), np.zeros(count, ENDED_DTYPE)
        self.open, self.changes, self.exceptions = np.zeros(count, np.uint8), np.zeros(0, CHANGE_DTYPE), {}

    def __len__(self) -> int:
        return len(self.code)


class BatchMachine:
    """A machine of one element for batches: a region of code that can be read and executed, a region of data that can
    be read and written. Addresses and sizes are bytes, whole pages.
    """

    def __init__(self, cpu: str | Model, code: tuple[int, int], data: tuple[int, int], **options: Any) -> None:
        self.machine = Machine(cpu, engine="native", **options)
        self._pe: NativePE = self.machine.native[0]
        self._code, self._data = code, data
        self._code_block, self._data_block = Block(code[1]), Block(data[1])
        self._pristine = Block(data[1])
        for (address, size), block, permissions in ((code, self._code_block, "rx"), (data, self._data_block, "rw")):
            self.machine.map(address, size, permissions, block.memory, 0)
        self._until = Block(8)
        self._counter = Block(8)
        self._run = self._pe.function("run_batch", None, ctypes.c_void_p, ctypes.c_void_p)

    def run(self, batch: Batch, code_address: int, contents: bytes | None = None, *, finish: bool = True) -> None:
        """Run all cases with the data region as ``contents`` (zero when None) at the start of each.

        ``finish``: golden goes on where the native engine leaves a case to it; otherwise such cases keep the exit
        EXIT_GOLDEN and are open. ValueError when the code does not fit.
        """
        count, width = batch.code.shape
        offset = code_address - self._code[0]
        if code_address % 4 or offset < 0 or offset + 4 * width + 4 > self._code[1]:
            raise ValueError(f"code of {width} words at {code_address:#x} does not fit into the code region")
        self._data_block.bytes[:] = 0 if contents is None else np.frombuffer(contents, np.uint8)
        self._pristine.bytes[:] = self._data_block.bytes
        self._code_block.bytes[:] = 0
        batch.clear()
        if not count:
            return
        self._enter(batch)
        pieces = list[npt.NDArray[Any]]()
        room = np.zeros(self._data[1] // 8 + max(2 * count, 1024), CHANGE_DTYPE)
        block = self._arguments(batch, code_address, room)
        done, changed = block.view(BATCH["done"], np.uint64), block.view(BATCH["change_count"], np.uint64)
        while done[0] < count:
            before = int(done[0])
            self._run(self._pe.context.address, block.address)
            pieces.append(room[: int(changed[0])].copy())
            changed[0] = 0
            if int(done[0]) == before or batch.ended["kind"][int(done[0]) - 1] == layout.EXIT_STOPPED:
                break
        self._pe.leave_batch()
        if finish:
            for case in np.flatnonzero(batch.ended["kind"] == layout.EXIT_GOLDEN).tolist():
                pieces.append(self._finish(batch, case, code_address))
        rows = np.concatenate(pieces)
        batch.changes = rows[np.lexsort((rows["address"], rows["case"]))]

    def _enter(self, batch: Batch) -> None:
        levels = np.unique(batch.initial["pstate"] & 0xF)
        if len(levels) != 1:
            raise ValueError("the cases of a batch start at one exception level")
        self._pe.write("PSTATE.EL", 0, int(levels[0]) >> 2)
        self._pe.write("PSTATE.SP", 0, int(levels[0]) & 1)
        self._pe.enter_batch(self._until)

    def _arguments(self, batch: Batch, code_address: int, room: npt.NDArray[Any]) -> Block:
        block = Block(BATCH.size)
        values = {
            "code": batch.code.ctypes.data,
            "code_words": batch.code_words.ctypes.data,
            "code_row": batch.code.strides[0],
            "code_address": code_address,
            "code_host": self._code_block.address + code_address - self._code[0],
            "initial": batch.initial.ctypes.data,
            "final": batch.final.ctypes.data,
            "ended": batch.ended.ctypes.data,
            "open": batch.open.ctypes.data,
            "budget": batch.budget,
            "count": len(batch),
            "progress": self._counter.address,
            "changes": room.ctypes.data,
            "change_limit": len(room),
            "data": self._data[0],
            "data_host": self._data_block.address,
            "data_size": self._data[1],
            "pristine": self._pristine.address - self._data_block.address & (1 << 64) - 1,
            "until": self._until.address,
        }
        for name, value in values.items():
            block.view(BATCH[name], np.uint64)[0] = value
        return block

    def _finish(self, batch: Batch, case: int, code_address: int) -> npt.NDArray[Any]:
        """Run one case again, with golden for what the native engine does not do. Gives its changes."""
        words, offset = int(batch.code_words[case]), code_address - self._code[0]
        self._code_block.bytes[:] = 0
        self._code_block.bytes[offset : offset + 4 * words] = batch.code[case, :words].view(np.uint8)
        self._pe.load_state(batch.initial[case : case + 1])
        executed = self._pe.executed
        stop = self.machine.run(batch.budget, code_address + 4 * words)
        batch.final[case] = batch.initial[case]
        self._pe.store_state(batch.final[case : case + 1])
        batch.ended[case] = self._ended(batch, case, stop, self._pe.executed - executed)
        batch.open[case] = 1
        words64, pristine = self._data_block.bytes.view(np.uint64), self._pristine.bytes.view(np.uint64)
        places = np.flatnonzero(words64 != pristine)
        rows = np.zeros(len(places), CHANGE_DTYPE)
        rows["case"], rows["address"], rows["value"] = case, self._data[0] + 8 * places, words64[places]
        words64[places] = pristine[places]
        return rows

    def _ended(self, batch: Batch, case: int, stop: Stop, executed: int) -> tuple[int, ...]:
        match stop.exception:
            case None:
                kinds = {"until": layout.EXIT_UNTIL, "budget": layout.EXIT_BUDGET, "stopped": layout.EXIT_STOPPED}
                return kinds[stop.reason], 0, 0, 0, 0, 0, executed
            case Undefined():
                return layout.EXIT_UNDEFINED, 0, 0, 0, 0, 0, executed
            case SupervisorCall(immediate):
                return layout.EXIT_SVC, 0, 0, 0, int(immediate), 0, executed
            case SoftwareBreakpoint(immediate):
                return layout.EXIT_BRK, 0, 0, 0, int(immediate), 0, executed
            case DataAbort(address, fault, write):
                number = layout.FAULTS.index(fault.name)
                return layout.EXIT_DATA_ABORT, int(write), number, 0, 0, int(address), executed
            case exception:
                batch.exceptions[case] = exception
                return EXIT_OTHER, 0, 0, 0, 0, 0, executed
