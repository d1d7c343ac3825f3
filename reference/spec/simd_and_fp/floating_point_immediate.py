"""Floating-point immediate."""

from assay64.reference.pseudocode import CheckFPAdvSIMDEnabled64, V, VFPExpandImm, insn
from assay64.reference.spec.simd_and_fp._scalar import scalar_size


@insn("0 0 0 11110 ftype:2!=10 1 imm8:8 100 00000 Rd:5", "FMOV", "scalar, immediate")
def fmov_scalar_immediate(ftype, imm8, Rd):
    """FMOV <Dd>, #<imm>"""
    esize = scalar_size(ftype)
    CheckFPAdvSIMDEnabled64()
    V[Rd, esize] = VFPExpandImm(imm8, esize)
