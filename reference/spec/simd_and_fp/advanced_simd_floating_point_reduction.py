"""Advanced SIMD across lanes and scalar pairwise: floating point."""

from assay64.reference.pseudocode import FPCR, CheckFPAdvSIMDEnabled64, Undefined, V, insn
from assay64.reference.pseudocode.floating_point import FPAdd, FPMax, FPMaxNum, FPMin, FPMinNum
from assay64.reference.spec.simd_and_fp._floating_point import half_precision, write_lanes


def _function(a, opc):
    """a and opc: 00 number, 01 add, 11 the maximum or minimum itself."""
    if opc == 0b01:
        return FPAdd
    if opc == 0b00:
        return FPMinNum if a else FPMaxNum
    return FPMin if a else FPMax


def _reduce(function, operand, esize, fpcr):
    """Arm's Reduce: halves of the vector, which decides whose NaN is taken; and the exceptions of all steps."""
    if operand.width == esize:
        return operand, None
    half = operand.width // 2
    low, exceptions_low = _reduce(function, operand[half - 1 : 0], esize, fpcr)
    high, exceptions_high = _reduce(function, operand[operand.width - 1 : half], esize, fpcr)
    result, exceptions = function(low, high, fpcr)
    for more in (exceptions_low, exceptions_high):
        if more is not None:
            exceptions = exceptions | more
    return result, exceptions


def _write(a, opc, datasize, esize, Rn, Rd):
    CheckFPAdvSIMDEnabled64()
    write_lanes(Rd, esize, _reduce(_function(a, opc), V[Rn, datasize], esize, FPCR()))


@insn("0 Q 1 01110 a sz 11000 011 opc:2 10 Rn:5 Rd:5", "a opc: FMAXNMV - - FMAXV FMINNMV - - FMINV")
def fp_across_lanes(Q, a, sz, opc, Rn, Rd):
    """FMAXV <V><d>, <Vn>.4S"""
    if sz or not Q:
        raise Undefined
    _write(a, opc, 128, 32, Rn, Rd)


@insn("0 Q 0 01110 a 0 11000 011 opc:2 10 Rn:5 Rd:5", "a opc: FMAXNMV - - FMAXV FMINNMV - - FMINV")
def fp_across_lanes_half(Q, a, opc, Rn, Rd):
    """FMAXV <Hd>, <Vn>.<T>"""
    half_precision()
    _write(a, opc, 128 if Q else 64, 16, Rn, Rd)


@insn("01 1 11110 a sz 11000 011 opc:2 10 Rn:5 Rd:5", "a opc: FMAXNMP FADDP - FMAXP FMINNMP - - FMINP", "scalar")
def fp_pairwise_scalar(a, sz, opc, Rn, Rd):
    """FADDP <V><d>, <Vn>.<T>"""
    esize = 64 if sz else 32
    _write(a, opc, 2 * esize, esize, Rn, Rd)


@insn("01 0 11110 a 0 11000 011 opc:2 10 Rn:5 Rd:5", "a opc: FMAXNMP FADDP - FMAXP FMINNMP - - FMINP", "scalar")
def fp_pairwise_scalar_half(a, opc, Rn, Rd):
    """FADDP <Hd>, <Vn>.2H"""
    half_precision()
    _write(a, opc, 32, 16, Rn, Rd)
