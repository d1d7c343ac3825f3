"""Barriers and CLREX."""

from assay64.reference.pseudocode import (
    ClearExclusiveLocal,
    DataBarrier,
    InstructionSynchronizationBarrier,
    IsFeatureImplemented,
    SpeculationBarrier,
    Undefined,
    insn,
)


@insn("1101010100 0 00 011 0011 CRm:4 010 11111", "CLREX")
def clrex(CRm):
    """CLREX {#<imm>}: the immediate is ignored"""
    ClearExclusiveLocal()


@insn("1101010100 0 00 011 0011 CRm:4 100 11111", "DSB")
def dsb(CRm):
    """DSB <option>; SSBB for #0 and PSSBB for #4. A reserved option is SY"""
    DataBarrier("DSB", CRm)


@insn("1101010100 0 00 011 0011 CRm:4 101 11111", "DMB")
def dmb(CRm):
    """DMB <option>. A reserved option is SY"""
    DataBarrier("DMB", CRm)


@insn("1101010100 0 00 011 0011 CRm:4 110 11111", "ISB")
def isb(CRm):
    """ISB {<option>}: every option is SY"""
    InstructionSynchronizationBarrier()


@insn("1101010100 0 00 011 0011 (0)(0)(0)(0) 111 11111", "SB")
def sb():
    """SB"""
    if not IsFeatureImplemented("FEAT_SB"):
        raise Undefined
    SpeculationBarrier()
