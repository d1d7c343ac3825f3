"""PC-relative addressing."""

from assay64.reference.pseudocode import PC64, SignExtend, X, Zeros, insn


@insn("op immlo:2 10000 immhi:19 Rd:5", "op: ADR ADRP")
def pc_relative(op, immlo, immhi, Rd):
    """ADR <Xd>, <label>"""
    imm = immhi @ immlo
    if op:
        X[Rd, 64] = (PC64()[63:12] @ Zeros(12)) + SignExtend(imm @ Zeros(12), 64)
    else:
        X[Rd, 64] = PC64() + SignExtend(imm, 64)
