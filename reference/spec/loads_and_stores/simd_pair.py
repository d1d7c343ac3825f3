"""Load/store pair of SIMD&FP registers: signed offset, pre- and post-indexed, non-temporal (no allocate)."""

from assay64.reference.pseudocode import (
    UNKNOWN,
    XSP,
    BaseAddress,
    CheckFPAdvSIMDEnabled64,
    ConstrainUnpredictable,
    CreateAccDescASIMD,
    IsFeatureImplemented,
    Mem,
    MemOp,
    SignExtend,
    Undefined,
    V,
    insn,
)


@insn(
    "opc:2 101 1 0 mode:2 L imm7:7 Rt2:5 Rn:5 Rt:5",
    "opc mode L: "
    "STNP LDNP STP LDP STP LDP STP LDP STNP LDNP STP LDP STP LDP STP LDP "
    "STNP LDNP STP LDP STP LDP STP LDP - - - - - - - -",
    "SIMD&FP",
)
def load_store_simd_pair(opc, mode, L, imm7, Rt2, Rn, Rt):
    """LDP <Dt1>, <Dt2>, [<Xn|SP>{, #<imm>}]; mode: non-temporal, post-indexed, offset, pre-indexed"""
    if not IsFeatureImplemented("FEAT_FP"):
        raise Undefined
    scale = 2 + int(opc)
    datasize, dbytes = 8 << scale, 1 << scale
    offset = SignExtend(imm7, 64) << scale
    wback, postindex = bool(mode[0]), mode == 0b01
    rt_unknown = False
    if L and Rt == Rt2:
        ConstrainUnpredictable("LDPOVERLAP")
        rt_unknown = True

    accdesc = CreateAccDescASIMD(MemOp.LOAD if L else MemOp.STORE, nontemporal=bool(mode == 0b00), pair=True)
    CheckFPAdvSIMDEnabled64()
    base = BaseAddress(Rn)
    address = base if postindex else base + offset
    if L:
        data1, data2 = Mem[address, dbytes, accdesc], Mem[address + dbytes, dbytes, accdesc]
        if rt_unknown:
            data1 = data2 = UNKNOWN(datasize)
        V[Rt, datasize] = data1
        V[Rt2, datasize] = data2
    else:
        data1, data2 = V[Rt, datasize], V[Rt2, datasize]
        Mem[address, dbytes, accdesc] = data1
        Mem[address + dbytes, dbytes, accdesc] = data2
    if wback:
        XSP[Rn, 64] = base + offset
