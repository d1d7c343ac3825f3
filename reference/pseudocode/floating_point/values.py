"""Floating-point numbers as bit patterns: their formats, constants, unpacking, and the rules for NaNs.

Arm's pseudocode unpacks to a real number. Here a finite number is an integer and a power of two, significand *
2**exponent, so that every operation is exact integer arithmetic until it is rounded (rounding.py). Nothing here knows
an instruction or the machine: FPCR is an argument, exceptions are a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from assay64.reference.bits import Bits, If, bits
from assay64.reference.pseudocode.processor import pseudocode

EXPONENT = 16  # bits of an exponent in two's complement: more than any sum of exponents needs


@dataclass(frozen=True)
class Format:
    """``exponent`` and ``fraction`` bits beside the sign."""

    exponent: int
    fraction: int

    @property
    def width(self) -> int:
        return 1 + self.exponent + self.fraction

    @property
    def bias(self) -> int:
        return (1 << self.exponent - 1) - 1

    @property
    def largest_exponent(self) -> int:
        return (1 << self.exponent) - 1


FORMATS = {16: Format(5, 10), 32: Format(8, 23), 64: Format(11, 52)}
BFLOAT16 = Format(8, 7)

# What an operation returns: its result, and its exceptions as FPSR<7:0> has them.
Outcome = tuple[Bits, Bits]

NO_EXCEPTION = bits(8, 0)
INVALID_OP = bits(8, 1 << 0)
DIVIDE_BY_ZERO = bits(8, 1 << 1)
OVERFLOW = bits(8, 1 << 2)
UNDERFLOW = bits(8, 1 << 3)
INEXACT = bits(8, 1 << 4)
INPUT_DENORM = bits(8, 1 << 7)


class Unpacked(NamedTuple):
    """A number taken apart.

    A finite one is significand * 2**exponent; ``input_denorm`` are the exceptions of flushing it to zero.
    """

    sign: Bits
    exponent: Bits
    significand: Bits
    zero: Bits
    infinity: Bits
    snan: Bits
    qnan: Bits
    input_denorm: Bits

    @property
    def nan(self) -> Bits:
        return self.snan | self.qnan


def first_case(*cases: tuple[Bits, Outcome], otherwise: Outcome) -> Outcome:
    """The outcome of the first case whose condition holds: Arm's if ... elsif ..., without a branch."""
    result, exceptions = otherwise
    for condition, (case_result, case_exceptions) in reversed(cases):
        result, exceptions = If(condition, case_result, result), If(condition, case_exceptions, exceptions)
    return result, exceptions


def raised(condition: Bits, exception: Bits) -> Bits:
    return If(condition, exception, NO_EXCEPTION)


# --- constants


def _pattern(sign: Bits | int, exponent: int, fraction: int, width: int) -> Bits:
    form = FORMATS[width]
    rest = bits(width - 1, exponent << form.fraction | fraction)
    return (sign if isinstance(sign, Bits) else bits(1, sign)) @ rest


def FPZero(sign: Bits | int, width: int) -> Bits:
    return _pattern(sign, 0, 0, width)


def FPInfinity(sign: Bits | int, width: int) -> Bits:
    return _pattern(sign, FORMATS[width].largest_exponent, 0, width)


def FPMaxNormal(sign: Bits | int, width: int) -> Bits:
    form = FORMATS[width]
    return _pattern(sign, form.largest_exponent - 1, (1 << form.fraction) - 1, width)


def FPOnePointFive(sign: Bits | int, width: int) -> Bits:
    form = FORMATS[width]
    return _pattern(sign, form.bias, 1 << form.fraction - 1, width)


def FPTwo(sign: Bits | int, width: int) -> Bits:
    return _pattern(sign, FORMATS[width].bias + 1, 0, width)


def FPDefaultNaN(width: int) -> Bits:
    """The quiet NaN without payload, positive."""
    form = FORMATS[width]
    return _pattern(0, form.largest_exponent, 1 << form.fraction - 1, width)


# --- sign


def FPAbs(op: Bits) -> Bits:
    return bits(1, 0) @ op[op.width - 2 : 0]


def FPNeg(op: Bits) -> Bits:
    return ~op[op.width - 1] @ op[op.width - 2 : 0]


# --- unpacking


def _unpack(op: Bits, form: Format, flush: Bits, input_denorm: Bits) -> Unpacked:
    sign, exponent, fraction = (
        op[form.width - 1],
        op[form.width - 2 : form.fraction],
        op[form.fraction - 1 : 0],
    )
    empty, largest, whole = exponent == 0, exponent == form.largest_exponent, fraction == 0
    flushed = empty & ~whole & flush
    # A denormal number has the exponent of the smallest normal one.
    unbiased = If(empty, bits(EXPONENT, 1), exponent.zero_extend(EXPONENT)) - (form.bias + form.fraction)
    return Unpacked(
        sign=sign,
        exponent=unbiased,
        significand=~empty @ If(flushed, 0, fraction),
        zero=empty & (whole | flush),
        infinity=largest & whole,
        snan=largest & ~whole & ~fraction[form.fraction - 1],
        qnan=largest & fraction[form.fraction - 1],
        input_denorm=raised(flushed, input_denorm),
    )


@pseudocode
def FPUnpack(op: Bits, fpcr: Bits) -> Unpacked:
    """For arithmetic: FZ flushes denormal inputs with Input Denormal, FZ16 half-precision ones without."""
    if op.width == 16:
        return _unpack(op, FORMATS[16], fpcr[19], NO_EXCEPTION)
    return _unpack(op, FORMATS[op.width], fpcr[24], INPUT_DENORM)


@pseudocode
def FPUnpackCV(op: Bits, fpcr: Bits) -> Unpacked:
    """For conversions between formats: FZ16 does not matter, and FPCR.AHP gives halves no infinities and NaNs."""
    if op.width != 16:
        return FPUnpack(op, fpcr)
    unpacked, alternative = _unpack(op, FORMATS[16], bits(1, 0), NO_EXCEPTION), fpcr[26]
    return unpacked._replace(
        infinity=unpacked.infinity & ~alternative,
        snan=unpacked.snan & ~alternative,
        qnan=unpacked.qnan & ~alternative,
    )


def unpack_bfloat(op: Bits) -> Unpacked:
    """A BFloat16 number as BFDOT and BFMMLA read it: denormals are zero."""
    return _unpack(op, BFLOAT16, bits(1, 1), NO_EXCEPTION)


def unpack_flushing(op: Bits) -> Unpacked:
    """A number whose denormals are zero whatever FPCR says, without exception."""
    return _unpack(op, FORMATS[op.width], bits(1, 1), NO_EXCEPTION)


# --- NaNs


def quiet(op: Bits) -> Bits:
    return op | 1 << FORMATS[op.width].fraction - 1


@pseudocode
def FPProcessNaN(op: Bits, fpcr: Bits) -> Outcome:
    """The result for the NaN ``op``: quieted, or the default NaN when FPCR.DN says so. A signaling one is invalid."""
    fraction = FORMATS[op.width].fraction
    return If(fpcr[25], FPDefaultNaN(op.width), quiet(op)), raised(~op[fraction - 1], INVALID_OP)


def FPProcessNaNs(values: tuple[Unpacked, ...], operands: tuple[Bits, ...], fpcr: Bits) -> tuple[Bits, Outcome]:
    """FPProcessNaNs and FPProcessNaNs3: whether an operand is a NaN, and then the result: of the first that is
    signaling, else of the first.
    """
    chosen, any_nan = operands[-1], values[-1].nan
    for value, operand in reversed(list(zip(values[:-1], operands[:-1], strict=True))):
        chosen, any_nan = If(value.nan, operand, chosen), any_nan | value.nan
    for value, operand in reversed(list(zip(values, operands, strict=True))):
        chosen = If(value.snan, operand, chosen)
    return any_nan, FPProcessNaN(chosen, fpcr)
