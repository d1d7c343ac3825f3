"""What the batches of a library run in: struct assay64_batch, the default regions, and room for changes.

It is kept from one batch to the next: making it anew costs as much as a hundred cases. It knows no library.
"""

from __future__ import annotations

import ctypes
from operator import is_
from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.harness.cases.case import CODE_REGION, DATA_REGION
from assay64.harness.cases.layout import ABI_VERSION, CHANGE_DTYPE, EXIT_DTYPE, STATE_DTYPE, Batch
from assay64.harness.cases.memory import HostMemory, fill_bytes

# Rows of changes beyond those that one case can make.
MORE_CHANGES = 4096

_U32, _U64, _POINTER = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p


class BatchRecord(ctypes.Structure):
    """struct assay64_batch"""

    _fields_ = [
        ("size", _U32),
        ("version", _U32),
        ("n_cases", _U64),
        ("code", _POINTER),
        ("code_words", _POINTER),
        ("words_per_row", _U64),
        ("code_address", _U64),
        ("code_memory", _POINTER),
        ("code_memory_size", _U64),
        ("initial", _POINTER),
        ("final_state", _POINTER),
        ("exits", _POINTER),
        ("changes", _POINTER),
        ("changes_capacity", _U64),
        ("n_changes", _U64),
        ("budget", _U64),
        ("data_address", _U64),
        ("data_memory", _POINTER),
        ("data_pristine", _POINTER),
        ("data_size", _U64),
        ("done", _U64),
        ("progress", _POINTER),
        ("reserved", _U64 * 4),
    ]


class BatchRegions:
    """``code`` and ``data``, room for ``changes``, and the ``record`` of a batch with what is the same for all."""

    def __init__(self) -> None:
        self.code, self.data = HostMemory(CODE_REGION[1]), HostMemory(DATA_REGION[1])
        self.changes = np.zeros(DATA_REGION[1] // 8 + MORE_CHANGES, CHANGE_DTYPE)
        self._pristine: npt.NDArray[np.uint8] = np.zeros(DATA_REGION[1], np.uint8)
        self._fill: int | None = None
        # Whether the library has left the data region as it found it, as the header demands.
        self.restored = False
        self._placed: tuple[npt.NDArray[Any], ...] = ()
        self._alive: tuple[npt.NDArray[Any], ...] = ()
        self.record = BatchRecord(
            size=ctypes.sizeof(BatchRecord),
            version=ABI_VERSION,
            changes=self.changes.ctypes.data,
            changes_capacity=len(self.changes),
            data_address=DATA_REGION[0],
            data_memory=self.data.address,
            data_pristine=self._pristine.ctypes.data,
            data_size=self.data.size,
        )

    def place(self, batch: Batch) -> None:
        """Enter where the arrays of ``batch`` lie. Those that lie there already, as a worker's do, cost nothing."""
        arrays = (batch.code, batch.code_words, batch.initial, batch.final, batch.exits)
        if self._placed and all(map(is_, arrays, self._placed)):
            return
        self._placed = ()  # until all are entered: one of them may be refused
        code, code_words = np.ascontiguousarray(batch.code, "<u4"), np.ascontiguousarray(batch.code_words, "<u4")
        initial, record = np.ascontiguousarray(batch.initial), self.record
        record.n_cases, record.words_per_row = code.shape
        record.code, record.code_words = code.ctypes.data, code_words.ctypes.data
        record.initial = address_of(initial, STATE_DTYPE)
        record.final_state = address_of(batch.final, STATE_DTYPE)
        record.exits = address_of(batch.exits, EXIT_DTYPE)
        # A copy would not see what changes in the caller's array.
        same = code is batch.code and code_words is batch.code_words and initial is batch.initial
        self._placed, self._alive = arrays if same else (), (code, code_words, initial)

    def reset(self, fill: int | None) -> None:
        """Make the data region's bytes what ``fill`` says. After a batch that ran to its end they are, of its own."""
        if fill != self._fill:
            self._pristine[:] = 0 if fill is None else np.frombuffer(fill_bytes(fill, len(self._pristine)), np.uint8)
            self._fill, self.restored = fill, False
        if not self.restored:
            self.data.bytes[:] = self._pristine


def address_of(array: npt.NDArray[Any], dtype: np.dtype[Any]) -> int:
    """Where an array of these records lies, for a library that writes there. Raises TypeError for one with gaps."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"a contiguous array of {dtype.itemsize}-byte records is needed, not {array.dtype}")
    return int(array.ctypes.data)
