"""Advanced SIMD vector x indexed element, and its scalar form: integers."""

from assay64.reference.pseudocode import (
    CheckFPAdvSIMDEnabled64,
    IsFeatureImplemented,
    Undefined,
    V,
    Vpart,
    insn,
    lanes,
    saturating_lanes,
)
from assay64.reference.spec.simd_and_fp._elements import doubling_multiply_high
from assay64.reference.spec.simd_and_fp._multiply import (
    decode_element,
    dot_product,
    element_operand,
    multiply_long,
    rounding_doubling_multiply_accumulate_high,
    saturating_doubling_multiply_long,
)


@insn("0 Q U 01111 size:2 L M Rm:4 op:2 00 H 0 Rn:5 Rd:5", "U op: - - MUL - MLA MLS - -", "by element")
def multiply_by_element(Q, U, size, L, M, Rm, op, H, Rn, Rd):
    """MLA <Vd>.<T>, <Vn>.<T>, <Vm>.<Ts>[<index>]"""
    datasize = 128 if Q else 64
    esize, index, m = decode_element(size, L, M, Rm, H)
    CheckFPAdvSIMDEnabled64()
    operand1, operand2 = V[Rn, datasize], element_operand(datasize, esize, index, m)
    product = lanes(lambda x, y: x * y, esize, operand1, operand2)
    if U:
        operand3 = V[Rd, datasize]
        product = lanes(lambda z, x: z - x if op == 0b01 else z + x, esize, operand3, product)
    V[Rd, datasize] = product


@insn(
    "0 Q U 01111 size:2 L M Rm:4 op:2 10 H 0 Rn:5 Rd:5",
    "Q U op: SMLAL SMLSL SMULL - UMLAL UMLSL UMULL - SMLAL2 SMLSL2 SMULL2 - UMLAL2 UMLSL2 UMULL2 -",
    "by element",
)
def multiply_long_by_element(Q, U, size, L, M, Rm, op, H, Rn, Rd):
    """SMLAL{2} <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Ts>[<index>]"""
    esize, index, m = decode_element(size, L, M, Rm, H)
    part = int(Q)
    CheckFPAdvSIMDEnabled64()
    multiply_long(U, op, esize, Vpart[Rn, part, 64], element_operand(64, esize, index, m), Rd)


@insn(
    "0 Q 0 scalar 1111 size:2 L M Rm:4 op:2 11 H 0 Rn:5 Rd:5",
    "scalar Q op: SQDMLAL SQDMLSL SQDMULL - SQDMLAL2 SQDMLSL2 SQDMULL2 - - - - - SQDMLAL SQDMLSL SQDMULL -",
    "by element",
)
def saturating_doubling_multiply_long_by_element(Q, scalar, size, L, M, Rm, op, H, Rn, Rd):
    """SQDMLAL{2} <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Ts>[<index>]; SQDMLAL <Va><d>, <Vb><n>, <Vm>.<Ts>[<index>]"""
    datasize = 8 << int(size) if scalar else 64
    esize, index, m = decode_element(size, L, M, Rm, H)
    part = 0 if scalar else int(Q)
    CheckFPAdvSIMDEnabled64()
    saturating_doubling_multiply_long(
        op, esize, Vpart[Rn, part, datasize], element_operand(datasize, esize, index, m), Rd
    )


@insn(
    "0 Q 0 scalar 1111 size:2 L M Rm:4 110 op H 0 Rn:5 Rd:5",
    "scalar Q op: SQDMULH SQRDMULH SQDMULH SQRDMULH - - SQDMULH SQRDMULH",
    "by element",
)
def saturating_doubling_multiply_high_by_element(Q, scalar, size, L, M, Rm, op, H, Rn, Rd):
    """SQDMULH <Vd>.<T>, <Vn>.<T>, <Vm>.<Ts>[<index>]; SQDMULH <V><d>, <V><n>, <Vm>.<Ts>[<index>]"""
    datasize = 8 << int(size) if scalar else 128 if Q else 64
    esize, index, m = decode_element(size, L, M, Rm, H)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = saturating_lanes(
        doubling_multiply_high(op), esize, V[Rn, datasize], element_operand(datasize, esize, index, m)
    )


@insn(
    "0 Q 1 scalar 1111 size:2 L M Rm:4 11 S 1 H 0 Rn:5 Rd:5",
    "scalar Q S: SQRDMLAH SQRDMLSH SQRDMLAH SQRDMLSH - - SQRDMLAH SQRDMLSH",
    "by element",
)
def rounding_doubling_multiply_accumulate_high_by_element(Q, scalar, size, L, M, Rm, S, H, Rn, Rd):
    """SQRDMLAH <Vd>.<T>, <Vn>.<T>, <Vm>.<Ts>[<index>]; SQRDMLAH <V><d>, <V><n>, <Vm>.<Ts>[<index>]"""
    if not IsFeatureImplemented("FEAT_RDM"):
        raise Undefined
    datasize = 8 << int(size) if scalar else 128 if Q else 64
    esize, index, m = decode_element(size, L, M, Rm, H)
    function = rounding_doubling_multiply_accumulate_high(S)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = saturating_lanes(
        function, esize, V[Rd, datasize], V[Rn, datasize], element_operand(datasize, esize, index, m)
    )


@insn("0 Q U 01111 size:2 L M Rm:4 1110 H 0 Rn:5 Rd:5", "U: SDOT UDOT", "by element")
def dot_product_by_element(Q, U, size, L, M, Rm, H, Rn, Rd):
    """SDOT <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.4B[<index>]"""
    if not IsFeatureImplemented("FEAT_DotProd"):
        raise Undefined
    if size != 0b10:
        raise Undefined
    datasize = 128 if Q else 64
    esize, index, m = decode_element(size, L, M, Rm, H)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(
        dot_product(U, U), esize, V[Rd, datasize], V[Rn, datasize], element_operand(datasize, esize, index, m)
    )


@insn("0 Q 0 01111 US 0 L M Rm:4 1111 H 0 Rn:5 Rd:5", "US: SUDOT USDOT", "by element")
def mixed_dot_product_by_element(Q, US, L, M, Rm, H, Rn, Rd):
    """USDOT <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.4B[<index>]"""
    if not IsFeatureImplemented("FEAT_I8MM"):
        raise Undefined
    datasize = 128 if Q else 64
    esize, index, m = decode_element(0b10, L, M, Rm, H)
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = lanes(
        dot_product(US, ~US), esize, V[Rd, datasize], V[Rn, datasize], element_operand(datasize, esize, index, m)
    )
