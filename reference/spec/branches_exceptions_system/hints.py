"""Hints. Those of features that the model lacks, and those not allocated, are NOPs."""

from assay64.reference.pseudocode import (
    XSP,
    AddPACKey,
    AuthKey,
    EndOfInstruction,
    EventRegisterSet,
    IsFeatureImplemented,
    SendEvent,
    Strip,
    WaitForEvent,
    WaitForInterrupt,
    X,
    Zeros,
    insn,
)


@insn("1101010100 0 00 011 0010 CRm:4 op2:3 11111", "HINT")
def hint(CRm, op2):
    """NOP, YIELD, WFE, WFI, SEV, SEVL, ...; HINT #<CRm:op2>"""
    number = CRm @ op2
    if number == 2:
        WaitForEvent()
    elif number == 3:
        WaitForInterrupt()
    elif number == 4:
        SendEvent()
    elif number == 5:
        EventRegisterSet()


@insn("1101010100 0 00 011 0010 0000 111 11111", "XPACLRI", within="hint")
def hint_strip():
    """XPACLRI: X30"""
    if not IsFeatureImplemented("FEAT_PAuth"):
        raise EndOfInstruction
    X[30, 64] = Strip(X[30, 64])


@insn("1101010100 0 00 011 0010 0001 A B 0 11111", "A B: PACIA1716 PACIB1716 AUTIA1716 AUTIB1716", within="hint")
def hint_authentication_1716(A, B):
    """PACIA1716: X17 with the modifier X16"""
    if not IsFeatureImplemented("FEAT_PAuth"):
        raise EndOfInstruction
    operation = AuthKey if A else AddPACKey
    X[17, 64] = operation(X[17, 64], X[16, 64], Zeros(1) @ B)


@insn(
    "1101010100 0 00 011 0010 0011 A B S 11111",
    "A B S: PACIAZ PACIASP PACIBZ PACIBSP AUTIAZ AUTIASP AUTIBZ AUTIBSP",
    within="hint",
)
def hint_authentication(A, B, S):
    """PACIASP: X30 with the modifier SP, or zero"""
    if not IsFeatureImplemented("FEAT_PAuth"):
        raise EndOfInstruction
    operation = AuthKey if A else AddPACKey
    X[30, 64] = operation(X[30, 64], XSP[31, 64] if S else Zeros(64), Zeros(1) @ B)


@insn("1101010100 0 00 011 0010 0100 op2:2 0 11111", "BTI", within="hint")
def branch_target_identification(op2):
    """BTI {<targets>}: which branches it accepts is checked when it is fetched"""
