"""Floating-point data-processing (3 source)."""

import pytest

from assay64.harness.cases.authoring import case, expect, given

pytestmark = pytest.mark.fp

IOC, UFC, IXC, IDC = 1, 8, 16, 128
RM, FZ, DN = 2 << 22, 1 << 24, 1 << 25
ONE, TWO, THREE, INF, MINUS = 0x3F80_0000, 0x4000_0000, 0x4040_0000, 0x7F80_0000, 1 << 31
QNAN, SNAN, DEFAULT = 0x7FC1_2345, 0x7F81_2345, 0x7FC0_0000
QUIETED = SNAN | 1 << 22


@pytest.mark.parametrize(
    ("mnemonic", "one", "other", "addend", "result", "fpcr", "flags"),
    [
        pytest.param("fmadd", TWO, THREE, ONE, 0x40E0_0000, 0, 0, id="madd"),
        pytest.param("fmsub", TWO, THREE, ONE, 0xC0A0_0000, 0, 0, id="msub-is-addend-minus-product"),
        pytest.param("fnmadd", TWO, THREE, ONE, 0xC0E0_0000, 0, 0, id="nmadd"),
        pytest.param("fnmsub", TWO, THREE, ONE, 0x40A0_0000, 0, 0, id="nmsub-is-product-minus-addend"),
        # (1 + 2**-23) ** 2 - (1 + 2**-22) is 2**-46: lost by a rounded product.
        pytest.param("fnmsub", ONE | 1, ONE | 1, ONE | 2, 0x2880_0000, 0, 0, id="one-rounding"),
        pytest.param("fmadd", ONE, ONE, ONE | MINUS, 0, 0, 0, id="exact-zero"),
        pytest.param("fmadd", ONE, ONE, ONE | MINUS, MINUS, RM, 0, id="exact-zero-downwards"),
        pytest.param("fmadd", MINUS, ONE, MINUS, MINUS, 0, 0, id="two-minus-zeros"),
        pytest.param("fmadd", 0, INF, QNAN, DEFAULT, 0, IOC, id="zero-times-infinity-plus-quiet"),
        pytest.param("fmadd", INF, 0, SNAN, QUIETED, 0, IOC, id="infinity-times-zero-plus-signaling"),
        pytest.param("fmadd", QNAN, QNAN | 2, QNAN | 4, QNAN | 4, 0, 0, id="addend-first"),
        pytest.param("fmadd", QNAN, SNAN, QNAN | 4, QUIETED, 0, IOC, id="signaling-before-the-addend"),
        pytest.param("fmadd", SNAN, SNAN | 2, SNAN | 4, QUIETED | 4, 0, IOC, id="signaling-addend-first"),
        pytest.param("fmsub", QNAN, ONE, ONE, QNAN | MINUS, 0, 0, id="msub-negates-a-nan-operand"),
        pytest.param("fnmadd", ONE, ONE, QNAN, QNAN | MINUS, 0, 0, id="nmadd-negates-a-nan-addend"),
        pytest.param("fnmsub", ONE, QNAN, ONE, QNAN, 0, 0, id="second-operand-keeps-its-sign"),
        pytest.param("fmsub", QNAN, ONE, ONE, DEFAULT, DN, 0, id="default-nan"),
        pytest.param("fmadd", INF, ONE, INF | MINUS, DEFAULT, 0, IOC, id="infinity-minus-infinity"),
        pytest.param("fmadd", 1, ONE, ONE, ONE, FZ, IDC, id="denormal-operand-is-flushed"),
        pytest.param("fmadd", ONE, ONE, 1, ONE, FZ, IDC, id="denormal-addend-is-flushed"),
        pytest.param("fmadd", 1, 1, 1, 1, 0, UFC | IXC, id="product-far-below-a-denormal-addend"),
    ],
)
def test_single_precision(backend, mnemonic, one, other, addend, result, fpcr, flags):
    registers = given(v0=-1 % (1 << 128), v1=one, v2=other, v3=addend, fpcr=fpcr)
    case(f"{mnemonic} s0, s1, s2, s3", registers, expect(v0=result, fpsr=flags)).check(backend)


def test_denormal_product_that_is_large(backend):
    # 2**-1074 * 2**1023 - 2**-52 = 2**-51 - 2**-52.
    registers = given(v1=1, v2=0x7FE << 52, v3=(1023 - 52) << 52 | 1 << 63)
    case("fmadd d0, d1, d2, d3", registers, expect(v0=(1023 - 52) << 52)).check(backend)
