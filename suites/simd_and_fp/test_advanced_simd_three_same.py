"""Advanced SIMD three same, and scalar three same: integers."""

import pytest

from assay64.harness.cases.authoring import MAX64, MIN64, case, expect, given, undefined
from assay64.suites.simd_and_fp.elements import ONES, QC, every, vector

pytestmark = pytest.mark.simd


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "sqadd v0.16b, v1.16b, v2.16b",
                given(v1=vector(8, 127, -128, 100, -1), v2=vector(8, 1, -1, 27, 1)),
                expect(v0=vector(8, 127, -128, 127, 0), fpsr=QC),
            ),
            id="sqadd-both-ends",
        ),
        pytest.param(
            case("sqadd v0.8h, v1.8h, v2.8h", given(v1=0x7FFE, v2=1), expect(v0=0x7FFF)), id="sqadd-just-fits-no-qc"
        ),
        pytest.param(
            case("sqadd v0.8h, v1.8h, v2.8h", given(v1=1, v2=1, fpsr=QC), expect(v0=2)), id="qc-is-never-cleared"
        ),
        pytest.param(
            case(
                "uqadd v0.2d, v1.2d, v2.2d",
                given(v1=vector(64, MAX64, 1), v2=vector(64, 1, 1)),
                expect(v0=vector(64, MAX64, 2), fpsr=QC),
            ),
            id="uqadd-one-lane-of-two",
        ),
        pytest.param(
            case("uqadd v0.8b, v1.8b, v2.8b", given(v0=ONES, v1=ONES, v2=0), expect(v0=MAX64)),
            id="64-bits-zero-the-upper-half",
        ),
        pytest.param(
            case("uqadd v0.8b, v1.8b, v2.8b", given(v1=ONES, v2=ONES ^ MAX64), expect(v0=MAX64)),
            id="the-upper-half-of-the-operands-saturates-nothing",
        ),
        pytest.param(
            case("uqsub v0.4s, v1.4s, v2.4s", given(v1=vector(32, 5, 7), v2=vector(32, 6, 7)), expect(v0=0, fpsr=QC)),
            id="uqsub-stops-at-zero",
        ),
        pytest.param(
            case("sqsub v0.2d, v1.2d, v2.2d", given(v1=MIN64, v2=1), expect(v0=MIN64, fpsr=QC)), id="sqsub-smallest"
        ),
        pytest.param(
            case("sqsub v0.4s, v1.4s, v1.4s", given(v1=every(32, 1 << 31)), expect(v0=0)), id="sqsub-from-itself"
        ),
        pytest.param(
            case("sqadd b0, b1, b2", given(v0=ONES, v1=0xFF7F, v2=0xFF01), expect(v0=0x7F, fpsr=QC)), id="scalar-byte"
        ),
        pytest.param(
            case("uqadd h0, h1, h2", given(v0=ONES, v1=0x1_FFFE, v2=0x1_0001), expect(v0=0xFFFF)), id="scalar-fits"
        ),
        pytest.param(
            case("sqsub d0, d1, d2", given(v0=ONES, v1=0, v2=MIN64), expect(v0=MAX64 >> 1, fpsr=QC)),
            id="scalar-minus-smallest",
        ),
        pytest.param(case("uqsub s0, s0, s0", given(v0=ONES), expect(v0=0)), id="scalar-in-place"),
        pytest.param(case(0x0EE2_0C20, expect(exit=undefined())), id="sqadd-1d-is-reserved"),
    ],
)
def test_saturating_add_and_subtract(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "shadd v0.16b, v1.16b, v2.16b",
                given(v1=vector(8, 127, -1, -128, 2), v2=vector(8, 127, 0, -128, 1)),
                expect(v0=vector(8, 127, -1, -128, 1)),
            ),
            id="shadd-rounds-down",
        ),
        pytest.param(
            case(
                "srhadd v0.16b, v1.16b, v2.16b",
                given(v1=vector(8, -1, -128, 2, 127), v2=vector(8, 0, -128, 1, 126)),
                expect(v0=vector(8, 0, -128, 2, 127)),
            ),
            id="srhadd-rounds-up",
        ),
        pytest.param(
            case(
                "uhadd v0.4s, v1.4s, v2.4s",
                given(v1=vector(32, 0xFFFF_FFFF, 1), v2=vector(32, 0xFFFF_FFFF, 0)),
                expect(v0=vector(32, 0xFFFF_FFFF, 0)),
            ),
            id="uhadd-keeps-the-carry",
        ),
        pytest.param(
            case(
                "urhadd v0.8h, v1.8h, v2.8h",
                given(v1=vector(16, 0xFFFF, 1), v2=vector(16, 0xFFFE, 0)),
                expect(v0=vector(16, 0xFFFF, 1)),
            ),
            id="urhadd",
        ),
        pytest.param(
            case(
                "uhsub v0.8b, v1.8b, v2.8b",
                given(v0=ONES, v1=vector(8, 0, 255, 3), v2=vector(8, 1, 0, 0)),
                expect(v0=vector(8, 0xFF, 0x7F, 1)),
            ),
            id="uhsub-can-be-negative",
        ),
        pytest.param(
            case(
                "shsub v0.16b, v1.16b, v2.16b",
                given(v1=vector(8, -128, 127), v2=vector(8, 127, -128)),
                expect(v0=vector(8, -128, 127)),
            ),
            id="shsub-extremes",
        ),
        pytest.param(case(0x4EE2_0420, expect(exit=undefined())), id="shadd-2d-is-reserved"),
        pytest.param(case(0x6EE2_2420, expect(exit=undefined())), id="uhsub-2d-is-reserved"),
        pytest.param(case(0x4EE2_1420, expect(exit=undefined())), id="srhadd-2d-is-reserved"),
    ],
)
def test_halving(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                f"{name} v0.4s, v1.4s, v2.4s",
                given(v1=vector(32, 0, -1, 1, 5), v2=vector(32, 0, 1, -1, 5)),
                expect(v0=vector(32, *(-holds for holds in holding))),
            ),
            id=name,
        )
        for name, holding in {
            "cmeq": (1, 0, 0, 1),
            "cmgt": (0, 0, 1, 0),
            "cmge": (1, 0, 1, 1),
            "cmhi": (0, 1, 0, 0),
            "cmhs": (1, 1, 0, 1),
            "cmtst": (0, 1, 1, 1),
        }.items()
    ]
    + [
        pytest.param(
            case("cmtst v0.16b, v1.16b, v2.16b", given(v1=0x0F80, v2=0xF080), expect(v0=0xFF)),
            id="cmtst-needs-a-common-bit",
        ),
        pytest.param(
            case("cmgt d0, d1, d2", given(v0=ONES, v1=0, v2=MIN64), expect(v0=MAX64)), id="scalar-cmgt-is-signed"
        ),
        pytest.param(case("cmhi d0, d1, d2", given(v0=ONES, v1=0, v2=MIN64), expect(v0=0)), id="scalar-cmhi"),
        pytest.param(case("cmeq d0, d1, d2", given(v1=ONES, v2=MAX64), expect(v0=MAX64)), id="scalar-cmeq"),
        pytest.param(case("cmtst d0, d0, d0", given(v0=1 << 64), expect(v0=0)), id="scalar-cmtst"),
        pytest.param(case(0x0EE2_3420, expect(exit=undefined())), id="cmgt-1d-is-reserved"),
        pytest.param(case(0x5EA2_3420, expect(exit=undefined())), id="scalar-cmgt-of-words-is-reserved"),
        pytest.param(case(0x7E22_8C20, expect(exit=undefined())), id="scalar-cmeq-of-bytes-is-reserved"),
    ],
)
def test_compare(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                f"{name} v0.8h, v1.8h, v2.8h",
                given(v1=vector(16, 0x8000, 0x7FFF, 5, 0), v2=vector(16, 0x7FFF, 0x8000, 5, -1)),
                expect(v0=vector(16, *result)),
            ),
            id=name,
        )
        for name, result in {
            "smax": (0x7FFF, 0x7FFF, 5, 0),
            "smin": (0x8000, 0x8000, 5, -1),
            "umax": (0x8000, 0x8000, 5, -1),
            "umin": (0x7FFF, 0x7FFF, 5, 0),
            "sabd": (-1, -1, 0, 1),
            "uabd": (1, 1, 0, -1),
            "add": (-1, -1, 10, -1),
            "sub": (1, -1, 0, 1),
            "mul": (0x8000, 0x8000, 25, 0),
        }.items()
    ]
    + [
        pytest.param(
            case(
                "saba v0.16b, v1.16b, v2.16b",
                given(v0=vector(8, 2, 255), v1=vector(8, -128, 1), v2=vector(8, 127, 0)),
                expect(v0=vector(8, 1, 0)),
            ),
            id="saba-wraps",
        ),
        pytest.param(
            case(
                "uaba v0.2s, v0.2s, v1.2s",
                given(v0=vector(32, 7, 9, 1, 1), v1=vector(32, 5, 10)),
                expect(v0=vector(32, 9, 10)),
            ),
            id="uaba-in-place-of-64-bits",
        ),
        pytest.param(
            case("add v0.2d, v1.2d, v2.2d", given(v1=every(64, MAX64), v2=1), expect(v0=vector(64, 0, MAX64))),
            id="add-carries-into-no-other-lane",
        ),
        pytest.param(case("add d0, d1, d2", given(v0=ONES, v1=ONES, v2=1), expect(v0=0)), id="scalar-add"),
        pytest.param(case("sub d0, d1, d2", given(v0=ONES, v1=0, v2=1), expect(v0=MAX64)), id="scalar-sub"),
        pytest.param(
            case(
                "mla v0.4s, v1.4s, v2.4s",
                given(v0=vector(32, 1), v1=every(32, -1), v2=every(32, 2)),
                expect(v0=vector(32, -1, -2, -2, -2)),
            ),
            id="mla",
        ),
        pytest.param(
            case("mls v0.8b, v0.8b, v0.8b", given(v0=vector(8, 16, 3) | 1 << 127), expect(v0=vector(8, 16, -6))),
            id="mls-all-the-same-register",
        ),
        pytest.param(
            case(
                "pmul v0.16b, v1.16b, v2.16b",
                given(v1=vector(8, 0xFF, 0x80, 3), v2=vector(8, 0xFF, 2, 3)),
                expect(v0=vector(8, 0x55, 0, 5)),
            ),
            id="pmul-keeps-the-low-byte",
        ),
        pytest.param(case(0x4EE2_9C20, expect(exit=undefined())), id="mul-2d-is-reserved"),
        pytest.param(case(0x6E62_9C20, expect(exit=undefined())), id="pmul-8h-is-reserved"),
        pytest.param(case(0x4EE2_9420, expect(exit=undefined())), id="mla-2d-is-reserved"),
        pytest.param(case(0x6EE2_6420, expect(exit=undefined())), id="umax-2d-is-reserved"),
        pytest.param(case(0x4EE2_7C20, expect(exit=undefined())), id="saba-2d-is-reserved"),
        pytest.param(case(0x0EE2_8420, expect(exit=undefined())), id="add-1d-is-reserved"),
        pytest.param(case(0x5EA2_8420, expect(exit=undefined())), id="scalar-add-of-words-is-reserved"),
    ],
)
def test_arithmetic(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "addp v0.8h, v1.8h, v2.8h",
                given(v1=vector(16, 1, 2, 3, 4, 5, 6, 7, 8), v2=every(16, -1)),
                expect(v0=vector(16, 3, 7, 11, 15, -2, -2, -2, -2)),
            ),
            id="addp",
        ),
        pytest.param(
            case("addp v0.2s, v0.2s, v0.2s", given(v0=vector(32, 1, 2, 50, 60)), expect(v0=vector(32, 3, 3))),
            id="addp-of-64-bits-in-place",
        ),
        pytest.param(
            case(
                "addp v0.2d, v1.2d, v2.2d",
                given(v1=vector(64, -1, 1), v2=vector(64, 2, 3)),
                expect(v0=vector(64, 0, 5)),
            ),
            id="addp-2d",
        ),
        pytest.param(
            case(
                "smaxp v0.4s, v1.4s, v2.4s",
                given(v1=vector(32, -1, 0, 5, 4), v2=vector(32, -3, -2)),
                expect(v0=vector(32, 0, 5, -2, 0)),
            ),
            id="smaxp",
        ),
        pytest.param(
            case(
                "umaxp v0.4s, v1.4s, v2.4s",
                given(v1=vector(32, -1, 0, 5, 4), v2=vector(32, -3, -2)),
                expect(v0=vector(32, -1, 5, -2, 0)),
            ),
            id="umaxp",
        ),
        pytest.param(
            case(
                "sminp v0.8b, v1.8b, v2.8b",
                given(v1=vector(8, -128, 127), v2=vector(8, 3, 2)),
                expect(v0=vector(8, -128, 0, 0, 0, 2)),
            ),
            id="sminp",
        ),
        pytest.param(
            case(
                "uminp v0.8b, v1.8b, v2.8b",
                given(v1=vector(8, -128, 127), v2=vector(8, 3, 2)),
                expect(v0=vector(8, 127, 0, 0, 0, 2)),
            ),
            id="uminp",
        ),
        pytest.param(case(0x0EE2_BC20, expect(exit=undefined())), id="addp-1d-is-reserved"),
        pytest.param(case(0x6E22_BC20, expect(exit=undefined())), id="addp-with-u-is-unallocated"),
        pytest.param(case(0x4EE2_A420, expect(exit=undefined())), id="smaxp-2d-is-reserved"),
    ],
)
def test_pairwise(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "sqdmulh v0.8h, v1.8h, v2.8h",
                given(v1=vector(16, 0x8000, 0x4000, -1), v2=vector(16, 0x8000, 0x4000, 1)),
                expect(v0=vector(16, 0x7FFF, 0x2000, -1), fpsr=QC),
            ),
            id="sqdmulh-smallest-squared",
        ),
        pytest.param(
            case(
                "sqrdmulh v0.8h, v1.8h, v2.8h",
                given(v1=vector(16, -1, 0x4000, 0x7FFF), v2=vector(16, 1, 1, 0x7FFF)),
                expect(v0=vector(16, 0, 1, 0x7FFE)),
            ),
            id="sqrdmulh-rounds-halves-up",
        ),
        pytest.param(
            case(
                "sqrdmulh v0.4s, v1.4s, v1.4s", given(v1=every(32, 1 << 31)), expect(v0=every(32, 0x7FFF_FFFF), fpsr=QC)
            ),
            id="sqrdmulh-smallest-squared",
        ),
        pytest.param(
            case("sqdmulh h0, h1, h2", given(v0=ONES, v1=ONES ^ 0x7FFF, v2=0x8000), expect(v0=0x7FFF, fpsr=QC)),
            id="scalar-halfword",
        ),
        pytest.param(
            case("sqrdmulh s0, s1, s2", given(v0=ONES, v1=0x4000_0000, v2=3), expect(v0=2)), id="scalar-word-rounds"
        ),
        pytest.param(case(0x4E22_B420, expect(exit=undefined())), id="bytes-are-reserved"),
        pytest.param(case(0x4EE2_B420, expect(exit=undefined())), id="doublewords-are-reserved"),
        pytest.param(case(0x7E22_B420, expect(exit=undefined())), id="scalar-bytes-are-reserved"),
        pytest.param(case(0x5EE2_B420, expect(exit=undefined())), id="scalar-doublewords-are-reserved"),
    ],
)
def test_doubling_multiply_high(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(f"{name} v0.16b, v1.16b, v2.16b", given(v0=0xFF00, v1=0xF0F0, v2=0xCCCC), expect(v0=result)), id=name
        )
        for name, result in {
            "and": 0xC0C0,
            "bic": 0x3030,
            "orr": 0xFCFC,
            "orn": ONES & ~0x0C0C,
            "eor": 0x3C3C,
            "bsl": 0xF0CC,
            "bit": 0xF3C0,
            "bif": 0xFC30,
        }.items()
    ]
    + [
        pytest.param(
            case("bsl v0.8b, v0.8b, v1.8b", given(v0=ONES ^ 5, v1=ONES), expect(v0=MAX64)), id="bsl-of-64-bits"
        ),
        pytest.param(case("bif v0.16b, v0.16b, v0.16b", given(v0=0x1234), expect()), id="bif-of-itself"),
        pytest.param(case("eor v0.16b, v0.16b, v0.16b", given(v0=ONES), expect(v0=0)), id="eor-with-itself"),
        pytest.param(
            case("orr v0.8b, v1.8b, v1.8b", given(v0=ONES, v1=ONES ^ 1), expect(v0=MAX64 ^ 1)), id="mov-of-64-bits"
        ),
    ],
)
def test_logical(backend, claim):
    claim.check(backend)
