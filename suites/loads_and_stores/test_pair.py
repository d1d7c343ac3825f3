"""Load/store register pair: signed offset, pre-indexed, post-indexed and non-temporal (no-allocate)."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import DATA, MAX64, SP, case, expect, given, word
from assay64.harness.cases.case import Region
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE

BASE = DATA + 0x1000
FIRST, SECOND = 0x8877_6655_C4B3_A291, 0x99AA_BBCC_D5E6_F7A8
WORDS = word(0x8000_0001) + word(0x7FFF_FFFE)
DOUBLEWORDS = [FIRST, SECOND]


@pytest.mark.parametrize(
    ("code", "distance"),
    [
        ("ldp x0, x2, [x1]", 0),
        ("ldp x0, x2, [x1, #504]", 504),
        ("ldp x0, x2, [x1, #-512]", -512),
        ("ldnp x0, x2, [x1]", 0),
        ("ldnp x0, x2, [x1, #504]", 504),
        ("ldnp x0, x2, [x1, #-512]", -512),
    ],
)
def test_load_pair_of_doublewords(backend, code, distance):
    case(
        code, given(x0=GARBAGE, x1=BASE, x2=GARBAGE, memory={BASE + distance: DOUBLEWORDS}), expect(x0=FIRST, x2=SECOND)
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "distance", "first", "second"),
    [
        ("ldp w0, w2, [x1]", 0, 0x8000_0001, 0x7FFF_FFFE),
        ("ldp w0, w2, [x1, #252]", 252, 0x8000_0001, 0x7FFF_FFFE),
        ("ldp w0, w2, [x1, #-256]", -256, 0x8000_0001, 0x7FFF_FFFE),
        ("ldnp w0, w2, [x1, #252]", 252, 0x8000_0001, 0x7FFF_FFFE),
        ("ldnp w0, w2, [x1, #-256]", -256, 0x8000_0001, 0x7FFF_FFFE),
        ("ldpsw x0, x2, [x1]", 0, 0xFFFF_FFFF_8000_0001, 0x7FFF_FFFE),
        ("ldpsw x0, x2, [x1, #252]", 252, 0xFFFF_FFFF_8000_0001, 0x7FFF_FFFE),
        ("ldpsw x0, x2, [x1, #-256]", -256, 0xFFFF_FFFF_8000_0001, 0x7FFF_FFFE),
    ],
)
def test_load_pair_of_words(backend, code, distance, first, second):
    case(
        code, given(x0=GARBAGE, x1=BASE, x2=GARBAGE, memory={BASE + distance: WORDS}), expect(x0=first, x2=second)
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "address", "base"),
    [
        ("ldp x0, x2, [x1], #504", BASE, BASE + 504),
        ("ldp x0, x2, [x1], #-512", BASE, BASE - 512),
        ("ldp x0, x2, [x1, #504]!", BASE + 504, BASE + 504),
        ("ldp x0, x2, [x1, #-512]!", BASE - 512, BASE - 512),
    ],
)
def test_load_pair_of_doublewords_writes_back(backend, code, address, base):
    case(
        code,
        given(x0=GARBAGE, x1=BASE, x2=GARBAGE, memory={address: DOUBLEWORDS}),
        expect(x0=FIRST, x1=base, x2=SECOND),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "address", "base", "first"),
    [
        ("ldp w0, w2, [x1], #252", BASE, BASE + 252, 0x8000_0001),
        ("ldp w0, w2, [x1, #-256]!", BASE - 256, BASE - 256, 0x8000_0001),
        ("ldpsw x0, x2, [x1], #-256", BASE, BASE - 256, 0xFFFF_FFFF_8000_0001),
        ("ldpsw x0, x2, [x1, #252]!", BASE + 252, BASE + 252, 0xFFFF_FFFF_8000_0001),
    ],
)
def test_load_pair_of_words_writes_back(backend, code, address, base, first):
    case(
        code, given(x0=GARBAGE, x1=BASE, x2=GARBAGE, memory={address: WORDS}), expect(x0=first, x1=base, x2=0x7FFF_FFFE)
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "address", "base"),
    [
        ("stp x0, x2, [x1, #504]", BASE + 504, BASE),
        ("stp x0, x2, [x1, #-512]", BASE - 512, BASE),
        ("stnp x0, x2, [x1, #504]", BASE + 504, BASE),
        ("stnp x0, x2, [x1, #-512]", BASE - 512, BASE),
        ("stp x0, x2, [x1], #-512", BASE, BASE - 512),
        ("stp x0, x2, [x1, #504]!", BASE + 504, BASE + 504),
    ],
)
def test_store_pair_of_doublewords(backend, code, address, base):
    case(code, given(x0=FIRST, x1=BASE, x2=SECOND, fill=7), expect(x1=base, memory={address: DOUBLEWORDS})).check(
        backend
    )


@pytest.mark.parametrize(
    ("code", "address", "base"),
    [
        ("stp w0, w2, [x1, #252]", BASE + 252, BASE),
        ("stnp w0, w2, [x1, #-256]", BASE - 256, BASE),
        ("stp w0, w2, [x1], #252", BASE, BASE + 252),
        ("stp w0, w2, [x1, #-256]!", BASE - 256, BASE - 256),
    ],
)
def test_store_pair_of_words_writes_the_low_halves_side_by_side(backend, code, address, base):
    stored = word(0xC4B3_A291) + word(0xD5E6_F7A8)
    case(code, given(x0=FIRST, x1=BASE, x2=SECOND, fill=8), expect(x1=base, memory={address: stored})).check(backend)


def test_pair_needs_no_alignment_in_normal_memory(backend):
    case("ldp x0, x2, [x1]", given(x1=BASE + 5, memory={BASE + 5: DOUBLEWORDS}), expect(x0=FIRST, x2=SECOND)).check(
        backend
    )


@pytest.mark.parametrize(
    ("code", "after"),
    [("ldp x1, x2, [x1]", {"x1": FIRST, "x2": SECOND}), ("ldp x2, x1, [x1]", {"x2": FIRST, "x1": SECOND})],
    ids=["first", "second"],
)
def test_load_pair_without_write_back_may_overwrite_its_base(backend, code, after):
    case(code, given(x1=BASE, memory={BASE: DOUBLEWORDS}), expect(**after)).check(backend)


def test_store_pair_may_store_one_register_twice(backend):
    case("stp x0, x0, [x1]", given(x0=FIRST, x1=BASE), expect(memory={BASE: [FIRST, FIRST]})).check(backend)


def test_store_pair_may_store_its_base_without_write_back(backend):
    case("stp x1, x1, [x1]", given(x1=BASE), expect(memory={BASE: [BASE, BASE]})).check(backend)


def test_store_pair_of_zero_registers(backend):
    case(
        "stp xzr, xzr, [x1], #16",
        given(x1=BASE, memory={BASE: [MAX64] * 3}),
        expect(x1=BASE + 16, memory={BASE: [0, 0]}),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "after"),
    [("ldp xzr, x2, [x1]", {"x2": SECOND}), ("ldp x0, xzr, [x1]", {"x0": FIRST})],
    ids=["first", "second"],
)
def test_load_pair_discards_what_goes_to_the_zero_register(backend, code, after):
    case(code, given(x1=BASE, memory={BASE: DOUBLEWORDS}), expect(**after)).check(backend)


def test_push_and_pop(backend):
    case(
        "stp x29, x30, [sp, #-16]!\nldp x0, x2, [sp], #16",
        given(x29=FIRST, x30=SECOND),
        expect(x0=FIRST, x2=SECOND, memory={SP - 16: DOUBLEWORDS}),
    ).check(backend)


def test_second_register_is_found_across_two_to_the_64(backend):
    # The pair lies at -8 and 0: two accesses, each of which is whole.
    top, low = Region(address=MAX64 - 0xFFFF, size=0x1_0000), Region(address=0, size=0x1_0000)
    case(
        "ldp x0, x2, [x1]",
        given(x1=MAX64 - 7, memory={MAX64 - 7: FIRST, 0: SECOND}),
        expect(x0=FIRST, x2=SECOND),
        regions=[low, top],
    ).check(backend)


def test_pre_indexed_pair_wraps_through_zero(backend):
    case(
        "stp x0, x2, [x1, #16]!",
        given(x0=FIRST, x1=MAX64 - 7, x2=NEGATIVE),
        expect(x1=8, memory={8: [FIRST, NEGATIVE]}),
        regions=[Region(address=0, size=0x1_0000)],
    ).check(backend)
