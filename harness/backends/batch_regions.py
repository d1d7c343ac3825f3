"""What the batches of a library run in: struct assay64_batch, the default regions, and room for changes.

It is kept from one batch to the next: making it anew costs as much as a hundred cases. It knows no library.
"""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from assay64.harness.cases.case import CODE_REGION, DATA_REGION
from assay64.harness.cases.layout import ABI_VERSION, CHANGE_DTYPE
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

    def reset(self, fill: int | None) -> None:
        """Make the data region's bytes what ``fill`` says."""
        if fill != self._fill:
            self._pristine[:] = 0 if fill is None else np.frombuffer(fill_bytes(fill, len(self._pristine)), np.uint8)
            self._fill = fill
        self.data.bytes[:] = self._pristine
