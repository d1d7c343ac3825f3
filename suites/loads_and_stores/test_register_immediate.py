"""Load/store register (immediate): unsigned offset, unscaled, pre-indexed, post-indexed, and what is written back."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import DATA, MAX64, byte, case, expect, given, halfword, word
from assay64.harness.cases.case import Environment, Region
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE, every_load, every_store

BASE = DATA + 0x1000
LOW_REGION = Region(address=0, size=0x1_0000)


@every_load
def test_unsigned_offset_counts_in_units_of_the_access(backend, load):
    offset = 0xFFF * load.size_bytes
    case(
        f"{load.mnemonic.format('')} {load.register}, [x1, #{offset}]",
        given(x0=GARBAGE, x1=BASE, memory={BASE + offset: NEGATIVE}),
        expect(x0=load.result),
    ).check(backend)


@every_store
def test_unsigned_offset_store_writes_the_low_bytes_and_no_others(backend, store):
    offset = 0xFFF * store.size_bytes
    case(
        f"{store.mnemonic.format('')} {store.register}, [x1, #{offset}]",
        given(x0=NEGATIVE, x1=BASE, fill=1),
        expect(memory={BASE + offset: store.data}),
    ).check(backend)


@every_load
def test_unscaled_offset_reaches_256_bytes_below_the_base(backend, load):
    case(
        f"{load.mnemonic.format('u')} {load.register}, [x1, #-256]",
        given(x0=GARBAGE, x1=BASE, memory={BASE - 256: NEGATIVE}),
        expect(x0=load.result),
    ).check(backend)


@every_store
def test_unscaled_offset_reaches_255_bytes_above_the_base(backend, store):
    case(
        f"{store.mnemonic.format('u')} {store.register}, [x1, #255]",
        given(x0=NEGATIVE, x1=BASE, fill=2),
        expect(memory={BASE + 255: store.data}),
    ).check(backend)


@every_load
def test_pre_indexed_load_reads_at_the_sum_and_writes_it_back(backend, load):
    case(
        f"{load.mnemonic.format('')} {load.register}, [x1, #-256]!",
        given(x0=GARBAGE, x1=BASE, memory={BASE - 256: NEGATIVE}),
        expect(x0=load.result, x1=BASE - 256),
    ).check(backend)


@every_store
def test_pre_indexed_store_writes_at_the_sum_and_writes_it_back(backend, store):
    case(
        f"{store.mnemonic.format('')} {store.register}, [x1, #255]!",
        given(x0=NEGATIVE, x1=BASE, fill=3),
        expect(x1=BASE + 255, memory={BASE + 255: store.data}),
    ).check(backend)


@every_load
def test_post_indexed_load_reads_at_the_base_and_writes_back_the_sum(backend, load):
    case(
        f"{load.mnemonic.format('')} {load.register}, [x1], #255",
        given(x0=GARBAGE, x1=BASE, memory={BASE: NEGATIVE}),
        expect(x0=load.result, x1=BASE + 255),
    ).check(backend)


@every_store
def test_post_indexed_store_writes_at_the_base_and_writes_back_the_sum(backend, store):
    case(
        f"{store.mnemonic.format('')} {store.register}, [x1], #-256",
        given(x0=NEGATIVE, x1=BASE, fill=4),
        expect(x1=BASE - 256, memory={BASE: store.data}),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "data", "result"),
    [
        ("ldrsb w0, [x1]", byte(0x7F) + byte(0xFF), 0x7F),
        ("ldrsb x0, [x1]", byte(0x7F) + byte(0xFF), 0x7F),
        ("ldrsh w0, [x1]", halfword(0x7FFF) + halfword(0xFFFF), 0x7FFF),
        ("ldrsh x0, [x1]", halfword(0x7FFF) + halfword(0xFFFF), 0x7FFF),
        ("ldrsw x0, [x1]", word(0x7FFF_FFFF) + word(0xFFFF_FFFF), 0x7FFF_FFFF),
    ],
    ids=["ldrsb-w", "ldrsb-x", "ldrsh-w", "ldrsh-x", "ldrsw"],
)
def test_sign_is_the_top_bit_of_the_element_not_of_what_lies_above_it(backend, code, data, result):
    case(code, given(x0=GARBAGE, x1=DATA, memory={DATA: data}), expect(x0=result)).check(backend)


def test_write_back_of_zero_offset_leaves_the_base(backend):
    case("ldr x0, [x1], #0", given(x1=DATA, memory={DATA: 7}), expect(x0=7)).check(backend)


def test_load_without_write_back_may_overwrite_its_base(backend):
    case("ldr x1, [x1, #8]", given(x1=DATA, memory={DATA + 8: 7}), expect(x1=7)).check(backend)


def test_word_load_over_its_base_clears_the_upper_half(backend):
    base = 0xFFFF_0000_0000 + DATA
    high = Region(address=base, size=0x1_0000)
    case("ldr w1, [x1]", given(x1=base, memory={base: MAX64}), expect(x1=0xFFFF_FFFF), regions=[high]).check(backend)


def test_store_of_its_own_base_without_write_back(backend):
    case("str x1, [x1, #8]", given(x1=DATA), expect(memory={DATA + 8: DATA})).check(backend)


# --- the zero register


@pytest.mark.parametrize("code", ["strb wzr, [x1]", "strh wzr, [x1]", "str wzr, [x1]", "str xzr, [x1]"])
def test_store_of_the_zero_register_writes_zeros(backend, code):
    size_bytes = {"strb": 1, "strh": 2}.get(code.split()[0], 4 if "wzr" in code else 8)
    case(
        code, given(x1=DATA, sp=DATA + 0x100, memory={DATA: [MAX64, MAX64]}), expect(memory={DATA: bytes(size_bytes)})
    ).check(backend)


@pytest.mark.parametrize("code", ["ldrb wzr, [x1]", "ldrsh xzr, [x1]", "ldr wzr, [x1]", "ldr xzr, [x1]"])
def test_load_to_the_zero_register_changes_nothing(backend, code):
    case(code, given(x1=DATA, memory={DATA: MAX64}), expect()).check(backend)


def test_load_to_the_zero_register_still_writes_back(backend):
    case("ldr xzr, [x1], #16", given(x1=DATA, memory={DATA: MAX64}), expect(x1=DATA + 16)).check(backend)


# --- 64-bit addresses


def test_unsigned_offset_wraps_at_two_to_the_64(backend):
    case(
        "ldr x0, [x1, #32760]",
        given(x1=MAX64 - 7, memory={32752: NEGATIVE}),
        expect(x0=NEGATIVE),
        regions=[LOW_REGION],
    ).check(backend)


def test_pre_indexed_address_wraps_upwards_through_zero(backend):
    case(
        "ldr x0, [x1, #16]!", given(x1=MAX64 - 7, memory={8: NEGATIVE}), expect(x0=NEGATIVE, x1=8), regions=[LOW_REGION]
    ).check(backend)


def test_post_indexed_write_back_wraps_downwards_through_zero(backend):
    case(
        "ldr x0, [x1], #-16", given(x1=8, memory={8: NEGATIVE}), expect(x0=NEGATIVE, x1=MAX64 - 7), regions=[LOW_REGION]
    ).check(backend)


def test_unscaled_offset_borrows_from_the_upper_word(backend):
    base = 0x1_0000_0000
    below = Region(address=base - 0x1_0000, size=0x1_0000)
    case("ldur x0, [x1, #-8]", given(x1=base, memory={base - 8: NEGATIVE}), expect(x0=NEGATIVE), regions=[below]).check(
        backend
    )


def test_post_indexed_write_back_carries_into_the_upper_word(backend):
    base = 0x1_0000_0000 - 8
    below = Region(address=base - 0xFFF8, size=0x1_0000)
    case("str x0, [x1], #8", given(x0=7, x1=base), expect(x1=0x1_0000_0000, memory={base: 7}), regions=[below]).check(
        backend
    )


@pytest.mark.parametrize(
    ("code", "address"),
    [("ldr x0, [x1], #8", DATA), ("ldr x0, [x1, #8]!", DATA + 8)],
    ids=["post-indexed", "pre-indexed"],
)
def test_write_back_keeps_an_ignored_tag(backend, code, address):
    tag = 0x5A << 56
    case(
        code,
        given(x1=tag | DATA, memory={address: NEGATIVE}),
        expect(x0=NEGATIVE, x1=tag | DATA + 8),
        environment=Environment(top_byte_ignore=True),
    ).check(backend)


def test_access_to_normal_memory_need_not_be_aligned(backend):
    case("ldr x0, [x1]", given(x1=DATA + 3, memory={DATA + 3: NEGATIVE}), expect(x0=NEGATIVE)).check(backend)
