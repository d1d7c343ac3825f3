"""Shared functions of Advanced SIMD under their names in Arm ARM J1.1: saturation, reduction, polynomials, immediates;
and vectors put together from their elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce

from assay64.reference.bits import Bits, If, Int, bits
from assay64.reference.pseudocode.integer import Ones, Replicate, Zeros
from assay64.reference.pseudocode.processor import pseudocode
from assay64.reference.pseudocode.state import FPProcessException

_FPSR_QC = 27


def from_elements(elements: Iterable[Bits]) -> Bits:
    """The vector of these elements, the lowest first."""
    return reduce(lambda low, high: high @ low, elements)


def with_element(vector: Bits, e: Bits, element: Bits) -> Bits:
    """``Elem[vector, e] = element``: the vector with another element ``e``, whose number is known from the encoding."""
    low = e.zero_extend(8) * element.width
    return vector & ~(Ones(element.width).zero_extend(vector.width) << low) | element.zero_extend(vector.width) << low


def _saturate(i: Int, low: int, high: int, width: int) -> tuple[Bits, Bits]:
    over, under = i > high, i < low
    return If(over, bits(width, high), If(under, bits(width, low), i[width - 1 : 0])), over | under


@pseudocode
def SignedSatQ(i: Int, width: int) -> tuple[Bits, Bits]:
    """``i`` in ``width`` bits of two's complement, or the nearest that fits; and whether it did not fit."""
    return _saturate(i, -(1 << width - 1), (1 << width - 1) - 1, width)


@pseudocode
def UnsignedSatQ(i: Int, width: int) -> tuple[Bits, Bits]:
    """``i`` in ``width`` unsigned bits, or the nearest that fits; and whether it did not fit."""
    return _saturate(i, 0, (1 << width) - 1, width)


def SatQ(i: Int, width: int, unsigned: Bits | bool) -> tuple[Bits, Bits]:
    """SignedSatQ or UnsignedSatQ; ``unsigned`` is known from the encoding."""
    return UnsignedSatQ(i, width) if unsigned else SignedSatQ(i, width)


def saturating_lanes(function: Callable[..., tuple[Bits, Bits]], size: int, *vectors: Bits) -> Bits:
    """``lanes`` for functions that return an element and whether it saturated: any that did sets FPSR.QC."""
    results = [
        function(*(vector[low + size - 1 : low] for vector in vectors)) for low in range(0, vectors[0].width, size)
    ]
    saturated = reduce(lambda one, other: one | other, (flag for _, flag in results))
    FPProcessException(saturated @ Zeros(_FPSR_QC))
    return from_elements(element for element, _ in results)


@pseudocode
def RShr(value: Int, shift: Bits, rounding: bool) -> Int:
    """``value`` shifted right by ``shift``, which is at least 1: rounded to nearest, ties upwards, or downwards."""
    width = value.carrier.width + 1
    half = Zeros(width - 1) @ bits(1, int(rounding)) << shift >> 1
    result = (value.carrier.sign_extend(width) + half).shift_right_arithmetic(shift)
    return Int(result, value.low, value.high)


@pseudocode
def Reduce(function: Callable[[Bits, Bits], Bits], vector: Bits, esize: int) -> Bits:
    """The elements of a vector combined pairwise, half with half, as Arm's recursive Reduce does."""
    if vector.width == esize:
        return vector
    half = vector.width // 2
    low, high = Reduce(function, vector[half - 1 : 0], esize), Reduce(function, vector[2 * half - 1 : half], esize)
    return function(low, high)


@pseudocode
def PolynomialMult(x: Bits, y: Bits) -> Bits:
    """The product of polynomials over {0,1}, in as many bits as x and y have together."""
    width = x.width + y.width
    result, multiplicand = Zeros(width), y.zero_extend(width)
    for position in range(x.width):
        result = If(x[position], result ^ multiplicand << position, result)
    return result


def VFPExpandImm(imm8: Bits, width: int) -> Bits:
    """The floating-point number of ``width`` bits that an 8-bit immediate stands for."""
    exponent_bits = {16: 5, 32: 8, 64: 11}[width]
    exponent = ~imm8[6] @ Replicate(imm8[6], exponent_bits - 3) @ imm8[5:4]
    return imm8[7] @ exponent @ imm8[3:0] @ Zeros(width - 1 - exponent_bits - 4)


def AdvSIMDExpandImm(op: Bits, cmode: Bits, imm8: Bits) -> Bits:
    """The 64 bits that the immediate of MOVI, MVNI, ORR, BIC and FMOV stands for. MVNI and BIC invert it themselves."""
    kind = int(cmode[3:1])
    if kind < 4:
        return Replicate(imm8.zero_extend(32) << 8 * kind, 2)
    if kind < 6:
        return Replicate(imm8.zero_extend(16) << 8 * (kind - 4), 4)
    if kind == 6:
        return Replicate(Zeros(8) @ imm8 @ Ones(16) if cmode[0] else Zeros(16) @ imm8 @ Ones(8), 2)
    if not cmode[0]:
        return from_elements(Replicate(imm8[position], 8) for position in range(8)) if op else Replicate(imm8, 8)
    return VFPExpandImm(imm8, 64) if op else Replicate(VFPExpandImm(imm8, 32), 2)
