"""The arena: the file that the harness and the runner program map, and the names of its parts (see runner.s)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.harness.backends.runner.program import ARENA
from assay64.harness.cases.layout import CHANGE_DTYPE, STATE_DTYPE
from assay64.harness.cases.memory import HostMemory

SIZE_BYTES = 0x40_0000
SYSTEM_CALL, RUN_CASES = 0, 1
NOBODY = (1 << 64) - 1

# Words of the control block, by their index.
COMMAND, CALL, RESULT = 0x00 // 8, 0x10 // 8, 0x48 // 8
NEXT, COUNT, STOP = 0x50 // 8, 0x58 // 8, 0x60 // 8
INITIAL, FINAL, ENDS = 0x68 // 8, 0x70 // 8, 0x78 // 8
ROWS, ROW_BYTES, CODE_WRITTEN, CODE_RUN = 0x80 // 8, 0x88 // 8, 0x90 // 8, 0x98 // 8
DATA, PRISTINE, DATA_BYTES = 0xA0 // 8, 0xA8 // 8, 0xB0 // 8
CHANGE, LAST_CHANGE, RANGES_END = 0xB8 // 8, 0xC0 // 8, 0xC8 // 8
REMAP, SOCKET = 0xD0 // 8, 0xD8 // 8

# Parts of the arena: offset and size in bytes.
RANGES, AUXILIARY, FRAME = (0x400, 0x800), (0xC00, 0x400), (0x1000, 0x3000)
STACK, SCRATCH, SINGLE = (0x4000, 0x4_0000), (0x4_4000, 0x1000), (0x5_0000, 0x1000)
SINGLE_END = 0x800  # where in it, behind the two states
PRISTINE_DATA, INITIAL_STATES, FINAL_STATES = (0x6_0000, 0x1_0000), (0x10_0000, 0x8_0000), (0x18_0000, 0x8_0000)
CASE_ENDS, CODE_ROWS, CHANGES = (0x20_0000, 0x1_0000), (0x21_0000, 0x10_0000), (0x31_0000, 0xF_0000)

END_DTYPE = np.dtype(
    [
        ("signal", "<i8"),
        ("code", "<i8"),
        ("address", "<u8"),
        ("syndrome", "<u8"),
        ("has_syndrome", "<u8"),
        ("reserved", "<u8", 3),
    ]
)
"""How a case ended: the signal's number, si_code, si_addr; ESR_EL1 where the kernel tells it."""

# The signal frame of arm64 Linux (arch/arm64/include/uapi/asm/sigcontext.h): siginfo, ucontext, records.
_UCONTEXT_STACK, _UCONTEXT_MASK, _RECORDS = 128 + 16, 128 + 40, 128 + 464
_FPSIMD_MAGIC, _FPSIMD_BYTES = 0x4650_8001, 0x210


def address(part: tuple[int, int]) -> int:
    """Where the runner has a part of the arena."""
    return ARENA + part[0]


class Arena(HostMemory):
    """The harness's view of it."""

    def __init__(self) -> None:
        super().__init__(SIZE_BYTES)
        self.control = self.words()
        self.initial = self._part(INITIAL_STATES, STATE_DTYPE)
        self.final = self._part(FINAL_STATES, STATE_DTYPE)
        self.ends = self._part(CASE_ENDS, END_DTYPE)
        self.rows = self._part(CODE_ROWS, np.dtype("<u4"))
        self.changes = self._part(CHANGES, CHANGE_DTYPE)
        self.pristine = self._part(PRISTINE_DATA, np.dtype("u1"))
        states = self._part(SINGLE, STATE_DTYPE)
        self.single_initial, self.single_final = states[:1].reshape(()), states[1:2].reshape(())
        self.single_end = self._part((SINGLE[0] + SINGLE_END, END_DTYPE.itemsize), END_DTYPE).reshape(())
        self._make_frame()

    def _part(self, part: tuple[int, int], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        start, size = part
        return self.bytes[start : start + size // dtype.itemsize * dtype.itemsize].view(dtype)

    def _make_frame(self) -> None:
        """What of a signal frame no case changes: no signal blocked, the stack for signals, and one record."""
        frame = FRAME[0]
        self.control[(frame + _UCONTEXT_STACK) // 8 :][:3] = (address(STACK), 0, STACK[1])
        self.control[(frame + _UCONTEXT_MASK) // 8] = 0
        self.control[(frame + _RECORDS) // 8] = _FPSIMD_BYTES << 32 | _FPSIMD_MAGIC
