"""The rows of the specification: what the Arm ARM gives an encoding of its own. A row is a mnemonic of a definition,
split where operand sizes or addressing modes have diagrams of their own: ADD (shifted register) has a 32-bit row and
a 64-bit row.

Which fields split, this module says by their names; nothing is known here of what an instruction does.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from assay64.reference import Definition, decode, definitions, model
from assay64.reference.encoding.pattern import Field
from assay64.reference.encoding.table import Allocation
from assay64.reference.engines.allocation import SYSTEM_SPACE, allocation, system_encodings
from assay64.reference.models import Model

# Fields that say an operand's size, or which of several diagrams of a mnemonic it is.
_SPLITTING = frozenset({"sf", "ftype", "scalar", "len", "W", "mode"})
_LOADS_AND_STORES = frozenset({"size", "sz", "opc", "opcode"})
_OF_DEFINITION: Mapping[str, frozenset[str]] = {
    "fmov_general": frozenset({"op"}),
    "fmov_general_top_half": frozenset({"op"}),
    "fp_convert": frozenset({"opc"}),
    "fp_round_to_integral_of_size": frozenset({"sz"}),
    "hint": frozenset({"CRm", "op2"}),
    "vector_modified_immediate": frozenset({"Q", "op", "cmode"}),
    "vector_move_signed": frozenset({"Q"}),
    "vector_move_unsigned": frozenset({"Q"}),
}
_NAMED_HINTS = 64  # HINT #0 to #63 have names, or are kept for some
_BYTES_BY_LSL = 0b011  # LDRB W0, [X1, X2]: its own diagram beside that of the extended offset
_RANGE_PREFETCH = 0b11000  # from this Rt on, PRFM with an extended offset is RPRFM
_BY_ONE_VALUE = frozenset({"Rm", "Rt"})  # registers of which one value, or a range, makes another row
_ATTEMPTS = 150  # random words to find an allocated one among those with given selecting fields

Variant = tuple[tuple[str, int], ...]
Draw = Callable[[random.Random, Field], int]


@dataclass(frozen=True, eq=False)
class Row:
    """``variant`` are the splitting fields with their values; ``choices`` are the values of the selecting fields, of
    which each gives words of this row.
    """

    definition: Definition
    mnemonic: str
    variant: Variant
    choices: tuple[Mapping[str, int], ...]

    @property
    def key(self) -> tuple[str, str, Variant]:
        return self.definition.name, self.mnemonic, self.variant

    @property
    def name(self) -> str:
        """``ADDS add_sub_shifted_register sf=1``."""
        return " ".join([self.mnemonic, self.definition.name, *(f"{name}={value}" for name, value in self.variant)])

    def word(self, rng: random.Random, cpu: Model, draw: Draw | None = None, attempts: int = _ATTEMPTS) -> int | None:
        """An allocated word of this row, its fields as ``draw`` gives them; None when ``attempts`` found none."""
        pattern, draw = self.definition.pattern, draw or _any_value
        for _ in range(attempts):
            fields = {field.name: draw(rng, field) for field in pattern.fields}
            if self.definition.name in SYSTEM_SPACE:
                fields |= rng.choice(system_encodings(self.definition))
            word = pattern.encode(**{**fields, **rng.choice(self.choices)})
            if row_key(word) == self.key and allocation(word, cpu) is Allocation.ALLOCATED:
                return word
        return None


def _any_value(rng: random.Random, field: Field) -> int:
    """Register 31 often: some encodings demand it of several fields."""
    if field.width == 5 and rng.randrange(4) == 0:
        return 31
    return rng.getrandbits(field.width)


def rows(cpu: str) -> Iterator[Row]:
    """The rows of every definition, in the specification's order. It takes seconds."""
    return (row for definition in definitions() for row in rows_of(definition, cpu))


def _splitting(definition: Definition) -> list[str]:
    wanted = _SPLITTING | _OF_DEFINITION.get(definition.name, frozenset())
    if definition.group == "loads_and_stores":
        wanted |= _LOADS_AND_STORES
    return [field.name for field in definition.pattern.fields if field.name in wanted]


def _variant(definition: Definition, operands: Mapping[str, int]) -> Variant:
    variant = [(name, operands[name]) for name in _splitting(definition)]
    if definition.name == "hint" and operands["CRm"] << 3 | operands["op2"] >= _NAMED_HINTS:
        return ()
    if definition.name.endswith("_register_offset") and operands["size"] == 0:
        variant.append(("lsl", int(operands["option"] == _BYTES_BY_LSL)))
    if definition.name == "load_store_register_offset" and (operands["size"], operands["opc"]) == (3, 2):
        variant.append(("range", int(operands["Rt"] >= _RANGE_PREFETCH)))
    if definition.name.endswith("_structures_post_indexed") or definition.name.endswith("_structure_post_indexed"):
        variant.append(("immediate", int(operands["Rm"] == 31)))
    return tuple(variant)


def row_key(word: int) -> tuple[str, str, Variant] | None:
    """What names the row of ``word``: definition, mnemonic and splitting fields; None where nothing is decoded."""
    decoded = decode(word)
    if decoded is None:
        return None
    definition = decoded.definition
    return definition.name, decoded.mnemonic, _variant(definition, definition.operands(word))


@cache
def rows_of(definition: Definition, cpu: str) -> Sequence[Row]:
    """The rows of ``definition`` that have allocated encodings on a CPU model."""
    found: dict[tuple[str, Variant], list[Mapping[str, int]]] = {}
    for choice in _choices(definition):
        operands = {**{field.name: 0 for field in definition.pattern.fields}, **choice}
        mnemonic = definition.mnemonic(definition.pattern.encode(**operands))
        if mnemonic != "-":
            free = {name: value for name, value in choice.items() if name not in _BY_ONE_VALUE}
            found.setdefault((mnemonic, _variant(definition, operands)), []).append(free)
    rng, features = random.Random(definition.name), model(cpu)
    kept = list[Row]()
    for (mnemonic, variant), choices in found.items():
        allocated = tuple(
            choice
            for choice in choices
            if Row(definition, mnemonic, variant, (choice,)).word(rng, features) is not None
        )
        if allocated:
            kept.append(Row(definition, mnemonic, variant, allocated))
    return tuple(kept)


def _choices(definition: Definition) -> list[Mapping[str, int]]:
    """Every combination of the fields that select and split."""
    values: dict[str, Sequence[int]] = {}
    for name in dict.fromkeys((*definition.selected_by, *_splitting(definition))):
        field = definition.pattern.field(name)
        values[name] = [value for value in range(1 << field.width) if field.allows(value)]
    if definition.name.endswith("_register_offset"):
        values["option"] = range(8)
    if definition.name == "load_store_register_offset":
        values["Rt"] = (0, _RANGE_PREFETCH)
    if definition.name.endswith(("_structures_post_indexed", "_structure_post_indexed")):
        values["Rm"] = (0, 31)
    return [dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values())]
