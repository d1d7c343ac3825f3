"""The operations that the multiplications of two vectors share with those of a vector by an element.

The functions of elements are for ``lanes`` and ``saturating_lanes``; what they accumulate on comes first.
"""

from assay64.reference.pseudocode import (
    Elem,
    Replicate,
    SignedSatQ,
    SInt,
    UInt,
    Undefined,
    V,
    Zeros,
    bits,
    lanes,
    saturating_lanes,
)


def widen(U, esize, vector):
    """The elements, each in twice its size."""
    Int = UInt if U else SInt
    return lanes(lambda x: Int(x)[2 * esize - 1 : 0], esize, vector)


def decode_element(size, L, M, Rm, H):
    """The element's size, its index, and the register that it is in."""
    if size == 0b01:
        return 16, H @ L @ M, bits(1, 0) @ Rm
    if size == 0b10:
        return 32, H @ L, M @ Rm
    raise Undefined


def element_operand(datasize, esize, index, m):
    """A vector that has the element everywhere."""
    return Replicate(Elem(V[m, 128], index, esize), datasize // esize)


def multiply_long(U, op, esize, operand1, operand2, Rd):
    """SMLAL, SMLSL and SMULL."""
    accumulator = Zeros(128) if op == 0b10 else V[Rd, 128]

    def accumulated(accumulated, x, y):
        return accumulated - x * y if op == 0b01 else accumulated + x * y

    V[Rd, 128] = lanes(accumulated, 2 * esize, accumulator, widen(U, esize, operand1), widen(U, esize, operand2))


def saturating_doubling_multiply_long(op, esize, operand1, operand2, Rd):
    """SQDMLAL, SQDMLSL and SQDMULL: the product is saturated, and then the sum."""
    datasize = 2 * operand1.width
    accumulator = Zeros(datasize) if op == 0b10 else V[Rd, datasize]

    def accumulated(accumulated, x, y):
        product, sat1 = SignedSatQ(2 * SInt(x) * SInt(y), 2 * esize)
        accum = SInt(accumulated) - SInt(product) if op == 0b01 else SInt(accumulated) + SInt(product)
        result, sat2 = SignedSatQ(accum, 2 * esize)
        return result, sat1 | sat2

    V[Rd, datasize] = saturating_lanes(
        accumulated, 2 * esize, accumulator, widen(False, esize, operand1), widen(False, esize, operand2)
    )


def rounding_doubling_multiply_accumulate_high(subtract):
    """SQRDMLAH and SQRDMLSH: saturated once, at the end."""

    def accumulated(accumulated, x, y):
        esize = x.width
        product = 2 * SInt(x) * SInt(y)
        accum = SInt(accumulated) * (1 << esize) + (1 << esize - 1)
        return SignedSatQ(SInt((accum - product if subtract else accum + product)[2 * esize + 1 : esize]), esize)

    return accumulated


def dot_product(x_unsigned, y_unsigned):
    """SDOT, UDOT and USDOT: four products of bytes added to a word."""
    X, Y = UInt if x_unsigned else SInt, UInt if y_unsigned else SInt

    def added(accumulated, x, y):
        products = [X(Elem(x, i, 8)) * Y(Elem(y, i, 8)) for i in range(4)]
        return (SInt(accumulated) + products[0] + products[1] + products[2] + products[3])[31:0]

    return added
