"""Bits: a bit vector of a fixed width, the type in which the specification is written.

The operators are those of Arm's pseudocode: ``x[hi:lo]`` is x<hi:lo>, ``x[i]`` is x<i>, ``a @ b`` is a:b, ``~x`` is
NOT(x). The operands of an operator have one width; a Python int beside a Bits takes its width and must fit. Comparisons
are unsigned and give one bit. ``if`` on a one-bit value branches (an engine that traces explores both sides); ``If``
selects without branching.

A value is one of several carriers. Constant holds a Python int: golden execution. Others (an UNKNOWN value, a node of a
traced graph) subclass Bits, rank above Constant, and build the result of an operation that one of them takes part in.
"""

from __future__ import annotations

from typing import Any, ClassVar, overload

from assay64.reference.bits.primitives import PRIMITIVES, mask


class Bits:
    """A bit vector of ``width`` bits, at least one. Use ``bits`` or the functions of pseudocode to make one."""

    __slots__ = ("width",)
    width: int
    RANK: ClassVar[int] = 0

    @classmethod
    def build(cls, operation: str, width: int, operands: tuple[Any, ...]) -> Bits:
        """The carrier's result of a primitive. The carrier of the highest rank among the operands is asked."""
        raise NotImplementedError

    def like(self, value: Bits | int) -> Bits:
        """``value`` as an operand beside this one.

        TypeError for another width, ValueError for an int that does not fit.
        """
        if isinstance(value, Bits):
            if value.width != self.width:
                raise TypeError(f"operands of {self.width} and {value.width} bits")
            return value
        return bits(self.width, value)

    def __add__(self, other: Bits | int) -> Bits:
        return apply("add", self.width, self, self.like(other))

    def __radd__(self, other: int) -> Bits:
        return apply("add", self.width, self.like(other), self)

    def __sub__(self, other: Bits | int) -> Bits:
        return apply("sub", self.width, self, self.like(other))

    def __rsub__(self, other: int) -> Bits:
        return apply("sub", self.width, self.like(other), self)

    def __mul__(self, other: Bits | int) -> Bits:
        return apply("mul", self.width, self, self.like(other))

    def __and__(self, other: Bits | int) -> Bits:
        return apply("and", self.width, self, self.like(other))

    def __rand__(self, other: int) -> Bits:
        return apply("and", self.width, self.like(other), self)

    def __or__(self, other: Bits | int) -> Bits:
        return apply("or", self.width, self, self.like(other))

    def __ror__(self, other: int) -> Bits:
        return apply("or", self.width, self.like(other), self)

    def __xor__(self, other: Bits | int) -> Bits:
        return apply("xor", self.width, self, self.like(other))

    def __rxor__(self, other: int) -> Bits:
        return apply("xor", self.width, self.like(other), self)

    def __invert__(self) -> Bits:
        return apply("xor", self.width, self, bits(self.width, mask(self.width)))

    def __neg__(self) -> Bits:
        return apply("sub", self.width, bits(self.width, 0), self)

    def __lshift__(self, amount: Bits | int) -> Bits:
        """Shift left; by the width or more gives zero. The amount is unsigned and of any width."""
        return apply("shl", self.width, self, self._amount(amount))

    def __rshift__(self, amount: Bits | int) -> Bits:
        """Logical shift right; by the width or more gives zero."""
        return apply("lshr", self.width, self, self._amount(amount))

    def shift_right_arithmetic(self, amount: Bits | int) -> Bits:
        """Arithmetic shift right; by the width or more gives copies of the sign."""
        return apply("ashr", self.width, self, self._amount(amount))

    def _amount(self, amount: Bits | int) -> Bits:
        if isinstance(amount, Bits):
            return amount
        return bits(max(amount.bit_length(), 1), amount)

    def __eq__(self, other: object) -> Bits:  # type: ignore[override]  # a comparison of bit vectors is one bit, as in Arm's pseudocode
        if not isinstance(other, Bits | int):
            raise TypeError(f"a bit vector beside {other!r}")
        return apply("eq", 1, self, self.like(other))

    def __ne__(self, other: object) -> Bits:  # type: ignore[override]  # see __eq__
        return ~(self == other)

    def __lt__(self, other: Bits | int) -> Bits:
        return apply("ult", 1, self, self.like(other))

    def __gt__(self, other: Bits | int) -> Bits:
        return apply("ult", 1, self.like(other), self)

    def __le__(self, other: Bits | int) -> Bits:
        return ~(self > other)

    def __ge__(self, other: Bits | int) -> Bits:
        return ~(self < other)

    __hash__ = object.__hash__

    def signed_less(self, other: Bits | int) -> Bits:
        """Whether this is less than ``other`` when both are read as two's complement."""
        return apply("slt", 1, self, self.like(other))

    def zero_extend(self, width: int) -> Bits:
        """This value in ``width`` bits. ValueError when that is narrower."""
        if width == self.width:
            return self
        if width < self.width:
            raise ValueError(f"{self.width} bits do not extend to {width}")
        return apply("zero_extend", width, self)

    def sign_extend(self, width: int) -> Bits:
        """This value in ``width`` bits, the sign repeated. ValueError when that is narrower."""
        if width == self.width:
            return self
        if width < self.width:
            raise ValueError(f"{self.width} bits do not extend to {width}")
        return apply("sign_extend", width, self)

    def __getitem__(self, index: int | slice) -> Bits:
        high, low = (index.start, index.stop) if isinstance(index, slice) else (index, index)
        if not 0 <= low <= high < self.width:
            raise IndexError(f"<{high}:{low}> of {self.width} bits")
        if low == 0 and high == self.width - 1:
            return self
        return apply("slice", high - low + 1, self, low)

    def __matmul__(self, other: Bits) -> Bits:
        return apply("concat", self.width + other.width, self, other)

    def __bool__(self) -> bool:
        raise NotImplementedError

    def __int__(self) -> int:
        """The value as a Python int: for what shapes the definition (a size, a loop).

        An engine that traces splits cases here.
        """
        raise NotImplementedError


class Constant(Bits):
    """A known value, 0 <= value < 2**width."""

    __slots__ = ("value",)
    value: int

    def __init__(self, width: int, value: int) -> None:
        self.width = width
        self.value = value

    @classmethod
    def build(cls, operation: str, width: int, operands: tuple[Any, ...]) -> Bits:
        return Constant(width, PRIMITIVES[operation](width, *operands))

    def __bool__(self) -> bool:
        if self.width != 1:
            raise TypeError(f"a condition of {self.width} bits: compare it with something")
        return self.value != 0

    def __int__(self) -> int:
        return self.value

    def __repr__(self) -> str:
        return f"{self.width}'{self.value:#x}"


def bits(width: int, value: int) -> Bits:
    """The constant ``value`` in ``width`` bits; a negative one in two's complement. ValueError when it does not fit."""
    if value < 0:
        if -value > 1 << (width - 1):
            raise ValueError(f"{value} does not fit into {width} bits")
        value &= mask(width)
    elif value >> width:
        raise ValueError(f"{value:#x} does not fit into {width} bits")
    return Constant(width, value)


def apply(operation: str, width: int, *operands: Any) -> Bits:
    """A primitive on its operands, built by the carrier of the highest rank among them."""
    for operand in operands:
        if operand.__class__ is not Constant and operand.__class__ is not int:
            break
    else:  # golden's common case, without asking carriers
        return Constant(width, PRIMITIVES[operation](width, *operands))
    carriers = (type(operand) for operand in operands if isinstance(operand, Bits))
    return max(carriers, key=lambda carrier: carrier.RANK).build(operation, width, operands)


@overload
def If(condition: Bits, then: Bits, otherwise: Bits | int) -> Bits: ...
@overload
def If(condition: Bits, then: Bits | int, otherwise: Bits) -> Bits: ...
def If(condition: Bits, then: Bits | int, otherwise: Bits | int) -> Bits:
    """``then`` where the one-bit ``condition`` holds, else ``otherwise``; both are computed."""
    if condition.width != 1:
        raise TypeError(f"a condition of {condition.width} bits")
    if isinstance(then, Bits):
        a, b = then, then.like(otherwise)
    elif isinstance(otherwise, Bits):
        a, b = otherwise.like(then), otherwise
    else:
        raise TypeError(f"If between {then} and {otherwise}: neither has a width")
    return apply("select", a.width, condition, a, b)
