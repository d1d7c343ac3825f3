"""The contract's Instance over the runner program: one vCPU, run between two signals of Linux."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from assay64.harness.backends.base import OptionalActions
from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.runner import arena, instructions
from assay64.harness.backends.runner import batch as batches
from assay64.harness.backends.runner.code import Code
from assay64.harness.backends.runner.exits import Ending, exit_of
from assay64.harness.backends.runner.host import Host
from assay64.harness.backends.runner.process import MPROTECT, Runner
from assay64.harness.backends.runner.refusals import refusals
from assay64.harness.backends.runner.windows import PROT_WRITE, Window, Windows
from assay64.harness.cases.case import Environment
from assay64.harness.cases.layout import STATE_DTYPE, Batch, StateRecord, new_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.reference import model

# PSTATE bits that a signal frame sets and that Armv8.0 has at EL0, and those of features.
_NZCV = 0xF << 28
_PSTATE_BITS = {"FEAT_BTI": 3 << 10, "FEAT_SSBS": 1 << 12, "FEAT_DIT": 1 << 24}
MAX_RANGES = arena.RANGES[1] // 16


class RunnerInstance(OptionalActions):
    """One guest machine: a runner process of its own. Not there: steps and watchpoints, which need a debugger."""

    def __init__(self, runner: Runner, host: Host, environment: Environment) -> None:
        self.runner, self.host = runner, host
        self.windows = Windows(runner, host.page_size)
        self._refused = refusals(environment, host)
        self._code = Code(self.windows, host.calls, self._refused)
        self._reads_tpidrro = Code(self.windows, (), {"TPIDRRO_EL0 cannot be set at EL0": instructions.READS_TPIDRRO})
        features = model(environment.model).features & host.features
        self.pstate_mask = _NZCV | sum(bits for name, bits in _PSTATE_BITS.items() if name in features)
        self._state = new_state()
        self._breakpoints: set[int] = set()
        self._batches: batches.Machine | None = None
        self._running = self._stop_requested = False

    def map(
        self,
        address: int,
        memory: HostMemory,
        offset: int,
        size: int,
        permissions: str,
        *,
        device: bool = False,
        guarded: bool = False,
    ) -> None:
        if device:
            raise Unsupported("Linux gives its programs no Device memory")
        has_bti = "FEAT_BTI" in self.host.features
        self.windows.map(Window(address, size, memory, offset, permissions, guarded and has_bti))

    def protect(self, address: int, size: int, permissions: str) -> None:
        self.windows.protect(address, size, permissions)

    def unmap(self, address: int, size: int) -> None:
        self.windows.unmap(address, size)

    def set_state(self, vcpu: int, state: StateRecord) -> None:
        self._only(vcpu)
        self._state[...] = state
        self._state["pstate"] &= self.pstate_mask
        self._stop_requested = False

    def get_state(self, vcpu: int, state: StateRecord) -> None:
        self._only(vcpu)
        state[...] = self._state

    def run(self, vcpu: int, budget: int, until: int | None) -> Exit:
        self._only(vcpu)
        pc = int(self._state["pc"])
        if pc == until:
            return Exit(kind=ExitKind.UNTIL)
        if budget == 0:
            return Exit(kind=ExitKind.BUDGET)
        if pc in self._breakpoints:
            return Exit(kind=ExitKind.BREAKPOINT)
        if self._state["tpidrro_el0"]:
            self._reads_tpidrro.look()
        self._running = True
        try:
            if self._stop_requested:
                return Exit(kind=ExitKind.STOPPED)
            self._go(budget, until)
            return self._ended(until)
        finally:
            self._running = self._stop_requested = False

    def _go(self, budget: int, until: int | None) -> None:
        stale = self._code.plant([*self._breakpoints, *([] if until is None else [until])])
        try:
            self._tell_changed(stale)
            shared, control = self.runner.arena, self.runner.control
            shared.single_initial[...] = self._state
            single = arena.address(arena.SINGLE)
            control[arena.NEXT], control[arena.COUNT], control[arena.ROW_BYTES], control[arena.DATA_BYTES] = 0, 1, 0, 0
            control[arena.INITIAL : arena.INITIAL + 3] = (
                single,
                single + STATE_DTYPE.itemsize,
                single + arena.SINGLE_END,
            )
            control[arena.CHANGE], control[arena.LAST_CHANGE] = 0, 0
            self.runner.run_cases(budget, self._stop_when_asked)
        finally:
            self._code.restore()

    def _tell_changed(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Leave the ranges to the runner; an emulator that ignores IC IVAU forgets what becomes writable."""
        if len(ranges) > MAX_RANGES:
            ranges = [(window.address, window.end) for window in self.windows.executable()]
        first = arena.RANGES[0] // 8
        if self.host.remaps_code:
            for start, end in ranges:
                self._remap(start, end)
            ranges = ()
        self.runner.control[first : first + 2 * len(ranges)] = [bound for pair in ranges for bound in pair]
        self.runner.control[arena.RANGES_END] = arena.address(arena.RANGES) + 16 * len(ranges)

    def _remap(self, start: int, end: int) -> None:
        window, low = self.windows.find(start), start - start % self.host.page_size
        if window is not None:
            for protection in (window.protection | PROT_WRITE, window.protection):
                self.runner.call(MPROTECT, low, end - low, protection)

    def _stop_when_asked(self) -> None:
        if self._stop_requested:
            self.runner.stop(0)

    def _ended(self, until: int | None) -> Exit:
        shared, state = self.runner.arena, self._state
        for name in ("x", "sp", "pc", "pstate", "v", "fpcr", "fpsr", "tpidr_el0"):
            state[name] = shared.single_final[name]
        state["pstate"] &= self.pstate_mask
        end = shared.single_end
        pc = int(state["pc"])
        if pc == until:
            return Exit(kind=ExitKind.UNTIL)
        if pc in self._breakpoints:
            return Exit(kind=ExitKind.BREAKPOINT)
        if int(end["signal"]) == signal.SIGUSR1:
            return Exit(kind=ExitKind.STOPPED if self._stop_requested else ExitKind.BUDGET)
        ending = Ending(
            signal=int(end["signal"]),
            code=int(end["code"]),
            address=int(end["address"]),
            syndrome=int(end["syndrome"]) if end["has_syndrome"] else None,
            pc=pc,
            pstate=int(state["pstate"]),
            word=self._code.word(pc),
        )
        found = exit_of(ending, self.windows)
        if found.kind is ExitKind.SVC:
            state["pc"] = pc + 4
        return found

    def notify_code(self, address: int, size: int) -> None:
        self._code.notify(address, size)

    def set_breakpoint(self, address: int) -> None:
        self._breakpoints.add(address)

    def clear_breakpoint(self, address: int) -> None:
        self._breakpoints.discard(address)

    def stop(self, vcpu: int) -> None:
        self._only(vcpu)
        # The thread that runs looks at it every few milliseconds; a request before the run ends it at once.
        self._stop_requested = True

    def run_batch(self, batch: Batch, progress: HostMemory) -> None:
        if self._batches is None:
            self._batches = batches.Machine(
                runner=self.runner,
                windows=self.windows,
                pstate_mask=self.pstate_mask,
                remaps_code=self.host.remaps_code,
                calls=self.host.calls,
                refused=[pattern for patterns in self._refused.values() for pattern in patterns],
            )
        batches.run(self._batches, batch, progress)

    def close(self) -> None:
        self.runner.close()

    def _only(self, vcpu: int) -> None:
        if vcpu != 0:
            raise Unsupported(f"the runner has one vCPU; the case asks for vCPU {vcpu}")
