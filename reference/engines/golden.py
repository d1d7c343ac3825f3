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
from assay64.reference.models import Model
from assay64.reference.pseudocode.exceptions import (
    DataAbort,
    EndOfInstruction,
    FaultKind,
    IllegalState,
    InstructionAbort,
    PCAlignmentFault,
    SPAlignmentFault,
    SupervisorCall,
    SystemAccessTrap,
    Undefined,
    Wait,
)
from assay64.reference.pseudocode.processor import REGISTERS, BranchType, Constraint, executing
from assay64.reference.pseudocode.unpredictable import PERMITTED

_ZERO = Constant(64, 0)


@dataclass(kw_only=True)
class GoldenPE(MemoryAccesses):
    """One processing element: registers, decoding and the course of an instruction."""

    model: Model
    observers: list[GoldenPE] = field(default_factory=list["GoldenPE"])
    registers: dict[str, list[Bits]] = field(
        default_factory=lambda: {r.name: [Constant(r.width, 0)] * r.count for r in REGISTERS.values()}
    )
    executed: int = 0
    _next: Bits | None = None
    _destinations_unknown: bool = False
    _base_unknown: bool = False

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

    def check_sp_alignment(self, base: Bits) -> None:
        if int(base) != 31:
            return
        enabled = self.controls.SCTLR_EL1 >> (3 if int(self.registers["PSTATE.EL"][0]) else 4) & 1
        if enabled and int(self.registers[self._stack_pointer()][0]) & 15:
            raise SPAlignmentFault

    # --- control flow

    def branch(self, target: Bits, branch_type: BranchType) -> None:
        self._next = target if isinstance(target, Unknown) else bits(64, self.untagged(int(target)))

    def barrier(self, kind: str, option: Bits) -> None:
        pass  # one element executes in program order, and golden interleaves whole instructions

    def wait(self, kind: str) -> None:
        if self._choose("WAIT") is Constraint.TRUE:
            raise Wait(kind)

    def send_event(self) -> None:
        for observer in self.observers:
            observer.registers["EventRegister"][0] = bits(1, 1)

    # --- choices

    def has_feature(self, feature: str) -> bool:
        return feature in self.model.features

    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint:
        constraint = self.chooser.choose(name, constraints)
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
        pc = self.registers["PC"][0]
        if isinstance(pc, Unknown):
            raise UnknownDecision("the PC is UNKNOWN")
        address = int(pc)
        self._next = None
        try:
            if int(self.registers["PSTATE.IL"][0]):
                raise IllegalState
            word = self._fetch(address)
            with executing(self):
                self._execute(word)
        except EndOfInstruction:
            pass
        except (SupervisorCall, Wait):
            self.registers["PC"][0] = bits(64, address + 4 & MASK64)
            raise
        self.executed += 1
        self.registers["PC"][0] = bits(64, address + 4 & MASK64) if self._next is None else self._next

    def _fetch(self, address: int) -> int:
        if address % 4:
            raise PCAlignmentFault
        page = self.space.page(address)
        if page is None:
            raise InstructionAbort(bits(64, address), FaultKind.TRANSLATION)
        if not page.execute:
            raise InstructionAbort(bits(64, address), FaultKind.PERMISSION)
        return int.from_bytes(self.space.read(address, 4), "little")

    def _execute(self, word: int) -> None:
        decoded = decode(word)
        if decoded is None:
            raise Undefined
        self._destinations_unknown = self._base_unknown = False
        self.stored = None
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

        A load of two registers: its destinations, but for the base. A store of two registers, whose accesses are not
        ordered: the memory of the one that does not abort. A load whose write-back overlaps its destination, and whose
        base may become UNKNOWN: that base.
        """
        if not self.chooser.keeps_unknown:
            return
        operands = {name: int(value) for name, value in decoded.operands.items()}
        if self._base_unknown:
            self.write("XSP", decoded.operands["Rn"], self.unknown(64))
        if "Rt2" not in operands or abort.fault is FaultKind.ALIGNMENT:
            return
        if not abort.write:
            for number in {operands["Rt"], operands["Rt2"]} - {31, operands["Rn"]}:
                self.registers["R"][number] = self.unknown(64)
        elif "Rs" not in operands:
            self._forget_other_half(decoded, abort)

    def _forget_other_half(self, decoded: Decoded, abort: DataAbort) -> None:
        size = 8 if int(decoded.operands["opc"]) >> 1 else 4
        if self.stored is not None:
            self.forget_bytes(*self.stored)
        else:
            self.forget_bytes(self.accessed + size & MASK64, size, writable=True)
