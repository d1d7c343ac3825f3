"""Floating-point data-processing (2 source)."""

import pytest

from assay64.harness.cases.authoring import case, expect, given, undefined
from assay64.harness.cases.case import Environment

pytestmark = pytest.mark.fp

IOC, DZC, OFC, UFC, IXC, IDC = 1, 2, 4, 8, 16, 128
RP, RM, RZ, FZ, DN, FZ16 = 1 << 22, 2 << 22, 3 << 22, 1 << 24, 1 << 25, 1 << 19
ONE, TWO, HALF = 0x3F80_0000, 0x4000_0000, 0x3F00_0000
INF, MAX, NORMAL, TINY = 0x7F80_0000, 0x7F7F_FFFF, 0x0080_0000, 1
QNAN, SNAN, DEFAULT, MINUS = 0x7FC1_2345, 0x7F81_2345, 0x7FC0_0000, 1 << 31
QUIETED = SNAN | 1 << 22
JUNK = 0xDEAD << 64
HALF_PRECISION = Environment(model="cortex-a57+FEAT_FP16")


@pytest.mark.parametrize(
    ("mnemonic", "one", "other", "result", "fpcr", "flags"),
    [
        pytest.param("fadd", ONE, TWO, 0x4040_0000, 0, 0, id="add-exact"),
        pytest.param("fadd", ONE, 0x3380_0000, ONE, 0, IXC, id="add-tie-to-even"),
        pytest.param("fadd", ONE | 1, 0x3380_0000, ONE | 2, 0, IXC, id="add-tie-to-even-upwards"),
        pytest.param("fadd", ONE, 0x3380_0001, ONE | 1, 0, IXC, id="add-above-the-tie"),
        pytest.param("fadd", ONE, TINY, ONE | 1, RP, IXC, id="add-tiny-upwards"),
        pytest.param("fadd", ONE, TINY | MINUS, 0x3F7F_FFFF, RZ, IXC, id="subtract-tiny-to-zero"),
        pytest.param("fadd", ONE, TINY | MINUS, ONE, 0, IXC, id="subtract-tiny-to-nearest"),
        pytest.param("fsub", ONE, ONE, 0, 0, 0, id="cancel-is-plus-zero"),
        pytest.param("fsub", ONE, ONE, MINUS, RM, 0, id="cancel-downwards-is-minus-zero"),
        pytest.param("fadd", MINUS, MINUS, MINUS, 0, 0, id="minus-zero-and-minus-zero"),
        pytest.param("fadd", MINUS, 0, 0, RP, 0, id="zeros-of-two-signs"),
        pytest.param("fadd", MINUS, 0, MINUS, RM, 0, id="zeros-of-two-signs-downwards"),
        pytest.param("fadd", MAX, MAX, INF, 0, OFC | IXC, id="overflow"),
        pytest.param("fadd", MAX, MAX, MAX, RZ, OFC | IXC, id="overflow-to-zero"),
        pytest.param("fadd", MAX, MAX, MAX, RM, OFC | IXC, id="overflow-downwards"),
        pytest.param("fadd", MAX | MINUS, MAX | MINUS, INF | MINUS, RM, OFC | IXC, id="negative-overflow-downwards"),
        pytest.param("fadd", INF, INF | MINUS, DEFAULT, 0, IOC, id="infinity-minus-infinity"),
        pytest.param("fsub", INF, MAX, INF, 0, 0, id="infinity-stays"),
        pytest.param("fmul", NORMAL, HALF, 0x0040_0000, 0, 0, id="mul-exact-denormal-no-underflow"),
        pytest.param("fmul", NORMAL | 1, HALF, 0x0040_0000, 0, UFC | IXC, id="mul-underflow"),
        pytest.param("fmul", 0x00FF_FFFF, HALF, NORMAL, 0, UFC | IXC, id="tiny-before-rounding-to-the-smallest-normal"),
        pytest.param("fmul", 0x00FF_FFFF, HALF, 0, FZ, UFC, id="flushed-before-rounding"),
        # (1 - 2**-46) * 2**-126 rounds to the smallest normal number even without a bound on the exponent.
        pytest.param("fmul", 0x3F00_0001, 0x00FF_FFFE, 0, FZ, UFC, id="flushed-although-it-rounds-to-normal"),
        pytest.param("fmul", 0x3F00_0001, 0x00FF_FFFE, NORMAL, 0, UFC | IXC, id="underflow-although-normal"),
        pytest.param("fmul", 0x80FF_FFFF, HALF, MINUS, FZ, UFC, id="flushed-keeps-the-sign"),
        pytest.param("fmul", TINY, ONE, 0, FZ, IDC, id="denormal-input-is-flushed"),
        pytest.param("fmul", TINY, QNAN, QNAN, FZ, IDC, id="denormal-input-beside-a-nan"),
        pytest.param("fmul", TINY, INF, DEFAULT, FZ, IOC | IDC, id="flushed-times-infinity"),
        pytest.param("fmul", 0, INF | MINUS, DEFAULT, 0, IOC, id="zero-times-infinity"),
        pytest.param("fmul", TINY, TINY, 1, RP, UFC | IXC, id="smallest-product-upwards"),
        pytest.param("fnmul", ONE, TWO, TWO | MINUS, 0, 0, id="nmul"),
        pytest.param("fnmul", QNAN, TWO, QNAN | MINUS, 0, 0, id="nmul-negates-a-nan"),
        pytest.param("fnmul", 0, INF, DEFAULT | MINUS, 0, IOC, id="nmul-negates-the-default-nan"),
        pytest.param("fdiv", ONE, 0x4040_0000, 0x3EAA_AAAB, 0, IXC, id="one-third"),
        pytest.param("fdiv", ONE, 0x4040_0000, 0x3EAA_AAAA, RZ, IXC, id="one-third-to-zero"),
        pytest.param("fdiv", ONE, MINUS, INF | MINUS, 0, DZC, id="division-by-zero"),
        pytest.param("fdiv", 0, 0, DEFAULT, 0, IOC, id="zero-by-zero"),
        pytest.param("fdiv", INF, INF, DEFAULT, 0, IOC, id="infinity-by-infinity"),
        pytest.param("fdiv", INF, 0, INF, 0, 0, id="infinity-by-zero-no-flag"),
        pytest.param("fdiv", ONE, INF | MINUS, MINUS, 0, 0, id="by-infinity"),
        pytest.param("fdiv", ONE, TINY, INF, FZ, DZC | IDC, id="by-a-flushed-denormal"),
        pytest.param("fadd", QNAN, SNAN, QUIETED, 0, IOC, id="signaling-before-quiet"),
        pytest.param("fadd", SNAN, SNAN | 4, QUIETED, 0, IOC, id="first-signaling"),
        pytest.param("fadd", QNAN | MINUS, QNAN | 8, QNAN | MINUS, 0, 0, id="first-quiet-keeps-its-sign"),
        pytest.param("fadd", ONE, QNAN, QNAN, 0, 0, id="quiet-second"),
        pytest.param("fadd", QNAN, SNAN, DEFAULT, DN, IOC, id="default-nan"),
        pytest.param("fmax", 0, MINUS, 0, 0, 0, id="max-of-zeros"),
        pytest.param("fmin", 0, MINUS, MINUS, 0, 0, id="min-of-zeros"),
        pytest.param("fmax", ONE, QNAN, QNAN, 0, 0, id="max-propagates-nans"),
        pytest.param("fmaxnm", ONE, QNAN, ONE, 0, 0, id="maxnm-prefers-the-number"),
        pytest.param("fminnm", QNAN, INF, INF, 0, 0, id="minnm-prefers-infinity"),
        pytest.param("fminnm", QNAN, QNAN | 2, QNAN, 0, 0, id="minnm-of-two-quiet"),
        pytest.param("fmaxnm", ONE, SNAN, QUIETED, 0, IOC, id="maxnm-signaling"),
        pytest.param("fmaxnm", QNAN, SNAN, QUIETED, 0, IOC, id="maxnm-quiet-and-signaling"),
        pytest.param("fmin", TINY, ONE, 0, FZ, IDC, id="min-flushes"),
        pytest.param("fmin", TINY, ONE, TINY, 0, 0, id="min-keeps-denormals"),
    ],
)
def test_single_precision(backend, mnemonic, one, other, result, fpcr, flags):
    registers = given(v0=-1 % (1 << 128), v1=one | JUNK, v2=other | JUNK, fpcr=fpcr)
    case(f"{mnemonic} s0, s1, s2", registers, expect(v0=result, fpsr=flags)).check(backend)


@pytest.mark.parametrize(
    ("mnemonic", "one", "other", "result", "fpcr", "flags"),
    [
        pytest.param("fadd", 0x3FB9_9999_9999_999A, 0x3FC9_9999_9999_999A, 0x3FD3_3333_3333_3334, 0, IXC, id="tenths"),
        pytest.param("fmul", 1, 0x3FE0_0000_0000_0000, 0, 0, UFC | IXC, id="half-of-the-smallest-ties-to-zero"),
        pytest.param("fmul", 3, 0x3FE0_0000_0000_0000, 2, 0, UFC | IXC, id="three-halves-of-the-smallest-ties-to-even"),
        pytest.param("fmul", 0x001F_FFFF_FFFF_FFFF, 0x3FE0_0000_0000_0000, 0, FZ, UFC, id="flushed-before-rounding"),
        pytest.param("fdiv", 0x7FEF_FFFF_FFFF_FFFF, 1, 0x7FF0_0000_0000_0000, 0, OFC | IXC, id="division-overflows"),
        pytest.param("fsub", 0x7FF0_0000_0000_0001, 0, 0x7FF8_0000_0000_0001, 0, IOC, id="quieted"),
        pytest.param("fsub", 0x7FF0_0000_0000_0000, 0x7FF0_0000_0000_0000, 0x7FF8 << 48, 0, IOC, id="default-nan"),
    ],
)
def test_double_precision(backend, mnemonic, one, other, result, fpcr, flags):
    registers = given(v0=-1 % (1 << 128), v1=one | JUNK, v2=other | JUNK, fpcr=fpcr)
    case(f"{mnemonic} d0, d1, d2", registers, expect(v0=result, fpsr=flags)).check(backend)


@pytest.mark.parametrize(
    ("mnemonic", "one", "other", "result", "fpcr", "flags"),
    [
        pytest.param("fadd", 0x3C00, 0x1000, 0x3C00, 0, IXC, id="tie-to-even"),
        pytest.param("fadd", 0x7BFF, 0x4C00, 0x7C00, 0, OFC | IXC, id="overflow"),
        pytest.param("fmul", 0x0400, 0x3800, 0x0200, 0, 0, id="exact-denormal"),
        pytest.param("fmul", 0x0400, 0x3800, 0x0200, FZ, 0, id="fz-is-not-for-halves"),
        pytest.param("fmul", 0x0400, 0x3800, 0, FZ16, UFC, id="fz16-flushes-results"),
        pytest.param("fmul", 0x0001, 0x3C00, 0, FZ16, 0, id="fz16-flushes-inputs-without-flag"),
        pytest.param("fdiv", 0, 0, 0x7E00, 0, IOC, id="default-nan"),
        pytest.param("fadd", 0x7C00, 0x7D01, 0x7F01, 1 << 26, IOC, id="ahp-does-not-matter"),
    ],
)
def test_half_precision(backend, mnemonic, one, other, result, fpcr, flags):
    registers = given(v0=-1 % (1 << 128), v1=one | JUNK, v2=other | JUNK, fpcr=fpcr)
    end = expect(v0=result, fpsr=flags)
    needs = {"environment": HALF_PRECISION, "requires": ("FEAT_FP16",)}
    case(f"{mnemonic} h0, h1, h2", registers, end, **needs).check(backend)


def test_flags_accumulate(backend):
    registers = given(v1=ONE, v2=0, fpsr=1 << 27 | IXC)
    case("fdiv s0, s1, s2", registers, expect(v0=INF, fpsr=1 << 27 | IXC | DZC)).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x1EA2_2820, id="reserved-type"),
        pytest.param(0x1E22_9820, id="opcode-1001"),
        pytest.param(0x1E62_F820, id="opcode-1111"),
        pytest.param(0x3E22_2820, id="with-s"),
        pytest.param(0x9E22_2820, id="with-m"),
        pytest.param(0x1EE2_2820, id="half-without-fp16"),
    ],
)
def test_undefined(backend, word):
    case(word, given(v1=ONE, v2=ONE), expect(exit=undefined())).check(backend)
