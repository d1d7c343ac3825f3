"""Advanced SIMD shift by immediate, and its scalar form: integers."""

import pytest

from assay64.harness.cases.authoring import MAX64, MIN64, case, expect, given, undefined
from assay64.suites.simd_and_fp.elements import ONES, QC, every, vector

pytestmark = pytest.mark.simd


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("sshr v0.16b, v1.16b, #8", given(v1=vector(8, 127, -128, -1)), expect(v0=vector(8, 0, -1, -1))),
            id="sshr-by-the-element-size-fills-with-the-sign",
        ),
        pytest.param(case("ushr v0.4s, v1.4s, #32", given(v0=ONES, v1=ONES), expect(v0=0)), id="ushr-by-all-of-it"),
        pytest.param(case("ushr d0, d1, #64", given(v0=ONES, v1=ONES), expect(v0=0)), id="scalar-ushr-by-64"),
        pytest.param(case("sshr d0, d1, #64", given(v0=ONES, v1=MIN64), expect(v0=MAX64)), id="scalar-sshr-by-64"),
        pytest.param(
            case("sshr v0.2d, v1.2d, #1", given(v1=vector(64, MIN64, 3)), expect(v0=vector(64, 3 << 62, 1))),
            id="sshr-by-1",
        ),
        pytest.param(
            case("srshr v0.4h, v1.4h, #2", given(v1=vector(16, 5, 6, -6, -7)), expect(v0=vector(16, 1, 2, -1, -2))),
            id="srshr-ties-upwards",
        ),
        pytest.param(
            case("srshr v0.16b, v1.16b, #8", given(v1=vector(8, 127, -128, -1)), expect(v0=0)),
            id="srshr-by-the-element-size-is-zero",
        ),
        pytest.param(
            case("urshr v0.16b, v1.16b, #8", given(v1=vector(8, 127, 128, 255)), expect(v0=vector(8, 0, 1, 1))),
            id="urshr-by-the-element-size-rounds-up",
        ),
        pytest.param(
            case("urshr v0.16b, v1.16b, #1", given(v1=every(8, 255)), expect(v0=every(8, 128))),
            id="urshr-carries-out-of-the-element",
        ),
        pytest.param(case("urshr d0, d1, #64", given(v0=ONES, v1=MIN64), expect(v0=1)), id="scalar-urshr-by-64"),
        pytest.param(
            case("ssra v0.8h, v1.8h, #4", given(v0=every(16, 1), v1=every(16, -16)), expect(v0=0)),
            id="ssra-accumulates",
        ),
        pytest.param(case("usra v0.2s, v1.2s, #1", given(v0=ONES, v1=every(32, 2)), expect(v0=0)), id="usra-wraps"),
        pytest.param(
            case("srsra d0, d1, #1", given(v0=ONES, v1=1), expect(v0=0)), id="scalar-srsra-zeroes-the-upper-half"
        ),
        pytest.param(
            case("ursra v1.2d, v1.2d, #64", given(v1=vector(64, MIN64, 1)), expect(v1=vector(64, MIN64 + 1, 1))),
            id="ursra-onto-its-source",
        ),
    ],
)
def test_right(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("shl v0.8h, v1.8h, #15", given(v1=every(16, 3)), expect(v0=every(16, 0x8000))), id="shl"),
        pytest.param(case("shl v0.8b, v1.8b, #0", given(v0=ONES, v1=ONES), expect(v0=MAX64)), id="shl-by-0-64-bits"),
        pytest.param(case("shl d0, d1, #63", given(v0=ONES, v1=3), expect(v0=MIN64)), id="scalar-shl"),
        pytest.param(
            case("sli v0.4s, v1.4s, #8", given(v0=every(32, 0x12345678), v1=every(32, -1)), expect(v0=every(32, -136))),
            id="sli-keeps-the-low-bits",
        ),
        pytest.param(case("sli v0.2d, v1.2d, #0", given(v0=ONES, v1=5), expect(v0=5)), id="sli-by-0-keeps-nothing"),
        pytest.param(
            case("sli d0, d1, #63", given(v0=ONES, v1=2), expect(v0=MAX64 >> 1)), id="scalar-sli-zeroes-the-upper-half"
        ),
        pytest.param(
            case("sri v0.8h, v1.8h, #4", given(v0=every(16, 0xABCD), v1=0x1234), expect(v0=every(16, 0xA000) | 0x0123)),
            id="sri-keeps-the-high-bits",
        ),
        pytest.param(
            case("sri v0.16b, v1.16b, #8", given(v0=7, v1=ONES), expect(v0=7)), id="sri-by-all-of-it-changes-nothing"
        ),
        pytest.param(case("sri d0, d1, #64", given(v0=ONES, v1=0), expect(v0=MAX64)), id="scalar-sri-by-64"),
        pytest.param(case("sri d0, d1, #1", given(v0=ONES, v1=0), expect(v0=MIN64)), id="scalar-sri-by-1"),
    ],
)
def test_left_and_insert(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "sqshl v0.4h, v1.4h, #1",
                given(v1=vector(16, 0x3FFF, 0x4000, -0x4000, -0x4001)),
                expect(v0=vector(16, 0x7FFE, 0x7FFF, -0x8000, -0x8000), fpsr=QC),
            ),
            id="sqshl-both-ends",
        ),
        pytest.param(case("sqshl v0.2d, v1.2d, #63", given(v1=0), expect(v0=0)), id="sqshl-zero-never-saturates"),
        pytest.param(case("sqshl d0, d1, #63", given(v0=ONES, v1=MAX64), expect(v0=MIN64)), id="sqshl-minus-1-by-63"),
        pytest.param(case("sqshl d0, d1, #0", given(v0=ONES, v1=MIN64), expect(v0=MIN64)), id="sqshl-by-0"),
        pytest.param(
            case("sqshl b0, b1, #7", given(v0=ONES, v1=0xFF01), expect(v0=0x7F, fpsr=QC)), id="scalar-byte-sqshl"
        ),
        pytest.param(
            case(
                "uqshl v0.4s, v1.4s, #31",
                given(v1=vector(32, 1, 2)),
                expect(v0=MIN64 >> 32 | MAX64 ^ MAX64 >> 32, fpsr=QC),
            ),
            id="uqshl",
        ),
        pytest.param(
            case("uqshl h0, h1, #1", given(v0=ONES, v1=0x17FFF), expect(v0=0xFFFE)), id="scalar-halfword-uqshl-fits"
        ),
        pytest.param(
            case("sqshlu v0.16b, v1.16b, #0", given(v1=vector(8, -1, 127)), expect(v0=vector(8, 0, 127), fpsr=QC)),
            id="sqshlu-negative-is-zero",
        ),
        pytest.param(
            case("sqshlu s0, s1, #1", given(v0=ONES, v1=0x7FFF_FFFF), expect(v0=0xFFFF_FFFE)), id="scalar-sqshlu-fits"
        ),
        pytest.param(
            case("sqshlu d0, d1, #2", given(v1=1 << 62), expect(v0=MAX64, fpsr=QC)), id="scalar-sqshlu-too-large"
        ),
    ],
)
def test_saturating_left(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("shrn v0.8b, v1.8h, #4", given(v0=ONES, v1=every(16, 0x1234)), expect(v0=every(8, 0x23, 64))),
            id="shrn-zeroes-the-upper-half",
        ),
        pytest.param(
            case("shrn2 v0.16b, v1.8h, #8", given(v0=5, v1=every(16, 0x1234)), expect(v0=every(8, 0x12, 64) << 64 | 5)),
            id="shrn2-keeps-the-lower-half",
        ),
        pytest.param(
            case("rshrn v0.8b, v1.8h, #8", given(v1=vector(16, 0xFF80, 0x7F)), expect(v0=0)),
            id="rshrn-wraps",
        ),
        pytest.param(
            case("rshrn v0.2s, v1.2d, #32", given(v1=vector(64, 1 << 31, MAX64)), expect(v0=1)), id="rshrn-doublewords"
        ),
        pytest.param(case("rshrn2 v1.8h, v1.4s, #1", given(v1=1), expect(v1=1 << 64 | 1)), id="rshrn2-onto-its-source"),
        pytest.param(
            case(
                "sqshrn v0.4h, v1.4s, #16",
                given(v1=vector(32, 0x7FFF_FFFF, 0x8000_0000, -1, 0x1_0000)),
                expect(v0=vector(16, 0x7FFF, 0x8000, -1, 1)),
            ),
            id="sqshrn-by-half-always-fits",
        ),
        pytest.param(
            case(
                "sqshrn v0.8b, v1.8h, #1",
                given(v1=vector(16, 255, 256, -256, -257)),
                expect(v0=vector(8, 127, 127, -128, -128), fpsr=QC),
            ),
            id="sqshrn-both-ends",
        ),
        pytest.param(
            case("sqrshrn b0, h1, #1", given(v0=ONES, v1=0xF00FF), expect(v0=0x7F, fpsr=QC)),
            id="scalar-sqrshrn-saturates-by-rounding",
        ),
        pytest.param(case("sqshrn b0, h1, #1", given(v0=ONES, v1=0xFF), expect(v0=0x7F)), id="scalar-sqshrn-just-fits"),
        pytest.param(
            case("uqshrn2 v0.4s, v1.2d, #1", given(v0=9, v1=MAX64), expect(v0=0xFFFF_FFFF << 64 | 9, fpsr=QC)),
            id="uqshrn2-keeps-the-lower-half",
        ),
        pytest.param(
            case("uqrshrn v0.2s, v1.2d, #32", given(v1=MAX64), expect(v0=0xFFFF_FFFF, fpsr=QC)),
            id="uqrshrn-saturates-by-rounding",
        ),
        pytest.param(
            case("uqrshrn s0, d1, #32", given(v0=ONES, v1=MAX64 - (1 << 31)), expect(v0=0xFFFF_FFFF)),
            id="scalar-uqrshrn-just-fits",
        ),
        pytest.param(
            case("sqshrun v0.8b, v1.8h, #1", given(v1=vector(16, -1, 510, 512)), expect(v0=0xFF_FF00, fpsr=QC)),
            id="sqshrun-negative-is-zero",
        ),
        pytest.param(
            case("sqrshrun v0.4h, v1.4s, #1", given(v1=vector(32, -1)), expect(v0=0)),
            id="sqrshrun-minus-half-is-0",
        ),
        pytest.param(
            case("sqrshrun h0, s1, #16", given(v0=ONES, v1=0x7FFF_8000), expect(v0=0x8000)), id="scalar-sqrshrun-fits"
        ),
    ],
)
def test_right_narrow(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("sshll v0.8h, v1.8b, #7", given(v1=vector(8, -1, 1)), expect(v0=vector(16, -128, 128))), id="sshll"
        ),
        pytest.param(
            case("ushll2 v0.2d, v1.4s, #31", given(v1=ONES ^ MAX64), expect(v0=every(64, 0xFFFF_FFFF << 31))),
            id="ushll2-takes-the-upper-half",
        ),
        pytest.param(
            case("sshll2 v1.4s, v1.8h, #0", given(v1=0xFFFE << 64), expect(v1=0xFFFF_FFFE)), id="sshll2-onto-its-source"
        ),
    ],
)
def test_left_long(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x0F40_0420, id="sshr-one-doubleword"),
        pytest.param(0x2F7F_4420, id="sri-one-doubleword"),
        pytest.param(0x0F7F_7420, id="sqshl-one-doubleword"),
        pytest.param(0x5F3F_0420, id="scalar-sshr-word"),
        pytest.param(0x7F0F_5420, id="scalar-sli-byte"),
        pytest.param(0x5F07_7420, id="scalar-sqshl-immh-0"),
        pytest.param(0x4F40_8420, id="shrn-from-128-bits"),
        pytest.param(0x5F7F_9420, id="scalar-sqshrn-from-128-bits"),
        pytest.param(0x5F0F_8420, id="scalar-shrn"),
        pytest.param(0x4F40_A420, id="sshll-to-128-bits"),
        pytest.param(0x0F0F_6420, id="sqshlu-as-signed"),
        pytest.param(0x0F0F_4420, id="sri-without-u"),
        pytest.param(0x0F07_8C20, id="rshrn-immh-0"),
    ],
)
def test_undefined(backend, word):
    case(word, given(v0=1, v1=2), expect(exit=undefined())).check(backend)
