"""What the Advanced SIMD floating-point pages do with one element: shared by vector, scalar and by-element forms.

A function that takes fields of the encoding returns the function of the elements, which gives ``(result, exceptions)``.
"""

from functools import reduce

from assay64.reference.pseudocode import (
    CheckFPAdvSIMDEnabled64,
    Elem,
    FPProcessException,
    IsFeatureImplemented,
    Undefined,
    V,
    Vpart,
)
from assay64.reference.pseudocode.floating_point import (
    FPAbs,
    FPAdd,
    FPCompareEQ,
    FPCompareGE,
    FPCompareGT,
    FPDiv,
    FPMax,
    FPMaxNum,
    FPMin,
    FPMinNum,
    FPMul,
    FPMulAdd,
    FPMulAddH,
    FPMulX,
    FPNeg,
    FPRecipStepFused,
    FPRSqrtStepFused,
    FPSub,
    fp_lanes,
)
from assay64.reference.pseudocode.vectors import from_elements
from assay64.reference.spec.simd_and_fp._elements import all_if


def half_precision():
    if not IsFeatureImplemented("FEAT_FP16"):
        raise Undefined


def arrangement(Q, sz):
    """The vector's and the element's size in bits for sz, which is single or double precision."""
    if sz and not Q:
        raise Undefined
    return 128 if Q else 64, 64 if sz else 32


def mask(compare, esize):
    """A comparison that fills its element."""

    def element(op1, op2, fpcr):
        holds, exceptions = compare(op1, op2, fpcr)
        return all_if(holds, esize), exceptions

    return element


def absolute_operands(function):
    return lambda op1, op2, fpcr: function(FPAbs(op1), FPAbs(op2), fpcr)


def absolute_difference(op1, op2, fpcr):
    result, exceptions = FPSub(op1, op2, fpcr)
    return FPAbs(result), exceptions


def three_same(U, a, opc, esize):
    """The function of two elements and FPCR that U, a and opc select. FMLA and FMLS: see multiply_add."""
    functions = {
        0b00000: FPMaxNum,
        0b00010: FPAdd,
        0b00011: FPMulX,
        0b00100: mask(FPCompareEQ, esize),
        0b00110: FPMax,
        0b00111: FPRecipStepFused,
        0b01000: FPMinNum,
        0b01010: FPSub,
        0b01110: FPMin,
        0b01111: FPRSqrtStepFused,
        0b10000: FPMaxNum,
        0b10010: FPAdd,
        0b10011: FPMul,
        0b10100: mask(FPCompareGE, esize),
        0b10101: mask(absolute_operands(FPCompareGE), esize),
        0b10110: FPMax,
        0b10111: FPDiv,
        0b11000: FPMinNum,
        0b11010: absolute_difference,
        0b11100: mask(FPCompareGT, esize),
        0b11101: mask(absolute_operands(FPCompareGT), esize),
        0b11110: FPMin,
    }
    return functions[int(U @ a @ opc)]


def multiply_add(subtract, fpcr):
    return lambda addend, op1, op2: FPMulAdd(addend, FPNeg(op1) if subtract else op1, op2, fpcr)


def multiply_add_long(addend, operand1, operand2, subtract, fpcr):
    """FMLAL and FMLSL: the addend's elements have 32 bits, the operands' 16."""
    outcomes = [
        FPMulAddH(
            Elem(addend, e, 32),
            FPNeg(Elem(operand1, e, 16)) if subtract else Elem(operand1, e, 16),
            Elem(operand2, e, 16),
            fpcr,
        )
        for e in range(addend.width // 32)
    ]
    exceptions = reduce(lambda one, other: one | other, (more for _, more in outcomes))
    return from_elements(result for result, _ in outcomes), exceptions


def write_lanes(Rd, datasize, outcome, *, part=0):
    """Accumulate the exceptions and write the result; ``part`` 1 is the upper half, which keeps the lower one."""
    result, exceptions = outcome
    FPProcessException(exceptions)
    Vpart[Rd, part, datasize] = result


def write_scalar(function, esize, Rd, fpcr, *operands):
    """The scalar forms: one element, the rest of the register zero."""
    CheckFPAdvSIMDEnabled64()
    write_lanes(
        Rd, esize, fp_lanes(lambda *elements: function(*elements, fpcr()), esize, *(V[r, esize] for r in operands))
    )
