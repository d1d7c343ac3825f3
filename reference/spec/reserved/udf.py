"""Permanently UNDEFINED."""

from assay64.reference.pseudocode import Undefined, insn


@insn("0000000000000000 imm16:16", "UDF")
def udf(imm16):
    """UDF #<imm>"""
    raise Undefined
