"""Addition, multiplication, division, square root, fused multiply-add, and the steps of Newton's iterations."""

from __future__ import annotations

from assay64.reference.bits import Bits, If, bits
from assay64.reference.pseudocode.floating_point.rounding import FPRound, FPRoundingMode, normalized
from assay64.reference.pseudocode.floating_point.values import (
    DIVIDE_BY_ZERO,
    EXPONENT,
    FORMATS,
    INVALID_OP,
    NO_EXCEPTION,
    FPDefaultNaN,
    FPInfinity,
    FPNeg,
    FPOnePointFive,
    FPProcessNaN,
    FPProcessNaNs,
    FPTwo,
    FPUnpack,
    FPZero,
    Outcome,
    Unpacked,
    first_case,
    raised,
)
from assay64.reference.pseudocode.integer import DivideUnsigned, SquareRoot, Zeros
from assay64.reference.pseudocode.processor import pseudocode

_BELOW_EVERYTHING = -(1 << EXPONENT - 2)

# A finite number: sign, exponent, significand.
Number = tuple[Bits, Bits, Bits]


def exact_sum(one: Number, other: Number) -> Number:
    """The sum of two numbers whose significands have one width, k bits.

    Where their exponents are more than k + 2 apart the smaller one counts as a sticky bit, which no rounding to at most
    k bits can tell from the exact sum. A sum of zero has an arbitrary sign.
    """
    (sign1, e1, m1), (sign2, e2, m2) = one, other
    width = m1.width
    (n1, s1), (n2, s2) = normalized(e1, m1), normalized(e2, m2)
    n1, n2 = If(m1 == 0, _BELOW_EVERYTHING, n1), If(m2 == 0, _BELOW_EVERYTHING, n2)
    swap = n1.signed_less(n2)
    exponent, large, small = If(swap, n2, n1), If(swap, s2, s1), If(swap, s1, s2)
    distance = If(swap, n2 - n1, n1 - n2)
    far, small_zero = distance > width + 2, small == 0
    # Two bits above (a carry, a sign), width + 2 below.
    large_part = Zeros(2) @ large @ Zeros(width + 2)
    aligned = (Zeros(2) @ small @ Zeros(width + 2)) >> distance
    small_part = If(far, (~small_zero).zero_extend(aligned.width), aligned)
    difference = large_part - small_part
    negative = difference[difference.width - 1]
    magnitude = If(sign1 ^ sign2, If(negative, -difference, difference), large_part + small_part)
    return If(swap, sign2, sign1) ^ (negative & (sign1 ^ sign2)), exponent - (width + 2), magnitude


def number(value: Unpacked, width: int | None = None) -> Number:
    """A finite value, its significand as wide as asked."""
    return value.sign, value.exponent, value.significand.zero_extend(width or value.significand.width)


def exact_product(value1: Unpacked, value2: Unpacked) -> Number:
    width = value1.significand.width + value2.significand.width
    product = value1.significand.zero_extend(width) * value2.significand.zero_extend(width)
    return value1.sign ^ value2.sign, value1.exponent + value2.exponent, product


def _round_sum(total: Number, zero_sign: Bits, fpcr: Bits, width: int) -> Outcome:
    """A sum rounded; an exact zero has ``zero_sign``."""
    sign, exponent, significand = total
    return FPRound(If(significand == 0, zero_sign, sign), exponent, significand, fpcr, FPRoundingMode(fpcr), width)


def _zero_sign(sign1: Bits, sign2: Bits, fpcr: Bits) -> Bits:
    """The sign of a sum that is zero: that of both addends, else negative only when rounding towards minus infinity."""
    return If(sign1 == sign2, sign1, fpcr[23:22] == 0b10)


def _sum(op1: Bits, op2: Bits, fpcr: Bits, flip: int) -> Outcome:
    value1, value2 = FPUnpack(op1, fpcr), FPUnpack(op2, fpcr)
    nan, processed = FPProcessNaNs((value1, value2), (op1, op2), fpcr)
    sign1, sign2 = value1.sign, value2.sign ^ flip
    total = exact_sum(number(value1), (sign2, value2.exponent, value2.significand))
    result, exceptions = first_case(
        (nan, processed),
        (value1.infinity & value2.infinity & (sign1 ^ sign2), (FPDefaultNaN(op1.width), INVALID_OP)),
        (value1.infinity, (FPInfinity(sign1, op1.width), NO_EXCEPTION)),
        (value2.infinity, (FPInfinity(sign2, op1.width), NO_EXCEPTION)),
        otherwise=_round_sum(total, _zero_sign(sign1, sign2, fpcr), fpcr, op1.width),
    )
    return result, exceptions | value1.input_denorm | value2.input_denorm


@pseudocode
def FPAdd(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """op1 + op2"""
    return _sum(op1, op2, fpcr, 0)


@pseudocode
def FPSub(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """op1 - op2"""
    return _sum(op1, op2, fpcr, 1)


def _product(op1: Bits, op2: Bits, fpcr: Bits, zero_by_infinity: Outcome | None) -> Outcome:
    width = op1.width
    value1, value2 = FPUnpack(op1, fpcr), FPUnpack(op2, fpcr)
    nan, processed = FPProcessNaNs((value1, value2), (op1, op2), fpcr)
    sign, exponent, significand = exact_product(value1, value2)
    undetermined = (value1.infinity & value2.zero) | (value1.zero & value2.infinity)
    result, exceptions = first_case(
        (nan, processed),
        (undetermined, zero_by_infinity or (FPTwo(sign, width), NO_EXCEPTION)),
        (value1.infinity | value2.infinity, (FPInfinity(sign, width), NO_EXCEPTION)),
        otherwise=FPRound(sign, exponent, significand, fpcr, FPRoundingMode(fpcr), width),
    )
    return result, exceptions | value1.input_denorm | value2.input_denorm


@pseudocode
def FPMul(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """op1 * op2"""
    return _product(op1, op2, fpcr, (FPDefaultNaN(op1.width), INVALID_OP))


@pseudocode
def FPMulX(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """op1 * op2, where zero times infinity is two, with the product's sign"""
    return _product(op1, op2, fpcr, None)


@pseudocode
def FPDiv(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """op1 / op2"""
    width = op1.width
    value1, value2 = FPUnpack(op1, fpcr), FPUnpack(op2, fpcr)
    nan, processed = FPProcessNaNs((value1, value2), (op1, op2), fpcr)
    sign = value1.sign ^ value2.sign
    (e1, m1), (e2, m2) = (normalized(value.exponent, value.significand) for value in (value1, value2))
    # A quotient of at least two bits more than the precision, and a sticky bit for the remainder.
    more = m1.width + 2
    dividend, divisor = m1 @ Zeros(more), m2.zero_extend(m1.width + more)
    quotient = DivideUnsigned(dividend, divisor)
    sticky = quotient * divisor != dividend
    rounded = FPRound(sign, e1 - e2 - (more + 1), quotient @ sticky, fpcr, FPRoundingMode(fpcr), width)
    invalid = (value1.infinity & value2.infinity) | (value1.zero & value2.zero)
    result, exceptions = first_case(
        (nan, processed),
        (invalid, (FPDefaultNaN(width), INVALID_OP)),
        (value1.infinity | value2.zero, (FPInfinity(sign, width), raised(~value1.infinity, DIVIDE_BY_ZERO))),
        (value1.zero | value2.infinity, (FPZero(sign, width), NO_EXCEPTION)),
        otherwise=rounded,
    )
    return result, exceptions | value1.input_denorm | value2.input_denorm


@pseudocode
def FPSqrt(op: Bits, fpcr: Bits) -> Outcome:
    """The square root"""
    width = op.width
    value = FPUnpack(op, fpcr)
    exponent, significand = normalized(value.exponent, value.significand)
    # An even exponent and two bits of the radicand for each bit of the root, which has two more than the precision.
    odd = exponent[0]
    more = significand.width + 3 + (significand.width + 1) % 2
    radicand = If(odd, bits(1, 0) @ significand @ bits(1, 0), Zeros(2) @ significand) @ Zeros(more)
    root = SquareRoot(radicand)
    sticky = root * root != radicand
    half = (exponent - odd.zero_extend(EXPONENT) - more).shift_right_arithmetic(1)
    result, exceptions = first_case(
        (value.nan, FPProcessNaN(op, fpcr)),
        (value.zero, (FPZero(value.sign, width), NO_EXCEPTION)),
        (value.sign, (FPDefaultNaN(width), INVALID_OP)),
        (value.infinity, (FPInfinity(0, width), NO_EXCEPTION)),
        otherwise=FPRound(bits(1, 0), half - 1, root @ sticky, fpcr, FPRoundingMode(fpcr), width),
    )
    return result, exceptions | value.input_denorm


def _multiply_add(
    addend: Unpacked, value1: Unpacked, value2: Unpacked, nan: Bits, processed: Outcome, fpcr: Bits, width: int
) -> Outcome:
    sign, exponent, product = exact_product(value1, value2)
    product_infinity = value1.infinity | value2.infinity
    undetermined = (value1.infinity & value2.zero) | (value1.zero & value2.infinity)
    common = max(product.width, addend.significand.width)
    total = exact_sum(number(addend, common), (sign, exponent, product.zero_extend(common)))
    result, exceptions = first_case(
        # Zero times infinity is invalid beside a quiet NaN too, but not beside a signaling one.
        (undetermined & ~addend.snan, (FPDefaultNaN(width), INVALID_OP)),
        (nan, processed),
        (addend.infinity & product_infinity & (addend.sign ^ sign), (FPDefaultNaN(width), INVALID_OP)),
        (addend.infinity, (FPInfinity(addend.sign, width), NO_EXCEPTION)),
        (product_infinity, (FPInfinity(sign, width), NO_EXCEPTION)),
        otherwise=_round_sum(total, _zero_sign(addend.sign, sign, fpcr), fpcr, width),
    )
    return result, exceptions | addend.input_denorm | value1.input_denorm | value2.input_denorm


@pseudocode
def FPMulAdd(addend: Bits, op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """Addend + op1 * op2, rounded once"""
    values = FPUnpack(addend, fpcr), FPUnpack(op1, fpcr), FPUnpack(op2, fpcr)
    nan, processed = FPProcessNaNs(values, (addend, op1, op2), fpcr)
    return _multiply_add(*values, nan, processed, fpcr, addend.width)


@pseudocode
def FPMulAddH(addend: Bits, op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """Addend + op1 * op2 with a 32-bit addend and 16-bit operands, rounded once"""
    values = FPUnpack(addend, fpcr), FPUnpack(op1, fpcr), FPUnpack(op2, fpcr)
    # FPProcessNaNs3H: the NaN of a half-precision operand is converted, its payload at the top.
    operands = addend, _widened_nan(op1), _widened_nan(op2)
    nan, processed = FPProcessNaNs(values, operands, fpcr)
    return _multiply_add(*values, nan, processed, fpcr, addend.width)


def _widened_nan(op: Bits) -> Bits:
    fraction, wide = FORMATS[16].fraction, FORMATS[32]
    return op[15] @ bits(wide.exponent, wide.largest_exponent) @ op[fraction - 1 : 0] @ Zeros(wide.fraction - fraction)


def _step(op1: Bits, op2: Bits, fpcr: Bits, constant: int, halved: int, limit: Bits) -> Outcome:
    """(constant - op1 * op2) / 2**halved, rounded once; ``limit`` for zero times infinity."""
    width = op1.width
    op1 = FPNeg(op1)
    value1, value2 = FPUnpack(op1, fpcr), FPUnpack(op2, fpcr)
    nan, processed = FPProcessNaNs((value1, value2), (op1, op2), fpcr)
    sign, exponent, product = exact_product(value1, value2)
    start = bits(1, 0), bits(EXPONENT, 0), bits(product.width, constant)
    total_sign, total_exponent, total = exact_sum(start, (sign, exponent, product))
    undetermined = (value1.infinity & value2.zero) | (value1.zero & value2.infinity)
    result, exceptions = first_case(
        (nan, processed),
        (undetermined, (limit, NO_EXCEPTION)),
        (value1.infinity | value2.infinity, (FPInfinity(sign, width), NO_EXCEPTION)),
        otherwise=_round_sum((total_sign, total_exponent - halved, total), fpcr[23:22] == 0b10, fpcr, width),
    )
    return result, exceptions | value1.input_denorm | value2.input_denorm


@pseudocode
def FPRecipStepFused(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """2 - op1 * op2, rounded once"""
    return _step(op1, op2, fpcr, 2, 0, FPTwo(0, op1.width))


@pseudocode
def FPRSqrtStepFused(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """(3 - op1 * op2) / 2, rounded once"""
    return _step(op1, op2, fpcr, 3, 1, FPOnePointFive(0, op1.width))
