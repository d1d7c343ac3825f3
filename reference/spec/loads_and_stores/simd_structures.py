"""Advanced SIMD load/store of structures: multiple, single, single replicated to all lanes; and post-indexed."""

from assay64.reference.pseudocode import (
    XSP,
    BaseAddress,
    CheckFPAdvSIMDEnabled64,
    CreateAccDescASIMD,
    Elem,
    IsFeatureImplemented,
    Mem,
    MemOp,
    Ones,
    Replicate,
    Undefined,
    V,
    X,
    bits,
    from_elements,
    insn,
)

_MULTIPLE = "L opcode: ST4 - ST1 - ST3 - ST1 ST1 ST2 - ST1 - - - - - LD4 - LD1 - LD3 - LD1 LD1 LD2 - LD1 - - - - -"
_SINGLE = (
    "L R opcode: "
    "ST1 ST3 ST1 ST3 ST1 ST3 - - ST2 ST4 ST2 ST4 ST2 ST4 - - "
    "LD1 LD3 LD1 LD3 LD1 LD3 LD1R LD3R LD2 LD4 LD2 LD4 LD2 LD4 LD2R LD4R"
)
# By opcode: rpt, the registers that follow one another whole; selem, the registers whose elements take turns.
_REGISTERS = ((1, 4), (0, 0), (4, 1), (0, 0), (1, 3), (0, 0), (3, 1), (1, 1), (1, 2), (0, 0), (2, 1))


def _multiple_structures(Q, L, opcode, size, Rn, Rt, Rm=None):
    rpt, selem = _REGISTERS[int(opcode)]
    if not IsFeatureImplemented("FEAT_AdvSIMD") or (size == 0b11 and not Q and selem != 1):
        raise Undefined
    datasize, esize = 128 if Q else 64, 8 << int(size)
    elements, ebytes = datasize // esize, esize // 8
    accdesc = CreateAccDescASIMD(MemOp.LOAD if L else MemOp.STORE)
    CheckFPAdvSIMDEnabled64()
    address, offs = BaseAddress(Rn), 0
    registers = [Rt + n for n in range(max(rpt, selem))]
    stored = [] if L else [V[tt, datasize] for tt in registers]
    loaded = [[] for _ in registers]
    for r in range(rpt):
        for e in range(elements):
            for s in range(selem):
                if L:
                    loaded[r + s].append(Mem[address + offs, ebytes, accdesc])
                else:
                    Mem[address + offs, ebytes, accdesc] = Elem(stored[r + s], e, esize)
                offs += ebytes
    if L:
        for tt, vector in zip(registers, loaded, strict=True):
            V[tt, datasize] = from_elements(vector)
    if Rm is not None:
        XSP[Rn, 64] = address + (offs if Rm == 31 else X[Rm, 64])


def _single_structure(Q, L, R, opcode, S, size, Rn, Rt, Rm=None):
    replicate = opcode[2:1] == 0b11
    if replicate:
        reserved, scale, index = S, int(size), Q
    elif opcode[2:1] == 0b00:
        reserved, scale, index = bits(1, 0), 0, Q @ S @ size
    elif opcode[2:1] == 0b01:
        reserved, scale, index = size[0], 1, Q @ S @ size[1]
    elif size[0]:
        reserved, scale, index = size[1] | S, 3, Q
    else:
        reserved, scale, index = size[1], 2, Q @ S
    if reserved or not IsFeatureImplemented("FEAT_AdvSIMD"):
        raise Undefined
    selem = (3 if opcode[0] else 1) + (1 if R else 0)
    datasize, esize, ebytes = 128 if Q else 64, 8 << scale, 1 << scale
    accdesc = CreateAccDescASIMD(MemOp.LOAD if L else MemOp.STORE)
    CheckFPAdvSIMDEnabled64()
    address = BaseAddress(Rn)
    transfers = [(Rt + s, address + s * ebytes) for s in range(selem)]
    if L:
        loaded = [Mem[eaddr, ebytes, accdesc] for _, eaddr in transfers]
        for (tt, _), element in zip(transfers, loaded, strict=True):
            if replicate:
                V[tt, datasize] = Replicate(element, datasize // esize)
            else:
                V[tt, 128] = _insert(V[tt, 128], index, element)
    else:
        for tt, eaddr in transfers:
            Mem[eaddr, ebytes, accdesc] = Elem(V[tt, 128], index, esize)
    if Rm is not None:
        XSP[Rn, 64] = address + (selem * ebytes if Rm == 31 else X[Rm, 64])


def _insert(vector, e, element):
    """Elem[vector, e, esize] = element"""
    position = e.zero_extend(8) * element.width
    hole = Ones(element.width).zero_extend(128) << position
    return vector & ~hole | element.zero_extend(128) << position


@insn("0 Q 001100 0 L 000000 opcode:4 size:2 Rn:5 Rt:5", _MULTIPLE, "multiple structures")
def load_store_multiple_structures(Q, L, opcode, size, Rn, Rt):
    """LD4 { <Vt>.<T>, <Vt2>.<T>, <Vt3>.<T>, <Vt4>.<T> }, [<Xn|SP>]"""
    _multiple_structures(Q, L, opcode, size, Rn, Rt)


@insn("0 Q 001100 1 L 0 Rm:5 opcode:4 size:2 Rn:5 Rt:5", _MULTIPLE, "multiple structures")
def load_store_multiple_structures_post_indexed(Q, L, Rm, opcode, size, Rn, Rt):
    """LD4 { <Vt>.<T>, <Vt2>.<T>, <Vt3>.<T>, <Vt4>.<T> }, [<Xn|SP>], <Xm>; #<imm> for Rm 31"""
    _multiple_structures(Q, L, opcode, size, Rn, Rt, Rm)


@insn("0 Q 001101 0 L R 00000 opcode:3 S size:2 Rn:5 Rt:5", _SINGLE, "single structure")
def load_store_single_structure(Q, L, R, opcode, S, size, Rn, Rt):
    """LD2 { <Vt>.<T>, <Vt2>.<T> }[<index>], [<Xn|SP>]; LD2R { <Vt>.<T>, <Vt2>.<T> }, [<Xn|SP>]"""
    _single_structure(Q, L, R, opcode, S, size, Rn, Rt)


@insn("0 Q 001101 1 L R Rm:5 opcode:3 S size:2 Rn:5 Rt:5", _SINGLE, "single structure")
def load_store_single_structure_post_indexed(Q, L, R, Rm, opcode, S, size, Rn, Rt):
    """LD2 { <Vt>.<T>, <Vt2>.<T> }[<index>], [<Xn|SP>], <Xm>; #<imm> for Rm 31"""
    _single_structure(Q, L, R, opcode, S, size, Rn, Rt, Rm)
