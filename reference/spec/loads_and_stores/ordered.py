"""Load-acquire and store-release, LORegion forms, and the RCpc forms with and without offset."""

from assay64.reference.pseudocode import (
    BaseAddress,
    CreateAccDescAcqRel,
    CreateAccDescLDAcqPC,
    CreateAccDescLOR,
    IsFeatureImplemented,
    Mem,
    MemOp,
    SignExtend,
    Undefined,
    X,
    ZeroExtend,
    insn,
)


@insn(
    "size:2 001000 1 L 0 (1)(1)(1)(1)(1) o0 (1)(1)(1)(1)(1) Rn:5 Rt:5",
    "size L o0: STLLRB STLRB LDLARB LDARB STLLRH STLRH LDLARH LDARH STLLR STLR LDLAR LDAR STLLR STLR LDLAR LDAR",
)
def load_acquire_store_release(size, L, o0, Rn, Rt):
    """LDAR <Xt>, [<Xn|SP>{, #0}]"""
    if not o0 and not IsFeatureImplemented("FEAT_LOR"):
        raise Undefined
    datasize = 8 << int(size)
    memop = MemOp.LOAD if L else MemOp.STORE
    accdesc = CreateAccDescAcqRel(memop) if o0 else CreateAccDescLOR(memop)
    address = BaseAddress(Rn)
    if L:
        X[Rt, 64] = ZeroExtend(Mem[address, datasize // 8, accdesc], 64)
    else:
        Mem[address, datasize // 8, accdesc] = X[Rt, 64][datasize - 1 : 0]


@insn("size:2 111 0 00 1 0 1 (1)(1)(1)(1)(1) 1 100 00 Rn:5 Rt:5", "size: LDAPRB LDAPRH LDAPR LDAPR")
def load_acquire_rcpc(size, Rn, Rt):
    """LDAPR <Xt>, [<Xn|SP>{, #0}]"""
    if not IsFeatureImplemented("FEAT_LRCPC"):
        raise Undefined
    datasize = 8 << int(size)
    data = Mem[BaseAddress(Rn), datasize // 8, CreateAccDescLDAcqPC()]
    X[Rt, 64] = ZeroExtend(data, 64)


@insn(
    "size:2 011001 opc:2 0 imm9:9 00 Rn:5 Rt:5",
    "size opc: STLURB LDAPURB LDAPURSB LDAPURSB STLURH LDAPURH LDAPURSH LDAPURSH STLUR LDAPUR LDAPURSW - STLUR LDAPUR "
    "- -",
)
def load_acquire_rcpc_store_release_unscaled(size, opc, imm9, Rn, Rt):
    """LDAPUR <Xt>, [<Xn|SP>{, #<simm>}]"""
    if not IsFeatureImplemented("FEAT_LRCPC2"):
        raise Undefined
    datasize = 8 << int(size)
    address = BaseAddress(Rn) + SignExtend(imm9, 64)
    if opc == 0b00:
        Mem[address, datasize // 8, CreateAccDescAcqRel(MemOp.STORE)] = X[Rt, 64][datasize - 1 : 0]
        return
    data = Mem[address, datasize // 8, CreateAccDescLDAcqPC()]
    if opc == 0b01:
        X[Rt, 64] = ZeroExtend(data, 64)
    else:
        regsize = 32 if opc == 0b11 else 64
        X[Rt, regsize] = SignExtend(data, regsize)
