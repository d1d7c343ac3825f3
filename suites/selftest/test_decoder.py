"""The decoder: patterns, the generated tree, and agreement with a table of encodings that is not ours."""

from __future__ import annotations

import random
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from assay64.reference.encoding import decode, definitions
from assay64.reference.encoding.decoder import Overlap, build_tree
from assay64.reference.encoding.definition import insn
from assay64.reference.encoding.pattern import Pattern
from assay64.reference.encoding.table import Allocation, EncodingTable
from assay64.reference.engines.allocation import allocation
from assay64.reference.models import Model, model

# The encoding classes whose rows are each drawn from, under the names of the external table.
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
    "ldst/asisdlse",
    "ldst/asisdlsep",
    "ldst/asisdlso",
    "ldst/asisdlsop",
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
WORDS, MANY_WORDS = 200_000, 1_000_000
SEED = 64


class Reserved(NamedTuple):
    """Words of the rows that match the glob ``rows`` that Arm's page leaves UNDEFINED and the table allocates."""

    rows: str
    mask: int
    value: int
    page: str


RESERVED = (
    Reserved(
        "[LS][DT][234]_asisdlse*", 0x4000_0C00, 0x0000_0C00, "size:Q == 110 with several registers to a structure"
    ),
    Reserved("F*_asi[ms]delem_R_SD", 0x0060_0000, 0x0060_0000, "sz:L == 11: no doubleword has an odd half index"),
    Reserved("*_asimdshf_N", 0x0078_0000, 0, "immh == 0000 is the space of the modified immediates"),
    Reserved("*_asi[ms]dshf_C", 0x0070_0000, 0, "immh == 000x: no fixed-point number has bytes"),
    Reserved("DUP_asi?d*", 0x000F_0000, 0, "imm5 == x0000 says no element size"),
    Reserved("DUP_asimdins_D*", 0x400F_0000, 0x0008_0000, "imm5 == x1000 with Q == 0: a 1D arrangement"),
    Reserved("INS_asimdins_I*", 0x000F_0000, 0, "imm5 == x0000 says no element size"),
    Reserved("SMOV_asimdins_W_w", 0x0003_0000, 0, "imm5 == xxx00: bytes and halfwords only"),
    Reserved("SMOV_asimdins_X_x", 0x0007_0000, 0, "imm5 == xx000: no doublewords"),
    Reserved("UMOV_asimdins_W_w", 0x0007_0000, 0, "imm5 == xx000: doublewords need Q"),
    Reserved("REV64_asimdmisc_R", 0x00C0_0000, 0x00C0_0000, "size == 11: as large as the container"),
    Reserved("REV32_asimdmisc_R", 0x0080_0000, 0x0080_0000, "size == 1x: as large as the container"),
    Reserved("REV16_asimdmisc_R", 0x0080_0000, 0x0080_0000, "size == 1x: larger than the container"),
    Reserved("REV16_asimdmisc_R", 0x0040_0000, 0x0040_0000, "size == x1: as large as the container"),
)


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
        if table.row(word) is None and elsewhere.row(word) is not None:
            continue  # an encoding of another class lies in this one's space
        drawn += 1
        answers[_compare(word, table, cpu, wrong)] += 1
    assert not wrong, f"{len(wrong)} of {WORDS} words differ (seed {SEED}):\n" + "\n".join(wrong[:20])
    assert all(answers[answer] > WORDS // 200 for answer in Allocation), answers


@pytest.mark.shared
@pytest.mark.parametrize("count", [WORDS, pytest.param(MANY_WORDS, marks=pytest.mark.nightly)])
def test_random_words_agree_three_valued_with_an_independent_table(facts: Path, count: int) -> None:
    cpu, generator = model("apple-m2"), random.Random(SEED)
    table = _rows_of(EncodingTable.load(facts / "a64_encodings.json"), cpu)
    answers, wrong = Counter[Allocation](), list[str]()
    for _ in range(count):
        answers[_compare(generator.getrandbits(32), table, cpu, wrong)] += 1
    assert not wrong, f"{len(wrong)} of {count} words differ (seed {SEED}):\n" + "\n".join(wrong[:20])
    assert all(answers[answer] > count // 200 for answer in Allocation), answers


@pytest.mark.shared
@pytest.mark.parametrize("reserved", RESERVED, ids=lambda reserved: f"{reserved.rows} {reserved.page}")
def test_what_the_table_lacks_is_undefined(facts: Path, reserved: Reserved) -> None:
    cpu, generator = model("apple-m2"), random.Random(SEED)
    table = _rows_of(EncodingTable.load(facts / "a64_encodings.json"), cpu)
    rows = [row for row in table.rows if fnmatchcase(row.name, reserved.rows)]
    shown = 0
    for row in rows:
        for _ in range(50):
            word = generator.getrandbits(32) & ~(row.mask | reserved.mask) & 0xFFFF_FFFF | row.value | reserved.value
            if word & reserved.mask == reserved.value and table.row(word) is row:
                assert allocation(word, cpu) is Allocation.UNALLOCATED, f"{word:08x}: {row.name}"
                shown += table.allocation(word) is Allocation.ALLOCATED
    assert shown, "the table has this condition now, or has no such row: the entry is stale"


def _rows_of(table: EncodingTable, cpu: Model) -> EncodingTable:
    return EncodingTable(row for row in table.rows if row.enabled_by(cpu.features))


def _compare(word: int, table: EncodingTable, cpu: Model, wrong: list[str]) -> Allocation:
    """The answer for ``word``: the table's, but for what it lacks. A disagreement becomes a line of ``wrong``."""
    row, expected, got = table.row(word), table.allocation(word), allocation(word, cpu)
    if row is not None and any(
        fnmatchcase(row.name, reserved.rows) and word & reserved.mask == reserved.value for reserved in RESERVED
    ):
        expected = Allocation.UNALLOCATED
    if expected is not got:
        wrong.append(f"{word:08x}: table {expected.value} ({row.name if row else '-'}), specification {got.value}")
    return expected


def _envelopes(table: EncodingTable) -> list[tuple[int, int]]:
    """(mask, value) of what to draw: what a class's rows share, each row, each row without one of its bits."""
    found = list[tuple[int, int]]()
    for cls in CLASSES:
        rows = [row for row in table.rows if row.cls == cls]
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
