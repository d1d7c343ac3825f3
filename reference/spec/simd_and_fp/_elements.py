"""What the Advanced SIMD pages do with one element: shared by the vector and scalar forms of an instruction.

A function that takes fields of the encoding returns the function of the elements.
"""

from assay64.reference.pseudocode import (
    ASR,
    LSL,
    Bits,
    If,
    Ones,
    PolynomialMult,
    SatQ,
    SignedSatQ,
    SInt,
    UInt,
    Undefined,
    UnsignedSatQ,
    Zeros,
    bits,
    lanes,
    saturating_lanes,
)


def arrangement(Q, size, *, largest=3):
    """The vector's and the element's size in bits; one doubleword alone is no vector."""
    if size > largest or (size == 0b11 and not Q):
        raise Undefined
    return 128 if Q else 64, 8 << int(size)


def all_if(condition, width):
    return If(condition, Ones(width), Zeros(width))


def absolute(i, width):
    return If(i < 0, (-i)[width - 1 : 0], i[width - 1 : 0])


def add_sub(sub):
    return lambda a, b: a - b if sub else a + b


def maximum_minimum(U, minimum):
    Int = UInt if U else SInt
    return lambda a, b: If(Int(b) < Int(a) if minimum else Int(b) > Int(a), b, a)


def saturating_add_sub(U, sub):
    Int = UInt if U else SInt
    return lambda a, b: SatQ(Int(a) - Int(b) if sub else Int(a) + Int(b), a.width, U)


def compare(U, equal):
    Int = UInt if U else SInt
    return lambda a, b: all_if(Int(a) >= Int(b) if equal else Int(a) > Int(b), a.width)


def compare_bits(U):
    """CMTST, CMEQ."""
    return lambda a, b: all_if(a == b if U else (a & b) != 0, a.width)


def shift(U, rounding, saturating, esize, operand1, operand2):
    """Each element by the signed low byte of the other: to the left, or to the right when that is negative.

    Distances that no result tells from larger ones are enough: esize to the left, esize + 1 to the right.
    """
    Int = UInt if U else SInt

    def shifted(element, distance):
        wide, amount = Int(element)[2 * esize + 1 : 0], distance[7:0]
        left = If(amount > esize, bits(8, esize), amount)
        right = If(-amount > esize, bits(8, esize + 1), -amount)
        half = LSL(bits(wide.width, 1), right) >> 1 if rounding else Zeros(wide.width)
        return SInt(If(amount[7], ASR(wide + half, right), LSL(wide, left)))

    if saturating:
        return saturating_lanes(lambda a, b: SatQ(shifted(a, b), esize, U), esize, operand1, operand2)
    return lanes(lambda a, b: shifted(a, b)[esize - 1 : 0], esize, operand1, operand2)


def doubling_multiply_high(rounding):
    def high_half(a, b):
        esize = a.width
        product = 2 * SInt(a) * SInt(b) + (1 << esize - 1 if rounding else 0)
        return SignedSatQ(SInt(product[2 * esize : esize]), esize)

    return high_half


def multiply(a, b):
    return a * b


def polynomial_multiply(a, b) -> Bits:
    return PolynomialMult(a, b)[a.width - 1 : 0]


def compare_with_zero(op, U):
    """CMGT and CMGE, CMEQ and CMLE, CMLT."""

    def compared(a):
        i = SInt(a)
        if op == 0b00:
            holds = i >= 0 if U else i > 0
        elif op == 0b01:
            holds = i <= 0 if U else i == 0
        else:
            holds = i < 0
        return all_if(holds, a.width)

    return compared


def saturating_absolute_negate(U):
    """SQABS, SQNEG."""

    def result(a):
        i = SInt(a)
        esize = a.width
        return SignedSatQ(-i if U else SInt(bits(1, 0) @ absolute(i, esize)), esize)

    return result


def saturating_accumulate(U):
    """SUQADD adds an unsigned to a signed element, USQADD a signed one to an unsigned."""
    return lambda a, d: SatQ((SInt(a) if U else UInt(a)) + (UInt(d) if U else SInt(d)), d.width, U)


def saturating_narrow(U):
    """SQXTN, UQXTN: an element of half the width."""
    return lambda a: SatQ((UInt if U else SInt)(a), a.width // 2, U)


def saturating_narrow_unsigned(a):
    """SQXTUN."""
    return UnsignedSatQ(SInt(a), a.width // 2)


def narrowed(size):
    """The size in bits of the narrow elements of XTN, SHLL and their like."""
    if size == 0b11:
        raise Undefined
    return 8 << int(size)
