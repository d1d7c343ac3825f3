"""Classes of operand values: which there are, values of each, and to which a value belongs.

One table serves both sides: random cases draw from it, and coverage says by it which classes a campaign has had. It
knows nothing of instructions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: ``exponent`` and ``fraction`` bits under a sign; ``narrower`` are the fraction
    widths of the formats to which it is rounded.
    """

    exponent: int
    fraction: int
    narrower: tuple[int, ...]

    @property
    def top(self) -> int:
        return (1 << self.exponent) - 1

    @property
    def bias(self) -> int:
        return self.top >> 1

    def parts(self, value: int) -> tuple[int, int]:
        """(biased exponent, fraction)."""
        return value >> self.fraction & self.top, value & (1 << self.fraction) - 1


FORMATS: Mapping[int, Format] = {16: Format(5, 10, ()), 32: Format(8, 23, (10, 7)), 64: Format(11, 52, (23, 10))}


@dataclass(frozen=True)
class ValueClass:
    """``draw`` gives a value of so many bits that ``holds``. A value belongs to the first class that holds it."""

    name: str
    draw: Callable[[random.Random, int], int]
    holds: Callable[[int, int], bool]


def _integer(name: str, *values: Callable[[int], int]) -> ValueClass:
    """The class of a few values, each given for a size."""
    return ValueClass(
        name,
        lambda rng, size: rng.choice(values)(size),
        lambda value, size: any(value == one(size) for one in values),
    )


INTEGERS: Sequence[ValueClass] = (
    _integer("zero", lambda _: 0),
    _integer("one", lambda _: 1),
    _integer("minus one", lambda size: (1 << size) - 1),
    _integer("most negative", lambda size: 1 << size - 1),
    _integer("most positive", lambda size: (1 << size - 1) - 1),
    _integer(
        "beside a limit",
        lambda size: (1 << size - 1) + 1,
        lambda size: (1 << size - 1) - 2,
        lambda size: (1 << size) - 2,
        lambda _: 2,
    ),
    ValueClass(
        "one bit",
        lambda rng, size: 1 << rng.randrange(2, size - 1),
        lambda value, _: value.bit_count() == 1,
    ),
    ValueClass(
        "small",
        lambda rng, size: rng.choice((1, -1)) * rng.randrange(3, 65) & (1 << size) - 1,
        lambda value, size: min(value, (1 << size) - value) <= 64,
    ),
    ValueClass("any", lambda rng, size: rng.getrandbits(size), lambda value, size: True),
)


def _floating(
    name: str,
    draw: Callable[[random.Random, Format], tuple[int, int]],
    holds: Callable[[Format, int, int], bool],
) -> ValueClass:
    """A class by biased exponent and fraction, of either sign."""

    def value(rng: random.Random, size: int) -> int:
        exponent, fraction = draw(rng, FORMATS[size])
        return rng.getrandbits(1) << size - 1 | exponent << FORMATS[size].fraction | fraction

    return ValueClass(name, value, lambda given, size: holds(FORMATS[size], *FORMATS[size].parts(given)))


def _ones(form: Format) -> int:
    return (1 << form.fraction) - 1


def _near_integers(rng: random.Random, form: Format) -> int:
    """An exponent at which a number has an integer part and a fraction."""
    return form.bias + rng.randrange(-1, form.fraction)


def _dropped(form: Format, exponent: int) -> list[int]:
    """How many low fraction bits go where a number is rounded to an integer, or to a narrower format."""
    places = [form.fraction - width for width in form.narrower]
    integer = form.fraction - (exponent - form.bias)
    return [*places, *([integer] if 0 < integer <= form.fraction + 1 else [])]


def _halfway(near: int) -> Callable[[random.Random, Format], tuple[int, int]]:
    def draw(rng: random.Random, form: Format) -> tuple[int, int]:
        while True:
            exponent = _near_integers(rng, form)
            places = rng.choice(_dropped(form, exponent))
            significand = 1 << form.fraction | rng.getrandbits(form.fraction)
            significand = (significand >> places << places | 1 << places - 1) + near * rng.choice((1, -1))
            if _is_halfway(form, exponent, significand & _ones(form), near):
                return exponent, significand & _ones(form)

    return draw


def _is_halfway(form: Format, exponent: int, fraction: int, near: int) -> bool:
    if not 0 < exponent < form.top:
        return False
    significand = 1 << form.fraction | fraction
    return any(
        abs((significand & (1 << places) - 1) - (1 << places - 1)) == near and (places > 1 or not near)
        for places in _dropped(form, exponent)
    )


FLOATS: Sequence[ValueClass] = (
    _floating("zero", lambda rng, form: (0, 0), lambda _, e, f: e == 0 and f == 0),
    _floating("least subnormal", lambda rng, form: (0, 1), lambda _, e, f: e == 0 and f == 1),
    _floating("largest subnormal", lambda _, form: (0, _ones(form)), lambda form, e, f: e == 0 and f == _ones(form)),
    _floating("subnormal", lambda rng, form: (0, rng.randrange(2, _ones(form))), lambda _, e, f: e == 0),
    _floating("least normal", lambda rng, form: (1, 0), lambda _, e, f: e == 1 and f == 0),
    _floating(
        "largest normal",
        lambda _, form: (form.top - 1, _ones(form)),
        lambda form, e, f: e == form.top - 1 and f == _ones(form),
    ),
    _floating("infinity", lambda _, form: (form.top, 0), lambda form, e, f: e == form.top and f == 0),
    _floating(
        "quiet NaN",
        lambda rng, form: (form.top, 1 << form.fraction - 1 | rng.getrandbits(form.fraction - 1)),
        lambda form, e, f: e == form.top and bool(f >> form.fraction - 1),
    ),
    _floating(
        "signalling NaN",
        lambda rng, form: (form.top, rng.randrange(1, 1 << form.fraction - 1)),
        lambda form, e, f: e == form.top,
    ),
    _floating("halfway", _halfway(0), lambda form, e, f: _is_halfway(form, e, f, 0)),
    _floating("beside halfway", _halfway(1), lambda form, e, f: _is_halfway(form, e, f, 1)),
    _floating(
        "power of two",
        lambda rng, form: (max(2, min(form.top - 2, form.bias + rng.randrange(-form.fraction, form.fraction))), 0),
        lambda _, e, f: f == 0,
    ),
    _floating(
        "near one",
        lambda rng, form: (form.bias + rng.randrange(-3, 4), rng.getrandbits(form.fraction)),
        lambda form, e, f: abs(e - form.bias) <= 3,
    ),
    _floating(
        "near the largest",
        lambda rng, form: (form.top - rng.randrange(1, 4), rng.getrandbits(form.fraction)),
        lambda form, e, f: e >= form.top - 3,
    ),
    _floating(
        "near the least",
        lambda rng, form: (rng.randrange(1, 5), rng.getrandbits(form.fraction)),
        lambda form, e, f: e <= 4,
    ),
    _floating(
        "any", lambda rng, form: (rng.randrange(1, form.top), rng.getrandbits(form.fraction)), lambda _, e, f: True
    ),
)


def classes(*, floating: bool) -> Sequence[ValueClass]:
    return FLOATS if floating else INTEGERS


@lru_cache(maxsize=1 << 14)
def class_of(value: int, size: int, *, floating: bool) -> str:
    """The name of the class of a value of ``size`` bits."""
    return next(one.name for one in classes(floating=floating) if one.holds(value, size))


def corner_value(rng: random.Random, size: int, *, floating: bool) -> int:
    """A value of a class chosen evenly."""
    return rng.choice(classes(floating=floating)).draw(rng, size)
