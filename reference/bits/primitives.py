"""The primitive operations on bit vectors, and their meaning as Python integers: the golden semantics.

Every engine is one table over these names. An entry takes the result's width in bits and its operands; an operand is
anything with ``width`` and ``value``, or a plain int where the operation is parametrised (the low bit of a slice, a
lane's size).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isqrt
from typing import Protocol


class Carrier(Protocol):
    """An operand whose value is known."""

    @property
    def width(self) -> int: ...

    @property
    def value(self) -> int: ...


def mask(width: int) -> int:
    return (1 << width) - 1


def signed(width: int, value: int) -> int:
    """The two's complement reading of ``value``."""
    return value - (1 << width) if width and value >> (width - 1) & 1 else value


def _reverse_lanes(width: int, value: int, lane: int) -> int:
    low, result = mask(lane), 0
    for _ in range(width // lane):
        result = result << lane | value & low
        value >>= lane
    return result


UNARY: Mapping[str, Callable[[int, Carrier], int]] = {
    "zero_extend": lambda n, a: a.value,
    "sign_extend": lambda n, a: signed(a.width, a.value) & mask(n),
    "count_leading_zeros": lambda n, a: a.width - a.value.bit_length(),
    "count_ones": lambda n, a: a.value.bit_count(),
    # The square root, rounded towards zero.
    "isqrt": lambda n, a: isqrt(a.value),
}

BINARY: Mapping[str, Callable[[int, Carrier, Carrier], int]] = {
    "add": lambda n, a, b: (a.value + b.value) & mask(n),
    "sub": lambda n, a, b: (a.value - b.value) & mask(n),
    "mul": lambda n, a, b: (a.value * b.value) & mask(n),
    # Unsigned division rounds towards zero; a zero divisor gives zero, as UDIV does.
    "udiv": lambda n, a, b: a.value // b.value if b.value else 0,
    "and": lambda n, a, b: a.value & b.value,
    "or": lambda n, a, b: a.value | b.value,
    "xor": lambda n, a, b: a.value ^ b.value,
    # A shift by the width or more gives zero, or the sign for "ashr".
    "shl": lambda n, a, b: (a.value << b.value) & mask(n) if b.value < n else 0,
    "lshr": lambda n, a, b: a.value >> b.value if b.value < n else 0,
    "ashr": lambda n, a, b: (signed(n, a.value) >> min(b.value, n)) & mask(n),
    "eq": lambda n, a, b: int(a.value == b.value),
    "ult": lambda n, a, b: int(a.value < b.value),
    "slt": lambda n, a, b: int(signed(a.width, a.value) < signed(b.width, b.value)),
    "concat": lambda n, a, b: a.value << b.width | b.value,
}

# The last operand is a plain int.
PARAMETRISED: Mapping[str, Callable[[int, Carrier, int], int]] = {
    "slice": lambda n, a, low: (a.value >> low) & mask(n),
    "reverse_lanes": lambda n, a, lane: _reverse_lanes(n, a.value, lane),
}


def _select(width: int, condition: Carrier, then: Carrier, otherwise: Carrier) -> int:
    return then.value if condition.value else otherwise.value


PRIMITIVES: Mapping[str, Callable[..., int]] = {**UNARY, **BINARY, **PARAMETRISED, "select": _select}
