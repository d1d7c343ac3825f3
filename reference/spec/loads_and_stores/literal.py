"""Load register (literal)."""

from assay64.reference.pseudocode import PC64, CreateAccDescGPR, Mem, MemOp, Prefetch, SignExtend, X, Zeros, insn


@insn("opc:2 011 0 00 imm19:19 Rt:5", "opc: LDR LDR LDRSW PRFM", "literal")
def load_literal(opc, imm19, Rt):
    """LDR <Xt>, <label>"""
    address = PC64() + SignExtend(imm19 @ Zeros(2), 64)
    if opc == 0b11:
        Prefetch(address, Rt)
        return
    regsize = 64 if opc == 0b01 else 32
    data = Mem[address, regsize // 8, CreateAccDescGPR(MemOp.LOAD)]
    if opc == 0b10:
        X[Rt, 64] = SignExtend(data, 64)
    else:
        X[Rt, regsize] = data
