"""Rotate right into flags, evaluate into flags, and the flag formats: CFINV, AXFLAG, XAFLAG."""

import pytest

from assay64.harness.cases.authoring import case, expect, given, undefined
from assay64.harness.cases.case import Environment

FLAGM = {"environment": Environment(model="cortex-a57+FEAT_FlagM"), "requires": ["FEAT_FlagM"]}
FLAGM2 = {"environment": Environment(model="cortex-a57+FEAT_FlagM2"), "requires": ["FEAT_FlagM2"]}


@pytest.mark.parametrize(
    ("code", "x0", "before", "after"),
    [
        ("rmif x0, #0, #15", 0b0101, 0b1010, 0b0101),
        ("rmif x0, #0, #0", 0b0101, 0b1010, 0b1010),
        ("rmif x0, #0, #8", 0b0111, 0b1111, 0b0111),
        ("rmif x0, #0, #1", 0b0001, 0b0000, 0b0001),
        ("rmif x0, #63, #15", 1 << 63 | 0b101, 0b0000, 0b1011),
        ("rmif x0, #60, #15", 9 << 60, 0b0110, 0b1001),
        ("rmif x0, #61, #15", 0b001 | 0b101 << 61, 0b0000, 0b1101),
        ("rmif xzr, #7, #6", 0, 0b1111, 0b1001),
    ],
)
def test_rmif(backend, code, x0, before, after):
    case(code, given(x0=x0, nzcv=before), expect(nzcv=after), **FLAGM).check(backend)


@pytest.mark.parametrize(
    ("code", "value", "before", "after"),
    [
        ("setf8 w0", 0x00, 0b1011, 0b0110),
        ("setf8 w0", 0x80, 0b0000, 0b1001),
        ("setf8 w0", 0x180, 0b0000, 0b1000),
        ("setf8 w0", 0x100, 0b0000, 0b0101),
        ("setf8 w0", 0x7F, 0b0010, 0b0010),
        ("setf8 w0", 0xFFFF_FFFF_FFFF_FE00, 0b0000, 0b0100),
        ("setf8 w0", 0xFFFF_FFFF, 0b0010, 0b1010),
        ("setf16 w0", 0x0000, 0b1011, 0b0110),
        ("setf16 w0", 0x8000, 0b0010, 0b1011),
        ("setf16 w0", 0x1_8000, 0b0000, 0b1000),
        ("setf16 w0", 0x1_0000, 0b0000, 0b0101),
        ("setf16 w0", 0x00FF, 0b1111, 0b0010),
        ("setf16 wzr", 0, 0b0000, 0b0100),
    ],
)
def test_setf_keeps_carry(backend, code, value, before, after):
    case(code, given(x0=value, nzcv=before), expect(nzcv=after), **FLAGM).check(backend)


def test_cfinv(backend):
    for nzcv in range(16):
        case("cfinv", given(nzcv=nzcv), expect(nzcv=nzcv ^ 0b0010), **FLAGM).check(backend)


# N:Z:C:V of a floating-point comparison: less, equal, greater, unordered.
@pytest.mark.parametrize(
    ("arm", "alternative"), [(0b1000, 0b0000), (0b0110, 0b0110), (0b0010, 0b0010), (0b0011, 0b0100)]
)
def test_axflag_of_a_comparison(backend, arm, alternative):
    case("axflag", given(nzcv=arm), expect(nzcv=alternative), **FLAGM2).check(backend)


@pytest.mark.parametrize(
    ("alternative", "arm"), [(0b0000, 0b1000), (0b0110, 0b0110), (0b0010, 0b0010), (0b0100, 0b0011)]
)
def test_xaflag_of_a_comparison(backend, alternative, arm):
    case("xaflag", given(nzcv=alternative), expect(nzcv=arm), **FLAGM2).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD500_401F, id="cfinv"),
        pytest.param(0xD500_403F, id="xaflag"),
        pytest.param(0xD500_405F, id="axflag"),
        pytest.param(0x3A00_480D, id="setf16"),
    ],
)
def test_undefined_without_the_feature(backend, word):
    case(word, given(nzcv=0b0001), expect(exit=undefined())).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x3A00_0800, id="setf8-op3"),
        pytest.param(0x3A00_C80D, id="setf-o2"),
        pytest.param(0xBA00_080D, id="setf8-64-bit"),
        pytest.param(0x3A00_0400, id="rmif-32-bit"),
        pytest.param(0xBA00_0410, id="rmif-o2"),
    ],
)
def test_unallocated(backend, word):
    case(word, given(x0=3), expect(exit=undefined()), **FLAGM).check(backend)
