"""Data-processing (3 source): multiply-add and multiply high."""

from assay64.reference.pseudocode import SInt, UInt, X, insn


@insn("sf 00 11011 000 Rm:5 o0 Ra:5 Rn:5 Rd:5", "o0: MADD MSUB")
def multiply_add(sf, Rm, o0, Ra, Rn, Rd):
    """MADD <Xd>, <Xn>, <Xm>, <Xa>"""
    datasize = 64 if sf else 32
    product = X[Rn, datasize] * X[Rm, datasize]
    X[Rd, datasize] = X[Ra, datasize] - product if o0 else X[Ra, datasize] + product


@insn("1 00 11011 U 01 Rm:5 o0 Ra:5 Rn:5 Rd:5", "U o0: SMADDL SMSUBL UMADDL UMSUBL")
def multiply_add_long(U, Rm, o0, Ra, Rn, Rd):
    """SMADDL <Xd>, <Wn>, <Wm>, <Xa>"""
    Int = UInt if U else SInt
    product = Int(X[Rn, 32]) * Int(X[Rm, 32])
    addend = Int(X[Ra, 64])
    X[Rd, 64] = (addend - product if o0 else addend + product)[63:0]


@insn("1 00 11011 U 10 Rm:5 0 (1)(1)(1)(1)(1) Rn:5 Rd:5", "U: SMULH UMULH")
def multiply_high(U, Rm, Rn, Rd):
    """SMULH <Xd>, <Xn>, <Xm>"""
    Int = UInt if U else SInt
    X[Rd, 64] = (Int(X[Rn, 64]) * Int(X[Rm, 64]))[127:64]
