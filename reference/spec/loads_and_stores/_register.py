"""The operation that the single-register loads and stores share: the pages differ only in how the address is formed."""

from assay64.reference.pseudocode import (
    UNKNOWN,
    XSP,
    BaseAddress,
    Constraint,
    ConstrainUnpredictable,
    CreateAccDescGPR,
    Mem,
    MemOp,
    Prefetch,
    X,
)


def overlaps(rn, rt):
    """Whether the transfer register is the base register; SP is not."""
    return (rn == rt) & (rn != 31)


def load_store_register(size, opc, rn, rt, offset, *, wback=False, postindex=False, unprivileged=False):
    """opc: 00 store, 01 load zero-extended, 10 load sign-extended to 64 bits, 11 to 32; PRFM for size 11 opc 10."""
    datasize = 8 << int(size)
    if opc == 0b00:
        memop, signed, regsize = MemOp.STORE, False, 64 if size == 0b11 else 32
    elif opc == 0b01:
        memop, signed, regsize = MemOp.LOAD, False, 64 if size == 0b11 else 32
    elif size == 0b11:
        memop, signed, regsize = MemOp.PREFETCH, False, 64
    else:
        memop, signed, regsize = MemOp.LOAD, True, 32 if opc[0] else 64

    wb_unknown = rt_unknown = False
    if wback and overlaps(rn, rt):
        if memop is MemOp.LOAD:
            constraint = ConstrainUnpredictable("WBOVERLAPLD")
            wback = constraint is not Constraint.WBSUPPRESS
            wb_unknown = constraint is Constraint.UNKNOWN
        else:
            rt_unknown = ConstrainUnpredictable("WBOVERLAPST") is Constraint.UNKNOWN

    accdesc = CreateAccDescGPR(memop, unprivileged=unprivileged)
    base = XSP[rn, 64] if memop is MemOp.PREFETCH else BaseAddress(rn)
    address = base if postindex else base + offset
    if memop is MemOp.PREFETCH:
        Prefetch(address, rt)
    elif memop is MemOp.STORE:
        Mem[address, datasize // 8, accdesc] = UNKNOWN(datasize) if rt_unknown else X[rt, regsize][datasize - 1 : 0]
    else:
        data = Mem[address, datasize // 8, accdesc]
        X[rt, regsize] = data.sign_extend(regsize) if signed else data.zero_extend(regsize)
    if wback:
        XSP[rn, 64] = UNKNOWN(64) if wb_unknown else base + offset
