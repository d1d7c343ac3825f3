"""Advanced SIMD three different, and scalar three different: operations whose elements differ in size."""

from assay64.reference.pseudocode import (
    CheckFPAdvSIMDEnabled64,
    IsFeatureImplemented,
    PolynomialMult,
    SInt,
    UInt,
    Undefined,
    V,
    Vpart,
    Zeros,
    insn,
    lanes,
)
from assay64.reference.spec.simd_and_fp._elements import absolute, add_sub
from assay64.reference.spec.simd_and_fp._multiply import multiply_long, saturating_doubling_multiply_long, widen


@insn(
    "0 Q U 01110 size:2 1 Rm:5 00 o1 wide 00 Rn:5 Rd:5",
    "Q U o1 wide: "
    "SADDL SADDW SSUBL SSUBW UADDL UADDW USUBL USUBW SADDL2 SADDW2 SSUBL2 SSUBW2 UADDL2 UADDW2 USUBL2 USUBW2",
)
def vector_add_sub_long_wide(Q, U, size, Rm, o1, wide, Rn, Rd):
    """SADDL{2} <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Tb>; SADDW{2} <Vd>.<Ta>, <Vn>.<Ta>, <Vm>.<Tb>"""
    if size == 0b11:
        raise Undefined
    esize, part = 8 << int(size), int(Q)
    CheckFPAdvSIMDEnabled64()
    operand1 = V[Rn, 128] if wide else widen(U, esize, Vpart[Rn, part, 64])
    operand2 = widen(U, esize, Vpart[Rm, part, 64])
    V[Rd, 128] = lanes(add_sub(o1), 2 * esize, operand1, operand2)


@insn(
    "0 Q U 01110 size:2 1 Rm:5 01 o1 0 00 Rn:5 Rd:5",
    "Q U o1: ADDHN SUBHN RADDHN RSUBHN ADDHN2 SUBHN2 RADDHN2 RSUBHN2",
)
def vector_add_sub_high_narrow(Q, U, size, Rm, o1, Rn, Rd):
    """ADDHN{2} <Vd>.<Tb>, <Vn>.<Ta>, <Vm>.<Ta>"""
    if size == 0b11:
        raise Undefined
    esize, part = 8 << int(size), int(Q)
    round_const = 1 << esize - 1 if U else 0
    CheckFPAdvSIMDEnabled64()

    def high_half(x, y):
        return ((x - y if o1 else x + y) + round_const)[2 * esize - 1 : esize]

    Vpart[Rd, part, 64] = lanes(high_half, 2 * esize, V[Rn, 128], V[Rm, 128])


@insn(
    "0 Q U 01110 size:2 1 Rm:5 01 op 1 00 Rn:5 Rd:5",
    "Q U op: SABAL SABDL UABAL UABDL SABAL2 SABDL2 UABAL2 UABDL2",
)
def vector_absolute_difference_long(Q, U, size, Rm, op, Rn, Rd):
    """SABAL{2} <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Tb>: accumulated; SABDL is not"""
    if size == 0b11:
        raise Undefined
    esize, part = 8 << int(size), int(Q)
    Int = UInt if U else SInt
    CheckFPAdvSIMDEnabled64()
    operand1, operand2 = Vpart[Rn, part, 64], Vpart[Rm, part, 64]
    accumulator = Zeros(128) if op else V[Rd, 128]
    difference = lanes(lambda x, y: absolute(Int(x) - Int(y), 2 * esize), esize, operand1, operand2)
    V[Rd, 128] = lanes(lambda x, y: x + y, 2 * esize, accumulator, difference)


@insn(
    "0 Q U 01110 size:2 1 Rm:5 1 op:2 0 00 Rn:5 Rd:5",
    "Q U op: SMLAL SMLSL SMULL - UMLAL UMLSL UMULL - SMLAL2 SMLSL2 SMULL2 - UMLAL2 UMLSL2 UMULL2 -",
    "vector",
)
def vector_multiply_long(Q, U, size, Rm, op, Rn, Rd):
    """SMLAL{2} <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Tb>"""
    if size == 0b11:
        raise Undefined
    esize, part = 8 << int(size), int(Q)
    CheckFPAdvSIMDEnabled64()
    multiply_long(U, op, esize, Vpart[Rn, part, 64], Vpart[Rm, part, 64], Rd)


@insn(
    "0 Q 0 scalar 1110 size:2 1 Rm:5 1 op:2 1 00 Rn:5 Rd:5",
    "scalar Q op: SQDMLAL SQDMLSL SQDMULL - SQDMLAL2 SQDMLSL2 SQDMULL2 - - - - - SQDMLAL SQDMLSL SQDMULL -",
    "vector",
)
def saturating_doubling_multiply_long_vector(Q, scalar, size, Rm, op, Rn, Rd):
    """SQDMLAL{2} <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Tb>; SQDMLAL <Va><d>, <Vb><n>, <Vb><m>"""
    if size in (0b00, 0b11):
        raise Undefined
    esize = 8 << int(size)
    datasize, part = esize if scalar else 64, 0 if scalar else int(Q)
    CheckFPAdvSIMDEnabled64()
    operand1, operand2 = Vpart[Rn, part, datasize], Vpart[Rm, part, datasize]
    saturating_doubling_multiply_long(op, esize, operand1, operand2, Rd)


@insn("0 Q 0 01110 size:2 1 Rm:5 1110 00 Rn:5 Rd:5", "Q: PMULL PMULL2")
def vector_polynomial_multiply_long(Q, size, Rm, Rn, Rd):
    """PMULL{2} <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Tb>"""
    if size in (0b01, 0b10):
        raise Undefined
    if size == 0b11 and not IsFeatureImplemented("FEAT_PMULL"):
        raise Undefined
    esize, part = 8 << int(size), int(Q)
    CheckFPAdvSIMDEnabled64()
    V[Rd, 128] = lanes(PolynomialMult, esize, Vpart[Rn, part, 64], Vpart[Rm, part, 64])
