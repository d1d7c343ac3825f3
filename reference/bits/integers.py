"""Int: an integer with a static range, so that nobody chooses the width of an intermediate result by hand.

``UInt(x)`` and ``SInt(x)`` read a bit vector as Arm's pseudocode does. ``+``, ``-``, ``*`` and negation widen the
range; comparisons are of the integers themselves; ``i[63:0]`` makes Bits again (of as many bits as asked, the sign
repeated). The value is carried as Bits in two's complement, so every engine that has Bits has Int.
"""

from __future__ import annotations

from assay64.reference.bits.bits import Bits, bits


class Int:
    """An integer between ``low`` and ``high``; ``carrier`` holds it in two's complement."""

    __slots__ = ("carrier", "high", "low")

    def __init__(self, carrier: Bits, low: int, high: int) -> None:
        self.carrier, self.low, self.high = carrier, low, high

    @staticmethod
    def of(value: Int | int) -> Int:
        if isinstance(value, Int):
            return value
        width = signed_width(value, value)
        return Int(bits(width, value), value, value)

    def _as(self, width: int) -> Bits:
        return self.carrier.sign_extend(width) if width >= self.carrier.width else self.carrier[width - 1 : 0]

    def _combine(self, operation: str, other: Int | int, low: int, high: int) -> Int:
        other = Int.of(other)
        width = max(signed_width(low, high), self.carrier.width, other.carrier.width)
        a, b = self._as(width), other._as(width)
        result = a + b if operation == "add" else a - b if operation == "sub" else a * b
        return Int(result[signed_width(low, high) - 1 : 0], low, high)

    def __add__(self, other: Int | int) -> Int:
        o = Int.of(other)
        return self._combine("add", o, self.low + o.low, self.high + o.high)

    __radd__ = __add__

    def __sub__(self, other: Int | int) -> Int:
        o = Int.of(other)
        return self._combine("sub", o, self.low - o.high, self.high - o.low)

    def __rsub__(self, other: int) -> Int:
        return Int.of(other) - self

    def __neg__(self) -> Int:
        return 0 - self

    def __mul__(self, other: Int | int) -> Int:
        o = Int.of(other)
        products = [a * b for a in (self.low, self.high) for b in (o.low, o.high)]
        return self._combine("mul", o, min(products), max(products))

    __rmul__ = __mul__

    def _compare(self, other: Int | int) -> tuple[Bits, Bits]:
        o = Int.of(other)
        width = max(self.carrier.width, o.carrier.width)
        return self._as(width), o._as(width)

    def __lt__(self, other: Int | int) -> Bits:
        a, b = self._compare(other)
        return a.signed_less(b)

    def __gt__(self, other: Int | int) -> Bits:
        a, b = self._compare(other)
        return b.signed_less(a)

    def __le__(self, other: Int | int) -> Bits:
        return ~(self > other)

    def __ge__(self, other: Int | int) -> Bits:
        return ~(self < other)

    def __eq__(self, other: object) -> Bits:  # type: ignore[override]  # a comparison is one bit, as for Bits
        if not isinstance(other, Int | int):
            raise TypeError(f"an Int beside {other!r}")
        a, b = self._compare(other)
        return a == b

    def __ne__(self, other: object) -> Bits:  # type: ignore[override]  # see __eq__
        return ~(self == other)

    __hash__ = object.__hash__

    def __getitem__(self, index: int | slice) -> Bits:
        """Bits <high:low> of the two's complement form, as wide as needed."""
        high, low = (index.start, index.stop) if isinstance(index, slice) else (index, index)
        return self._as(max(high + 1, self.carrier.width))[high:low]

    def __int__(self) -> int:
        value = int(self.carrier)
        return value - (1 << self.carrier.width) if value >> (self.carrier.width - 1) else value

    def __repr__(self) -> str:
        return f"Int({self.carrier!r} in {self.low}..{self.high})"


def signed_width(low: int, high: int) -> int:
    """The bits that two's complement needs for every integer from ``low`` to ``high``."""
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1


def UInt(x: Bits) -> Int:
    """``x`` as an unsigned integer."""
    return Int(x.zero_extend(x.width + 1), 0, (1 << x.width) - 1)


def SInt(x: Bits) -> Int:
    """``x`` as a two's complement integer."""
    return Int(x, -(1 << (x.width - 1)), (1 << (x.width - 1)) - 1)
