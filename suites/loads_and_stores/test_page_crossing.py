"""Accesses that cross a page: whole when both pages allow it; the abort's address, state and memory when one does not.

Where the second page faults, the address is that of its first byte; a processor may also report the address of the
access. Where Arm lets the good part of a store reach memory, both outcomes are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from assay64.harness.cases.authoring import (
    DATA,
    DATA_END,
    case,
    data_abort,
    doubleword,
    expect,
    given,
    permit,
    unknown,
)
from assay64.harness.cases.case import Region
from assay64.harness.cases.sentences import Expect, Permit
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE

pytestmark = pytest.mark.faults

SECOND = 0x99AA_BBCC_D5E6_F7A8
NEXT = Region(address=DATA_END, size=0x1_0000)
NEXT_READ_ONLY = Region(address=DATA_END, size=0x1_0000, permissions="r")
PREVIOUS_READ_ONLY = Region(address=DATA - 0x1_0000, size=0x1_0000, permissions="r")
both_bases = pytest.mark.parametrize("page", [DATA + 0x1000, DATA_END], ids=["in one region", "between two regions"])
some_overlaps = pytest.mark.parametrize("beyond", [1, 4, 7], ids="{} bytes of it in the second page".format)


def aborts(access: str, fault: str, addresses: tuple[int, ...], *memories: Mapping[int, bytes]) -> Permit:
    """An abort at one of ``addresses`` with one of ``memories`` written, and nothing else changed."""

    def outcomes() -> Iterator[Expect]:
        for address in addresses:
            for memory in memories or ({},):
                yield expect(exit=data_abort(address, access, fault), memory=memory)

    return permit(*outcomes())


@both_bases
@some_overlaps
def test_load_from_two_pages(backend, page, beyond):
    address = page - 8 + beyond
    data = doubleword(NEGATIVE)
    case(
        "ldr x0, [x1]",
        given(x1=address, memory={address: data[: 8 - beyond], page: data[8 - beyond :]}),
        expect(x0=NEGATIVE),
        regions=[NEXT],
    ).check(backend)


@both_bases
@some_overlaps
def test_store_to_two_pages(backend, page, beyond):
    address = page - 8 + beyond
    case(
        "str x0, [x1], #8",
        given(x0=NEGATIVE, x1=address, fill=16),
        expect(x1=address + 8, memory={address: NEGATIVE}),
        regions=[NEXT],
    ).check(backend)


@pytest.mark.parametrize(("code", "size_bytes"), [("ldrh w0, [x1]", 2), ("ldrsw x0, [x1]", 4), ("ldr x0, [x1]", 8)])
def test_load_whose_last_byte_is_unmapped(backend, code, size_bytes):
    address = DATA_END - size_bytes + 1
    case(code, given(x0=GARBAGE, x1=address, fill=17), aborts("read", "translation", (DATA_END, address))).check(
        backend
    )


@some_overlaps
def test_load_into_an_unmapped_page_writes_nothing_back(backend, beyond):
    address = DATA_END - 8 + beyond
    case(
        "ldr x0, [x1], #8", given(x0=GARBAGE, x1=address, fill=18), aborts("read", "translation", (DATA_END, address))
    ).check(backend)


def test_load_from_an_unmapped_page_into_a_mapped_one(backend):
    case("ldr x0, [x1]", given(x0=GARBAGE, x1=DATA - 4, fill=19), aborts("read", "translation", (DATA - 4,))).check(
        backend
    )


@some_overlaps
def test_store_into_an_unmapped_page(backend, beyond):
    address = DATA_END - 8 + beyond
    case(
        "str x0, [x1, #0]!",
        given(x0=NEGATIVE, x1=address, fill=20),
        aborts("write", "translation", (DATA_END, address), {}, {address: doubleword(NEGATIVE)[: 8 - beyond]}),
    ).check(backend)


@some_overlaps
def test_store_into_a_read_only_page(backend, beyond):
    address = DATA_END - 8 + beyond
    case(
        "str x0, [x1]",
        given(x0=NEGATIVE, x1=address, fill=21),
        aborts("write", "permission", (DATA_END, address), {}, {address: doubleword(NEGATIVE)[: 8 - beyond]}),
        regions=[NEXT_READ_ONLY],
    ).check(backend)


def test_load_across_a_writable_and_a_read_only_page(backend):
    case(
        "ldr x0, [x1]",
        given(x1=DATA_END - 8 + 4, memory={DATA_END - 4: doubleword(NEGATIVE)[:4], DATA_END: doubleword(NEGATIVE)[4:]}),
        expect(x0=NEGATIVE),
        regions=[NEXT_READ_ONLY],
    ).check(backend)


@pytest.mark.parametrize(
    ("regions", "fault"), [((), "translation"), ((PREVIOUS_READ_ONLY,), "permission")], ids=["unmapped", "read-only"]
)
def test_store_from_a_page_that_faults_into_a_good_one(backend, regions, fault):
    case(
        "str x0, [x1]",
        given(x0=NEGATIVE, x1=DATA - 4, fill=22),
        aborts("write", fault, (DATA - 4,), {}, {DATA: doubleword(NEGATIVE)[4:]}),
        regions=regions,
    ).check(backend)


# --- pairs: two accesses, in any order


def test_load_pair_whose_second_register_is_unmapped(backend):
    case(
        "ldp x0, x2, [x1], #16",
        given(x0=GARBAGE, x1=DATA_END - 8, x2=GARBAGE, fill=23),
        expect(unknown("x0", "x2"), exit=data_abort(DATA_END, "read", "translation")),
    ).check(backend)


@pytest.mark.parametrize("code", ["ldp x1, x2, [x1]", "ldp x2, x1, [x1]"], ids=["first", "second"])
def test_load_pair_whose_second_register_is_unmapped_keeps_its_base(backend, code):
    case(
        code,
        given(x1=DATA_END - 8, x2=GARBAGE, fill=24),
        expect(unknown("x2"), exit=data_abort(DATA_END, "read", "translation")),
    ).check(backend)


def test_load_pair_whose_first_register_is_unmapped(backend):
    case(
        "ldpsw x0, x2, [x1, #0]!",
        given(x0=GARBAGE, x1=DATA - 4, x2=GARBAGE, fill=25),
        expect(unknown("x0", "x2"), exit=data_abort(DATA - 4, "read", "translation")),
    ).check(backend)


def test_load_pair_whose_second_register_crosses_into_an_unmapped_page(backend):
    case(
        "ldnp x0, x2, [x1]",
        given(x0=GARBAGE, x1=DATA_END - 12, x2=GARBAGE, fill=26),
        permit(
            expect(unknown("x0", "x2"), exit=data_abort(DATA_END, "read", "translation")),
            expect(unknown("x0", "x2"), exit=data_abort(DATA_END - 4, "read", "translation")),
        ),
    ).check(backend)


@pytest.mark.parametrize(
    ("regions", "fault"), [((), "translation"), ((NEXT_READ_ONLY,), "permission")], ids=["unmapped", "read-only"]
)
def test_store_pair_whose_second_register_faults(backend, regions, fault):
    case(
        "stp x0, x2, [x1, #-8]!",
        given(x0=NEGATIVE, x1=DATA_END, x2=SECOND, fill=27),
        aborts("write", fault, (DATA_END,), {}, {DATA_END - 8: doubleword(NEGATIVE)}),
        regions=regions,
    ).check(backend)


def test_store_pair_whose_first_register_faults(backend):
    case(
        "stp x0, x2, [x1]",
        given(x0=NEGATIVE, x1=DATA - 8, x2=SECOND, fill=28),
        aborts("write", "translation", (DATA - 8,), {}, {DATA: doubleword(SECOND)}),
    ).check(backend)


def test_store_pair_across_two_good_pages(backend):
    case(
        "stp x0, x2, [x1]",
        given(x0=NEGATIVE, x1=DATA_END - 12, x2=SECOND, fill=29),
        expect(
            memory={
                DATA_END - 12: doubleword(NEGATIVE) + doubleword(SECOND)[:4],
                DATA_END: doubleword(SECOND)[4:],
            }
        ),
        regions=[NEXT],
    ).check(backend)


def test_last_doubleword_of_a_region_does_not_touch_what_follows(backend):
    case("ldr x0, [x1]", given(x1=DATA_END - 8, memory={DATA_END - 8: NEGATIVE}), expect(x0=NEGATIVE)).check(backend)


def test_last_byte_of_a_region_does_not_touch_what_follows(backend):
    case("strb w0, [x1]", given(x0=7, x1=DATA_END - 1), expect(memory={DATA_END - 1: b"\x07"})).check(backend)
