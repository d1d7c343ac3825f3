"""Advanced SIMD complex arithmetic (FEAT_FCMA): FCADD, FCMLA. Elements come in pairs, the real part first."""

from functools import reduce

from assay64.reference.pseudocode import (
    FPCR,
    CheckFPAdvSIMDEnabled64,
    Elem,
    IsFeatureImplemented,
    Undefined,
    V,
    bits,
    insn,
)
from assay64.reference.pseudocode.floating_point import FPAdd, FPMulAdd, FPNeg
from assay64.reference.pseudocode.vectors import from_elements
from assay64.reference.spec.simd_and_fp._floating_point import half_precision, write_lanes


def _arrangement(Q, size):
    if not IsFeatureImplemented("FEAT_FCMA"):
        raise Undefined
    if size == 0b00 or (size == 0b11 and not Q):
        raise Undefined
    if size == 0b01:
        half_precision()
    return 128 if Q else 64, 8 << int(size)


def _write_pairs(Rd, datasize, outcomes):
    exceptions = reduce(lambda one, other: one | other, (more for _, more in outcomes))
    write_lanes(Rd, datasize, (from_elements(result for result, _ in outcomes), exceptions))


@insn("0 Q 1 01110 size:2 0 Rm:5 111 rot 01 Rn:5 Rd:5", "FCADD")
def fp_complex_add(Q, size, Rm, rot, Rn, Rd):
    """FCADD <Vd>.<T>, <Vn>.<T>, <Vm>.<T>, #90 or #270"""
    datasize, esize = _arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    operand1, operand2, fpcr = V[Rn, datasize], V[Rm, datasize], FPCR()
    outcomes = []
    for e in range(0, datasize // esize, 2):
        real, imaginary = Elem(operand2, e, esize), Elem(operand2, e + 1, esize)
        element1, element3 = (imaginary, FPNeg(real)) if rot else (FPNeg(imaginary), real)
        outcomes.append(FPAdd(Elem(operand1, e, esize), element1, fpcr))
        outcomes.append(FPAdd(Elem(operand1, e + 1, esize), element3, fpcr))
    _write_pairs(Rd, datasize, outcomes)


def _multiply_add(rot, datasize, esize, Rd, operand1, factors):
    """``factors`` gives the real and imaginary part of the second operand for the pair that begins at element e."""
    operand3, fpcr = V[Rd, datasize], FPCR()
    outcomes = []
    for e in range(0, datasize // esize, 2):
        real, imaginary = factors(e)
        # Rotations by 90 and 270 degrees take the imaginary part of the first operand.
        element2 = element4 = Elem(operand1, e + 1 if rot[0] else e, esize)
        element1, element3 = (imaginary, real) if rot[0] else (real, imaginary)
        if rot[1] ^ rot[0]:
            element1 = FPNeg(element1)
        if rot[1]:
            element3 = FPNeg(element3)
        outcomes.append(FPMulAdd(Elem(operand3, e, esize), element2, element1, fpcr))
        outcomes.append(FPMulAdd(Elem(operand3, e + 1, esize), element4, element3, fpcr))
    _write_pairs(Rd, datasize, outcomes)


@insn("0 Q 1 01110 size:2 0 Rm:5 110 rot:2 1 Rn:5 Rd:5", "FCMLA")
def fp_complex_multiply_add(Q, size, Rm, rot, Rn, Rd):
    """FCMLA <Vd>.<T>, <Vn>.<T>, <Vm>.<T>, #<rotate>"""
    datasize, esize = _arrangement(Q, size)
    CheckFPAdvSIMDEnabled64()
    operand2 = V[Rm, datasize]
    _multiply_add(
        rot, datasize, esize, Rd, V[Rn, datasize], lambda e: (Elem(operand2, e, esize), Elem(operand2, e + 1, esize))
    )


@insn("0 Q 1 01111 size:2 L M Rm:4 0 rot:2 1 H 0 Rn:5 Rd:5", "size: - FCMLA FCMLA -", "by element")
def fp_complex_multiply_add_by_element(Q, size, L, M, Rm, rot, H, Rn, Rd):
    """FCMLA <Vd>.<T>, <Vn>.<T>, <Vm>.<Ts>[<index>], #<rotate>"""
    datasize, esize = _arrangement(Q, size)
    if size == 0b10 and (L or not Q):
        raise Undefined
    if size == 0b01 and H and not Q:
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    operand2 = V[M @ Rm, 128]
    index = H @ L @ bits(1, 0) if size == 0b01 else H @ bits(1, 0)
    factors = Elem(operand2, index, esize), Elem(operand2, index | 1, esize)
    _multiply_add(rot, datasize, esize, Rd, V[Rn, datasize], lambda _: factors)
