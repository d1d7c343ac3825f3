"""Hints. Those of features that the model lacks, and those not allocated, are NOPs."""

from assay64.reference.pseudocode import EventRegisterSet, SendEvent, WaitForEvent, WaitForInterrupt, insn


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
