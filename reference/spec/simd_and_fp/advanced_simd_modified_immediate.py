"""Advanced SIMD modified immediate."""

from assay64.reference.pseudocode import (
    AdvSIMDExpandImm,
    CheckFPAdvSIMDEnabled64,
    IsFeatureImplemented,
    Replicate,
    Undefined,
    V,
    VFPExpandImm,
    insn,
)


@insn(
    "0 Q op 0111100000 abc:3 cmode:4 01 defgh:5 Rd:5",
    "op cmode: MOVI ORR MOVI ORR MOVI ORR MOVI ORR MOVI ORR MOVI ORR MOVI MOVI MOVI FMOV "
    "MVNI BIC MVNI BIC MVNI BIC MVNI BIC MVNI BIC MVNI BIC MVNI MVNI MOVI FMOV",
    "vector, immediate",
)
def vector_modified_immediate(Q, op, abc, cmode, defgh, Rd):
    """MOVI <Vd>.<T>, #<imm8>{, LSL or MSL #<amount>}"""
    if op and not Q and cmode == 0b1111:
        raise Undefined
    datasize = 128 if Q else 64
    imm = Replicate(AdvSIMDExpandImm(op, cmode, abc @ defgh), datasize // 64)
    CheckFPAdvSIMDEnabled64()
    if cmode >= 0b1110:
        result = imm
    elif cmode >= 0b1100 or not cmode[0]:
        result = ~imm if op else imm
    else:
        result = V[Rd, datasize] & ~imm if op else V[Rd, datasize] | imm
    V[Rd, datasize] = result


@insn("0 Q 0 0111100000 abc:3 1111 11 defgh:5 Rd:5", "FMOV", "vector, immediate")
def vector_half_precision_immediate(Q, abc, defgh, Rd):
    """FMOV <Vd>.<T>, #<imm>"""
    if not IsFeatureImplemented("FEAT_FP16"):
        raise Undefined
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    V[Rd, datasize] = Replicate(VFPExpandImm(abc @ defgh, 16), datasize // 16)
