"""Add/subtract (shifted register), (extended register), (with carry)."""

from assay64.reference.pseudocode import PSTATE, XSP, AddWithCarry, ExtendReg, ShiftReg, Undefined, X, insn


@insn("sf op S 01011 shift:2 0 Rm:5 imm6:6 Rn:5 Rd:5", "op S: ADD ADDS SUB SUBS", "shifted register")
def add_sub_shifted_register(sf, op, S, shift, Rm, imm6, Rn, Rd):
    """ADD <Xd>, <Xn>, <Xm>{, LSL, LSR or ASR #<amount>}"""
    datasize = 64 if sf else 32
    if shift == 0b11 or (not sf and imm6[5]):
        raise Undefined
    operand2 = ShiftReg(X[Rm, datasize], shift, imm6)
    result, nzcv = AddWithCarry(X[Rn, datasize], ~operand2 if op else operand2, op)
    if S:
        PSTATE.nzcv = nzcv
    X[Rd, datasize] = result


@insn("sf op S 01011 00 1 Rm:5 option:3 imm3:3 Rn:5 Rd:5", "op S: ADD ADDS SUB SUBS", "extended register")
def add_sub_extended_register(sf, op, S, Rm, option, imm3, Rn, Rd):
    """ADD <Xd|SP>, <Xn|SP>, <R><m>{, <extend> #<amount>}"""
    datasize = 64 if sf else 32
    if imm3 > 4:
        raise Undefined
    operand2 = ExtendReg(X[Rm, datasize], option, imm3, datasize)
    result, nzcv = AddWithCarry(XSP[Rn, datasize], ~operand2 if op else operand2, op)
    if S:
        PSTATE.nzcv = nzcv
        X[Rd, datasize] = result
    else:
        XSP[Rd, datasize] = result


@insn("sf op S 11010000 Rm:5 000000 Rn:5 Rd:5", "op S: ADC ADCS SBC SBCS")
def add_sub_with_carry(sf, op, S, Rm, Rn, Rd):
    """ADC <Xd>, <Xn>, <Xm>"""
    datasize = 64 if sf else 32
    operand2 = X[Rm, datasize]
    result, nzcv = AddWithCarry(X[Rn, datasize], ~operand2 if op else operand2, PSTATE.C)
    if S:
        PSTATE.nzcv = nzcv
    X[Rd, datasize] = result
