"""Hints."""

import pytest

from assay64.harness.cases.authoring import CODE, case, expect, given, instruction_abort, permit, undefined, wait

pytestmark = pytest.mark.system

FULL = given(x0=1, x16=CODE, x17=CODE, x30=CODE, nzcv=0b1010, v0=-1)
WAITS_OR_NOT = permit(expect(exit=wait()), expect())


def hint(number: int) -> int:
    return 0xD503_201F | number << 5


@pytest.mark.parametrize(
    "number",
    [pytest.param(0, id="nop"), pytest.param(1, id="yield"), pytest.param(4, id="sev"), pytest.param(5, id="sevl")],
)
def test_hint_changes_no_register(backend, number):
    case(hint(number), FULL, expect()).check(backend)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(6, id="dgh"),
        pytest.param(16, id="esb"),
        pytest.param(17, id="psb"),
        pytest.param(18, id="tsb"),
        pytest.param(20, id="csdb"),
        pytest.param(22, id="clrbhb"),
        pytest.param(32, id="bti"),
        pytest.param(34, id="bti-c"),
        pytest.param(36, id="bti-j"),
        pytest.param(38, id="bti-jc"),
    ],
)
def test_hint_of_a_later_extension_changes_no_register(backend, number):
    case(hint(number), FULL, expect()).check(backend)


@pytest.mark.parametrize("number", [9, 11, 13, 15, 21, 23, 33, 35, 56, 63, 64, 96, 112, 127], ids="hint-{}".format)
def test_unallocated_hint_is_a_nop(backend, number):
    case(hint(number), FULL, expect()).check(backend)


def test_xpaclri_keeps_a_canonical_address(backend):
    case(hint(7), FULL, expect()).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("wfe", WAITS_OR_NOT), id="wfe-may-wait"),
        pytest.param(case("wfi", WAITS_OR_NOT), id="wfi-may-wait"),
        pytest.param(case("wfe", given(event_register=1, nzcv=0b0110), expect()), id="wfe-with-the-event-register-set"),
        pytest.param(case("sevl\nwfe", expect()), id="sevl-lets-wfe-pass"),
        pytest.param(case("sev\nwfe", expect()), id="sev-reaches-its-own-pe"),
        pytest.param(case("sevl\nwfe\nwfe", WAITS_OR_NOT), id="wfe-clears-the-event-register"),
        pytest.param(case("sevl\nwfi", WAITS_OR_NOT), id="wfi-knows-no-event-register"),
        pytest.param(
            case("wfi\nmov x0, #1", permit(expect(exit=wait(), pc=CODE + 4), expect(x0=1))),
            id="wait-returns-behind-itself",
        ),
    ],
)
def test_wait(backend, claim):
    claim.check(backend)


def test_what_lies_behind_is_not_fetched_before_it_is_executed(backend):
    last_word = CODE + 0xFFFC
    case("nop", expect(), address=last_word).check(backend)
    case("nop", expect(exit=instruction_abort(last_word + 4)), address=last_word, until=CODE).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD503_201E, id="rt-30"),
        pytest.param(0xD503_2000, id="rt-0"),
        pytest.param(0xD500_201F, id="op1-000"),
        pytest.param(0xD502_201F, id="op1-010"),
        pytest.param(0xD523_201F, id="l-set"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    case(word, FULL, expect(exit=undefined())).check(backend)
