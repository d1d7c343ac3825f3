"""Floating-point compare, conditional compare, conditional select."""

from assay64.reference.pseudocode import (
    FPCR,
    PSTATE,
    CheckFPAdvSIMDEnabled64,
    ConditionHolds,
    FPCompare,
    FPProcessException,
    FPZero,
    If,
    V,
    insn,
)
from assay64.reference.spec.simd_and_fp._scalar import scalar_size


@insn("0 0 0 11110 ftype:2!=10 1 Rm:5 00 1000 Rn:5 op 0 000", "op: FCMP FCMPE")
def fp_compare(ftype, Rm, Rn, op):
    """FCMP <Dn>, <Dm>: FCMPE alone signals quiet NaNs"""
    esize = scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    PSTATE.nzcv, exceptions = FPCompare(V[Rn, esize], V[Rm, esize], bool(op), FPCR())
    FPProcessException(exceptions)


@insn("0 0 0 11110 ftype:2!=10 1 (0)(0)(0)(0)(0) 00 1000 Rn:5 op 1 000", "op: FCMP FCMPE")
def fp_compare_zero(ftype, Rn, op):
    """FCMP <Dn>, #0.0"""
    esize = scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    PSTATE.nzcv, exceptions = FPCompare(V[Rn, esize], FPZero(0, esize), bool(op), FPCR())
    FPProcessException(exceptions)


@insn("0 0 0 11110 ftype:2!=10 1 Rm:5 cond:4 01 Rn:5 op nzcv:4", "op: FCCMP FCCMPE")
def fp_conditional_compare(ftype, Rm, cond, Rn, op, nzcv):
    """FCCMP <Dn>, <Dm>, #<nzcv>, <cond>: no exception when the condition does not hold"""
    esize = scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    holds = ConditionHolds(cond)
    flags, exceptions = FPCompare(V[Rn, esize], V[Rm, esize], bool(op), FPCR())
    FPProcessException(If(holds, exceptions, 0))
    PSTATE.nzcv = If(holds, flags, nzcv)


@insn("0 0 0 11110 ftype:2!=10 1 Rm:5 cond:4 11 Rn:5 Rd:5", "FCSEL")
def fp_conditional_select(ftype, Rm, cond, Rn, Rd):
    """FCSEL <Dd>, <Dn>, <Dm>, <cond>"""
    esize = scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = If(ConditionHolds(cond), V[Rn, esize], V[Rm, esize])
