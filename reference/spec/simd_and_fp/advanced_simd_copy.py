"""Advanced SIMD copy, and scalar copy."""

from assay64.reference.pseudocode import (
    CheckFPAdvSIMDEnabled64,
    Elem,
    LowestSetBit,
    Replicate,
    SignExtend,
    Undefined,
    V,
    X,
    ZeroExtend,
    insn,
    with_element,
)


def _element(imm5, largest=3):
    """The size in bits of the element that imm5 describes, and its index."""
    size = LowestSetBit(imm5)
    if size > largest:
        raise Undefined
    return 8 << size, imm5[4 : size + 1]


@insn("0 Q 0 01110000 imm5:5 0 0000 1 Rn:5 Rd:5", "DUP", "element")
def vector_duplicate_element(Q, imm5, Rn, Rd):
    """DUP <Vd>.<T>, <Vn>.<Ts>[<index>]"""
    esize, index = _element(imm5, largest=3 if Q else 2)
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = Replicate(Elem(V[Rn, 128], index, esize), datasize // esize)


@insn("01 0 11110000 imm5:5 0 0000 1 Rn:5 Rd:5", "DUP", "element")
def scalar_duplicate_element(imm5, Rn, Rd):
    """DUP <V><d>, <Vn>.<T>[<index>]"""
    esize, index = _element(imm5)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = Elem(V[Rn, 128], index, esize)


@insn("0 Q 0 01110000 imm5:5 0 0001 1 Rn:5 Rd:5", "DUP", "general")
def vector_duplicate_general(Q, imm5, Rn, Rd):
    """DUP <Vd>.<T>, <R><n>"""
    esize, _ = _element(imm5, largest=3 if Q else 2)
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = Replicate(X[Rn, esize], datasize // esize)


@insn("0 Q 0 01110000 imm5:5 0 0101 1 Rn:5 Rd:5", "SMOV")
def vector_move_signed(Q, imm5, Rn, Rd):
    """SMOV <Xd>, <Vn>.<Ts>[<index>]"""
    esize, index = _element(imm5, largest=2 if Q else 1)
    datasize = 64 if Q else 32
    CheckFPAdvSIMDEnabled64()
    X[Rd, datasize] = SignExtend(Elem(V[Rn, 128], index, esize), datasize)


@insn("0 Q 0 01110000 imm5:5 0 0111 1 Rn:5 Rd:5", "UMOV")
def vector_move_unsigned(Q, imm5, Rn, Rd):
    """UMOV <Wd>, <Vn>.<Ts>[<index>]"""
    esize, index = _element(imm5, largest=3 if Q else 2)
    if Q and esize != 64:
        raise Undefined
    datasize = 64 if Q else 32
    CheckFPAdvSIMDEnabled64()
    X[Rd, datasize] = ZeroExtend(Elem(V[Rn, 128], index, esize), datasize)


@insn("01 0 01110000 imm5:5 0 0011 1 Rn:5 Rd:5", "INS", "general")
def vector_insert_general(imm5, Rn, Rd):
    """INS <Vd>.<Ts>[<index>], <R><n>"""
    esize, index = _element(imm5)
    CheckFPAdvSIMDEnabled64()
    V[Rd, 128] = with_element(V[Rd, 128], index, X[Rn, esize])


@insn("01 1 01110000 imm5:5 0 imm4:4 1 Rn:5 Rd:5", "INS", "element")
def vector_insert_element(imm5, imm4, Rn, Rd):
    """INS <Vd>.<Ts>[<index1>], <Vn>.<Ts>[<index2>]: the bits of imm4 below the index are ignored"""
    esize, dst_index = _element(imm5)
    src_index = imm4[3 : LowestSetBit(imm5)]
    CheckFPAdvSIMDEnabled64()
    V[Rd, 128] = with_element(V[Rd, 128], dst_index, Elem(V[Rn, 128], src_index, esize))
