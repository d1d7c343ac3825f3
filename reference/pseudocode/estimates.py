"""The table of reciprocal and reciprocal square root estimates, as Arm computes it, and the estimates of unsigned
fixed-point numbers.
"""

from __future__ import annotations

from assay64.reference.bits import Bits, If, bits
from assay64.reference.pseudocode.integer import DivideUnsigned, Ones, SquareRoot, Zeros
from assay64.reference.pseudocode.processor import pseudocode


@pseudocode
def RecipEstimate(a: Bits) -> Bits:
    """The 9 bits of the estimate of 1/a: ``a`` is 256 to 511 for 0.5 to 1, the result is 256 to 511 for 1 to 2."""
    midpoint = (a @ bits(1, 1)).zero_extend(20)
    return ((DivideUnsigned(bits(20, 1 << 19), midpoint) + 1) >> 1)[8:0]


@pseudocode
def RecipSqrtEstimate(a: Bits) -> Bits:
    """The 9 bits of the estimate of 1/sqrt(a): ``a`` is 128 to 511 for 0.25 to 1, the result is 256 to 511 for 1 to 2.

    Arm counts b up from 512 while a * (b + 1) ** 2 < 2 ** 28; here it is a square root.
    """
    midpoint = If(a < 256, a.zero_extend(10) << 1 | 1, (a[8:1] @ Zeros(2)) + 2).zero_extend(28)
    b = SquareRoot(DivideUnsigned(bits(28, (1 << 28) - 1), midpoint))
    return ((b + 1) >> 1)[8:0]


def UnsignedRecipEstimate(operand: Bits) -> Bits:
    """Of 32 bits that stand for 0 to 1; all ones where the result would not be less than 2."""
    return If(operand[31], RecipEstimate(operand[31:23]) @ Zeros(23), Ones(32))


def UnsignedRSqrtEstimate(operand: Bits) -> Bits:
    """Of 32 bits that stand for 0 to 1; all ones where the result would not be less than 2."""
    return If(operand[31:30] == 0, Ones(32), RecipSqrtEstimate(operand[31:23]) @ Zeros(23))
