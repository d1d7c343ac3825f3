"""Logical (immediate)."""

from assay64.reference.pseudocode import PSTATE, XSP, DecodeBitMasks, IsZero, Undefined, X, Zeros, insn


@insn("sf opc:2 100100 N immr:6 imms:6 Rn:5 Rd:5", "opc: AND ORR EOR ANDS", "immediate")
def logical_immediate(sf, opc, N, immr, imms, Rn, Rd):
    """AND <Xd|SP>, <Xn>, #<bitmask immediate>"""
    datasize = 64 if sf else 32
    if not sf and N:
        raise Undefined
    imm, _ = DecodeBitMasks(N, imms, immr, True, datasize)
    operand1 = X[Rn, datasize]
    if opc == 0b01:
        result = operand1 | imm
    elif opc == 0b10:
        result = operand1 ^ imm
    else:
        result = operand1 & imm
    if opc == 0b11:
        PSTATE.nzcv = result[datasize - 1] @ IsZero(result) @ Zeros(2)
        X[Rd, datasize] = result
    else:
        XSP[Rd, datasize] = result
