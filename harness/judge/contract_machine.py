"""What the contract checks run on: an instance with the default regions, and the few instructions that they need."""

from __future__ import annotations

from types import TracebackType

import numpy as np

from assay64.harness.backends.contract import Backend, Instance
from assay64.harness.cases.case import CODE_ADDRESS, CODE_REGION, DATA_REGION, STACK_POINTER, Environment
from assay64.harness.cases.layout import new_state, pack_state, unpack_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.harness.cases.state import State

ADD_X0 = 0x9100_0400  # add x0, x0, #1
BACK_ONE = 0x17FF_FFFF  # b . - 4
LOAD = 0xF940_0020  # ldr x0, [x1]
STORE = 0xF900_0020  # str x0, [x1]
SVC_5 = 0xD400_00A1  # svc #5
BRK_7 = 0xD420_00E0  # brk #7
UDF = 0x0000_0000  # udf #0
LOAD_Q = 0x3DC0_0020  # ldr q0, [x1]
STORE_Q = 0x3D80_0020  # str q0, [x1]
NOP = 0xD503_201F
LDXR = 0xC85F_7C20  # ldxr x0, [x1]
STXR = 0xC802_7C23  # stxr w2, x3, [x1]
UNMAPPED = 0x4000_0000
DATA = DATA_REGION[0]


class Wrong(Exception):
    """The backend breaks the contract; the text says how."""


class Undeclared(Exception):
    """The backend can do what it does not declare."""


class Machine:
    """An instance with the default regions, as a case finds it."""

    def __init__(self, backend: Backend, environment: Environment | None = None, vcpus: int = 1) -> None:
        self.code, self.data = HostMemory(CODE_REGION[1]), HostMemory(DATA_REGION[1])
        self.instance: Instance = backend.create(environment or Environment(), vcpus)
        self.instance.map(CODE_REGION[0], self.code, 0, CODE_REGION[1], "rx")
        self.instance.map(DATA_REGION[0], self.data, 0, DATA_REGION[1], "rw")

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.instance.close()

    def write_code(self, *words: int) -> int:
        """Put ``words`` at the code address and give their end."""
        data = np.frombuffer(b"".join(word.to_bytes(4, "little") for word in words), np.uint8)
        start = CODE_ADDRESS - CODE_REGION[0]
        self.code.bytes[start : start + len(data)] = data
        self.instance.notify_code(CODE_ADDRESS, len(data))
        return CODE_ADDRESS + len(data)

    def set(self, vcpu: int = 0, **registers: int) -> None:
        self.instance.set_state(vcpu, pack_state(State.of(**registers), pc=CODE_ADDRESS, sp=STACK_POINTER))

    def get(self, vcpu: int = 0) -> dict[str, int]:
        """Every register that is not zero."""
        record = new_state()
        self.instance.get_state(vcpu, record)
        return dict(unpack_state(record).registers())

    def run(self, *words: int, budget: int = 100, **registers: int) -> Exit:
        end = self.write_code(*words)
        self.set(**registers)
        return self.instance.run(0, budget, end)

    def expect(self, found: Exit, kind: ExitKind, pc: int, **registers: int) -> None:
        if found.kind is not kind:
            raise Wrong(f"the exit is {found}, not {kind}")
        state = self.get()
        for name, value in {"pc": pc, **registers}.items():
            if state.get(name, 0) != value:
                raise Wrong(f"after {kind}, {name} is {state.get(name, 0):#x}, not {value:#x}")
