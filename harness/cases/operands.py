"""The operands of an instruction as coverage and random cases see them: which registers it reads, how wide the elements
are, whether they are floating-point numbers, and whether FPCR matters.

What is read the specification says itself, by being executed; element sizes follow from the names of fields.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn

from assay64.harness.cases.rows import Row, row_key
from assay64.reference import decode, model
from assay64.reference.bits import Bits, Constant
from assay64.reference.pseudocode.exceptions import ArchitecturalException, EndOfInstruction
from assay64.reference.pseudocode.processor import REGISTERS, AccessDescriptor, Constraint, executing

EVERYTHING = "max"  # the CPU model with every feature that the specification has
APART = 4  # registers between two operands: tables and structures take up to four
FIELDS = ("Rn", "Rm", "Ra", "Rs", "Rt", "Rt2", "Rd")
_INTEGERS_OF_FP = frozenset({"SCVTF", "UCVTF", "URECPE", "URSQRTE"})
_LARGEST = 64


@dataclass(frozen=True)
class Operand:
    """A register that an instruction reads: its field, and ``X`` or ``V``. ``address`` marks the base of an access."""

    field: str
    file: str
    address: bool = False


@dataclass(frozen=True)
class Shape:
    """``size`` is the width of an element in bits; ``floating`` says that elements are floating-point numbers."""

    operands: Sequence[Operand]
    size: int
    floating: bool
    reads_fpcr: bool


class _End(Exception):
    """The instruction did something that a probe cannot follow."""


@dataclass
class _Probe:
    """A processing element whose registers are all zero, and which notes which of them are read."""

    features: frozenset[str]
    found: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])

    def read(self, register: str, index: Bits | None) -> Bits:
        self.found.add((register, 0 if index is None else int(index)))
        return Constant(64 if register in ("X", "XSP") else REGISTERS[register].width, 0)

    def write(self, register: str, index: Bits | None, value: Bits) -> None:
        pass

    def load(self, address: Bits, size: int, accdesc: AccessDescriptor) -> Bits:
        return Constant(8 * size, 0)

    def store(self, address: Bits, size: int, accdesc: AccessDescriptor, value: Bits) -> None:
        pass

    def check_fp_enabled(self) -> None:
        pass

    def check_sp_alignment(self, base: Bits) -> None:
        pass

    def has_feature(self, feature: str) -> bool:
        return feature in self.features

    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint:
        return constraints[0]

    def unknown(self, width: int) -> Bits:
        return Constant(width, 0)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return function(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        def end(*_: object, **__: object) -> NoReturn:
            raise _End

        return end


def _reads(word: int) -> frozenset[tuple[str, int]]:
    decoded = decode(word)
    if decoded is None:
        return frozenset()
    probe = _Probe(model(EVERYTHING).features)
    try:
        with executing(probe):  # type: ignore[arg-type]  # __getattr__ supplies the rest of the protocol
            decoded.definition.function(**decoded.operands)
    except (_End, ArchitecturalException, EndOfInstruction):
        pass  # up to here
    return frozenset(probe.found)


def shape(row: Row, word: int) -> Shape:
    """The shape of ``word``, which is of ``row``."""
    operands, reads_fpcr = _read_by(row)
    name, fields = row.definition.name, row.definition.operands(word)
    floating = row.definition.group.startswith("simd") and _is_floating(row.mnemonic, name)
    size = _element_size(name, fields)
    return Shape(operands, size, floating and size > 8, reads_fpcr)


@cache
def _read_by(row: Row) -> tuple[Sequence[Operand], bool]:
    """The operands that words of a row read, and whether they read FPCR; by one word of the row that stands for all.

    With every operand in a register of its own, what is read says which operand it was; where that is another row, or
    not allocated, registers that coincide count for each of their operands.
    """
    definition = row.definition
    word = row.word(random.Random(row.name), model(EVERYTHING), attempts=4000)
    if word is None:
        raise ValueError(f"no allocated word of the row {row.name} was found")
    for number, name in enumerate(FIELDS, 1):
        position = next((one for one in definition.pattern.fields if one.name == name), None)
        if position is not None:
            apart = word & ~((1 << position.width) - 1 << position.low) | APART * number << position.low
            word = apart if row_key(apart) == row.key else word
    reads, fields = _reads(word), definition.operands(word)
    in_memory, operands = definition.group == "loads_and_stores", list[Operand]()
    for name in (name for name in FIELDS if name in fields):
        number = register(fields, name)
        # In a load or store the transferred registers alone can be SIMD&FP registers.
        file = "X" if in_memory and not (definition.is_simd and name in ("Rt", "Rt2")) else "V"
        if file == "V" and ("V", number) in reads:
            operands.append(Operand(name, "V"))
        elif {("X", number), ("XSP", number)} & reads and not (in_memory and file == "V"):
            operands.append(Operand(name, "X", address=in_memory and name == "Rn"))
    return tuple(operands), ("FPCR", 0) in reads


def register(fields: Mapping[str, int], name: str) -> int:
    """The number of the register that a field names; Rm of an indexed element has its highest bit in M."""
    number = fields[name]
    return number | fields["M"] << 4 if name == "Rm" and "M" in fields and "H" in fields else number


def _is_floating(mnemonic: str, definition: str) -> bool:
    return (mnemonic.startswith(("F", "BF")) and mnemonic not in _INTEGERS_OF_FP) or definition.startswith("bf")


def _element_size(name: str, fields: Mapping[str, int]) -> int:
    """The width of the source's elements in bits, as far as fields say it; else that of a register."""
    if name.startswith("bf"):
        return 32
    if ("half" in name and "ftype" not in fields) or name.startswith("fp_multiply_add_long"):
        return 16
    if "ftype" in fields:
        return (32, 64, 64, 16)[fields["ftype"]]
    if name == "fp_convert_lengthen":
        return 16 << fields["sz"]
    if name.startswith("fp_") and "sz" in fields:
        return 32 << fields["sz"]
    wider = int("narrow" in name)
    if "immh" in fields:
        return min(_LARGEST, 8 << max(fields["immh"].bit_length() - 1, 0) + wider)
    if "imm5" in fields and "nzcv" not in fields:
        return min(_LARGEST, 8 * (fields["imm5"] & -fields["imm5"] or 8))
    if "size" in fields and name != "vector_bits":
        return min(_LARGEST, 8 << fields["size"] + wider)
    return 32 if fields.get("sf") == 0 else _LARGEST
