"""Load/store register pair: signed offset, pre- and post-indexed, non-temporal (no allocate)."""

from assay64.reference.pseudocode import (
    UNKNOWN,
    XSP,
    BaseAddress,
    Constraint,
    ConstrainUnpredictable,
    CreateAccDescGPR,
    Mem,
    MemOp,
    SignExtend,
    X,
    insn,
)
from assay64.reference.spec.loads_and_stores._register import overlaps


@insn(
    "opc:2 101 0 0 mode:2 L imm7:7 Rt2:5 Rn:5 Rt:5",
    "opc mode L: "
    "STNP LDNP STP LDP STP LDP STP LDP - - - LDPSW - LDPSW - LDPSW STNP LDNP STP LDP STP LDP STP LDP - - - - - - - -",
)
def load_store_pair(opc, mode, L, imm7, Rt2, Rn, Rt):
    """LDP <Xt1>, <Xt2>, [<Xn|SP>{, #<imm>}]; mode: non-temporal, post-indexed, offset, pre-indexed"""
    datasize = 64 if opc[1] else 32
    signed = opc[0]
    wback, postindex = bool(mode[0]), mode == 0b01
    memop = MemOp.LOAD if L else MemOp.STORE

    wb_unknown = rt_unknown = rt2_unknown = False
    if wback and (overlaps(Rn, Rt) or overlaps(Rn, Rt2)):
        if L:
            constraint = ConstrainUnpredictable("WBOVERLAPLD")
            wback = constraint is not Constraint.WBSUPPRESS
            wb_unknown = constraint is Constraint.UNKNOWN
        elif ConstrainUnpredictable("WBOVERLAPST") is Constraint.UNKNOWN:
            rt_unknown, rt2_unknown = bool(Rn == Rt), bool(Rn == Rt2)
    if L and Rt == Rt2:
        ConstrainUnpredictable("LDPOVERLAP")
        rt_unknown = rt2_unknown = True

    accdesc = CreateAccDescGPR(memop, nontemporal=bool(mode == 0b00), pair=True)
    size = datasize // 8
    offset = SignExtend(imm7, 64) << (3 if opc[1] else 2)
    base = BaseAddress(Rn)
    address = base if postindex else base + offset
    if L:
        data1, data2 = Mem[address, size, accdesc], Mem[address + size, size, accdesc]
        if rt_unknown:
            data1 = data2 = UNKNOWN(datasize)
        regsize = 64 if signed else datasize
        X[Rt, regsize] = SignExtend(data1, regsize)
        X[Rt2, regsize] = SignExtend(data2, regsize)
    else:
        data1 = UNKNOWN(datasize) if rt_unknown else X[Rt, datasize]
        data2 = UNKNOWN(datasize) if rt2_unknown else X[Rt2, datasize]
        Mem[address, size, accdesc] = data1
        Mem[address + size, size, accdesc] = data2
    if wback:
        XSP[Rn, 64] = UNKNOWN(64) if wb_unknown else base + offset
