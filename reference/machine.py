"""Machine: the reference's public face. Memory, registers, run, step, breakpoints, snapshots, counters; docs/machine.md
shows each.

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
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assay64.reference.bits import bits
from assay64.reference.engines.accesses import Chooser, Controls, ModelChooser
from assay64.reference.engines.counts import Counts
from assay64.reference.engines.golden import GoldenPE
from assay64.reference.engines.sizes import TableSizes
from assay64.reference.engines.turns import Turns
from assay64.reference.engines.watching import WatchedRange
from assay64.reference.instruments import Instruments, OnAccess, OnException, OnInstruction
from assay64.reference.memory import AddressSpace
from assay64.reference.models import Model, model
from assay64.reference.pseudocode.exceptions import ArchitecturalException, Watchpoint
from assay64.reference.pseudocode.processor import REGISTERS
from assay64.reference.snapshots import Snapshot

if TYPE_CHECKING:  # the native engine is loaded when a machine wants it
    from assay64.reference.engines.native.engine import NativePE, Statistics
    from assay64.reference.engines.native.space import NativeSpace

# SCTLR_EL1 of a process under Linux: MMU and caches on, SP alignment checked at both levels, EL0 may use DC ZVA,
# CTR_EL0, WFE, WFI and cache maintenance, no strict alignment.
DEFAULT_SCTLR = 0x0405_D01D


@dataclass(frozen=True)
class Stop:
    """Why a run returned: ``until``, ``budget``, ``breakpoint``, ``stopped``, or, with the exception, ``watchpoint``
    and ``exception``.
    """

    reason: str
    exception: ArchitecturalException | None = None


class Machine:
    """One or several processing elements over shared memory.

    ``engine`` is ``native``, the compiled specification, or ``golden``, which executes it in Python, an instruction at
    a time. They give the same results. ``chooser`` decides where Arm permits several behaviours, under golden alone;
    the CPU model does unless one is given. ``sizes`` are those of each element's tables in the native engine.
    """

    def __init__(
        self,
        cpu: str | Model = "cortex-a57",
        *,
        elements: int = 1,
        engine: Literal["native", "golden"] = "native",
        controls: Controls | None = None,
        chooser: Chooser | None = None,
        sizes: TableSizes | None = None,
    ) -> None:
        if engine not in ("native", "golden"):
            raise ValueError(f"no engine is called {engine!r}: there are native and golden")
        if chooser is not None and engine == "native":
            raise ValueError("a chooser decides under the golden engine alone")
        if elements < 1:
            raise ValueError("a machine has at least one element")
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
            from assay64.reference.engines.native.engine import NativePE
            from assay64.reference.engines.native.space import NativeSpace

            sizes = sizes or TableSizes()
            self._native_space: NativeSpace = NativeSpace(self.space, sizes.logged_stores)
            self.native = [NativePE(element, self._native_space, sizes) for element in self.elements]
        self.breakpoints = set[int]()
        self.watchpoints = frozenset[WatchedRange]()
        self._turns = Turns()
        # The elements that were asked to stop; whether only the first of them is to.
        self._asked, self._ask_one = set[int](), False
        self._instruments = Instruments()
        self._last: Snapshot | None = None

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
        """Take whole pages away; what is not mapped stays so."""
        self.space.unmap(address, size)

    def read(self, address: int, size: int) -> bytes:
        """Bytes of mapped memory, whatever its permissions. KeyError where nothing is mapped."""
        return self.space.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        """Write mapped memory, code too, whatever its permissions. KeyError where nothing is mapped."""
        self.space.write(address, data)

    def get(self, register: str, index: int = 0, *, element: int = 0) -> int:
        """A register by its name in REGISTERS, or X (R, and 0 for number 31).

        UnknownDecision when its value is UNKNOWN.
        """
        self._check(register, index, element)
        if self.native:
            return self.native[element].read(register, index)
        return int(self.elements[element].read(register, bits(5, index)))

    def set(self, register: str, index: int, value: int, *, element: int = 0) -> None:
        """ValueError when the value does not fit."""
        self._check(register, index, element)
        width = 64 if register in ("X", "XSP") else REGISTERS[register].width
        given = bits(width, value)
        if self.native:
            self.native[element].write(register, index, int(given))
        else:
            self.elements[element].write(register, bits(5, index), given)

    def run(self, budget: int = 1 << 62, until: int | None = None, *, element: int = 0) -> Stop:
        """Execute until an exception, before the instruction at ``until`` or at a breakpoint, or for ``budget``
        instructions.

        A breakpoint at the first instruction stops at once: clear it, or step over it, to go on. Several threads may
        run an element each: they take turns. RuntimeError for an element that is being run.
        """
        self._check("PC", 0, element)
        with self._turns.of(element):
            while True:
                turn = min(budget, self._turn())
                stop = self._run(element, turn, until)
                budget -= turn
                if stop.reason != "budget" or budget <= 0:
                    break
                self._turns.pass_on(element)
        return self._noticed(stop, element)

    def _turn(self) -> int:
        """Instructions until other threads have their turn: some milliseconds."""
        if len(self.elements) == 1:
            return 1 << 62
        return 1 << 17 if self.native and not self._instruments.need_golden else 64

    def _run(self, element: int, budget: int, until: int | None) -> Stop:
        if not self.native:
            return self._run_golden(element, budget, until)
        if self._instruments.need_golden:
            with self.native[element].golden_state():
                return self._run_golden(element, budget, until)
        breakpoints = frozenset(self.breakpoints if until is None else {*self.breakpoints, until})
        pe = self.native[element]
        try:
            reason = pe.run(max(budget, 0), breakpoints)
        except ArchitecturalException as exception:
            return Stop("exception", exception)
        if reason == "stopped":
            self._stopped(element)
        return Stop("until" if reason == "breakpoint" and pe.read("PC") == until else reason)

    def _run_golden(self, element: int, budget: int, until: int | None) -> Stop:
        pe = self.elements[element]
        with self._instruments.listening(pe) as counter:
            stop = self._run_steps(pe, element, budget, until)
            if counter and stop.exception is None:
                counter.end(pe.pc)
        return stop

    def _run_steps(self, pe: GoldenPE, element: int, budget: int, until: int | None) -> Stop:
        while True:
            if pe.pc == until:
                return Stop("until")
            if pe.pc in self.breakpoints:
                return Stop("breakpoint")
            if budget <= 0:
                return Stop("budget")
            if element in self._asked:
                self._stopped(element)
                return Stop("stopped")
            try:
                pe.step()
            except ArchitecturalException as exception:
                return Stop("exception", exception)
            budget -= 1

    def step(self, *, element: int = 0) -> Stop:
        """Execute one instruction, breakpoint or not: stop ``budget``, or the exception or watchpoint that it met."""
        self._check("PC", 0, element)
        with self._turns.of(element):
            stop = self._step(element)
        return self._noticed(stop, element)

    def _step(self, element: int) -> Stop:
        try:
            if not self.native:
                self._step_golden(element)
            elif self._instruments.need_golden:
                with self.native[element].golden_state():
                    self._step_golden(element)
            else:
                self.native[element].step()
        except ArchitecturalException as exception:
            return Stop("exception", exception)
        return Stop("budget")

    def _step_golden(self, element: int) -> None:
        pe = self.elements[element]
        with self._instruments.listening(pe) as counter:
            pe.step()
            if counter:
                counter.end(pe.pc)

    def _noticed(self, stop: Stop, element: int) -> Stop:
        if stop.exception is None:
            return stop
        if isinstance(stop.exception, Watchpoint):
            return Stop("watchpoint", stop.exception)
        self._instruments.exception(element, stop.exception)
        return stop

    def _check(self, register: str, index: int, element: int) -> None:
        count = 32 if register in ("X", "XSP") else REGISTERS[register].count if register in REGISTERS else 0
        if not 0 <= index < count:
            known = f"X, XSP, {', '.join(REGISTERS)}"
            raise ValueError(f"{register}[{index}]: " + (f"there are {count}" if count else f"registers are {known}"))
        if not 0 <= element < len(self.elements):
            raise ValueError(f"element {element}: the machine has {len(self.elements)}")

    def run_interleaved(self, schedule: Iterable[tuple[int, int]]) -> tuple[int, Stop] | None:
        """Run elements by turns: pairs of an element and its budget, in order, so that the schedule alone decides how
        they meet in memory.

        Gives the element and its stop when one stops before its budget is spent; what remains of an iterator can be
        given again. None at the end of the schedule.
        """
        for element, budget in schedule:
            stop = self.run(budget, element=element)
            if stop.reason != "budget":
                return element, stop
        return None

    def stop(self) -> None:
        """From another thread: make every run in progress return before its next instruction; with none, the next."""
        running = self._turns.running
        self._ask_one = not running
        self._asked = set(running or range(len(self.elements)))
        for element in self._asked if self.native else ():
            self.native[element].request_stop()

    def forget_stop(self) -> None:
        """Take back a request to stop that no run has seen."""
        self._asked = set[int]()
        for element in self.native:
            element.forget_stop()

    def _stopped(self, element: int) -> None:
        if self._ask_one:
            self.forget_stop()
            return
        self._asked.discard(element)
        if self.native:
            self.native[element].forget_stop()

    def watch(self, address: int, size: int = 1, access: str = "w") -> None:
        """Stop before an instruction that reads (r), writes (w) or does either (rw) in ``size`` bytes from ``address``.

        It is stopped before anything has changed; the stop's exception is a Watchpoint. ``step`` stops too: ``unwatch``
        to go on. Pages with watchpoints are slower under the native engine, and instructions near them much slower.
        """
        self._set_watchpoints(self.watchpoints | {_watched(address, size, access)})

    def unwatch(self, address: int, size: int = 1, access: str = "w") -> None:
        """Take a watchpoint away. KeyError when there is none like it."""
        watched = _watched(address, size, access)
        if watched not in self.watchpoints:
            raise KeyError(f"no watchpoint at {address:#x} for {size} bytes, {access}")
        self._set_watchpoints(self.watchpoints - {watched})

    def _set_watchpoints(self, watchpoints: frozenset[WatchedRange]) -> None:
        self.watchpoints = watchpoints
        ordered = tuple(sorted(watchpoints, key=lambda one: (one.address, one.size, one.read, one.write)))
        for element in self.elements:
            element.watchpoints = ordered
        if self.native:
            self._native_space.watch([(one.address, one.size) for one in ordered])

    def hook(
        self,
        *,
        instruction: OnInstruction | None = None,
        access: OnAccess | None = None,
        exception: OnException | None = None,
    ) -> None:
        """Have functions called: of each instruction before it is executed (element, address, word), of each access
        (element, address, size in bytes, whether it writes), of each exception (element, exception). They replace those
        of an earlier call; without arguments there are none.

        While there are such of instructions or accesses, golden executes, under the native engine too. They must not
        run the machine.
        """
        instruments = self._instruments
        instruments.on_instruction, instruments.on_access, instruments.on_exception = instruction, access, exception

    def start_counting(self) -> None:
        """Count what is executed, from zero. A run is up to three times slower under the native engine."""
        self._instruments.start(self.elements, self.native)

    def stop_counting(self) -> None:
        """Count no more; the numbers are forgotten."""
        self._instruments.stop(self.native)

    def counts(self, *, element: int = 0) -> Counts:
        """What was executed since ``start_counting``. ValueError when nothing is counted."""
        self._check("PC", 0, element)
        return self._instruments.counts(element, self.native)

    def snapshot(self) -> Snapshot:
        """The state of the whole machine, for this machine or another of the model, under either engine."""
        for element in self.native:
            element.lend_all()
        self._last = Snapshot.of(self.elements, self.breakpoints, self.watchpoints, self._last)
        return self._last

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot. Memory that this machine still has is written in place; other is replaced by memory of
        its own. ValueError when the snapshot is of another model, other controls, or more or fewer elements.
        """
        snapshot.restore(self.elements, self.space)
        for element in self.native:
            element.take_all()
        self.breakpoints = set(snapshot.breakpoints)
        self._set_watchpoints(snapshot.watchpoints)

    def tables(self) -> dict[str, int]:
        """The memory of the native engine's tables in bytes, of all elements. It does not grow while a machine runs.
        TypeError under golden.
        """
        if not self.native:
            raise TypeError("the golden engine keeps no tables")
        found = Counter({"regions and watchpoints": self._native_space.bytes})
        for element in self.native:
            found.update(element.tables())
        return dict(found)

    def statistics(self, *, element: int = 0) -> Statistics:
        """What the native engine did. TypeError under golden."""
        if not self.native:
            raise TypeError("the golden engine keeps no statistics")
        return self.native[element].statistics()


def _watched(address: int, size: int, access: str) -> WatchedRange:
    if access not in ("r", "w", "rw") or not 0 < size <= 1 << 32 or not 0 <= address < 1 << 64:
        raise ValueError(f"a watchpoint is at an address of 64 bits, for r, w or rw: {address:#x}, {size}, {access!r}")
    return WatchedRange(address, size, "r" in access, "w" in access)
