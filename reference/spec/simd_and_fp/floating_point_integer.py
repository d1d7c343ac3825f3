"""Conversion between floating-point and integer, and moves between the register files."""

from assay64.reference.pseudocode import (
    FPCR,
    PSTATE,
    CheckFPAdvSIMDEnabled64,
    FixedToFP,
    FPProcessException,
    FPRounding_TIEAWAY,
    FPRoundingMode,
    FPToFixed,
    FPToFixedJS,
    IsFeatureImplemented,
    Undefined,
    V,
    Vpart,
    X,
    ZeroExtend,
    Zeros,
    insn,
)
from assay64.reference.spec.simd_and_fp._scalar import scalar_size


def _to_integer(sf, ftype, U, rounding, Rn, Rd):
    intsize, fltsize = 64 if sf else 32, scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    result, exceptions = FPToFixed(V[Rn, fltsize], 0, bool(U), FPCR(), rounding, intsize)
    FPProcessException(exceptions)
    X[Rd, intsize] = result


@insn(
    "sf 0 0 11110 ftype:2!=10 1 rmode:2 00 U 000000 Rn:5 Rd:5",
    "rmode U: FCVTNS FCVTNU FCVTPS FCVTPU FCVTMS FCVTMU FCVTZS FCVTZU",
    "scalar",
)
def fp_to_integer(sf, ftype, rmode, U, Rn, Rd):
    """FCVTNS <Xd>, <Dn>: the rounding is in the encoding, numbered as FPCR.RMode is"""
    _to_integer(sf, ftype, U, ZeroExtend(rmode, 3), Rn, Rd)


@insn("sf 0 0 11110 ftype:2!=10 1 00 10 U 000000 Rn:5 Rd:5", "U: FCVTAS FCVTAU", "scalar")
def fp_to_integer_ties_away(sf, ftype, U, Rn, Rd):
    """FCVTAS <Xd>, <Dn>"""
    _to_integer(sf, ftype, U, FPRounding_TIEAWAY, Rn, Rd)


@insn("sf 0 0 11110 ftype:2!=10 1 00 01 U 000000 Rn:5 Rd:5", "U: SCVTF UCVTF", "scalar, integer")
def integer_to_fp(sf, ftype, U, Rn, Rd):
    """SCVTF <Dd>, <Xn>"""
    intsize, fltsize = 64 if sf else 32, scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    fpcr = FPCR()
    result, exceptions = FixedToFP(X[Rn, intsize], 0, bool(U), fpcr, FPRoundingMode(fpcr), fltsize)
    FPProcessException(exceptions)
    V[Rd, fltsize] = result


@insn("sf 0 0 11110 ftype:2!=10 1 00 11 op 000000 Rn:5 Rd:5", "FMOV", "general")
def fmov_general(sf, ftype, op, Rn, Rd):
    """FMOV <Xd>, <Dn>; FMOV <Dd>, <Xn>"""
    intsize, fltsize = 64 if sf else 32, scalar_size(ftype)
    if fltsize != 16 and fltsize != intsize:
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    if op:
        V[Rd, fltsize] = X[Rn, intsize][fltsize - 1 : 0]
    else:
        X[Rd, intsize] = ZeroExtend(V[Rn, fltsize], intsize)


@insn("1 0 0 11110 10 1 01 11 op 000000 Rn:5 Rd:5", "FMOV", "general, top half")
def fmov_general_top_half(op, Rn, Rd):
    """FMOV <Xd>, <Vn>.D[1]; FMOV <Vd>.D[1], <Xn> keeps the lower half"""
    CheckFPAdvSIMDEnabled64()
    if op:
        Vpart[Rd, 1, 64] = X[Rn, 64]
    else:
        X[Rd, 64] = Vpart[Rn, 1, 64]


@insn("0 0 0 11110 01 1 11 110 000000 Rn:5 Rd:5", "FJCVTZS")
def fjcvtzs(Rn, Rd):
    """FJCVTZS <Wd>, <Dn>"""
    if not IsFeatureImplemented("FEAT_JSCVT"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    result, z, exceptions = FPToFixedJS(V[Rn, 64], FPCR())
    FPProcessException(exceptions)
    PSTATE.nzcv = Zeros(1) @ z @ Zeros(2)
    X[Rd, 32] = result
