"""The contract's Instance over an Icicle virtual machine: one vCPU at EL0.

Icicle's Python interface reaches 64 bits of a register, so the upper halves of vector registers go through a few loads
and stores that the guest executes at an address where no case has memory. Making a virtual machine compiles the SLEIGH
description, a quarter of a second: closed instances hand theirs on.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from assay64.harness.backends.base import OptionalActions
from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.icicle.binding import icicle
from assay64.harness.backends.icicle.memory import GuestMemory
from assay64.harness.cases.case import Environment
from assay64.harness.cases.layout import StateRecord, new_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault

# Not canonical, so that no case can have memory there: code that loads and stores all V registers, and their values.
HELPER_CODE, HELPER_DATA = 0x5A64_0000_0000_0000, 0x5A64_0000_0001_0000
HELPER_BUDGET = 1000
# ldp q.., q.., [x0, #..] and stp
LOADS = tuple(0xAD40_0000 | first << 15 | first + 1 << 10 | first for first in range(0, 32, 2))
STORES = tuple(0xAD00_0000 | first << 15 | first + 1 << 10 | first for first in range(0, 32, 2))
NOP = 0xD503_201F
BRK_MASK, BRK = 0xFFE0_001F, 0xD420_0000
FLAGS = ("OV", "CY", "ZR", "NG")
SYSTEM = ("fpcr", "fpsr", "tpidr_el0", "tpidrro_el0")

_Code = icicle.ExceptionCode
# By number: icicle's enumerations cannot be hashed.
_ABORTS = {
    int(_Code.ReadUnmapped): (Access.READ, Fault.TRANSLATION),
    int(_Code.ReadPerm): (Access.READ, Fault.PERMISSION),
    int(_Code.ReadUnaligned): (Access.READ, Fault.ALIGNMENT),
    int(_Code.WriteUnmapped): (Access.WRITE, Fault.TRANSLATION),
    int(_Code.WritePerm): (Access.WRITE, Fault.PERMISSION),
    int(_Code.WriteUnaligned): (Access.WRITE, Fault.ALIGNMENT),
}
# Icicle never gives up what it has compiled while its virtual machine lives, and takes two mappings for each piece of
# it, of which Linux allows a process 65,530. A case takes some tenth of one, a long one several.
MAX_RESETS = 8_000
# A virtual machine may only be used in the thread that made it.
_spare = threading.local()


def _virtual_machine() -> tuple[Any, int]:
    """A virtual machine, and how often it was reset."""
    return spare.pop() if (spare := _spare_machines()) else (icicle.Icicle("aarch64"), 0)


def _spare_machines() -> list[tuple[Any, int]]:
    if not hasattr(_spare, "machines"):
        _spare.machines = list[tuple[Any, int]]()
    return _spare.machines


class IcicleInstance(OptionalActions):
    """One guest machine. Icicle has no watchpoints and no request to stop in its Python interface."""

    def __init__(self, environment: Environment) -> None:
        self._vm, self._resets = _virtual_machine()
        self._memory = GuestMemory(self._vm)
        self._environment = environment
        self._breakpoints: set[int] = set()
        self._state: StateRecord = new_state()
        self._loaded = False  # whether the virtual machine holds the state, and not _state
        for end in _helper_ends():
            # Code with a breakpoint is interpreted, which spares compiling it after every reset.
            self._vm.add_breakpoint(end)

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
        if device or guarded:
            raise Unsupported(f"icicle runs without an MMU: there are no {'Device' if device else 'guarded'} pages")
        self._memory.map(address, memory, offset, size, permissions)

    def protect(self, address: int, size: int, permissions: str) -> None:
        self._memory.protect(address, size, permissions)

    def unmap(self, address: int, size: int) -> None:
        self._memory.unmap(address, size)

    def set_state(self, vcpu: int, state: StateRecord) -> None:
        self._only(vcpu)
        self._state[...] = state
        # PSTATE but for the flags, the PAC keys and the event register do not exist.
        self._state["pstate"] &= 0xF << 28
        self._state["keys"] = 0
        self._state["event_register"] = 0
        self._loaded = False

    def get_state(self, vcpu: int, state: StateRecord) -> None:
        self._only(vcpu)
        if self._loaded:
            self._store()
        state[...] = self._state

    def run(self, vcpu: int, budget: int, until: int | None) -> Exit:
        self._only(vcpu)
        self._make_ready()
        vm, pc = self._vm, self._vm.pc
        if pc == until:
            return Exit(kind=ExitKind.UNTIL)
        if pc % 4:
            return Exit(kind=ExitKind.PC_ALIGNMENT)
        if pc in self._breakpoints:
            return Exit(kind=ExitKind.BREAKPOINT)
        # Assigning the PC makes it begin with a whole instruction, where an abort had left one in its middle.
        vm.pc, vm.icount, vm.icount_limit = pc, 0, budget
        added = until is not None and vm.add_breakpoint(until)
        status = vm.run()
        if added:
            vm.remove_breakpoint(until)
        self._memory.pull()
        return self._exit(status, until)

    def step(self, vcpu: int) -> Exit:
        result = self.run(vcpu, 1, None)
        return Exit(kind=ExitKind.STEP) if result.kind is ExitKind.BUDGET else result

    def notify_code(self, address: int, size: int) -> None:
        self._memory.stale = True

    def set_breakpoint(self, address: int) -> None:
        self._breakpoints.add(address)
        self._vm.add_breakpoint(address)

    def clear_breakpoint(self, address: int) -> None:
        self._breakpoints.discard(address)
        self._vm.remove_breakpoint(address)

    def close(self) -> None:
        for address in self._breakpoints:
            self._vm.remove_breakpoint(address)
        self._breakpoints.clear()
        _spare_machines().append((self._vm, self._resets))
        del self._vm, self._memory

    def _exit(self, status: Any, until: int | None) -> Exit:
        vm, pc = self._vm, self._vm.pc
        if pc == until:
            # Whatever it found there, as it translates ahead: nothing at that address is to be executed.
            return Exit(kind=ExitKind.UNTIL)
        if status == icicle.RunStatus.InstructionLimit:
            return Exit(kind=ExitKind.BUDGET)
        if status == icicle.RunStatus.Breakpoint:
            return Exit(kind=ExitKind.BREAKPOINT)
        if status != icicle.RunStatus.UnhandledException:
            raise RuntimeError(f"icicle stopped with {status} at {pc:#x}")
        code, value = vm.exception_code, vm.exception_value
        if int(code) in _ABORTS:
            access, fault = _ABORTS[int(code)]
            return Exit(kind=ExitKind.DATA_ABORT, access=access, fault=fault, address=value)
        if code == _Code.Syscall:
            vm.pc = pc + 4
            return Exit(kind=ExitKind.SVC, immediate=value)
        if code == _Code.DivisionException:
            return Exit(kind=ExitKind.TRAP)
        if code in (_Code.UnimplementedOp, _Code.InvalidInstruction, _Code.InvalidOpSize, _Code.InvalidFloatSize):
            word = self._memory.word(pc)
            # It stops at BRK as at any operation that it leaves to its user.
            if word & BRK_MASK == BRK:
                return Exit(kind=ExitKind.BRK, immediate=word >> 5 & 0xFFFF)
            return Exit(kind=ExitKind.DECLINED)
        if code == _Code.ExecViolation:
            fault = Fault.PERMISSION if self._memory.find(pc) else Fault.TRANSLATION
            return Exit(kind=ExitKind.INSTRUCTION_ABORT, access=Access.FETCH, fault=fault, address=pc)
        if code == _Code.ExecUnaligned:
            return Exit(kind=ExitKind.PC_ALIGNMENT)
        if code == _Code.SelfModifyingCode:
            return self._write_to_code(value)
        if code == _Code.JitError:
            # Its compiler never gives back what it has mapped: after ten thousands of pieces of code Linux has no more.
            raise MemoryError(f"icicle could not compile the code at {pc:#x}")
        raise RuntimeError(f"icicle stopped with {code} ({value:#x}) at {pc:#x}")

    def _write_to_code(self, address: int) -> Exit:
        """A store to code that was executed: icicle reports that before it looks at permissions."""
        window = self._memory.find(address)
        if window is None or "w" in window.permissions:
            raise Unsupported(f"icicle executes no store into code that it has translated ({address:#x})")
        return Exit(kind=ExitKind.DATA_ABORT, access=Access.WRITE, fault=Fault.PERMISSION, address=address)

    def _make_ready(self) -> None:
        """Bring memory and registers up to date."""
        self._memory.push()
        if self._memory.stale:
            if self._loaded:
                self._store()
            self._reset()
            self._memory.rebuild()
            self._map_helper()
            self._loaded = False
        if not self._loaded:
            self._load()

    def _reset(self) -> None:
        self._resets += 1
        if self._resets < MAX_RESETS:
            self._vm.reset()
            return
        self._vm, self._resets = icicle.Icicle("aarch64"), 0
        self._memory.move_to(self._vm)
        for address in (*_helper_ends(), *self._breakpoints):
            self._vm.add_breakpoint(address)

    def _map_helper(self) -> None:
        vm = self._vm
        vm.mem_map(HELPER_CODE, 0x1000, icicle.MemoryProtection.ExecuteRead)
        vm.mem_map(HELPER_DATA, 0x1000, icicle.MemoryProtection.ReadWrite)
        vm.mem_write(HELPER_CODE, np.array((*LOADS, NOP, 0, *STORES, NOP), "<u4").tobytes())

    def _load(self) -> None:
        vm, state = self._vm, self._state
        vectors = state["v"]
        if vectors[:, 1].any():
            vm.mem_write(HELPER_DATA, vectors.tobytes())
            self._help(0)
        else:
            for index, low in enumerate(vectors[:, 0].tolist()):
                vm.reg_write(f"q{index}", low)
        for index, value in enumerate(state["x"].tolist()):
            vm.reg_write(f"x{index}", value)
        vm.sp = int(state["sp"])
        for name in SYSTEM:
            vm.reg_write(name, int(state[name]))
        vm.reg_write("nzcv", int(state["pstate"]))
        for bit, flag in enumerate(FLAGS, 28):
            vm.reg_write(flag, int(state["pstate"]) >> bit & 1)
        environment = self._environment
        line = _log2_words(environment.cache_line_size)
        granule = _log2_words(environment.exclusives_granule)
        # As Dynarmic's adapter and the reference have it: DIC and IDC zero, PIPT, one size of line.
        vm.reg_write("ctr_el0", 0x8000_C000 | line << 24 | granule << 20 | line << 16 | line)
        vm.reg_write("dczid_el0", _log2_words(environment.dc_zva_size))
        vm.pc = int(state["pc"])
        self._loaded = True

    def _store(self) -> None:
        vm, state = self._vm, self._state
        state["pc"] = vm.pc
        state["x"] = [vm.reg_read(f"x{index}") for index in range(31)]
        state["sp"] = vm.sp
        for name in SYSTEM:
            state[name] = vm.reg_read(name)
        state["pstate"] = sum((vm.reg_read(flag) & 1) << bit for bit, flag in enumerate(FLAGS, 28))
        self._help(1)
        state["v"] = np.frombuffer(vm.mem_read(HELPER_DATA, 512), "<u8").reshape(32, 2)
        vm.reg_write("x0", int(state["x"][0]))
        vm.pc = int(state["pc"])

    def _help(self, which: int) -> None:
        """Execute the loads (0) or stores (1) of all V registers; X0 and PC are lost."""
        vm, end = self._vm, _helper_ends()[which]
        vm.reg_write("x0", HELPER_DATA)
        vm.pc, vm.icount, vm.icount_limit = end - 4 * len(LOADS), 0, HELPER_BUDGET
        status = vm.run()
        # Some runs in 10,000 miss the breakpoint; then the word behind the NOP, which is no instruction, ends them.
        if vm.pc not in (end, end + 4):
            raise RuntimeError(f"icicle cannot move the vector registers: {status}, {vm.exception_code} at {vm.pc:#x}")

    def _only(self, vcpu: int) -> None:
        if vcpu != 0:
            raise Unsupported(f"icicle has one vCPU; the case asks for vCPU {vcpu}")


def _helper_ends() -> tuple[int, int]:
    first = HELPER_CODE + 4 * len(LOADS)
    return first, first + 8 + 4 * len(STORES)


def _log2_words(size_bytes: int) -> int:
    return size_bytes.bit_length() - 3
