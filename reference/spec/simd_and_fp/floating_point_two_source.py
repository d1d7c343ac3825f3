"""Floating-point data-processing (2 source)."""

from assay64.reference.pseudocode import (
    FPCR,
    CheckFPAdvSIMDEnabled64,
    FPAdd,
    FPDiv,
    FPMax,
    FPMaxNum,
    FPMin,
    FPMinNum,
    FPMul,
    FPNeg,
    FPProcessException,
    FPSub,
    V,
    insn,
)
from assay64.reference.spec.simd_and_fp._scalar import scalar_size

_OPERATIONS = (FPMul, FPDiv, FPAdd, FPSub, FPMax, FPMin, FPMaxNum, FPMinNum, FPMul)


@insn(
    "0 0 0 11110 ftype:2!=10 1 Rm:5 opcode:4 10 Rn:5 Rd:5",
    "opcode: FMUL FDIV FADD FSUB FMAX FMIN FMAXNM FMINNM FNMUL - - - - - - -",
    "scalar",
)
def fp_two_source(ftype, Rm, opcode, Rn, Rd):
    """FADD <Dd>, <Dn>, <Dm>"""
    esize = scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    result, exceptions = _OPERATIONS[int(opcode)](V[Rn, esize], V[Rm, esize], FPCR())
    FPProcessException(exceptions)
    V[Rd, esize] = FPNeg(result) if opcode == 0b1000 else result
