"""Stack pointer as base register: its alignment is checked before anything else happens.

Arm ARM D1.3, SP alignment checking, and CheckSPAlignment in the pages of the instructions.
"""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import CODE, SP, case, expect, given, sp_alignment
from assay64.harness.cases.case import SCTLR_EL1, Environment
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE, UNMAPPED

pytestmark = pytest.mark.faults

SA0 = 1 << 4
ACCESSES = (
    "ldr x0, [sp]",
    "strb w0, [sp]",
    "ldur x0, [sp, #8]",
    "str x0, [sp, #-8]!",
    "ldrsw x0, [sp], #4",
    "ldr x0, [sp, x2]",
    "ldtr x0, [sp]",
    "sttrh w0, [sp]",
    "ldp x0, x3, [sp]",
    "stp x0, x3, [sp, #-16]!",
    "ldpsw x0, x3, [sp], #8",
    "ldnp x0, x3, [sp]",
    "stnp x0, x3, [sp]",
    "ldxr x0, [sp]",
    "stxr w3, x0, [sp]",
    "ldxp x0, x3, [sp]",
    "stlxp w3, x0, x2, [sp]",
    "ldar x0, [sp]",
    "stlr x0, [sp]",
)


@pytest.mark.parametrize("code", ACCESSES)
def test_misaligned_stack_pointer_faults(backend, code):
    case(code, given(x0=GARBAGE, x2=8, x3=GARBAGE, sp=SP + 8, fill=13), expect(exit=sp_alignment())).check(backend)


@pytest.mark.parametrize("excess", [1, 2, 4, 15])
def test_stack_pointer_must_be_a_multiple_of_16(backend, excess):
    case("ldrb w0, [sp]", given(x0=GARBAGE, sp=SP + excess), expect(exit=sp_alignment())).check(backend)


def test_check_looks_at_the_stack_pointer_not_at_the_address(backend):
    case("ldr x0, [sp, #8]", given(x0=GARBAGE, sp=SP - 8), expect(exit=sp_alignment())).check(backend)


def test_aligned_stack_pointer_allows_an_unaligned_address(backend):
    case("ldur x0, [sp, #3]", given(memory={SP + 3: NEGATIVE}), expect(x0=NEGATIVE)).check(backend)


def test_check_comes_before_translation(backend):
    case("ldr x0, [sp]", given(x0=GARBAGE, sp=UNMAPPED + 8), expect(exit=sp_alignment())).check(backend)


def test_check_comes_before_the_alignment_of_the_access(backend):
    case("ldxr x0, [sp]", given(x0=GARBAGE, sp=SP + 4), expect(exit=sp_alignment())).check(backend)


def test_load_to_the_zero_register_is_checked(backend):
    case("ldr xzr, [sp]", given(sp=SP + 8), expect(exit=sp_alignment())).check(backend)


def test_another_base_register_with_the_same_value_is_not_checked(backend):
    case("ldr x0, [x1]", given(x1=SP + 8, sp=SP + 8, memory={SP + 8: NEGATIVE}), expect(x0=NEGATIVE)).check(backend)


def test_write_back_may_misalign_the_stack_pointer_for_the_next_access(backend):
    case(
        "str x0, [sp, #-8]!\nstr x0, [sp, #-8]!",
        given(x0=7),
        expect(sp=SP - 8, memory={SP - 8: 7}, exit=sp_alignment(), pc=CODE + 4),
    ).check(backend)


def test_arithmetic_on_a_misaligned_stack_pointer_is_not_checked(backend):
    case("add x0, sp, #8\nsub sp, sp, #16", given(sp=SP + 4), expect(x0=SP + 12, sp=SP - 12)).check(backend)


def test_check_can_be_switched_off(backend):
    case(
        "ldr x0, [sp]",
        given(sp=SP + 8, memory={SP + 8: NEGATIVE}),
        expect(x0=NEGATIVE),
        environment=Environment(sctlr_el1=SCTLR_EL1 & ~SA0),
    ).check(backend)


# --- base 31 is SP, transfer register 31 is XZR


def test_base_31_is_the_stack_pointer_and_transfer_register_31_is_zero(backend):
    case("str xzr, [sp, #8]", given(memory={SP: [NEGATIVE, NEGATIVE]}), expect(memory={SP + 8: [0]})).check(backend)


def test_post_indexed_pop(backend):
    case("ldr x0, [sp], #16", given(memory={SP: NEGATIVE}), expect(x0=NEGATIVE, sp=SP + 16)).check(backend)
