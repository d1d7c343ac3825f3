"""Load/store register: unsigned offset, pre- and post-indexed, unscaled, unprivileged, register offset."""

from assay64.reference.pseudocode import ExtendReg, SignExtend, Undefined, X, ZeroExtend, insn
from assay64.reference.spec.loads_and_stores._register import load_store_register

_NAMES = "size opc: STRB LDRB LDRSB LDRSB STRH LDRH LDRSH LDRSH STR LDR LDRSW - STR LDR"
_UNSCALED = "size opc: STURB LDURB LDURSB LDURSB STURH LDURH LDURSH LDURSH STUR LDUR LDURSW - STUR LDUR"
_UNPRIVILEGED = "size opc: STTRB LDTRB LDTRSB LDTRSB STTRH LDTRH LDTRSH LDTRSH STTR LDTR LDTRSW - STTR LDTR"


@insn("size:2 111 0 01 opc:2 imm12:12 Rn:5 Rt:5", f"{_NAMES} PRFM -", "immediate")
def load_store_unsigned_offset(size, opc, imm12, Rn, Rt):
    """LDR <Xt>, [<Xn|SP>{, #<pimm>}]"""
    load_store_register(size, opc, Rn, Rt, ZeroExtend(imm12, 64) << size)


@insn("size:2 111 0 00 opc:2 0 imm9:9 01 Rn:5 Rt:5", f"{_NAMES} - -", "immediate")
def load_store_post_indexed(size, opc, imm9, Rn, Rt):
    """LDR <Xt>, [<Xn|SP>], #<simm>"""
    load_store_register(size, opc, Rn, Rt, SignExtend(imm9, 64), wback=True, postindex=True)


@insn("size:2 111 0 00 opc:2 0 imm9:9 11 Rn:5 Rt:5", f"{_NAMES} - -", "immediate")
def load_store_pre_indexed(size, opc, imm9, Rn, Rt):
    """LDR <Xt>, [<Xn|SP>, #<simm>]!"""
    load_store_register(size, opc, Rn, Rt, SignExtend(imm9, 64), wback=True)


@insn("size:2 111 0 00 opc:2 0 imm9:9 00 Rn:5 Rt:5", f"{_UNSCALED} PRFUM -")
def load_store_unscaled(size, opc, imm9, Rn, Rt):
    """LDUR <Xt>, [<Xn|SP>{, #<simm>}]"""
    load_store_register(size, opc, Rn, Rt, SignExtend(imm9, 64))


@insn("size:2 111 0 00 opc:2 0 imm9:9 10 Rn:5 Rt:5", f"{_UNPRIVILEGED} - -")
def load_store_unprivileged(size, opc, imm9, Rn, Rt):
    """LDTR <Xt>, [<Xn|SP>{, #<simm>}]"""
    load_store_register(size, opc, Rn, Rt, SignExtend(imm9, 64), unprivileged=True)


@insn("size:2 111 0 00 opc:2 1 Rm:5 option:3 S 10 Rn:5 Rt:5", f"{_NAMES} PRFM -", "register")
def load_store_register_offset(size, opc, Rm, option, S, Rn, Rt):
    """LDR <Xt>, [<Xn|SP>, <R><m>{, <extend> {<amount>}}]"""
    if not option[1]:
        raise Undefined
    offset = ExtendReg(X[Rm, 64], option, int(size) if S else 0, 64)
    load_store_register(size, opc, Rn, Rt, offset)
