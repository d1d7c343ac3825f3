"""Conversion between floating-point and fixed-point."""

from assay64.reference.pseudocode import (
    FPCR,
    CheckFPAdvSIMDEnabled64,
    FixedToFP,
    FPProcessException,
    FPRounding_ZERO,
    FPRoundingMode,
    FPToFixed,
    Undefined,
    V,
    X,
    bits,
    insn,
)
from assay64.reference.spec.simd_and_fp._scalar import scalar_size


def _fraction_bits(sf, scale):
    if not sf and not scale[5]:
        raise Undefined
    return bits(7, 64) - scale.zero_extend(7)


@insn("sf 0 0 11110 ftype:2!=10 0 00 01 U scale:6 Rn:5 Rd:5", "U: SCVTF UCVTF", "scalar, fixed-point")
def fixed_point_to_fp(sf, ftype, U, scale, Rn, Rd):
    """SCVTF <Dd>, <Xn>, #<fbits>"""
    intsize, fltsize, fracbits = 64 if sf else 32, scalar_size(ftype), _fraction_bits(sf, scale)
    CheckFPAdvSIMDEnabled64()
    fpcr = FPCR()
    result, exceptions = FixedToFP(X[Rn, intsize], fracbits, bool(U), fpcr, FPRoundingMode(fpcr), fltsize)
    FPProcessException(exceptions)
    V[Rd, fltsize] = result


@insn("sf 0 0 11110 ftype:2!=10 0 11 00 U scale:6 Rn:5 Rd:5", "U: FCVTZS FCVTZU", "scalar, fixed-point")
def fp_to_fixed_point(sf, ftype, U, scale, Rn, Rd):
    """FCVTZS <Xd>, <Dn>, #<fbits>"""
    intsize, fltsize, fracbits = 64 if sf else 32, scalar_size(ftype), _fraction_bits(sf, scale)
    CheckFPAdvSIMDEnabled64()
    result, exceptions = FPToFixed(V[Rn, fltsize], fracbits, bool(U), FPCR(), FPRounding_ZERO, intsize)
    FPProcessException(exceptions)
    X[Rd, intsize] = result
