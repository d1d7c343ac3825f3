"""Data-processing (1 source)."""

import pytest

from assay64.harness.cases.authoring import MAX32, MIN32, MIN64, case, expect, given, undefined

VALUE = 0x0123_4567_89AB_CDEF


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("rbit x0, x1", given(x1=1), expect(x0=MIN64)), id="rbit-bit-0"),
        pytest.param(case("rbit x0, x1", given(x1=VALUE), expect(x0=0xF7B3_D591_E6A2_C480)), id="rbit"),
        pytest.param(case("rbit w0, w1", given(x0=-1, x1=VALUE), expect(x0=0xF7B3_D591)), id="rbit-32-bit"),
        pytest.param(case("rev16 x0, x1", given(x1=VALUE), expect(x0=0x2301_6745_AB89_EFCD)), id="rev16"),
        pytest.param(case("rev16 w0, w1", given(x0=-1, x1=VALUE), expect(x0=0xAB89_EFCD)), id="rev16-32-bit"),
        pytest.param(case("rev32 x0, x1", given(x1=VALUE), expect(x0=0x6745_2301_EFCD_AB89)), id="rev32"),
        pytest.param(case("rev x0, x1", given(x1=VALUE), expect(x0=0xEFCD_AB89_6745_2301)), id="rev"),
        pytest.param(case("rev w0, w1", given(x0=-1, x1=VALUE), expect(x0=0xEFCD_AB89)), id="rev-32-bit"),
        pytest.param(case("rev x0, x0", given(x0=0xFF, nzcv=0b1111), expect(x0=0xFF << 56)), id="in-place-flags-stay"),
        pytest.param(case(0xDAC0_0FFF, expect()), id="register-31-is-zr"),
    ],
)
def test_reverse(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("clz x0, x1", given(x1=0), expect(x0=64)), id="clz-of-zero"),
        pytest.param(case("clz x0, x1", given(x1=-1), expect(x0=0)), id="clz-of-minus-one"),
        pytest.param(case("clz x0, x1", given(x1=1), expect(x0=63)), id="clz-of-one"),
        pytest.param(case("clz w0, w1", given(x0=-1, x1=-1 << 32), expect(x0=32)), id="clz-32-bit-of-zero"),
        pytest.param(case("clz w0, w1", given(x1=-1 << 32 | 1), expect(x0=31)), id="clz-32-bit-ignores-the-upper-half"),
        pytest.param(case("cls x0, x1", given(x1=0), expect(x0=63)), id="cls-of-zero"),
        pytest.param(case("cls x0, x1", given(x1=-1), expect(x0=63)), id="cls-of-minus-one"),
        pytest.param(case("cls x0, x1", given(x0=9, x1=MIN64), expect(x0=0)), id="cls-of-the-smallest"),
        pytest.param(case("cls x0, x1", given(x1=-1 << 62), expect(x0=1)), id="cls-of-two-sign-bits"),
        pytest.param(case("cls x0, x1", given(x0=9, x1=1 << 62), expect(x0=0)), id="cls-of-a-large-positive"),
        pytest.param(case("cls w0, w1", given(x1=MAX32), expect(x0=31)), id="cls-32-bit-of-minus-one"),
        pytest.param(case("cls w0, w1", given(x1=-1 << 32), expect(x0=31)), id="cls-32-bit-of-zero"),
        pytest.param(
            case("cls w0, w1", given(x0=9, x1=-1 << 32 | MIN32), expect(x0=0)), id="cls-32-bit-sign-is-bit-31"
        ),
    ],
)
def test_count(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x5AC0_0C20, id="rev-of-64-bits-in-32"),
        pytest.param(0xFAC0_0020, id="s-set"),
        pytest.param(0xDAC0_2420, id="opcode-001001"),
        pytest.param(0x5AC0_4020, id="opcode-010000"),
        pytest.param(0xDAC0_8020, id="opcode-100000"),
        pytest.param(0xDAC2_0020, id="opcode2-00010"),
        pytest.param(0xDAD0_0020, id="opcode2-10000"),
        pytest.param(0x5AC1_0020, id="opcode2-00001-32-bit"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    case(word, given(x0=9, x1=3, nzcv=0b0101), expect(exit=undefined())).check(backend)
