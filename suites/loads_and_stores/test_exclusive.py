"""Load/store exclusive: one processing element, and what its own instructions do to its monitor.

A store-exclusive may fail for no visible reason, so that single attempts permit both outcomes, and a loop has to come
to its end (Arm ARM B2.12).
"""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import (
    CODE,
    DATA,
    SP,
    case,
    data_abort,
    expect,
    given,
    memory_unknown,
    permit,
    reached_end,
    svc,
    undefined,
    unknown,
    word,
)
from assay64.harness.cases.case import Protect, Region, Run
from assay64.harness.cases.outcome import Access, Exit, ExitKind
from assay64.harness.cases.sentences import ExpectedExit
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE, UNMAPPED

pytestmark = pytest.mark.exclusives

# No exclusives reservation granule is larger than 2048 bytes.
BASE, ELSEWHERE = DATA + 0x1000, DATA + 0x2000
OLD, NEW = 0x8877_6655_C4B3_A291, 0x0102_0304_0506_0708
OLD_HIGH, NEW_HIGH = 0x99AA_BBCC_D5E6_F7A8, 0x1112_1314_1516_1718
READ_ONLY = Region(address=UNMAPPED, size=0x1_0000, permissions="r")
# Arm leaves the address UNKNOWN: the store-exclusive may abort anywhere.
ABORT_ANYWHERE = ExpectedExit(Exit(kind=ExitKind.DATA_ABORT, access=Access.WRITE), frozenset({"address", "fault"}))

RETRIED = """
mov x7, #32
1: {load}
{store}
cbz w2, 2f
sub x7, x7, #1
cbnz x7, 1b
2: mov x7, #0
"""


@pytest.mark.parametrize(
    ("load", "store", "loaded", "stored"),
    [
        ("ldxrb w0, [x1]", "stxrb w2, w3, [x1]", 0x91, "08"),
        ("ldxrh w0, [x1]", "stxrh w2, w3, [x1]", 0xA291, "08 07"),
        ("ldxr w0, [x1]", "stxr w2, w3, [x1]", 0xC4B3_A291, "08 07 06 05"),
        ("ldxr x0, [x1]", "stxr w2, x3, [x1]", OLD, "08 07 06 05 04 03 02 01"),
        ("ldaxrb w0, [x1]", "stlxrb w2, w3, [x1]", 0x91, "08"),
        ("ldaxrh w0, [x1]", "stlxrh w2, w3, [x1]", 0xA291, "08 07"),
        ("ldaxr w0, [x1]", "stlxr w2, w3, [x1]", 0xC4B3_A291, "08 07 06 05"),
        ("ldaxr x0, [x1]", "stlxr w2, x3, [x1]", OLD, "08 07 06 05 04 03 02 01"),
        ("ldxr x0, [x1]", "stlxr w2, x3, [x1]", OLD, "08 07 06 05 04 03 02 01"),
        ("ldaxr x0, [x1]", "stxr w2, x3, [x1]", OLD, "08 07 06 05 04 03 02 01"),
    ],
)
def test_retried_store_exclusive_succeeds(backend, load, store, loaded, stored):
    case(
        RETRIED.format(load=load, store=store),
        given(x0=GARBAGE, x1=BASE, x2=GARBAGE, x3=NEW, memory={BASE: [OLD, OLD_HIGH]}),
        expect(x0=loaded, x2=0, memory={BASE: bytes.fromhex(stored)}),
    ).check(backend)


@pytest.mark.parametrize(
    ("load", "store", "first", "second", "stored"),
    [
        ("ldxp w0, w5, [x1]", "stxp w2, w3, w4, [x1]", 0xC4B3_A291, 0x8877_6655, word(0x0506_0708) + word(0x1516_1718)),
        (
            "ldaxp w0, w5, [x1]",
            "stlxp w2, w3, w4, [x1]",
            0xC4B3_A291,
            0x8877_6655,
            word(0x0506_0708) + word(0x1516_1718),
        ),
        ("ldxp x0, x5, [x1]", "stxp w2, x3, x4, [x1]", OLD, OLD_HIGH, [NEW, NEW_HIGH]),
        ("ldaxp x0, x5, [x1]", "stlxp w2, x3, x4, [x1]", OLD, OLD_HIGH, [NEW, NEW_HIGH]),
    ],
)
def test_retried_store_exclusive_pair_succeeds(backend, load, store, first, second, stored):
    case(
        RETRIED.format(load=load, store=store),
        given(x0=GARBAGE, x1=BASE, x2=GARBAGE, x3=NEW, x4=NEW_HIGH, x5=GARBAGE, memory={BASE: [OLD, OLD_HIGH]}),
        expect(x0=first, x2=0, x5=second, memory={BASE: stored}),
    ).check(backend)


def test_retried_increment_through_the_stack_pointer(backend):
    case(
        RETRIED.format(load="ldxr x0, [sp]\nadd x0, x0, #1", store="stxr w2, x0, [sp]"),
        given(memory={SP: OLD}),
        expect(x0=OLD + 1, memory={SP: OLD + 1}),
    ).check(backend)


# --- the monitor is open


@pytest.mark.parametrize(
    "code",
    [
        "stxrb w2, w3, [x1]",
        "stxrh w2, w3, [x1]",
        "stxr w2, w3, [x1]",
        "stxr w2, x3, [x1]",
        "stlxr w2, x3, [x1]",
        "stxp w2, w3, w4, [x1]",
        "stxp w2, x3, x4, [x1]",
        "stlxp w2, x3, x4, [x1]",
    ],
)
def test_store_exclusive_without_a_load_exclusive_fails_and_writes_nothing(backend, code):
    case(code, given(x1=BASE, x2=GARBAGE, x3=NEW, x4=NEW_HIGH, memory={BASE: [OLD, OLD_HIGH]}), expect(x2=1)).check(
        backend
    )


def test_plain_load_does_not_close_the_monitor(backend):
    case("ldar x0, [x1]\nstxr w2, x3, [x1]", given(x1=BASE, x3=NEW, memory={BASE: OLD}), expect(x0=OLD, x2=1)).check(
        backend
    )


@pytest.mark.parametrize("clear", ["clrex", "clrex #0", "clrex #7"])
def test_clrex_opens_the_monitor(backend, clear):
    case(
        f"ldxr x0, [x1]\n{clear}\nstxr w2, x3, [x1]", given(x1=BASE, x3=NEW, memory={BASE: OLD}), expect(x0=OLD, x2=1)
    ).check(backend)


def test_clrex_opens_the_monitor_for_a_pair(backend):
    case(
        "ldxp x0, x5, [x1]\nclrex\nstxp w2, x3, x4, [x1]",
        given(x1=BASE, x3=NEW, x4=NEW_HIGH, memory={BASE: [OLD, OLD_HIGH]}),
        expect(x0=OLD, x2=1, x5=OLD_HIGH),
    ).check(backend)


def test_second_store_exclusive_fails_whether_the_first_succeeded_or_not(backend):
    case(
        "ldxr x0, [x1]\nstxr w2, x3, [x1]\nstxr w5, x4, [x1]",
        given(x1=BASE, x3=NEW, x4=NEW_HIGH, memory={BASE: OLD}),
        permit(expect(x0=OLD, x2=0, x5=1, memory={BASE: NEW}), expect(x0=OLD, x2=1, x5=1)),
    ).check(backend)


# --- both outcomes are permitted, but each must be whole


BETWEEN = {
    "nothing": ("nop", {}),
    "a load": ("ldr x5, [x4]", {}),
    "a store elsewhere": ("str x6, [x4]", {ELSEWHERE: 6}),
    "a branch": ("b . + 4", {}),
    "a barrier": ("dmb sy", {}),
}


@pytest.mark.parametrize("between", BETWEEN)
def test_store_exclusive_after(backend, between):
    code, written = BETWEEN[between]
    case(
        f"ldxr x0, [x1]\n{code}\nstxr w2, x3, [x1]",
        given(x1=BASE, x2=GARBAGE, x3=NEW, x4=ELSEWHERE, x6=6, memory={BASE: OLD}),
        permit(expect(x0=OLD, x2=0, memory=written | {BASE: NEW}), expect(x0=OLD, x2=1, memory=written)),
    ).check(backend)


def test_store_to_the_location_by_the_same_element(backend):
    case(
        "ldxr x0, [x1]\nstr x4, [x1]\nstxr w2, x3, [x1]",
        given(x1=BASE, x3=NEW, x4=NEW_HIGH, memory={BASE: OLD}),
        permit(expect(x0=OLD, x2=0, memory={BASE: NEW}), expect(x0=OLD, x2=1, memory={BASE: NEW_HIGH})),
    ).check(backend)


# Arm ARM B2.12, usage restrictions: the status value is UNKNOWN, and so are the data at both addresses.


def test_store_exclusive_to_another_address(backend):
    case(
        "ldxr x0, [x1]\nstxr w2, x3, [x4]",
        given(x1=BASE, x2=GARBAGE, x3=NEW, x4=ELSEWHERE, memory={BASE: OLD}),
        expect(unknown(x2=1), memory_unknown(BASE, 8), memory_unknown(ELSEWHERE, 8), x0=OLD, x2=0),
    ).check(backend)


def test_store_exclusive_through_another_address_of_the_same_memory(backend):
    first = Region(address=UNMAPPED, size=0x1_0000, backing="shared")
    second = Region(address=UNMAPPED + 0x10_0000, size=0x1_0000, backing="shared")
    case(
        "ldxr x0, [x1]\nstxr w2, x3, [x4]",
        given(x1=UNMAPPED, x2=GARBAGE, x3=NEW, x4=UNMAPPED + 0x10_0000),
        expect(unknown(x2=1), memory_unknown(UNMAPPED, 8), x2=0),
        regions=[first, second],
    ).check(backend)


@pytest.mark.parametrize(
    ("load", "store", "loaded", "size_bytes"),
    [
        ("ldxr w0, [x1]", "stxr w2, x3, [x1]", 0xC4B3_A291, 8),
        ("ldxr x0, [x1]", "stxr w2, w3, [x1]", OLD, 8),
        ("ldxr w0, [x1]", "stxrb w2, w3, [x1]", 0xC4B3_A291, 4),
        ("ldxr x0, [x1]", "stxp w2, x3, x4, [x1]", OLD, 16),
    ],
    ids=["word, doubleword", "doubleword, word", "word, byte", "doubleword, pair of doublewords"],
)
def test_store_exclusive_of_another_size(backend, load, store, loaded, size_bytes):
    # The status value and the block of the larger size are UNKNOWN; what lies behind the block is not.
    case(
        f"{load}\n{store}",
        given(x1=BASE, x2=GARBAGE, x3=NEW, x4=NEW_HIGH, memory={BASE: [OLD, OLD_HIGH]}),
        expect(unknown(x2=1), memory_unknown(BASE, size_bytes), x0=loaded, x2=0),
    ).check(backend)


def test_exception_between(backend):
    case(
        "ldxr x0, [x1]\nsvc #0\nstxr w2, x3, [x1]",
        given(x1=BASE, x3=NEW, memory={BASE: OLD}),
        permit(
            expect(x0=OLD, x2=0, memory={BASE: NEW}, exits=[svc(0), reached_end()]),
            expect(x0=OLD, x2=1, exits=[svc(0), reached_end()]),
        ),
        actions=[Run(), Run()],
    ).check(backend)


# --- faults


@pytest.mark.parametrize(
    ("regions", "fault"), [((), "translation"), ((READ_ONLY,), "permission")], ids=["unmapped", "read-only"]
)
def test_store_exclusive_that_would_fault_with_an_open_monitor(backend, regions, fault):
    case(
        "stxr w2, x3, [x1]",
        given(x1=UNMAPPED, x2=GARBAGE, x3=NEW),
        permit(expect(x2=1), expect(exit=data_abort(UNMAPPED, "write", fault))),
        regions=regions,
    ).check(backend)


def test_store_exclusive_to_the_read_only_memory_that_was_loaded(backend):
    case(
        "ldxr x0, [x1]\nstxr w2, x3, [x1]",
        given(x1=UNMAPPED, x2=GARBAGE, x3=NEW, memory={UNMAPPED: OLD}),
        permit(
            expect(x0=OLD, exit=data_abort(UNMAPPED, "write", "permission")),
            # A store-exclusive that fails for another reason need not abort.
            expect(x0=OLD, x2=1),
        ),
        regions=[READ_ONLY],
    ).check(backend)


def test_store_exclusive_to_memory_that_became_read_only(backend):
    case(
        "ldxr x0, [x1]\nstxr w2, x3, [x1]",
        given(x1=BASE, x2=GARBAGE, x3=NEW, memory={BASE: OLD}),
        permit(
            expect(x0=OLD, exits=[reached_end(), data_abort(BASE, "write", "permission")]),
            expect(x0=OLD, x2=1, exits=[reached_end(), reached_end()]),
        ),
        actions=[Run(until=CODE + 4), Protect(address=DATA, size=0x1_0000, permissions="r"), Run()],
    ).check(backend)


def test_store_exclusive_to_unmapped_memory_after_a_load_from_elsewhere(backend):
    case(
        "ldxr x0, [x1]\nstxr w2, x3, [x4]",
        given(x1=BASE, x2=GARBAGE, x3=NEW, x4=UNMAPPED, memory={BASE: OLD}),
        permit(
            expect(unknown(x2=1), memory_unknown(BASE, 8), x0=OLD, x2=0),
            expect(memory_unknown(BASE, 8), x0=OLD, exit=data_abort(UNMAPPED, "write", "translation")),
        ),
    ).check(backend)


# --- registers


def test_status_goes_to_the_zero_register(backend):
    case("stxr wzr, x3, [x1]", given(x1=BASE, x3=NEW), expect()).check(backend)


def test_load_exclusive_may_overwrite_its_base(backend):
    case("ldxr x1, [x1]", given(x1=BASE, memory={BASE: OLD}), expect(x1=OLD)).check(backend)


def test_load_exclusive_pair_may_overwrite_its_base(backend):
    case("ldxp x0, x1, [x1]", given(x1=BASE, memory={BASE: [OLD, NEW]}), expect(x0=OLD, x1=NEW)).check(backend)


@pytest.mark.parametrize("code", ["stxr w2, x1, [x1]", "stxp w2, x1, x1, [x1]"])
def test_store_exclusive_may_store_its_base(backend, code):
    case(code, given(x1=BASE), expect(x2=1)).check(backend)


def test_load_exclusive_pair_into_one_register(backend):
    case(
        "ldxp x0, x0, [x1]",
        given(x1=BASE, memory={BASE: [OLD, NEW]}),
        permit(expect(unknown("x0")), expect(exit=undefined()), expect()),
    ).check(backend)


@pytest.mark.parametrize("code", ["stxr w3, x3, [x1]", "stxp w3, x3, x4, [x1]", "stxp w3, x4, x3, [x1]"])
def test_status_is_the_data_of_a_store_exclusive_that_fails(backend, code):
    case(
        code,
        given(x1=BASE, x3=NEW, x4=NEW_HIGH, memory={BASE: [OLD, OLD_HIGH]}),
        permit(expect(x3=1), expect(exit=undefined()), expect()),
    ).check(backend)


def test_status_is_the_data_of_a_store_exclusive_that_may_succeed(backend):
    case(
        "ldxr x0, [x1]\nstxr w3, x3, [x1]",
        given(x1=BASE, x3=NEW, memory={BASE: OLD}),
        permit(
            expect(x0=OLD, x3=0, memory={BASE: NEW}),
            expect(memory_unknown(BASE, 8), x0=OLD, x3=0),
            expect(x0=OLD, x3=1),
            expect(x0=OLD, exit=undefined()),
            expect(x0=OLD),
        ),
    ).check(backend)


def test_status_is_the_base_of_a_store_exclusive(backend):
    case(
        "stxr w1, x3, [x1]",
        given(x1=BASE, x3=NEW, memory={BASE: OLD}),
        permit(expect(x1=1), expect(exit=undefined()), expect(), expect(exit=ABORT_ANYWHERE)),
    ).check(backend)


def test_load_exclusive_loads_what_a_plain_store_wrote(backend):
    case(
        "str x3, [x1]\nldxr x0, [x1]", given(x1=BASE, x3=NEGATIVE), expect(x0=NEGATIVE, memory={BASE: NEGATIVE})
    ).check(backend)
