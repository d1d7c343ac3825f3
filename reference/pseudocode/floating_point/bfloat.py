"""BFloat16 dot products without FEAT_EBF16: their own rounding, no exceptions, and nothing of FPCR matters."""

from __future__ import annotations

from assay64.reference.bits import Bits, If, bits
from assay64.reference.pseudocode.floating_point.arithmetic import Number, exact_product, exact_sum, number
from assay64.reference.pseudocode.floating_point.rounding import FPRounding_ODD, round_to_format
from assay64.reference.pseudocode.floating_point.values import (
    FORMATS,
    NO_EXCEPTION,
    FPDefaultNaN,
    FPInfinity,
    FPZero,
    first_case,
    unpack_bfloat,
    unpack_flushing,
)
from assay64.reference.pseudocode.processor import pseudocode


@pseudocode
def BFRound(sign: Bits, exponent: Bits, significand: Bits) -> Bits:
    """To single precision, rounded to odd; what is too small is zero, what is too large an infinity"""
    result, exceptions = round_to_format(
        FORMATS[32],
        sign,
        exponent,
        significand,
        FPRounding_ODD,
        flush=bits(1, 1),
        alternative=bits(1, 0),
    )
    overflow = exceptions[2]
    return If(overflow, FPInfinity(sign, 32), result)


@pseudocode
def BFMulH(op1: Bits, op2: Bits) -> Bits:
    """The product of two BFloat16 numbers in single precision"""
    value1, value2 = unpack_bfloat(op1), unpack_bfloat(op2)
    invalid = value1.nan | value2.nan | (value1.infinity & value2.zero) | (value1.zero & value2.infinity)
    product = exact_product(value1, value2)
    result, _ = first_case(
        (invalid, (FPDefaultNaN(32), NO_EXCEPTION)),
        (value1.infinity | value2.infinity, (FPInfinity(product[0], 32), NO_EXCEPTION)),
        otherwise=(BFRound(*product), NO_EXCEPTION),
    )
    return result


@pseudocode
def FPAdd_BF16(op1: Bits, op2: Bits) -> Bits:
    """The sum of two single-precision numbers with the rounding of BFRound"""
    value1, value2 = unpack_flushing(op1), unpack_flushing(op2)
    total: Number = exact_sum(number(value1), number(value2))
    zero = FPZero(value1.sign & value2.sign & value1.zero & value2.zero, 32)
    invalid = value1.nan | value2.nan | (value1.infinity & value2.infinity & (value1.sign ^ value2.sign))
    result, _ = first_case(
        (invalid, (FPDefaultNaN(32), NO_EXCEPTION)),
        (value1.infinity, (FPInfinity(value1.sign, 32), NO_EXCEPTION)),
        (value2.infinity, (FPInfinity(value2.sign, 32), NO_EXCEPTION)),
        (total[2] == 0, (zero, NO_EXCEPTION)),
        otherwise=(BFRound(*total), NO_EXCEPTION),
    )
    return result


@pseudocode
def BFDotAdd(addend: Bits, op1_a: Bits, op1_b: Bits, op2_a: Bits, op2_b: Bits) -> Bits:
    """Addend + (op1_a * op2_a + op1_b * op2_b), rounded after each operation"""
    return FPAdd_BF16(addend, FPAdd_BF16(BFMulH(op1_a, op2_a), BFMulH(op1_b, op2_b)))
