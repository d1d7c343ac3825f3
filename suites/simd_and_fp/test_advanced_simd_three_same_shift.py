"""Advanced SIMD three same, and scalar three same: shifts by register."""

import pytest

from assay64.harness.cases.authoring import MAX64, MIN64, case, expect, given, undefined
from assay64.suites.simd_and_fp.elements import ONES, QC, every

pytestmark = pytest.mark.simd

NAMES = ("sshl", "ushl", "srshl", "urshl", "sqshl", "uqshl", "sqrshl", "uqrshl")


@pytest.mark.parametrize(
    ("value", "distance", "results", "saturating"),
    [
        # In the order of NAMES; then the instructions that saturate.
        pytest.param(0x81, 0, (0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81), "", id="by-zero"),
        pytest.param(
            0x81, 1, (0x02, 0x02, 0x02, 0x02, 0x80, 0xFF, 0x80, 0xFF), "sqshl uqshl sqrshl uqrshl", id="left-1"
        ),
        pytest.param(0x01, 6, (0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40), "", id="left-6"),
        pytest.param(0x01, 7, (0x80, 0x80, 0x80, 0x80, 0x7F, 0x80, 0x7F, 0x80), "sqshl sqrshl", id="left-7"),
        pytest.param(0xFF, 7, (0x80, 0x80, 0x80, 0x80, 0x80, 0xFF, 0x80, 0xFF), "uqshl uqrshl", id="minus-one-left-7"),
        pytest.param(0x01, 8, (0, 0, 0, 0, 0x7F, 0xFF, 0x7F, 0xFF), "sqshl uqshl sqrshl uqrshl", id="left-8"),
        pytest.param(0x80, 127, (0, 0, 0, 0, 0x80, 0xFF, 0x80, 0xFF), "sqshl uqshl sqrshl uqrshl", id="left-127"),
        pytest.param(0x00, 127, (0, 0, 0, 0, 0, 0, 0, 0), "", id="zero-left-127"),
        pytest.param(0x83, -1, (0xC1, 0x41, 0xC2, 0x42, 0xC1, 0x41, 0xC2, 0x42), "", id="right-1"),
        pytest.param(0xFF, -1, (0xFF, 0x7F, 0x00, 0x80, 0xFF, 0x7F, 0x00, 0x80), "", id="minus-one-right-1"),
        pytest.param(0x80, -8, (0xFF, 0, 0, 1, 0xFF, 0, 0, 1), "", id="right-8"),
        pytest.param(0x7F, -8, (0, 0, 0, 0, 0, 0, 0, 0), "", id="right-8-below-half"),
        pytest.param(0xFF, -9, (0xFF, 0, 0, 0, 0xFF, 0, 0, 0), "", id="right-9"),
        pytest.param(0x80, -128, (0xFF, 0, 0, 0, 0xFF, 0, 0, 0), "", id="right-128"),
    ],
)
def test_shift_of_a_byte(backend, value, distance, results, saturating):
    start = given(v0=ONES, v1=value << 24, v2=(distance & 0xFF) << 24)
    for name, result in zip(NAMES, results, strict=True):
        end = expect(v0=result << 24, fpsr=QC if name in saturating.split() else 0)
        case(f"{name} v0.16b, v1.16b, v2.16b", start, end).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "sshl v0.4s, v1.4s, v2.4s", given(v1=every(32, 3), v2=every(32, 0xFFFF_FF04)), expect(v0=every(32, 48))
            ),
            id="only-the-low-byte-is-the-distance",
        ),
        pytest.param(
            case("ushl v0.2d, v1.2d, v2.2d", given(v1=every(64, MIN64), v2=every(64, -63)), expect(v0=every(64, 1))),
            id="doubleword-right-63",
        ),
        pytest.param(
            case("urshl v0.2d, v1.2d, v2.2d", given(v1=every(64, MAX64), v2=every(64, -64)), expect(v0=every(64, 1))),
            id="doubleword-rounding-right-64",
        ),
        pytest.param(
            case("urshl d0, d1, d2", given(v0=ONES, v1=MAX64, v2=0xC1), expect(v0=2)), id="scalar-rounding-right-63"
        ),
        pytest.param(
            case("sqshl d0, d1, d2", given(v1=1, v2=63), expect(v0=MAX64 >> 1, fpsr=QC)), id="scalar-saturates"
        ),
        pytest.param(
            case("uqrshl h0, h1, h2", given(v0=ONES, v1=0xFFFF, v2=0xFF), expect(v0=0x8000)), id="scalar-halfword"
        ),
        pytest.param(
            case("sqrshl s0, s1, s2", given(v0=ONES, v1=-2 & 0xFFFF_FFFF, v2=31), expect(v0=1 << 31, fpsr=QC)),
            id="scalar-word",
        ),
        pytest.param(case("sqshl b0, b0, b0", given(v0=ONES), expect(v0=0xFF)), id="distance-is-the-value"),
        pytest.param(case("sshl d1, d1, d2", given(v1=-1, v2=0x100), expect(v1=MAX64)), id="scalar-distance-256-is-0"),
        pytest.param(case(0x0EE2_4420, expect(exit=undefined())), id="sshl-1d-is-reserved"),
        pytest.param(case(0x5EA2_4420, expect(exit=undefined())), id="scalar-sshl-of-words-is-reserved"),
        pytest.param(case(0x7E62_5420, expect(exit=undefined())), id="scalar-urshl-of-halfwords-is-reserved"),
    ],
)
def test_shift(backend, claim):
    claim.check(backend)
