"""Floating-point data-processing (1 source): moves, sign, square root, conversion between formats, rounding to
integers.
"""

from assay64.reference.pseudocode import (
    FPCR,
    CheckFPAdvSIMDEnabled64,
    FPAbs,
    FPConvert,
    FPConvertBF,
    FPNeg,
    FPProcessException,
    FPRounding_ZERO,
    FPRoundingMode,
    FPRoundInt,
    FPRoundIntN,
    FPSqrt,
    IsFeatureImplemented,
    Undefined,
    V,
    insn,
)
from assay64.reference.spec.simd_and_fp._scalar import scalar_size


@insn("0 0 0 11110 ftype:2!=10 1 0000 00 10000 Rn:5 Rd:5", "FMOV", "register")
def fmov_register(ftype, Rn, Rd):
    """FMOV <Dd>, <Dn>"""
    esize = scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = V[Rn, esize]


@insn("0 0 0 11110 ftype:2!=10 1 0000 opc:2!=00 10000 Rn:5 Rd:5", "opc: - FABS FNEG FSQRT", "scalar")
def fp_one_source(ftype, opc, Rn, Rd):
    """FABS <Dd>, <Dn>"""
    esize = scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    operand = V[Rn, esize]
    if opc == 0b11:
        result, exceptions = FPSqrt(operand, FPCR())
        FPProcessException(exceptions)
    else:
        result = FPNeg(operand) if opc == 0b10 else FPAbs(operand)
    V[Rd, esize] = result


@insn("0 0 0 11110 ftype:2!=10 1 0001 opc:2!=10 10000 Rn:5 Rd:5", "FCVT")
def fp_convert(ftype, opc, Rn, Rd):
    """FCVT <Dd>, <Sn>: half precision needs no FEAT_FP16 here"""
    if ftype == opc:
        raise Undefined
    srcsize, dstsize = (16 if size[1] else 64 if size[0] else 32 for size in (ftype, opc))
    CheckFPAdvSIMDEnabled64()
    result, exceptions = FPConvert(V[Rn, srcsize], FPCR(), dstsize)
    FPProcessException(exceptions)
    V[Rd, dstsize] = result


@insn("0 0 0 11110 01 1 000110 10000 Rn:5 Rd:5", "BFCVT")
def bfcvt(Rn, Rd):
    """BFCVT <Hd>, <Sn>"""
    if not IsFeatureImplemented("FEAT_BF16"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    result, exceptions = FPConvertBF(V[Rn, 32], FPCR())
    FPProcessException(exceptions)
    V[Rd, 16] = result


@insn(
    "0 0 0 11110 ftype:2!=10 1 001 rmode:3!=101 10000 Rn:5 Rd:5",
    "rmode: FRINTN FRINTP FRINTM FRINTZ FRINTA - FRINTX FRINTI",
    "scalar",
)
def fp_round_to_integral(ftype, rmode, Rn, Rd):
    """FRINTN <Dd>, <Dn>: FRINTX and FRINTI round as FPCR says, and FRINTX alone raises Inexact"""
    esize = scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    fpcr = FPCR()
    rounding = FPRoundingMode(fpcr) if rmode[2] and rmode[1] else rmode
    result, exceptions = FPRoundInt(V[Rn, esize], fpcr, rounding, bool(rmode == 0b110))
    FPProcessException(exceptions)
    V[Rd, esize] = result


@insn(
    "0 0 0 11110 0 sz 1 0100 size X 10000 Rn:5 Rd:5", "size X: FRINT32Z FRINT32X FRINT64Z FRINT64X", "scalar"
)  # fmt: skip
def fp_round_to_integral_of_size(sz, size, X, Rn, Rd):
    """FRINT32Z <Dd>, <Dn>"""
    if not IsFeatureImplemented("FEAT_FRINTTS"):
        raise Undefined
    esize, intsize = 64 if sz else 32, 64 if size else 32
    CheckFPAdvSIMDEnabled64()
    fpcr = FPCR()
    rounding = FPRoundingMode(fpcr) if X else FPRounding_ZERO
    result, exceptions = FPRoundIntN(V[Rn, esize], fpcr, rounding, intsize)
    FPProcessException(exceptions)
    V[Rd, esize] = result
