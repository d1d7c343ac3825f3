"""Conditional select, conditional compare (register and immediate)."""

from assay64.reference.pseudocode import PSTATE, AddWithCarry, ConditionHolds, If, X, ZeroExtend, insn


@insn("sf op 0 11010100 Rm:5 cond:4 0 o2 Rn:5 Rd:5", "op o2: CSEL CSINC CSINV CSNEG")
def conditional_select(sf, op, Rm, cond, o2, Rn, Rd):
    """CSEL <Xd>, <Xn>, <Xm>, <cond>"""
    datasize = 64 if sf else 32
    otherwise = X[Rm, datasize]
    if op:
        otherwise = ~otherwise
    if o2:
        otherwise = otherwise + 1
    X[Rd, datasize] = If(ConditionHolds(cond), X[Rn, datasize], otherwise)


def _compare(op, cond, operand1, operand2, nzcv):
    _, flags = AddWithCarry(operand1, ~operand2 if op else operand2, op)
    PSTATE.nzcv = If(ConditionHolds(cond), flags, nzcv)


@insn("sf op 1 11010010 Rm:5 cond:4 0 0 Rn:5 0 nzcv:4", "op: CCMN CCMP", "register")
def conditional_compare_register(sf, op, Rm, cond, Rn, nzcv):
    """CCMP <Xn>, <Xm>, #<nzcv>, <cond>"""
    datasize = 64 if sf else 32
    _compare(op, cond, X[Rn, datasize], X[Rm, datasize], nzcv)


@insn("sf op 1 11010010 imm5:5 cond:4 1 0 Rn:5 0 nzcv:4", "op: CCMN CCMP", "immediate")
def conditional_compare_immediate(sf, op, imm5, cond, Rn, nzcv):
    """CCMP <Xn>, #<imm>, #<nzcv>, <cond>"""
    datasize = 64 if sf else 32
    _compare(op, cond, X[Rn, datasize], ZeroExtend(imm5, datasize), nzcv)
