"""Data aborts of loads and stores: reported exactly, with destination, write-back and memory untouched."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import CODE, DATA, DATA_END, MAX64, case, data_abort, expect, given, unknown
from assay64.harness.cases.case import Environment, Region
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE, UNMAPPED

pytestmark = pytest.mark.faults

READ_ONLY = Region(address=UNMAPPED, size=0x1_0000, permissions="r")
NO_ACCESS = Region(address=UNMAPPED, size=0x1_0000, permissions="")

SINGLE_LOADS = (
    ("ldr x0, [x1, #32760]", 32760),
    ("ldrb w0, [x1]", 0),
    ("ldur x0, [x1, #-256]", -256),
    ("ldr x0, [x1, #-8]!", -8),
    ("ldrsw x0, [x1], #4", 0),
    ("ldr w0, [x1, x2]", 0x20),
    ("ldrsh x0, [x1, w2, sxtw #1]", 0x40),
    ("ldxr x0, [x1]", 0),
    ("ldar w0, [x1]", 0),
)
SINGLE_STORES = (
    ("str x0, [x1, #32760]", 32760),
    ("strb w0, [x1]", 0),
    ("stur x0, [x1, #-256]", -256),
    ("str x0, [x1, #-8]!", -8),
    ("strh w0, [x1], #4", 0),
    ("str w0, [x1, x2]", 0x20),
    ("stlr x0, [x1]", 0),
)
PAIR_LOADS = (
    ("ldp x0, x2, [x1, #504]", 504),
    ("ldp w0, w2, [x1], #-8", 0),
    ("ldpsw x0, x2, [x1, #-256]!", -256),
    ("ldnp x0, x2, [x1]", 0),
    ("ldxp x0, x2, [x1]", 0),
)
PAIR_STORES = (
    ("stp x0, x2, [x1, #504]", 504),
    ("stp w0, w2, [x1], #-8", 0),
    ("stp x0, x2, [x1, #-512]!", -512),
    ("stnp w0, w2, [x1]", 0),
)


@pytest.mark.parametrize(("code", "distance"), SINGLE_LOADS)
def test_load_from_unmapped_memory(backend, code, distance):
    base = UNMAPPED + 0x1000
    case(
        code, given(x0=GARBAGE, x1=base, x2=0x20), expect(exit=data_abort(base + distance, "read", "translation"))
    ).check(backend)


@pytest.mark.parametrize(("code", "distance"), SINGLE_STORES)
def test_store_to_unmapped_memory(backend, code, distance):
    base = UNMAPPED + 0x1000
    case(
        code, given(x0=GARBAGE, x1=base, x2=0x20), expect(exit=data_abort(base + distance, "write", "translation"))
    ).check(backend)


@pytest.mark.parametrize(("code", "distance"), PAIR_LOADS)
def test_load_pair_from_unmapped_memory_may_lose_its_destinations_but_not_its_base(backend, code, distance):
    base = UNMAPPED + 0x1000
    case(
        code,
        given(x0=GARBAGE, x1=base, x2=GARBAGE),
        expect(unknown("x0", "x2"), exit=data_abort(base + distance, "read", "translation")),
    ).check(backend)


@pytest.mark.parametrize(("code", "distance"), PAIR_STORES)
def test_store_pair_to_unmapped_memory(backend, code, distance):
    base = UNMAPPED + 0x1000
    case(
        code, given(x0=GARBAGE, x1=base, x2=GARBAGE), expect(exit=data_abort(base + distance, "write", "translation"))
    ).check(backend)


@pytest.mark.parametrize(("code", "distance"), [*SINGLE_STORES[-4:], *PAIR_STORES[-2:]])
def test_store_to_read_only_memory(backend, code, distance):
    base = UNMAPPED + 0x1000
    case(
        code,
        given(x0=GARBAGE, x1=base, x2=0x20),
        expect(exit=data_abort(base + distance, "write", "permission")),
        regions=[READ_ONLY],
    ).check(backend)


def test_load_from_read_only_memory(backend):
    case(
        "ldr x0, [x1]", given(x1=UNMAPPED, memory={UNMAPPED: NEGATIVE}), expect(x0=NEGATIVE), regions=[READ_ONLY]
    ).check(backend)


@pytest.mark.parametrize(("code", "access"), [("ldr x0, [x1], #8", "read"), ("str x0, [x1, #0]!", "write")])
def test_memory_without_any_permission(backend, code, access):
    case(
        code,
        given(x0=GARBAGE, x1=UNMAPPED),
        expect(exit=data_abort(UNMAPPED, access, "permission")),
        regions=[NO_ACCESS],
    ).check(backend)


def test_store_to_code(backend):
    case("str x0, [x1]", given(x0=GARBAGE, x1=CODE), expect(exit=data_abort(CODE, "write", "permission"))).check(
        backend
    )


def test_load_from_execute_only_memory(backend):
    case(
        "ldr x0, [x1]",
        given(x0=GARBAGE, x1=CODE),
        expect(exit=data_abort(CODE, "read", "permission")),
        regions=[Region(address=CODE, size=0x1_0000, permissions="x")],
    ).check(backend)


@pytest.mark.parametrize(("code", "access"), [("ldr xzr, [x1], #8", "read"), ("str xzr, [x1], #8", "write")])
def test_access_with_the_zero_register_faults_all_the_same(backend, code, access):
    case(code, given(x1=UNMAPPED), expect(exit=data_abort(UNMAPPED, access, "translation"))).check(backend)


def test_load_that_faults_keeps_its_base_even_when_that_is_the_destination(backend):
    case("ldr x1, [x1]", given(x1=UNMAPPED), expect(exit=data_abort(UNMAPPED, "read", "translation"))).check(backend)


@pytest.mark.parametrize("code", ["ldp x1, x2, [x1]", "ldp x2, x1, [x1]"], ids=["first", "second"])
def test_load_pair_that_faults_keeps_its_base_even_when_that_is_a_destination(backend, code):
    case(code, given(x1=UNMAPPED), expect(unknown("x2"), exit=data_abort(UNMAPPED, "read", "translation"))).check(
        backend
    )


def test_load_that_faults_keeps_an_offset_that_is_the_destination(backend):
    case(
        "ldr x2, [x1, x2]", given(x1=UNMAPPED, x2=0x20), expect(exit=data_abort(UNMAPPED + 0x20, "read", "translation"))
    ).check(backend)


def test_write_back_of_the_stack_pointer_does_not_happen(backend):
    case(
        "stp x29, x30, [sp, #-16]!",
        given(x29=1, x30=2, sp=UNMAPPED),
        expect(exit=data_abort(UNMAPPED - 16, "write", "translation")),
    ).check(backend)


def test_what_comes_before_the_fault_is_done_and_what_follows_is_not(backend):
    case(
        "str x3, [x1], #8\nadds x4, x3, #1\nldr x0, [x2], #8\nstr x3, [x1]\nmov x5, #1",
        given(x0=GARBAGE, x1=DATA, x2=UNMAPPED, x3=MAX64),
        expect(
            x1=DATA + 8,
            x4=0,
            Z=1,
            C=1,
            memory={DATA: MAX64},
            exit=data_abort(UNMAPPED, "read", "translation"),
            pc=CODE + 8,
        ),
    ).check(backend)


def test_fault_in_the_second_round_of_a_loop(backend):
    case(
        "1: ldr x0, [x1], #8\nb 1b",
        given(x1=DATA_END - 8, memory={DATA_END - 8: NEGATIVE}),
        expect(x0=NEGATIVE, x1=DATA_END, exit=data_abort(DATA_END, "read", "translation"), pc=CODE),
    ).check(backend)


@pytest.mark.parametrize(
    "address", [1 << 48 | DATA, 1 << 63 | DATA, 0x5A << 56 | DATA, MAX64 - 7], ids=["bit 48", "bit 63", "tag", "top"]
)
def test_address_is_not_truncated(backend, address):
    case("ldr x0, [x1]", given(x0=GARBAGE, x1=address), expect(exit=data_abort(address, "read", "translation"))).check(
        backend
    )


@pytest.mark.parametrize("address", [0x5A << 56 | UNMAPPED, 1 << 55 | DATA], ids=["tag", "bit 55 with another tag"])
def test_address_of_a_fault_includes_an_ignored_tag(backend, address):
    # FAR_EL1: where address tagging is enabled for the data access, the register includes the tag.
    case(
        "ldr x0, [x1]",
        given(x0=GARBAGE, x1=address),
        expect(exit=data_abort(address, "read", "translation")),
        environment=Environment(top_byte_ignore=True),
    ).check(backend)
