"""Advanced SIMD vector x indexed element, and its scalar form: integers."""

import pytest

from assay64.harness.cases.authoring import MAX64, case, expect, given, undefined
from assay64.suites.simd_and_fp.elements import ONES, QC, every, vector
from assay64.suites.simd_and_fp.features import with_features

pytestmark = pytest.mark.simd

RDM, DOT, I8MM = (with_features(f"FEAT_{name}") for name in ("RDM", "DotProd", "I8MM"))
HALFWORDS = vector(16, 1, 2, 3, 4, 5, 6, 7, 8)
WORDS = vector(32, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (0, "mul v0.8h, v1.8h, v15.h[0]"),
        (1, "mul v0.8h, v1.8h, v15.h[1]"),
        (2, "mul v0.8h, v1.8h, v15.h[2]"),
        (4, "mul v0.8h, v1.8h, v15.h[4]"),
        (7, "mul v0.8h, v1.8h, v15.h[7]"),
    ],
)
def test_index_of_a_halfword_is_h_l_m(backend, index, text):
    case(text, given(v1=every(16, 3), v15=HALFWORDS), expect(v0=every(16, 3 * index + 3))).check(backend)


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (0, "mul v0.4s, v1.4s, v31.s[0]"),
        (1, "mul v0.4s, v1.4s, v31.s[1]"),
        (2, "mul v0.4s, v1.4s, v31.s[2]"),
        (3, "mul v0.4s, v1.4s, v31.s[3]"),
    ],
)
def test_index_of_a_word_is_h_l_and_m_belongs_to_the_register(backend, index, text):
    start = given(v1=every(32, -3), v15=every(32, 99), v31=WORDS)
    case(text, start, expect(v0=every(32, -3 * index - 3))).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("mul v0.4h, v1.4h, v2.h[7]", given(v0=ONES, v1=ONES, v2=1 << 112), expect(v0=MAX64)),
            id="mul-64-bits-takes-a-high-element",
        ),
        pytest.param(
            case("mla v1.4s, v1.4s, v1.s[3]", given(v1=WORDS), expect(v1=vector(32, 5, 10, 15, 20))),
            id="mla-all-one-register",
        ),
        pytest.param(
            case("mls v0.2s, v1.2s, v0.s[1]", given(v0=3 << 32 | 1, v1=1), expect(v0=3 << 32 | 0xFFFF_FFFE)),
            id="mls-accumulator-has-the-element",
        ),
        pytest.param(
            case("smull v0.4s, v1.4h, v2.h[1]", given(v1=0x8000, v2=0x8000 << 16), expect(v0=1 << 30)), id="smull"
        ),
        pytest.param(
            case(
                "umull2 v0.2d, v1.4s, v2.s[2]", given(v1=ONES ^ MAX64, v2=3 << 64), expect(v0=every(64, 0x2_FFFF_FFFD))
            ),
            id="umull2-takes-the-upper-half",
        ),
        pytest.param(
            case("smlal v0.2d, v1.2s, v2.s[0]", given(v0=1, v1=MAX64, v2=1), expect(v0=MAX64 << 64)), id="smlal"
        ),
        pytest.param(
            case("umlsl2 v2.4s, v1.8h, v2.h[0]", given(v1=5 << 64, v2=3), expect(v2=vector(32, -12))),
            id="umlsl2-onto-the-element",
        ),
        pytest.param(
            case("sqdmull v0.4s, v1.4h, v2.h[6]", given(v1=0x8000, v2=0x8000 << 96), expect(v0=0x7FFF_FFFF, fpsr=QC)),
            id="sqdmull-smallest-squared",
        ),
        pytest.param(
            case("sqdmull d0, s1, v17.s[3]", given(v0=ONES, v1=9 << 32 | 7, v17=3 << 96), expect(v0=42)),
            id="scalar-sqdmull",
        ),
        pytest.param(
            case(
                "sqdmlal2 v0.2d, v1.4s, v2.s[1]",
                given(v0=MAX64 >> 1, v1=1 << 64, v2=1 << 32),
                expect(v0=MAX64 >> 1, fpsr=QC),
            ),
            id="sqdmlal2-saturates-the-sum",
        ),
        pytest.param(
            case("sqdmlsl s0, h1, v2.h[7]", given(v0=ONES, v1=0x8000, v2=0x8000 << 112), expect(v0=1 << 31, fpsr=QC)),
            id="scalar-sqdmlsl-of-a-saturated-product",
        ),
        pytest.param(
            case(
                "sqdmulh v0.8h, v1.8h, v2.h[0]",
                given(v1=every(16, 0x8000), v2=0x8000),
                expect(v0=every(16, 0x7FFF), fpsr=QC),
            ),
            id="sqdmulh-smallest-squared",
        ),
        pytest.param(
            case("sqdmulh v0.4s, v1.4s, v2.s[1]", given(v1=ONES, v2=1 << 32), expect(v0=ONES)), id="sqdmulh-rounds-down"
        ),
        pytest.param(
            case("sqrdmulh v0.4s, v1.4s, v2.s[1]", given(v1=ONES, v2=1 << 32), expect(v0=0)), id="sqrdmulh-rounds"
        ),
        pytest.param(
            case("sqrdmulh h0, h1, v2.h[4]", given(v0=ONES, v1=0x4000, v2=1 << 64), expect(v0=1)),
            id="scalar-sqrdmulh-ties-upwards",
        ),
        pytest.param(
            case("sqdmulh s0, s1, v31.s[3]", given(v0=ONES, v1=1 << 31, v31=1 << 127), expect(v0=0x7FFF_FFFF, fpsr=QC)),
            id="scalar-sqdmulh-smallest-squared",
        ),
    ],
)
def test_multiply(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "sqrdmlah v0.8h, v1.8h, v2.h[3]",
                given(v0=every(16, -1), v1=every(16, 0x8000), v2=0x8000 << 48),
                expect(v0=every(16, 0x7FFF)),
                **RDM,
            ),
            id="sqrdmlah-saturates-only-the-sum",
        ),
        pytest.param(
            case(
                "sqrdmlah s0, s1, v2.s[1]",
                given(v0=1 << 64, v1=1 << 31, v2=1 << 63),
                expect(v0=0x7FFF_FFFF, fpsr=QC),
                **RDM,
            ),
            id="scalar-sqrdmlah",
        ),
        pytest.param(
            case(
                "sqrdmlsh v0.2s, v1.2s, v2.s[3]",
                given(v0=ONES, v1=1 << 31, v2=1 << 127),
                expect(v0=vector(32, 1 << 31, -1), fpsr=QC),
                **RDM,
            ),
            id="sqrdmlsh-below-the-smallest",
        ),
        pytest.param(
            case("sqrdmlsh h0, h1, v2.h[0]", given(v0=0, v1=1, v2=0x4000), expect(v0=0), **RDM),
            id="scalar-sqrdmlsh-minus-half-is-0",
        ),
        pytest.param(
            case(
                "sdot v0.4s, v1.16b, v2.4b[3]",
                given(v0=every(32, 1), v1=ONES, v2=0x0180_7F03 << 96),
                expect(v0=every(32, -2)),
                **DOT,
            ),
            id="sdot",
        ),
        pytest.param(
            case(
                "udot v0.2s, v1.8b, v31.4b[2]",
                given(v0=ONES, v1=MAX64, v31=0xFFFF_FFFF << 64),
                expect(v0=every(32, 4 * 255 * 255 - 1, 64)),
                **DOT,
            ),
            id="udot-wraps",
        ),
        pytest.param(
            case(
                "usdot v0.4s, v1.16b, v18.4b[1]",
                given(v1=every(8, 255), v18=0x7F80_FF01 << 32),
                expect(v0=every(32, -255)),
                **I8MM,
            ),
            id="usdot-the-element-is-signed",
        ),
        pytest.param(
            case(
                "sudot v0.2s, v1.8b, v2.4b[0]",
                given(v0=ONES, v1=ONES, v2=0x7F80_FF01),
                expect(v0=every(32, -1 - 511, 64)),
                **I8MM,
            ),
            id="sudot-the-element-is-unsigned",
        ),
    ],
)
def test_extensions(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x0F02_8020, id="mul-bytes"),
        pytest.param(0x4FC2_8020, id="mul-doublewords"),
        pytest.param(0x2F02_2020, id="umlal-bytes"),
        pytest.param(0x4FC2_A020, id="smull-doublewords"),
        pytest.param(0x5F02_B020, id="scalar-sqdmull-bytes"),
        pytest.param(0x5FC2_C020, id="scalar-sqdmulh-doublewords"),
        pytest.param(0x0F42_0020, id="mla-without-u"),
        pytest.param(0x2F42_8020, id="mul-with-u"),
        pytest.param(0x5F42_8020, id="scalar-mul"),
        pytest.param(0x7F42_C020, id="scalar-sqdmulh-with-u"),
        pytest.param(0x2F42_D020, id="sqrdmlah-without-rdm"),
        pytest.param(0x7F42_F020, id="scalar-sqrdmlsh-without-rdm"),
        pytest.param(0x0F02_F020, id="sudot-without-i8mm"),
    ],
)
def test_undefined(backend, word):
    case(word, given(v0=1, v1=2, v2=3), expect(exit=undefined())).check(backend)


@pytest.mark.parametrize("word", [0x4F42_E020, 0x4FC2_E020, 0x6F02_E020], ids=["halfwords", "doublewords", "bytes"])
def test_dot_products_of_other_elements_are_undefined(backend, word):
    case(word, given(v0=1, v1=2, v2=3), expect(exit=undefined()), **DOT).check(backend)
