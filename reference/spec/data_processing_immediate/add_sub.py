"""Add/subtract (immediate)."""

from assay64.reference.pseudocode import PSTATE, XSP, AddWithCarry, If, X, ZeroExtend, insn


@insn("sf op S 100010 sh imm12:12 Rn:5 Rd:5", "op S: ADD ADDS SUB SUBS", "immediate")
def add_sub_immediate(sf, op, S, sh, imm12, Rn, Rd):
    """ADD <Xd|SP>, <Xn|SP>, #<imm>{, LSL #0 or #12}"""
    datasize = 64 if sf else 32
    imm = ZeroExtend(imm12, datasize)
    operand2 = If(sh, imm << 12, imm)
    result, nzcv = AddWithCarry(XSP[Rn, datasize], ~operand2 if op else operand2, op)
    if S:
        PSTATE.nzcv = nzcv
        X[Rd, datasize] = result
    else:
        XSP[Rd, datasize] = result
