"""Exceptions as the pseudocode raises them: each ends the instruction.

Their attributes are what ESR and FAR would report.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from assay64.reference.bits import Bits


class EndOfInstruction(Exception):
    """The instruction ends here without an exception (Arm's EndOfInstruction())."""


class ArchitecturalException(Exception):
    """Base of what takes the PE to an exception handler."""


class Undefined(ArchitecturalException):
    """The encoding is UNDEFINED (EC 0x00). Written ``raise Undefined``, where Arm writes UNDEFINED."""


@dataclass(eq=False)
class SupervisorCall(ArchitecturalException):
    """SVC (EC 0x15). The preferred return address is the next instruction."""

    immediate: Bits


@dataclass(eq=False)
class SoftwareBreakpoint(ArchitecturalException):
    """BRK (EC 0x3C)."""

    immediate: Bits


class FaultKind(Enum):
    TRANSLATION = auto()
    PERMISSION = auto()
    ALIGNMENT = auto()


@dataclass(eq=False)
class DataAbort(ArchitecturalException):
    """EC 0x24/0x25: ``address`` goes to FAR, ``write`` to ESR.WnR."""

    address: Bits
    fault: FaultKind
    write: bool


@dataclass(eq=False)
class Watchpoint(ArchitecturalException):
    """EC 0x34/0x35: an access, ``address`` its first byte, met a watchpoint. The instruction has changed nothing."""

    address: Bits
    write: bool


@dataclass(eq=False)
class InstructionAbort(ArchitecturalException):
    """EC 0x20/0x21, for a fetch."""

    address: Bits
    fault: FaultKind


@dataclass(eq=False)
class SystemAccessTrap(ArchitecturalException):
    """An access that a control register traps to EL1; ``exception_class`` is ESR.EC (0x07 FP, 0x18 system register)."""

    exception_class: int


class BranchTargetException(ArchitecturalException):
    """EC 0x0D: an indirect branch came to an instruction of a guarded page that does not accept it."""


class PointerAuthenticationFailure(ArchitecturalException):
    """EC 0x1C: a pointer's code is wrong (FEAT_FPAC)."""


class PCAlignmentFault(ArchitecturalException):
    """EC 0x22."""


class SPAlignmentFault(ArchitecturalException):
    """EC 0x26."""


class IllegalState(ArchitecturalException):
    """EC 0x0E: PSTATE.IL is set."""


@dataclass(eq=False)
class Wait(ArchitecturalException):
    """Not an exception in Arm's sense: WFI or WFE suspended the PE. The instruction has completed."""

    kind: str


def AArch64_CallSupervisor(immediate: Bits) -> None:
    raise SupervisorCall(immediate)


def AArch64_SoftwareBreakpoint(immediate: Bits) -> None:
    raise SoftwareBreakpoint(immediate)
