"""Holds the specification against an external table of encodings, in both directions: the rows that a CPU model has and
the specification lacks, and the encodings that the specification has and the table does not.

Random words of a row stand for the row. What an instruction does is not judged here.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from assay64.reference.encoding import Definition, decode, definitions
from assay64.reference.encoding.table import Allocation, EncodingTable, Row
from assay64.reference.engines.allocation import allocation
from assay64.reference.models import Model

WORDS = 24  # of each row, and of each mnemonic of a definition
_ATTEMPTS = 4000  # to find them: conditions and rows that take precedence leave few of some rows' words
_ALL = (1 << 32) - 1


@dataclass(frozen=True)
class Missing:
    """A row that the specification lacks: ``word`` shows it, ``reason`` says what the specification makes of it."""

    row: Row
    word: int
    reason: str


@dataclass(frozen=True)
class Reserved:
    """A row of which the specification leaves some words UNDEFINED that the table allocates; ``word`` is one."""

    row: Row
    word: int


@dataclass(frozen=True)
class Unlisted:
    """An encoding that the specification has on this model, and the table does not."""

    definition: Definition
    mnemonic: str
    word: int


@dataclass(frozen=True)
class Coverage:
    """``rows`` are those that the model has. ``reserved`` tells where the table lacks a condition; such rows are not
    missing.
    """

    rows: Sequence[Row]
    missing: Sequence[Missing]
    reserved: Sequence[Reserved]
    unlisted: Sequence[Unlisted]

    @property
    def complete(self) -> bool:
        return not self.missing and not self.unlisted

    def matrix(self) -> dict[tuple[str, str], tuple[int, int]]:
        """By (feature, group): the rows that the specification has, and all."""
        lacking, counts = {one.row.name for one in self.missing}, dict[tuple[str, str], tuple[int, int]]()
        for row in self.rows:
            key = row.features or "base", row.group
            have, total = counts.get(key, (0, 0))
            counts[key] = have + (row.name not in lacking), total + 1
        return counts


def coverage(every_row: EncodingTable, cpu: Model, seed: int = 0) -> Coverage:
    """Compare the specification with the rows of ``every_row`` that ``cpu`` has."""
    table = EncodingTable(row for row in every_row.rows if row.enabled_by(cpu.features))
    rng = random.Random(seed)
    found = [_compare(row, table, cpu, rng) for row in table.rows]
    missing = [one for one in found if isinstance(one, Missing)]
    reserved = [one for one in found if isinstance(one, Reserved)]
    unlisted = [one for definition in definitions() for one in _unlisted(definition, table, cpu, rng)]
    return Coverage(table.rows, missing, reserved, unlisted)


def _compare(row: Row, table: EncodingTable, cpu: Model, rng: random.Random) -> Missing | Reserved | None:
    words = list(_words_of(row, table, rng))
    if not words:
        return Missing(row, row.value, "the table itself allocates none of the words that were drawn")
    undefined = list[int]()
    for word in words:
        decoded = decode(word)
        if decoded is None or allocation(word, cpu) is not Allocation.ALLOCATED:
            undefined.append(word)
        elif not _is_called(row, decoded.mnemonic):
            return Missing(row, word, f"the specification decodes {decoded.mnemonic} ({decoded.definition.name})")
    if len(undefined) < len(words):
        return Reserved(row, undefined[0]) if undefined else None
    decoded = decode(undefined[0])
    reason = "no definition" if decoded is None else f"UNDEFINED on {cpu.name} ({decoded.definition.name})"
    return Missing(row, undefined[0], reason)


# The table gives BFMLAL<bt> one row.
_OTHER_NAMES = {"BFMLAL": ("BFMLALB", "BFMLALT")}
# Hints are one definition, which says what each number does; RPRFM is a part of PRFM's hints.
_WITHIN = {"HINT": "control/hints", "PRFM": "ldst/ldst_regoff"}


def _is_called(row: Row, mnemonic: str) -> bool:
    """Whether the specification's mnemonic is the row's: the table gives B for B.cond and SHRN for SHRN2."""
    if mnemonic in _OTHER_NAMES.get(row.mnemonic, ()) or _WITHIN.get(mnemonic) == row.cls:
        return True
    return row.mnemonic in (mnemonic, mnemonic.partition(".")[0], mnemonic.removesuffix("2"))


def _words_of(row: Row, table: EncodingTable, rng: random.Random) -> Iterator[int]:
    """Words that the table allocates to ``row``."""
    found = 0
    for _ in range(_ATTEMPTS):
        word = rng.getrandbits(32) & ~row.mask & _ALL | row.value
        if table.row(word) is row and table.allocation(word) is Allocation.ALLOCATED:
            yield word
            found += 1
            if found == WORDS or row.mask == _ALL:
                return


def _unlisted(one: Definition, table: EncodingTable, cpu: Model, rng: random.Random) -> Iterator[Unlisted]:
    """The first word, for each mnemonic of a definition, that the table does not allocate."""
    for mnemonic, (mask, value) in _selections(one):
        for _ in range(WORDS):
            word = rng.getrandbits(32) & ~mask & _ALL | value
            decoded = decode(word)
            if decoded is None or decoded.definition is not one or allocation(word, cpu) is not Allocation.ALLOCATED:
                continue
            if table.allocation(word) is not Allocation.ALLOCATED:
                yield Unlisted(one, mnemonic, word)
                break


def _selections(one: Definition) -> Iterable[tuple[str, tuple[int, int]]]:
    """The mnemonics of a definition, with (mask, value) of the words that each names.

    Should-be bits are as they should be.
    """
    mask = one.pattern.mask | one.pattern.should_be_mask
    value = one.pattern.value | one.pattern.should_be_value
    for index, selected, chosen in one.pattern.combinations(one.selected_by):
        if one.mnemonics[index] != "-":
            yield one.mnemonics[index], (mask | selected, value | chosen)
