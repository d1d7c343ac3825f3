"""Cryptographic AES."""

from assay64.reference.pseudocode import (
    AESInvMixColumns,
    AESInvShiftRows,
    AESInvSubBytes,
    AESMixColumns,
    AESShiftRows,
    AESSubBytes,
    CheckFPAdvSIMDEnabled64,
    IsFeatureImplemented,
    Undefined,
    V,
    insn,
)


@insn("0100 1110 00 10100 0010 D 10 Rn:5 Rd:5", "D: AESE AESD")
def aes_single_round(D, Rn, Rd):
    """AESE <Vd>.16B, <Vn>.16B"""
    if not IsFeatureImplemented("FEAT_AES"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    operand = V[Rd, 128] ^ V[Rn, 128]
    V[Rd, 128] = AESInvSubBytes(AESInvShiftRows(operand)) if D else AESSubBytes(AESShiftRows(operand))


@insn("0100 1110 00 10100 0011 D 10 Rn:5 Rd:5", "D: AESMC AESIMC")
def aes_mix_columns(D, Rn, Rd):
    """AESMC <Vd>.16B, <Vn>.16B"""
    if not IsFeatureImplemented("FEAT_AES"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    operand = V[Rn, 128]
    V[Rd, 128] = AESInvMixColumns(operand) if D else AESMixColumns(operand)
