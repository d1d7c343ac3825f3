"""Exclusive monitors with two observers: what another vCPU's stores do to a reservation, in a fixed interleaving.

A store by another observer to the reserved location must make the store-exclusive fail, whatever value it wrote. The
smallest exclusives reservation granule has 16 bytes, the largest 2048 (Arm ARM B2.12).
"""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import (
    CODE,
    DATA,
    byte,
    case,
    expect,
    given,
    on_each_vcpu,
    permit,
    quadword,
    reached_end,
    unknown,
)
from assay64.harness.cases.case import Region, Schedule
from assay64.suites.loads_and_stores.transfers import UNMAPPED

pytestmark = pytest.mark.exclusives

BASE, ELSEWHERE = DATA + 0x1000, DATA + 0x2000
OLD, NEW, OTHER = 0x8877_6655_C4B3_A291, 0x0102_0304_0506_0708, 0x1112_1314_1516_1718
BOTH_END = [reached_end(), reached_end()]
# vCPU 0 has executed its load-exclusive when vCPU 1 runs; then vCPU 0 goes on.
BETWEEN = [Schedule(turns=((0, 1), (1, 100), (0, 100)))]


def code(first: str, second: str) -> tuple[str, int]:
    """Code for both vCPUs, and where that of the second begins. The first leaves behind the code of the second."""
    lines = [line for line in first.split("\n") if line]
    return "\n".join([*lines, "b 9f", second, "9: nop"]), CODE + 4 * (len(lines) + 1)


@pytest.mark.parametrize(
    ("store", "written"),
    [
        ("str x4, [x1]", {BASE: OTHER}),
        ("strb w4, [x1, #7]", {BASE + 7: byte(0x18)}),
        ("stp x4, x4, [x1, #-8]", {BASE - 8: [OTHER, OTHER]}),
        ("stur x4, [x1, #-4]", {BASE - 4: OTHER}),
        ("stlr x4, [x1]", {BASE: OTHER}),
        ("str x4, [x1, #8]", {BASE + 8: OTHER}),
        ("str x5, [x1]", {}),
        ("str x4, [x1]\nstr x5, [x1]", {}),
        ("str x4, [x1]\ndmb sy\nstr x5, [x1]\nldr x6, [x1]", {}),
    ],
    ids=[
        "store",
        "store of one byte",
        "pair that covers it",
        "unaligned store that overlaps",
        "store-release",
        "store beside it in the smallest granule of 16 bytes",
        "store of the value that is there",
        "another value and back",
        "another value and back with a barrier",
    ],
)
def test_store_by_another_observer_makes_the_store_exclusive_fail(backend, store, written):
    text, second = code("ldxr x0, [x1]\nstxr w2, x3, [x1]", store)
    observer = expect(x6=OLD) if "x6" in store else expect()
    case(
        text,
        given(x1=BASE, x3=NEW, memory={BASE: OLD}),
        given(x1=BASE, x4=OTHER, x5=OLD, pc=second),
        on_each_vcpu(expect(x0=OLD, x2=1, exits=BOTH_END, memory=written), observer),
        actions=BETWEEN,
    ).check(backend)


@pytest.mark.parametrize("half", [0, 8], ids=["lower half", "upper half"])
def test_store_by_another_observer_to_either_half_of_a_pair(backend, half):
    text, second = code("ldxp x0, x5, [x1]\nstxp w2, x3, x3, [x1]", f"str x4, [x1, #{half}]")
    case(
        text,
        given(x1=BASE, x3=NEW, memory={BASE: [OLD, OLD]}),
        given(x1=BASE, x4=OTHER, pc=second),
        on_each_vcpu(expect(x0=OLD, x2=1, x5=OLD, exits=BOTH_END, memory={BASE + half: OTHER}), expect()),
        actions=BETWEEN,
    ).check(backend)


def test_store_by_another_observer_through_another_address_of_the_same_memory(backend):
    alias = UNMAPPED + 0x10_0000
    text, second = code("ldxr x0, [x1]\nstxr w2, x3, [x1]", "str x4, [x1]")
    case(
        text,
        given(x1=UNMAPPED, x3=NEW),
        given(x1=alias, x4=OTHER, pc=second),
        on_each_vcpu(expect(x2=1, exits=BOTH_END, memory={UNMAPPED: OTHER}), expect()),
        actions=BETWEEN,
        regions=[
            Region(address=UNMAPPED, size=0x1_0000, backing="shared"),
            Region(address=alias, size=0x1_0000, backing="shared"),
        ],
    ).check(backend)


def test_store_by_another_observer_of_the_loaded_value_is_not_undone_by_a_reload(backend):
    # The reload is plain: it reserves nothing.
    text, second = code("ldxr x0, [x1]\nldr x5, [x1]\nstxr w2, x3, [x1]", "str x4, [x1]")
    case(
        text,
        given(x1=BASE, x3=NEW, memory={BASE: OLD}),
        given(x1=BASE, x4=OLD, pc=second),
        on_each_vcpu(expect(x0=OLD, x2=1, x5=OLD, exits=BOTH_END), expect()),
        actions=BETWEEN,
    ).check(backend)


def test_load_exclusive_after_the_other_store_reserves_anew(backend):
    text, second = code("ldxr x0, [x1]\nldxr x5, [x1]\nstxr w2, x3, [x1]", "str x4, [x1]")
    case(
        text,
        given(x1=BASE, x3=NEW, memory={BASE: OLD}),
        given(x1=BASE, x4=OTHER, pc=second),
        permit(
            on_each_vcpu(expect(x0=OLD, x2=0, x5=OTHER, exits=BOTH_END, memory={BASE: NEW}), expect()),
            on_each_vcpu(expect(x0=OLD, x2=1, x5=OTHER, exits=BOTH_END, memory={BASE: OTHER}), expect()),
        ),
        actions=BETWEEN,
    ).check(backend)


@pytest.mark.parametrize(
    ("other", "address", "written"),
    [
        ("str x4, [x1]", ELSEWHERE, {ELSEWHERE: OTHER}),
        ("stxr w5, x4, [x1]", BASE, {}),
        ("clrex", BASE, {}),
        ("ldxr x6, [x1]", BASE, {}),
    ],
    ids=["store elsewhere", "failing store-exclusive", "clrex", "load-exclusive"],
)
def test_other_observer_that_leaves_the_location_alone(backend, other, address, written):
    text, second = code("ldxr x0, [x1]\nstxr w2, x3, [x1]", other)
    after = expect(x5=1) if "x5" in other or "w5" in other else expect(x6=OLD) if "x6" in other else expect()
    case(
        text,
        given(x1=BASE, x3=NEW, memory={BASE: OLD}),
        given(x1=address, x4=OTHER, pc=second),
        permit(
            on_each_vcpu(expect(x0=OLD, x2=0, exits=BOTH_END, memory=written | {BASE: NEW}), after),
            on_each_vcpu(expect(x0=OLD, x2=1, exits=BOTH_END, memory=written), after),
        ),
        actions=BETWEEN,
    ).check(backend)


def test_stores_elsewhere_do_not_stop_a_retried_store_exclusive(backend):
    # Arm ARM B2.12: with no store to the granule by another observer, one of the attempts has to succeed.
    loop = "1: ldxr x0, [x1]\nstxr w2, x3, [x1]\ncbnz w2, 1b"
    text, second = code(loop, "str x4, [x1]\n" * 31 + "str x4, [x1]")
    case(
        text,
        given(x1=BASE, x3=NEW, memory={BASE: OLD}),
        given(x1=ELSEWHERE, x4=OTHER, pc=second),
        on_each_vcpu(expect(x0=OLD, exits=BOTH_END, memory={BASE: NEW, ELSEWHERE: OTHER}), expect()),
        actions=[Schedule(turns=((0, 1), (1, 1)) * 32 + ((1, 100), (0, 100)))],
    ).check(backend)


def test_one_of_two_store_exclusives_to_a_location_fails(backend):
    text, second = code("ldxr x0, [x1]\nstxr w2, x3, [x1]", "ldxr x0, [x1]\nstxr w2, x4, [x1]")
    case(
        text,
        given(x1=BASE, x3=NEW, memory={BASE: OLD}),
        given(x1=BASE, x4=OTHER, pc=second),
        permit(
            on_each_vcpu(expect(x0=OLD, x2=1, exits=BOTH_END, memory={BASE: OTHER}), expect(x0=OLD, x2=0)),
            on_each_vcpu(expect(x0=OLD, x2=0, exits=BOTH_END, memory={BASE: NEW}), expect(x0=OLD, x2=1)),
            on_each_vcpu(expect(x0=OLD, x2=1, exits=BOTH_END), expect(x0=OLD, x2=1)),
        ),
        actions=BETWEEN,
    ).check(backend)


def test_store_exclusive_by_another_observer_of_the_value_that_is_there(backend):
    text, second = code("ldxr x0, [x1]\nstxr w2, x3, [x1]", "ldxr x0, [x1]\nstxr w2, x4, [x1]")
    case(
        text,
        given(x1=BASE, x3=NEW, memory={BASE: OLD}),
        given(x1=BASE, x4=OLD, pc=second),
        permit(
            on_each_vcpu(expect(x0=OLD, x2=1, exits=BOTH_END), expect(x0=OLD, x2=0)),
            on_each_vcpu(expect(x0=OLD, x2=0, exits=BOTH_END, memory={BASE: NEW}), expect(x0=OLD, x2=1)),
            on_each_vcpu(expect(x0=OLD, x2=1, exits=BOTH_END), expect(x0=OLD, x2=1)),
        ),
        actions=BETWEEN,
    ).check(backend)


def test_reservation_of_one_vcpu_is_none_of_the_other(backend):
    text, second = code("ldxr x0, [x1]\nnop", "stxr w2, x4, [x1]")
    case(
        text,
        given(x1=BASE, memory={BASE: OLD}),
        given(x1=BASE, x4=OTHER, pc=second),
        on_each_vcpu(expect(x0=OLD, exits=BOTH_END), expect(x2=1)),
        actions=BETWEEN,
    ).check(backend)


@pytest.mark.parametrize("stride", [1, 2, 3], ids="turns of {}".format)
def test_no_increment_is_lost(backend, stride):
    loop = "1: ldxr x0, [x1]\nadd x0, x0, #1\nstxr w2, x0, [x1]\ncbnz w2, 1b"
    text, second = code(loop, "2" + loop[1:].replace("1b", "2b"))
    case(
        text,
        given(x1=BASE, memory={BASE: quadword(0)}),
        given(x1=BASE, pc=second),
        on_each_vcpu(expect(unknown("x0"), exits=BOTH_END, memory={BASE: 2}), expect(unknown("x0"))),
        actions=[Schedule(turns=((0, stride), (1, stride)) * 40 + ((0, 100), (1, 100)))],
    ).check(backend)
