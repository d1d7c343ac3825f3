"""Exception generation: SVC, BRK; HVC, SMC, HLT, DCPS and ERET as EL0 sees them."""

from assay64.reference.pseudocode import (
    AArch64_CallSupervisor,
    AArch64_SoftwareBreakpoint,
    IsFeatureImplemented,
    Undefined,
    insn,
)


@insn("11010100 000 imm16:16 000 01", "SVC")
def svc(imm16):
    """SVC #<imm>"""
    AArch64_CallSupervisor(imm16)


@insn("11010100 001 imm16:16 000 00", "BRK")
def brk(imm16):
    """BRK #<imm>"""
    AArch64_SoftwareBreakpoint(imm16)


@insn("11010100 000 imm16:16 000 LL:2", "LL: - - HVC SMC")
def higher_level_call(imm16, LL):
    """HVC, SMC #<imm>: UNDEFINED at EL0"""
    raise Undefined


@insn("11010100 010 imm16:16 000 00", "HLT")
def hlt(imm16):
    """HLT #<imm>: UNDEFINED when halting debug is not enabled"""
    raise Undefined


@insn("11010100 101 imm16:16 000 LL:2", "LL: - DCPS1 DCPS2 DCPS3")
def debug_change_state(imm16, LL):
    """DCPS1 {#<imm>}: UNDEFINED outside Debug state"""
    raise Undefined


@insn("1101011 opc:4 11111 000000 11111 00000", "opc: - - - - ERET DRPS - - - - - - - - - -")
def exception_return(opc):
    """ERET, DRPS: UNDEFINED at EL0"""
    raise Undefined


@insn("1101011 0100 11111 00001 M 11111 11111", "M: ERETAA ERETAB")
def exception_return_authenticated(M):
    """ERETAA: UNDEFINED at EL0"""
    if not IsFeatureImplemented("FEAT_PAuth"):
        raise Undefined
    raise Undefined
