"""Advanced SIMD across lanes, and scalar pairwise: integers."""

import pytest

from assay64.harness.cases.authoring import MAX64, case, expect, given, undefined
from assay64.suites.simd_and_fp.elements import ONES, every, vector

pytestmark = pytest.mark.simd


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("addv b0, v1.16b", given(v0=ONES, v1=every(8, 0xFF)), expect(v0=0xF0)), id="addv-wraps"),
        pytest.param(case("addv b0, v1.8b", given(v0=ONES, v1=ONES << 64 & ONES | 5), expect(v0=5)), id="addv-8b"),
        pytest.param(case("addv h0, v0.4h", given(v0=vector(16, 1, 2, 3, 4, 5)), expect(v0=10)), id="addv-in-place"),
        pytest.param(case("addv s0, v1.4s", given(v1=every(32, 0x4000_0001)), expect(v0=4)), id="addv-4s"),
        pytest.param(case("saddlv h0, v1.16b", given(v0=ONES, v1=every(8, -128)), expect(v0=0xF800)), id="saddlv-16b"),
        pytest.param(case("uaddlv h0, v1.16b", given(v1=ONES), expect(v0=0x0FF0)), id="uaddlv-16b"),
        pytest.param(case("uaddlv s0, v1.4h", given(v0=ONES, v1=ONES), expect(v0=0x3_FFFC)), id="uaddlv-4h"),
        pytest.param(
            case("saddlv d0, v1.4s", given(v0=ONES, v1=every(32, 1 << 31)), expect(v0=-(1 << 33) & MAX64)),
            id="saddlv-4s",
        ),
        pytest.param(case("uaddlv d0, v1.4s", given(v0=ONES, v1=ONES), expect(v0=0x3_FFFF_FFFC)), id="uaddlv-4s"),
        pytest.param(case("smaxv b0, v1.16b", given(v0=ONES, v1=0x80 << 120), expect(v0=0)), id="smaxv"),
        pytest.param(case("umaxv b0, v1.16b", given(v0=ONES, v1=0x80 << 120), expect(v0=0x80)), id="umaxv"),
        pytest.param(case("sminv h0, v1.8h", given(v1=0x8000 << 48), expect(v0=0x8000)), id="sminv"),
        pytest.param(case("uminv s0, v1.4s", given(v1=ONES ^ 1 << 96), expect(v0=0xFFFF_FFFE)), id="uminv-last-lane"),
        pytest.param(
            case("smaxv h0, v1.4h", given(v1=every(16, -2, 64) | 5 << 64), expect(v0=0xFFFE)), id="smaxv-4h-of-64-bits"
        ),
        pytest.param(
            case("addp d0, v1.2d", given(v0=ONES, v1=vector(64, MAX64, 2)), expect(v0=1)), id="scalar-addp-wraps"
        ),
        pytest.param(case("addp d0, v0.2d", given(v0=vector(64, 3, 4)), expect(v0=7)), id="scalar-addp-in-place"),
        pytest.param(case(0x0EB1_B820, expect(exit=undefined())), id="addv-2s-is-reserved"),
        pytest.param(case(0x4EF1_B820, expect(exit=undefined())), id="addv-2d-is-reserved"),
        pytest.param(case(0x6E31_B820, expect(exit=undefined())), id="addv-with-u-is-unallocated"),
        pytest.param(case(0x2EB0_3820, expect(exit=undefined())), id="uaddlv-2s-is-reserved"),
        pytest.param(case(0x4EF0_3820, expect(exit=undefined())), id="saddlv-2d-is-reserved"),
        pytest.param(case(0x0EB0_A820, expect(exit=undefined())), id="smaxv-2s-is-reserved"),
        pytest.param(case(0x6EF1_A820, expect(exit=undefined())), id="uminv-2d-is-reserved"),
        pytest.param(case(0x5EB1_B820, expect(exit=undefined())), id="scalar-addp-of-words-is-reserved"),
        pytest.param(case(0x7EF1_B820, expect(exit=undefined())), id="scalar-addp-with-u-is-unallocated"),
    ],
)
def test_across_lanes(backend, claim):
    claim.check(backend)
