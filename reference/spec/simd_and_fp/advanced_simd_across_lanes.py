"""Advanced SIMD across lanes, and scalar pairwise: integers."""

from assay64.reference.pseudocode import (
    CheckFPAdvSIMDEnabled64,
    Elem,
    Reduce,
    SignExtend,
    Undefined,
    V,
    ZeroExtend,
    insn,
    lanes,
)
from assay64.reference.spec.simd_and_fp import _elements


def _arrangement(Q, size):
    """The vector's and the element's size in bits; two words or doublewords are too few elements."""
    if size == 0b11 or (size == 0b10 and not Q):
        raise Undefined
    return 128 if Q else 64, 8 << int(size)


@insn("0 Q U 01110 size:2 11000 00011 10 Rn:5 Rd:5", "U: SADDLV UADDLV")
def vector_add_long_across(Q, U, size, Rn, Rd):
    """SADDLV <V><d>, <Vn>.<T>"""
    datasize, esize = _arrangement(Q, size)
    extend = ZeroExtend if U else SignExtend
    CheckFPAdvSIMDEnabled64()
    widened = lanes(lambda element: extend(element, 2 * esize), esize, V[Rn, datasize])
    V[Rd, 2 * esize] = Reduce(lambda a, b: a + b, widened, 2 * esize)


@insn("0 Q U 01110 size:2 11000 o1 1010 10 Rn:5 Rd:5", "U o1: SMAXV SMINV UMAXV UMINV")
def vector_max_min_across(Q, U, size, o1, Rn, Rd):
    """SMAXV <V><d>, <Vn>.<T>"""
    datasize, esize = _arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = Reduce(_elements.maximum_minimum(U, o1), V[Rn, datasize], esize)


@insn("0 Q 0 01110 size:2 11000 11011 10 Rn:5 Rd:5", "ADDV")
def vector_add_across(Q, size, Rn, Rd):
    """ADDV <V><d>, <Vn>.<T>"""
    datasize, esize = _arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = Reduce(lambda a, b: a + b, V[Rn, datasize], esize)


@insn("01 0 11110 11 11000 11011 10 Rn:5 Rd:5", "ADDP", "scalar")
def scalar_add_pairwise(Rn, Rd):
    """ADDP D<d>, <Vn>.2D"""
    CheckFPAdvSIMDEnabled64()
    operand = V[Rn, 128]
    V[Rd, 64] = Elem(operand, 0, 64) + Elem(operand, 1, 64)
