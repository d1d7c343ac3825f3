"""Load/store SIMD&FP register: unsigned offset, pre- and post-indexed, unscaled, register offset, literal."""

from assay64.reference.pseudocode import (
    PC64,
    XSP,
    BaseAddress,
    CheckFPAdvSIMDEnabled64,
    CreateAccDescASIMD,
    ExtendReg,
    IsFeatureImplemented,
    Mem,
    MemOp,
    SignExtend,
    Undefined,
    V,
    X,
    ZeroExtend,
    Zeros,
    insn,
)

_NAMES = "size opc: STR LDR STR LDR STR LDR - - STR LDR - - STR LDR - -"
_UNSCALED = "size opc: STUR LDUR STUR LDUR STUR LDUR - - STUR LDUR - - STUR LDUR - -"


def _scale(size, opc):
    """B, H, S, D by size; Q for opc 1x."""
    if not IsFeatureImplemented("FEAT_FP"):
        raise Undefined
    return 4 if opc[1] else int(size)


def _load_store(scale, opc, rn, rt, offset, *, wback=False, postindex=False):
    datasize = 8 << scale
    accdesc = CreateAccDescASIMD(MemOp.LOAD if opc[0] else MemOp.STORE)
    CheckFPAdvSIMDEnabled64()
    base = BaseAddress(rn)
    address = base if postindex else base + offset
    if opc[0]:
        V[rt, datasize] = Mem[address, datasize // 8, accdesc]
    else:
        Mem[address, datasize // 8, accdesc] = V[rt, datasize]
    if wback:
        XSP[rn, 64] = base + offset


@insn("size:2 111 1 01 opc:2 imm12:12 Rn:5 Rt:5", _NAMES, "immediate, SIMD&FP")
def load_store_simd_unsigned_offset(size, opc, imm12, Rn, Rt):
    """LDR <Dt>, [<Xn|SP>{, #<pimm>}]"""
    scale = _scale(size, opc)
    _load_store(scale, opc, Rn, Rt, ZeroExtend(imm12, 64) << scale)


@insn("size:2 111 1 00 opc:2 0 imm9:9 01 Rn:5 Rt:5", _NAMES, "immediate, SIMD&FP")
def load_store_simd_post_indexed(size, opc, imm9, Rn, Rt):
    """LDR <Dt>, [<Xn|SP>], #<simm>"""
    _load_store(_scale(size, opc), opc, Rn, Rt, SignExtend(imm9, 64), wback=True, postindex=True)


@insn("size:2 111 1 00 opc:2 0 imm9:9 11 Rn:5 Rt:5", _NAMES, "immediate, SIMD&FP")
def load_store_simd_pre_indexed(size, opc, imm9, Rn, Rt):
    """LDR <Dt>, [<Xn|SP>, #<simm>]!"""
    _load_store(_scale(size, opc), opc, Rn, Rt, SignExtend(imm9, 64), wback=True)


@insn("size:2 111 1 00 opc:2 0 imm9:9 00 Rn:5 Rt:5", _UNSCALED, "SIMD&FP")
def load_store_simd_unscaled(size, opc, imm9, Rn, Rt):
    """LDUR <Dt>, [<Xn|SP>{, #<simm>}]"""
    _load_store(_scale(size, opc), opc, Rn, Rt, SignExtend(imm9, 64))


@insn("size:2 111 1 00 opc:2 1 Rm:5 option:3 S 10 Rn:5 Rt:5", _NAMES, "register, SIMD&FP")
def load_store_simd_register_offset(size, opc, Rm, option, S, Rn, Rt):
    """LDR <Dt>, [<Xn|SP>, <R><m>{, <extend> {<amount>}}]"""
    if not option[1]:
        raise Undefined
    scale = _scale(size, opc)
    _load_store(scale, opc, Rn, Rt, ExtendReg(X[Rm, 64], option, scale if S else 0, 64))


@insn("opc:2 011 1 00 imm19:19 Rt:5", "opc: LDR LDR LDR -", "literal, SIMD&FP")
def load_simd_literal(opc, imm19, Rt):
    """LDR <Dt>, <label>"""
    if not IsFeatureImplemented("FEAT_FP"):
        raise Undefined
    size = 4 << int(opc)
    CheckFPAdvSIMDEnabled64()
    address = PC64() + SignExtend(imm19 @ Zeros(2), 64)
    V[Rt, 8 * size] = Mem[address, size, CreateAccDescASIMD(MemOp.LOAD)]
