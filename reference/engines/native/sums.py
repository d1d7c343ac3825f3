"""Carry and overflow of a sum: the specification compares it with its low bits, the processor has flags for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assay64.reference.bits import Constant
from assay64.reference.engines.graph import Node
from assay64.reference.engines.native.emitter import Function


@dataclass(frozen=True)
class Sum:
    """``x + y + carry``, exactly; x and y are signed or unsigned numbers of the same width."""

    x: Any
    y: Any
    carry: Any
    signed: bool

    def fits(self, out: Function, of: Callable[[Any], str]) -> str:
        """A bit: whether the sum is a number of the width of x."""
        kind = f"i{self.x.width}"
        x, carry = of(self.x), of(self.carry)
        subtrahend = complemented(self.y)
        if carry == "1" and subtrahend is not None:
            z = of(subtrahend)
            if not self.signed:
                return out.compare("ult", kind, x, z)
            return _inverted(out, _overflow(out, "ssub", kind, x, z)[1])
        y = of(self.y)
        if carry == "0":
            return _inverted(out, _overflow(out, "sadd" if self.signed else "uadd", kind, x, y)[1])
        more = out.cast("zext", "i1", carry, kind)
        if not self.signed:
            part, first = _overflow(out, "uadd", kind, x, y)
            _, second = _overflow(out, "uadd", kind, part, more)
            return _inverted(out, out.binary("or", "i1", first, second))
        result = out.binary("add", kind, out.binary("add", kind, x, y), more)
        changed = (out.binary("xor", kind, number, result) for number in (x, y))
        return out.compare("sge", kind, out.binary("and", kind, *changed), 0)


def fitting(left: Any, right: Any) -> Sum | None:
    """The sum on the right, if ``left == right`` asks whether its low bits, extended, are all of it."""
    extended, signed = _unextended(left)
    if not isinstance(extended, Node) or extended.operation != "slice" or extended.operands[1] != 0:
        return None
    low, whole = _sum(extended.operands[0]), _sum(right)
    if low is None or whole is None or signed != whole.signed or extended.width != whole.x.width:
        return None
    same = low.x is whole.x and low.y is whole.y and low.carry is whole.carry
    return whole if same and right.width >= whole.x.width + (1 if signed else 2) else None


def complemented(value: Any) -> Any:
    """n where the value is NOT n."""
    if isinstance(value, Node) and value.operation == "xor":
        node, mask = value.operands
        if isinstance(mask, Constant) and mask.value == (1 << mask.width) - 1:
            return node
    return None


def _sum(node: Any) -> Sum | None:
    match node:
        case Node(operation="add", operands=(Node(operation="add", operands=(x, y)), carry)):
            (x, signed), (y, other), (bit, _) = _unextended(x), _unextended(y), _unextended(carry)
            if x.width == y.width and signed == other and bit.width == 1:
                return Sum(x, y, bit, signed)
        case _:
            pass
    return None


def _unextended(value: Any) -> tuple[Any, bool]:
    """What was extended, and whether as a signed number."""
    if not isinstance(value, Node) or value.operation not in ("sign_extend", "zero_extend"):
        return value, True
    inner = value.operands[0]
    if value.operation == "zero_extend":
        return inner, False
    if isinstance(inner, Node) and inner.operation == "zero_extend":
        return inner.operands[0], False
    return inner, True


def _overflow(out: Function, operation: str, kind: str, x: str, y: str) -> tuple[str, str]:
    """The result of an operation, and whether it overflowed."""
    pair = f"{{ {kind}, i1 }}"
    both = out.intrinsic(f"llvm.{operation}.with.overflow.{kind}", pair, f"{kind}, {kind}", f"{kind} {x}, {kind} {y}")
    return out.value(f"extractvalue {pair} {both}, 0"), out.value(f"extractvalue {pair} {both}, 1")


def _inverted(out: Function, bit: str) -> str:
    return out.binary("xor", "i1", bit, "true")
