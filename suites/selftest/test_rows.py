"""The rows of the specification and the campaign over them: rows against an external table, values against their
classes, cases that depend on seed, row and number alone, and what a campaign records.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from assay64.harness.cases.operand_classes import FORMATS, class_of, classes, corner_value
from assay64.harness.cases.operands import shape
from assay64.harness.cases.random_rows import FPCR_COMBINATIONS, RowGenerator, combination_of, fpcr_combination
from assay64.harness.cases.rows import Row, row_key, rows, rows_of
from assay64.harness.check_context import CheckFailed, Context
from assay64.harness.judge.judge import Judge
from assay64.harness.record.rows import NO_FPCR, RowRecord
from assay64.harness.row_campaign import check_rows
from assay64.harness.under_test import BackendUnderTest
from assay64.reference import Definition, decode, definitions, model
from assay64.reference.encoding.table import EncodingTable

WORDS = 40
SIZES = [(False, size) for size in (8, 16, 32, 64)] + [(True, size) for size in FORMATS]


def row(definition: str, mnemonic: str, **variant: int) -> Row:
    return next(
        one
        for one in rows_of(the(definition), "max")
        if one.mnemonic == mnemonic and all((name, value) in one.variant for name, value in variant.items())
    )


def the(definition: str) -> Definition:
    return next(one for one in definitions() if one.name == definition)


@pytest.mark.shared
def test_rows_divide_those_of_an_independent_table_and_miss_none(facts: Path) -> None:
    cpu, generator = model("apple-m2"), random.Random(1)
    whole = EncodingTable.load(facts / "a64_encodings.json")
    table = EncodingTable(one for one in whole.rows if one.enabled_by(cpu.features))
    met = set[str]()
    for one in rows("apple-m2"):
        names = set[str]()
        for _ in range(WORDS):
            word = one.word(generator, cpu, attempts=4000)
            assert word is not None, one.name
            found = table.row(word)
            assert found is not None, f"{word:08x}: {one.name}"
            names.add(found.name)
        assert len(names) == 1, f"{one.name} lies across {sorted(names)}"
        met |= names
    assert met == {one.name for one in table.rows}


def test_a_row_is_a_mnemonic_with_an_operand_size() -> None:
    assert {one.name for one in rows_of(the("divide"), "apple-m2")} == {
        f"{name} divide sf={sf}" for name in ("UDIV", "SDIV") for sf in (0, 1)
    }
    assert row_key(0x9AC20C20) == ("divide", "SDIV", (("sf", 1),))
    assert row_key(0) == ("udf", "UDF", ())
    assert row_key(0xFFFF_FFFF) is None


def test_rows_follow_the_model() -> None:
    assert not rows_of(the("fp_three_same_vector_half"), "cortex-a57")
    assert len(rows_of(the("fp_three_same_vector_half"), "apple-m2")) == 24


@pytest.mark.parametrize(("floating", "size"), SIZES)
def test_values_are_of_their_class(floating: bool, size: int) -> None:
    generator = random.Random(size)
    for one in classes(floating=floating):
        assert all(one.holds(one.draw(generator, size), size) for _ in range(200)), one.name
    drawn = {class_of(corner_value(generator, size, floating=floating), size, floating=floating) for _ in range(4000)}
    assert drawn == {one.name for one in classes(floating=floating)}


@pytest.mark.parametrize(
    ("value", "size", "name"),
    [
        (0x0000_0001, 32, "least subnormal"),
        (0x007F_FFFF, 32, "largest subnormal"),
        (0x0080_0000, 32, "least normal"),
        (0x7F80_0001, 32, "signalling NaN"),
        (0xFFC0_0000, 32, "quiet NaN"),
        (0x4020_0000, 32, "halfway"),  # 2.5
        (0x4020_0001, 32, "beside halfway"),
        (0x3F80_1000, 32, "halfway"),  # between two half-precision numbers
        (0x4090_0000_0000_0000, 64, "power of two"),
    ],
)
def test_floating_point_classes(value: int, size: int, name: str) -> None:
    assert class_of(value, size, floating=True) == name


def test_operands_are_what_the_instruction_reads() -> None:
    fmla = row("fp_three_source", "FMADD", ftype=1)
    word = fmla.word(random.Random(1), model("max"))
    assert word is not None
    found = shape(fmla, word)
    assert [(one.field, one.file) for one in found.operands] == [("Rn", "V"), ("Rm", "V"), ("Ra", "V")]
    assert (found.size, found.floating, found.reads_fpcr) == (64, True, True)
    store = row("load_store_unsigned_offset", "STRH")
    word = store.word(random.Random(1), model("max"))
    assert word is not None
    assert [(one.field, one.file, one.address) for one in shape(store, word).operands] == [
        ("Rn", "X", True),
        ("Rt", "X", False),
    ]


def test_every_combination_of_fpcr_comes_in_turn() -> None:
    assert len({fpcr_combination(number) for number in range(FPCR_COMBINATIONS)}) == FPCR_COMBINATIONS
    cases = list(RowGenerator(1, row=row("fp_two_source", "FADD", ftype=0)).cases(2 * FPCR_COMBINATIONS))
    assert {combination_of(case.states[0].simd.fpcr) for case in cases} == set(range(FPCR_COMBINATIONS))
    for case in cases:
        has_half = "FEAT_FP16" in model(case.environment.model).features
        assert has_half or not case.states[0].simd.fpcr & 1 << 19


def test_a_case_depends_on_seed_row_and_number_alone() -> None:
    generator = RowGenerator(3, row=row("vector_add_sub", "ADD"))
    assert list(generator.cases(5))[4] == generator.case(4) == next(generator.cases(1, start=4))
    assert generator.case(4) != RowGenerator(4, row=generator.row).case(4)
    assert all(row_key(case.code[-1]) == generator.row.key for case in generator.cases(30))


def test_store_exclusives_come_with_and_without_their_load() -> None:
    cases = list(RowGenerator(1, row=row("store_exclusive_pair", "STLXP")).cases(30))
    lengths = {len(case.code) for case in cases}
    assert lengths == {1, 2}
    loads = [decoded for case in cases if len(case.code) == 2 if (decoded := decode(case.code[0])) is not None]
    assert {one.definition.name for one in loads} == {"load_exclusive_pair"}


class Notes:
    """A sink that keeps what is noted."""

    def __init__(self) -> None:
        self.found: list[RowRecord] = []

    def check(self, record: Any) -> None:
        pass

    def matched(self, test: str, group: str, backend: str) -> None:
        pass

    def note(self, key: str, value: Any) -> None:
        self.found.append(value)


FAKES = Path(__file__).parent / "fakes.py"


@pytest.mark.parametrize(("backend", "failures"), [("reference", 0), (f"{FAKES}:WRONG_CARRY", 20)])
def test_a_campaign_records_what_its_states_had(backend: str, failures: int) -> None:
    chosen, notes = [row("add_sub_shifted_register", "ADDS", sf=1), row("fp_two_source", "FDIV", ftype=0)], Notes()
    with Judge() as judge:
        under_test = BackendUnderTest(backend, judge, Context(), notes)
        if failures:
            with pytest.raises(CheckFailed, match=f"{failures} of 20 cases failed"):
                check_rows(chosen, under_test, judge, 1, 20)
        else:
            check_rows(chosen, under_test, judge, 1, 20)
    integer, floating = notes.found
    assert (integer.row, integer.judged, integer.failures) == ("ADDS add_sub_shifted_register sf=1", 20, failures)
    assert (integer.fpcr, integer.features, integer.operand_classes <= integer.possible) == (NO_FPCR, (), True)
    assert (floating.failures, floating.fpcr.bit_count()) == (0, 16)  # without FEAT_FP16 there is no FZ16
    assert {"IOC", "Rn: quiet NaN", "Rm: infinity"} <= floating.classes.keys()
