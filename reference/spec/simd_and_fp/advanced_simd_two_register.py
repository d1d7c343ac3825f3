"""Advanced SIMD two-register miscellaneous, and scalar two-register miscellaneous: integers."""

from assay64.reference.pseudocode import (
    BitCount,
    CheckFPAdvSIMDEnabled64,
    CountLeadingSignBits,
    CountLeadingZeroBits,
    Elem,
    ReverseLanes,
    SInt,
    UInt,
    Undefined,
    UnsignedRecipEstimate,
    UnsignedRSqrtEstimate,
    V,
    Vpart,
    ZeroExtend,
    insn,
    lanes,
    saturating_lanes,
)
from assay64.reference.spec.simd_and_fp import _elements
from assay64.reference.spec.simd_and_fp._elements import absolute, arrangement


@insn("0 Q U 01110 size:2 10000 0000 o0 10 Rn:5 Rd:5", "U o0: REV64 REV16 REV32 -")
def vector_reverse(Q, U, size, o0, Rn, Rd):
    """REV64 <Vd>.<T>, <Vn>.<T>"""
    container = 16 if o0 else 32 if U else 64
    datasize, esize = 128 if Q else 64, 8 << int(size)
    if esize >= container:
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(lambda group: ReverseLanes(group, esize), container, V[Rn, datasize])


@insn("0 Q U 01110 size:2 10000 00 ac 10 10 Rn:5 Rd:5", "U ac: SADDLP SADALP UADDLP UADALP")
def vector_add_long_pairwise(Q, U, size, ac, Rn, Rd):
    """SADDLP <Vd>.<Ta>, <Vn>.<Tb>"""
    datasize, esize = arrangement(Q, size, largest=2)
    Int = UInt if U else SInt
    CheckFPAdvSIMDEnabled64()
    result = lanes(
        lambda pair: (Int(Elem(pair, 0, esize)) + Int(Elem(pair, 1, esize)))[2 * esize - 1 : 0],
        2 * esize,
        V[Rn, datasize],
    )
    V[Rd, datasize] = lanes(lambda d, s: d + s, 2 * esize, V[Rd, datasize], result) if ac else result


@insn("0 Q U 01110 size:2 10000 00011 10 Rn:5 Rd:5", "U: SUQADD USQADD")
def vector_saturating_accumulate(Q, U, size, Rn, Rd):
    """SUQADD <Vd>.<T>, <Vn>.<T>"""
    datasize, esize = arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = saturating_lanes(_elements.saturating_accumulate(U), esize, V[Rn, datasize], V[Rd, datasize])


@insn("01 U 11110 size:2 10000 00011 10 Rn:5 Rd:5", "U: SUQADD USQADD")
def scalar_saturating_accumulate(U, size, Rn, Rd):
    """SUQADD <V><d>, <V><n>"""
    esize = 8 << int(size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = saturating_lanes(_elements.saturating_accumulate(U), esize, V[Rn, esize], V[Rd, esize])


@insn("0 Q U 01110 size:2 10000 00111 10 Rn:5 Rd:5", "U: SQABS SQNEG")
def vector_saturating_absolute_negate(Q, U, size, Rn, Rd):
    """SQABS <Vd>.<T>, <Vn>.<T>"""
    datasize, esize = arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = saturating_lanes(_elements.saturating_absolute_negate(U), esize, V[Rn, datasize])


@insn("01 U 11110 size:2 10000 00111 10 Rn:5 Rd:5", "U: SQABS SQNEG")
def scalar_saturating_absolute_negate(U, size, Rn, Rd):
    """SQABS <V><d>, <V><n>"""
    esize = 8 << int(size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = saturating_lanes(_elements.saturating_absolute_negate(U), esize, V[Rn, esize])


@insn("0 Q U 01110 size:2 10000 00100 10 Rn:5 Rd:5", "U: CLS CLZ", "vector")
def vector_count_leading(Q, U, size, Rn, Rd):
    """CLS <Vd>.<T>, <Vn>.<T>"""
    datasize, esize = arrangement(Q, size, largest=2)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(CountLeadingZeroBits if U else CountLeadingSignBits, esize, V[Rn, datasize])


@insn("0 Q U 01110 size:2 10000 00101 10 Rn:5 Rd:5", "U size: CNT - - - NOT RBIT - -", "vector")
def vector_bits(Q, U, size, Rn, Rd):
    """CNT <Vd>.<T>, <Vn>.<T>"""
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    operand = V[Rn, datasize]
    if not U:
        result = lanes(BitCount, 8, operand)
    else:
        result = lanes(lambda element: ReverseLanes(element, 1), 8, operand) if size[0] else ~operand
    V[Rd, datasize] = result


@insn("0 Q U 01110 size:2 10000 010 op:2 10 Rn:5 Rd:5", "U op: CMGT CMEQ CMLT - CMGE CMLE - -", "zero")
def vector_compare_zero(Q, U, size, op, Rn, Rd):
    """CMGT <Vd>.<T>, <Vn>.<T>, #0"""
    datasize, esize = arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(_elements.compare_with_zero(op, U), esize, V[Rn, datasize])


@insn("01 U 11110 11 10000 010 op:2 10 Rn:5 Rd:5", "U op: CMGT CMEQ CMLT - CMGE CMLE - -", "zero")
def scalar_compare_zero(U, op, Rn, Rd):
    """CMGT D<d>, D<n>, #0"""
    CheckFPAdvSIMDEnabled64()
    V[Rd, 64] = _elements.compare_with_zero(op, U)(V[Rn, 64])


@insn("0 Q U 01110 size:2 10000 01011 10 Rn:5 Rd:5", "U: ABS NEG", "vector")
def vector_absolute_negate(Q, U, size, Rn, Rd):
    """ABS <Vd>.<T>, <Vn>.<T>"""
    datasize, esize = arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(lambda a: -a if U else absolute(SInt(a), esize), esize, V[Rn, datasize])


@insn("01 U 11110 11 10000 01011 10 Rn:5 Rd:5", "U: ABS NEG", "vector")
def scalar_absolute_negate(U, Rn, Rd):
    """ABS D<d>, D<n>"""
    CheckFPAdvSIMDEnabled64()
    V[Rd, 64] = -V[Rn, 64] if U else absolute(SInt(V[Rn, 64]), 64)


@insn("0 Q U 01110 size:2 10000 10010 10 Rn:5 Rd:5", "Q U: XTN SQXTUN XTN2 SQXTUN2")
def vector_narrow(Q, U, size, Rn, Rd):
    """XTN{2} <Vd>.<Tb>, <Vn>.<Ta>"""
    part, esize = int(Q), _elements.narrowed(size)
    CheckFPAdvSIMDEnabled64()
    if U:
        result = saturating_lanes(_elements.saturating_narrow_unsigned, 2 * esize, V[Rn, 128])
    else:
        result = lanes(lambda a: a[esize - 1 : 0], 2 * esize, V[Rn, 128])
    Vpart[Rd, part, 64] = result


@insn("01 1 11110 size:2 10000 10010 10 Rn:5 Rd:5", "SQXTUN")
def scalar_saturating_narrow_unsigned(size, Rn, Rd):
    """SQXTUN <Vb><d>, <Va><n>"""
    esize = _elements.narrowed(size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = saturating_lanes(_elements.saturating_narrow_unsigned, 2 * esize, V[Rn, 2 * esize])


@insn("0 Q U 01110 size:2 10000 10100 10 Rn:5 Rd:5", "Q U: SQXTN UQXTN SQXTN2 UQXTN2")
def vector_saturating_narrow(Q, U, size, Rn, Rd):
    """SQXTN{2} <Vd>.<Tb>, <Vn>.<Ta>"""
    part, esize = int(Q), _elements.narrowed(size)
    CheckFPAdvSIMDEnabled64()
    Vpart[Rd, part, 64] = saturating_lanes(_elements.saturating_narrow(U), 2 * esize, V[Rn, 128])


@insn("01 U 11110 size:2 10000 10100 10 Rn:5 Rd:5", "U: SQXTN UQXTN")
def scalar_saturating_narrow(U, size, Rn, Rd):
    """SQXTN <Vb><d>, <Va><n>"""
    esize = _elements.narrowed(size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = saturating_lanes(_elements.saturating_narrow(U), 2 * esize, V[Rn, 2 * esize])


@insn("0 Q 1 01110 size:2 10000 10011 10 Rn:5 Rd:5", "Q: SHLL SHLL2")
def vector_shift_left_long(Q, size, Rn, Rd):
    """SHLL{2} <Vd>.<Ta>, <Vn>.<Tb>, #<esize>"""
    part, esize = int(Q), _elements.narrowed(size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, 128] = lanes(lambda a: ZeroExtend(a, 2 * esize) << esize, esize, Vpart[Rn, part, 64])


@insn("0 Q U 01110 1 sz 10000 11100 10 Rn:5 Rd:5", "U: URECPE URSQRTE")
def vector_unsigned_estimate(Q, U, sz, Rn, Rd):
    """URECPE <Vd>.<T>, <Vn>.<T>"""
    if sz:
        raise Undefined
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(UnsignedRSqrtEstimate if U else UnsignedRecipEstimate, 32, V[Rn, datasize])
