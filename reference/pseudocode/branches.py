"""Branches and the instructions that wait, signal or order: the side effects that are not registers or memory."""

from __future__ import annotations

from assay64.reference.bits import Bits, bits
from assay64.reference.pseudocode.processor import PE, BranchType


def BranchTo(target: Bits, branch_type: BranchType) -> None:
    """Continue at ``target``.

    AArch64.BranchAddr (the tag bits under TBI) and the checks of the fetch are the engine's.
    """
    PE().branch(target, branch_type)


def DataBarrier(kind: str, option: Bits) -> None:
    """DMB and DSB: ``option`` is CRm, the domain and the types of access."""
    PE().barrier(kind, option)


def InstructionSynchronizationBarrier() -> None:
    PE().barrier("ISB", bits(4, 15))


def EventRegisterSet() -> None:
    PE().write("EventRegister", None, bits(1, 1))


def SendEvent() -> None:
    """SEV: sets the Event Register of every PE, this one included."""
    EventRegisterSet()
    PE().send_event()


def WaitForEvent() -> None:
    """WFE: completes at once when the Event Register is set, and clears it; otherwise the PE may suspend."""
    if PE().read("EventRegister", None) == 1:
        PE().write("EventRegister", None, bits(1, 0))
    else:
        PE().wait("WFE")


def WaitForInterrupt() -> None:
    """WFI: the PE may suspend."""
    PE().wait("WFI")
