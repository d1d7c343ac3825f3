"""Rounding an exact number to a format: the one place where results become inexact, overflow, underflow or are flushed.

A rounding mode is three bits: FPCR.RMode for 0 to 3, and two that instructions name themselves.
"""

from __future__ import annotations

from assay64.reference.bits import Bits, If, bits
from assay64.reference.pseudocode.floating_point.values import (
    EXPONENT,
    FORMATS,
    INEXACT,
    INVALID_OP,
    NO_EXCEPTION,
    OVERFLOW,
    UNDERFLOW,
    Format,
    Outcome,
    raised,
)
from assay64.reference.pseudocode.integer import CountLeadingZeroBits, Select, Zeros
from assay64.reference.pseudocode.processor import pseudocode

FPRounding_TIEEVEN = bits(3, 0)
FPRounding_POSINF = bits(3, 1)
FPRounding_NEGINF = bits(3, 2)
FPRounding_ZERO = bits(3, 3)
FPRounding_TIEAWAY = bits(3, 4)
FPRounding_ODD = bits(3, 5)

_NO, _YES = bits(1, 0), bits(1, 1)


def FPRoundingMode(fpcr: Bits) -> Bits:
    """The rounding mode in FPCR.RMode."""
    return fpcr[23:22].zero_extend(3)


def rounds_up(rounding: Bits, sign: Bits, lowest: Bits, half: Bits, rest: Bits) -> Bits:
    """Whether the magnitude becomes the next one.

    Below its ``lowest`` bit are ``half`` (the bit of one half) and ``rest`` (whether there is more below).
    """
    inexact = half | rest
    return Select(
        rounding, half & (rest | lowest), inexact & ~sign, inexact & sign, _NO, half, inexact & ~lowest, _NO, _NO
    )


def overflows_to_infinity(rounding: Bits, sign: Bits) -> Bits:
    """Whether a result that is too large becomes an infinity, and not the largest number."""
    return Select(rounding, _YES, ~sign, sign, _NO, _YES, _NO, _NO, _NO)


def normalized(exponent: Bits, significand: Bits) -> tuple[Bits, Bits]:
    """The same number with the highest bit of the significand set, if it is not zero."""
    zeros = CountLeadingZeroBits(significand)
    return exponent - _as_exponent(zeros), significand << zeros


def _as_exponent(count: Bits) -> Bits:
    return count[EXPONENT - 1 : 0] if count.width >= EXPONENT else count.zero_extend(EXPONENT)


def round_to_format(
    form: Format, sign: Bits, exponent: Bits, significand: Bits, rounding: Bits, *, flush: Bits, alternative: Bits
) -> Outcome:
    """Arm's FPRoundBase: significand * 2**exponent in ``form``; a zero significand gives a zero.

    ``flush``: a result below the smallest normal number, before rounding, is zero with Underflow. ``alternative``: the
    format has no infinities and NaNs but one more exponent; overflow is an invalid operation.
    """
    precision = form.fraction + 1
    exponent, normal = normalized(exponent, significand)
    biased = exponent + (significand.width - 1 + form.bias)
    tiny = biased.signed_less(1)
    # The bits that a denormal result loses; at one more than its precision all that is left is a sticky bit.
    shift = If(tiny, 1 - biased, 0)
    shift = If(shift > precision + 1, precision + 1, shift)
    shifted = (normal @ Zeros(precision + 1)) >> shift
    low = shifted.width - precision
    kept, half, rest = shifted[shifted.width - 1 : low], shifted[low - 1], shifted[low - 2 : 0] != 0
    inexact = half | rest
    up = rounds_up(rounding, sign, kept[0], half, rest)
    # The leading one of a normal number adds one to the exponent below it; so does the carry of rounding up.
    field = If(tiny, 0, biased - 1)[form.exponent : 0]
    packed = (field @ Zeros(form.fraction)) + kept.zero_extend(form.width) + up.zero_extend(form.width)

    limit, infinity = form.largest_exponent, form.largest_exponent << form.fraction
    too_large = ~biased.signed_less(If(alternative, bits(EXPONENT, limit + 1), limit))
    overflow = too_large | If(alternative, packed[form.width - 1], packed >= infinity)
    largest = bits(form.width - 1, infinity - 1)
    overflowed = If(overflows_to_infinity(rounding, sign), infinity, largest)
    overflowed = If(alternative, (1 << form.width - 1) - 1, overflowed)
    magnitude = If(overflow, overflowed, packed[form.width - 2 : 0])
    exceptions = If(
        overflow,
        If(alternative, INVALID_OP, OVERFLOW | INEXACT),
        raised(inexact, INEXACT) | raised(inexact & tiny, UNDERFLOW),
    )
    zero, flushed = significand == 0, tiny & flush
    magnitude = If(zero | flushed, 0, magnitude)
    return sign @ magnitude, If(zero, NO_EXCEPTION, If(flushed, UNDERFLOW, exceptions))


@pseudocode
def FPRound(sign: Bits, exponent: Bits, significand: Bits, fpcr: Bits, rounding: Bits, width: int) -> Outcome:
    """significand * 2**exponent (16 bits, two's complement) in ``width`` bits, flushed by FZ16 for halves, else FZ."""
    flush = fpcr[19] if width == 16 else fpcr[24]
    return round_to_format(FORMATS[width], sign, exponent, significand, rounding, flush=flush, alternative=_NO)


@pseudocode
def FPRoundCV(sign: Bits, exponent: Bits, significand: Bits, fpcr: Bits, rounding: Bits, width: int) -> Outcome:
    """As FPRound for conversions: halves are not flushed, and may be of the alternative format (FPCR.AHP)."""
    half = width == 16
    return round_to_format(
        FORMATS[width],
        sign,
        exponent,
        significand,
        rounding,
        flush=_NO if half else fpcr[24],
        alternative=fpcr[26] if half else _NO,
    )
