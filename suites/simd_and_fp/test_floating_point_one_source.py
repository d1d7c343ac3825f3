"""Floating-point data-processing (1 source)."""

import pytest

from assay64.harness.cases.authoring import case, expect, given, undefined
from assay64.harness.cases.case import Environment

pytestmark = pytest.mark.fp

IOC, OFC, UFC, IXC, IDC = 1, 4, 8, 16, 128
RP, RM, RZ, AHP, DN, FZ = 1 << 22, 2 << 22, 3 << 22, 1 << 26, 1 << 25, 1 << 24
MINUS, INF, DEFAULT, SNAN = 1 << 31, 0x7F80_0000, 0x7FC0_0000, 0x7F80_0001
JUNK = 0xDEAD << 64
ALL = -1 % (1 << 128)


@pytest.mark.parametrize(
    ("text", "operand", "result", "fpcr", "flags"),
    [
        pytest.param("fmov s0, s1", SNAN, SNAN, DN, 0, id="fmov-keeps-a-signaling-nan"),
        pytest.param("fabs s0, s1", SNAN | MINUS, SNAN, DN, 0, id="fabs-of-a-signaling-nan"),
        pytest.param("fneg s0, s1", SNAN, SNAN | MINUS, DN, 0, id="fneg-of-a-signaling-nan"),
        pytest.param("fneg d0, d1", 0, 1 << 63, 0, 0, id="fneg-of-zero"),
        pytest.param("fabs s0, s1", MINUS | 1, 1, FZ, 0, id="fabs-does-not-flush"),
        pytest.param("fsqrt s0, s1", 0x4000_0000, 0x3FB5_04F3, 0, IXC, id="sqrt-2"),
        pytest.param("fsqrt d0, d1", 0x4022 << 48, 0x4008 << 48, 0, 0, id="sqrt-9"),
        pytest.param("fsqrt s0, s1", MINUS, MINUS, 0, 0, id="sqrt-of-minus-zero"),
        pytest.param("fsqrt s0, s1", MINUS | 1, DEFAULT, 0, IOC, id="sqrt-negative"),
        pytest.param("fsqrt s0, s1", MINUS | 1, MINUS, FZ, IDC, id="sqrt-of-a-flushed-negative"),
        pytest.param("fsqrt s0, s1", INF | MINUS, DEFAULT, 0, IOC, id="sqrt-of-minus-infinity"),
        pytest.param("fsqrt s0, s1", 2, 0x1A80_0000, 0, 0, id="sqrt-of-a-denormal"),
        pytest.param("fcvt d0, s1", 1, 0x36A0 << 48, 0, 0, id="single-denormal-to-double"),
        pytest.param("fcvt d0, s1", SNAN, 0x7FF8_0000_2000_0000, 0, IOC, id="payload-to-double"),
        pytest.param("fcvt s0, d1", 0x7FF0_0000_0000_0001, DEFAULT, 0, IOC, id="payload-lost-still-a-nan"),
        pytest.param("fcvt s0, d1", 0x47EF_FFFF_F000_0000, INF, 0, OFC | IXC, id="to-single-overflows"),
        pytest.param("fcvt s0, d1", 0x47EF_FFFF_EFFF_FFFF, 0x7F7F_FFFF, 0, IXC, id="to-single-just-below"),
        pytest.param("fcvt s0, d1", 0x380F_FFFF_FFFF_FFFF, 0, FZ, UFC, id="to-single-flushed-before-rounding"),
        pytest.param("fcvt h0, s1", 0x477F_F000, 0x7C00, 0, OFC | IXC, id="to-half-overflows"),
        pytest.param("fcvt h0, s1", 0x477F_EFFF, 0x7BFF, 0, IXC, id="to-half-just-below"),
        pytest.param("fcvt h0, s1", 0x477F_F000, 0x7C00, AHP, IXC, id="alternative-half-has-one-more-exponent"),
        pytest.param("fcvt h0, s1", 0x4800_0000, 0x7FFF, AHP, IOC, id="alternative-half-overflow-is-invalid"),
        pytest.param("fcvt h0, s1", INF | MINUS, 0xFFFF, AHP, IOC, id="alternative-half-has-no-infinity"),
        pytest.param("fcvt h0, s1", DEFAULT | MINUS, 0x8000, AHP, IOC, id="alternative-half-has-no-nan"),
        pytest.param("fcvt s0, h1", 0x7C00, 0x4780_0000, AHP, 0, id="from-alternative-half"),
        pytest.param("fcvt s0, h1", 0x7C01, 0x7FC0_2000, 0, IOC, id="half-signaling-nan"),
        pytest.param("fcvt s0, h1", 0x0001, 0x3380_0000, FZ, 0, id="half-denormals-are-not-flushed"),
        # 1 + 2**-11 + 2**-40: a rounding to single first would make it a tie.
        pytest.param("fcvt h0, d1", 0x3FF0_0200_0000_1000, 0x3C01, 0, IXC, id="double-to-half-rounds-once"),
        pytest.param("fcvt h0, s1", 0x3300_0000, 0, 0, UFC | IXC, id="half-of-the-smallest-half"),
        pytest.param("fcvt h0, s1", 0x3300_0001, 1, FZ, UFC | IXC, id="half-results-are-not-flushed"),
        pytest.param("frintn s0, s1", 0x4020_0000, 0x4000_0000, 0, 0, id="frintn-tie"),
        pytest.param("frinta s0, s1", 0x4020_0000, 0x4040_0000, 0, 0, id="frinta-tie"),
        pytest.param("frintp s0, s1", 0xBF00_0000, MINUS, 0, 0, id="frintp-keeps-the-sign-of-zero"),
        pytest.param("frintm s0, s1", 0xBF00_0000, 0xBF80_0000, 0, 0, id="frintm"),
        pytest.param("frintz d0, d1", 0xC00F_FFFF_FFFF_FFFF, 0xC008 << 48, 0, 0, id="frintz"),
        pytest.param("frintx s0, s1", 0x4020_0000, 0x4040_0000, RP, IXC, id="frintx-is-inexact"),
        pytest.param("frinti s0, s1", 0x4020_0000, 0x4040_0000, RP, 0, id="frinti-is-not"),
        pytest.param("frintx s0, s1", 0x4B80_0001, 0x4B80_0001, 0, 0, id="frintx-of-a-large-integer"),
        pytest.param("frintz s0, s1", SNAN, SNAN | 1 << 22, 0, IOC, id="frintz-of-a-signaling-nan"),
        pytest.param("frintp s0, s1", 1, 0, FZ, IDC, id="frintp-of-a-flushed-denormal"),
        pytest.param("frintp s0, s1", 1, 0x3F80_0000, 0, 0, id="frintp-of-a-denormal"),
    ],
)
def test_one_source(backend, text, operand, result, fpcr, flags):
    registers = given(v0=ALL, v1=operand | JUNK, fpcr=fpcr)
    case(text, registers, expect(v0=result, fpsr=flags)).check(backend)


@pytest.mark.parametrize(
    ("text", "operand", "result", "fpcr", "flags"),
    [
        pytest.param("frint32z s0, s1", 0x4EFF_FFFF, 0x4EFF_FFFF, 0, 0, id="largest-single-below-2-31"),
        pytest.param("frint32z s0, s1", 0x4F00_0000, 0xCF00_0000, 0, IOC, id="2-31"),
        pytest.param("frint32x s0, s1", 0xCF00_0000, 0xCF00_0000, 0, 0, id="minus-2-31-fits"),
        pytest.param("frint32z d0, d1", 0x41DF_FFFF_FFFF_FFFF, 0x41DF_FFFF_FFC0_0000, 0, IXC, id="towards-zero-fits"),
        pytest.param("frint32x d0, d1", 0x41DF_FFFF_FFFF_FFFF, 0xC1E0 << 48, 0, IOC, id="rounded-up-does-not"),
        pytest.param("frint64z d0, d1", 0x43E0 << 48, 0xC3E0 << 48, 0, IOC, id="2-63"),
        pytest.param("frint64x s0, s1", DEFAULT, 0xDF00_0000, 0, IOC, id="nan"),
        pytest.param("frint64x s0, s1", INF, 0xDF00_0000, 0, IOC, id="infinity"),
        pytest.param("frint64x s0, s1", 0xBF00_0000, MINUS, 0, IXC, id="minus-zero"),
    ],
)
def test_round_to_an_integer_of_a_size(backend, text, operand, result, fpcr, flags):
    needs = {"environment": Environment(model="cortex-a57+FEAT_FRINTTS"), "requires": ("FEAT_FRINTTS",)}
    registers = given(v0=ALL, v1=operand | JUNK, fpcr=fpcr)
    case(text, registers, expect(v0=result, fpsr=flags), **needs).check(backend)


@pytest.mark.parametrize(
    ("operand", "result", "fpcr", "flags"),
    [
        pytest.param(0x3F80_8000, 0x3F80, 0, IXC, id="tie-to-even"),
        pytest.param(0x3F81_8000, 0x3F82, 0, IXC, id="tie-to-even-upwards"),
        pytest.param(0x3F80_0001, 0x3F81, RP, IXC, id="upwards"),
        pytest.param(0x7F7F_FFFF, 0x7F80, 0, OFC | IXC, id="overflow"),
        pytest.param(0x7F7F_FFFF, 0x7F7F, RM, IXC, id="rounded-down-to-the-largest"),
        pytest.param(0x7F80_0001, 0x7FC0, 0, IOC, id="signaling"),
        pytest.param(0xFFC1_2345, 0xFFC1, 0, 0, id="payload"),
        pytest.param(0x0000_8001, 1, 0, UFC | IXC, id="denormal"),
        pytest.param(0x0000_8001, 0, FZ, IDC, id="flushed"),
    ],
)
def test_to_bfloat16(backend, operand, result, fpcr, flags):
    needs = {"environment": Environment(model="cortex-a57+FEAT_BF16"), "requires": ("FEAT_BF16",)}
    registers = given(v0=ALL, v1=operand | JUNK, fpcr=fpcr)
    case(0x1E63_4020, registers, expect(v0=result, fpsr=flags), **needs).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x1E22_4020, id="fcvt-single-to-single"),
        pytest.param(0x1E63_4020, id="bfcvt-without-bf16"),
        pytest.param(0x1E28_4020, id="frint32z-without-frintts"),
        pytest.param(0x1E26_C020, id="rmode-101"),
        pytest.param(0x1EA0_4020, id="reserved-type"),
        pytest.param(0x1E2A_4020, id="opcode-010100"),
        pytest.param(0x1EE1_C020, id="half-without-fp16"),
    ],
)
def test_undefined(backend, word):
    case(word, given(v1=0x3F80_0000), expect(exit=undefined())).check(backend)
