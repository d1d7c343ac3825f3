"""Advanced SIMD modified immediate."""

import pytest

from assay64.harness.cases.authoring import MAX64, case, expect, given, undefined
from assay64.harness.cases.case import Environment
from assay64.suites.simd_and_fp.elements import ONES, every

pytestmark = pytest.mark.simd

HALF = Environment(model="cortex-a57+FEAT_FP16")


def encode(q: int, op: int, cmode: int, imm8: int, o2: int = 0) -> int:
    """The word that writes V0."""
    fields = q << 30 | op << 29 | imm8 >> 5 << 16 | cmode << 12 | o2 << 11 | (imm8 & 31) << 5
    return 0x0F00_0400 | fields


# cmode: the size of the lanes and their value for the immediate 0xA5 with op=0 (MOVI) and op=1 (MVNI).
EXPANSIONS = {
    0b0000: (32, 0x0000_00A5, 0xFFFF_FF5A),
    0b0010: (32, 0x0000_A500, 0xFFFF_5AFF),
    0b0100: (32, 0x00A5_0000, 0xFF5A_FFFF),
    0b0110: (32, 0xA500_0000, 0x5AFF_FFFF),
    0b1000: (16, 0x00A5, 0xFF5A),
    0b1010: (16, 0xA500, 0x5AFF),
    0b1100: (32, 0x0000_A5FF, 0xFFFF_5A00),
    0b1101: (32, 0x00A5_FFFF, 0xFF5A_0000),
}


@pytest.mark.parametrize("cmode", EXPANSIONS, ids=lambda cmode: f"cmode-{cmode:04b}")
def test_shifted_immediates(backend, cmode):
    esize, value, inverted = EXPANSIONS[cmode]
    start = given(v0=ONES)
    case(encode(1, 0, cmode, 0xA5), start, expect(v0=every(esize, value))).check(backend)
    case(encode(0, 1, cmode, 0xA5), start, expect(v0=every(esize, inverted, 64))).check(backend)


@pytest.mark.parametrize(
    "cmode", [0b0001, 0b0011, 0b0101, 0b0111, 0b1001, 0b1011], ids=lambda cmode: f"cmode-{cmode:04b}"
)
def test_orr_and_bic(backend, cmode):
    esize, value, _ = EXPANSIONS[cmode - 1]
    before = int.from_bytes(range(0x30, 0x40), "little")
    result = before | every(esize, value)
    case(encode(1, 0, cmode, 0xA5), given(v0=before), expect(v0=result)).check(backend)
    case(encode(0, 1, cmode, 0xA5), given(v0=ONES), expect(v0=MAX64 ^ every(esize, value, 64))).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case(encode(1, 0, 0b1110, 0xA5), expect(v0=every(8, 0xA5))), id="bytes"),
        pytest.param(case("movi v0.8b, #255", given(v0=ONES), expect(v0=MAX64)), id="bytes-of-64-bits"),
        pytest.param(case(encode(1, 1, 0b1110, 0xA5), expect(v0=every(64, 0xFF00_FF00_00FF_00FF))), id="byte-mask-2d"),
        pytest.param(
            case(encode(0, 1, 0b1110, 0x81), given(v0=ONES), expect(v0=0xFF00_0000_0000_00FF)), id="byte-mask-scalar"
        ),
        pytest.param(case("movi v0.2d, #0", given(v0=ONES), expect(v0=0)), id="zero"),
        pytest.param(case("fmov v0.4s, #1.0", expect(v0=every(32, 0x3F80_0000))), id="single-one"),
        pytest.param(
            case("fmov v0.2s, #-31.0", given(v0=ONES), expect(v0=every(32, 0xC1F8_0000, 64))), id="single-largest"
        ),
        pytest.param(case("fmov v0.4s, #0.125", expect(v0=every(32, 0x3E00_0000))), id="single-smallest"),
        pytest.param(case("fmov v0.2d, #2.0", expect(v0=every(64, 0x4000 << 48))), id="double-two"),
        pytest.param(case("fmov v0.2d, #-0.1328125", expect(v0=every(64, 0xBFC1 << 48))), id="double-negative"),
        pytest.param(case(encode(0, 1, 0b1111, 0x70), expect(exit=undefined())), id="fmov-1d-is-reserved"),
        pytest.param(
            case(encode(1, 0, 0b1110, 0, o2=1), expect(exit=undefined())), id="o2-with-cmode-1110-is-unallocated"
        ),
        pytest.param(case(encode(1, 1, 0b1111, 0, o2=1), expect(exit=undefined())), id="o2-with-op-is-unallocated"),
        pytest.param(case(encode(1, 0, 0b1111, 0x70, o2=1), expect(exit=undefined())), id="half-without-fp16"),
        pytest.param(
            case(
                encode(1, 0, 0b1111, 0x70, o2=1), expect(v0=every(16, 0x3C00)), environment=HALF, requires=["FEAT_FP16"]
            ),
            id="half-one",
        ),
        pytest.param(
            case(
                encode(0, 0, 0b1111, 0xBF, o2=1),
                given(v0=ONES),
                expect(v0=every(16, 0xCFC0, 64)),
                environment=HALF,
                requires=["FEAT_FP16"],
            ),
            id="half-largest",
        ),
    ],
)
def test_immediates(backend, claim):
    claim.check(backend)
