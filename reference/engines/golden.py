"""The golden engine: one processing element that executes the specification on Python integers, an instruction at a
time.

It is the judge of the faster engines, so it does nothing clever. Where Arm permits several behaviours it asks a
``Chooser``: one that takes the model's behaviour, or one that enumerates them all (outcomes.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from assay64.reference.bits import Bits, Constant, Unknown, UnknownDecision, bits
from assay64.reference.encoding import Decoded, decode
from assay64.reference.engines.accesses import MASK64, MemoryAccesses
from assay64.reference.engines.footprint import footprint
from assay64.reference.models import Model
from assay64.reference.pseudocode.branches import branch_target_accepts
from assay64.reference.pseudocode.exceptions import (
    ArchitecturalException,
    BranchTargetException,
    DataAbort,
    EndOfInstruction,
    FaultKind,
    IllegalState,
    InstructionAbort,
    PCAlignmentFault,
    SoftwareBreakpoint,
    SPAlignmentFault,
    SupervisorCall,
    SystemAccessTrap,
    Undefined,
    Wait,
    Watchpoint,
)
from assay64.reference.pseudocode.processor import REGISTERS, BranchType, Constraint, executing
from assay64.reference.pseudocode.unpredictable import PERMITTED

_ZERO, _BTYPE_NONE = Constant(64, 0), Constant(2, 0)
# After these SPSR shows PSTATE.BTYPE for certain (AArch64.TakeException).
_SAVES_BTYPE = (PCAlignmentFault, InstructionAbort, IllegalState, SoftwareBreakpoint, BranchTargetException)
COUNTER_FREQUENCY_HZ = 1_000_000_000


@dataclass(kw_only=True)
class GoldenPE(MemoryAccesses):
    """One processing element: registers, decoding and the course of an instruction."""

    model: Model
    observers: list[GoldenPE] = field(default_factory=list["GoldenPE"])
    registers: dict[str, list[Bits]] = field(
        default_factory=lambda: {r.name: [Constant(r.width, 0)] * r.count for r in REGISTERS.values()}
    )
    executed: int = 0
    # Told of each instruction that is about to be executed: its address and its word.
    on_instruction: Callable[[int, int], None] | None = None
    _next: Bits | None = None
    _destinations_unknown: bool = False
    _base_unknown: bool = False
    _btype_next: Bits = _BTYPE_NONE
    # What the instruction in progress chose, in order.
    _chosen: list[Constraint] = field(default_factory=list[Constraint])

    # --- registers

    def _stack_pointer(self) -> str:
        registers = self.registers
        return "SP_EL1" if int(registers["PSTATE.EL"][0]) and int(registers["PSTATE.SP"][0]) else "SP_EL0"

    def read(self, register: str, index: Bits | None) -> Bits:
        if register == "X":
            number = int(index)  # type: ignore[arg-type]  # X and XSP always have an index
            return _ZERO if number == 31 else self.registers["R"][number]
        if register == "XSP":
            number = int(index)  # type: ignore[arg-type]  # as above
            return self.registers[self._stack_pointer()][0] if number == 31 else self.registers["R"][number]
        return self.registers[register][0 if index is None else int(index)]

    def write(self, register: str, index: Bits | None, value: Bits) -> None:
        number = 0 if index is None else int(index)
        if register in ("X", "XSP"):
            if number == 31:
                if register == "X":
                    return
                register, number = self._stack_pointer(), 0
            else:
                register = "R"
        if self._destinations_unknown:
            value = self.unknown(value.width)
        self.registers[register][number] = value

    def check_fp_enabled(self) -> None:
        fpen = self.controls.CPACR_EL1 >> 20 & 3
        if fpen != 3 and (fpen != 1 or not int(self.registers["PSTATE.EL"][0])):
            raise SystemAccessTrap(0x07)

    def check_system_access(self, control: str, mask: int) -> None:
        if not int(self.registers["PSTATE.EL"][0]) and not getattr(self.controls, control) & mask:
            raise SystemAccessTrap(0x18)

    def read_implementation(self, register: str) -> Bits:
        """Registers that say what the implementation is like, and counters, whose value no two engines share."""
        controls = self.controls
        line, granule = controls.cache_line_size.bit_length() - 3, controls.exclusives_granule.bit_length() - 3
        match register:
            case "CTR_EL0":  # lines and granules as powers of two words; the instruction cache is PIPT
                return bits(64, 1 << 31 | line << 24 | granule << 20 | line << 16 | 3 << 14 | line)
            case "DCZID_EL0":
                prohibited = not int(self.registers["PSTATE.EL"][0]) and not controls.SCTLR_EL1 >> 14 & 1
                return bits(64, prohibited << 4 | controls.dc_zva_size.bit_length() - 3)
            case "CNTFRQ_EL0":  # what the firmware has put there
                return Unknown(64, 0, 0xFFFF_FFFF) if self.chooser.keeps_unknown else bits(64, COUNTER_FREQUENCY_HZ)
            case "PMUSERENR_EL0":
                return bits(64, controls.PMUSERENR_EL0)
            case _:  # a counter: it counts instructions here
                return self.unknown(64) if self.chooser.keeps_unknown else bits(64, self.executed)

    def check_sp_alignment(self, base: Bits) -> None:
        if int(base) != 31:
            return
        enabled = self.controls.SCTLR_EL1 >> (3 if int(self.registers["PSTATE.EL"][0]) else 4) & 1
        if enabled and int(self.registers[self._stack_pointer()][0]) & 15:
            raise SPAlignmentFault

    def control_register(self, name: str) -> Bits:
        controls = self.controls
        if name == "SCTLR_EL1":
            return bits(64, controls.SCTLR_EL1)
        size = 64 - controls.address_bits
        return bits(64, size | size << 16 | (3 << 37 if controls.top_byte_ignore else 0))

    # --- pointer authentication by an IMPLEMENTATION DEFINED algorithm

    def implementation_defined(self, value: Bits) -> Bits:
        """``value`` is this model's. A program that knows no model finds it UNKNOWN, but the same for equal inputs."""
        known = value.value if isinstance(value, Constant | Unknown) else int(value)
        return Unknown(value.width, known, (1 << value.width) - 1) if self.chooser.keeps_unknown else value

    def authenticates(self, pac: Bits, expected: Bits, field: Bits) -> Bits:
        """Whether a pointer has the expected code in ``field``.

        An UNKNOWN one that was made of the same is right; any other is right by chance.
        """
        if not isinstance(pac, Unknown) and not isinstance(expected, Unknown):
            return pac == expected
        made_here = (
            isinstance(pac, Unknown)
            and isinstance(expected, Unknown)
            and isinstance(field, Constant)
            and pac.unknown == field.value
            and pac.value == expected.value
        )
        return bits(1, made_here or self._choose("PAC_COLLISION") is Constraint.TRUE)

    # --- control flow

    def branch(self, target: Bits, branch_type: BranchType) -> None:
        self._next = target if isinstance(target, Unknown) else bits(64, self.untagged(int(target)))

    def in_guarded_page(self) -> Bits:
        page = self.space.page(self.pc)
        return bits(1, int(page is not None and page.guarded))

    def set_btype_next(self, value: Bits) -> None:
        if self.has_feature("FEAT_BTI"):
            self._btype_next = value

    def barrier(self, kind: str, option: Bits) -> None:
        pass  # one element executes in program order, and golden interleaves whole instructions

    def wait(self, kind: str, trapped: Bits) -> None:
        if self._choose("WAIT") is Constraint.TRUE:
            raise SystemAccessTrap(0x01) if trapped else Wait(kind)

    def send_event(self) -> None:
        for observer in self.observers:
            observer.registers["EventRegister"][0] = bits(1, 1)

    # --- choices

    def has_feature(self, feature: str) -> bool:
        return feature in self.model.features

    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint:
        constraint = self.chooser.choose(name, constraints)
        self._chosen.append(constraint)
        self._base_unknown |= (name, constraint) == ("WBOVERLAPLD", Constraint.UNKNOWN)
        return constraint

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return function(*arguments, **named)

    # --- execution

    @property
    def pc(self) -> int:
        return int(self.registers["PC"][0])

    def step(self) -> None:
        """Execute one instruction. Raises an ArchitecturalException with the PC at Arm's preferred return address."""
        if self.watchpoints:
            self._step_watched()
        else:
            self._step()

    def _step_watched(self) -> None:
        """An instruction that meets a watchpoint leaves everything as it was."""
        registers = {name: list(values) for name, values in self.registers.items()}
        monitor = self.reservation, self.monitor_unknown, dict(self.space.reservations)
        unknown = set(self.space.unknown), self.all_memory_unknown
        self.overwritten.clear()
        try:
            self._step()
        except Watchpoint:
            for address, data in reversed(self.overwritten):
                self.space.write(address, data)
            self.registers.update(registers)
            self.reservation, self.monitor_unknown, self.space.reservations = monitor
            self.space.unknown, self.all_memory_unknown = unknown
            raise

    def _step(self) -> None:
        pc = self.registers["PC"][0]
        if isinstance(pc, Unknown):
            raise UnknownDecision("the PC is UNKNOWN")
        if (address := self.untagged(int(pc))) != int(pc):
            self.registers["PC"][0] = bits(64, address)  # as after a branch
        self._next, self._btype_next = None, _BTYPE_NONE
        try:
            word = self._fetch(address)
            if int(self.registers["PSTATE.IL"][0]):
                raise IllegalState
            if self.has_feature("FEAT_BTI"):
                self._check_branch_target(word)
            if self.on_instruction:
                self.on_instruction(address, word)
            with executing(self):
                self._execute(word)
        except EndOfInstruction:
            pass
        except ArchitecturalException as exception:
            if isinstance(exception, SupervisorCall | Wait):
                self.registers["PC"][0] = bits(64, address + 4 & MASK64)
            self._save_btype(exception)
            raise
        self.executed += 1
        if self.has_feature("FEAT_BTI"):
            self.registers["PSTATE.BTYPE"][0] = self._btype_next
        self.registers["PC"][0] = bits(64, address + 4 & MASK64) if self._next is None else self._next

    def _fetch(self, address: int) -> int:
        if address % 4:
            raise PCAlignmentFault
        page = self.space.page(address)
        if page is None:
            raise InstructionAbort(bits(64, address), FaultKind.TRANSLATION)
        if not page.execute or (page.device and self._choose("INSTRDEVICE") is Constraint.FAULT):
            raise InstructionAbort(bits(64, address), FaultKind.PERMISSION)
        return int.from_bytes(self.space.read(address, 4), "little")

    def _check_branch_target(self, word: int) -> None:
        btype = int(self.registers["PSTATE.BTYPE"][0])
        if not btype or not int(self.in_guarded_page()):
            return
        low = 36 if int(self.registers["PSTATE.EL"][0]) else 35  # SCTLR_EL1.BT1, BT0
        accepts_all = not self.controls.SCTLR_EL1 >> low & 1
        has_pauth = self.has_feature("FEAT_PAuth")
        if not branch_target_accepts(word, btype, pacixsp_accepts_all=accepts_all, has_pauth=has_pauth):
            raise BranchTargetException

    def _save_btype(self, exception: ArchitecturalException) -> None:
        btype = self.registers["PSTATE.BTYPE"]
        if not int(btype[0]) or isinstance(exception, _SAVES_BTYPE) or not self.has_feature("FEAT_BTI"):
            return
        if isinstance(exception, Wait) or self._choose("ZEROBTYPE") is Constraint.TRUE:
            btype[0] = _BTYPE_NONE

    def _execute(self, word: int) -> None:
        decoded = decode(word)
        if decoded is None:
            raise Undefined
        self._destinations_unknown = self._base_unknown = False
        self._chosen = []
        if decoded.violations:
            # A should-be bit is wrong: UNDEFINED, a NOP, executed all the same, or its destinations UNKNOWN.
            match self.chooser.choose("SHOULDBE", PERMITTED["SHOULDBE"]):
                case Constraint.UNDEF:
                    raise Undefined
                case Constraint.NOP:
                    return
                case Constraint.UNKNOWN:
                    self._destinations_unknown = True
                case _:
                    pass
        try:
            decoded.definition.function(**decoded.operands)
        except DataAbort as abort:
            self._abandon(decoded, abort)
            raise
        finally:
            self._destinations_unknown = False

    def _abandon(self, decoded: Decoded, abort: DataAbort) -> None:
        """What an instruction that aborts leaves UNKNOWN: the rest is as if it had not been executed.

        Of several accesses, which are not ordered, those that do not abort: a load's destinations, but for the base; a
        store's memory. A load whose write-back overlaps its destination, and whose base may become UNKNOWN: that base.
        """
        if not self.chooser.keeps_unknown:
            return
        touched = footprint(decoded, self, self._chosen)
        if self._base_unknown:
            self.write("XSP", decoded.operands["Rn"], self.unknown(64))
        if len(touched.accesses) < 2 or abort.fault is FaultKind.ALIGNMENT:
            return
        if abort.write:
            for address, size in touched.accesses:
                self._forget_store(address, size)
            return
        base = int(decoded.operands["Rn"])
        for register, number in touched.written:
            if register == "V" or (register == "X" and number != base):
                index = bits(5, number)
                self.write(register, index, self.unknown(self.read(register, index).width))

    def _forget_store(self, address: Bits, size: int) -> None:
        """A store beside the one that aborted may have been performed."""
        if isinstance(address, Unknown):
            self.all_memory_unknown = True
        elif (where := self.untagged(int(address))) != self.accessed:
            self.forget_bytes(where, size, writable=True)
