"""Advanced SIMD floating point by element: FMLA, FMLS, FMUL, FMULX, vector and scalar; FMLAL and FMLSL."""

from assay64.reference.pseudocode import (
    FPCR,
    CheckFPAdvSIMDEnabled64,
    Elem,
    IsFeatureImplemented,
    Replicate,
    Undefined,
    V,
    Vpart,
    Zeros,
    insn,
)
from assay64.reference.pseudocode.floating_point import FPMul, FPMulX, fp_lanes
from assay64.reference.spec.simd_and_fp._floating_point import (
    arrangement,
    half_precision,
    multiply_add,
    multiply_add_long,
    write_lanes,
)

_NAMES = "U opc: FMLA FMLS FMUL - - - FMULX -"


def _by_element(U, opc, datasize, esize, m, index, Rn, Rd):
    CheckFPAdvSIMDEnabled64()
    fpcr = FPCR()
    operand1 = V[Rn, datasize]
    operand2 = Replicate(Elem(V[m, 128], index, esize), datasize // esize)
    if opc == 0b10:
        function = FPMulX if U else FPMul
        outcome = fp_lanes(lambda op1, op2: function(op1, op2, fpcr), esize, operand1, operand2)
    else:
        outcome = fp_lanes(multiply_add(opc[0], fpcr), esize, V[Rd, datasize], operand1, operand2)
    write_lanes(Rd, datasize, outcome)


def _index(sz, L, H):
    if sz and L:
        raise Undefined
    return H if sz else H @ L


@insn("0 Q U 01111 1 sz L M Rm:4 opc:2 01 H 0 Rn:5 Rd:5", _NAMES, "by element")
def fp_by_element_vector(Q, U, sz, L, M, Rm, opc, H, Rn, Rd):
    """FMLA <Vd>.<T>, <Vn>.<T>, <Vm>.<Ts>[<index>]"""
    index = _index(sz, L, H)
    datasize, esize = arrangement(Q, sz)
    _by_element(U, opc, datasize, esize, M @ Rm, index, Rn, Rd)


@insn("0 Q U 01111 00 L M Rm:4 opc:2 01 H 0 Rn:5 Rd:5", _NAMES, "by element")
def fp_by_element_vector_half(Q, U, L, M, Rm, opc, H, Rn, Rd):
    """FMLA <Vd>.<T>, <Vn>.<T>, <Vm>.H[<index>]"""
    half_precision()
    _by_element(U, opc, 128 if Q else 64, 16, Zeros(1) @ Rm, H @ L @ M, Rn, Rd)


@insn("01 U 11111 1 sz L M Rm:4 opc:2 01 H 0 Rn:5 Rd:5", _NAMES, "by element, scalar")
def fp_by_element_scalar(U, sz, L, M, Rm, opc, H, Rn, Rd):
    """FMLA <V><d>, <V><n>, <Vm>.<Ts>[<index>]"""
    esize = 64 if sz else 32
    _by_element(U, opc, esize, esize, M @ Rm, _index(sz, L, H), Rn, Rd)


@insn("01 U 11111 00 L M Rm:4 opc:2 01 H 0 Rn:5 Rd:5", _NAMES, "by element, scalar")
def fp_by_element_scalar_half(U, L, M, Rm, opc, H, Rn, Rd):
    """FMLA <Hd>, <Hn>, <Vm>.H[<index>]"""
    half_precision()
    _by_element(U, opc, 16, 16, Zeros(1) @ Rm, H @ L @ M, Rn, Rd)


@insn(
    "0 Q U 01111 10 L M Rm:4 upper sub 00 H 0 Rn:5 Rd:5", "U upper sub: FMLAL FMLSL - - - - FMLAL2 FMLSL2", "by element"
)
def fp_multiply_add_long_by_element(Q, U, L, M, Rm, upper, sub, H, Rn, Rd):
    """FMLAL <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.H[<index>]; FMLAL2 takes the upper half of Vn"""
    if not IsFeatureImplemented("FEAT_FHM"):
        raise Undefined
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    fpcr, addend = FPCR(), V[Rd, datasize]
    operand1 = Vpart[Rn, 1 if U else 0, datasize // 2]
    element2 = Elem(V[Zeros(1) @ Rm, 128], H @ L @ M, 16)
    write_lanes(Rd, datasize, multiply_add_long(addend, operand1, Replicate(element2, datasize // 32), sub, fpcr))
