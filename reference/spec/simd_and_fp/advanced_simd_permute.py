"""Advanced SIMD permute, extract and table lookup."""

from assay64.reference.pseudocode import (
    CheckFPAdvSIMDEnabled64,
    Elem,
    If,
    Undefined,
    V,
    Zeros,
    from_elements,
    insn,
    lanes,
)
from assay64.reference.spec.simd_and_fp._elements import arrangement


@insn("0 Q 0 01110 size:2 0 Rm:5 0 part op:2 10 Rn:5 Rd:5", "part op: - UZP1 TRN1 ZIP1 - UZP2 TRN2 ZIP2")
def vector_permute(Q, size, Rm, part, op, Rn, Rd):
    """ZIP1 <Vd>.<T>, <Vn>.<T>, <Vm>.<T>"""
    datasize, esize = arrangement(Q, size)
    elements, second = datasize // esize, int(part)
    if op == 0b01:
        indices = [2 * e + second for e in range(elements)]
    elif op == 0b10:
        indices = [e // 2 * 2 + second + e % 2 * elements for e in range(elements)]
    else:
        indices = [(e + second * elements) // 2 + e % 2 * elements for e in range(elements)]
    CheckFPAdvSIMDEnabled64()
    concat = V[Rm, datasize] @ V[Rn, datasize]
    V[Rd, datasize] = from_elements(Elem(concat, index, esize) for index in indices)


@insn("0 Q 1 01110 00 0 Rm:5 0 imm4:4 0 Rn:5 Rd:5", "EXT")
def vector_extract(Q, Rm, imm4, Rn, Rd):
    """EXT <Vd>.<T>, <Vn>.<T>, <Vm>.<T>, #<index>"""
    if not Q and imm4[3]:
        raise Undefined
    datasize = 128 if Q else 64
    CheckFPAdvSIMDEnabled64()
    concat = V[Rm, datasize] @ V[Rn, datasize]
    V[Rd, datasize] = (concat >> imm4 @ Zeros(3))[datasize - 1 : 0]


@insn("0 Q 0 01110 00 0 Rm:5 0 len:2 op 00 Rn:5 Rd:5", "op: TBL TBX")
def vector_table(Q, Rm, len, op, Rn, Rd):  # noqa: A002 - the field's name
    """TBL <Vd>.<Ta>, {<Vn>.16B, ...}, <Vm>.<Ta>: the registers of the table follow each other, V0 after V31"""
    datasize, registers = 128 if Q else 64, int(len) + 1
    CheckFPAdvSIMDEnabled64()
    table = from_elements(V[Rn + i, 128] for i in range(registers))
    outside = V[Rd, datasize] if op else Zeros(datasize)
    V[Rd, datasize] = lanes(
        lambda index, kept: If(index < 16 * registers, (table >> index @ Zeros(3))[7:0], kept),
        8,
        V[Rm, datasize],
        outside,
    )
