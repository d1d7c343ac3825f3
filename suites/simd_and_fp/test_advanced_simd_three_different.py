"""Advanced SIMD three different, and scalar three different: operations whose elements differ in size."""

import pytest

from assay64.harness.cases.authoring import MAX64, MIN64, case, expect, given, undefined
from assay64.suites.simd_and_fp.elements import ONES, QC, every, vector

pytestmark = pytest.mark.simd

MAX63 = MIN64 - 1


def carry_less_product(x, y):
    """Of polynomials over {0, 1}."""
    return 0 if not y else carry_less_product(x << 1, y >> 1) ^ (x if y & 1 else 0)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "saddl v0.8h, v1.8b, v2.8b",
                given(v1=vector(8, -128, 127), v2=vector(8, -128, 127)),
                expect(v0=vector(16, -256, 254)),
            ),
            id="saddl-extremes",
        ),
        pytest.param(
            case("uaddl v0.2d, v1.2s, v2.2s", given(v1=MAX64, v2=MAX64), expect(v0=every(64, 0x1_FFFF_FFFE))),
            id="uaddl-extremes",
        ),
        pytest.param(
            case("usubl2 v0.4s, v1.8h, v2.8h", given(v1=MAX64, v2=1 << 64), expect(v0=vector(32, -1))),
            id="usubl2-takes-the-upper-half-and-wraps",
        ),
        pytest.param(
            case("ssubl v1.8h, v1.8b, v2.8b", given(v1=ONES, v2=every(8, 127)), expect(v1=every(16, -128))),
            id="ssubl-onto-its-source",
        ),
        pytest.param(
            case("saddw v0.4s, v1.4s, v2.4h", given(v1=every(32, 5), v2=every(16, -6, 64)), expect(v0=ONES)),
            id="saddw-extends-only-the-second",
        ),
        pytest.param(
            case("uaddw2 v0.2d, v1.2d, v2.4s", given(v1=every(64, 1), v2=ONES ^ MAX64), expect(v0=every(64, 1 << 32))),
            id="uaddw2",
        ),
        pytest.param(case("ssubw v0.2d, v1.2d, v2.2s", given(v2=1 << 31), expect(v0=1 << 31)), id="ssubw-smallest"),
        pytest.param(case("usubw v0.8h, v1.8h, v2.8b", given(v2=0xFF), expect(v0=0xFF01)), id="usubw-wraps"),
    ],
)
def test_long_and_wide(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "addhn v0.8b, v1.8h, v2.8h",
                given(v0=ONES, v1=every(16, 0x12FF), v2=1),
                expect(v0=0x1212_1212_1212_1213),
            ),
            id="addhn-zeroes-the-upper-half",
        ),
        pytest.param(
            case("raddhn v0.8b, v1.8h, v2.8h", given(v1=vector(16, 0x1280, 0x127F, 0xFFFF)), expect(v0=0x1213)),
            id="raddhn-rounds-and-wraps",
        ),
        pytest.param(
            case("raddhn2 v0.4s, v1.2d, v2.2d", given(v0=7, v1=1 << 31), expect(v0=1 << 64 | 7)),
            id="raddhn2-keeps-the-lower-half",
        ),
        pytest.param(
            case(
                "subhn v0.2s, v1.2d, v2.2d", given(v1=vector(64, 0, 1 << 32), v2=every(64, 1)), expect(v0=0xFFFF_FFFF)
            ),
            id="subhn-borrows",
        ),
        pytest.param(
            case("rsubhn2 v1.8h, v1.4s, v2.4s", given(v1=0x1_8000, v2=1), expect(v1=0x1_0000_0000_0001_8000)),
            id="rsubhn2-onto-its-source",
        ),
    ],
)
def test_high_narrow(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("sabdl v0.8h, v1.8b, v2.8b", given(v0=ONES, v1=0x80, v2=0x7F), expect(v0=255)), id="sabdl-widest"
        ),
        pytest.param(
            case("uabdl2 v0.8h, v1.16b, v2.16b", given(v1=0xFF, v2=0xFF << 64), expect(v0=255)), id="uabdl2-upper-half"
        ),
        pytest.param(
            case(
                "sabal v0.2d, v1.2s, v2.2s", given(v0=every(64, -1), v1=1 << 31), expect(v0=vector(64, MAX64 >> 33, -1))
            ),
            id="sabal-accumulates",
        ),
        pytest.param(case("uabal v0.4s, v0.4h, v1.4h", given(v0=1, v1=3), expect(v0=3)), id="uabal-onto-its-source"),
        pytest.param(
            case(
                "smull v0.8h, v1.8b, v2.8b", given(v1=every(8, -128), v2=vector(8, -128, 127)), expect(v0=0xC080_4000)
            ),
            id="smull-extremes",
        ),
        pytest.param(
            case("umull2 v0.2d, v1.4s, v2.4s", given(v1=ONES, v2=ONES), expect(v0=every(64, 0xFFFF_FFFE_0000_0001))),
            id="umull2-extremes",
        ),
        pytest.param(case("smlal v0.2d, v1.2s, v2.2s", given(v0=1, v1=MAX64, v2=1), expect(v0=0)), id="smlal"),
        pytest.param(
            case("smlsl v0.4s, v1.4h, v2.4h", given(v0=1 << 31, v1=1, v2=1), expect(v0=0x7FFF_FFFF)), id="smlsl-wraps"
        ),
        pytest.param(
            case("umlal2 v0.4s, v0.8h, v0.8h", given(v0=1 << 64), expect(v0=1 << 64 | 1)), id="umlal2-all-one-register"
        ),
        pytest.param(
            case("umlsl v0.8h, v1.8b, v2.8b", given(v1=0xFF, v2=0xFF), expect(v0=0x01FF)), id="umlsl-from-zero"
        ),
    ],
)
def test_difference_and_multiply_long(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("sqdmull v0.4s, v1.4h, v2.4h", given(v1=0x8000, v2=0x8000), expect(v0=0x7FFF_FFFF, fpsr=QC)),
            id="sqdmull-smallest-squared",
        ),
        pytest.param(
            case("sqdmull v0.4s, v1.4h, v2.4h", given(v1=0x8000, v2=0x7FFF), expect(v0=0x8001_0000)),
            id="sqdmull-smallest-by-largest",
        ),
        pytest.param(
            case("sqdmull2 v0.2d, v1.4s, v2.4s", given(v1=3 << 96, v2=5 << 96), expect(v0=30 << 64)), id="sqdmull2"
        ),
        pytest.param(
            case(
                "sqdmlal v0.4s, v1.4h, v2.4h",
                given(v0=-1 & 0xFFFF_FFFF, v1=0x8000, v2=0x8000),
                expect(v0=0x7FFF_FFFE, fpsr=QC),
            ),
            id="sqdmlal-saturates-the-product-first",
        ),
        pytest.param(
            case("sqdmlal v0.2d, v1.2s, v2.2s", given(v0=MAX63, v1=1, v2=1), expect(v0=MAX63, fpsr=QC)),
            id="sqdmlal-saturates-the-sum",
        ),
        pytest.param(
            case("sqdmlsl v0.4s, v1.4h, v2.4h", given(v0=0, v1=0x8000, v2=0x8000), expect(v0=0x8000_0001, fpsr=QC)),
            id="sqdmlsl-of-a-saturated-product",
        ),
        pytest.param(
            case(
                "sqdmlsl2 v0.4s, v1.8h, v2.8h", given(v0=1 << 31, v1=1 << 64, v2=1 << 64), expect(v0=1 << 31, fpsr=QC)
            ),
            id="sqdmlsl2-saturates-the-sum",
        ),
        pytest.param(
            case("sqdmull s0, h1, h2", given(v0=ONES, v1=0x1_0003, v2=0x1_0005), expect(v0=30)), id="scalar-sqdmull"
        ),
        pytest.param(
            case("sqdmull d0, s1, s2", given(v1=1 << 31, v2=1 << 31), expect(v0=MAX63, fpsr=QC)),
            id="scalar-sqdmull-smallest-squared",
        ),
        pytest.param(
            case("sqdmlal d0, s1, s2", given(v0=1 << 64 | 5, v1=0xFFFF_FFFF, v2=3), expect(v0=MAX64)),
            id="scalar-sqdmlal-zeroes-the-upper-half",
        ),
        pytest.param(
            case("sqdmlsl s0, h1, h2", given(v0=0x7FFF_FFFF, v1=0xFFFF, v2=1), expect(v0=0x7FFF_FFFF, fpsr=QC)),
            id="scalar-sqdmlsl-saturates-the-sum",
        ),
    ],
)
def test_saturating_doubling(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    ("x", "y"),
    [(0, MAX64), (1, MAX64), (MIN64, MIN64), (MAX64, MAX64), (0x0123_4567_89AB_CDEF, 0xC200_0000_0000_0001)],
)
def test_polynomial_multiply_long(backend, x, y):
    product = carry_less_product(x, y)
    start, upper = given(v1=x | 5 << 64, v2=y | 9 << 64), given(v1=x << 64 | 5, v2=y << 64 | 9)
    case("pmull v0.1q, v1.1d, v2.1d", start, expect(v0=product), requires=["FEAT_PMULL"]).check(backend)
    case("pmull2 v0.1q, v1.2d, v2.2d", upper, expect(v0=product), requires=["FEAT_PMULL"]).check(backend)
    pairs = zip(x.to_bytes(8, "little"), y.to_bytes(8, "little"), strict=True)
    bytewise = vector(16, *(carry_less_product(a, b) for a, b in pairs))
    case("pmull v0.8h, v1.8b, v2.8b", start, expect(v0=bytewise)).check(backend)
    case("pmull2 v0.8h, v1.16b, v2.16b", upper, expect(v0=bytewise)).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x0EE2_0020, id="saddl-doublewords"),
        pytest.param(0x2EE2_4020, id="raddhn-doublewords"),
        pytest.param(0x0EE2_7020, id="sabdl-doublewords"),
        pytest.param(0x0EE2_C020, id="smull-doublewords"),
        pytest.param(0x0E22_D020, id="sqdmull-bytes"),
        pytest.param(0x0EE2_9020, id="sqdmlal-doublewords"),
        pytest.param(0x5E22_D020, id="scalar-sqdmull-bytes"),
        pytest.param(0x5EE2_B020, id="scalar-sqdmlsl-doublewords"),
        pytest.param(0x0E62_E020, id="pmull-halfwords"),
        pytest.param(0x0EA2_E020, id="pmull-words"),
        pytest.param(0x2E22_E020, id="pmull-with-u"),
        pytest.param(0x2E62_D020, id="sqdmull-with-u"),
    ],
)
def test_undefined(backend, word):
    case(word, given(v0=1, v1=2, v2=3), expect(exit=undefined())).check(backend)
