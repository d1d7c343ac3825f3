"""Data-processing (2 source): division, variable shifts, CRC32."""

from assay64.reference.pseudocode import (
    DivideSigned,
    DivideUnsigned,
    IsFeatureImplemented,
    Poly32Mod2,
    ReverseLanes,
    ShiftReg,
    Undefined,
    X,
    Zeros,
    bits,
    insn,
)


@insn("sf 0 0 11010110 Rm:5 00001 o1 Rn:5 Rd:5", "o1: UDIV SDIV")
def divide(sf, Rm, o1, Rn, Rd):
    """UDIV <Xd>, <Xn>, <Xm>"""
    datasize = 64 if sf else 32
    dividend, divisor = X[Rn, datasize], X[Rm, datasize]
    X[Rd, datasize] = DivideSigned(dividend, divisor) if o1 else DivideUnsigned(dividend, divisor)


@insn("sf 0 0 11010110 Rm:5 0010 op2:2 Rn:5 Rd:5", "op2: LSLV LSRV ASRV RORV")
def variable_shift(sf, Rm, op2, Rn, Rd):
    """LSLV <Xd>, <Xn>, <Xm>: by Xm modulo the data size"""
    datasize = 64 if sf else 32
    amount = X[Rm, datasize][5 if sf else 4 : 0]
    X[Rd, datasize] = ShiftReg(X[Rn, datasize], op2, amount)


@insn("sf 0 0 11010110 Rm:5 010 C sz:2 Rn:5 Rd:5", "C sz: CRC32B CRC32H CRC32W CRC32X CRC32CB CRC32CH CRC32CW CRC32CX")
def crc32(sf, Rm, C, sz, Rn, Rd):
    """CRC32X <Wd>, <Wn>, <Xm>"""
    if not IsFeatureImplemented("FEAT_CRC32"):
        raise Undefined
    if sf != (sz == 0b11):
        raise Undefined
    size = 8 << int(sz)
    poly = bits(32, 0x1EDC6F41 if C else 0x04C11DB7)
    accumulator = ReverseLanes(X[Rn, 32], 1) @ Zeros(size)
    value = ReverseLanes(X[Rm, size], 1) @ Zeros(32)
    width = 32 + size
    data = accumulator.zero_extend(width) ^ value.zero_extend(width)
    X[Rd, 32] = ReverseLanes(Poly32Mod2(data, poly), 1)
