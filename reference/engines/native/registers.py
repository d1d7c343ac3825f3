"""The registers and monitors of a native processing element, in the memory that the generated code works on."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from assay64.reference.bits import Constant, bits
from assay64.reference.engines.accesses import MonitoredAccess
from assay64.reference.engines.golden import GoldenPE
from assay64.reference.engines.native.block import Block
from assay64.reference.engines.native.layout import CONTEXT
from assay64.reference.memory import PAGE_SIZE
from assay64.reference.pseudocode.processor import REGISTERS

_MASK64 = (1 << 64) - 1
_SINGLE = tuple(
    name for name in REGISTERS if name in CONTEXT.offsets and name not in ("R", "V", "APKey", "SP_EL0", "SP_EL1")
)


class NativeRegisters:
    """``golden`` has what the generated code does not: the other stack pointer. It borrows all the rest."""

    def __init__(self, golden: GoldenPE) -> None:
        self.golden = golden
        self.context = Block(CONTEXT.size)

    def configure(self) -> None:
        """Take over what registers decide on decoding."""

    def _field(self, name: str) -> np.ndarray[Any, Any]:
        kind = {"i8": np.uint8, "i32": np.uint32}.get(CONTEXT.kinds[name], np.uint64)
        return self.context.view(CONTEXT[name], kind)

    def _set(self, name: str, value: int) -> None:
        self._field(name)[0] = value

    def _get(self, name: str) -> int:
        return int(self._field(name)[0])

    def read(self, register: str, index: int = 0) -> int:
        """A register by its name in REGISTERS, X or XSP."""
        if register in ("X", "XSP") or (register == "R" and index < 31):
            if index == 31:
                return 0 if register == "X" else self._get("sp")
            return int(self.context.view(CONTEXT["R"] + 8 * index, np.uint64)[0])
        if self._is_current_stack_pointer(register):
            return self._get("sp")
        if REGISTERS[register].width == 128:
            low, high = self.context.view(CONTEXT[register] + 16 * index, np.uint64, 2)
            return int(low) | int(high) << 64
        return self._get(register) if register in CONTEXT.offsets else int(self.golden.registers[register][index])

    def write(self, register: str, index: int, value: int) -> None:
        if register in ("X", "XSP", "R"):
            if index < 31:
                self.context.view(CONTEXT["R"] + 8 * index, np.uint64)[0] = value
            elif register == "XSP":
                self._set("sp", value)
        elif self._is_current_stack_pointer(register):
            self._set("sp", value)
        elif REGISTERS[register].width == 128:
            self.context.view(CONTEXT[register] + 16 * index, np.uint64, 2)[:] = value & _MASK64, value >> 64
        elif register in CONTEXT.offsets:
            if register in ("PSTATE.EL", "PSTATE.SP"):
                self._switch_stack_pointer(register, value)
            self._set(register, value)
            self.configure()
        else:
            self.golden.registers[register][index] = bits(REGISTERS[register].width, value)

    def _stack_pointer(self) -> str:
        return "SP_EL1" if self._get("PSTATE.EL") and self._get("PSTATE.SP") else "SP_EL0"

    def _is_current_stack_pointer(self, register: str) -> bool:
        return register in ("SP_EL0", "SP_EL1") and register == self._stack_pointer()

    def _switch_stack_pointer(self, register: str, value: int) -> None:
        """The context holds one stack pointer, golden the other."""
        self.golden.registers[self._stack_pointer()][0] = bits(64, self._get("sp"))
        self._set(register, value)
        self._set("sp", int(self.golden.registers[self._stack_pointer()][0]))

    @property
    def executed(self) -> int:
        return self._get("executed")

    # --- golden borrows them

    def lend(self) -> None:
        """Give golden the registers."""
        registers = self.golden.registers
        registers["R"] = [Constant(64, value) for value in self.context.view(CONTEXT["R"], np.uint64, 31).tolist()]
        for name in ("V", "APKey"):
            count = REGISTERS[name].count
            pairs = self.context.view(CONTEXT[name], np.uint64, 2 * count).reshape(-1, 2).tolist()
            registers[name] = [Constant(128, low | high << 64) for low, high in pairs]
        for name in _SINGLE:
            registers[name] = [Constant(REGISTERS[name].width, self._get(name))]
        registers[self._stack_pointer()] = [Constant(64, self._get("sp"))]
        self.golden.executed = self.executed

    def take(self) -> None:
        """Take the registers from golden."""
        registers = self.golden.registers
        self.context.view(CONTEXT["R"], np.uint64, 31)[:] = [int(value) for value in registers["R"]]
        for name in ("V", "APKey"):
            count = REGISTERS[name].count
            values = [int(value) for value in registers[name]]
            table = self.context.view(CONTEXT[name], np.uint64, 2 * count).reshape(-1, 2)
            table[:] = [(value & _MASK64, value >> 64) for value in values]
        for name in _SINGLE:
            self._set(name, int(registers[name][0]))
        self._set("sp", int(registers[self._stack_pointer()][0]))
        self._set("executed", self.golden.executed)

    def lend_monitor(self) -> None:
        self.golden.set_monitor(self.monitor())

    def take_monitor(self) -> None:
        held = self.golden.monitor()
        self._set("monitor_size", held.size if held else 0)
        if held is None:
            return
        self._set("monitor_address", held.address)
        page = self.golden.space.page(held.address)
        assert page is not None
        host = ctypes.addressof(ctypes.c_char.from_buffer(page.buffer)) + page.offset
        offset, granule = held.address & PAGE_SIZE - 1, self.golden.controls.exclusives_granule
        self._set("monitor_page", host)
        self._set("monitor_first", offset // granule)
        self._set("monitor_last", (offset + held.size - 1) // granule)

    def monitor(self) -> MonitoredAccess | None:
        """What the monitors hold for this element."""
        size = self._get("monitor_size")
        return MonitoredAccess(self._get("monitor_address"), size) if size else None

    def set_monitor(self, held: MonitoredAccess | None) -> None:
        """Mark an access in the monitors, or clear them."""
        self.golden.set_monitor(held)
        self.take_monitor()

    def clear_exclusive(self) -> None:
        self._set("monitor_size", 0)
