"""BFloat16 (FEAT_BF16): BFDOT, BFMLALB, BFMLALT, BFMMLA, vector and by element."""

from assay64.reference.pseudocode import (
    FPCR,
    CheckFPAdvSIMDEnabled64,
    Elem,
    IsFeatureImplemented,
    Replicate,
    Undefined,
    V,
    Zeros,
    insn,
)
from assay64.reference.pseudocode.floating_point import BFDotAdd, FPMulAdd, fp_lanes
from assay64.reference.pseudocode.vectors import from_elements
from assay64.reference.spec.simd_and_fp._floating_point import write_lanes


def _bfloat():
    if not IsFeatureImplemented("FEAT_BF16"):
        raise Undefined


def _pair(operand, e):
    return Elem(operand, 2 * e, 16), Elem(operand, 2 * e + 1, 16)


def _dot(Rd, datasize, operand1, operand2):
    operand3 = V[Rd, datasize]
    V[Rd, datasize] = from_elements(
        BFDotAdd(Elem(operand3, e, 32), *_pair(operand1, e), *_pair(operand2, e)) for e in range(datasize // 32)
    )


@insn("0 Q 1 01110 01 0 Rm:5 1 1111 1 Rn:5 Rd:5", "BFDOT", "vector")
def bfloat_dot(Q, Rm, Rn, Rd):
    """BFDOT <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.<Tb>"""
    _bfloat()
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    _dot(Rd, datasize, V[Rn, datasize], V[Rm, datasize])


@insn("0 Q 0 01111 01 L M Rm:4 1111 H 0 Rn:5 Rd:5", "BFDOT", "by element")
def bfloat_dot_by_element(Q, L, M, Rm, H, Rn, Rd):
    """BFDOT <Vd>.<Ta>, <Vn>.<Tb>, <Vm>.2H[<index>]"""
    _bfloat()
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    element2 = Elem(V[M @ Rm, 128], H @ L, 32)
    _dot(Rd, datasize, V[Rn, datasize], Replicate(element2, datasize // 32))


def _multiply_add_long(Q, Rd, Rn, operand2):
    """``operand2`` has four single-precision elements. B takes the even elements of Vn, T the odd ones."""
    operand1, operand3, fpcr = V[Rn, 128], V[Rd, 128], FPCR()
    widened = from_elements(Elem(operand1, 2 * e + (1 if Q else 0), 16) @ Zeros(16) for e in range(4))
    write_lanes(Rd, 128, fp_lanes(lambda d, n, m: FPMulAdd(d, n, m, fpcr), 32, operand3, widened, operand2))


@insn("0 Q 1 01110 11 0 Rm:5 1 1111 1 Rn:5 Rd:5", "Q: BFMLALB BFMLALT", "vector")
def bfloat_multiply_add_long(Q, Rm, Rn, Rd):
    """BFMLALB <Vd>.4S, <Vn>.8H, <Vm>.8H"""
    _bfloat()
    CheckFPAdvSIMDEnabled64()
    operand2 = V[Rm, 128]
    widened = from_elements(Elem(operand2, 2 * e + (1 if Q else 0), 16) @ Zeros(16) for e in range(4))
    _multiply_add_long(Q, Rd, Rn, widened)


@insn("0 Q 0 01111 11 L M Rm:4 1111 H 0 Rn:5 Rd:5", "Q: BFMLALB BFMLALT", "by element")
def bfloat_multiply_add_long_by_element(Q, L, M, Rm, H, Rn, Rd):
    """BFMLALB <Vd>.4S, <Vn>.8H, <Vm>.H[<index>]"""
    _bfloat()
    CheckFPAdvSIMDEnabled64()
    element2 = Elem(V[Zeros(1) @ Rm, 128], H @ L @ M, 16) @ Zeros(16)
    _multiply_add_long(Q, Rd, Rn, Replicate(element2, 4))


@insn("0 1 1 01110 01 0 Rm:5 1 1101 1 Rn:5 Rd:5", "BFMMLA")
def bfloat_matrix_multiply_add(Rm, Rn, Rd):
    """BFMMLA <Vd>.4S, <Vn>.8H, <Vm>.8H: rows of two by four and columns of four by two"""
    _bfloat()
    CheckFPAdvSIMDEnabled64()
    operand1, operand2, addend = V[Rn, 128], V[Rm, 128], V[Rd, 128]
    elements = []
    for i in range(2):
        for j in range(2):
            total = Elem(addend, 2 * i + j, 32)
            for k in range(2):
                total = BFDotAdd(total, *_pair(operand1, 2 * i + k), *_pair(operand2, 2 * j + k))
            elements.append(total)
    V[Rd, 128] = from_elements(elements)
