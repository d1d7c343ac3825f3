"""Advanced SIMD three same: floating point, single, double and half precision, vector and scalar; FMLAL and FMLSL."""

from assay64.reference.pseudocode import (
    FPCR,
    CheckFPAdvSIMDEnabled64,
    Elem,
    IsFeatureImplemented,
    Undefined,
    V,
    Vpart,
    insn,
)
from assay64.reference.pseudocode.floating_point import fp_lanes
from assay64.reference.pseudocode.vectors import from_elements
from assay64.reference.spec.simd_and_fp._floating_point import (
    arrangement,
    half_precision,
    multiply_add,
    multiply_add_long,
    three_same,
    write_lanes,
    write_scalar,
)

# By U, a and opc.
_VECTOR = (
    "FMAXNM FMLA FADD FMULX FCMEQ - FMAX FRECPS FMINNM FMLS FSUB - - - FMIN FRSQRTS "
    "FMAXNMP - FADDP FMUL FCMGE FACGE FMAXP FDIV FMINNMP - FABD - FCMGT FACGT FMINP -"
)
_SCALAR = "- - - FMULX FCMEQ - - FRECPS - - - - - - - FRSQRTS - - - - FCMGE FACGE - - - - FABD - FCMGT FACGT - -"
_PAIRWISE = (0b10000, 0b10010, 0b10110, 0b11000, 0b11110)


def _vector(U, a, opc, datasize, esize, Rm, Rn, Rd):
    CheckFPAdvSIMDEnabled64()
    operand1, operand2, fpcr = V[Rn, datasize], V[Rm, datasize], FPCR()
    if opc == 0b001:
        write_lanes(Rd, datasize, fp_lanes(multiply_add(a, fpcr), esize, V[Rd, datasize], operand1, operand2))
        return
    if int(U @ a @ opc) in _PAIRWISE:
        concat = operand2 @ operand1
        pairs = range(0, 2 * datasize // esize, 2)
        operand1 = from_elements(Elem(concat, e, esize) for e in pairs)
        operand2 = from_elements(Elem(concat, e + 1, esize) for e in pairs)
    function = three_same(U, a, opc, esize)
    write_lanes(Rd, datasize, fp_lanes(lambda op1, op2: function(op1, op2, fpcr), esize, operand1, operand2))


@insn("0 Q U 01110 a sz 1 Rm:5 11 opc:3 1 Rn:5 Rd:5", f"U a opc: {_VECTOR}", "vector")
def fp_three_same_vector(Q, U, a, sz, Rm, opc, Rn, Rd):
    """FADD <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, sz)
    _vector(U, a, opc, datasize, esize, Rm, Rn, Rd)


@insn("0 Q U 01110 a 1 0 Rm:5 00 opc:3 1 Rn:5 Rd:5", f"U a opc: {_VECTOR}", "vector")
def fp_three_same_vector_half(Q, U, a, Rm, opc, Rn, Rd):
    """FADD <Vd>.<T>, <Vn>.<T>, <Vm>.<T>: half precision"""
    half_precision()
    _vector(U, a, opc, 128 if Q else 64, 16, Rm, Rn, Rd)


@insn("01 U 11110 a sz 1 Rm:5 11 opc:3 1 Rn:5 Rd:5", f"U a opc: {_SCALAR}", "scalar")
def fp_three_same_scalar(U, a, sz, Rm, opc, Rn, Rd):
    """FABD <V><d>, <V><n>, <V><m>"""
    esize = 64 if sz else 32
    write_scalar(three_same(U, a, opc, esize), esize, Rd, FPCR, Rn, Rm)


@insn("01 U 11110 a 1 0 Rm:5 00 opc:3 1 Rn:5 Rd:5", f"U a opc: {_SCALAR}", "scalar")
def fp_three_same_scalar_half(U, a, Rm, opc, Rn, Rd):
    """FABD <Hd>, <Hn>, <Hm>"""
    half_precision()
    write_scalar(three_same(U, a, opc, 16), 16, Rd, FPCR, Rn, Rm)


@insn("0 Q U 01110 sub 0 1 Rm:5 11 opc:3 1 Rn:5 Rd:5", "U sub opc: "
      "- - - - - FMLAL - - - - - - - FMLSL - - - FMLAL2 - - - - - - - FMLSL2 - - - - - -", "vector")  # fmt: skip
def fp_multiply_add_long(Q, U, sub, Rm, opc, Rn, Rd):
    """FMLAL <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Tb>; FMLAL2 takes the upper halves"""
    if not IsFeatureImplemented("FEAT_FHM"):
        raise Undefined
    datasize = 128 if Q else 64
    half = datasize // 2
    CheckFPAdvSIMDEnabled64()
    fpcr, part = FPCR(), 1 if U else 0
    operand1, operand2, operand3 = Vpart[Rn, part, half], Vpart[Rm, part, half], V[Rd, datasize]
    write_lanes(Rd, datasize, multiply_add_long(operand3, operand1, operand2, sub, fpcr))
