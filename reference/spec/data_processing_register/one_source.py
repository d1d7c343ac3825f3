"""Data-processing (1 source)."""

from assay64.reference.pseudocode import CountLeadingSignBits, CountLeadingZeroBits, ReverseLanes, X, insn, lanes


@insn(
    "sf 1 0 11010110 00000 000 opc:3 Rn:5 Rd:5", "sf opc: RBIT REV16 REV - CLZ CLS - - RBIT REV16 REV32 REV CLZ CLS - -"
)
def one_source(sf, opc, Rn, Rd):
    """RBIT <Xd>, <Xn>"""
    datasize = 64 if sf else 32
    operand = X[Rn, datasize]
    if opc == 0b000:
        result = ReverseLanes(operand, 1)
    elif opc == 0b100:
        result = CountLeadingZeroBits(operand)
    elif opc == 0b101:
        result = CountLeadingSignBits(operand)
    else:
        container = 8 << int(opc)
        result = lanes(lambda element: ReverseLanes(element, 8), container, operand)
    X[Rd, datasize] = result
