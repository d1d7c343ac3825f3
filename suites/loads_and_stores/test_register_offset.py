"""Load/store register (register offset): LSL, UXTW, SXTW and SXTX, shifted by the access size or not at all."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import DATA, MAX32, MAX64, SP, case, expect, given, undefined
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE, every_load, every_store

BASE = DATA + 0x4000
UPPER = 0xABCD_EF01 << 32  # what an extension from a word must not look at


@every_load
def test_register_offset_is_not_shifted_without_an_amount(backend, load):
    case(
        f"{load.mnemonic.format('')} {load.register}, [x1, x2]",
        given(x0=GARBAGE, x1=BASE, x2=0x33, memory={BASE + 0x33: NEGATIVE}),
        expect(x0=load.result),
    ).check(backend)


@every_store
def test_stores_take_a_register_offset(backend, store):
    case(
        f"{store.mnemonic.format('')} {store.register}, [x1, x2]",
        given(x0=NEGATIVE, x1=BASE, x2=0x33, fill=5),
        expect(memory={BASE + 0x33: store.data}),
    ).check(backend)


@every_load
def test_shift_is_the_size_of_the_access(backend, load):
    shift = load.size_bytes.bit_length() - 1
    case(
        f"{load.mnemonic.format('')} {load.register}, [x1, x2, lsl #{shift}]",
        given(x0=GARBAGE, x1=BASE, x2=0x33, memory={BASE + 0x33 * load.size_bytes: NEGATIVE}),
        expect(x0=load.result),
    ).check(backend)


@pytest.mark.parametrize(
    ("extension", "offset", "distance"),
    [
        ("w2, uxtw", UPPER | 0x20, 0x20),
        ("w2, uxtw #3", UPPER | 0x20, 0x100),
        ("w2, sxtw", UPPER | 0x20, 0x20),
        ("w2, sxtw", UPPER | MAX32 - 0x1F, -0x20),
        ("w2, sxtw #3", UPPER | MAX32 - 0x1F, -0x100),
        ("x2, sxtx", 0x20, 0x20),
        ("x2, sxtx", MAX64 - 0x1F, -0x20),
        ("x2, sxtx #3", MAX64 - 0x1F, -0x100),
        ("x2", MAX64 - 0x1F, -0x20),
        ("x2, lsl #3", MAX64 - 0x1F, -0x100),
        ("x2, lsl #3", 0x2000_0000_0000_0004, 0x20),
    ],
    ids=[
        "uxtw ignores the upper word",
        "uxtw shifted",
        "sxtw of a positive word",
        "sxtw of a negative word",
        "sxtw shifts after the extension",
        "sxtx",
        "sxtx of a negative offset",
        "sxtx shifted",
        "lsl of a negative offset",
        "lsl shifts a negative offset",
        "lsl shifts bits out at the top",
    ],
)
def test_extension_of_the_offset(backend, extension, offset, distance):
    case(
        f"ldr x0, [x1, {extension}]",
        given(x0=GARBAGE, x1=BASE, x2=offset, memory={BASE + distance: NEGATIVE}),
        expect(x0=NEGATIVE),
    ).check(backend)


def test_uxtw_of_a_negative_word_reaches_up_to_4_gib(backend):
    case(
        "ldr x0, [x1, w2, uxtw]",
        given(x1=BASE - 0xFFFF_FFF0, x2=0xFFFF_FFF0, memory={BASE: NEGATIVE}),
        expect(x0=NEGATIVE),
    ).check(backend)


def test_uxtw_shifts_beyond_32_bits(backend):
    case(
        "ldr x0, [x1, w2, uxtw #3]",
        given(x1=BASE - 0x4_0000_0000, x2=0x8000_0000, memory={BASE: NEGATIVE}),
        expect(x0=NEGATIVE),
    ).check(backend)


def test_sum_wraps_at_two_to_the_64(backend):
    case("ldr x0, [x1, x2]", given(x1=MAX64 - 7, x2=BASE + 8, memory={BASE: NEGATIVE}), expect(x0=NEGATIVE)).check(
        backend
    )


@pytest.mark.parametrize(
    ("code", "address"),
    [
        (0x3862_7820, BASE + 1),  # ldrb w0, [x1, x2, lsl #0]
        (0x3862_6820, BASE + 1),  # ldrb w0, [x1, x2]
        (0x3862_5820, BASE + 1),  # ldrb w0, [x1, w2, uxtw #0]
        (0x3862_4820, BASE + 1),  # ldrb w0, [x1, w2, uxtw]
    ],
    ids=["lsl-S1", "lsl-S0", "uxtw-S1", "uxtw-S0"],
)
def test_byte_access_has_two_encodings_with_one_meaning(backend, code, address):
    case(code, given(x1=BASE, x2=1, memory={address: NEGATIVE}), expect(x0=0x91)).check(backend)


def test_offset_31_is_the_zero_register(backend):
    case("ldr x0, [x1, xzr, lsl #3]", given(x1=BASE, memory={BASE: NEGATIVE}), expect(x0=NEGATIVE)).check(backend)


def test_base_31_is_the_stack_pointer(backend):
    case("ldr x0, [sp, x2]", given(x2=0x10, memory={SP + 0x10: NEGATIVE}), expect(x0=NEGATIVE)).check(backend)


def test_destination_may_be_the_offset(backend):
    case("ldr x2, [x1, x2]", given(x1=BASE, x2=8, memory={BASE + 8: NEGATIVE}), expect(x2=NEGATIVE)).check(backend)


def test_base_offset_and_destination_may_be_one_register(backend):
    case("ldr x1, [x1, x1]", given(x1=BASE // 2, memory={BASE: NEGATIVE}), expect(x1=NEGATIVE)).check(backend)


def test_stored_register_may_be_the_offset(backend):
    case("str x2, [x1, x2]", given(x1=BASE, x2=0x40), expect(memory={BASE + 0x40: 0x40})).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xF862_0820, id="ldr: uxtb"),
        pytest.param(0xF862_2820, id="ldr: uxth"),
        pytest.param(0xF862_8820, id="ldr: sxtb"),
        pytest.param(0xF862_A820, id="ldr: sxth"),
        pytest.param(0x3822_0820, id="strb: uxtb"),
        pytest.param(0xF8A2_A820, id="prfm: sxth"),
    ],
)
def test_offset_cannot_be_extended_from_less_than_a_word(backend, word):
    case(word, given(x1=BASE), expect(exit=undefined())).check(backend)
