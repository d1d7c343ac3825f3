"""Branches: unconditional, conditional, compare and branch, test and branch, by register."""

from assay64.reference.pseudocode import (
    PC64,
    XSP,
    AuthKey,
    BranchTo,
    BranchType,
    ConditionHolds,
    If,
    InGuardedPage,
    IsFeatureImplemented,
    IsZero,
    SetBTypeNext,
    SignExtend,
    Undefined,
    X,
    Zeros,
    bits,
    insn,
)


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


def _branch_type(opc):
    return BranchType.INDIR if opc == 0b00 else BranchType.INDCALL if opc == 0b01 else BranchType.RET


def _set_btype_next(opc, n):
    """BTypeNext: BLR 0b10; BR 0b01 by X16 or X17 or from a page that is not guarded, else 0b11; RET none"""
    if opc == 0b01:
        SetBTypeNext(bits(2, 0b10))
    elif opc == 0b00:
        SetBTypeNext(If(InGuardedPage() & (n != 16) & (n != 17), bits(2, 0b11), bits(2, 0b01)))


@insn("1101011 0 0 opc:2 11111 000000 Rn:5 00000", "opc: BR BLR RET -")
def branch_register(opc, Rn):
    """BR <Xn>; BLR reads <Xn> before it writes X30"""
    target = X[Rn, 64]
    if opc == 0b01:
        X[30, 64] = PC64() + 4
    _set_btype_next(opc, Rn)
    BranchTo(target, _branch_type(opc))


@insn(
    "1101011 Z 0 opc:2 11111 00001 M Rn:5 Rm:5",
    "Z opc M: BRAAZ BRABZ BLRAAZ BLRABZ RETAA RETAB - - BRAA BRAB BLRAA BLRAB - - - -",
)
def branch_register_authenticated(Z, opc, M, Rn, Rm):
    """BRAA <Xn>, <Xm|SP>; BRAAZ <Xn>; RETAA: X30 with the modifier SP"""
    if not IsFeatureImplemented("FEAT_PAuth"):
        raise Undefined
    if (not Z and Rm != 31) or (opc == 0b10 and Rn != 31):
        raise Undefined
    modifier = XSP[Rm, 64] if Z or opc == 0b10 else Zeros(64)
    target = X[30 if opc == 0b10 else Rn, 64]
    target = AuthKey(target, modifier, Zeros(1) @ M, is_combined=True)
    if opc == 0b01:
        X[30, 64] = PC64() + 4
    _set_btype_next(opc, Rn)
    BranchTo(target, _branch_type(opc))
