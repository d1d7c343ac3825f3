"""Cryptographic three-register and two-register SHA 512, four-register, and XAR: SHA512 and SHA3."""

from assay64.reference.pseudocode import (
    ROL,
    ROR,
    CheckFPAdvSIMDEnabled64,
    IsFeatureImplemented,
    SHA256schedule,
    SHAchoose,
    SHAmajority,
    Undefined,
    V,
    insn,
    lanes,
)


@insn("11001110 011 Rm:5 1 0 00 00 Rn:5 Rd:5", "SHA512H")
def sha512_hash_update_1(Rm, Rn, Rd):
    """SHA512H <Qd>, <Qn>, <Vm>.2D"""
    if not IsFeatureImplemented("FEAT_SHA512"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    X, Y, W = V[Rn, 128], V[Rm, 128], V[Rd, 128]

    def updated(e, f, g, w):
        return SHAchoose(e, f, g) + (ROR(e, 14) ^ ROR(e, 18) ^ ROR(e, 41)) + w

    high = updated(Y[127:64], X[63:0], X[127:64], W[127:64])
    V[Rd, 128] = high @ updated(high + Y[63:0], Y[127:64], X[63:0], W[63:0])


@insn("11001110 011 Rm:5 1 0 00 01 Rn:5 Rd:5", "SHA512H2")
def sha512_hash_update_2(Rm, Rn, Rd):
    """SHA512H2 <Qd>, <Qn>, <Vm>.2D"""
    if not IsFeatureImplemented("FEAT_SHA512"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    X, Y, W = V[Rn, 128], V[Rm, 128], V[Rd, 128]

    def updated(a, b, c, w):
        return SHAmajority(a, b, c) + (ROR(a, 28) ^ ROR(a, 34) ^ ROR(a, 39)) + w

    high = updated(Y[63:0], Y[127:64], X[63:0], W[127:64])
    V[Rd, 128] = high @ updated(high, Y[63:0], Y[127:64], W[63:0])


@insn("11001110 110 00000 1 0 00 00 Rn:5 Rd:5", "SHA512SU0")
def sha512_schedule_update_0(Rn, Rd):
    """SHA512SU0 <Vd>.2D, <Vn>.2D"""
    if not IsFeatureImplemented("FEAT_SHA512"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    W = V[Rd, 128]
    following = V[Rn, 128][63:0] @ W[127:64]
    V[Rd, 128] = lanes(lambda w, x: w + SHA256schedule(x, 1, 8, 7), 64, W, following)


@insn("11001110 011 Rm:5 1 0 00 10 Rn:5 Rd:5", "SHA512SU1")
def sha512_schedule_update_1(Rm, Rn, Rd):
    """SHA512SU1 <Vd>.2D, <Vn>.2D, <Vm>.2D"""
    if not IsFeatureImplemented("FEAT_SHA512"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    X, Y, W = V[Rn, 128], V[Rm, 128], V[Rd, 128]
    V[Rd, 128] = lanes(lambda w, x, y: w + SHA256schedule(x, 19, 61, 6) + y, 64, W, X, Y)


@insn("11001110 011 Rm:5 1 0 00 11 Rn:5 Rd:5", "RAX1")
def sha3_rotate_exclusive_or(Rm, Rn, Rd):
    """RAX1 <Vd>.2D, <Vn>.2D, <Vm>.2D"""
    if not IsFeatureImplemented("FEAT_SHA3"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    V[Rd, 128] = lanes(lambda n, m: n ^ ROL(m, 1), 64, V[Rn, 128], V[Rm, 128])


@insn("11001110 0 Op0:2 Rm:5 0 Ra:5 Rn:5 Rd:5", "Op0: EOR3 BCAX - -")
def sha3_four_register(Op0, Rm, Ra, Rn, Rd):
    """EOR3 <Vd>.16B, <Vn>.16B, <Vm>.16B, <Va>.16B"""
    if not IsFeatureImplemented("FEAT_SHA3"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    Vm, Vn, Va = V[Rm, 128], V[Rn, 128], V[Ra, 128]
    V[Rd, 128] = Vn ^ (Vm & ~Va) if Op0[0] else Vn ^ Vm ^ Va


@insn("11001110 100 Rm:5 imm6:6 Rn:5 Rd:5", "XAR")
def sha3_exclusive_or_rotate(Rm, imm6, Rn, Rd):
    """XAR <Vd>.2D, <Vn>.2D, <Vm>.2D, #<imm6>"""
    if not IsFeatureImplemented("FEAT_SHA3"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    V[Rd, 128] = lanes(lambda x: ROR(x, imm6), 64, V[Rn, 128] ^ V[Rm, 128])
