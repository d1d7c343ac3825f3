"""Advanced SIMD three same, and scalar three same: integers."""

from assay64.reference.pseudocode import (
    CheckFPAdvSIMDEnabled64,
    Elem,
    SInt,
    UInt,
    Undefined,
    V,
    insn,
    lanes,
    saturating_lanes,
)
from assay64.reference.spec.simd_and_fp import _elements
from assay64.reference.spec.simd_and_fp._elements import absolute, arrangement


@insn("0 Q U 01110 size:2 1 Rm:5 00 op:2 0 1 Rn:5 Rd:5", "U op: SHADD SRHADD SHSUB - UHADD URHADD UHSUB -")
def vector_halving_add_sub(Q, U, size, Rm, op, Rn, Rd):
    """SHADD <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size, largest=2)
    Int = UInt if U else SInt

    def halved(a, b):
        result = Int(a) - Int(b) if op == 0b10 else Int(a) + Int(b) + (1 if op == 0b01 else 0)
        return result[esize:1]

    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(halved, esize, V[Rn, datasize], V[Rm, datasize])


@insn("0 Q U 01110 size:2 1 Rm:5 00 sub 01 1 Rn:5 Rd:5", "U sub: SQADD SQSUB UQADD UQSUB")
def vector_saturating_add_sub(Q, U, size, Rm, sub, Rn, Rd):
    """SQADD <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = saturating_lanes(_elements.saturating_add_sub(U, sub), esize, V[Rn, datasize], V[Rm, datasize])


@insn("01 U 11110 size:2 1 Rm:5 00 sub 01 1 Rn:5 Rd:5", "U sub: SQADD SQSUB UQADD UQSUB")
def scalar_saturating_add_sub(U, size, Rm, sub, Rn, Rd):
    """SQADD <V><d>, <V><n>, <V><m>"""
    esize = 8 << int(size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = saturating_lanes(_elements.saturating_add_sub(U, sub), esize, V[Rn, esize], V[Rm, esize])


@insn("0 Q U 01110 size:2 1 Rm:5 0011 eq 1 Rn:5 Rd:5", "U eq: CMGT CMGE CMHI CMHS", "register")
def vector_compare_register(Q, U, size, Rm, eq, Rn, Rd):
    """CMGT <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(_elements.compare(U, eq), esize, V[Rn, datasize], V[Rm, datasize])


@insn("01 U 11110 11 1 Rm:5 0011 eq 1 Rn:5 Rd:5", "U eq: CMGT CMGE CMHI CMHS", "register")
def scalar_compare_register(U, Rm, eq, Rn, Rd):
    """CMGT D<d>, D<n>, D<m>"""
    CheckFPAdvSIMDEnabled64()
    V[Rd, 64] = _elements.compare(U, eq)(V[Rn, 64], V[Rm, 64])


@insn("0 Q U 01110 size:2 1 Rm:5 10001 1 Rn:5 Rd:5", "U: CMTST CMEQ", "register")
def vector_compare_bits_register(Q, U, size, Rm, Rn, Rd):
    """CMTST <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(_elements.compare_bits(U), esize, V[Rn, datasize], V[Rm, datasize])


@insn("01 U 11110 11 1 Rm:5 10001 1 Rn:5 Rd:5", "U: CMTST CMEQ", "register")
def scalar_compare_bits_register(U, Rm, Rn, Rd):
    """CMTST D<d>, D<n>, D<m>"""
    CheckFPAdvSIMDEnabled64()
    V[Rd, 64] = _elements.compare_bits(U)(V[Rn, 64], V[Rm, 64])


@insn(
    "0 Q U 01110 size:2 1 Rm:5 010 R S 1 Rn:5 Rd:5",
    "U R S: SSHL SQSHL SRSHL SQRSHL USHL UQSHL URSHL UQRSHL",
    "register",
)
def vector_shift_register(Q, U, size, Rm, R, S, Rn, Rd):
    """SQSHL <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = _elements.shift(U, R, S, esize, V[Rn, datasize], V[Rm, datasize])


@insn(
    "01 U 11110 size:2 1 Rm:5 010 R S 1 Rn:5 Rd:5",
    "U R S: SSHL SQSHL SRSHL SQRSHL USHL UQSHL URSHL UQRSHL",
    "register",
)
def scalar_shift_register(U, size, Rm, R, S, Rn, Rd):
    """SQSHL <V><d>, <V><n>, <V><m>"""
    if not S and size != 0b11:
        raise Undefined
    esize = 8 << int(size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = _elements.shift(U, R, S, esize, V[Rn, esize], V[Rm, esize])


@insn("0 Q U 01110 size:2 1 Rm:5 0110 o1 1 Rn:5 Rd:5", "U o1: SMAX SMIN UMAX UMIN")
def vector_max_min(Q, U, size, Rm, o1, Rn, Rd):
    """SMAX <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size, largest=2)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(_elements.maximum_minimum(U, o1), esize, V[Rn, datasize], V[Rm, datasize])


@insn("0 Q U 01110 size:2 1 Rm:5 0111 ac 1 Rn:5 Rd:5", "U ac: SABD SABA UABD UABA")
def vector_absolute_difference(Q, U, size, Rm, ac, Rn, Rd):
    """SABA <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size, largest=2)
    Int = UInt if U else SInt
    CheckFPAdvSIMDEnabled64()
    operand1, operand2 = V[Rn, datasize], V[Rm, datasize]
    result = lanes(lambda a, b: absolute(Int(a) - Int(b), esize), esize, operand1, operand2)
    V[Rd, datasize] = lanes(lambda d, a: d + a, esize, V[Rd, datasize], result) if ac else result


@insn("0 Q U 01110 size:2 1 Rm:5 10000 1 Rn:5 Rd:5", "U: ADD SUB", "vector")
def vector_add_sub(Q, U, size, Rm, Rn, Rd):
    """ADD <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(_elements.add_sub(U), esize, V[Rn, datasize], V[Rm, datasize])


@insn("01 U 11110 11 1 Rm:5 10000 1 Rn:5 Rd:5", "U: ADD SUB", "vector")
def scalar_add_sub(U, Rm, Rn, Rd):
    """ADD D<d>, D<n>, D<m>"""
    CheckFPAdvSIMDEnabled64()
    V[Rd, 64] = _elements.add_sub(U)(V[Rn, 64], V[Rm, 64])


@insn("0 Q U 01110 size:2 1 Rm:5 10010 1 Rn:5 Rd:5", "U: MLA MLS", "vector")
def vector_multiply_accumulate(Q, U, size, Rm, Rn, Rd):
    """MLA <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size, largest=2)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(
        lambda d, a, b: d - a * b if U else d + a * b, esize, V[Rd, datasize], V[Rn, datasize], V[Rm, datasize]
    )


@insn("0 Q U 01110 size:2 1 Rm:5 10011 1 Rn:5 Rd:5", "U: MUL PMUL", "vector")
def vector_multiply(Q, U, size, Rm, Rn, Rd):
    """MUL <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size, largest=0 if U else 2)
    multiply = _elements.polynomial_multiply if U else _elements.multiply
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(multiply, esize, V[Rn, datasize], V[Rm, datasize])


@insn("0 Q U 01110 size:2 1 Rm:5 1010 o1 1 Rn:5 Rd:5", "U o1: SMAXP SMINP UMAXP UMINP")
def vector_max_min_pairwise(Q, U, size, Rm, o1, Rn, Rd):
    """SMAXP <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size, largest=2)
    function = _elements.maximum_minimum(U, o1)
    CheckFPAdvSIMDEnabled64()
    concat = V[Rm, datasize] @ V[Rn, datasize]
    V[Rd, datasize] = lanes(lambda pair: function(Elem(pair, 0, esize), Elem(pair, 1, esize)), 2 * esize, concat)


@insn("0 Q 0 01110 size:2 1 Rm:5 10111 1 Rn:5 Rd:5", "ADDP", "vector")
def vector_add_pairwise(Q, size, Rm, Rn, Rd):
    """ADDP <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    concat = V[Rm, datasize] @ V[Rn, datasize]
    V[Rd, datasize] = lanes(lambda pair: Elem(pair, 0, esize) + Elem(pair, 1, esize), 2 * esize, concat)


@insn("0 Q U 01110 size:2 1 Rm:5 10110 1 Rn:5 Rd:5", "U: SQDMULH SQRDMULH", "vector")
def vector_doubling_multiply_high(Q, U, size, Rm, Rn, Rd):
    """SQDMULH <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    if size == 0b00:
        raise Undefined
    datasize, esize = arrangement(Q, size, largest=2)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = saturating_lanes(_elements.doubling_multiply_high(U), esize, V[Rn, datasize], V[Rm, datasize])


@insn("01 U 11110 size:2 1 Rm:5 10110 1 Rn:5 Rd:5", "U: SQDMULH SQRDMULH", "vector")
def scalar_doubling_multiply_high(U, size, Rm, Rn, Rd):
    """SQDMULH <V><d>, <V><n>, <V><m>"""
    if size == 0b00 or size == 0b11:
        raise Undefined
    esize = 8 << int(size)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = saturating_lanes(_elements.doubling_multiply_high(U), esize, V[Rn, esize], V[Rm, esize])


@insn("0 Q 0 01110 opc2:2 1 Rm:5 00011 1 Rn:5 Rd:5", "opc2: AND BIC ORR ORN", "vector")
def vector_logical(Q, opc2, Rm, Rn, Rd):
    """AND <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    operand1, operand2 = V[Rn, datasize], V[Rm, datasize]
    if opc2[0]:
        operand2 = ~operand2
    V[Rd, datasize] = operand1 | operand2 if opc2[1] else operand1 & operand2


@insn("0 Q 1 01110 opc2:2 1 Rm:5 00011 1 Rn:5 Rd:5", "opc2: EOR BSL BIT BIF", "vector")
def vector_bitwise_select(Q, opc2, Rm, Rn, Rd):
    """BSL <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    operand1, operand2, operand3 = V[Rn, datasize], V[Rm, datasize], V[Rd, datasize]
    if opc2 == 0b00:
        result = operand1 ^ operand2
    elif opc2 == 0b01:
        result = operand1 & operand3 | operand2 & ~operand3
    elif opc2 == 0b10:
        result = operand1 & operand2 | operand3 & ~operand2
    else:
        result = operand1 & ~operand2 | operand3 & operand2
    V[Rd, datasize] = result
