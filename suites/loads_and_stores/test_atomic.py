"""Atomic memory operations and swap: what is stored, what is loaded, and the faults of an access that reads and writes.

Arm ARM B2.2.5 (single-copy atomicity), D24.2.40 (ESR_EL1.WnR of an atomic access).
"""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import DATA, MAX64, case, data_abort, expect, given, sp_alignment, undefined
from assay64.harness.cases.case import Environment, Region
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE, UNMAPPED

pytestmark = pytest.mark.atomics

LSE = {"environment": Environment(model="cortex-a57+FEAT_LSE"), "requires": ["FEAT_LSE"]}
LSE2 = {
    "environment": Environment(model="cortex-a57+FEAT_LSE+FEAT_LSE2"),
    "requires": ["FEAT_LSE", "FEAT_LSE2"],
}
HIGH = 1 << 63
READ_ONLY = Region(address=UNMAPPED, size=0x1_0000, permissions="r")


@pytest.mark.parametrize(
    ("code", "operand", "before", "after"),
    [
        ("ldadd x0, x2, [x1]", 1, MAX64, 0),
        ("ldadd x0, x2, [x1]", HIGH, HIGH, 0),
        ("ldclr x0, x2, [x1]", 0xF0F0, 0xFFFF_0000_FFFF_FFFF, 0xFFFF_0000_FFFF_0F0F),
        ("ldeor x0, x2, [x1]", MAX64, NEGATIVE, NEGATIVE ^ MAX64),
        ("ldset x0, x2, [x1]", HIGH | 1, 0x10, HIGH | 0x11),
        ("ldsmax x0, x2, [x1]", MAX64, 5, 5),
        ("ldsmax x0, x2, [x1]", 5, HIGH, 5),
        ("ldsmin x0, x2, [x1]", 5, HIGH, HIGH),
        ("ldsmin x0, x2, [x1]", MAX64, 0, MAX64),
        ("ldumax x0, x2, [x1]", HIGH, HIGH - 1, HIGH),
        ("ldumax x0, x2, [x1]", 0, 0, 0),
        ("ldumin x0, x2, [x1]", HIGH, HIGH - 1, HIGH - 1),
        ("swp x0, x2, [x1]", 7, NEGATIVE, 7),
    ],
)
def test_doubleword_operations(backend, code, operand, before, after):
    case(
        code,
        given(x0=operand, x1=DATA, x2=GARBAGE, memory={DATA: before}, nzcv=0b1010),
        expect(x2=before, memory={DATA: after}),
        **LSE,
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "loaded", "stored"),
    [
        ("ldaddb w0, w2, [x1]", 0x91, "90"),
        ("ldaddh w0, w2, [x1]", 0xA291, "90 a2"),
        ("ldadd w0, w2, [x1]", 0xC4B3_A291, "90 a2 b3 c4"),
        ("ldclrb w0, w2, [x1]", 0x91, "00"),
        ("ldeorh w0, w2, [x1]", 0xA291, "6e 5d"),
        ("ldset w0, w2, [x1]", 0xC4B3_A291, "ff ff ff ff"),
        ("ldsmaxb w0, w2, [x1]", 0x91, "ff"),
        ("ldsmaxh w0, w2, [x1]", 0xA291, "ff ff"),
        ("ldsmin w0, w2, [x1]", 0xC4B3_A291, "91 a2 b3 c4"),
        ("ldumaxb w0, w2, [x1]", 0x91, "ff"),
        ("lduminh w0, w2, [x1]", 0xA291, "91 a2"),
        ("swpb w0, w2, [x1]", 0x91, "ff"),
        ("swph w0, w2, [x1]", 0xA291, "ff ff"),
        ("swp w0, w2, [x1]", 0xC4B3_A291, "ff ff ff ff"),
    ],
)
def test_smaller_operations_leave_the_bytes_above(backend, code, loaded, stored):
    case(
        code,
        given(x0=0x1234_5678_FFFF_FFFF, x1=DATA, x2=GARBAGE, memory={DATA: NEGATIVE}),
        expect(x2=loaded, memory={DATA: bytes.fromhex(stored)}),
        **LSE,
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "loaded", "stored"),
    [
        ("ldsmaxb w0, w2, [x1]", 0x80, "7f"),
        ("ldsminb w0, w2, [x1]", 0x80, "80"),
        ("ldumaxb w0, w2, [x1]", 0x80, "80"),
        ("lduminb w0, w2, [x1]", 0x80, "7f"),
    ],
)
def test_the_sign_is_that_of_the_size(backend, code, loaded, stored):
    case(
        code,
        given(x0=0x7F, x1=DATA, memory={DATA: bytes([0x80])}),
        expect(x2=loaded, memory={DATA: bytes.fromhex(stored)}),
        **LSE,
    ).check(backend)


@pytest.mark.parametrize("ordering", ["", "a", "l", "al"])
def test_ordering_changes_no_value(backend, ordering):
    case(
        f"ldadd{ordering} x0, x2, [x1]\nswp{ordering} x3, x4, [x1]",
        given(x0=2, x1=DATA, x3=9, memory={DATA: 40}),
        expect(x2=40, x4=42, memory={DATA: 9}),
        **LSE,
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "start", "end"),
    [
        ("ldadd x0, x0, [x1]", {"x0": 3, "x1": DATA}, {"x0": 5}),
        ("ldadd x1, x1, [x1]", {"x1": DATA}, {"x1": 5}),
        ("ldadd x0, x1, [x1]", {"x0": 3, "x1": DATA}, {"x1": 5}),
    ],
)
def test_registers_that_coincide_are_read_before_they_are_written(backend, code, start, end):
    added = 5 + (start.get("x0") or start["x1"])
    case(code, given(**start, memory={DATA: 5}), expect(**end, memory={DATA: added}), **LSE).check(backend)


def test_store_form_discards_what_it_loads(backend):
    case("stadd x0, [x1]", given(x0=4, x1=DATA, memory={DATA: 5}), expect(memory={DATA: 9}), **LSE).check(backend)


def test_operand_31_is_zero_and_base_31_is_the_stack_pointer(backend):
    case(
        "swp xzr, x2, [sp]", given(sp=DATA, memory={DATA: NEGATIVE}), expect(x2=NEGATIVE, memory={DATA: 0}), **LSE
    ).check(backend)


def test_the_stack_pointer_must_be_aligned(backend):
    case("ldadd x0, x2, [sp]", given(sp=DATA + 8), expect(exit=sp_alignment()), **LSE).check(backend)


# --- faults: a write is reported only where a read would have been allowed


def test_unmapped_memory_is_reported_as_a_read(backend):
    case(
        "ldadd x0, x2, [x1]",
        given(x1=UNMAPPED, x2=GARBAGE),
        expect(exit=data_abort(UNMAPPED, "read", "translation")),
        **LSE,
    ).check(backend)


@pytest.mark.parametrize("code", ["ldset x0, x2, [x1]", "stset w0, [x1]", "swpalb w0, w2, [x1]"])
def test_read_only_memory_is_reported_as_a_write(backend, code):
    case(
        code,
        given(x0=0, x1=UNMAPPED, x2=GARBAGE),
        expect(exit=data_abort(UNMAPPED, "write", "permission")),
        regions=[READ_ONLY],
        **LSE,
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "address"),
    [("ldaddh w0, w2, [x1]", DATA + 1), ("swp w0, w2, [x1]", DATA + 2), ("ldeor x0, x2, [x1]", DATA + 4)],
)
def test_must_be_aligned(backend, code, address):
    case(code, given(x1=address, fill=3), expect(exit=data_abort(address, "read", "alignment")), **LSE).check(backend)


def test_alignment_comes_before_translation(backend):
    case(
        "ldadd x0, x2, [x1]",
        given(x1=UNMAPPED + 4),
        expect(exit=data_abort(UNMAPPED + 4, "read", "alignment")),
        **LSE,
    ).check(backend)


def test_within_16_aligned_bytes_any_address_will_do_with_lse2(backend):
    case(
        "ldadd x0, x2, [x1]",
        given(x0=1, x1=DATA + 5, memory={DATA + 5: NEGATIVE}),
        expect(x2=NEGATIVE, memory={DATA + 5: NEGATIVE + 1}),
        **LSE2,
    ).check(backend)


def test_across_16_aligned_bytes_it_faults_with_lse2_as_well(backend):
    case("swp x0, x2, [x1]", given(x1=DATA + 9), expect(exit=data_abort(DATA + 9, "read", "alignment")), **LSE2).check(
        backend
    )


@pytest.mark.parametrize(
    ("word", "feature"),
    [
        pytest.param(0xF820_0041, LSE, id="o3-clear-is-ldadd"),
        pytest.param(0xF820_8041, LSE, id="o3-set-opc-000-is-swp"),
    ],
)
def test_swap_is_the_only_operation_of_its_half(backend, word, feature):
    for opc in (1, 2, 3, 5, 6, 7):
        case(word | 1 << 15 | opc << 12, given(x2=DATA), expect(exit=undefined()), **feature).check(backend)


def test_undefined_without_the_feature(backend):
    for word in (0xF820_0041, 0xF820_8041, 0xC8A0_7C41, 0x4820_7C82):
        case(word, given(x2=DATA, x4=DATA), expect(exit=undefined())).check(backend)
