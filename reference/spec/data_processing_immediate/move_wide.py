"""Move wide (immediate)."""

from assay64.reference.pseudocode import Ones, Undefined, X, ZeroExtend, Zeros, insn


@insn("sf opc:2 100101 hw:2 imm16:16 Rd:5", "opc: MOVN - MOVZ MOVK")
def move_wide_immediate(sf, opc, hw, imm16, Rd):
    """MOVZ <Xd>, #<imm>{, LSL #<shift>}"""
    datasize = 64 if sf else 32
    if not sf and hw[1]:
        raise Undefined
    pos = hw @ Zeros(4)
    imm = ZeroExtend(imm16, datasize) << pos
    if opc == 0b00:
        X[Rd, datasize] = ~imm
    elif opc == 0b10:
        X[Rd, datasize] = imm
    else:
        keep = ~(ZeroExtend(Ones(16), datasize) << pos)
        X[Rd, datasize] = X[Rd, datasize] & keep | imm
