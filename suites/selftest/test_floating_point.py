"""The exact floating-point library against two judges that are not emulators: the host's FPU (through Python's floats
and struct) for values in round-to-nearest, and exact rational arithmetic for the flags and the other rounding modes.

A sample: ``CASES`` of each operation and format, of random numbers and of pairs that cancel, tie, overflow or
underflow.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest

from assay64.harness.cases.random_cases import corner_float
from assay64.reference.bits import Bits, bits
from assay64.reference.pseudocode import (
    BFDotAdd,
    FixedToFP,
    FPAdd,
    FPConvert,
    FPDiv,
    FPMul,
    FPMulAdd,
    FPRoundingMode,
    FPSqrt,
    FPSub,
    FPToFixed,
)
from assay64.reference.pseudocode.estimates import RecipEstimate, RecipSqrtEstimate
from assay64.reference.pseudocode.floating_point.values import FORMATS

CASES = 10_000
IOC, DZC, OFC, UFC, IXC = 1, 2, 4, 8, 16
NEAREST = bits(64, 0)
_PACKED = {16: ("<H", "<e"), 32: ("<I", "<f"), 64: ("<Q", "<d")}


def number(pattern: int, width: int) -> float:
    integer, floating = _PACKED[width]
    return struct.unpack(floating, struct.pack(integer, pattern))[0]


def pattern(value: float, width: int) -> int:
    """The nearest number's pattern; struct refuses what overflows to an infinity."""
    integer, floating = _PACKED[width]
    try:
        return struct.unpack(integer, struct.pack(floating, value))[0]
    except OverflowError:
        return pattern(math.copysign(math.inf, value), width)


def operands(rng: random.Random, width: int) -> tuple[int, int]:
    """Two numbers: independent, neighbours, or with a product (and quotient) near the smallest or largest number."""
    form = FORMATS[width]
    one, other = corner_float(rng, width), corner_float(rng, width)
    kind = rng.randrange(4)
    if kind == 0:
        other = (one + rng.randrange(-3, 4)) % (1 << width) ^ rng.getrandbits(1) << width - 1
    elif kind == 1:
        exponent = one >> form.fraction & form.largest_exponent
        wanted = form.bias - exponent + rng.choice((rng.randrange(-form.fraction - 3, 4), form.bias))
        wanted = max(0, min(form.largest_exponent - 1, wanted))
        other = rng.getrandbits(1) << width - 1 | wanted << form.fraction | rng.getrandbits(form.fraction)
    elif kind == 2:
        other = rng.getrandbits(width)
    return one, other


def finite(*values: float) -> bool:
    return all(map(math.isfinite, values))


def exact_division(a: float, b: float) -> Fraction | None:
    return Fraction(a) / Fraction(b) if b else None


def host_division(a: float, b: float) -> float:
    if b or math.isnan(a):
        return a / b if b else math.nan
    return math.copysign(math.inf, a) * math.copysign(1, b) if a else math.nan


Binary = tuple[
    Callable[[Bits, Bits, Bits], tuple[Bits, Bits]],
    Callable[[float, float], float],
    Callable[[float, float], Fraction | None],
]

OPERATIONS: dict[str, Binary] = {
    "add": (FPAdd, lambda a, b: a + b, lambda a, b: Fraction(a) + Fraction(b)),
    "sub": (FPSub, lambda a, b: a - b, lambda a, b: Fraction(a) - Fraction(b)),
    "mul": (FPMul, lambda a, b: a * b, lambda a, b: Fraction(a) * Fraction(b)),
    "div": (FPDiv, host_division, exact_division),
}


def flags_of(exact: Fraction, result: float, width: int) -> int:
    """The flags of a finite result that stands for ``exact``: tininess is that of the exact value."""
    form = FORMATS[width]
    if not math.isfinite(result):
        return OFC | IXC
    if Fraction(result) == exact:
        return 0
    return IXC | (UFC if abs(exact) < Fraction(2) ** (1 - form.bias) else 0)


# A result of 32 bits that the host computes in 64 and rounds again is right: 53 >= 2 * 24 + 2 bits (Figueroa).
@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_arithmetic_agrees_with_the_host(operation: str, width: int) -> None:
    function, host, exactly = OPERATIONS[operation]
    rng, compared = random.Random(f"{operation} {width}"), 0
    for _ in range(CASES):
        a, b = operands(rng, width)
        result, exceptions = function(bits(width, a), bits(width, b), NEAREST)
        x, y = number(a, width), number(b, width)
        wanted = host(x, y)
        if math.isnan(wanted):
            assert math.isnan(number(int(result), width)), f"{a:#x} {operation} {b:#x}"
            continue
        compared += 1
        assert int(result) == pattern(wanted, width), f"{a:#x} {operation} {b:#x}"
        exact = exactly(x, y) if finite(x, y) else None
        if exact is not None:
            flags = flags_of(exact, number(int(result), width), width)
            assert int(exceptions) == flags, f"{a:#x} {operation} {b:#x}: {int(exceptions):#x}, not {flags:#x}"
    assert compared > CASES // 2


@pytest.mark.parametrize("width", [32, 64])
def test_square_root_agrees_with_the_host(width: int) -> None:
    rng = random.Random(width)
    for _ in range(CASES):
        a = corner_float(rng, width) if rng.randrange(2) else rng.getrandbits(width)
        a &= ~(1 << width - 1) if rng.randrange(8) else -1
        result, exceptions = FPSqrt(bits(width, a), NEAREST)
        x = number(a, width)
        if math.isnan(x) or x < 0:
            signaling = math.isnan(x) and not a >> FORMATS[width].fraction - 1 & 1
            assert int(exceptions) == (IOC if x < 0 or signaling else 0), f"sqrt {a:#x}"
            assert math.isnan(number(int(result), width)), f"sqrt {a:#x}"
            continue
        root = number(int(result), width)
        assert int(result) == pattern(math.sqrt(x), width), f"sqrt {a:#x}"
        exact = not math.isfinite(x) or Fraction(root) ** 2 == Fraction(x)
        assert int(exceptions) == (0 if exact else IXC), f"sqrt {a:#x}"


def neighbours(exact: Fraction, width: int) -> tuple[Fraction, Fraction]:
    """The representable numbers around ``exact`` where the exponent had no upper end: equal when it is one."""
    form = FORMATS[width]
    smallest = 1 - form.bias - form.fraction
    scale = smallest
    if exact:
        top = abs(exact).numerator.bit_length() - abs(exact).denominator.bit_length()
        top -= Fraction(2) ** top > abs(exact)
        scale = max(top - form.fraction, smallest)
    unit = Fraction(2) ** scale
    return exact // unit * unit, -(-exact // unit) * unit


def rounded(exact: Fraction, width: int, mode: int) -> Fraction:
    """``exact`` as a number without upper end, in a mode of FPCR.RMode."""
    low, high = neighbours(exact, width)
    toward_zero = low if exact >= 0 else high
    if mode == 0:
        middle = (low + high) / 2
        form = FORMATS[width]
        if exact != middle or low == high:
            return low if exact < middle else high
        unit = high - low
        assert unit >= Fraction(2) ** (1 - form.bias - form.fraction)
        return low if low / unit % 2 == 0 else high
    return (high, low, toward_zero)[mode - 1]


def check_rounding(exact: Fraction, result: Bits, exceptions: Bits, mode: int, what: str) -> None:
    """A nonzero ``exact`` against the result that the library made of it."""
    form, width = FORMATS[result.width], result.width
    wanted, largest = rounded(exact, width, mode), (2 - Fraction(2) ** -form.fraction) * Fraction(2) ** form.bias
    got = number(int(result), width)
    if abs(wanted) > largest:
        to_infinity = mode == 0 or mode == (1 if exact > 0 else 2)
        assert int(exceptions) == OFC | IXC, what
        assert (abs(got) == math.inf) if to_infinity else (Fraction(abs(got)) == largest), what
        assert (got > 0) == (exact > 0), what
        return
    assert math.isfinite(got), what
    assert Fraction(got) == wanted, what
    assert int(result) >> width - 1 == (exact < 0), what
    assert int(exceptions) == flags_of(exact, got, width), what


@pytest.mark.parametrize("width", [16, 32, 64])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_arithmetic_in_every_rounding_mode_is_the_rounded_exact_result(operation: str, width: int) -> None:
    function, _, exactly = OPERATIONS[operation]
    rng = random.Random(f"rounding {operation} {width}")
    for case in range(CASES // 10):
        a, b = operands(rng, width)
        x, y = number(a, width), number(b, width)
        exact = exactly(x, y) if finite(x, y) else None
        if exact:
            result, exceptions = function(bits(width, a), bits(width, b), bits(64, case % 4 << 22))
            check_rounding(exact, result, exceptions, case % 4, f"{a:#x} {operation} {b:#x}, mode {case % 4}")


@pytest.mark.parametrize("width", [16, 32, 64])
def test_fused_multiply_add_is_the_rounded_exact_result(width: int) -> None:
    rng = random.Random(f"fused {width}")
    compared = 0
    for case in range(CASES):
        a, b = operands(rng, width)
        x, y = number(a, width), number(b, width)
        addend = corner_float(rng, width)
        if finite(x * y) and rng.randrange(2):  # close to cancelling
            addend = (pattern(-x * y, width) + rng.randrange(-2, 3)) % (1 << width)
        z = number(addend, width)
        if not finite(x, y, z):
            continue
        exact, mode = Fraction(x) * Fraction(y) + Fraction(z), case % 4
        if exact == 0:
            continue
        compared += 1
        result, exceptions = FPMulAdd(bits(width, addend), bits(width, a), bits(width, b), bits(64, mode << 22))
        check_rounding(exact, result, exceptions, mode, f"{addend:#x} + {a:#x} * {b:#x}, mode {mode}")
    assert compared > CASES // 3


def _pairs() -> Iterator[tuple[int, int]]:
    return ((source, target) for source in (16, 32, 64) for target in (16, 32, 64) if source != target)


@pytest.mark.parametrize(("source", "target"), tuple(_pairs()))
def test_conversion_between_formats_is_the_rounded_value(source: int, target: int) -> None:
    rng = random.Random(f"convert {source} {target}")
    middle = FORMATS[source].bias
    for case in range(CASES // 4):
        a, mode = corner_float(rng, source), case % 4
        if source > target and rng.randrange(2):  # exponents around those of the target
            reach = FORMATS[target].bias + FORMATS[target].fraction + 2
            exponent = max(0, middle + rng.randrange(-reach, reach))
            a = rng.getrandbits(1) << source - 1 | exponent << FORMATS[source].fraction
            a |= rng.getrandbits(FORMATS[source].fraction) & -(1 << rng.randrange(FORMATS[source].fraction))
        x = number(a, source)
        if not math.isfinite(x) or not x:
            continue
        result, exceptions = FPConvert(bits(source, a), bits(64, mode << 22), target)
        check_rounding(Fraction(x), result, exceptions, mode, f"{a:#x}, mode {mode}")


@pytest.mark.parametrize("width", [16, 32, 64])
def test_integers_and_fixed_point_to_numbers_and_back(width: int) -> None:
    rng = random.Random(f"fixed {width}")
    for case in range(CASES // 4):
        mode, fbits, size, unsigned = case % 4, rng.choice((0, rng.randrange(65))), rng.choice((32, 64)), case & 8 == 0
        fpcr = bits(64, mode << 22)
        integer = rng.getrandbits(size) >> rng.randrange(size)
        value = integer - (1 << size) if not unsigned and integer >> size - 1 else integer
        what = f"{value} / 2**{fbits}, mode {mode}"
        result, exceptions = FixedToFP(bits(size, integer), fbits, unsigned, fpcr, FPRoundingMode(fpcr), width)
        if value:
            check_rounding(Fraction(value, 1 << fbits), result, exceptions, mode, what)
        a = corner_float(rng, width)
        x = number(a, width)
        if not math.isfinite(x):
            continue
        fixed, exceptions = FPToFixed(bits(width, a), fbits, unsigned, fpcr, FPRoundingMode(fpcr), size)
        exact = Fraction(x) * (1 << fbits)
        whole = (round(exact), math.ceil(exact), math.floor(exact), math.trunc(exact))[mode]
        low, high = (0, (1 << size) - 1) if unsigned else (-(1 << size - 1), (1 << size - 1) - 1)
        saturated = max(low, min(high, whole))
        assert int(fixed) == saturated % (1 << size), f"{a:#x} * 2**{fbits}, mode {mode}"
        assert int(exceptions) == (IOC if saturated != whole else IXC if whole != exact else 0), f"{a:#x}, mode {mode}"


def test_estimates_are_within_their_error_bounds() -> None:
    for a in range(256, 512):
        assert abs(Fraction(int(RecipEstimate(bits(9, a))), 256) * Fraction(a, 512) - 1) < Fraction(1, 128)
    for a in range(128, 512):
        estimate = Fraction(int(RecipSqrtEstimate(bits(9, a))), 256)
        assert abs(estimate * estimate * Fraction(a, 512) - 1) < Fraction(1, 64)


def _to_odd(exact: Fraction) -> Fraction:
    """BFRound: towards zero, then the lowest bit set if that was inexact; zero below the normal numbers."""
    low, high = neighbours(exact, 32)
    if abs(exact) < Fraction(2) ** -126:
        return Fraction(0)
    return exact if low == high else low if low / (high - low) % 2 else high


def test_bfloat_dot_product_is_made_of_results_rounded_to_odd() -> None:
    rng = random.Random("bfloat")
    for _ in range(CASES // 4):
        patterns = [rng.getrandbits(1) << 15 | rng.randrange(100, 150) << 7 | rng.getrandbits(7) for _ in range(4)]
        addend = rng.getrandbits(1) << 31 | rng.randrange(90, 160) << 23 | rng.getrandbits(23)
        a, b, c, d = (Fraction(number(value << 16, 32)) for value in patterns)
        wanted = _to_odd(_to_odd(_to_odd(a * c) + _to_odd(b * d)) + Fraction(number(addend, 32)))
        result = BFDotAdd(bits(32, addend), *(bits(16, value) for value in patterns))
        assert Fraction(number(int(result), 32)) == wanted, f"{addend:#x} {patterns}"
