"""Reads an external table of A64 encodings, to hold the specification's own patterns against it.

The table is JSON with a list ``encodings`` of rows: ``name``, ``mask`` and ``value`` (hexadecimal, should-be bits
included), ``sbo`` (the should-be bits), ``mnemonic``, ``group``, ``cls``, ``feat``, ``undef`` (further UNDEFINED
conditions over bit ranges ``w[hi:lo]``), ``excl`` (rows that take precedence). It knows nothing of the specification,
which is why the comparison means something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec


class Allocation(Enum):
    """The three answers for a word: allocated; UNDEFINED; allocated but for should-be bits that are wrong."""

    ALLOCATED = "allocated"
    UNALLOCATED = "unallocated"
    SHOULD_BE_VIOLATED = "should-be bits violated"


@dataclass(frozen=True)
class Row:
    """``features`` is an ``&`` of groups, each an ``|`` of names; empty for what every processor has."""

    name: str
    mnemonic: str
    cls: str
    group: str
    mask: int
    value: int
    should_be: int
    features: str
    undefined: tuple[Callable[[int], bool], ...]
    excluded_by: frozenset[str]
    is_bitmask_immediate: bool

    def enabled_by(self, features: Collection[str]) -> bool:
        """Whether a processor with these features has the row."""
        return not self.features or all(
            any(name.strip(" ()") in features for name in group.split("|")) for group in self.features.split("&")
        )

    def covers(self, word: int) -> bool:
        fixed = self.mask & ~self.should_be
        return word & fixed == self.value & fixed

    def violated(self, word: int) -> bool:
        return bool((word ^ self.value) & self.should_be)

    def is_undefined(self, word: int) -> bool:
        return any(condition(word) for condition in self.undefined) or (
            self.is_bitmask_immediate and _reserved_bitmask(word)
        )


class EncodingTable:
    """The rows that a set of enabled names leaves."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = tuple(rows)
        # Rows by bits 28:24 of the words that they may cover, for speed alone.
        self._by_group = tuple(
            tuple(row for row in self.rows if (row.value ^ group << 24) & row.mask & ~row.should_be & 0x1F00_0000 == 0)
            for group in range(32)
        )

    @staticmethod
    def load(path: Path, enabled: frozenset[str] | None = None) -> EncodingTable:
        """Read ``path``; ``enabled`` restricts to rows of these names. ValueError when it is no such table."""
        try:
            data: dict[str, Any] = msgspec.json.decode(path.read_bytes())
            rows = [_row(entry) for entry in data["encodings"]]
        except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a table of A64 encodings: {error}") from error
        return EncodingTable(row for row in rows if enabled is None or row.name in enabled)

    def of_classes(self, classes: Iterable[str]) -> EncodingTable:
        wanted = frozenset(classes)
        return EncodingTable(row for row in self.rows if row.cls in wanted)

    def row(self, word: int) -> Row | None:
        """The row that covers ``word``: precedence first, then the most fixed bits."""
        matching = [row for row in self._by_group[word >> 24 & 31] if row.covers(word)]
        names = {row.name for row in matching}
        matching = [row for row in matching if not row.excluded_by & names]
        return max(matching, key=lambda row: (row.mask & ~row.should_be).bit_count(), default=None)

    def allocation(self, word: int) -> Allocation:
        row = self.row(word)
        if row is None or row.is_undefined(word):
            return Allocation.UNALLOCATED
        return Allocation.SHOULD_BE_VIOLATED if row.violated(word) else Allocation.ALLOCATED


def _row(entry: Mapping[str, Any]) -> Row:
    return Row(
        name=entry["name"],
        mnemonic=entry["mnemonic"],
        cls=entry["cls"],
        group=entry["group"],
        mask=int(entry["mask"], 16),
        value=int(entry["value"], 16),
        should_be=int(entry.get("sbo") or "0", 16),
        features=entry["feat"],
        undefined=tuple(_condition(text) for text in entry.get("undef", ())),
        excluded_by=frozenset(entry.get("excl", ())),
        is_bitmask_immediate=any("bitmask immediate" in note for note in entry.get("notes", ())),
    )


_TOKENS = re.compile(r"\s*(w\[(?P<high>\d+):(?P<low>\d+)\]|(?P<constant>0b[01]+)|(?P<operator>==|!=|[&|@()]))")
_PRECEDENCE = {"|": 1, "&": 2, "==": 3, "!=": 3, "@": 4}


def _condition(text: str) -> Callable[[int], bool]:
    """A condition over bit ranges.

    A small parser, because the text comes from a file. ValueError names what it cannot read.
    """
    tokens, position = list[re.Match[str]](), 0
    stripped = text.strip()
    while position < len(stripped):
        match = _TOKENS.match(stripped, position)
        if match is None:
            raise ValueError(f"condition {text!r}: cannot read {stripped[position:]!r}")
        tokens.append(match)
        position = match.end()

    def operand() -> Callable[[int], tuple[int, int]]:
        token = tokens.pop(0)
        if token["operator"] == "(":
            inner = expression(1)
            if not tokens or tokens.pop(0)["operator"] != ")":
                raise ValueError(f"condition {text!r}: a bracket is missing")
            return inner
        if token["constant"]:
            digits = token["constant"][2:]
            return lambda _: (int(digits, 2), len(digits))
        if token["high"]:
            high, low = int(token["high"]), int(token["low"])
            return lambda word: (word >> low & (1 << (high - low + 1)) - 1, high - low + 1)
        raise ValueError(f"condition {text!r}: an operand is missing")

    def expression(level: int) -> Callable[[int], tuple[int, int]]:
        left = operand()
        while tokens and _PRECEDENCE.get(tokens[0]["operator"] or "", 0) >= level:
            symbol = tokens.pop(0)["operator"]
            left = _combine(symbol, left, expression(_PRECEDENCE[symbol] + 1))
        return left

    result = expression(1)
    if tokens:
        raise ValueError(f"condition {text!r}: cannot read the end")
    return lambda word: bool(result(word)[0])


Value = Callable[[int], tuple[int, int]]


def _combine(symbol: str, left: Value, right: Value) -> Value:
    """Values are (number, width in bits)."""

    def evaluate(word: int) -> tuple[int, int]:
        (a, _), (b, width) = left(word), right(word)
        match symbol:
            case "@":
                return a << width | b, left(word)[1] + width
            case "==":
                return int(a == b), 1
            case "!=":
                return int(a != b), 1
            case "&":
                return a & b, 1
            case _:
                return a | b, 1

    return evaluate


def _reserved_bitmask(word: int) -> bool:
    """Whether N:immr:imms of a logical immediate (bits 22:10) encode no mask."""
    n, imms, sf = word >> 22 & 1, word >> 10 & 63, word >> 31
    size = (n << 6 | imms ^ 63).bit_length() - 1
    levels = (1 << max(size, 0)) - 1
    return size < 1 or bool(n and not sf) or imms & levels == levels
