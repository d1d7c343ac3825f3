"""Extract."""

import pytest

from assay64.harness.cases.authoring import case, expect, given, undefined

HIGH = 0x0123_4567_89AB_CDEF
LOW = 0xFEDC_BA98_7654_3210


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("extr x0, x1, x2, #0", given(x1=HIGH, x2=LOW), expect(x0=LOW)), id="lsb-0-is-xm"),
        pytest.param(
            case("extr x0, x1, x2, #4", given(x1=HIGH, x2=LOW), expect(x0=0xFFED_CBA9_8765_4321)), id="across-both"
        ),
        pytest.param(
            case("extr x0, x1, x2, #63", given(x1=HIGH, x2=LOW), expect(x0=HIGH << 1 | 1)),
            id="lsb-63-takes-one-bit-of-xm",
        ),
        pytest.param(
            case("extr x0, x1, x1, #8", given(x1=HIGH), expect(x0=0xEF01_2345_6789_ABCD)), id="one-source-rotates"
        ),
        pytest.param(case("extr x0, x0, x2, #32", given(x0=1, x2=2 << 32), expect(x0=1 << 32 | 2)), id="aliased"),
        pytest.param(case("extr x0, xzr, x2, #60", given(x2=LOW), expect(x0=0xF)), id="zr-above"),
        pytest.param(
            case("extr w0, w1, w2, #0", given(x0=-1, x1=-1, x2=LOW), expect(x0=0x7654_3210)), id="32-bit-lsb-0"
        ),
        pytest.param(
            case("extr w0, w1, w2, #31", given(x1=HIGH, x2=0x8000_0000), expect(x0=0x1357_9BDF)), id="32-bit-lsb-31"
        ),
        pytest.param(case("ror w0, w1, #4", given(x1=-1 << 32 | 1), expect(x0=0x1000_0000)), id="32-bit-rotate"),
        pytest.param(case("extr x0, x1, x2, #1", given(nzcv=0b1111), expect()), id="flags-stay"),
    ],
)
def test_extr(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x13C2_0020, id="n-in-32-bits"),
        pytest.param(0x9382_0020, id="no-n-in-64-bits"),
        pytest.param(0x1382_8020, id="lsb-32-in-32-bits"),
        pytest.param(0x13A2_0020, id="o0-set-32-bit"),
        pytest.param(0x93E2_0020, id="o0-set-64-bit"),
        pytest.param(0xB3C2_0020, id="op21-01"),
        pytest.param(0xD3C2_0020, id="op21-10"),
    ],
)
def test_reserved_is_undefined(backend, word):
    case(word, given(x0=5, x1=HIGH, x2=LOW), expect(exit=undefined())).check(backend)
