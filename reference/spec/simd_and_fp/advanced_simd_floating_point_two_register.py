"""Advanced SIMD two-register miscellaneous: floating point, single, double and half precision, vector and scalar."""

from assay64.reference.pseudocode import (
    FPCR,
    CheckFPAdvSIMDEnabled64,
    Elem,
    IsFeatureImplemented,
    Undefined,
    V,
    Vpart,
    Zeros,
    insn,
)
from assay64.reference.pseudocode.floating_point import (
    FixedToFP,
    FPAbs,
    FPCompareEQ,
    FPCompareGE,
    FPCompareGT,
    FPConvert,
    FPConvertBF,
    FPNeg,
    FPRecipEstimate,
    FPRecpX,
    FPRounding_NEGINF,
    FPRounding_ODD,
    FPRounding_POSINF,
    FPRounding_TIEAWAY,
    FPRounding_TIEEVEN,
    FPRounding_ZERO,
    FPRoundingMode,
    FPRoundInt,
    FPRoundIntN,
    FPRSqrtEstimate,
    FPSqrt,
    FPToFixed,
    fp_lanes,
)
from assay64.reference.pseudocode.vectors import from_elements
from assay64.reference.spec.simd_and_fp._elements import all_if
from assay64.reference.spec.simd_and_fp._floating_point import (
    arrangement,
    half_precision,
    write_lanes,
    write_scalar,
)

# By U, a and opc.
_VECTOR = (
    "FRINTN FRINTM FCVTNS FCVTMS FCVTAS SCVTF FRINT32Z FRINT64Z FRINTP FRINTZ FCVTPS FCVTZS - FRECPE - - "
    "FRINTA FRINTX FCVTNU FCVTMU FCVTAU UCVTF FRINT32X FRINT64X - FRINTI FCVTPU FCVTZU - FRSQRTE - FSQRT"
)
_VECTOR_HALF = _VECTOR.replace("FRINT32Z FRINT64Z", "- -").replace("FRINT32X FRINT64X", "- -")
_SCALAR = (
    "- - FCVTNS FCVTMS FCVTAS SCVTF - - - - FCVTPS FCVTZS - FRECPE - FRECPX "
    "- - FCVTNU FCVTMU FCVTAU UCVTF - - - - FCVTPU FCVTZU - FRSQRTE - -"
)
_COMPARE = "FCMGT FCMEQ FCMLT - FCMGE FCMLE - -"


def _rounding(a, opc):
    """The rounding of FRINT<r> and FCVT<r>: N, M, P, Z by a and the lowest bit of opc."""
    if a:
        return FPRounding_ZERO if opc[0] else FPRounding_POSINF
    return FPRounding_NEGINF if opc[0] else FPRounding_TIEEVEN


def _round_int(U, a, opc):
    """FRINTA, FRINTX (which alone is exact) and FRINTI by U; the others by a and opc."""

    def element(op, fpcr):
        if not U:
            return FPRoundInt(op, fpcr, _rounding(a, opc), False)
        rounding = FPRounding_TIEAWAY if not a and not opc[0] else FPRoundingMode(fpcr)
        return FPRoundInt(op, fpcr, rounding, bool(not a and opc[0]))

    return element


def _estimate_or_root(U, opc):
    if opc == 0b101:
        return FPRSqrtEstimate if U else FPRecipEstimate
    return FPSqrt if U else FPRecpX


def _function(U, a, opc, esize):
    """The function of one element and FPCR."""
    unsigned = bool(U)
    if opc[2:1] == 0b00:
        return _round_int(U, a, opc)
    if opc[2:1] == 0b01:
        return lambda op, fpcr: FPToFixed(op, 0, unsigned, fpcr, _rounding(a, opc), esize)
    if opc == 0b100:
        return lambda op, fpcr: FPToFixed(op, 0, unsigned, fpcr, FPRounding_TIEAWAY, esize)
    if a:
        return _estimate_or_root(U, opc)
    if opc == 0b101:
        return lambda op, fpcr: FixedToFP(op, 0, unsigned, fpcr, FPRoundingMode(fpcr), esize)
    intsize = 64 if opc[0] else 32
    return lambda op, fpcr: FPRoundIntN(op, fpcr, FPRoundingMode(fpcr) if U else FPRounding_ZERO, intsize)


def _vector(function, datasize, esize, Rn, Rd):
    CheckFPAdvSIMDEnabled64()
    fpcr = FPCR()
    write_lanes(Rd, datasize, fp_lanes(lambda op: function(op, fpcr), esize, V[Rn, datasize]))


@insn("0 Q U 01110 a sz 10000 11 opc:3 10 Rn:5 Rd:5", f"U a opc: {_VECTOR}", "vector")
def fp_two_register_vector(Q, U, a, sz, opc, Rn, Rd):
    """FCVTNS <Vd>.<T>, <Vn>.<T>"""
    if not a and opc[2:1] == 0b11 and not IsFeatureImplemented("FEAT_FRINTTS"):
        raise Undefined
    datasize, esize = arrangement(Q, sz)
    _vector(_function(U, a, opc, esize), datasize, esize, Rn, Rd)


@insn("0 Q U 01110 a 1 11100 11 opc:3 10 Rn:5 Rd:5", f"U a opc: {_VECTOR_HALF}", "vector")
def fp_two_register_vector_half(Q, U, a, opc, Rn, Rd):
    """FCVTNS <Vd>.<T>, <Vn>.<T>: half precision"""
    half_precision()
    _vector(_function(U, a, opc, 16), 128 if Q else 64, 16, Rn, Rd)


@insn("01 U 11110 a sz 10000 11 opc:3 10 Rn:5 Rd:5", f"U a opc: {_SCALAR}", "scalar")
def fp_two_register_scalar(U, a, sz, opc, Rn, Rd):
    """FCVTNS <V><d>, <V><n>"""
    esize = 64 if sz else 32
    write_scalar(_function(U, a, opc, esize), esize, Rd, FPCR, Rn)


@insn("01 U 11110 a 1 11100 11 opc:3 10 Rn:5 Rd:5", f"U a opc: {_SCALAR}", "scalar")
def fp_two_register_scalar_half(U, a, opc, Rn, Rd):
    """FCVTNS <Hd>, <Hn>"""
    half_precision()
    write_scalar(_function(U, a, opc, 16), 16, Rd, FPCR, Rn)


def _compare_zero(U, op, esize):
    def element(operand, fpcr):
        zero = Zeros(esize)
        if op == 0b01:
            holds, exceptions = FPCompareGE(zero, operand, fpcr) if U else FPCompareEQ(operand, zero, fpcr)
        elif op == 0b00:
            holds, exceptions = (FPCompareGE if U else FPCompareGT)(operand, zero, fpcr)
        else:
            holds, exceptions = FPCompareGT(zero, operand, fpcr)
        return all_if(holds, esize), exceptions

    return element


@insn("0 Q U 01110 1 sz 10000 011 op:2 10 Rn:5 Rd:5", f"U op: {_COMPARE}", "zero")
def fp_compare_zero_vector(Q, U, sz, op, Rn, Rd):
    """FCMGT <Vd>.<T>, <Vn>.<T>, #0.0"""
    datasize, esize = arrangement(Q, sz)
    _vector(_compare_zero(U, op, esize), datasize, esize, Rn, Rd)


@insn("0 Q U 01110 1 1 11100 011 op:2 10 Rn:5 Rd:5", f"U op: {_COMPARE}", "zero")
def fp_compare_zero_vector_half(Q, U, op, Rn, Rd):
    """FCMGT <Vd>.<T>, <Vn>.<T>, #0.0: half precision"""
    half_precision()
    _vector(_compare_zero(U, op, 16), 128 if Q else 64, 16, Rn, Rd)


@insn("01 U 11110 1 sz 10000 011 op:2 10 Rn:5 Rd:5", f"U op: {_COMPARE}", "zero, scalar")
def fp_compare_zero_scalar(U, sz, op, Rn, Rd):
    """FCMGT <V><d>, <V><n>, #0.0"""
    esize = 64 if sz else 32
    write_scalar(_compare_zero(U, op, esize), esize, Rd, FPCR, Rn)


@insn("01 U 11110 1 1 11100 011 op:2 10 Rn:5 Rd:5", f"U op: {_COMPARE}", "zero, scalar")
def fp_compare_zero_scalar_half(U, op, Rn, Rd):
    """FCMGT <Hd>, <Hn>, #0.0"""
    half_precision()
    write_scalar(_compare_zero(U, op, 16), 16, Rd, FPCR, Rn)


def _sign(U, Rd, Rn, datasize, esize):
    CheckFPAdvSIMDEnabled64()
    operand = V[Rn, datasize]
    elements = [Elem(operand, e, esize) for e in range(datasize // esize)]
    V[Rd, datasize] = from_elements([FPNeg(element) if U else FPAbs(element) for element in elements])


@insn("0 Q U 01110 1 sz 10000 01111 10 Rn:5 Rd:5", "U: FABS FNEG", "vector")
def fp_sign_vector(Q, U, sz, Rn, Rd):
    """FABS <Vd>.<T>, <Vn>.<T>: no exceptions"""
    datasize, esize = arrangement(Q, sz)
    _sign(U, Rd, Rn, datasize, esize)


@insn("0 Q U 01110 1 1 11100 01111 10 Rn:5 Rd:5", "U: FABS FNEG", "vector")
def fp_sign_vector_half(Q, U, Rn, Rd):
    """FABS <Vd>.<T>, <Vn>.<T>: half precision"""
    half_precision()
    _sign(U, Rd, Rn, 128 if Q else 64, 16)


def _narrow(function, Q, esize, Rn, Rd):
    """Each element of 2 * esize bits of a whole vector to esize bits, into the lower or the upper half of Vd."""
    CheckFPAdvSIMDEnabled64()
    fpcr = FPCR()
    result, exceptions = fp_lanes(lambda op: function(op, fpcr), 2 * esize, V[Rn, 128])
    write_lanes(Rd, 64, (result, exceptions), part=1 if Q else 0)


@insn("0 Q U 01110 0 sz 10000 10110 10 Rn:5 Rd:5", "U sz: FCVTN FCVTN - FCVTXN")
def fp_convert_narrow(Q, U, sz, Rn, Rd):
    """FCVTN{2} <Vd>.<Tb>, <Vn>.<Ta>; FCVTXN rounds to odd"""
    esize = 32 if sz else 16
    rounding = FPRounding_ODD if U else None
    _narrow(lambda op, fpcr: FPConvert(op, fpcr, esize, rounding), Q, esize, Rn, Rd)


@insn("01 1 11110 0 sz 10000 10110 10 Rn:5 Rd:5", "sz: - FCVTXN", "scalar")
def fp_convert_narrow_scalar(sz, Rn, Rd):
    """FCVTXN <Sd>, <Dn>"""
    CheckFPAdvSIMDEnabled64()
    write_lanes(Rd, 32, FPConvert(V[Rn, 64], FPCR(), 32, FPRounding_ODD))


@insn("0 Q 0 01110 1 sz 10000 10110 10 Rn:5 Rd:5", "sz: BFCVTN -")
def bfloat_convert_narrow(Q, sz, Rn, Rd):
    """BFCVTN{2} <Vd>.<Ta>, <Vn>.4S"""
    if not IsFeatureImplemented("FEAT_BF16"):
        raise Undefined
    _narrow(FPConvertBF, Q, 16, Rn, Rd)


@insn("0 Q 0 01110 0 sz 10000 10111 10 Rn:5 Rd:5", "FCVTL")
def fp_convert_lengthen(Q, sz, Rn, Rd):
    """FCVTL{2} <Vd>.<Ta>, <Vn>.<Tb>"""
    esize = 32 if sz else 16
    CheckFPAdvSIMDEnabled64()
    fpcr = FPCR()
    operand = Vpart[Rn, 1 if Q else 0, 64]
    write_lanes(Rd, 128, fp_lanes(lambda op: FPConvert(op, fpcr, 2 * esize), esize, operand))
