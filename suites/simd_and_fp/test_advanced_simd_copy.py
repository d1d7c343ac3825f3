"""Advanced SIMD copy, and scalar copy."""

import pytest

from assay64.harness.cases.authoring import MAX64, case, expect, given, undefined
from assay64.suites.simd_and_fp.elements import ONES, every, vector

pytestmark = pytest.mark.simd

BYTES = int.from_bytes(range(0xF0, 0x100), "little")  # byte i is 0xF0 + i


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("dup v0.16b, v1.b[15]", given(v1=BYTES), expect(v0=every(8, 0xFF))), id="dup-byte-15"),
        pytest.param(
            case("dup v0.4h, v1.h[7]", given(v0=ONES, v1=BYTES), expect(v0=every(16, 0xFFFE, 64))),
            id="dup-4h-from-the-upper-half",
        ),
        pytest.param(case("dup v0.2d, v0.d[1]", given(v0=5 << 64), expect(v0=every(64, 5))), id="dup-in-place"),
        pytest.param(
            case("dup v0.8b, w1", given(v0=ONES, x1=0x1_23A5), expect(v0=every(8, 0xA5, 64))), id="dup-general-8b"
        ),
        pytest.param(case("dup v0.4s, w1", given(x1=-2), expect(v0=every(32, -2))), id="dup-general-4s"),
        pytest.param(case("dup v0.2d, x1", given(x1=-2), expect(v0=every(64, -2))), id="dup-general-2d"),
        pytest.param(case("dup v0.2d, xzr", given(v0=ONES), expect(v0=0)), id="dup-xzr"),
        pytest.param(case("mov b0, v1.b[8]", given(v0=ONES, v1=BYTES), expect(v0=0xF8)), id="scalar-byte"),
        pytest.param(case("mov d0, v1.d[1]", given(v0=ONES, v1=7 << 64), expect(v0=7)), id="scalar-doubleword"),
        pytest.param(case("mov s0, v0.s[3]", given(v0=9 << 96), expect(v0=9)), id="scalar-in-place"),
        pytest.param(case(0x4E10_0420, expect(exit=undefined())), id="imm5-10000-is-reserved"),
        pytest.param(case(0x4E00_0420, expect(exit=undefined())), id="imm5-00000-is-reserved"),
        pytest.param(case(0x0E08_0420, expect(exit=undefined())), id="dup-1d-is-reserved"),
        pytest.param(case(0x0E08_0C20, expect(exit=undefined())), id="dup-general-1d-is-reserved"),
        pytest.param(case(0x4E10_0C20, expect(exit=undefined())), id="dup-general-imm5-10000-is-reserved"),
        pytest.param(case(0x5E10_0420, expect(exit=undefined())), id="scalar-imm5-10000-is-reserved"),
    ],
)
def test_duplicate(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("ins v0.b[15], w1", given(v0=0, x1=0x1_23A5), expect(v0=0xA5 << 120)), id="general-byte-15"),
        pytest.param(
            case("ins v0.h[3], w1", given(v0=ONES, x1=0), expect(v0=ONES ^ 0xFFFF << 48)), id="general-keeps-the-others"
        ),
        pytest.param(
            case("ins v0.d[1], x1", given(v0=ONES, x1=5), expect(v0=5 << 64 | MAX64)), id="general-doubleword"
        ),
        pytest.param(case("ins v0.s[0], wzr", given(v0=ONES), expect(v0=ONES ^ 0xFFFF_FFFF)), id="general-wzr"),
        pytest.param(
            case("ins v0.b[0], v1.b[15]", given(v0=ONES, v1=1 << 120), expect(v0=ONES ^ 0xFE)), id="element-byte"
        ),
        pytest.param(
            case("ins v0.s[3], v0.s[0]", given(v0=vector(32, 1, 2, 3, 4)), expect(v0=vector(32, 1, 2, 3, 1))),
            id="element-of-itself",
        ),
        pytest.param(case("ins v0.d[0], v1.d[1]", given(v1=6 << 64), expect(v0=6)), id="element-doubleword"),
        pytest.param(
            case(0x6E04_5C20, given(v1=vector(32, 1, 2, 3, 4)), expect(v0=3)),
            id="bits-of-imm4-below-the-index-are-ignored",
        ),
        pytest.param(case(0x4E10_1C20, expect(exit=undefined())), id="general-imm5-10000-is-reserved"),
        pytest.param(case(0x4E00_1C20, expect(exit=undefined())), id="general-imm5-00000-is-reserved"),
        pytest.param(case(0x0E01_1C20, expect(exit=undefined())), id="general-without-q-is-unallocated"),
        pytest.param(case(0x6E10_0420, expect(exit=undefined())), id="element-imm5-10000-is-reserved"),
        pytest.param(case(0x2E01_0420, expect(exit=undefined())), id="element-without-q-is-unallocated"),
    ],
)
def test_insert(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("smov w0, v1.b[15]", given(x0=-1, v1=0x80 << 120), expect(x0=0xFFFF_FF80)), id="smov-byte-to-w"
        ),
        pytest.param(case("smov x0, v1.b[0]", given(v1=0x80), expect(x0=-128)), id="smov-byte-to-x"),
        pytest.param(
            case("smov w0, v1.h[7]", given(x0=-1, v1=0x7FFF << 112), expect(x0=0x7FFF)), id="smov-halfword-to-w"
        ),
        pytest.param(case("smov x0, v1.s[3]", given(v1=1 << 127), expect(x0=-(1 << 31))), id="smov-word-to-x"),
        pytest.param(case("smov xzr, v1.s[3]", given(v1=1 << 127), expect()), id="smov-to-xzr"),
        pytest.param(case("umov w0, v1.b[15]", given(x0=-1, v1=0x80 << 120), expect(x0=0x80)), id="umov-byte"),
        pytest.param(case("umov w0, v1.h[4]", given(x0=-1, v1=0xFFFF << 64), expect(x0=0xFFFF)), id="umov-halfword"),
        pytest.param(
            case("umov w0, v1.s[2]", given(x0=-1, v1=0xFFFF_FFFF << 64), expect(x0=0xFFFF_FFFF)), id="umov-word"
        ),
        pytest.param(case("umov x0, v1.d[1]", given(v1=MAX64 << 64), expect(x0=MAX64)), id="umov-doubleword"),
        pytest.param(case(0x0E04_2C20, expect(exit=undefined())), id="smov-word-to-w-is-reserved"),
        pytest.param(case(0x4E08_2C20, expect(exit=undefined())), id="smov-doubleword-is-reserved"),
        pytest.param(case(0x0E08_3C20, expect(exit=undefined())), id="umov-doubleword-to-w-is-reserved"),
        pytest.param(case(0x4E04_3C20, expect(exit=undefined())), id="umov-word-to-x-is-reserved"),
        pytest.param(case(0x4E01_3C20, expect(exit=undefined())), id="umov-byte-to-x-is-reserved"),
        pytest.param(case(0x4E10_3C20, expect(exit=undefined())), id="umov-imm5-10000-is-reserved"),
        pytest.param(case(0x0E00_2C20, expect(exit=undefined())), id="smov-imm5-00000-is-reserved"),
    ],
)
def test_move_to_general(backend, claim):
    claim.check(backend)
