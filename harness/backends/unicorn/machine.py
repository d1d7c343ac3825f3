"""One Unicorn machine at EL0 and how a run on it ends: the part that single runs and batches share.

It turns Unicorn's hooks, interrupt numbers and error codes into the exits of outcome.py, with the PC at Arm's preferred
return address. It knows no case and compares nothing.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any, NamedTuple

import numpy as np

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.unicorn import binding, internals, native_loop
from assay64.harness.backends.unicorn.mappings import Mappings
from assay64.harness.cases.case import Environment
from assay64.harness.cases.layout import new_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.reference import model

TRANSLATION_BUFFER_BYTES = 32 << 20

# SCTLR_EL1 (Arm ARM, section D19.2). M, C, I, SA, SA0 and the RES1 bits make no difference here; SA0, which would check
# the stack pointer, is among them because QEMU 5 never does. nTWI must be 1: Unicorn ends a run at `until` as if WFI
# stood there.
SCTLR_HONOURED = 1 << 9 | 1 << 14 | 1 << 15 | 1 << 26  # UMA, DZE, UCT, UCI
SCTLR_REQUIRED = 1 << 16 | 1 << 18  # nTWI, nTWE
# BT0 and BT1 say what happens on guarded pages, which Unicorn does not have.
SCTLR_WITHOUT_EFFECT = sum(1 << bit for bit in (0, 2, 3, 4, 5, 7, 8, 11, 12, 20, 22, 23, 28, 29, 35, 36))
SCTLR_PAUTH = 1 << 31 | 1 << 30 | 1 << 27 | 1 << 13  # EnIA, EnIB, EnDA, EnDB, with FEAT_PAuth
SCR_EL3_NS, SCR_EL3_RW, SCR_EL3_APK, SCR_EL3_API = 1 << 0, 1 << 10, 1 << 16, 1 << 17
HCR_EL2_RW, HCR_EL2_APK, HCR_EL2_API = 1 << 31, 1 << 40, 1 << 41
TCR_EL1_TBI0, TCR_EL1_TBI1 = 1 << 37, 1 << 38
# QEMU takes a TCR_EL1.TnSZ outside 16 to 39 for the nearer of the two.
PAUTH_ADDRESS_BITS = range(25, 49)
# With Unicorn's own TLB every 64-bit address can be mapped. QEMU's, which ignores the top byte, has the CPU's 44 bits.
ADDRESS_BITS_WITH_TOP_BYTE_IGNORED = 44

# PSTATE bits at EL0: NZCV and DAIF; BTYPE with FEAT_BTI, which MAX has even where it stands in for a model
# without it.
PSTATE_MASK, PSTATE_BTYPE = 0xF << 28 | 0xF << 6, 3 << 10

# QEMU's exception numbers (target/arm/cpu.h)
_UNDEFINED, _PREFETCH_ABORT, _DATA_ABORT = 1, 3, 4
_CALLS = {2: ExitKind.SVC, 7: ExitKind.BRK, 11: ExitKind.HVC, 13: ExitKind.SMC}
# The exception class of ESR_EL1 for a system register or instruction that EL1 traps. The classes for SVE and pointer
# authentication stand for features that are locked, so that their words are UNDEFINED.
_TRAPPED_SYSTEM_ACCESS = 0x18
_WFI = 0xD503_207F

_PC, _PSTATE = binding.field_offset("pc") // 8, binding.field_offset("pstate") // 8
_KEYS = slice(binding.field_offset("keys") // 8, binding.field_offset("keys") // 8 + 10)
_NEVER = 1  # no PC that Unicorn can reach: an unaligned one stops the run
_SCRATCH = 0x7000_0000
_ERET_TO_EL0 = (0xD518_401F, 0xD518_403E, 0xD69F_03E0, 0xD503_201F)  # msr spsr_el1, xzr; msr elr_el1, x30; eret; nop

_MEMORY_ACCESS = {
    binding.READ_UNMAPPED: (Access.READ, Fault.TRANSLATION),
    binding.WRITE_UNMAPPED: (Access.WRITE, Fault.TRANSLATION),
    binding.FETCH_UNMAPPED: (Access.FETCH, Fault.TRANSLATION),
    binding.READ_PROTECTED: (Access.READ, Fault.PERMISSION),
    binding.WRITE_PROTECTED: (Access.WRITE, Fault.PERMISSION),
    binding.FETCH_PROTECTED: (Access.FETCH, Fault.PERMISSION),
}
_BUDGET, _UNTIL, _STOPPED, _BREAKPOINT, _UNDEFINED_EXIT, _TRAP, _PC_ALIGNMENT, _WAIT = (
    Exit(kind=kind)
    for kind in (
        ExitKind.BUDGET,
        ExitKind.UNTIL,
        ExitKind.STOPPED,
        ExitKind.BREAKPOINT,
        ExitKind.UNDEFINED,
        ExitKind.TRAP,
        ExitKind.PC_ALIGNMENT,
        ExitKind.WAIT,
    )
)


class Ended(NamedTuple):
    """How a run ended, and how many instructions completed: one that took an exception is not counted."""

    exit: Exit
    executed: int


def check_system_control(environment: Environment) -> None:
    """Raise Unsupported for bits of SCTLR_EL1 that QEMU 5 does not have or does not obey at EL0."""
    sctlr = environment.sctlr_el1
    if missing := SCTLR_REQUIRED & ~sctlr:
        raise Unsupported(f"unicorn does not trap WFI and WFE: SCTLR_EL1 bits {missing:#x} must be set")
    known = SCTLR_HONOURED | SCTLR_REQUIRED | SCTLR_WITHOUT_EFFECT
    if unknown := sctlr & ~(known | (SCTLR_PAUTH if has_pointer_authentication(environment) else 0)):
        raise Unsupported(f"unicorn does not obey SCTLR_EL1 bits {unknown:#x}")


def has_pointer_authentication(environment: Environment) -> bool:
    """Whether the CPU model asks for FEAT_PAuth, which MAX keeps locked unless it is told otherwise."""
    if "FEAT_PAuth" not in model(environment.model).features:
        return False
    if environment.address_bits not in PAUTH_ADDRESS_BITS:
        raise Unsupported(f"unicorn has no pointer authentication for addresses of {environment.address_bits} bits")
    return True


class Machine:
    """An engine at EL0 with the control registers of ``environment``, its mappings and its one CPU."""

    def __init__(self, environment: Environment) -> None:
        check_system_control(environment)
        places = internals.places()
        has_btype = "FEAT_BTI" in model(environment.model).features
        self._pstate_mask = np.uint64(PSTATE_MASK | (PSTATE_BTYPE if has_btype else 0))
        self.has_pauth = has_pointer_authentication(environment)
        cpu_model = binding.CPU_MODELS.get(environment.model, binding.CPU_MODEL_MAX)
        self.engine = engine = binding.Engine(TRANSLATION_BUFFER_BYTES, cpu_model)
        self.mappings = Mappings(engine)
        self.registers = binding.RegisterFile(engine)
        self._keys = binding.PointerAuthenticationKeys(engine) if self.has_pauth else None
        self._given, self._found = self.registers.given.view("<u8"), self.registers.found.view("<u8")
        self.registers.found[:] = new_state().reshape(1).view(np.uint8)
        self.address_limit = 1 << (ADDRESS_BITS_WITH_TOP_BYTE_IGNORED if environment.top_byte_ignore else 64)
        self.pc = 0
        self.breakpoints: set[int] = set()
        self._stop_requested = False
        self._running = False
        self._interrupt = -1
        self._fault: tuple[int, int, int] | None = None
        self._events = ctypes.c_uint64()
        self._last_until = _NEVER
        self._exits_enabled = False
        self._executed = ctypes.c_uint64.from_address(engine.handle + places.executed)
        engine.hook(binding.HOOK_INTERRUPT, binding.InterruptCallback(self._on_interrupt))
        engine.hook(binding.HOOK_MEMORY_INVALID, binding.MemoryCallback(self._on_invalid_memory))
        self.loop = self._hook_new_blocks()
        self._enter_el0(environment)
        self._pristine = binding.Context(engine)
        self._pristine.save()
        self._snapshot = binding.Context(engine)
        self._syndrome = ctypes.c_uint32.from_address(self._snapshot.address + places.syndrome)
        self._fault_address = ctypes.c_uint64.from_address(self._snapshot.address + places.address)

    def _hook_new_blocks(self) -> native_loop.Loop | None:
        """Called for every block that is translated: natively where that can be had."""
        library = native_loop.library()
        if library is None:
            self.engine.hook(binding.HOOK_EDGE_GENERATED, binding.EdgeCallback(self._on_new_block))
            return None
        loop = native_loop.new_loop(self.engine, self._events)
        self.engine.hook(binding.HOOK_EDGE_GENERATED, library.loop_on_new_block, loop)
        return loop

    def prepare_loop(self) -> native_loop.Loop | None:
        """The native loop with all that it needs of this machine; None where it would not do."""
        loop = self.loop
        if loop is None or self._keys is not None or self.breakpoints or self._exits_enabled:
            return None
        registers = self.registers
        loop.register_count, loop.numbers, loop.given_places, loop.found_places = registers.places()
        loop.given, loop.found = int(registers.given.ctypes.data), int(registers.found.ctypes.data)
        loop.pristine, loop.executed = self._pristine.address, ctypes.addressof(self._executed)
        loop.pstate_mask = int(self._pstate_mask)
        return loop

    def go_on(self, pc: int, budget: int, until: int, error: int) -> Ended:
        """The rest of a run whose first start the native loop has made, with what that returned."""
        self.pc, self._last_until, self._stop_requested = pc, until, False
        return self._go_on(budget, until, error)

    def _enter_el0(self, environment: Environment) -> None:
        """The only way down is an ERET: writing PSTATE leaves the translator at EL1."""
        engine = self.engine
        sctlr = engine.read_system_register(3, 0, 1, 0, 0) & ~SCTLR_HONOURED
        honoured = SCTLR_HONOURED | (SCTLR_PAUTH if self.has_pauth else 0)
        engine.write_system_register(3, 0, 1, 0, 0, sctlr | SCTLR_REQUIRED | environment.sctlr_el1 & honoured)
        engine.write_system_register(3, 0, 1, 0, 2, environment.cpacr_el1)
        # Without it EL1 counts as AArch32, and syndromes and top bytes are treated so.
        unlocked = SCR_EL3_NS | SCR_EL3_APK | SCR_EL3_API if self.has_pauth else 0
        engine.write_system_register(3, 6, 1, 1, 0, SCR_EL3_RW | unlocked)
        if self.has_pauth:  # HCR_EL2 counts in the Non-secure state alone
            engine.write_system_register(3, 4, 1, 1, 0, HCR_EL2_RW | HCR_EL2_APK | HCR_EL2_API)
        tcr = TCR_EL1_TBI0 if environment.top_byte_ignore else 0
        if self.has_pauth:  # the place of the code in a pointer, for both halves of the address space
            size = 64 - environment.address_bits
            tcr |= size | size << 16 | (TCR_EL1_TBI1 if environment.top_byte_ignore else 0)
        engine.write_system_register(3, 0, 2, 0, 2, tcr)
        if not environment.top_byte_ignore:
            engine.control(binding.SET_TLB_TYPE, ctypes.c_int(binding.TLB_VIRTUAL))
        engine.write_system_register(3, 0, 14, 1, 0, environment.cntkctl_el1)
        scratch = HostMemory(self.mappings.page_size)
        scratch.bytes.view("<u4")[: len(_ERET_TO_EL0)] = _ERET_TO_EL0
        self.mappings.map(_SCRATCH, scratch.address, scratch.size, "rwx")
        engine.write_register(binding.REGISTER_X[30], _SCRATCH + 12)
        engine.check(engine.start(_SCRATCH, _SCRATCH + 16, 100))
        self.mappings.unmap(_SCRATCH, scratch.size)
        engine.write_register(binding.REGISTER_X[30], 0)
        if self._interrupt >= 0 or engine.read_register(binding.REGISTER_PSTATE) & 0xFFFF_FFFF:
            raise RuntimeError("unicorn: the CPU did not reach EL0")

    def _on_interrupt(self, _engine: int, number: int, _data: Any) -> None:
        self._events.value |= native_loop.HAPPENED
        if self._interrupt < 0:
            self._interrupt = number
        self.engine.stop()

    def _on_invalid_memory(self, _engine: int, kind: int, address: int, _size: int, _value: int, _data: Any) -> bool:
        # A store that crosses into a bad page goes on byte by byte: the first report is the lowest byte that faults.
        # Unicorn has put back the PC here, but lets some instructions (DC ZVA) run to their end afterwards: what counts
        # is the state now.
        self._events.value |= native_loop.HAPPENED
        if self._fault is None:
            self._fault = kind, address, self._executed.value
            self._snapshot.save()
        return False

    def _on_new_block(self, _engine: int, block: Any, _previous: Any, _data: Any) -> None:
        # QEMU 5 would run code at an unaligned PC.
        if block[0] & 3:
            self._events.value |= native_loop.UNALIGNED
            self.engine.stop()

    def load(self) -> None:
        """Load every register from ``registers.given``; the exclusive monitor opens, and no trace of a run is left."""
        given = self._given
        self.pc = int(given[_PC])
        given[_PSTATE] &= self._pstate_mask
        self._stop_requested = False
        self._pristine.restore()
        self.registers.write()
        if self._keys is not None:
            self._keys.write(self._given[_KEYS])

    def store(self) -> None:
        """Fill ``registers.found``; what this CPU does not have (the event register, locked PAC keys) is zero there."""
        self.registers.read()
        if self._keys is not None:
            self._found[_KEYS] = self._keys.read()
        self._found[_PC] = self.pc
        self._found[_PSTATE] &= self._pstate_mask

    def run(self, budget: int, until: int | None) -> Ended:
        """Run from ``pc``. Asked before each instruction: ``until``? budget spent? PC unaligned? a breakpoint?"""
        self._running = True
        try:
            return self._run(budget, until)
        finally:
            self._running = self._stop_requested = False

    def _run(self, budget: int, until: int | None) -> Ended:
        if self.pc == until:
            return Ended(_UNTIL, 0)
        if budget == 0:
            return Ended(_BUDGET, 0)
        if self.pc & 3:
            return Ended(_PC_ALIGNMENT, 0)
        if self.pc in self.breakpoints:
            return Ended(_BREAKPOINT, 0)
        self._prepare_exits(until)
        return self._go_on(budget, until, None)

    def _go_on(self, budget: int, until: int | None, error: int | None) -> Ended:
        """``error`` is what the first start returned, when it was made already."""
        executed = stuck = 0
        while not self._stop_requested:
            before = self.pc
            if error is None:
                self.forget_events()
                error = self.engine.start(self.pc, self._last_until, budget - executed)
            ended, error = self._started(error, budget - executed, until), None
            executed += ended.executed
            if ended.exit.kind is not ExitKind.NONE:
                return Ended(ended.exit, executed)
            stuck = stuck + 1 if ended.executed == 0 and self.pc == before else 0
            if stuck:
                # An empty translation is left where an earlier run ended in front of an unmapped page. Removing the
                # range does not reach it.
                self.engine.control(binding.FLUSH_CACHE)
            if stuck > 2:
                raise RuntimeError(
                    f"unicorn: it returns at {before:#x} without executing anything and without a reason"
                )
        return Ended(_STOPPED, executed)

    def _prepare_exits(self, until: int | None) -> None:
        """Translations have the addresses where they end a run built in: drop those that are made for other ones."""
        address = _NEVER if until is None else until
        if address != self._last_until:
            self.forget_translation(self._last_until)
            self.forget_translation(address)
            self._last_until = address
        if self.breakpoints:
            exits = (ctypes.c_uint64 * (len(self.breakpoints) + 1))(address, *self.breakpoints)
            self.engine.control(binding.USE_EXITS, ctypes.c_int(1))
            self.engine.control(binding.SET_EXITS, exits, ctypes.c_size_t(len(exits)))
            self._exits_enabled = True
        elif self._exits_enabled:
            self.engine.control(binding.USE_EXITS, ctypes.c_int(0))
            self._exits_enabled = False

    def forget_translation(self, address: int) -> None:
        """Forget every translation that holds the instruction at ``address`` or ends before it."""
        if address & 3 == 0:
            for start in (address - 4, address):
                if start >= 0:
                    self.engine.remove_cache(start, start + 4)

    def _started(self, error: int, budget: int, until: int | None) -> Ended:
        """What a start of the engine came to. Exit NONE: it stopped for a reason that is none of ours and can go on."""
        engine = self.engine
        if self._fault is not None:
            self._snapshot.restore()
        self.pc = engine.read_register(binding.REGISTER_PC)
        begun = self._executed.value
        if self._interrupt == _PREFETCH_ABORT:
            return self._abort(binding.FETCH_UNMAPPED, self.pc, begun, budget)
        if self._interrupt >= 0:
            return Ended(self._exception(), begun - 1)
        if self._fault is not None:
            kind, address, begun = self._fault
            return self._abort(kind, address, begun, budget)
        if error:
            engine.check(error)
        if self._events.value & native_loop.UNALIGNED:
            engine.remove_cache(self.pc, self.pc + 1)
            return Ended(_BUDGET if begun >= budget else _PC_ALIGNMENT, begun)
        return self._stopped(begun, budget, until)

    def forget_events(self) -> None:
        """What a hook told counts once: before the next start, whoever makes it."""
        self._interrupt, self._fault, self._events.value = -1, None, 0

    def _stopped(self, begun: int, budget: int, until: int | None) -> Ended:
        # Unicorn counts an instruction before it stops in front of it.
        executed = min(begun, budget)
        # WFI stops Unicorn without a word. (A branch over a WFI to `until` right behind it is taken for that WFI.)
        if 0 < begun <= budget and self._word(self.pc - 4) == _WFI:
            return Ended(_WAIT, executed)
        if self.pc == until:
            return Ended(_UNTIL, executed)
        if executed == budget:
            return Ended(_BUDGET, executed)
        if self.pc in self.breakpoints:
            return Ended(_BREAKPOINT, executed)
        return Ended(Exit(), executed)

    def _abort(self, kind: int, address: int, begun: int, budget: int) -> Ended:
        access, fault = _MEMORY_ACCESS[kind]
        if access is not Access.FETCH:
            if fault is Fault.TRANSLATION and self.mappings.find(address) is not None:
                fault = Fault.PERMISSION
            return Ended(Exit(kind=ExitKind.DATA_ABORT, access=access, fault=fault, address=address), begun - 1)
        if begun >= budget:
            return Ended(_BUDGET, begun)
        if self.pc & 3:
            return Ended(_PC_ALIGNMENT, begun)
        if fault is Fault.TRANSLATION and self.mappings.find(self.pc) is not None:
            fault = Fault.PERMISSION
        return Ended(Exit(kind=ExitKind.INSTRUCTION_ABORT, access=access, fault=fault, address=self.pc), begun)

    def _exception(self) -> Exit:
        self._snapshot.save()
        syndrome, number = self._syndrome.value, self._interrupt
        if number == _UNDEFINED:
            return _TRAP if syndrome >> 26 == _TRAPPED_SYSTEM_ACCESS else _UNDEFINED_EXIT
        if number in _CALLS:
            return Exit(kind=_CALLS[number], immediate=syndrome & 0xFFFF)
        if number == _DATA_ABORT:
            access = Access.WRITE if syndrome & 1 << 6 else Access.READ
            # What is not an alignment fault is an address beyond the CPU's: nothing is mapped there.
            fault = Fault.ALIGNMENT if syndrome & 0x3F == 0x21 else Fault.TRANSLATION
            return Exit(kind=ExitKind.DATA_ABORT, access=access, fault=fault, address=self._fault_address.value)
        raise RuntimeError(f"unicorn: exception {number} (syndrome {syndrome:#x}) at {self.pc:#x} is not known")

    def _word(self, address: int) -> int:
        """The instruction at ``address``, 0 where nothing is mapped."""
        mapping = self.mappings.find(address)
        if mapping is None:
            return 0
        return ctypes.c_uint32.from_address(mapping.host + address - mapping.address).value

    def stop(self) -> None:
        """From any thread: end the run in progress, or else the next one at once.

        Unicorn forgets what is asked before it starts, so it is asked until the run has ended.
        """
        self._stop_requested = True
        while self._running and self._stop_requested:
            self.engine.stop()
            time.sleep(0.0005)

    def close(self) -> None:
        if self.engine.handle:
            self._pristine.close()
            self._snapshot.close()
            self.engine.close()
