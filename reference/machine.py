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

import mmap
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assay64.reference.bits import bits
from assay64.reference.engines.accesses import Chooser, Controls, ModelChooser
from assay64.reference.engines.golden import GoldenPE
from assay64.reference.memory import AddressSpace
from assay64.reference.models import Model, model
from assay64.reference.pseudocode.exceptions import ArchitecturalException
from assay64.reference.pseudocode.processor import REGISTERS

if TYPE_CHECKING:  # the native engine is loaded when a machine wants it
    from assay64.reference.engines.native.engine import NativePE, Statistics

DEFAULT_CODE_PAGES = 1024

# SCTLR_EL1 of a process under Linux: MMU and caches on, SP alignment checked at both levels, EL0 may use DC ZVA,
# CTR_EL0, WFE, WFI and cache maintenance, no strict alignment.
DEFAULT_SCTLR = 0x0405_D01D


@dataclass(frozen=True)
class Stop:
    """Why a run returned: ``until``, ``budget``, ``breakpoint``, ``stopped``, or ``exception`` with the exception."""

    reason: str
    exception: ArchitecturalException | None = None


class Machine:
    """One or several processing elements over shared memory.

    ``engine`` is ``native``, the compiled specification, or ``golden``, which executes it in Python, an instruction at
    a time. They give the same results. ``chooser`` decides where Arm permits several behaviours, under golden alone;
    the CPU model does unless one is given. ``code_pages`` bounds the native engine's memory: pages of 4 KiB of code
    that are kept decoded, 70 KiB each.
    """

    def __init__(
        self,
        cpu: str | Model = "cortex-a57",
        *,
        elements: int = 1,
        engine: Literal["native", "golden"] = "native",
        controls: Controls | None = None,
        chooser: Chooser | None = None,
        code_pages: int = DEFAULT_CODE_PAGES,
    ) -> None:
        if engine not in ("native", "golden"):
            raise ValueError(f"no engine is called {engine!r}: there are native and golden")
        if chooser is not None and engine == "native":
            raise ValueError("a chooser decides under the golden engine alone")
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
        self.native: list[NativePE] = []
        if engine == "native":
            from assay64.reference.engines.native.engine import NativePE, NativeSpace

            shared = NativeSpace(self.space)
            self.native = [NativePE(element, shared, code_pages) for element in self.elements]
        self.breakpoints = set[int]()
        self._stop = threading.Event()

    def map(self, address: int, size: int, permissions: str, buffer: memoryview | None = None, offset: int = 0) -> None:
        """Map ``size`` bytes (whole pages of 4 KiB) with ``permissions`` (letters of rwx), zeroed, or as a window on
        ``buffer``, which must be aligned to pages for the native engine.
        """
        if buffer is None:
            buffer = memoryview(mmap.mmap(-1, size))
        self.space.map(address, buffer, offset, size, permissions)

    def protect(self, address: int, size: int, permissions: str) -> None:
        """Change the permissions of mapped pages."""
        self.space.protect(address, size, permissions)

    def unmap(self, address: int, size: int) -> None:
        self.space.unmap(address, size)

    def read(self, address: int, size: int) -> bytes:
        """Bytes of mapped memory, whatever its permissions. KeyError where nothing is mapped."""
        return self.space.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        self.space.write(address, data)

    def get(self, register: str, index: int = 0, *, element: int = 0) -> int:
        """A register by its name in REGISTERS, or X (R, and 0 for number 31).

        UnknownDecision when its value is UNKNOWN.
        """
        if self.native:
            return self.native[element].read(register, index)
        return int(self.elements[element].read(register, bits(5, index)))

    def set(self, register: str, index: int, value: int, *, element: int = 0) -> None:
        """ValueError when the value does not fit."""
        width = 64 if register in ("X", "XSP") else REGISTERS[register].width
        given = bits(width, value)
        if self.native:
            self.native[element].write(register, index, int(given))
        else:
            self.elements[element].write(register, bits(5, index), given)

    def run(self, budget: int = 1 << 62, until: int | None = None, *, element: int = 0) -> Stop:
        """Execute until an exception, before the instruction at ``until`` or at a breakpoint, or for ``budget``
        instructions.

        A breakpoint at the first instruction stops at once: clear it, or step over it, to go on.
        """
        if self.native:
            return self._run_native(self.native[element], budget, until)
        pe = self.elements[element]
        while True:
            if pe.pc == until:
                return Stop("until")
            if pe.pc in self.breakpoints:
                return Stop("breakpoint")
            if budget <= 0:
                return Stop("budget")
            if self._stop.is_set():
                self._stop.clear()
                return Stop("stopped")
            try:
                pe.step()
            except ArchitecturalException as exception:
                return Stop("exception", exception)
            budget -= 1

    def _run_native(self, pe: NativePE, budget: int, until: int | None) -> Stop:
        breakpoints = frozenset(self.breakpoints if until is None else {*self.breakpoints, until})
        try:
            reason = pe.run(max(budget, 0), breakpoints)
        except ArchitecturalException as exception:
            return Stop("exception", exception)
        return Stop("until" if reason == "breakpoint" and pe.read("PC") == until else reason)

    def step(self, *, element: int = 0) -> Stop:
        """Execute one instruction, breakpoint or not: stop ``budget``, or the exception that it took."""
        try:
            (self.native or self.elements)[element].step()
        except ArchitecturalException as exception:
            return Stop("exception", exception)
        return Stop("budget")

    def stop(self) -> None:
        """From another thread: make a run return before its next instruction; with none in progress, the next run."""
        self._stop.set()
        for element in self.native:
            element.request_stop()

    def forget_stop(self) -> None:
        """Take back a request to stop that no run has seen."""
        self._stop.clear()

    def statistics(self, *, element: int = 0) -> Statistics:
        """What the native engine did. TypeError under golden."""
        if not self.native:
            raise TypeError("the golden engine keeps no statistics")
        return self.native[element].statistics()
