"""The bit-vector type in which the specification is written, and the primitives that give it meaning."""

from assay64.reference.bits.bits import Bits, Constant, If, apply, bits
from assay64.reference.bits.integers import Int, SInt, UInt
from assay64.reference.bits.unknown import Unknown, UnknownDecision, unknown_mask

__all__ = [
    "Bits",
    "Constant",
    "If",
    "Int",
    "SInt",
    "UInt",
    "Unknown",
    "UnknownDecision",
    "apply",
    "bits",
    "unknown_mask",
]
