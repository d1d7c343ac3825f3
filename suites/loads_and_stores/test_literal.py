"""Load register (literal): LDR and LDRSW at a distance from the instruction."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import CODE, MAX64, case, data_abort, expect, given, word
from assay64.harness.cases.case import Region
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE

FARTHEST_FORWARD = 0xF_FFFC
FARTHEST_BACKWARD = -0x10_0000


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("ldr w0, . + 0x40", 0x0000_0000_C4B3_A291),
        ("ldr x0, . + 0x40", 0x8877_6655_C4B3_A291),
        ("ldrsw x0, . + 0x40", 0xFFFF_FFFF_C4B3_A291),
        ("ldr w0, . - 0x40", 0x0000_0000_C4B3_A291),
        ("ldr x0, . - 0x40", 0x8877_6655_C4B3_A291),
        ("ldrsw x0, . - 0x40", 0xFFFF_FFFF_C4B3_A291),
    ],
)
def test_literal_is_found_at_its_distance_from_the_instruction(backend, code, result):
    address = CODE + (0x40 if "+" in code else -0x40)
    case(code, given(x0=GARBAGE, memory={address: NEGATIVE}), expect(x0=result)).check(backend)


def test_distance_counts_from_the_load_not_from_the_start_of_the_code(backend):
    case("nop\nnop\nldr x0, . + 0x40", given(memory={CODE + 8 + 0x40: NEGATIVE}), expect(x0=NEGATIVE)).check(backend)


def test_positive_word_is_extended_with_zeros(backend):
    case(
        "ldrsw x0, . + 8",
        given(x0=GARBAGE, memory={CODE + 8: word(0x7FFF_FFFF) + word(MAX64 >> 32)}),
        expect(x0=0x7FFF_FFFF),
    ).check(backend)


def test_doubleword_literal_needs_only_word_alignment(backend):
    case("ldr x0, . + 0x44", given(memory={CODE + 0x44: NEGATIVE}), expect(x0=NEGATIVE)).check(backend)


def test_farthest_literal_forward(backend):
    case(
        f"ldr w0, . + {FARTHEST_FORWARD:#x}",
        given(memory={CODE + FARTHEST_FORWARD: word(0x1234_5678)}),
        expect(x0=0x1234_5678),
        regions=[Region(address=CODE + 0xF_0000, size=0x1_0000, permissions="r")],
    ).check(backend)


def test_farthest_literal_backward(backend):
    case(
        f"ldr x0, . - {-FARTHEST_BACKWARD:#x}",
        given(memory={CODE + FARTHEST_BACKWARD: NEGATIVE}),
        expect(x0=NEGATIVE),
        regions=[Region(address=CODE + FARTHEST_BACKWARD, size=0x1_0000, permissions="r")],
    ).check(backend)


def test_instruction_may_load_itself(backend):
    case("ldr w0, . + 0", given(x0=GARBAGE), expect(x0=0x1800_0000)).check(backend)


def test_literal_to_the_zero_register(backend):
    case("ldr xzr, . + 0x40", given(memory={CODE + 0x40: NEGATIVE}), expect()).check(backend)


@pytest.mark.parametrize("code", ["ldr w0", "ldr x0", "ldrsw x0"])
def test_literal_in_unmapped_memory_aborts(backend, code):
    case(
        f"{code}, . + {FARTHEST_FORWARD:#x}",
        given(x0=GARBAGE),
        expect(exit=data_abort(CODE + FARTHEST_FORWARD, "read", "translation")),
    ).check(backend)


def test_literal_in_execute_only_memory_aborts(backend):
    case(
        "ldr x0, . + 0x40",
        given(x0=GARBAGE),
        expect(exit=data_abort(CODE + 0x40, "read", "permission")),
        regions=[Region(address=CODE, size=0x1_0000, permissions="x")],
    ).check(backend)
