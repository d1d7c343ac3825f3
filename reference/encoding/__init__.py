"""Encoding patterns, the ``@insn`` decorator that registers a definition, and the decoder made from the patterns."""

from assay64.reference.encoding.decoder import Decoded, decode
from assay64.reference.encoding.definition import Definition, definitions, insn

__all__ = ["Decoded", "Definition", "decode", "definitions", "insn"]
