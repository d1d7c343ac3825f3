"""The decoder: patterns, the generated tree, and agreement with a table of encodings that is not ours."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from assay64.reference.encoding import decode, definitions
from assay64.reference.encoding.decoder import Overlap, build_tree
from assay64.reference.encoding.definition import insn
from assay64.reference.encoding.pattern import Pattern
from assay64.reference.encoding.table import Allocation, EncodingTable
from assay64.reference.engines.allocation import allocation
from assay64.reference.models import model

# The encoding classes that the specification has, under the names of the external table. Loads and stores of SIMD
# registers share some of these classes; they have bit 26 set and are left out.
CLASSES = [
    "control/barriers",
    "control/branch_imm",
    "control/branch_reg",
    "control/compbranch",
    "control/condbranch",
    "control/exception",
    "control/hints",
    "control/testbranch",
    "dpimm/addsub_imm",
    "dpimm/bitfield",
    "dpimm/extract",
    "dpimm/log_imm",
    "dpimm/movewide",
    "dpimm/pcreladdr",
    "dpreg/addsub_carry",
    "dpreg/addsub_ext",
    "dpreg/addsub_shift",
    "dpreg/condcmp_imm",
    "dpreg/condcmp_reg",
    "dpreg/condsel",
    "dpreg/dp_1src",
    "dpreg/dp_2src",
    "dpreg/dp_3src",
    "dpreg/log_shift",
    "ldst/ldst_immpost",
    "ldst/ldst_immpre",
    "ldst/ldst_pos",
    "ldst/ldst_regoff",
    "ldst/ldst_unpriv",
    "ldst/ldst_unscaled",
    "ldst/ldstexclp",
    "ldst/ldstexclr",
    "ldst/ldstnapair_offs",
    "ldst/ldstord",
    "ldst/ldstpair_off",
    "ldst/ldstpair_post",
    "ldst/ldstpair_pre",
    "ldst/loadlit",
    "reserved/perm_undef",
]
SIMD_REGISTERS = 1 << 26
WORDS = 200_000
SEED = 64


def test_pattern_knows_fields_fixed_and_should_be_bits() -> None:
    pattern = Pattern.parse("1 00 11011 U 10 Rm:5 0 (1)(1)(1)(1)(1) Rn:5 Rd:5")
    assert (pattern.mask, pattern.value) == (0xFF608000, 0x9B400000)
    assert (pattern.should_be_mask, pattern.should_be_value) == (0x7C00, 0x7C00)
    assert pattern.encode(U=1, Rm=2, Rn=3, Rd=4) == 0x9BC27C64


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0101 Rd:5", "has 9 bits"),
        ("0000000000000000 imm16:16 1", "has 33 bits"),
        ("00000000000 ?? imm16:16", "neither bits"),
        ("size:2!=1 00000000000000 imm16:16", "another width"),
        ("a:8 a:8 0000000000000000", "two fields"),
    ],
)
def test_a_wrong_pattern_is_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Pattern.parse(text)


def test_the_decorator_holds_parameters_against_the_pattern() -> None:
    def definition(Rn: object, Rd: object) -> None:
        """Parameters in another order than the fields."""

    with pytest.raises(TypeError, match="parameters Rn, Rd are not the pattern's fields Rd, Rn"):
        insn("0000000000000000000000 Rd:5 Rn:5", "NOTHING")(definition)


def test_an_undeclared_overlap_is_an_error_and_within_resolves_it() -> None:
    wide, narrow = (0xFF000000, 0x12000000, 0), (0xFFFF0000, 0x12340000, 1)
    with pytest.raises(Overlap):
        build_tree([wide, narrow], {0: frozenset(), 1: frozenset()})
    tree = build_tree([wide, narrow], {0: frozenset(), 1: frozenset({0})})
    assert tree is not None


def test_every_definition_decodes_its_own_words() -> None:
    generator = random.Random(SEED)
    for definition in definitions():
        for cube in definition.cubes():
            word = generator.getrandbits(32) & ~cube.mask & 0xFFFF_FFFF | cube.value
            decoded = decode(word)
            assert decoded is not None
            assert decoded.definition is definition or decoded.definition.within is not None


def test_violated_should_be_bits_are_reported_not_undecoded() -> None:
    decoded = decode(0x9B427064)  # smulh with Ra = 0b11100
    assert decoded is not None
    assert (decoded.mnemonic, decoded.violations) == ("SMULH", 0x0C00)


@pytest.mark.shared
def test_decoder_agrees_three_valued_with_an_independent_table(facts: Path) -> None:
    models = msgspec.json.decode((facts / "models.json").read_bytes())
    enabled = frozenset(models["cortex-a57"]["row_names"])
    everything = EncodingTable.load(facts / "a64_encodings.json")
    in_classes = everything.of_classes(CLASSES)
    table = EncodingTable(row for row in in_classes.rows if row.name in enabled)
    elsewhere = EncodingTable(row for row in everything.rows if row.name in enabled and row.cls not in CLASSES)
    cpu, generator = model("cortex-a57"), random.Random(SEED)
    envelopes = _envelopes(in_classes)
    answers, wrong = Counter[Allocation](), list[str]()
    drawn = 0
    while drawn < WORDS:
        mask, value = generator.choice(envelopes)
        word = generator.getrandbits(32) & ~mask | value
        row = table.row(word)
        if elsewhere.row(word) is not None if row is None else _simd_transfer(row.mask, row.value):
            continue  # an encoding of another class lies in this one's space
        drawn += 1
        expected, got = table.allocation(word), allocation(word, cpu)
        answers[expected] += 1
        if expected is not got:
            wrong.append(f"{word:08x}: table {expected.value} ({row.name if row else '-'}), specification {got.value}")
    assert not wrong, f"{len(wrong)} of {WORDS} words differ (seed {SEED}):\n" + "\n".join(wrong[:20])
    assert all(answers[answer] > WORDS // 200 for answer in Allocation), answers


def _simd_transfer(mask: int, value: int) -> bool:
    """Whether a load/store row transfers SIMD registers."""
    return bool(value & mask & SIMD_REGISTERS) and value >> 25 & 0b101 == 0b100


def _envelopes(table: EncodingTable) -> list[tuple[int, int]]:
    """(mask, value) of what to draw: what a class's rows share, each row, each row without one of its bits."""
    found = list[tuple[int, int]]()
    for cls in CLASSES:
        rows = [row for row in table.rows if row.cls == cls and not _simd_transfer(row.mask, row.value)]
        mask, value = rows[0].mask & ~rows[0].should_be, rows[0].value
        for row in rows:
            mask &= row.mask & ~row.should_be & ~(value ^ row.value)
        found.append((mask, value & mask))
        found += [(row.mask & ~row.should_be, row.value & ~row.should_be) for row in rows]
        found += [
            (row.mask & ~mask & -(row.mask & ~mask) ^ row.mask, row.value & ~(row.mask & ~mask & -(row.mask & ~mask)))
            for row in rows
        ]
    return found
