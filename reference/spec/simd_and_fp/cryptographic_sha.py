"""Cryptographic three-register and two-register SHA: SHA1 and SHA256."""

from assay64.reference.pseudocode import (
    ROL,
    CheckFPAdvSIMDEnabled64,
    Elem,
    IsFeatureImplemented,
    SHA1hash,
    SHA256hash,
    SHA256schedule,
    SHAchoose,
    SHAmajority,
    SHAparity,
    Undefined,
    V,
    insn,
    lanes,
)


@insn("01011110 00 0 Rm:5 0 0 opcode:2 00 Rn:5 Rd:5", "opcode: SHA1C SHA1P SHA1M -")
def sha1_hash_update(Rm, opcode, Rn, Rd):
    """SHA1C <Qd>, <Sn>, <Vm>.4S: choose, parity, majority"""
    if not IsFeatureImplemented("FEAT_SHA1"):
        raise Undefined
    function = SHAchoose if opcode == 0b00 else SHAparity if opcode == 0b01 else SHAmajority
    CheckFPAdvSIMDEnabled64()
    V[Rd, 128] = SHA1hash(function, V[Rd, 128], V[Rn, 32], V[Rm, 128])


@insn("01011110 00 0 Rm:5 0 011 00 Rn:5 Rd:5", "SHA1SU0")
def sha1_schedule_update_0(Rm, Rn, Rd):
    """SHA1SU0 <Vd>.4S, <Vn>.4S, <Vm>.4S"""
    if not IsFeatureImplemented("FEAT_SHA1"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    operand1, operand2, operand3 = V[Rd, 128], V[Rn, 128], V[Rm, 128]
    V[Rd, 128] = (operand2[63:0] @ operand1[127:64]) ^ operand1 ^ operand3


@insn("01011110 00 0 Rm:5 0 10 P 00 Rn:5 Rd:5", "P: SHA256H SHA256H2")
def sha256_hash_update(Rm, P, Rn, Rd):
    """SHA256H <Qd>, <Qn>, <Vm>.4S"""
    if not IsFeatureImplemented("FEAT_SHA256"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    if P:
        V[Rd, 128] = SHA256hash(V[Rn, 128], V[Rd, 128], V[Rm, 128], False)
    else:
        V[Rd, 128] = SHA256hash(V[Rd, 128], V[Rn, 128], V[Rm, 128], True)


@insn("01011110 00 0 Rm:5 0 110 00 Rn:5 Rd:5", "SHA256SU1")
def sha256_schedule_update_1(Rm, Rn, Rd):
    """SHA256SU1 <Vd>.4S, <Vn>.4S, <Vm>.4S"""
    if not IsFeatureImplemented("FEAT_SHA256"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    operand1, operand2, operand3 = V[Rd, 128], V[Rn, 128], V[Rm, 128]
    T0 = operand3[31:0] @ operand2[127:32]

    def update(T1, x, y):
        return SHA256schedule(T1, 17, 19, 10) + x + y

    low = lanes(update, 32, operand3[127:64], operand1[63:0], T0[63:0])
    V[Rd, 128] = lanes(update, 32, low, operand1[127:64], T0[127:64]) @ low


@insn("01011110 00 10100 00000 10 Rn:5 Rd:5", "SHA1H")
def sha1_fixed_rotate(Rn, Rd):
    """SHA1H <Sd>, <Sn>"""
    if not IsFeatureImplemented("FEAT_SHA1"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    V[Rd, 32] = ROL(V[Rn, 32], 30)


@insn("01011110 00 10100 00001 10 Rn:5 Rd:5", "SHA1SU1")
def sha1_schedule_update_1(Rn, Rd):
    """SHA1SU1 <Vd>.4S, <Vn>.4S"""
    if not IsFeatureImplemented("FEAT_SHA1"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    T = lanes(lambda x: ROL(x, 1), 32, V[Rd, 128] ^ V[Rn, 128] >> 32)
    V[Rd, 128] = (T[127:96] ^ ROL(T[31:0], 1)) @ T[95:0]


@insn("01011110 00 10100 00010 10 Rn:5 Rd:5", "SHA256SU0")
def sha256_schedule_update_0(Rn, Rd):
    """SHA256SU0 <Vd>.4S, <Vn>.4S"""
    if not IsFeatureImplemented("FEAT_SHA256"):
        raise Undefined
    CheckFPAdvSIMDEnabled64()
    operand1, operand2 = V[Rd, 128], V[Rn, 128]
    T = Elem(operand2, 0, 32) @ operand1[127:32]
    V[Rd, 128] = lanes(lambda t, x: SHA256schedule(t, 7, 18, 3) + x, 32, T, operand1)
