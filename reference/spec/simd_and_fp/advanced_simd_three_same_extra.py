"""Advanced SIMD three-register extension, and its scalar form: integers."""

from assay64.reference.pseudocode import (
    CheckFPAdvSIMDEnabled64,
    Elem,
    IsFeatureImplemented,
    SInt,
    UInt,
    Undefined,
    V,
    from_elements,
    insn,
    lanes,
    saturating_lanes,
)
from assay64.reference.spec.simd_and_fp._multiply import dot_product, rounding_doubling_multiply_accumulate_high


@insn(
    "0 Q 1 scalar 1110 size:2 0 Rm:5 1000 S 1 Rn:5 Rd:5",
    "scalar Q S: SQRDMLAH SQRDMLSH SQRDMLAH SQRDMLSH - - SQRDMLAH SQRDMLSH",
    "vector",
)
def rounding_doubling_multiply_accumulate_high_vector(Q, scalar, size, Rm, S, Rn, Rd):
    """SQRDMLAH <Vd>.<T>, <Vn>.<T>, <Vm>.<T>; SQRDMLAH <V><d>, <V><n>, <V><m>"""
    if not IsFeatureImplemented("FEAT_RDM"):
        raise Undefined
    if size in (0b00, 0b11):
        raise Undefined
    esize = 8 << int(size)
    datasize = esize if scalar else 128 if Q else 64
    function = rounding_doubling_multiply_accumulate_high(S)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = saturating_lanes(function, esize, V[Rd, datasize], V[Rn, datasize], V[Rm, datasize])


@insn("0 Q U 01110 size:2 0 Rm:5 1 0010 1 Rn:5 Rd:5", "U: SDOT UDOT", "vector")
def dot_product_vector(Q, U, size, Rm, Rn, Rd):
    """SDOT <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Tb>"""
    if not IsFeatureImplemented("FEAT_DotProd"):
        raise Undefined
    if size != 0b10:
        raise Undefined
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(dot_product(U, U), 32, V[Rd, datasize], V[Rn, datasize], V[Rm, datasize])


@insn("0 Q 0 01110 10 0 Rm:5 1 0011 1 Rn:5 Rd:5", "USDOT", "vector")
def mixed_dot_product_vector(Q, Rm, Rn, Rd):
    """USDOT <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Tb>"""
    if not IsFeatureImplemented("FEAT_I8MM"):
        raise Undefined
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(dot_product(True, False), 32, V[Rd, datasize], V[Rn, datasize], V[Rm, datasize])


@insn("0 1 U 01110 10 0 Rm:5 1 010 B 1 Rn:5 Rd:5", "U B: SMMLA USMMLA UMMLA -")
def matrix_multiply_accumulate(U, Rm, B, Rn, Rd):
    """SMMLA <Vd>.4S, <Vn>.16B, <Vm>.16B: 2x8 by 8x2 bytes, added to 2x2 words"""
    if not IsFeatureImplemented("FEAT_I8MM"):
        raise Undefined
    Int1, Int2 = UInt if U | B else SInt, UInt if U else SInt
    CheckFPAdvSIMDEnabled64()
    operand1, operand2, addend = V[Rn, 128], V[Rm, 128], V[Rd, 128]

    def accumulated(i, j):
        total = SInt(Elem(addend, 2 * i + j, 32))
        for k in range(8):
            total = total + Int1(Elem(operand1, 8 * i + k, 8)) * Int2(Elem(operand2, 8 * j + k, 8))
        return total[31:0]

    V[Rd, 128] = from_elements(accumulated(i, j) for i in range(2) for j in range(2))
