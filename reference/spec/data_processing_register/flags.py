"""Rotate right into flags, and evaluate into flags."""

from assay64.reference.pseudocode import PSTATE, ROR, IsFeatureImplemented, IsZero, Undefined, X, insn


@insn("1 0 1 11010000 imm6:6 00001 Rn:5 0 mask:4", "RMIF")
def rmif(imm6, Rn, mask):
    """RMIF <Xn>, #<shift>, #<mask>: a flag whose bit of the mask is clear stays"""
    if not IsFeatureImplemented("FEAT_FlagM"):
        raise Undefined
    flags = PSTATE.N @ PSTATE.Z @ PSTATE.C @ PSTATE.V
    rotated = ROR(X[Rn, 64], imm6)[3:0]
    PSTATE.nzcv = rotated & mask | flags & ~mask


@insn("0 0 1 11010000 000000 sz 0010 Rn:5 0 1101", "sz: SETF8 SETF16")
def evaluate_into_flags(sz, Rn):
    """SETF8 <Wn>: the flags of a sign-extended result; C stays"""
    if not IsFeatureImplemented("FEAT_FlagM"):
        raise Undefined
    msb = 15 if sz else 7
    result = X[Rn, 32]
    PSTATE.N = result[msb]
    PSTATE.Z = IsZero(result[msb:0])
    PSTATE.V = result[msb + 1] ^ result[msb]
