"""Load/store pair of SIMD&FP registers: signed offset, pre-indexed, post-indexed and non-temporal."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import (
    DATA,
    DATA_END,
    SP,
    case,
    data_abort,
    expect,
    given,
    memory_unknown,
    permit,
    undefined,
    unknown,
)
from assay64.harness.cases.case import SCTLR_EL1, Environment, Region

pytestmark = pytest.mark.simd

STRICT = Environment(sctlr_el1=SCTLR_EL1 | 1 << 1)
BASE = DATA + 0x4000
FULL = (1 << 128) - 1
BYTES = bytes(range(0x81, 0xA1))
# Letter, bytes of a register, and the two values read from BYTES.
SIZES = (
    ("s", 4, 0x8483_8281, 0x8887_8685),
    ("d", 8, 0x8887_8685_8483_8281, 0x908F_8E8D_8C8B_8A89),
    (
        "q",
        16,
        0x908F_8E8D_8C8B_8A89_8887_8685_8483_8281,
        0xA09F_9E9D_9C9B_9A99_9897_9695_9493_9291,
    ),
)
every_size = pytest.mark.parametrize(("letter", "size", "first", "second"), SIZES, ids=[row[0] for row in SIZES])


@every_size
@pytest.mark.parametrize("mnemonic", ["ldp", "ldnp"])
@pytest.mark.parametrize("multiple", [-64, 0, 63])
def test_load_pair_at_an_offset(backend, mnemonic, multiple, letter, size, first, second):
    case(
        f"{mnemonic} {letter}0, {letter}31, [x1, #{multiple * size}]",
        given(x1=BASE, v0=FULL, v31=FULL, memory={BASE + multiple * size: BYTES}),
        expect(v0=first, v31=second),
    ).check(backend)


@every_size
@pytest.mark.parametrize("mnemonic", ["stp", "stnp"])
def test_store_pair_writes_both_and_no_more(backend, mnemonic, letter, size, first, second):
    case(
        f"{mnemonic} {letter}0, {letter}2, [x1]",
        given(x1=BASE, v0=first, v2=second, fill=54),
        expect(memory={BASE: BYTES[: 2 * size]}),
    ).check(backend)


@every_size
@pytest.mark.parametrize(
    ("form", "before", "after"), [("[x1], #{}", 0, -64), ("[x1, #{}]!", -64, -64), ("[x1, #{}]!", 63, 63)]
)
def test_load_pair_writes_the_base_back(backend, form, before, after, letter, size, first, second):
    case(
        f"ldp {letter}0, {letter}1, {form.format(after * size)}",
        given(x1=BASE, v0=FULL, v1=FULL, memory={BASE + before * size: BYTES}),
        expect(x1=BASE + after * size, v0=first, v1=second),
    ).check(backend)


def test_one_register_stored_twice(backend):
    case("stp d3, d3, [x1]", given(x1=BASE, v3=7, fill=55), expect(memory={BASE: [7, 7]})).check(backend)


def test_frame_of_two_quadwords(backend):
    case(
        "stp q8, q9, [sp, #-32]!\nldp q10, q11, [sp], #32",
        given(v8=SIZES[2][2], v9=SIZES[2][3]),
        expect(v10=SIZES[2][2], v11=SIZES[2][3], memory={SP - 32: BYTES}),
    ).check(backend)


@pytest.mark.parametrize("code", ["ldp d2, d2, [x1], #16", "ldp q2, q2, [x1, #32]!", "ldnp s2, s2, [x1]"])
def test_load_pair_of_one_register_is_constrained_unpredictable(backend, code):
    base = {"ldp d2, d2, [x1], #16": 16, "ldp q2, q2, [x1, #32]!": 32}.get(code, 0)
    case(
        code,
        given(x1=BASE, v2=5, fill=56),
        permit(expect(unknown("v2"), x1=BASE + base), expect(exit=undefined()), expect()),
    ).check(backend)


def test_load_pair_whose_second_register_is_unmapped(backend):
    case(
        "ldp q0, q2, [x1], #32",
        given(x1=DATA_END - 16, v0=FULL, v2=FULL, fill=57),
        expect(unknown("v0", "v2"), exit=data_abort(DATA_END, "read", "translation")),
    ).check(backend)


@pytest.mark.parametrize(
    ("regions", "fault"),
    [((), "translation"), ((Region(address=DATA_END, size=0x1_0000, permissions="r"),), "permission")],
    ids=["unmapped", "read-only"],
)
def test_store_pair_whose_second_register_faults(backend, regions, fault):
    case(
        "stp q0, q2, [x1, #-16]!",
        given(x1=DATA_END, v0=SIZES[2][2], v2=SIZES[2][3], fill=58),
        expect(memory_unknown(DATA_END - 16, 16), exit=data_abort(DATA_END, "write", fault)),
        regions=regions,
    ).check(backend)


def test_store_pair_whose_first_register_faults(backend):
    case(
        "stp d0, d2, [x1]",
        given(x1=DATA - 8, v0=1, v2=2, fill=59),
        expect(memory_unknown(DATA, 8), exit=data_abort(DATA - 8, "write", "translation")),
    ).check(backend)


def test_strict_alignment_is_of_one_register(backend):
    case(
        "ldp q0, q1, [x1]",
        given(x1=BASE + 16, v0=FULL, v1=FULL, memory={BASE + 16: BYTES}),
        expect(v0=SIZES[2][2], v1=SIZES[2][3]),
        environment=STRICT,
    ).check(backend)


@pytest.mark.parametrize("word", [0xEC00_0820, 0xEC40_0820, 0xED00_0820, 0xED40_0820, 0xEC80_0820, 0xEDC0_0820])
def test_a_fourth_size_is_undefined(backend, word):
    case(word, given(x1=BASE), expect(exit=undefined())).check(backend)
