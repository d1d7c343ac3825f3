"""Overlapping registers of loads and stores: write-back or a second load that meets a transfer register.

CONSTRAINED UNPREDICTABLE (Arm ARM K1.2, and the pages of the instructions): the instruction is UNDEFINED, a NOP, or
does one of the things that are listed here.
"""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import (
    DATA,
    MAX32,
    case,
    expect,
    given,
    memory_unknown,
    permit,
    undefined,
    unknown,
    word,
)

BASE = DATA + 0x1000
FIRST, SECOND = 0x8877_6655_C4B3_A291, 0x99AA_BBCC_D5E6_F7A8
NOP = expect()
UNDEFINED = expect(exit=undefined())


@pytest.mark.parametrize(
    ("code", "address", "loaded"),
    [
        ("ldr x1, [x1], #8", BASE, FIRST),
        ("ldr x1, [x1, #8]!", BASE + 8, FIRST),
        ("ldr w1, [x1], #4", BASE, 0xC4B3_A291),
        ("ldrb w1, [x1, #-1]!", BASE - 1, 0x91),
        ("ldrsh x1, [x1], #2", BASE, 0xFFFF_FFFF_FFFF_A291),
        ("ldrsw x1, [x1, #4]!", BASE + 4, 0xFFFF_FFFF_C4B3_A291),
    ],
)
def test_load_over_the_base_that_is_written_back(backend, code, address, loaded):
    case(
        code,
        given(x1=BASE, memory={address: FIRST}),
        permit(expect(x1=loaded), expect(unknown("x1")), UNDEFINED, NOP),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "address", "base", "stored"),
    [
        ("str x1, [x1], #8", BASE, BASE + 8, BASE.to_bytes(8, "little")),
        ("str x1, [x1, #-16]!", BASE - 16, BASE - 16, BASE.to_bytes(8, "little")),
        ("str w1, [x1, #4]!", BASE + 4, BASE + 4, BASE.to_bytes(4, "little")),
        ("strb w1, [x1], #1", BASE, BASE + 1, b"\x00"),
    ],
)
def test_store_of_the_base_that_is_written_back(backend, code, address, base, stored):
    case(
        code,
        given(x1=BASE, fill=9),
        permit(
            expect(x1=base, memory={address: stored}),
            expect(memory_unknown(address, len(stored)), x1=base),
            UNDEFINED,
            NOP,
        ),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "other", "loaded"),
    [
        ("ldp x1, x2, [x1], #16", {"x2": SECOND}, FIRST),
        ("ldp x2, x1, [x1], #16", {"x2": FIRST}, SECOND),
    ],
    ids=["first", "second"],
)
def test_load_pair_over_the_base_that_is_written_back(backend, code, other, loaded):
    case(
        code,
        given(x1=BASE, memory={BASE: [FIRST, SECOND]}),
        permit(expect(x1=loaded, **other), expect(unknown("x1"), **other), UNDEFINED, NOP),
    ).check(backend)


def test_ldpsw_over_the_base_that_is_written_back(backend):
    case(
        "ldpsw x1, x2, [x1, #8]!",
        given(x1=BASE, memory={BASE + 8: FIRST}),
        permit(
            expect(x1=0xFFFF_FFFF_C4B3_A291, x2=0xFFFF_FFFF_8877_6655),
            expect(unknown("x1"), x2=0xFFFF_FFFF_8877_6655),
            UNDEFINED,
            NOP,
        ),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "stored", "unknown_at"),
    [
        ("stp x1, x2, [x1], #16", [BASE, SECOND], BASE),
        ("stp x2, x1, [x1], #16", [SECOND, BASE], BASE + 8),
    ],
    ids=["first", "second"],
)
def test_store_pair_of_the_base_that_is_written_back(backend, code, stored, unknown_at):
    case(
        code,
        given(x1=BASE, x2=SECOND, fill=10),
        permit(
            expect(x1=BASE + 16, memory={BASE: stored}),
            expect(memory_unknown(unknown_at, 8), x1=BASE + 16, memory={BASE: stored}),
            UNDEFINED,
            NOP,
        ),
    ).check(backend)


@pytest.mark.parametrize("code", ["ldp x0, x0, [x1]", "ldnp x0, x0, [x1]", "ldpsw x0, x0, [x1]"])
def test_load_pair_into_one_register_leaves_it_unknown(backend, code):
    case(code, given(x1=BASE, memory={BASE: [FIRST, SECOND]}), permit(expect(unknown("x0")), UNDEFINED, NOP)).check(
        backend
    )


def test_load_pair_of_words_into_one_register_clears_its_upper_half(backend):
    case(
        "ldp w0, w0, [x1]",
        given(x0=FIRST, x1=BASE, memory={BASE: [FIRST, SECOND]}),
        permit(expect(unknown(x0=MAX32), x0=0), UNDEFINED, NOP),
    ).check(backend)


def test_load_pair_into_one_register_still_writes_back(backend):
    case(
        "ldp x0, x0, [x1], #16",
        given(x1=BASE, memory={BASE: [FIRST, SECOND]}),
        permit(expect(unknown("x0"), x1=BASE + 16), UNDEFINED, NOP),
    ).check(backend)


def test_load_pair_into_the_zero_register_twice(backend):
    case(
        "ldp xzr, xzr, [x1], #16",
        given(x1=BASE, memory={BASE: [FIRST, SECOND]}),
        permit(expect(x1=BASE + 16), UNDEFINED, NOP),
    ).check(backend)


# --- the stack pointer and the zero register share a number and do not overlap


def test_load_to_the_zero_register_with_write_back_to_the_stack_pointer(backend):
    case("ldr xzr, [sp], #16", given(sp=BASE, memory={BASE: FIRST}), expect(sp=BASE + 16)).check(backend)


def test_store_of_the_zero_register_with_write_back_to_the_stack_pointer(backend):
    case("str xzr, [sp, #-16]!", given(sp=BASE, fill=11), expect(sp=BASE - 16, memory={BASE - 16: [0]})).check(backend)


def test_load_pair_to_the_zero_register_with_write_back_to_the_stack_pointer(backend):
    case(
        "ldp xzr, x0, [sp], #16", given(sp=BASE, memory={BASE: [FIRST, SECOND]}), expect(x0=SECOND, sp=BASE + 16)
    ).check(backend)


def test_store_pair_of_the_zero_register_with_write_back_to_the_stack_pointer(backend):
    case(
        "stp w0, wzr, [sp, #-8]!",
        given(x0=7, sp=BASE, fill=12),
        expect(sp=BASE - 8, memory={BASE - 8: word(7) + word(0)}),
    ).check(backend)
