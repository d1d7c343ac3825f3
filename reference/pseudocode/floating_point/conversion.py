"""Rounding to integers, conversions to and from integers and fixed point, between formats, and JavaScript's."""

from __future__ import annotations

from assay64.reference.bits import Bits, If, bits
from assay64.reference.pseudocode.floating_point.rounding import (
    FPRound,
    FPRoundCV,
    FPRounding_ZERO,
    FPRoundingMode,
    round_to_format,
    rounds_up,
)
from assay64.reference.pseudocode.floating_point.values import (
    BFLOAT16,
    EXPONENT,
    FORMATS,
    INEXACT,
    INVALID_OP,
    NO_EXCEPTION,
    FPDefaultNaN,
    FPInfinity,
    FPProcessNaN,
    FPUnpack,
    FPUnpackCV,
    FPZero,
    Outcome,
    Unpacked,
    first_case,
    raised,
)
from assay64.reference.pseudocode.integer import Ones, Zeros
from assay64.reference.pseudocode.processor import pseudocode


def _integral(value: Unpacked, fbits: Bits | int, rounding: Bits, width: int) -> tuple[Bits, Bits]:
    """The magnitude of value * 2**fbits rounded to an integer, and whether that is inexact.

    It is right up to 2**width, and more than that where the number is.
    """
    precision = value.significand.width
    # A fixed-point number with as many fraction bits as tell one half from what is less, however small.
    fraction, integer = precision + 1, precision + width + 1
    scale = fbits if isinstance(fbits, int) else fbits.zero_extend(EXPONENT)
    position = value.exponent + scale + fraction
    position = If(position.signed_less(0), 0, position)
    position = If(position > fraction + width + 1, fraction + width + 1, position)
    fixed = value.significand.zero_extend(integer + fraction) << position
    whole, half, rest = fixed[integer + fraction - 1 : fraction], fixed[fraction - 1], fixed[fraction - 2 : 0] != 0
    return whole + rounds_up(rounding, value.sign, whole[0], half, rest).zero_extend(integer), half | rest


@pseudocode
def FPRoundInt(op: Bits, fpcr: Bits, rounding: Bits, exact: bool) -> Outcome:
    """Rounded to an integer in the same format; Inexact only when ``exact``"""
    width, precision = op.width, FORMATS[op.width].fraction + 1
    value = FPUnpack(op, fpcr)
    magnitude, inexact = _integral(value, 0, rounding, precision)
    rounded, _ = FPRound(value.sign, bits(EXPONENT, 0), magnitude, fpcr, FPRounding_ZERO, width)
    result, exceptions = first_case(
        (value.nan, FPProcessNaN(op, fpcr)),
        (value.infinity, (op, NO_EXCEPTION)),
        (value.zero, (FPZero(value.sign, width), NO_EXCEPTION)),
        (~value.exponent.signed_less(0), (op, NO_EXCEPTION)),
        otherwise=(rounded, raised(inexact, INEXACT) if exact else NO_EXCEPTION),
    )
    return result, exceptions | value.input_denorm


@pseudocode
def FPRoundIntN(op: Bits, fpcr: Bits, rounding: Bits, intsize: int) -> Outcome:
    """Rounded to an integer of 32 or 64 bits in the same format; what does not fit becomes the most negative one"""
    width, form = op.width, FORMATS[op.width]
    value = FPUnpack(op, fpcr)
    magnitude, inexact = _integral(value, 0, rounding, intsize)
    limit = 1 << intsize - 1
    too_large = magnitude > If(value.sign, bits(magnitude.width, limit), limit - 1)
    most_negative = bits(width, 1 << width - 1 | form.bias + intsize - 1 << form.fraction)
    rounded, _ = FPRound(value.sign, bits(EXPONENT, 0), magnitude, fpcr, FPRounding_ZERO, width)
    result, exceptions = first_case(
        (value.nan | value.infinity | too_large, (most_negative, INVALID_OP)),
        otherwise=(rounded, raised(inexact, INEXACT)),
    )
    return result, exceptions | value.input_denorm


@pseudocode
def FPToFixed(op: Bits, fbits: Bits | int, unsigned: bool, fpcr: Bits, rounding: Bits, width: int) -> Outcome:
    """Op * 2**fbits rounded to an integer of ``width`` bits; what does not fit saturates and is invalid"""
    value = FPUnpack(op, fpcr)
    magnitude, inexact = _integral(value, fbits, rounding, width)
    if unsigned:
        smallest, largest = 0, (1 << width) - 1
    else:
        smallest, largest = 1 << width - 1, (1 << width - 1) - 1
    limit = If(value.sign, bits(magnitude.width, smallest), largest)
    low = magnitude[width - 1 : 0]
    overflow = value.infinity | (magnitude > limit)
    result, exceptions = first_case(
        (value.nan, (Zeros(width), INVALID_OP)),
        (overflow, (limit[width - 1 : 0], INVALID_OP)),
        otherwise=(If(value.sign, -low, low), raised(inexact, INEXACT)),
    )
    return result, exceptions | value.input_denorm


@pseudocode
def FixedToFP(op: Bits, fbits: Bits | int, unsigned: bool, fpcr: Bits, rounding: Bits, width: int) -> Outcome:
    """The integer op / 2**fbits as a number of ``width`` bits"""
    sign = bits(1, 0) if unsigned else op[op.width - 1]
    magnitude = If(sign, -op, op)
    exponent = bits(EXPONENT, -fbits) if isinstance(fbits, int) else -fbits.zero_extend(EXPONENT)
    return FPRound(sign, exponent, magnitude, fpcr, rounding, width)


@pseudocode
def FPToFixedJS(op: Bits, fpcr: Bits) -> tuple[Bits, Bits, Bits]:
    """JavaScript's conversion of 64 bits: rounded to zero, modulo 2**32.

    The word, then the flag Z: the result is exact and is not minus zero; then the exceptions.
    """
    value = FPUnpack(op, fpcr)
    magnitude, inexact = _integral(value, 0, FPRounding_ZERO, 32)
    right = If(value.exponent.signed_less(0), 0, value.exponent)
    low = If(value.exponent.signed_less(0), magnitude[31:0], (value.significand << right)[31:0])
    limit = If(value.sign, bits(magnitude.width, 1 << 31), (1 << 31) - 1)
    invalid = value.nan | value.infinity | (magnitude > limit)
    result = If(value.nan | value.infinity, 0, If(value.sign, -low, low))
    exceptions = If(invalid, INVALID_OP, raised(inexact, INEXACT)) | value.input_denorm
    flushed = value.zero & (op[51:0] != 0)
    return result, ~(invalid | inexact | (value.sign & value.zero) | flushed), exceptions


def _convert_nan(op: Bits, width: int, fraction: int) -> Bits:
    """FPConvertNaN: quieted, the top of the payload kept."""
    source = FORMATS[op.width].fraction
    payload = (op[source - 2 : 0] @ Zeros(52))[source - 2 + 52 : source + 52 - fraction]
    return op[op.width - 1] @ Ones(width - fraction) @ payload


@pseudocode
def FPConvert(op: Bits, fpcr: Bits, width: int, rounding: Bits | None = None) -> Outcome:
    """Between half, single and double precision; in the mode of FPCR unless ``rounding`` is given"""
    value = FPUnpackCV(op, fpcr)
    alternative = fpcr[26] if width == 16 else bits(1, 0)
    converted = If(fpcr[25], FPDefaultNaN(width), _convert_nan(op, width, FORMATS[width].fraction))
    rounded = FPRoundCV(
        value.sign,
        value.exponent,
        value.significand,
        fpcr,
        FPRoundingMode(fpcr) if rounding is None else rounding,
        width,
    )
    infinity = FPInfinity(value.sign, width), NO_EXCEPTION
    if width == 16:
        largest = value.sign @ Ones(15)
        infinity = If(alternative, largest, infinity[0]), raised(alternative, INVALID_OP)
    result, exceptions = first_case(
        (
            value.nan,
            (If(alternative, FPZero(value.sign, width), converted), raised(value.snan | alternative, INVALID_OP)),
        ),
        (value.infinity, infinity),
        (value.zero, (FPZero(value.sign, width), NO_EXCEPTION)),
        otherwise=rounded,
    )
    return result, exceptions | value.input_denorm


@pseudocode
def FPConvertBF(op: Bits, fpcr: Bits) -> Outcome:
    """From single precision to BFloat16, in the mode of FPCR"""
    value = FPUnpack(op, fpcr)
    converted = If(fpcr[25], FPDefaultNaN(32)[31:16], _convert_nan(op, 16, BFLOAT16.fraction))
    rounded = round_to_format(
        BFLOAT16,
        value.sign,
        value.exponent,
        value.significand,
        FPRoundingMode(fpcr),
        flush=fpcr[24],
        alternative=bits(1, 0),
    )
    result, exceptions = first_case(
        (value.nan, (converted, raised(value.snan, INVALID_OP))),
        (value.infinity, (op[31:16], NO_EXCEPTION)),
        otherwise=rounded,
    )
    return result, exceptions | value.input_denorm
