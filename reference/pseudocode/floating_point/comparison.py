"""Comparisons, minimum and maximum."""

from __future__ import annotations

from assay64.reference.bits import Bits, If
from assay64.reference.pseudocode.floating_point.values import (
    INVALID_OP,
    NO_EXCEPTION,
    FPInfinity,
    FPProcessNaNs,
    FPUnpack,
    FPZero,
    Outcome,
    Unpacked,
    first_case,
    raised,
)
from assay64.reference.pseudocode.processor import pseudocode


def _ordered(op: Bits, value: Unpacked) -> Bits:
    """A two's complement integer that is ordered as the numbers are; both zeros are 0."""
    magnitude = If(value.zero, 0, op[op.width - 2 : 0]).zero_extend(op.width)
    return If(value.sign, -magnitude, magnitude)


def _relation(op1: Bits, op2: Bits, fpcr: Bits, signal_nans: bool) -> tuple[Bits, Bits, Bits, Bits]:
    """Whether they are unordered, equal, less; and the exceptions."""
    value1, value2 = FPUnpack(op1, fpcr), FPUnpack(op2, fpcr)
    unordered = value1.nan | value2.nan
    invalid = unordered if signal_nans else value1.snan | value2.snan
    order1, order2 = _ordered(op1, value1), _ordered(op2, value2)
    exceptions = raised(invalid, INVALID_OP) | value1.input_denorm | value2.input_denorm
    return unordered, ~unordered & (order1 == order2), ~unordered & order1.signed_less(order2), exceptions


@pseudocode
def FPCompare(op1: Bits, op2: Bits, signal_nans: bool, fpcr: Bits) -> Outcome:
    """The condition flags N:Z:C:V."""
    unordered, equal, less, exceptions = _relation(op1, op2, fpcr, signal_nans)
    return less @ equal @ ~less @ unordered, exceptions


@pseudocode
def FPCompareEQ(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """One bit: op1 == op2. Only a signaling NaN is invalid."""
    _, equal, _, exceptions = _relation(op1, op2, fpcr, False)
    return equal, exceptions


@pseudocode
def FPCompareGE(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """One bit: op1 >= op2. Every NaN is invalid."""
    unordered, _, less, exceptions = _relation(op1, op2, fpcr, True)
    return ~unordered & ~less, exceptions


@pseudocode
def FPCompareGT(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """One bit: op1 > op2. Every NaN is invalid."""
    unordered, equal, less, exceptions = _relation(op1, op2, fpcr, True)
    return ~unordered & ~less & ~equal, exceptions


def _extreme(op1: Bits, op2: Bits, fpcr: Bits, maximum: bool) -> Outcome:
    value1, value2 = FPUnpack(op1, fpcr), FPUnpack(op2, fpcr)
    nan, processed = FPProcessNaNs((value1, value2), (op1, op2), fpcr)
    less = _ordered(op1, value1).signed_less(_ordered(op2, value2))
    first = ~less if maximum else less
    # Flushed denormals are zeros; of two zeros the sign decides.
    sign = value1.sign & value2.sign if maximum else value1.sign | value2.sign
    sign = If(value1.zero & value2.zero, sign, If(first, value1.sign, value2.sign))
    zero = If(first, value1.zero, value2.zero)
    result, exceptions = first_case(
        (nan, processed),
        (zero, (FPZero(sign, op1.width), NO_EXCEPTION)),
        otherwise=(If(first, op1, op2), NO_EXCEPTION),
    )
    return result, exceptions | value1.input_denorm | value2.input_denorm


def _extreme_number(op1: Bits, op2: Bits, fpcr: Bits, maximum: bool) -> Outcome:
    """A single quiet NaN counts as the infinity that loses."""
    value1, value2 = FPUnpack(op1, fpcr), FPUnpack(op2, fpcr)
    loser = FPInfinity(1 if maximum else 0, op1.width)
    replaced1 = If(value1.qnan & ~value2.qnan, loser, op1)
    replaced2 = If(value2.qnan & ~value1.qnan, loser, op2)
    return _extreme(replaced1, replaced2, fpcr, maximum)


@pseudocode
def FPMax(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """The larger; +0 is larger than -0; a NaN is propagated"""
    return _extreme(op1, op2, fpcr, True)


@pseudocode
def FPMin(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """The smaller; -0 is smaller than +0; a NaN is propagated"""
    return _extreme(op1, op2, fpcr, False)


@pseudocode
def FPMaxNum(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """The larger; a quiet NaN gives way to a number"""
    return _extreme_number(op1, op2, fpcr, True)


@pseudocode
def FPMinNum(op1: Bits, op2: Bits, fpcr: Bits) -> Outcome:
    """The smaller; a quiet NaN gives way to a number"""
    return _extreme_number(op1, op2, fpcr, False)
