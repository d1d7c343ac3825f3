"""Conversion between floating-point and integer or fixed-point; moves between the register files."""

import pytest

from assay64.harness.cases.authoring import MAX32, MAX64, MIN64, case, expect, given, undefined
from assay64.harness.cases.case import Environment

pytestmark = pytest.mark.fp

IOC, IXC, UFC, IDC = 1, 16, 8, 128
RP, RZ, FZ = 1 << 22, 3 << 22, 1 << 24
HALF, ONE, TIE, MINUS = 0x3F00_0000, 0x3F80_0000, 0x4020_0000, 1 << 31  # TIE is 2.5
ALL = -1 % (1 << 128)


@pytest.mark.parametrize(
    ("text", "operand", "result", "fpcr", "flags"),
    [
        pytest.param("fcvtns w0, s1", TIE, 2, RP, IXC, id="nearest-even"),
        pytest.param("fcvtas w0, s1", TIE, 3, 0, IXC, id="nearest-away"),
        pytest.param("fcvtas w0, s1", TIE | MINUS, 2**32 - 3, 0, IXC, id="nearest-away-negative"),
        pytest.param("fcvtps w0, s1", TIE, 3, 0, IXC, id="upwards"),
        pytest.param("fcvtms w0, s1", TIE | MINUS, 2**32 - 3, 0, IXC, id="downwards"),
        pytest.param("fcvtzs w0, s1", TIE | MINUS, 2**32 - 2, 0, IXC, id="to-zero"),
        pytest.param("fcvtzs x0, s1", HALF | MINUS, 0, 0, IXC, id="minus-half-to-zero"),
        pytest.param("fcvtzu x0, s1", HALF | MINUS, 0, 0, IXC, id="unsigned-minus-half-is-only-inexact"),
        pytest.param("fcvtmu x0, s1", HALF | MINUS, 0, 0, IOC, id="unsigned-minus-half-downwards"),
        pytest.param("fcvtzu w0, s1", ONE | MINUS, 0, 0, IOC, id="unsigned-minus-one"),
        pytest.param("fcvtzs x0, s1", 0x7FC0_0000, 0, 0, IOC, id="nan"),
        pytest.param("fcvtzs x0, s1", 0x7F80_0000, MIN64 - 1, 0, IOC, id="infinity"),
        pytest.param("fcvtzs w0, d1", 0x41E0 << 48, 2**31 - 1, 0, IOC, id="2-31-saturates-not-inexact"),
        pytest.param("fcvtzs w0, d1", 0x41DF_FFFF_FFFF_FFFF, 2**31 - 1, 0, IXC, id="just-below-2-31"),
        pytest.param("fcvtas w0, d1", 0x41DF_FFFF_FFFF_FFFF, 2**31 - 1, 0, IOC, id="rounded-to-2-31-saturates"),
        pytest.param("fcvtzs x0, d1", 0xC3E0 << 48, MIN64, 0, 0, id="minus-2-63"),
        pytest.param("fcvtzu x0, d1", 0x43F0 << 48, MAX64, 0, IOC, id="2-64"),
        pytest.param("fcvtzu w0, d1", 0x41EF_FFFF_FFE0_0000, MAX32, 0, 0, id="2-32-minus-1"),
        pytest.param("fcvtps x0, s1", 1, 1, 0, IXC, id="denormal-upwards"),
        pytest.param("fcvtps x0, s1", 1, 0, FZ, IDC, id="flushed-denormal"),
        pytest.param("fcvtas x0, s1", 0x3EFF_FFFF, 0, 0, IXC, id="just-below-half"),
        pytest.param("fcvtzs w0, s1, #32", HALF | MINUS, 2**31, 0, 0, id="fixed-minus-half"),
        pytest.param("fcvtzs w0, s1, #32", HALF, 2**31 - 1, 0, IOC, id="fixed-half-saturates"),
        pytest.param("fcvtzu x0, d1, #64", 0x3FE0 << 48, MIN64, 0, 0, id="fixed-64-fraction-bits"),
        pytest.param("fcvtzs x0, s1, #1", TIE, 5, 0, 0, id="fixed-one-fraction-bit"),
    ],
)
def test_to_integer(backend, text, operand, result, fpcr, flags):
    registers = given(x0=MAX64, v1=operand | 0xDEAD << 64, fpcr=fpcr)
    case(text, registers, expect(x0=result, fpsr=flags)).check(backend)


@pytest.mark.parametrize(
    ("text", "operand", "result", "fpcr", "flags"),
    [
        pytest.param("scvtf s0, x1", MAX64, ONE | MINUS, 0, 0, id="minus-one"),
        pytest.param("ucvtf s0, x1", MAX64, 0x5F80_0000, 0, IXC, id="largest-unsigned"),
        pytest.param("ucvtf s0, x1", MAX64, 0x5F7F_FFFF, RZ, IXC, id="largest-unsigned-to-zero"),
        pytest.param("scvtf d0, x1", MIN64, 0xC3E0 << 48, 0, 0, id="smallest-signed"),
        pytest.param("scvtf s0, w1", 0x1_0000_0000, 0, 0, 0, id="upper-half-is-ignored"),
        pytest.param("scvtf s0, w1", 0x0100_0001, 0x4B80_0000, 0, IXC, id="tie-to-even"),
        # 2**54 + 2**30 + 1: a rounding to double first would make it a tie.
        pytest.param("ucvtf s0, x1", 1 << 54 | 1 << 30 | 1, 0x5A80_0001, 0, IXC, id="rounds-once"),
        pytest.param("scvtf s0, x1, #64", MIN64, HALF | MINUS, 0, 0, id="fixed-64-fraction-bits"),
        pytest.param("ucvtf d0, w1, #32", MIN64 | 1 << 31, 0x3FE0 << 48, 0, 0, id="fixed-32-fraction-bits"),
    ],
)
def test_from_integer(backend, text, operand, result, fpcr, flags):
    case(text, given(x1=operand, v0=ALL, fpcr=fpcr), expect(v0=result, fpsr=flags)).check(backend)


def test_fixed_point_halves_underflow(backend):
    needs = {"environment": Environment(model="cortex-a57+FEAT_FP16"), "requires": ("FEAT_FP16",)}
    case("scvtf h0, w1, #32", given(x1=1, v0=ALL), expect(v0=0, fpsr=UFC | IXC), **needs).check(backend)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        pytest.param("fmov w0, s1", {"x0": MAX64, "v1": ALL}, {"x0": MAX32}, id="to-w"),
        pytest.param("fmov x0, d1", {"v1": ALL}, {"x0": MAX64}, id="to-x"),
        pytest.param("fmov s0, w1", {"x1": MAX64, "v0": ALL}, {"v0": MAX32}, id="from-w"),
        pytest.param("fmov d0, x1", {"x1": 5, "v0": ALL}, {"v0": 5}, id="from-x"),
        pytest.param("fmov x0, v1.d[1]", {"v1": 7 << 64 | 3}, {"x0": 7}, id="to-x-from-the-top"),
        pytest.param("fmov v0.d[1], x1", {"x1": 7, "v0": 3}, {"v0": 7 << 64 | 3}, id="top-keeps-the-lower-half"),
    ],
)
def test_fmov(backend, text, before, after):
    case(text, given(**before), expect(**after)).check(backend)


@pytest.mark.parametrize(
    ("operand", "result", "z", "flags"),
    [
        pytest.param(0, 0, 1, 0, id="zero"),
        pytest.param(1 << 63, 0, 0, 0, id="minus-zero-is-not-exact"),
        pytest.param(0x3FF0 << 48, 1, 1, 0, id="one"),
        pytest.param(0xBFF8 << 48, MAX32, 0, IXC, id="minus-1.5"),
        pytest.param(0x41E0 << 48, 1 << 31, 0, IOC, id="2-31-wraps"),
        pytest.param(0xC1E0 << 48, 1 << 31, 1, 0, id="minus-2-31"),
        pytest.param(0x41F0_0000_0010_0000, 1, 0, IOC, id="2-32-plus-1"),
        pytest.param(0x4340_0000_0000_0001, 2, 0, IOC, id="2-53-plus-2"),
        pytest.param(0x7FEF_FFFF_FFFF_FFFF, 0, 0, IOC, id="largest"),
        pytest.param(0x7FF8 << 48, 0, 0, IOC, id="nan"),
        pytest.param(0xFFF0 << 48, 0, 0, IOC, id="infinity"),
    ],
)
def test_javascript_convert(backend, operand, result, z, flags):
    needs = {"environment": Environment(model="cortex-a57+FEAT_JSCVT"), "requires": ("FEAT_JSCVT",)}
    registers = given(x0=MAX64, v1=operand, nzcv=0b1011)
    case("fjcvtzs w0, d1", registers, expect(x0=result, nzcv=z << 2, fpsr=flags), **needs).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x1E18_7C20, id="fixed-scale-below-32"),
        pytest.param(0x9E26_0020, id="fmov-x-from-single"),
        pytest.param(0x1E66_0020, id="fmov-w-from-double"),
        pytest.param(0x1EAE_0020, id="fmov-w-from-the-top"),
        pytest.param(0x1E7E_0020, id="fjcvtzs-without-jscvt"),
        pytest.param(0x1EE0_0020, id="half-without-fp16"),
        pytest.param(0x1E2A_0020, id="scvtf-with-rmode"),
    ],
)
def test_undefined(backend, word):
    case(word, given(v1=ONE), expect(exit=undefined())).check(backend)
