"""An encoding pattern: the 32 bits of an instruction as Arm's diagrams give them, highest bit first.

    sf op S 01011 shift:2 0 Rm:5 imm6:6 Rn:5 Rd:5

    01011           fixed bits
    (0) (1)         should-be bits: another value is CONSTRAINED UNPREDICTABLE, not a different encoding
    sf  Rm:5        a field of one bit, of five bits
    opc:2!=01       a field that must not have this value (several: ``!=01,11``; x is either)

The decoder, the generator of random instructions, the coverage matrix and ``assay64 spec show`` read patterns; there is
no other encoding table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<fixed>[01]+)|(?P<should>(\([01]\))+)|(?P<name>[A-Za-z]\w*)(:(?P<width>\d+))?(!=(?P<forbidden>[01x,]+))?"
)


@dataclass(frozen=True)
class Field:
    """A named field: its lowest bit, its width, and the values (with x for either) that it must not have."""

    name: str
    low: int
    width: int
    forbidden: tuple[str, ...] = ()

    def of(self, word: int) -> int:
        return word >> self.low & (1 << self.width) - 1

    def allows(self, value: int) -> bool:
        digits = f"{value:0{self.width}b}"
        return not any(all(p in ("x", d) for p, d in zip(pattern, digits, strict=True)) for pattern in self.forbidden)


@dataclass(frozen=True)
class Cube:
    """The words w with ``w & mask == value``."""

    mask: int
    value: int


@dataclass(frozen=True)
class Pattern:
    """``mask`` and ``value`` are the fixed bits without the should-be bits; those have their own mask and value."""

    text: str
    fields: tuple[Field, ...]
    mask: int
    value: int
    should_be_mask: int
    should_be_value: int

    @staticmethod
    def parse(text: str) -> Pattern:
        """ValueError names the token that is wrong, or the number of bits when they are not 32."""
        position, fields = 32, list[Field]()
        mask = value = should_be_mask = should_be_value = 0
        for token in text.split():
            match = _TOKEN.fullmatch(token)
            if match is None:
                raise ValueError(f"pattern {text!r}: {token!r} is neither bits, should-be bits nor a field")
            if match["name"]:
                width = int(match["width"] or 1)
                position -= width
                forbidden = tuple(match["forbidden"].split(",")) if match["forbidden"] else ()
                if any(len(digits) != width for digits in forbidden):
                    raise ValueError(f"pattern {text!r}: {token!r} forbids a value of another width")
                if any(field.name == match["name"] for field in fields):
                    raise ValueError(f"pattern {text!r}: two fields are called {match['name']!r}")
                fields.append(Field(match["name"], position, width, forbidden))
                continue
            digits = token.replace("(", "").replace(")", "")
            position -= len(digits)
            for place, bit in enumerate(reversed(digits), position):
                if place < 0:
                    break  # too many bits: reported below
                if match["fixed"]:
                    mask |= 1 << place
                    value |= int(bit) << place
                else:
                    should_be_mask |= 1 << place
                    should_be_value |= int(bit) << place
        if position != 0:
            raise ValueError(f"pattern {text!r} has {32 - position} bits, not 32")
        return Pattern(text, tuple(fields), mask, value, should_be_mask, should_be_value)

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)

    def encode(self, **values: int) -> int:
        """The word with these field values and correct should-be bits. Fields that are not given are zero."""
        word = self.value | self.should_be_value
        for name, value in values.items():
            field = self.field(name)
            if value >> field.width:
                raise ValueError(f"{name}={value:#x} does not fit into {field.width} bits")
            word |= value << field.low
        return word

    def combinations(self, names: tuple[str, ...]) -> Iterator[tuple[int, int, int]]:
        """(index, mask, value) for every value of the fields ``names`` read as one number, the first highest."""
        fields = [self.field(name) for name in names]
        total = sum(field.width for field in fields)
        mask = sum((1 << field.width) - 1 << field.low for field in fields)
        for index in range(1 << total):
            rest, value = total, 0
            for field in fields:
                rest -= field.width
                value |= (index >> rest & (1 << field.width) - 1) << field.low
            yield index, mask, value

    def diagram(self) -> str:
        """The encoding as Arm draws it: a row of bit numbers over a row of fields."""
        heads, cells, position = list[str](), list[str](), 32
        for token in self.text.split():
            name = token.split("!=")[0].split(":")[0]
            width = len(re.sub(r"[()]", "", token)) if token[0] in "01(" else self.field(name).width
            high, low = position - 1, position - width
            position = low
            cell = " ".join(re.findall(r"\([01]\)|[01]", token)) if token[0] in "01(" else name
            head = str(high) if width == 1 else f"{high} {low}"
            size = max(len(head), len(cell))
            heads.append(head.center(size) if width == 1 else f"{high}{str(low).rjust(size - len(str(high)))}")
            cells.append(cell.center(size))
        return f"  {'   '.join(heads)}\n| {' | '.join(cells)} |"
