"""The decoder: a decision tree generated from the definitions' patterns, cached for the user by the patterns' hash.

Three answers: a definition; a definition whose should-be bits are violated (``violations`` is not zero); nothing
(UNDEFINED).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

import msgspec

from assay64.reference.bits import Bits, bits
from assay64.reference.cache import prune, read_cached, write_cached
from assay64.reference.encoding.definition import Definition, definitions


@dataclass(frozen=True)
class Decoded:
    """A word that a definition covers. ``violations`` are the should-be bits that have the wrong value."""

    word: int
    definition: Definition
    violations: int

    @property
    def mnemonic(self) -> str:
        return self.definition.mnemonic(self.word)

    @property
    def title(self) -> str:
        """The title of its page in the Arm ARM: ``ADDS (shifted register)``."""
        return f"{self.mnemonic} ({self.definition.variant})" if self.definition.variant else self.mnemonic

    @cached_property
    def operands(self) -> Mapping[str, Bits]:
        """The fields by name."""
        return {field.name: bits(field.width, field.of(self.word)) for field in self.definition.pattern.fields}


class Overlap(TypeError):
    """Two definitions decode the same word and neither says that it lies ``within`` the other."""


# A tree: None, a leaf [[mask, value, index], ...] tried in order under key "l", or {"s": shift, "w": width, "c":
# {digit: tree}}.
Tree = dict[str, Any] | None
Cubes = Sequence[tuple[int, int, int]]


def build_tree(cubes: Cubes, parents: Mapping[int, frozenset[int]], tested: int = 0) -> Tree:
    """``cubes`` are (mask, value, definition); ``parents`` gives for a definition those that it lies within."""
    if not cubes:
        return None
    open_bits = [mask & ~tested for mask, _, _ in cubes]
    if len(cubes) == 1 or not any(open_bits):
        return {"l": _order(cubes, parents)}
    common = open_bits[0]
    for mask in open_bits[1:]:
        common &= mask
    if common:
        shift = (common & -common).bit_length() - 1
        width = 1
        while width < 8 and common >> (shift + width) & 1:
            width += 1
        groups: dict[str, list[tuple[int, int, int]]] = {}
        for cube in cubes:
            groups.setdefault(str(cube[1] >> shift & (1 << width) - 1), []).append(cube)
        field = (1 << width) - 1 << shift
        return {"s": shift, "w": width, "c": {k: build_tree(g, parents, tested | field) for k, g in groups.items()}}
    # No bit that all of them fix: split on the bit that most of them fix; the others go to both sides.
    shift = max(range(32), key=lambda bit: sum(mask >> bit & 1 for mask in open_bits))
    sides = {
        digit: [cube for cube in cubes if not cube[0] >> shift & 1 or cube[1] >> shift & 1 == int(digit)]
        for digit in "01"
    }
    return {"s": shift, "w": 1, "c": {k: build_tree(g, parents, tested | 1 << shift) for k, g in sides.items()}}


def _order(cubes: Cubes, parents: Mapping[int, frozenset[int]]) -> list[list[int]]:
    owners = sorted({cube[2] for cube in cubes}, key=lambda index: len(parents[index]), reverse=True)
    for outer, inner in zip(owners[1:], owners, strict=False):
        if outer not in parents[inner]:
            names = [definitions()[index].name for index in (inner, outer)]
            raise Overlap(f"{names[0]} and {names[1]} decode the same words, and neither says within= the other")
    return [list(cube) for owner in owners for cube in cubes if cube[2] == owner]


def encoding_tree() -> Tree:
    """The tree over all definitions, from the cache of the user when it is there."""
    table = definitions()
    index = {definition.name: number for number, definition in enumerate(table)}
    cubes = [(cube.mask, cube.value, number) for number, d in enumerate(table) for cube in d.cubes()]
    parents: dict[int, frozenset[int]] = {}
    for number, definition in enumerate(table):
        chain, name = set[int](), definition.within
        while name is not None:
            if name not in index:
                raise TypeError(f"{definition.name}: within={name!r} names no definition")
            chain.add(index[name])
            name = table[index[name]].within
        parents[number] = frozenset(chain)
    key = hashlib.sha256(repr((3, cubes, parents)).encode()).hexdigest()[:20]
    cached = read_cached(f"decoder-{key}.json")
    if cached is not None:
        try:
            return msgspec.json.decode(cached, type=dict[str, Any])
        except msgspec.DecodeError:
            pass  # a damaged entry is made again
    tree = build_tree(cubes, parents)
    write_cached(f"decoder-{key}.json", msgspec.json.encode(tree))
    prune("decoder-*.json", 8)
    return tree


@cache
def _root() -> tuple[Tree, tuple[Definition, ...]]:
    return encoding_tree(), definitions()


@lru_cache(maxsize=1 << 16)
def decode(word: int) -> Decoded | None:
    """The definition that covers ``word``, or None where no encoding is allocated."""
    root, table = _root()
    node: dict[str, Any] | None = root
    while node is not None:
        leaf: list[tuple[int, int, int]] | None = node.get("l")
        if leaf is None:
            node = node["c"].get(str(word >> node["s"] & (1 << node["w"]) - 1))
            continue
        for mask, value, number in leaf:
            if word & mask == value:
                pattern = table[number].pattern
                return Decoded(word, table[number], (word ^ pattern.should_be_value) & pattern.should_be_mask)
        return None
    return None
