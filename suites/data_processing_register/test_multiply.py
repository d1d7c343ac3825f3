"""Data-processing (3 source)."""

import pytest

from assay64.harness.cases.authoring import (
    MAX32,
    MAX64,
    MIN32,
    MIN64,
    case,
    expect,
    given,
    permit,
    undefined,
    unknown,
)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("madd x0, x1, x2, x3", given(x1=-1, x2=-1, x3=-1), expect(x0=0)), id="madd-wraps"),
        pytest.param(
            case("madd x0, x1, x2, x3", given(x1=1 << 32, x2=1 << 32, x3=7), expect(x0=7)), id="madd-keeps-64-bits"
        ),
        pytest.param(case("msub x0, x1, x2, x3", given(x1=3, x2=5, x3=1), expect(x0=-14)), id="msub"),
        pytest.param(case("msub x0, x1, x2, x3", given(x1=MIN64, x2=-1, x3=0), expect(x0=MIN64)), id="msub-smallest"),
        pytest.param(
            case("madd w0, w1, w2, w3", given(x0=-1, x1=MAX32, x2=2, x3=1 << 32), expect(x0=0xFFFF_FFFE)),
            id="madd-32-bit-zero-extends",
        ),
        pytest.param(case("msub w0, w1, w2, w3", given(x1=1, x2=1, x3=1 << 40), expect(x0=MAX32)), id="msub-32-bit"),
        pytest.param(case("mul x0, x0, x0", given(x0=0x1_0000_0001), expect(x0=0x2_0000_0001)), id="mul-with-itself"),
        pytest.param(case("mneg x0, x1, x2", given(x1=2, x2=3), expect(x0=-6)), id="mneg"),
        pytest.param(case("madd x0, x1, x2, x0", given(x0=5, x1=2, x2=3), expect(x0=11)), id="accumulate-in-place"),
        pytest.param(case("madd x1, x1, x2, x3", given(x1=2, x2=3, x3=5), expect(x1=11)), id="destination-is-factor"),
        pytest.param(case(0x9B1F_7FFF, given(nzcv=0b1111), expect()), id="register-31-is-zr-and-flags-stay"),
    ],
)
def test_multiply_add(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("smaddl x0, w1, w2, x3", given(x1=MIN32, x2=MIN32, x3=1), expect(x0=(1 << 62) + 1)),
            id="smallest-squared",
        ),
        pytest.param(
            case("smaddl x0, w1, w2, x3", given(x1=0xDEAD_0000_0002, x2=-1 << 32 | 3, x3=0), expect(x0=6)),
            id="upper-halves-of-the-factors-are-ignored",
        ),
        pytest.param(case("smull x0, w1, w2", given(x1=MAX32, x2=2), expect(x0=-2)), id="smull-is-signed"),
        pytest.param(
            case("umull x0, w1, w2", given(x1=-1, x2=-1), expect(x0=0xFFFF_FFFE_0000_0001)), id="umull-is-unsigned"
        ),
        pytest.param(
            case("umaddl x0, w1, w2, x3", given(x1=-1, x2=-1, x3=-1), expect(x0=0xFFFF_FFFE_0000_0000)),
            id="umaddl-wraps",
        ),
        pytest.param(
            case("smaddl x0, w1, w2, x3", given(x1=1, x2=1, x3=MIN64 - 1), expect(x0=MIN64)), id="smaddl-wraps"
        ),
        pytest.param(
            case("smsubl x0, w1, w2, x3", given(x1=MIN32, x2=1, x3=0), expect(x0=MIN32)),
            id="smsubl-negates-the-product",
        ),
        pytest.param(
            case("umsubl x0, w1, w2, x3", given(x1=-1, x2=-1, x3=0), expect(x0=0x1_FFFF_FFFF)), id="umsubl-wraps"
        ),
        pytest.param(case("smnegl x0, w1, w2", given(x1=MAX32, x2=5), expect(x0=5)), id="smnegl"),
        pytest.param(case("umnegl x0, w1, w2", given(x1=MAX32, x2=1), expect(x0=-MAX32)), id="umnegl"),
        pytest.param(case("smull x0, w0, w0", given(x0=-1), expect(x0=1)), id="with-itself"),
    ],
)
def test_multiply_add_long(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    ("one", "other", "result"),
    [
        pytest.param(MIN64, MIN64, 1 << 62, id="smallest-squared"),
        pytest.param(MIN64, MIN64 - 1, 0xC000_0000_0000_0000, id="smallest-by-largest"),
        pytest.param(MIN64 - 1, MIN64 - 1, 0x3FFF_FFFF_FFFF_FFFF, id="largest-squared"),
        pytest.param(-1, -1, 0, id="minus-one-squared"),
        pytest.param(-1, 1, MAX64, id="minus-one"),
        pytest.param(MIN64, 1, MAX64, id="smallest-by-one-gives-the-sign"),
    ],
)
def test_smulh(backend, one, other, result):
    case("smulh x0, x1, x2", given(x0=9, x1=one, x2=other), expect(x0=result)).check(backend)


@pytest.mark.parametrize(
    ("one", "other", "result"),
    [
        pytest.param(MAX64, MAX64, MAX64 - 1, id="largest-squared"),
        pytest.param(MAX64, 1, 0, id="largest-by-one"),
        pytest.param(MIN64, 2, 1, id="top-bit-by-two"),
        pytest.param(0x1_0000_0001, 0xFFFF_FFFF, 0, id="just-below-2-to-the-64"),
    ],
)
def test_umulh(backend, one, other, result):
    case("umulh x0, x1, x2", given(x0=9, x1=one, x2=other), expect(x0=result)).check(backend)


@pytest.mark.parametrize(
    ("word", "result"),
    [
        pytest.param(0x9B42_0020, 1, id="smulh-ra-0"),
        pytest.param(0x9B42_7820, 1, id="smulh-ra-30"),
        pytest.param(0x9BC2_0C20, 3, id="umulh-ra-3"),
    ],
)
def test_multiply_high_with_ra_not_31(backend, word, result):
    # Ra should be all ones; otherwise CONSTRAINED UNPREDICTABLE.
    outcomes = permit(expect(x0=result), expect(exit=undefined()), expect(), expect(unknown("x0")))
    case(word, given(x0=9, x1=-1 << 62, x2=-4 if result == 1 else 4, x3=8, x30=9), outcomes).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x1B22_7C20, id="smaddl-32-bit"),
        pytest.param(0x1BA2_7C20, id="umaddl-32-bit"),
        pytest.param(0x1B42_7C20, id="smulh-32-bit"),
        pytest.param(0x9B42_FC20, id="smulh-with-o0"),
        pytest.param(0x9BC2_FC20, id="umulh-with-o0"),
        pytest.param(0x9B82_7C20, id="op31-100"),
        pytest.param(0x9BE2_7C20, id="op31-111"),
        pytest.param(0xBB02_7C20, id="op54-01"),
        pytest.param(0xDB02_7C20, id="op54-10"),
        pytest.param(0xFB02_7C20, id="op54-11"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    case(word, given(x0=9, x1=3, x2=5), expect(exit=undefined())).check(backend)
