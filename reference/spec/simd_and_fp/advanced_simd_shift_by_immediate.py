"""Advanced SIMD shift by immediate, and its scalar form: integers."""

from assay64.reference.pseudocode import (
    CheckFPAdvSIMDEnabled64,
    HighestSetBit,
    Ones,
    RShr,
    SatQ,
    SInt,
    UInt,
    Undefined,
    V,
    Vpart,
    Zeros,
    insn,
    lanes,
    saturating_lanes,
)

_RIGHT = "SSHR SSRA SRSHR SRSRA USHR USRA URSHR URSRA "
_LEFT = "- SHL SRI SLI "
_SATURATING = "- SQSHL SQSHLU UQSHL "
_NARROW = "- - SQSHRN SQRSHRN SQSHRUN SQRSHRUN UQSHRN UQRSHRN "
_NARROW2 = "- - SQSHRN2 SQRSHRN2 SQSHRUN2 SQRSHRUN2 UQSHRN2 UQRSHRN2 "


@insn(
    "0 Q U scalar 1111 0 immh:4!=0000 immb:3 00 o1 o0 01 Rn:5 Rd:5",
    "scalar Q U o1 o0: " + 2 * _RIGHT + 8 * "- " + _RIGHT,
)
def shift_right_immediate(Q, U, scalar, immh, immb, o1, o0, Rn, Rd):
    """SSHR <Vd>.<T>, <Vn>.<T>, #<shift>; SSHR D<d>, D<n>, #<shift>"""
    if (scalar and not immh[3]) or (immh[3] and not Q):
        raise Undefined
    esize = 8 << HighestSetBit(immh)
    datasize = 128 if Q and not scalar else 64
    shift = 2 * esize - (immh @ immb).zero_extend(8)
    rounding, Int = bool(o1), UInt if U else SInt
    CheckFPAdvSIMDEnabled64()
    operand = V[Rn, datasize]
    operand2 = V[Rd, datasize] if o0 else Zeros(datasize)

    def shifted(x, y):
        return RShr(Int(x), shift, rounding)[esize - 1 : 0] + y

    V[Rd, datasize] = lanes(shifted, esize, operand, operand2)


@insn(
    "0 Q U scalar 1111 0 immh:4!=0000 immb:3 010 left 01 Rn:5 Rd:5",
    "scalar Q U left: " + 2 * _LEFT + 4 * "- " + _LEFT,
)
def shift_insert_immediate(Q, U, scalar, immh, immb, left, Rn, Rd):
    """SLI <Vd>.<T>, <Vn>.<T>, #<shift>; SLI D<d>, D<n>, #<shift>; SHL inserts into zeros"""
    if (scalar and not immh[3]) or (immh[3] and not Q):
        raise Undefined
    esize = 8 << HighestSetBit(immh)
    datasize = 128 if Q and not scalar else 64
    shift = (immh @ immb).zero_extend(8) - esize if left else 2 * esize - (immh @ immb).zero_extend(8)
    CheckFPAdvSIMDEnabled64()
    operand = V[Rn, datasize]
    operand2 = V[Rd, datasize] if U else Zeros(datasize)
    mask = Ones(esize) << shift if left else Ones(esize) >> shift

    def inserted(x, y):
        return y & ~mask | (x << shift if left else x >> shift)

    V[Rd, datasize] = lanes(inserted, esize, operand, operand2)


@insn(
    "0 Q U scalar 1111 0 immh:4!=0000 immb:3 011 op 01 Rn:5 Rd:5",
    "scalar Q U op: " + 2 * _SATURATING + 4 * "- " + _SATURATING,
    "immediate",
)
def saturating_shift_left_immediate(Q, U, scalar, immh, immb, op, Rn, Rd):
    """SQSHL <Vd>.<T>, <Vn>.<T>, #<shift>; SQSHL <V><d>, <V><n>, #<shift>; SQSHLU from signed to unsigned"""
    if immh[3] and not Q:
        raise Undefined
    esize = 8 << HighestSetBit(immh)
    datasize = esize if scalar else 128 if Q else 64
    shift = (immh @ immb).zero_extend(8) - esize
    src_unsigned, dst_unsigned = bool(U & op), bool(U)
    CheckFPAdvSIMDEnabled64()

    def shifted(x):
        if src_unsigned:
            return SatQ(UInt(x.zero_extend(2 * esize) << shift), esize, dst_unsigned)
        return SatQ(SInt(x.sign_extend(2 * esize) << shift), esize, dst_unsigned)

    V[Rd, datasize] = saturating_lanes(shifted, esize, V[Rn, datasize])


@insn("0 Q 0 0 1111 0 immh:4!=0000 immb:3 1000 op 1 Rn:5 Rd:5", "Q op: SHRN RSHRN SHRN2 RSHRN2")
def shift_right_narrow(Q, immh, immb, op, Rn, Rd):
    """SHRN{2} <Vd>.<Tb>, <Vn>.<Ta>, #<shift>"""
    if immh[3]:
        raise Undefined
    esize = 8 << HighestSetBit(immh)
    shift = 2 * esize - (immh @ immb).zero_extend(8)
    part, rounding = int(Q), bool(op)
    CheckFPAdvSIMDEnabled64()
    Vpart[Rd, part, 64] = lanes(lambda x: RShr(UInt(x), shift, rounding)[esize - 1 : 0], 2 * esize, V[Rn, 128])


@insn(
    "0 Q U scalar 1111 0 immh:4!=0000 immb:3 100 o1 op 1 Rn:5 Rd:5",
    "scalar Q U o1 op: " + _NARROW + _NARROW2 + 8 * "- " + _NARROW,
)
def saturating_shift_right_narrow(Q, U, scalar, immh, immb, o1, op, Rn, Rd):
    """SQSHRN{2} <Vd>.<Tb>, <Vn>.<Ta>, #<shift>; SQSHRN <Vb><d>, <Va><n>, #<shift>; o1 clear: signed to unsigned"""
    if immh[3]:
        raise Undefined
    esize = 8 << HighestSetBit(immh)
    datasize = esize if scalar else 64
    part = 0 if scalar else int(Q)
    shift = 2 * esize - (immh @ immb).zero_extend(8)
    rounding, dst_unsigned = bool(op), bool(U)
    Int = UInt if U & o1 else SInt
    CheckFPAdvSIMDEnabled64()

    def narrowed(x):
        return SatQ(RShr(Int(x), shift, rounding), esize, dst_unsigned)

    Vpart[Rd, part, datasize] = saturating_lanes(narrowed, 2 * esize, V[Rn, 2 * datasize])


@insn("0 Q U 0 1111 0 immh:4!=0000 immb:3 1010 01 Rn:5 Rd:5", "Q U: SSHLL USHLL SSHLL2 USHLL2")
def shift_left_long(Q, U, immh, immb, Rn, Rd):
    """SSHLL{2} <Vd>.<Ta>, <Vn>.<Tb>, #<shift>"""
    if immh[3]:
        raise Undefined
    esize = 8 << HighestSetBit(immh)
    shift = (immh @ immb).zero_extend(8) - esize
    part, Int = int(Q), UInt if U else SInt
    CheckFPAdvSIMDEnabled64()
    V[Rd, 128] = lanes(lambda x: Int(x)[2 * esize - 1 : 0] << shift, esize, Vpart[Rn, part, 64])
