"""Logical (shifted register)."""

from assay64.reference.pseudocode import PSTATE, IsZero, ShiftReg, Undefined, X, Zeros, insn


@insn("sf opc:2 01010 shift:2 N Rm:5 imm6:6 Rn:5 Rd:5", "opc N: AND BIC ORR ORN EOR EON ANDS BICS", "shifted register")
def logical_shifted_register(sf, opc, shift, N, Rm, imm6, Rn, Rd):
    """AND <Xd>, <Xn>, <Xm>{, LSL, LSR, ASR or ROR #<amount>}"""
    datasize = 64 if sf else 32
    if not sf and imm6[5]:
        raise Undefined
    operand1, operand2 = X[Rn, datasize], ShiftReg(X[Rm, datasize], shift, imm6)
    if N:
        operand2 = ~operand2
    if opc == 0b01:
        result = operand1 | operand2
    elif opc == 0b10:
        result = operand1 ^ operand2
    else:
        result = operand1 & operand2
    if opc == 0b11:
        PSTATE.nzcv = result[datasize - 1] @ IsZero(result) @ Zeros(2)
    X[Rd, datasize] = result
