"""Branches: unconditional, conditional, compare and branch, test and branch, by register."""

from assay64.reference.pseudocode import PC64, BranchTo, BranchType, ConditionHolds, IsZero, SignExtend, X, Zeros, insn


@insn("op 00101 imm26:26", "op: B BL")
def branch_immediate(op, imm26):
    """B <label>"""
    if op:
        X[30, 64] = PC64() + 4
    BranchTo(PC64() + SignExtend(imm26 @ Zeros(2), 64), BranchType.DIRCALL if op else BranchType.DIR)


@insn("0101010 0 imm19:19 0 cond:4", "B.cond")
def branch_conditional(imm19, cond):
    """B.<cond> <label>"""
    if ConditionHolds(cond):
        BranchTo(PC64() + SignExtend(imm19 @ Zeros(2), 64), BranchType.DIR)


@insn("sf 011010 op imm19:19 Rt:5", "op: CBZ CBNZ")
def compare_and_branch(sf, op, imm19, Rt):
    """CBZ <Xt>, <label>: the other half of a 32-bit register is not looked at"""
    if IsZero(X[Rt, 64 if sf else 32]) != op:
        BranchTo(PC64() + SignExtend(imm19 @ Zeros(2), 64), BranchType.DIR)


@insn("b5 011011 op b40:5 imm14:14 Rt:5", "op: TBZ TBNZ")
def test_and_branch(b5, op, b40, imm14, Rt):
    """TBZ <R><t>, #<bit>, <label>"""
    if (X[Rt, 64] >> (b5 @ b40))[0] == op:
        BranchTo(PC64() + SignExtend(imm14 @ Zeros(2), 64), BranchType.DIR)


@insn("1101011 0 0 opc:2 11111 000000 Rn:5 00000", "opc: BR BLR RET -")
def branch_register(opc, Rn):
    """BR <Xn>; BLR reads <Xn> before it writes X30"""
    target = X[Rn, 64]
    if opc == 0b01:
        X[30, 64] = PC64() + 4
    BranchTo(target, BranchType.INDIR if opc == 0b00 else BranchType.INDCALL if opc == 0b01 else BranchType.RET)
