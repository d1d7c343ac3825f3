"""Advanced SIMD two-register miscellaneous, and scalar two-register miscellaneous: integers."""

import pytest

from assay64.harness.cases.authoring import MAX64, MIN64, case, expect, given, undefined
from assay64.suites.simd_and_fp.elements import ONES, QC, every, vector

pytestmark = pytest.mark.simd

COUNTING = int.from_bytes(range(16), "little")  # byte i is i


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(f"{name}, v1.{kind}", given(v0=ONES, v1=COUNTING), expect(v0=vector(8, *order))), id=f"{name}-{kind}"
        )
        for name, kind, order in [
            ("rev64 v0.16b", "16b", (7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8)),
            ("rev64 v0.8b", "8b", (7, 6, 5, 4, 3, 2, 1, 0)),
            ("rev64 v0.8h", "8h", (6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9)),
            ("rev64 v0.2s", "2s", (4, 5, 6, 7, 0, 1, 2, 3)),
            ("rev32 v0.16b", "16b", (3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)),
            ("rev32 v0.4h", "4h", (2, 3, 0, 1, 6, 7, 4, 5)),
            ("rev16 v0.8b", "8b", (1, 0, 3, 2, 5, 4, 7, 6)),
        ]
    ]
    + [
        pytest.param(case(0x4EE0_0820, expect(exit=undefined())), id="rev64-2d-is-reserved"),
        pytest.param(case(0x6EA0_0820, expect(exit=undefined())), id="rev32-4s-is-reserved"),
        pytest.param(case(0x4E60_1820, expect(exit=undefined())), id="rev16-8h-is-reserved"),
        pytest.param(case(0x6E20_1820, expect(exit=undefined())), id="rev16-with-u-is-unallocated"),
    ],
)
def test_reverse(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("saddlp v0.8h, v1.16b", given(v1=vector(8, -128, -128, 127, 127)), expect(v0=vector(16, -256, 254))),
            id="saddlp",
        ),
        pytest.param(case("uaddlp v0.1d, v1.2s", given(v0=ONES, v1=ONES), expect(v0=0x1_FFFF_FFFE)), id="uaddlp-to-1d"),
        pytest.param(
            case(
                "sadalp v0.2d, v1.4s",
                given(v0=vector(64, 1, MIN64), v1=vector(32, -1, -1, -1, 0)),
                expect(v0=vector(64, -1, MIN64 - 1)),
            ),
            id="sadalp-wraps",
        ),
        pytest.param(case("uadalp v0.4h, v0.8b", given(v0=0xFFFF), expect(v0=0x01FD)), id="uadalp-in-place-wraps"),
        pytest.param(case(0x4EE0_2820, expect(exit=undefined())), id="saddlp-2d-is-reserved"),
        pytest.param(case(0x6EE0_6820, expect(exit=undefined())), id="uadalp-2d-is-reserved"),
    ],
)
def test_add_long_pairwise(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "suqadd v0.16b, v1.16b",
                given(v0=vector(8, 127, -128, 0), v1=vector(8, 1, 255, 127)),
                expect(v0=vector(8, 127, 127, 127), fpsr=QC),
            ),
            id="suqadd",
        ),
        pytest.param(
            case(
                "suqadd v0.4s, v1.4s",
                given(v0=every(32, -1), v1=every(32, 0x8000_0000)),
                expect(v0=every(32, 0x7FFF_FFFF)),
            ),
            id="suqadd-just-fits",
        ),
        pytest.param(
            case(
                "usqadd v0.8h, v1.8h",
                given(v0=vector(16, 1, 0xFFFF, 5), v1=vector(16, -2, 1, -5)),
                expect(v0=vector(16, 0, 0xFFFF, 0), fpsr=QC),
            ),
            id="usqadd-both-ends",
        ),
        pytest.param(case("usqadd d0, d1", given(v0=MAX64, v1=MIN64), expect(v0=MIN64 - 1)), id="scalar-usqadd-fits"),
        pytest.param(case("suqadd b0, b1", given(v0=ONES, v1=ONES), expect(v0=0x7F, fpsr=QC)), id="scalar-suqadd"),
        pytest.param(
            case(
                "sqabs v0.8b, v1.8b",
                given(v0=ONES, v1=vector(8, -128, -1, 127, 0)),
                expect(v0=vector(8, 127, 1, 127, 0), fpsr=QC),
            ),
            id="sqabs",
        ),
        pytest.param(
            case("sqneg v0.2d, v1.2d", given(v1=vector(64, MIN64, 1)), expect(v0=vector(64, MIN64 - 1, -1), fpsr=QC)),
            id="sqneg",
        ),
        pytest.param(case("sqneg v0.4s, v1.4s", given(v1=0x7FFF_FFFF), expect(v0=0x8000_0001)), id="sqneg-no-qc"),
        pytest.param(case("sqabs h0, h1", given(v0=ONES, v1=0x1_8000), expect(v0=0x7FFF, fpsr=QC)), id="scalar-sqabs"),
        pytest.param(case("sqneg s0, s0", given(v0=ONES), expect(v0=1)), id="scalar-sqneg-in-place"),
        pytest.param(
            case("abs v0.16b, v1.16b", given(v1=vector(8, -128, -1, 127)), expect(v0=vector(8, 128, 1, 127))), id="abs"
        ),
        pytest.param(
            case("neg v0.2d, v1.2d", given(v1=vector(64, MIN64, 1)), expect(v0=vector(64, MIN64, -1))), id="neg"
        ),
        pytest.param(case("abs d0, d1", given(v0=ONES, v1=MIN64), expect(v0=MIN64)), id="scalar-abs"),
        pytest.param(case("neg d0, d1", given(v0=ONES, v1=ONES), expect(v0=1)), id="scalar-neg"),
        pytest.param(case(0x0EE0_3820, expect(exit=undefined())), id="suqadd-1d-is-reserved"),
        pytest.param(case(0x2EE0_7820, expect(exit=undefined())), id="sqneg-1d-is-reserved"),
        pytest.param(case(0x0EE0_B820, expect(exit=undefined())), id="abs-1d-is-reserved"),
        pytest.param(case(0x5EA0_B820, expect(exit=undefined())), id="scalar-abs-of-words-is-reserved"),
    ],
)
def test_absolute_negate_and_accumulate(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "cls v0.8b, v1.8b",
                given(v0=ONES, v1=vector(8, 0, -1, 0x80, 0x3F, 0xC0)),
                expect(v0=vector(8, 7, 7, 0, 1, 1, 7, 7, 7)),
            ),
            id="cls",
        ),
        pytest.param(
            case("clz v0.4s, v1.4s", given(v1=vector(32, 0, 1, -1, 0x10000)), expect(v0=vector(32, 32, 31, 0, 15))),
            id="clz",
        ),
        pytest.param(
            case("cnt v0.16b, v1.16b", given(v1=vector(8, 0xFF, 0x80, 0x55)), expect(v0=vector(8, 8, 1, 4))), id="cnt"
        ),
        pytest.param(case("mvn v0.8b, v1.8b", given(v0=ONES, v1=0xFF), expect(v0=MAX64 ^ 0xFF)), id="not-of-64-bits"),
        pytest.param(
            case("rbit v0.16b, v1.16b", given(v1=vector(8, 1, 0xF0, 0x12)), expect(v0=vector(8, 0x80, 0x0F, 0x48))),
            id="rbit",
        ),
        pytest.param(case(0x4EE0_4820, expect(exit=undefined())), id="cls-2d-is-reserved"),
        pytest.param(case(0x4E60_5820, expect(exit=undefined())), id="cnt-8h-is-reserved"),
        pytest.param(case(0x6EA0_5820, expect(exit=undefined())), id="not-and-rbit-with-size-10-are-reserved"),
    ],
)
def test_bits(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                f"{name} v0.4h, v1.4h, #0",
                given(v0=ONES, v1=vector(16, 0, 1, -1, 0x8000)),
                expect(v0=vector(16, *(-holds for holds in holding))),
            ),
            id=name,
        )
        for name, holding in {
            "cmgt": (0, 1, 0, 0),
            "cmge": (1, 1, 0, 0),
            "cmeq": (1, 0, 0, 0),
            "cmle": (1, 0, 1, 1),
            "cmlt": (0, 0, 1, 1),
        }.items()
    ]
    + [
        pytest.param(case("cmlt d0, d1, #0", given(v0=ONES, v1=MIN64), expect(v0=MAX64)), id="scalar-cmlt"),
        pytest.param(case("cmeq d0, d1, #0", given(v0=ONES, v1=1 << 64), expect(v0=MAX64)), id="scalar-cmeq"),
        pytest.param(case("cmge d0, d0, #0", given(v0=ONES), expect(v0=0)), id="scalar-cmge"),
        pytest.param(case(0x0EE0_8820, expect(exit=undefined())), id="cmgt-1d-is-reserved"),
        pytest.param(case(0x6E20_A820, expect(exit=undefined())), id="cmlt-with-u-is-unallocated"),
        pytest.param(case(0x5EA0_8820, expect(exit=undefined())), id="scalar-cmgt-of-words-is-reserved"),
    ],
)
def test_compare_with_zero(backend, claim):
    claim.check(backend)


KEPT = 0x0123_4567_89AB_CDEF


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("xtn v0.8b, v1.8h", given(v0=ONES, v1=vector(16, 0x1234, 0xFF80)), expect(v0=0x8034)),
            id="xtn-zeroes-the-upper-half",
        ),
        pytest.param(
            case(
                "xtn2 v0.8h, v1.4s",
                given(v0=ONES ^ MAX64 | KEPT, v1=every(32, 0x5_0001)),
                expect(v0=every(16, 1, 64) << 64 | KEPT),
            ),
            id="xtn2-keeps-the-lower-half",
        ),
        pytest.param(
            case("xtn v1.2s, v1.2d", given(v1=vector(64, 0x5_0000_0001, 0x6_0000_0002)), expect(v1=vector(32, 1, 2))),
            id="xtn-in-place",
        ),
        pytest.param(
            case(
                "sqxtn v0.8b, v1.8h",
                given(v1=vector(16, 127, 128, -128, -129)),
                expect(v0=vector(8, 127, 127, -128, -128), fpsr=QC),
            ),
            id="sqxtn",
        ),
        pytest.param(
            case("sqxtn v0.4h, v1.4s", given(v1=every(32, -32768)), expect(v0=every(16, -32768, 64))), id="sqxtn-fits"
        ),
        pytest.param(
            case(
                "uqxtn2 v0.4s, v1.2d",
                given(v0=KEPT, v1=vector(64, 0xFFFF_FFFF, 1 << 32)),
                expect(v0=MAX64 << 64 | KEPT, fpsr=QC),
            ),
            id="uqxtn2",
        ),
        pytest.param(
            case(
                "sqxtun v0.8b, v1.8h",
                given(v1=vector(16, -1, 255, 256, 1)),
                expect(v0=vector(8, 0, 255, 255, 1), fpsr=QC),
            ),
            id="sqxtun",
        ),
        pytest.param(
            case("sqxtun2 v1.16b, v1.8h", given(v1=every(16, 0xFF)), expect(v1=MAX64 << 64 | every(16, 0xFF, 64))),
            id="sqxtun2-in-place",
        ),
        pytest.param(case("sqxtn b0, h1", given(v0=ONES, v1=0x1_0080), expect(v0=0x7F, fpsr=QC)), id="scalar-sqxtn"),
        pytest.param(
            case("uqxtn h0, s1", given(v0=ONES, v1=1 << 32 | 5), expect(v0=5)), id="scalar-uqxtn-ignores-the-rest"
        ),
        pytest.param(case("sqxtun s0, d1", given(v0=ONES, v1=MAX64), expect(v0=0, fpsr=QC)), id="scalar-sqxtun"),
        pytest.param(case("shll v0.8h, v1.8b, #8", given(v1=ONES), expect(v0=every(16, 0xFF00))), id="shll"),
        pytest.param(
            case(
                "shll2 v0.2d, v1.4s, #32", given(v1=vector(32, 1, 2, 3, -1)), expect(v0=vector(64, 3 << 32, -1 << 32))
            ),
            id="shll2",
        ),
        pytest.param(case(0x0EE1_2820, expect(exit=undefined())), id="xtn-to-doublewords-is-reserved"),
        pytest.param(case(0x2EE1_2820, expect(exit=undefined())), id="sqxtun-to-doublewords-is-reserved"),
        pytest.param(case(0x5EE1_4820, expect(exit=undefined())), id="scalar-sqxtn-to-doubleword-is-reserved"),
        pytest.param(case(0x2EE1_3820, expect(exit=undefined())), id="shll-of-doublewords-is-reserved"),
    ],
)
def test_narrow_and_widen(backend, claim):
    claim.check(backend)


def reciprocal(operand: int) -> int:
    """URECPE: of the middle of the operand's 1/512 interval, rounded to nearest in 1/256."""
    if operand >> 31 == 0:
        return 0xFFFF_FFFF
    middle = 2 * (operand >> 23) + 1  # in 1/1024
    return (2 * 256 * 1024 // middle + 1) // 2 << 23


def reciprocal_square_root(operand: int) -> int:
    """URSQRTE: as ``reciprocal``; from 1/2 on the intervals are twice as wide."""
    if operand >> 30 == 0:
        return 0xFFFF_FFFF
    top = operand >> 23
    middle = 2 * top + 1 if top < 256 else 4 * (top // 2) + 2  # in 1/1024
    # The estimate, in 1/512, is the largest below the root: (estimate / 512) ** 2 * middle / 1024 < 1.
    estimate = max(number for number in range(512, 1024) if number * number * middle < 512 * 512 * 1024)
    return (estimate + 1) // 2 << 23


@pytest.mark.parametrize(
    "operand",
    [0, 0x3FFF_FFFF, 0x4000_0000, 0x407F_FFFF, 0x7FFF_FFFF, 0x8000_0000, 0x8080_0000, 0xABCD_EF01, 0xFFFF_FFFF],
    ids=hex,
)
def test_unsigned_estimates(backend, operand):
    start = given(v0=ONES, v1=vector(32, operand, 0xC000_0000))
    end = expect(v0=vector(32, reciprocal(operand), reciprocal(0xC000_0000)))
    case("urecpe v0.2s, v1.2s", start, end).check(backend)
    end = expect(v0=vector(32, reciprocal_square_root(operand), reciprocal_square_root(0xC000_0000)))
    case("ursqrte v0.2s, v1.2s", start, end).check(backend)


def test_estimates_of_doublewords_are_reserved(backend):
    case(0x4EE1_C820, expect(exit=undefined())).check(backend)
    case(0x6EE1_C820, expect(exit=undefined())).check(backend)
