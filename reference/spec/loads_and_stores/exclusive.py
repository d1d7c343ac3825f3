"""Load/store exclusive and exclusive pair."""

from assay64.reference.pseudocode import (
    UNKNOWN,
    BaseAddress,
    Constraint,
    ConstrainUnpredictable,
    CreateAccDescExLDST,
    Mem,
    MemOp,
    StoreExclusive,
    X,
    ZeroExtend,
    insn,
)
from assay64.reference.spec.loads_and_stores._register import overlaps


@insn(
    "size:2 001000 0 1 0 (1)(1)(1)(1)(1) o0 (1)(1)(1)(1)(1) Rn:5 Rt:5",
    "size o0: LDXRB LDAXRB LDXRH LDAXRH LDXR LDAXR LDXR LDAXR",
)
def load_exclusive(size, o0, Rn, Rt):
    """LDXR <Xt>, [<Xn|SP>{, #0}]"""
    datasize = 8 << int(size)
    accdesc = CreateAccDescExLDST(MemOp.LOAD, bool(o0), False)
    data = Mem[BaseAddress(Rn), datasize // 8, accdesc]
    X[Rt, 64] = ZeroExtend(data, 64)


@insn(
    "size:2 001000 0 0 0 Rs:5 o0 (1)(1)(1)(1)(1) Rn:5 Rt:5", "size o0: STXRB STLXRB STXRH STLXRH STXR STLXR STXR STLXR"
)
def store_exclusive(size, Rs, o0, Rn, Rt):
    """STXR <Ws>, <Xt>, [<Xn|SP>{, #0}]"""
    datasize = 8 << int(size)
    rt_unknown, address = _overlaps_status(Rs, Rn, Rs == Rt)
    data = UNKNOWN(datasize) if rt_unknown else X[Rt, 64][datasize - 1 : 0]
    accdesc = CreateAccDescExLDST(MemOp.STORE, bool(o0), False)
    X[Rs, 32] = ZeroExtend(StoreExclusive(address, datasize // 8, accdesc, data), 32)


@insn("1 sz 001000 0 1 1 (1)(1)(1)(1)(1) o0 Rt2:5 Rn:5 Rt:5", "o0: LDXP LDAXP")
def load_exclusive_pair(sz, o0, Rt2, Rn, Rt):
    """LDXP <Xt1>, <Xt2>, [<Xn|SP>{, #0}]: one access of twice the register's size"""
    elsize = 64 if sz else 32
    rt_unknown = False
    if Rt == Rt2:
        ConstrainUnpredictable("LDPOVERLAP")
        rt_unknown = True
    accdesc = CreateAccDescExLDST(MemOp.LOAD, bool(o0), True)
    data = Mem[BaseAddress(Rn), elsize // 4, accdesc]
    if rt_unknown:
        X[Rt, 64] = UNKNOWN(64)
    else:
        X[Rt, elsize] = data[elsize - 1 : 0]
        X[Rt2, elsize] = data[2 * elsize - 1 : elsize]


@insn("1 sz 001000 0 0 1 Rs:5 o0 Rt2:5 Rn:5 Rt:5", "o0: STXP STLXP")
def store_exclusive_pair(sz, Rs, o0, Rt2, Rn, Rt):
    """STXP <Ws>, <Xt1>, <Xt2>, [<Xn|SP>{, #0}]"""
    elsize = 64 if sz else 32
    rt_unknown, address = _overlaps_status(Rs, Rn, (Rs == Rt) | (Rs == Rt2))
    data = UNKNOWN(2 * elsize) if rt_unknown else X[Rt2, elsize] @ X[Rt, elsize]
    accdesc = CreateAccDescExLDST(MemOp.STORE, bool(o0), True)
    X[Rs, 32] = ZeroExtend(StoreExclusive(address, elsize // 4, accdesc, data), 32)


def _overlaps_status(rs, rn, is_data):
    """The status register as data or base: (the data is UNKNOWN, the address)."""
    rt_unknown = rn_unknown = False
    if is_data:
        rt_unknown = ConstrainUnpredictable("DATAOVERLAP") is Constraint.UNKNOWN
    if overlaps(rn, rs):
        rn_unknown = ConstrainUnpredictable("BASEOVERLAP") is Constraint.UNKNOWN
    return rt_unknown, UNKNOWN(64) if rn_unknown else BaseAddress(rn)
