"""Floating-point compare, conditional compare, conditional select, immediate."""

import pytest

from assay64.harness.cases.authoring import case, expect, given, undefined

pytestmark = pytest.mark.fp

IOC, IDC, FZ = 1, 128, 1 << 24
ONE, TWO, INF, QNAN, SNAN, MINUS = 0x3F80_0000, 0x4000_0000, 0x7F80_0000, 0x7FC0_0001, 0x7F80_0001, 1 << 31
LESS, EQUAL, GREATER, UNORDERED = 0b1000, 0b0110, 0b0010, 0b0011
JUNK = 0xDEAD << 64


@pytest.mark.parametrize(
    ("text", "one", "other", "nzcv", "fpcr", "flags"),
    [
        pytest.param("fcmp s1, s2", ONE, TWO, LESS, 0, 0, id="less"),
        pytest.param("fcmp s1, s2", TWO, ONE, GREATER, 0, 0, id="greater"),
        pytest.param("fcmp s1, s2", 0, MINUS, EQUAL, 0, 0, id="zeros-are-equal"),
        pytest.param("fcmp s1, s2", ONE | MINUS, TWO | MINUS, GREATER, 0, 0, id="negative"),
        pytest.param("fcmp s1, s2", INF | MINUS, INF, LESS, 0, 0, id="infinities"),
        pytest.param("fcmp s1, s2", QNAN, ONE, UNORDERED, 0, 0, id="quiet"),
        pytest.param("fcmp s1, s2", ONE, SNAN, UNORDERED, 0, IOC, id="signaling"),
        pytest.param("fcmpe s1, s2", QNAN, ONE, UNORDERED, 0, IOC, id="fcmpe-quiet"),
        pytest.param("fcmp s1, s2", 1, 0, GREATER, 0, 0, id="denormal"),
        pytest.param("fcmp s1, s2", 1, 0, EQUAL, FZ, IDC, id="flushed-denormal"),
        pytest.param("fcmp s1, s2", 1, QNAN, UNORDERED, FZ, IDC, id="flushed-denormal-beside-a-nan"),
        pytest.param("fcmp s1, #0.0", MINUS, TWO, EQUAL, 0, 0, id="with-zero"),
        pytest.param("fcmpe s1, #0.0", QNAN, 0, UNORDERED, 0, IOC, id="fcmpe-with-zero"),
        pytest.param("fcmp d1, d2", ONE, ONE | 1, LESS, 0, 0, id="double-denormals"),
    ],
)
def test_compare(backend, text, one, other, nzcv, fpcr, flags):
    registers = given(v1=one | JUNK, v2=other | JUNK, nzcv=0b1111, fpcr=fpcr)
    case(text, registers, expect(nzcv=nzcv, fpsr=flags)).check(backend)


@pytest.mark.parametrize(
    ("text", "one", "before", "nzcv", "flags"),
    [
        pytest.param("fccmp s1, s2, #5, eq", ONE, 0b0100, GREATER, 0, id="holds"),
        pytest.param("fccmp s1, s2, #5, eq", ONE, 0, 5, 0, id="does-not-hold"),
        pytest.param("fccmp s1, s2, #5, eq", SNAN, 0, 5, 0, id="no-exception-when-it-does-not-hold"),
        pytest.param("fccmp s1, s2, #5, eq", SNAN, 0b0100, UNORDERED, IOC, id="signaling"),
        pytest.param("fccmp s1, s2, #5, eq", QNAN, 0b0100, UNORDERED, 0, id="quiet"),
        pytest.param("fccmpe s1, s2, #5, eq", QNAN, 0b0100, UNORDERED, IOC, id="fccmpe-quiet"),
        pytest.param("fccmp s1, s2, #5, al", ONE, 0, GREATER, 0, id="always"),
        pytest.param("fccmp s1, s2, #5, nv", ONE, 0, GREATER, 0, id="never-is-always"),
    ],
)
def test_conditional_compare(backend, text, one, before, nzcv, flags):
    case(text, given(v1=one, v2=0, nzcv=before), expect(nzcv=nzcv, fpsr=flags)).check(backend)


@pytest.mark.parametrize(
    ("text", "nzcv", "result"),
    [
        pytest.param("fcsel s0, s1, s2, ne", 0, SNAN, id="first-a-signaling-nan-as-it-is"),
        pytest.param("fcsel s0, s1, s2, ne", 0b0100, TWO, id="second"),
        pytest.param("fcsel d0, d1, d2, ne", 0b0100, TWO | 9 << 40, id="double"),
    ],
)
def test_conditional_select(backend, text, nzcv, result):
    registers = given(v0=-1 % (1 << 128), v1=SNAN | JUNK, v2=TWO | 9 << 40 | JUNK, nzcv=nzcv, fpcr=3 << 24)
    case(text, registers, expect(v0=result)).check(backend)


@pytest.mark.parametrize(
    ("word", "result"),
    [
        pytest.param(0x1E2E_1000, ONE, id="one"),
        pytest.param(0x1E20_1000, TWO, id="two"),
        pytest.param(0x1E28_1000, 0x3E00_0000, id="one-eighth"),
        pytest.param(0x1E3F_F000, 0xBFF8_0000, id="minus-1.9375"),
        pytest.param(0x1E27_F000, 0x41F8_0000, id="thirty-one"),
        pytest.param(0x1E6E_1000, 0x3FF0 << 48, id="double-one"),
        pytest.param(0x1E70_1000, 0xC000 << 48, id="double-minus-two"),
    ],
)
def test_immediate(backend, word, result):
    case(word, given(v0=-1 % (1 << 128)), expect(v0=result)).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x1EA2_2020, id="fcmp-reserved-type"),
        pytest.param(0x1E22_2021, id="fcmp-opcode2-00001"),
        pytest.param(0x1E22_6020, id="fcmp-op-01"),
        pytest.param(0x1E2E_1020, id="fmov-imm5"),
        pytest.param(0x1EE2_2020, id="half-without-fp16"),
    ],
)
def test_undefined(backend, word):
    case(word, given(v1=ONE, v2=ONE), expect(exit=undefined())).check(backend)
