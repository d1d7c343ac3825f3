"""Floating-point data-processing (3 source): fused multiply-add."""

from assay64.reference.pseudocode import FPCR, CheckFPAdvSIMDEnabled64, FPMulAdd, FPNeg, FPProcessException, V, insn
from assay64.reference.spec.simd_and_fp._scalar import scalar_size


@insn("0 0 0 11111 ftype:2!=10 o1 Rm:5 o0 Ra:5 Rn:5 Rd:5", "o1 o0: FMADD FMSUB FNMADD FNMSUB")
def fp_three_source(ftype, o1, Rm, o0, Ra, Rn, Rd):
    """FMADD <Dd>, <Dn>, <Dm>, <Da>"""
    esize = scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    addend, operand1 = V[Ra, esize], V[Rn, esize]
    # Signs change before NaNs are looked at, so that of a propagated NaN changes too.
    if o1:
        addend = FPNeg(addend)
    if o0 != o1:
        operand1 = FPNeg(operand1)
    result, exceptions = FPMulAdd(addend, operand1, V[Rm, esize], FPCR())
    FPProcessException(exceptions)
    V[Rd, esize] = result
