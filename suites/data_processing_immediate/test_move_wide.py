"""Move wide (immediate)."""

import pytest

from assay64.harness.cases.authoring import MAX64, case, expect, given, undefined

OLD = 0x1111_2222_3333_4444


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("movz x0, #0xffff", given(x0=OLD), expect(x0=0xFFFF)), id="movz-clears-the-rest"),
        pytest.param(case("movz x0, #0x8001, lsl #48", given(x0=OLD), expect(x0=0x8001 << 48)), id="movz-lsl-48"),
        pytest.param(case("movz w0, #0x8001, lsl #16", given(x0=OLD), expect(x0=0x8001_0000)), id="movz-32-bit-lsl-16"),
        pytest.param(case("movn x0, #0", given(x0=OLD), expect(x0=MAX64)), id="movn-of-zero"),
        pytest.param(case("movn x0, #0xffff", given(x0=OLD), expect(x0=MAX64 - 0xFFFF)), id="movn-low"),
        pytest.param(
            case("movn x0, #0x1234, lsl #32", given(x0=OLD), expect(x0=0xFFFF_EDCB_FFFF_FFFF)), id="movn-lsl-32"
        ),
        pytest.param(case("movn w0, #0", given(x0=OLD), expect(x0=0xFFFF_FFFF)), id="movn-32-bit-zero-extends"),
        pytest.param(case("movn w0, #0x7fff, lsl #16", given(x0=OLD), expect(x0=0x8000_FFFF)), id="movn-32-bit-lsl-16"),
        pytest.param(case("movk x0, #0xabcd", given(x0=OLD), expect(x0=0x1111_2222_3333_ABCD)), id="movk-low"),
        pytest.param(
            case("movk x0, #0xabcd, lsl #16", given(x0=OLD), expect(x0=0x1111_2222_ABCD_4444)), id="movk-lsl-16"
        ),
        pytest.param(
            case("movk x0, #0xabcd, lsl #32", given(x0=OLD), expect(x0=0x1111_ABCD_3333_4444)), id="movk-lsl-32"
        ),
        pytest.param(
            case("movk x0, #0, lsl #48", given(x0=OLD), expect(x0=0x2222_3333_4444)), id="movk-lsl-48-with-zero"
        ),
        pytest.param(
            case("movk w0, #0xabcd", given(x0=OLD), expect(x0=0x3333_ABCD)), id="movk-32-bit-clears-the-upper-half"
        ),
        pytest.param(case("movk w0, #0xabcd, lsl #16", given(x0=OLD), expect(x0=0xABCD_4444)), id="movk-32-bit-lsl-16"),
    ],
)
def test_moves(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD29F_FFFF, id="movz-x31"),
        pytest.param(0x929F_FFFF, id="movn-x31"),
        pytest.param(0xF29F_FFFF, id="movk-x31"),
    ],
)
def test_register_31_is_zr(backend, word):
    case(word, expect()).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x52C0_0020, id="movz-32-bit-lsl-32"),
        pytest.param(0x52E0_0020, id="movz-32-bit-lsl-48"),
        pytest.param(0x12C0_0020, id="movn-32-bit-lsl-32"),
        pytest.param(0x72C0_0020, id="movk-32-bit-lsl-32"),
        pytest.param(0x72E0_0020, id="movk-32-bit-lsl-48"),
        pytest.param(0x3280_0020, id="opc-01-32-bit"),
        pytest.param(0xB280_0020, id="opc-01-64-bit"),
    ],
)
def test_reserved_is_undefined(backend, word):
    case(word, given(x0=OLD), expect(exit=undefined())).check(backend)
