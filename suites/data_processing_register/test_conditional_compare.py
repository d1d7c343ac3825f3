"""Conditional compare (register and immediate)."""

import pytest

from assay64.harness.cases.authoring import MAX32, MIN32, MIN64, case, expect, given, undefined


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("ccmp x1, x2, #0, eq", given(x1=5, x2=5, Z=1), expect(nzcv=0b0110)), id="ccmp-equal"),
        pytest.param(case("ccmp x1, x2, #15, eq", given(x1=0, x2=1, Z=1), expect(nzcv=0b1000)), id="ccmp-borrow"),
        pytest.param(case("ccmp x1, x2, #0, eq", given(x1=MIN64, x2=1, Z=1), expect(nzcv=0b0011)), id="ccmp-overflow"),
        pytest.param(case("ccmn x1, x2, #0, eq", given(x1=-1, x2=1, Z=1), expect(nzcv=0b0110)), id="ccmn-carry"),
        pytest.param(
            case("ccmn x1, x2, #0, eq", given(x1=MIN64 - 1, x2=1, Z=1), expect(nzcv=0b1001)), id="ccmn-overflow"
        ),
        pytest.param(case("ccmp w1, w2, #0, eq", given(x1=1 << 32, x2=0, Z=1), expect(nzcv=0b0110)), id="ccmp-32-bit"),
        pytest.param(
            case("ccmn w1, w2, #0, eq", given(x1=MIN32, x2=MIN32, Z=1), expect(nzcv=0b0111)), id="ccmn-32-bit"
        ),
        pytest.param(case("ccmp x1, #31, #0, eq", given(x1=31, Z=1), expect(nzcv=0b0110)), id="immediate-is-unsigned"),
        pytest.param(case("ccmn w1, #1, #0, eq", given(x1=MAX32, Z=1), expect(nzcv=0b0110)), id="ccmn-immediate"),
        pytest.param(case("ccmp x1, x1, #0, ne", given(x1=9, nzcv=0b1011), expect(nzcv=0b0110)), id="with-itself"),
        pytest.param(case("ccmp xzr, xzr, #0, al", given(nzcv=0b1001), expect(nzcv=0b0110)), id="register-31-is-zr"),
    ],
)
def test_condition_holds(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize("immediate", [0b0000, 0b1000, 0b0100, 0b0010, 0b0001, 0b1111], ids="{:04b}".format)
def test_condition_fails_and_the_flags_are_the_immediate(backend, immediate):
    start = given(x1=5, x2=5, nzcv=0b1011)
    for ccmp in (0xFA42_0020, 0xBA42_0020, 0x7A42_0820):  # ccmp, ccmn x1, x2, #0, eq; ccmp w1, #2, #0, eq
        case(ccmp | immediate, start, expect(nzcv=immediate)).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("ccmp x1, x2, #9, al", given(x1=1, x2=1), expect(nzcv=0b0110)), id="al"),
        pytest.param(case("ccmp x1, x2, #9, nv", given(x1=1, x2=1), expect(nzcv=0b0110)), id="nv"),
        pytest.param(case("ccmn w1, #0, #9, nv", given(x1=1 << 32), expect(nzcv=0b0100)), id="nv-immediate"),
    ],
)
def test_al_and_nv_always_hold(backend, claim):
    claim.check(backend)


def test_condition_reads_the_flags_before_they_are_written(backend):
    chain = "cmp x1, #1\nccmp x2, #2, #4, ne\nccmp x3, #3, #0, eq"
    case(chain, given(x1=1, x2=9, x3=3), expect(nzcv=0b0110)).check(backend)
    case(chain, given(x1=0, x2=9, x3=3), expect(nzcv=0b0000)).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xDA42_0020, id="s-clear"),
        pytest.param(0x5A42_0820, id="s-clear-immediate"),
        pytest.param(0xFA42_0420, id="o2-set"),
        pytest.param(0xBA42_0C20, id="o2-set-immediate"),
        pytest.param(0xFA42_0030, id="o3-set"),
        pytest.param(0x3A42_0830, id="o3-set-immediate"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    case(word, given(x1=1, x2=2, nzcv=0b0101), expect(exit=undefined())).check(backend)
