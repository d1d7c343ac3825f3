"""Decoding that the scalar floating-point classes share."""

from assay64.reference.pseudocode import Bits, IsFeatureImplemented, Undefined


def scalar_size(ftype: Bits) -> int:
    """The size in bits of an operand: 00 single, 01 double, 11 half precision, which needs FEAT_FP16."""
    if ftype == 0b10 or (ftype == 0b11 and not IsFeatureImplemented("FEAT_FP16")):
        raise Undefined
    return 16 if ftype[1] else 64 if ftype[0] else 32
