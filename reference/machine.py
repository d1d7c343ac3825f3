"""Machine: the reference's public face. Memory, registers, run, step, breakpoints.

>>> machine = Machine("cortex-a57")
>>> machine.map(0x1000, 0x1000, "rx")
>>> machine.write(0x1000, bytes.fromhex("200002ab"))   # adds x0, x1, x2
>>> machine.set("X", 1, (1 << 64) - 1); machine.set("X", 2, 1); machine.set("PC", 0, 0x1000)
>>> machine.run(until=0x1004).reason
'until'
>>> machine.get("X", 0), machine.get("PSTATE.Z"), machine.get("PSTATE.C")
(0, 1, 1)
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from assay64.reference.bits import bits
from assay64.reference.engines.accesses import Chooser, Controls, ModelChooser
from assay64.reference.engines.golden import GoldenPE
from assay64.reference.memory import AddressSpace
from assay64.reference.models import Model, model
from assay64.reference.pseudocode.exceptions import ArchitecturalException
from assay64.reference.pseudocode.processor import REGISTERS

# SCTLR_EL1 of a process under Linux: MMU and caches on, SP alignment checked at both levels, EL0 may use DC ZVA,
# CTR_EL0, WFE, WFI and cache maintenance, no strict alignment.
DEFAULT_SCTLR = 0x0405_D01D


@dataclass(frozen=True)
class Stop:
    """Why a run returned: ``until``, ``budget``, ``breakpoint``, ``stopped``, or ``exception`` with the exception."""

    reason: str
    exception: ArchitecturalException | None = None


class Machine:
    """One or several processing elements over shared memory, executed by the golden engine.

    ``chooser`` decides where Arm permits several behaviours; the CPU model does unless one is given.
    """

    def __init__(
        self,
        cpu: str | Model = "cortex-a57",
        *,
        elements: int = 1,
        controls: Controls | None = None,
        chooser: Chooser | None = None,
    ) -> None:
        chosen = model(cpu) if isinstance(cpu, str) else cpu
        self.space = AddressSpace()
        controls = controls or Controls(SCTLR_EL1=DEFAULT_SCTLR)
        chooser = chooser or ModelChooser(chosen)
        self.elements = [
            GoldenPE(space=self.space, model=chosen, controls=controls, chooser=chooser, number=number)
            for number in range(elements)
        ]
        for element in self.elements:
            element.observers = self.elements
        self.breakpoints = set[int]()
        self._stop = threading.Event()

    def map(self, address: int, size: int, permissions: str, buffer: memoryview | None = None, offset: int = 0) -> None:
        """Map ``size`` bytes (whole pages of 4 KiB) with ``permissions`` (letters of rwx), zeroed, or as a window on
        ``buffer``.
        """
        self.space.map(address, memoryview(bytearray(size)) if buffer is None else buffer, offset, size, permissions)

    def read(self, address: int, size: int) -> bytes:
        """Bytes of mapped memory, whatever its permissions. KeyError where nothing is mapped."""
        return self.space.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        self.space.write(address, data)

    def get(self, register: str, index: int = 0, *, element: int = 0) -> int:
        """A register by its name in REGISTERS, or X (R, and 0 for number 31).

        UnknownDecision when its value is UNKNOWN.
        """
        return int(self.elements[element].read(register, bits(5, index)))

    def set(self, register: str, index: int, value: int, *, element: int = 0) -> None:
        """ValueError when the value does not fit."""
        width = 64 if register in ("X", "XSP") else REGISTERS[register].width
        self.elements[element].write(register, bits(5, index), bits(width, value))

    def run(self, budget: int = 1 << 62, until: int | None = None, *, element: int = 0) -> Stop:
        """Execute until an exception, before the instruction at ``until`` or at a breakpoint, or for ``budget``
        instructions.

        A breakpoint at the first instruction stops at once: clear it, or step over it, to go on.
        """
        pe = self.elements[element]
        self._stop.clear()
        while True:
            if pe.pc == until:
                return Stop("until")
            if pe.pc in self.breakpoints:
                return Stop("breakpoint")
            if budget <= 0:
                return Stop("budget")
            if self._stop.is_set():
                return Stop("stopped")
            try:
                pe.step()
            except ArchitecturalException as exception:
                return Stop("exception", exception)
            budget -= 1

    def step(self, *, element: int = 0) -> Stop:
        """Execute one instruction, breakpoint or not: stop ``budget``, or the exception that it took."""
        try:
            self.elements[element].step()
        except ArchitecturalException as exception:
            return Stop("exception", exception)
        return Stop("budget")

    def stop(self) -> None:
        """From another thread: make a run return before its next instruction."""
        self._stop.set()
