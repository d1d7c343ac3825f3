"""Advanced SIMD shift by immediate: SCVTF, UCVTF, FCVTZS, FCVTZU with a number of fraction bits, vector and scalar."""

from assay64.reference.pseudocode import FPCR, CheckFPAdvSIMDEnabled64, HighestSetBit, Undefined, V, bits, insn
from assay64.reference.pseudocode.floating_point import FixedToFP, FPRounding_ZERO, FPRoundingMode, FPToFixed, fp_lanes
from assay64.reference.spec.simd_and_fp._floating_point import half_precision, write_lanes


def _esize(immh):
    esize = 8 << HighestSetBit(immh)
    if esize < 16:
        raise Undefined
    if esize == 16:
        half_precision()
    return esize


def _convert(U, to_fixed, immh, immb, datasize, esize, Rn, Rd):
    fracbits = bits(8, 2 * esize) - (immh @ immb).zero_extend(8)
    unsigned = bool(U)
    CheckFPAdvSIMDEnabled64()
    fpcr = FPCR()

    def element(operand):
        if to_fixed:
            return FPToFixed(operand, fracbits, unsigned, fpcr, FPRounding_ZERO, esize)
        return FixedToFP(operand, fracbits, unsigned, fpcr, FPRoundingMode(fpcr), esize)

    write_lanes(Rd, datasize, fp_lanes(element, esize, V[Rn, datasize]))


@insn("0 Q U 011110 immh:4!=0000 immb:3 111 op1 op2 1 Rn:5 Rd:5", "U op1 op2: SCVTF - - FCVTZS UCVTF - - FCVTZU",
      "vector, fixed-point")  # fmt: skip
def fp_fixed_point_vector(Q, U, immh, immb, op1, op2, Rn, Rd):
    """SCVTF <Vd>.<T>, <Vn>.<T>, #<fbits>"""
    esize = _esize(immh)
    if esize == 64 and not Q:
        raise Undefined
    _convert(U, op1, immh, immb, 128 if Q else 64, esize, Rn, Rd)


@insn("01 U 111110 immh:4 immb:3 111 op1 op2 1 Rn:5 Rd:5", "U op1 op2: SCVTF - - FCVTZS UCVTF - - FCVTZU",
      "scalar, fixed-point")  # fmt: skip
def fp_fixed_point_scalar(U, immh, immb, op1, op2, Rn, Rd):
    """SCVTF <V><d>, <V><n>, #<fbits>"""
    if immh[3:1] == 0:
        raise Undefined
    esize = _esize(immh)
    _convert(U, op1, immh, immb, esize, esize, Rn, Rd)
