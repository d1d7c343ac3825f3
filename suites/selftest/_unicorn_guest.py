"""A guest of the Unicorn backend with the default regions, for the tests of that backend."""

from __future__ import annotations

from assay64.harness.backends.unicorn import BACKEND
from assay64.harness.cases.case import (
    CODE_ADDRESS,
    CODE_REGION,
    DATA_REGION,
    STACK_POINTER,
    Environment,
)
from assay64.harness.cases.layout import new_state, pack_state, unpack_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Exit, ExitKind, Fault
from assay64.harness.cases.state import State

DATA = DATA_REGION[0]
UNMAPPED = 0x3000_0000
NOP = 0xD503201F
SVC_0 = 0xD4000001
ADD_X0_X0_1 = 0x91000400
RET_TO_X1 = 0xD61F0020  # br x1


def movz(register, value):
    return 0xD2800000 | value << 5 | register


class Guest:
    """An instance with the default regions, and words put at the default address."""

    def __init__(self, environment=None):
        self.instance = BACKEND.create(environment or Environment(model="max"))
        self.code, self.data = HostMemory(CODE_REGION[1]), HostMemory(DATA_REGION[1])
        self.instance.map(CODE_REGION[0], self.code, 0, CODE_REGION[1], "rx")
        self.instance.map(DATA, self.data, 0, DATA_REGION[1], "rw")
        self.end = CODE_ADDRESS

    def write(self, *words, address=CODE_ADDRESS):
        offset = address - CODE_REGION[0]
        self.code.bytes[offset : offset + 4 * len(words)].view("<u4")[:] = words
        self.instance.notify_code(address, 4 * len(words))
        self.end = address + 4 * len(words)

    def set(self, **registers):
        self.instance.set_state(0, pack_state(State.of(**registers), pc=CODE_ADDRESS, sp=STACK_POINTER))

    def state(self):
        record = new_state()
        self.instance.get_state(0, record)
        return unpack_state(record)

    @property
    def pc(self):
        return self.state().general.pc

    def x(self, register):
        return self.state().general.x.get(register, 0)

    def run(self, *words, budget=1000, until=None, **registers):
        """Write the words, load the registers, run to the end of the words."""
        self.write(*words)
        self.set(**registers)
        return self.go(budget, until)

    def go(self, budget=1000, until=None):
        return self.instance.run(0, budget, self.end if until is None else until)


def data_abort(access, address, fault=Fault.TRANSLATION):
    return Exit(kind=ExitKind.DATA_ABORT, access=access, fault=fault, address=address)
