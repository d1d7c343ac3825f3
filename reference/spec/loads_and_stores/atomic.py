"""Atomic memory operations, swap, compare and swap, compare and swap pair."""

from assay64.reference.pseudocode import (
    BaseAddress,
    CreateAccDescAtomicOp,
    IsFeatureImplemented,
    MemAtomic,
    MemAtomicCompareAndSwap,
    MemAtomicOp,
    Undefined,
    X,
    ZeroExtend,
    insn,
)

_OPERATIONS = (
    MemAtomicOp.ADD,
    MemAtomicOp.BIC,
    MemAtomicOp.EOR,
    MemAtomicOp.ORR,
    MemAtomicOp.SMAX,
    MemAtomicOp.SMIN,
    MemAtomicOp.UMAX,
    MemAtomicOp.UMIN,
)
_STEMS = ("LDADD", "LDCLR", "LDEOR", "LDSET", "LDSMAX", "LDSMIN", "LDUMAX", "LDUMIN", "SWP", *7 * "-")
_NAMES = [
    stem if stem == "-" else stem + ordering + suffix
    for suffix in ("B", "H", "", "")
    for stem in _STEMS
    for ordering in ("", "L", "A", "AL")
]


@insn("size:2 111 0 00 A R 1 Rs:5 o3 opc:3 00 Rn:5 Rt:5", f"size o3 opc A R: {' '.join(_NAMES)}")
def atomic_memory_operation(size, A, R, Rs, o3, opc, Rn, Rt):
    """LDADD <Xs>, <Xt>, [<Xn|SP>]; STADD where Rt is 31, which does not acquire"""
    if not IsFeatureImplemented("FEAT_LSE"):
        raise Undefined
    datasize = 8 << int(size)
    operation = MemAtomicOp.SWP if o3 else _OPERATIONS[int(opc)]
    accdesc = CreateAccDescAtomicOp(bool(A) and bool(Rt != 31), bool(R))
    address = BaseAddress(Rn)
    data = MemAtomic(address, datasize // 8, accdesc, operation, X[Rs, 64][datasize - 1 : 0])
    X[Rt, 64] = ZeroExtend(data, 64)


@insn(
    "size:2 001000 1 L 1 Rs:5 o0 11111 Rn:5 Rt:5",
    "size L o0: CASB CASLB CASAB CASALB CASH CASLH CASAH CASALH CAS CASL CASA CASAL CAS CASL CASA CASAL",
)
def compare_and_swap(size, L, Rs, o0, Rn, Rt):
    """CAS <Xs>, <Xt>, [<Xn|SP>{, #0}]"""
    if not IsFeatureImplemented("FEAT_LSE"):
        raise Undefined
    datasize = 8 << int(size)
    accdesc = CreateAccDescAtomicOp(bool(L), bool(o0))
    address = BaseAddress(Rn)
    comparevalue, newvalue = X[Rs, 64][datasize - 1 : 0], X[Rt, 64][datasize - 1 : 0]
    data = MemAtomicCompareAndSwap(address, datasize // 8, accdesc, comparevalue, newvalue)
    X[Rs, 64] = ZeroExtend(data, 64)


@insn("0 sz 001000 0 L 1 Rs:5 o0 11111 Rn:5 Rt:5", "L o0: CASP CASPL CASPA CASPAL")
def compare_and_swap_pair(sz, L, Rs, o0, Rn, Rt):
    """CASP <Xs>, <X(s+1)>, <Xt>, <X(t+1)>, [<Xn|SP>{, #0}]"""
    if not IsFeatureImplemented("FEAT_LSE"):
        raise Undefined
    if Rs[0] or Rt[0]:
        raise Undefined
    datasize = 64 if sz else 32
    accdesc = CreateAccDescAtomicOp(bool(L), bool(o0), pair=True)
    address = BaseAddress(Rn)
    comparevalue, newvalue = X[Rs + 1, datasize] @ X[Rs, datasize], X[Rt + 1, datasize] @ X[Rt, datasize]
    data = MemAtomicCompareAndSwap(address, datasize // 4, accdesc, comparevalue, newvalue)
    X[Rs, datasize] = data[datasize - 1 : 0]
    X[Rs + 1, datasize] = data[2 * datasize - 1 : datasize]
