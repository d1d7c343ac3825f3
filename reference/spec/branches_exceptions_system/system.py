"""System register access, system instructions, and PSTATE by immediate, as EL0 has them."""

from assay64.reference.pseudocode import (
    PSTATE,
    AArch64_SysRegRead,
    AArch64_SysRegWrite,
    CacheMaintenance,
    CheckSystemAccess,
    IsFeatureImplemented,
    MemZero,
    SystemInstruction,
    SystemRegister,
    Undefined,
    X,
    bits,
    insn,
)


@insn("1101010100 1 1 o0 op1:3 CRn:4 CRm:4 op2:3 Rt:5", "MRS")
def mrs(o0, op1, CRn, CRm, op2, Rt):
    """MRS <Xt>, <systemreg>: which registers there are is in pseudocode/system_registers.toml"""
    register = SystemRegister(bits(1, 1) @ o0 @ op1 @ CRn @ CRm @ op2, "read")
    X[Rt, 64] = AArch64_SysRegRead(register)


@insn("1101010100 0 1 o0 op1:3 CRn:4 CRm:4 op2:3 Rt:5", "MSR", "register")
def msr_register(o0, op1, CRn, CRm, op2, Rt):
    """MSR <systemreg>, <Xt>"""
    register = SystemRegister(bits(1, 1) @ o0 @ op1 @ CRn @ CRm @ op2, "write")
    AArch64_SysRegWrite(register, X[Rt, 64])


@insn("1101010100 0 00 op1:3 0100 CRm:4 op2:3 11111", "MSR", "immediate")
def msr_immediate(op1, CRm, op2):
    """MSR <pstatefield>, #<imm>: SPSel, PAN, UAO and others are UNDEFINED at EL0"""
    if op1 != 0b011:
        raise Undefined
    if op2 == 0b001 and IsFeatureImplemented("FEAT_SSBS"):
        PSTATE.SSBS = CRm[0]
    elif op2 == 0b010 and IsFeatureImplemented("FEAT_DIT"):
        PSTATE.DIT = CRm[0]
    elif op2 == 0b110:
        CheckSystemAccess("SCTLR_EL1", 0x200)
        PSTATE.DAIF = PSTATE.DAIF | CRm
    elif op2 == 0b111:
        CheckSystemAccess("SCTLR_EL1", 0x200)
        PSTATE.DAIF = PSTATE.DAIF & ~CRm
    else:
        raise Undefined


@insn("1101010100 0 00 000 0100 (0)(0)(0)(0) 000 11111", "CFINV", within="msr_immediate")
def cfinv():
    """CFINV"""
    if not IsFeatureImplemented("FEAT_FlagM"):
        raise Undefined
    PSTATE.C = ~PSTATE.C


@insn("1101010100 0 00 000 0100 (0)(0)(0)(0) 001 11111", "XAFLAG", within="msr_immediate")
def xaflag():
    """XAFLAG: the flags of a floating-point comparison from an alternative format to Arm's"""
    if not IsFeatureImplemented("FEAT_FlagM2"):
        raise Undefined
    z, c = PSTATE.Z, PSTATE.C
    PSTATE.nzcv = (~c & ~z) @ (z & c) @ (c | z) @ (~c & z)


@insn("1101010100 0 00 000 0100 (0)(0)(0)(0) 010 11111", "AXFLAG", within="msr_immediate")
def axflag():
    """AXFLAG: the flags of a floating-point comparison from Arm's format to an alternative one"""
    if not IsFeatureImplemented("FEAT_FlagM2"):
        raise Undefined
    z, c, v = PSTATE.Z, PSTATE.C, PSTATE.V
    PSTATE.nzcv = bits(1, 0) @ (z | v) @ (c & ~v) @ bits(1, 0)


@insn("1101010100 0 01 op1:3 CRn:4 CRm:4 op2:3 Rt:5", "SYS")
def sys(op1, CRn, CRm, op2, Rt):
    """SYS #<op1>, <Cn>, <Cm>, #<op2>{, <Xt>}; DC, IC, CFP, CPP, DVP. TLBI and AT are UNDEFINED at EL0"""
    instruction = SystemInstruction(bits(2, 1) @ op1 @ CRn @ CRm @ op2)
    if instruction.name == "DC ZVA":
        MemZero(X[Rt, 64])
    elif not instruction.name.endswith("RCTX"):
        CacheMaintenance(instruction.name, X[Rt, 64])


@insn("1101010100 1 01 op1:3 CRn:4 CRm:4 op2:3 Rt:5", "SYSL")
def sysl(op1, CRn, CRm, op2, Rt):
    """SYSL <Xt>, #<op1>, <Cn>, <Cm>, #<op2>: nothing at EL0 has a result"""
    raise Undefined
