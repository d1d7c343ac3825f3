"""Advanced SIMD floating point: vector, by element, across lanes, conversions, complex and BFloat16."""

import struct

import pytest

from assay64.harness.cases.authoring import case, expect, given, undefined
from assay64.harness.cases.case import Environment
from assay64.suites.simd_and_fp.elements import ONES, every, vector

pytestmark = [pytest.mark.fp, pytest.mark.simd]

IOC, DZC, IXC, IDC = 1, 2, 16, 128
QUIET, SIGNALLING, INFINITY = 0x7FC0_0001, 0x7F80_0001, 0x7F80_0000
HALF_INFINITY = 0x7C00
FZ = 1 << 24


def single(value: float) -> int:
    return int.from_bytes(struct.pack("<f", value), "little")


def singles(*values: float) -> int:
    return vector(32, *map(single, values))


def doubles(*values: float) -> int:
    return vector(64, *(int.from_bytes(struct.pack("<d", value), "little") for value in values))


def halves(*values: float) -> int:
    return vector(16, *(int.from_bytes(struct.pack("<e", value), "little") for value in values))


def bfloats(*values: float) -> int:
    return vector(16, *(single(value) >> 16 for value in values))


def having(*features: str) -> Environment:
    return Environment(model="+".join(("cortex-a57", *features)))


def with_features(text, state, outcome, *features):
    return case(text, state, outcome, environment=having(*features), requires=features)


FP16, FHM, FCMA, BF16 = "FEAT_FP16", "FEAT_FHM", "FEAT_FCMA", "FEAT_BF16"


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "fadd v0.2s, v1.2s, v2.2s", given(v0=ONES, v1=singles(1, 2), v2=singles(3, 4)), expect(v0=singles(4, 6))
            ),
            id="fadd-2s-clears-the-upper-half",
        ),
        pytest.param(
            case(
                "fmaxnm v0.4s, v1.4s, v2.4s",
                given(v1=vector(32, QUIET, single(1), QUIET, 0), v2=vector(32, single(2), QUIET, QUIET | 2, 1 << 31)),
                expect(v0=vector(32, single(2), single(1), QUIET, 0)),
            ),
            id="fmaxnm-takes-the-number",
        ),
        pytest.param(
            case(
                "fmax v0.4s, v1.4s, v2.4s",
                given(v1=vector(32, QUIET, single(1), 0, SIGNALLING), v2=vector(32, single(2), QUIET, 1 << 31, QUIET)),
                expect(v0=vector(32, QUIET, QUIET, 0, SIGNALLING | 1 << 22), fpsr=IOC),
            ),
            id="fmax-takes-the-nan",
        ),
        pytest.param(
            case(
                "fmulx v0.2d, v1.2d, v2.2d",
                given(v1=doubles(0.0, 3.0), v2=doubles(float("-inf"), 2.0)),
                expect(v0=doubles(-2.0, 6.0)),
            ),
            id="fmulx-zero-by-infinity-is-two",
        ),
        pytest.param(
            case(
                "fmla v0.4s, v1.4s, v2.4s",
                given(v0=singles(1, 1, 1, 1), v1=singles(2, 3, 4, 5), v2=singles(10, 10, 10, 10)),
                expect(v0=singles(21, 31, 41, 51)),
            ),
            id="fmla",
        ),
        pytest.param(
            case(
                "fmls v0.2d, v1.2d, v2.d[1]",
                given(v0=doubles(1, 2), v1=doubles(3, 4), v2=doubles(100, 0.5)),
                expect(v0=doubles(-0.5, 0.0)),
            ),
            id="fmls-by-element",
        ),
        pytest.param(
            case(
                "fmul v0.4s, v1.4s, v31.s[3]",
                given(v1=singles(1, 2, 3, 4), v31=singles(9, 9, 9, -2)),
                expect(v0=singles(-2, -4, -6, -8)),
            ),
            id="fmul-by-element",
        ),
        pytest.param(
            case(
                "fcmgt v0.4s, v1.4s, v2.4s",
                given(v1=vector(32, single(2), single(1), QUIET, 0), v2=vector(32, single(1), single(1), 0, 1 << 31)),
                expect(v0=vector(32, 0xFFFF_FFFF, 0, 0, 0), fpsr=IOC),
            ),
            id="fcmgt-signals-quiet-nans",
        ),
        pytest.param(
            case(
                "fcmeq v0.2s, v1.2s, v2.2s",
                given(v0=ONES, v1=vector(32, QUIET, 0), v2=vector(32, QUIET, 1 << 31)),
                expect(v0=0xFFFF_FFFF << 32),
            ),
            id="fcmeq-does-not",
        ),
        pytest.param(
            case("facge d0, d1, d2", given(v0=ONES, v1=doubles(-3), v2=doubles(2)), expect(v0=(1 << 64) - 1)),
            id="facge-compares-magnitudes",
        ),
        pytest.param(
            case(
                "faddp v0.4s, v1.4s, v2.4s",
                given(v1=singles(1, 2, 3, 4), v2=singles(5, 6, 7, 8)),
                expect(v0=singles(3, 7, 11, 15)),
            ),
            id="faddp",
        ),
        pytest.param(
            case("faddp s0, v1.2s", given(v0=ONES, v1=singles(1, 2, 9, 9)), expect(v0=singles(3))), id="scalar-faddp"
        ),
        pytest.param(
            case("fmaxv s0, v1.4s", given(v0=ONES, v1=singles(-1, 8, 3, -9)), expect(v0=singles(8))), id="fmaxv"
        ),
        pytest.param(
            case(
                "fminnmv s0, v1.4s", given(v1=vector(32, QUIET, single(2), single(-1), QUIET)), expect(v0=singles(-1))
            ),
            id="fminnmv-leaves-out-quiet-nans",
        ),
        pytest.param(case("fabs v0.2d, v1.2d", given(v1=every(64, 1 << 63)), expect(v0=0)), id="fabs"),
        pytest.param(
            case("fneg v0.4s, v1.4s", given(v1=every(32, SIGNALLING)), expect(v0=every(32, SIGNALLING | 1 << 31))),
            id="fneg-signals-nothing",
        ),
        pytest.param(
            case(
                "frecpe v0.2s, v1.2s",
                given(v1=vector(32, 0, 1 << 31)),
                expect(v0=vector(32, INFINITY, 0xFF80_0000), fpsr=DZC),
            ),
            id="frecpe-of-zero",
        ),
        pytest.param(
            case(
                "frsqrte v0.2s, v1.2s",
                given(v1=singles(-1, 4)),
                expect(v0=vector(32, 0x7FC0_0000, 0x3EFF_8000), fpsr=IOC),
            ),
            id="frsqrte",
        ),
        pytest.param(
            case("frecps s0, s1, s2", given(v1=0, v2=INFINITY), expect(v0=singles(2))), id="frecps-zero-by-infinity"
        ),
        pytest.param(
            case("frsqrts s0, s1, s2", given(v1=INFINITY, v2=0), expect(v0=singles(1.5))), id="frsqrts-infinity-by-zero"
        ),
        pytest.param(
            case(
                "fcvtzs v0.4s, v1.4s",
                given(v1=singles(-1.5, 2.75, 3e9, -3e9)),
                expect(v0=vector(32, -1, 2, 0x7FFF_FFFF, 1 << 31), fpsr=IOC | IXC),
            ),
            id="fcvtzs-saturates",
        ),
        pytest.param(
            case("fcvtzu v0.2s, v1.2s, #4", given(v0=ONES, v1=singles(0.5, -1)), expect(v0=8, fpsr=IOC)),
            id="fcvtzu-fixed-point",
        ),
        pytest.param(
            case("scvtf v0.2d, v1.2d, #1", given(v1=vector(64, -3, 7)), expect(v0=doubles(-1.5, 3.5))),
            id="scvtf-fixed-point",
        ),
        pytest.param(
            case("fcvtl2 v0.2d, v1.4s", given(v1=singles(9, 9, 1.5, -2)), expect(v0=doubles(1.5, -2))), id="fcvtl2"
        ),
        pytest.param(
            case(
                "fcvtn2 v0.4s, v1.2d", given(v0=singles(1, 2, 3, 4), v1=doubles(5, 6)), expect(v0=singles(1, 2, 5, 6))
            ),
            id="fcvtn2-keeps-the-lower-half",
        ),
        pytest.param(
            case("fcvtxn s0, d1", given(v1=0x3FF0_0000_0000_0001), expect(v0=0x3F80_0001, fpsr=IXC)),
            id="fcvtxn-rounds-to-odd",
        ),
        pytest.param(
            case("fadd v0.2s, v1.2s, v2.2s", given(v1=1, v2=1, fpcr=FZ), expect(v0=0, fpsr=IDC)), id="flush-to-zero"
        ),
        pytest.param(case(0x0E62_D420, expect(exit=undefined())), id="fadd-1d-is-reserved"),
        pytest.param(case(0x0F08_E420, expect(exit=undefined())), id="scvtf-of-bytes-is-reserved"),
    ],
)
def test_single_and_double_precision(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            with_features(
                "fadd v0.8h, v1.8h, v2.8h",
                given(v1=halves(*range(8)), v2=halves(*[1] * 8)),
                expect(v0=halves(*range(1, 9))),
                FP16,
            ),
            id="fadd-8h",
        ),
        pytest.param(
            with_features("fmaxv h0, v1.4h", given(v0=ONES, v1=halves(1, -4, 3, 2, 9)), expect(v0=halves(3)), FP16),
            id="fmaxv-4h-of-64-bits",
        ),
        pytest.param(
            with_features(
                "fmlal v0.4s, v1.4h, v2.4h",
                given(v0=singles(1, 1, 1, 1), v1=halves(1, 2, 3, 4, 9), v2=halves(10, 10, 10, 10)),
                expect(v0=singles(11, 21, 31, 41)),
                FHM,
            ),
            id="fmlal",
        ),
        pytest.param(
            with_features(
                "fmlsl2 v0.2s, v1.2h, v2.2h",
                given(v0=ONES ^ ONES, v1=halves(1, 2, 3, 4), v2=halves(9, 9, 10, 10)),
                expect(v0=singles(-30, -40)),
                FHM,
            ),
            id="fmlsl2-takes-the-upper-half",
        ),
        pytest.param(
            with_features(
                "fcadd v0.4s, v1.4s, v2.4s, #90",
                given(v1=singles(1, 2, 3, 4), v2=singles(10, 20, 30, 40)),
                expect(v0=singles(-19, 12, -37, 34)),
                FCMA,
            ),
            id="fcadd-90",
        ),
        pytest.param(
            with_features(
                "fcmla v0.4s, v1.4s, v2.4s, #0",
                given(v1=singles(2, 9, 3, 9), v2=singles(10, 20, 30, 40)),
                expect(v0=singles(20, 40, 90, 120)),
                FCMA,
            ),
            id="fcmla-0",
        ),
        pytest.param(
            with_features(
                "fcmla v0.4s, v1.4s, v2.4s, #270",
                given(v1=singles(9, 2, 9, 3), v2=singles(10, 20, 30, 40)),
                expect(v0=singles(40, -20, 120, -90)),
                FCMA,
            ),
            id="fcmla-270",
        ),
        pytest.param(
            with_features(
                ".word 0x2e42fc20",
                given(v0=singles(1, 1), v1=bfloats(1, 2, 3, 4), v2=bfloats(5, 6, 7, 8)),
                expect(v0=singles(18, 54)),
                BF16,
            ),
            id="bfdot",
        ),
        pytest.param(
            with_features(
                ".word 0x6e42ec20",
                given(v1=bfloats(1, 0, 0, 1, 2, 0, 0, 0), v2=bfloats(1, 2, 3, 4, 5, 6, 7, 8)),
                expect(v0=singles(1 + 4, 5 + 8, 2, 10)),
                BF16,
            ),
            id="bfmmla",
        ),
        pytest.param(
            with_features(
                ".word 0x6ec2fc20",
                given(v1=bfloats(9, 1, 9, 2, 9, 3, 9, 4), v2=bfloats(9, 2, 9, 2, 9, 2, 9, 2)),
                expect(v0=singles(2, 4, 6, 8)),
                BF16,
            ),
            id="bfmlalt",
        ),
        pytest.param(case(0x4E42_1420, expect(exit=undefined())), id="fadd-8h-without-fp16"),
        pytest.param(case(0x6E42_EC20, expect(exit=undefined())), id="bfmmla-without-bf16"),
    ],
)
def test_extensions(backend, claim):
    claim.check(backend)


def test_half_precision_infinity_minus_infinity_is_invalid(backend):
    with_features(
        "fsub v0.4h, v1.4h, v2.4h",
        given(v1=HALF_INFINITY, v2=HALF_INFINITY),
        expect(v0=0x7E00, fpsr=IOC),
        FP16,
    ).check(backend)
