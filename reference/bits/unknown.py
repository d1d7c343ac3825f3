"""UNKNOWN values: bits that Arm leaves open, carried through the arithmetic, so that a comparison can leave out just
those.

Known bits stay known where the operation allows it (masks, slices, concatenation, the low end of a sum); where it does
not, the result is UNKNOWN as a whole. Nothing may be decided by an UNKNOWN bit: ``if`` on one raises UnknownDecision.
"""

from __future__ import annotations

from typing import Any

from assay64.reference.bits.bits import Bits, Constant
from assay64.reference.bits.primitives import PRIMITIVES, mask, signed


class UnknownDecision(Exception):
    """The course of an instruction depends on an UNKNOWN value."""


class Unknown(Bits):
    """``value`` where ``unknown`` has zeros; anything where it has ones.

    ``value`` has one of the permitted values there, by which golden recognises what was made of the same inputs.
    """

    __slots__ = ("unknown", "value")
    RANK = 1
    value: int
    unknown: int

    def __init__(self, width: int, value: int, unknown: int) -> None:
        self.width = width
        self.value = value
        self.unknown = unknown

    @classmethod
    def build(cls, operation: str, width: int, operands: tuple[Any, ...]) -> Bits:
        value = PRIMITIVES[operation](width, *operands)
        unknown = _propagate(operation, width, operands)
        return Unknown(width, value, unknown) if unknown else Constant(width, value)

    def __bool__(self) -> bool:
        raise UnknownDecision("a condition is UNKNOWN")

    def __int__(self) -> int:
        raise UnknownDecision("a size or an index is UNKNOWN")

    def __repr__(self) -> str:
        return f"{self.width}'UNKNOWN({self.unknown:#x})"


def unknown_mask(value: Bits) -> int:
    """The UNKNOWN bits of a value; 0 for a constant."""
    return value.unknown if isinstance(value, Unknown) else 0


def _propagate(operation: str, width: int, operands: tuple[Any, ...]) -> int:
    masks = [unknown_mask(operand) if isinstance(operand, Bits) else 0 for operand in operands]
    match operation, operands:
        case "xor", _:
            return masks[0] | masks[1]
        case "and", (first, second):
            return (masks[0] | masks[1]) & (masks[0] | first.value) & (masks[1] | second.value)
        case "or", (first, second):
            return (masks[0] | masks[1]) & ~(first.value & ~masks[0]) & ~(second.value & ~masks[1])
        case "slice", (_, low):
            return masks[0] >> low & mask(width)
        case "concat", (_, second):
            return masks[0] << second.width | masks[1]
        case "zero_extend", _:
            return masks[0]
        case "sign_extend", (first,):
            return signed(first.width, masks[0]) & mask(width)
        case "select", (condition, _, _) if not masks[0]:
            return masks[1] if condition.value else masks[2]
        case (("add" | "sub" | "mul"), _):
            both = masks[0] | masks[1]
            return mask(width) & ~mask((both & -both).bit_length() - 1) if both else 0
        case "shl", (_, amount) if not masks[1]:
            return masks[0] << amount.value & mask(width)
        case "lshr", (_, amount) if not masks[1]:
            return masks[0] >> amount.value
        case "reverse_lanes", (_, lane):
            return PRIMITIVES[operation](width, Constant(width, masks[0]), lane)
        case _:
            return mask(width) if any(masks) else 0
