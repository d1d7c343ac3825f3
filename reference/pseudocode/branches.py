"""Branches and the instructions that wait, signal or order: the side effects that are not registers or memory."""

from __future__ import annotations

from assay64.reference.bits import Bits, bits
from assay64.reference.pseudocode.processor import PE, BranchType
from assay64.reference.pseudocode.state import PSTATE, SCTLR_EL1


def BranchTo(target: Bits, branch_type: BranchType) -> None:
    """Continue at ``target``.

    AArch64.BranchAddr (the tag bits under TBI) and the checks of the fetch are the engine's.
    """
    PE().branch(target, branch_type)


def InGuardedPage() -> Bits:
    """Whether this instruction was fetched from a guarded page."""
    return PE().in_guarded_page()


def SetBTypeNext(value: Bits) -> None:
    """PSTATE.BTYPE after this instruction, which is 0 unless it is set here. Nothing without FEAT_BTI."""
    PE().set_btype_next(value)


def branch_target_accepts(word: int, btype: int, *, pacixsp_accepts_all: bool, has_pauth: bool) -> bool:
    """BTypeCompatible: whether the instruction ``word`` may be reached with this PSTATE.BTYPE, which is not 0.

    ``pacixsp_accepts_all`` is SCTLR_EL1.BT0 == 0: PACIASP and PACIBSP accept BTYPE 0b11 too.
    """
    if word & 0xFFE0_001F == 0xD420_0000 or word & 0xFFE0_001F == 0xD440_0000:  # BRK, HLT
        return True
    if word & ~0x40 == 0xD503_233F and has_pauth:  # PACIASP, PACIBSP
        return btype != 0b11 or pacixsp_accepts_all
    if word & ~0xC0 == 0xD503_241F:  # BTI
        return btype in {0: (), 1: (0b01, 0b10), 2: (0b01, 0b11), 3: (0b01, 0b10, 0b11)}[word >> 6 & 3]
    return False


def DataBarrier(kind: str, option: Bits) -> None:
    """DMB and DSB: ``option`` is CRm, the domain and the types of access."""
    PE().barrier(kind, option)


def InstructionSynchronizationBarrier() -> None:
    PE().barrier("ISB", bits(4, 15))


def SpeculationBarrier() -> None:
    PE().barrier("SB", bits(4, 0))


def EventRegisterSet() -> None:
    PE().write("EventRegister", None, bits(1, 1))


def SendEvent() -> None:
    """SEV: sets the Event Register of every PE, this one included."""
    EventRegisterSet()
    PE().send_event()


def WaitForEvent() -> None:
    """WFE: completes at once when the Event Register is set, and clears it; otherwise the PE may suspend, which
    SCTLR_EL1.nTWE traps at EL0.
    """
    if PE().read("EventRegister", None) == 1:
        PE().write("EventRegister", None, bits(1, 0))
    else:
        PE().wait("WFE", (PSTATE.EL == 0) & ~SCTLR_EL1()[18])


def WaitForInterrupt() -> None:
    """WFI: the PE may suspend, which SCTLR_EL1.nTWI traps at EL0."""
    PE().wait("WFI", (PSTATE.EL == 0) & ~SCTLR_EL1()[16])
