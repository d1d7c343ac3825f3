"""Reciprocal and reciprocal square root estimates of eight bits, from the table in estimates.py."""

from __future__ import annotations

from assay64.reference.bits import Bits, If, bits
from assay64.reference.pseudocode.estimates import RecipEstimate, RecipSqrtEstimate
from assay64.reference.pseudocode.floating_point.rounding import FPRoundingMode, normalized, overflows_to_infinity
from assay64.reference.pseudocode.floating_point.values import (
    DIVIDE_BY_ZERO,
    EXPONENT,
    FORMATS,
    INEXACT,
    INVALID_OP,
    NO_EXCEPTION,
    OVERFLOW,
    UNDERFLOW,
    FPDefaultNaN,
    FPInfinity,
    FPMaxNormal,
    FPProcessNaN,
    FPUnpack,
    FPZero,
    Outcome,
    first_case,
)
from assay64.reference.pseudocode.integer import Zeros
from assay64.reference.pseudocode.processor import pseudocode


@pseudocode
def FPRecipEstimate(op: Bits, fpcr: Bits) -> Outcome:
    """About 1 / op"""
    width, form = op.width, FORMATS[op.width]
    value = FPUnpack(op, fpcr)
    # The leading one is the top bit; the number is fraction.. * 2**(exponent of that bit).
    exponent, significand = normalized(value.exponent, value.significand)
    top = exponent + form.fraction
    estimate = RecipEstimate(significand[form.fraction : form.fraction - 8])
    result_exponent = (form.bias - 1) - top
    fraction = estimate[7:0] @ Zeros(form.fraction - 8)
    # A result below the normal numbers loses a bit or two of the estimate; it has no hidden one.
    denormal = bits(1, 1) @ fraction[form.fraction - 1 : 1]
    tiny = bits(2, 1) @ fraction[form.fraction - 1 : 2]
    below = result_exponent.signed_less(0)
    fraction = If(result_exponent == 0, denormal, If(below, tiny, fraction))
    field = If(below, 0, result_exponent)[form.exponent - 1 : 0]
    to_infinity = overflows_to_infinity(FPRoundingMode(fpcr), value.sign)
    overflowed = If(to_infinity, FPInfinity(value.sign, width), FPMaxNormal(value.sign, width))
    flush = fpcr[19] if width == 16 else fpcr[24]
    result, exceptions = first_case(
        (value.nan, FPProcessNaN(op, fpcr)),
        (value.infinity, (FPZero(value.sign, width), NO_EXCEPTION)),
        (value.zero, (FPInfinity(value.sign, width), DIVIDE_BY_ZERO)),
        (top.signed_less(-form.bias - 1), (overflowed, OVERFLOW | INEXACT)),
        (flush & ~top.signed_less(form.bias - 1), (FPZero(value.sign, width), UNDERFLOW)),
        otherwise=(value.sign @ field @ fraction, NO_EXCEPTION),
    )
    return result, exceptions | value.input_denorm


@pseudocode
def FPRSqrtEstimate(op: Bits, fpcr: Bits) -> Outcome:
    """About 1 / the square root of op"""
    width, form = op.width, FORMATS[op.width]
    value = FPUnpack(op, fpcr)
    exponent, significand = normalized(value.exponent, value.significand)
    top = exponent + form.fraction
    # Scaled by a power of four to 0.25 ... 1.0.
    high = significand[form.fraction : form.fraction - 8]
    scaled = If(top[0], high, high >> 1)
    estimate = RecipSqrtEstimate(scaled)
    result_exponent = (bits(EXPONENT, 3 * form.bias - 1) - (top + form.bias)).shift_right_arithmetic(1)
    number = bits(1, 0) @ result_exponent[form.exponent - 1 : 0] @ estimate[7:0] @ Zeros(form.fraction - 8)
    result, exceptions = first_case(
        (value.nan, FPProcessNaN(op, fpcr)),
        (value.zero, (FPInfinity(value.sign, width), DIVIDE_BY_ZERO)),
        (value.sign, (FPDefaultNaN(width), INVALID_OP)),
        (value.infinity, (FPZero(0, width), NO_EXCEPTION)),
        otherwise=(number, NO_EXCEPTION),
    )
    return result, exceptions | value.input_denorm


@pseudocode
def FPRecpX(op: Bits, fpcr: Bits) -> Outcome:
    """The reciprocal exponent: the exponent inverted, the fraction zero"""
    form = FORMATS[op.width]
    value = FPUnpack(op, fpcr)
    exponent = op[op.width - 2 : form.fraction]
    inverted = If(exponent == 0, form.largest_exponent - 1, ~exponent)
    result, exceptions = first_case(
        (value.nan, FPProcessNaN(op, fpcr)),
        otherwise=(value.sign @ inverted @ Zeros(form.fraction), NO_EXCEPTION),
    )
    return result, exceptions | value.input_denorm
