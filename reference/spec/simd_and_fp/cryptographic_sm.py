"""SM3 and SM4, of the classes Cryptographic three-register imm2, four-register, three- and two-register SHA 512."""

from assay64.reference.pseudocode import (
    ROL,
    CheckFPAdvSIMDEnabled64,
    Elem,
    IsFeatureImplemented,
    SHAchoose,
    SHAmajority,
    SHAparity,
    SM4Sbox,
    Undefined,
    V,
    Zeros,
    insn,
    lanes,
)


@insn("11001110 010 Rm:5 0 Ra:5 Rn:5 Rd:5", "SM3SS1")
def sm3_sum(Rm, Ra, Rn, Rd):
    """SM3SS1 <Vd>.4S, <Vn>.4S, <Vm>.4S, <Va>.4S"""
    if not IsFeatureImplemented("FEAT_SM3"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    Vm, Vn, Va = V[Rm, 128], V[Rn, 128], V[Ra, 128]
    V[Rd, 128] = ROL(ROL(Vn[127:96], 12) + Vm[127:96] + Va[127:96], 7) @ Zeros(96)


@insn("11001110 010 Rm:5 10 imm2:2 opcode:2 Rn:5 Rd:5", "opcode: SM3TT1A SM3TT1B SM3TT2A SM3TT2B")
def sm3_compress(Rm, imm2, opcode, Rn, Rd):
    """SM3TT1A <Vd>.4S, <Vn>.4S, <Vm>.S[<imm2>]: the A forms are rounds 0 to 15"""
    if not IsFeatureImplemented("FEAT_SM3"):
        raise Undefined
    function = SHAparity if not opcode[0] else SHAchoose if opcode[1] else SHAmajority
    CheckFPAdvSIMDEnabled64()
    Vm, Vn, Vd = V[Rm, 128], V[Rn, 128], V[Rd, 128]
    a, b, c, d = (Elem(Vd, e, 32) for e in (3, 2, 1, 0))
    sum1 = function(a, b, c) + d + Elem(Vm, imm2, 32)
    if opcode[1]:
        TT2 = sum1 + Vn[127:96]
        V[Rd, 128] = (TT2 ^ ROL(TT2, 9) ^ ROL(TT2, 17)) @ a @ ROL(b, 19) @ c
    else:
        V[Rd, 128] = (sum1 + (Vn[127:96] ^ ROL(a, 12))) @ a @ ROL(b, 9) @ c


def _P1(x):
    """The permutation P1 of SM3."""
    return x ^ ROL(x, 15) ^ ROL(x, 23)


@insn("11001110 011 Rm:5 1 1 00 00 Rn:5 Rd:5", "SM3PARTW1")
def sm3_message_expansion_1(Rm, Rn, Rd):
    """SM3PARTW1 <Vd>.4S, <Vn>.4S, <Vm>.4S"""
    if not IsFeatureImplemented("FEAT_SM3"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    Vm, tmp = V[Rm, 128], V[Rd, 128] ^ V[Rn, 128]
    low = lanes(lambda x, m: _P1(x ^ ROL(m, 15)), 32, tmp[95:0], Vm[127:32])
    V[Rd, 128] = _P1(tmp[127:96] ^ ROL(low[31:0], 15)) @ low


@insn("11001110 011 Rm:5 1 1 00 01 Rn:5 Rd:5", "SM3PARTW2")
def sm3_message_expansion_2(Rm, Rn, Rd):
    """SM3PARTW2 <Vd>.4S, <Vn>.4S, <Vm>.4S"""
    if not IsFeatureImplemented("FEAT_SM3"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    tmp = lanes(lambda n, m: n ^ ROL(m, 7), 32, V[Rn, 128], V[Rm, 128])
    result = V[Rd, 128] ^ tmp
    V[Rd, 128] = (result[127:96] ^ _P1(ROL(tmp[31:0], 15))) @ result[95:0]


def _sm4_rounds(state, keys, *rotations):
    """Four rounds of SM4, or of its key schedule, whose linear maps rotate by different amounts."""
    for index in range(4):
        a, b, c, d = (Elem(state, e, 32) for e in range(4))
        substituted = lanes(SM4Sbox, 8, b ^ c ^ d ^ Elem(keys, index, 32))
        result = a ^ substituted
        for rotation in rotations:
            result = result ^ ROL(substituted, rotation)
        state = result @ d @ c @ b
    return state


@insn("11001110 110 00000 1 0 00 01 Rn:5 Rd:5", "SM4E")
def sm4_encode(Rn, Rd):
    """SM4E <Vd>.4S, <Vn>.4S"""
    if not IsFeatureImplemented("FEAT_SM4"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    V[Rd, 128] = _sm4_rounds(V[Rd, 128], V[Rn, 128], 2, 10, 18, 24)


@insn("11001110 011 Rm:5 1 1 00 10 Rn:5 Rd:5", "SM4EKEY")
def sm4_key(Rm, Rn, Rd):
    """SM4EKEY <Vd>.4S, <Vn>.4S, <Vm>.4S"""
    if not IsFeatureImplemented("FEAT_SM4"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    V[Rd, 128] = _sm4_rounds(V[Rn, 128], V[Rm, 128], 13, 23)
