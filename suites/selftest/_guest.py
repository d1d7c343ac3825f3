"""A bare guest over the Instance contract: words in, exit and registers out. For tests of a backend's own manners.

It knows neither cases nor the judge nor the reference: what a test expects stands in the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from assay64.harness.backends.library import LibraryInstance
from assay64.harness.cases.case import CODE_ADDRESS, CODE_REGION, DATA_REGION, STACK_POINTER
from assay64.harness.cases.layout import StateRecord, new_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Exit

CODE = CODE_ADDRESS
DATA = DATA_REGION[0]
DATA_END = DATA_REGION[0] + DATA_REGION[1]
ALL_ONES = (1 << 64) - 1

# Words that many tests use, with their assembly.
NOP = 0xD503201F
SVC = 0xD4000001  # svc #0
BRANCH_SELF = 0x14000000  # b .
BR_X1 = 0xD61F0020
RET = 0xD65F03C0
ADD_X0 = 0x91000400  # add x0, x0, #1
LDR = 0xF9400020  # ldr x0, [x1]
LDR_POST = 0xF8408420  # ldr x0, [x1], #8
STR = 0xF9000020  # str x0, [x1]
STR_PRE = 0xF8008C20  # str x0, [x1, #8]!
LDXR = 0xC85F7C20  # ldxr x0, [x1]
STXR = 0xC8037C20  # stxr w3, x0, [x1]
CLREX = 0xD5033F5F

UNMAPPED = 0x3000_0000  # an address around which nothing is mapped


class Guest:
    """The default code region (rx) and data region (rw), and nothing around them."""

    def __init__(self, instance: LibraryInstance) -> None:
        self.instance = instance
        self.code = HostMemory(CODE_REGION[1])
        self.data = HostMemory(DATA_REGION[1])
        instance.map(CODE_REGION[0], self.code, 0, self.code.size, "rx")
        instance.map(DATA_REGION[0], self.data, 0, self.data.size, "rw")
        self.end = CODE

    def put(self, words: Sequence[int], address: int = CODE) -> None:
        offset = address - CODE_REGION[0]
        self.code.bytes[offset : offset + 4 * len(words)] = np.array(words, "<u4").view(np.uint8)
        self.instance.notify_code(address, 4 * len(words))
        self.end = address + 4 * len(words)

    def load(self, vcpu: int = 0, *, pc: int = CODE, sp: int = STACK_POINTER, **registers: int) -> None:
        """x0=..., v3=..., nzcv=..., fpcr=..., tpidr_el0=...; every other register is zero."""
        state = new_state()
        state["pc"], state["sp"] = pc, sp
        for name, value in registers.items():
            if name == "nzcv":
                state["pstate"] = value << 28
            elif name[0] == "x":
                state["x"][int(name[1:])] = value
            elif name[0] == "v":
                state["v"][int(name[1:])] = (value & ALL_ONES, value >> 64)
            else:
                state[name] = value
        self.instance.set_state(vcpu, state)

    def state(self, vcpu: int = 0) -> StateRecord:
        state = new_state()
        self.instance.get_state(vcpu, state)
        return state

    def x(self, index: int, vcpu: int = 0) -> int:
        return int(self.state(vcpu)["x"][index])

    @property
    def pc(self) -> int:
        return int(self.state()["pc"])

    def run(self, *words: int, budget: int = 1000, **registers: int) -> Exit:
        """Put the words at CODE, load the registers, and run to the end of the words."""
        self.put(words)
        self.load(**registers)
        return self.instance.run(0, budget, self.end)

    def doubleword(self, offset: int) -> int:
        """The eight bytes at ``offset`` of the data region."""
        return int(self.data.bytes[offset : offset + 8].view("<u8")[0])

    def write(self, offset: int, value: int) -> None:
        self.data.bytes[offset : offset + 8] = np.array([value], "<u8").view(np.uint8)

    def snapshot(self) -> dict[str, Any]:
        """Everything that a run can change, for comparing two runs."""
        return {"state": self.state().tobytes(), "data": self.data.bytes.tobytes()}
