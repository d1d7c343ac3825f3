"""Bitfield."""

import pytest

from assay64.harness.cases.authoring import MAX32, MAX64, MIN32, MIN64, case, expect, given, undefined

VALUE = 0x8123_4567_89AB_CDEF
OLD = 0x5555_5555_5555_5555


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("ubfx x0, x1, #63, #1", given(x1=MIN64), expect(x0=1)), id="top-bit"),
        pytest.param(case("ubfx x0, x1, #0, #64", given(x0=OLD, x1=VALUE), expect(x0=VALUE)), id="full-width"),
        pytest.param(case("ubfx x0, x1, #8, #16", given(x1=VALUE), expect(x0=0xABCD)), id="extract"),
        pytest.param(case("ubfiz x0, x1, #8, #16", given(x0=-1, x1=VALUE), expect(x0=0xCDEF00)), id="insert-in-zero"),
        pytest.param(case("ubfiz x0, x1, #63, #1", given(x1=3), expect(x0=MIN64)), id="insert-at-the-top"),
        pytest.param(case("lsl x0, x1, #63", given(x1=VALUE), expect(x0=MIN64)), id="lsl-63"),
        pytest.param(case("lsl x0, x1, #1", given(x1=VALUE), expect(x0=0x0246_8ACF_1357_9BDE)), id="lsl-1"),
        pytest.param(case("lsr x0, x1, #63", given(x1=VALUE), expect(x0=1)), id="lsr-63"),
        pytest.param(case("uxtb w0, w1", given(x1=VALUE), expect(x0=0xEF)), id="uxtb"),
        pytest.param(case("uxth w0, w1", given(x1=VALUE), expect(x0=0xCDEF)), id="uxth"),
        pytest.param(case("lsr w0, w1, #31", given(x1=VALUE), expect(x0=1)), id="lsr-31-of-32-bits"),
        pytest.param(case("lsl w0, w1, #31", given(x1=VALUE), expect(x0=MIN32)), id="lsl-31-of-32-bits"),
        pytest.param(
            case("ubfx w0, w1, #0, #32", given(x1=-1), expect(x0=MAX32)), id="full-32-bit-width-clears-the-upper-half"
        ),
    ],
)
def test_ubfm(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("sbfx x0, x1, #7, #1", given(x1=0x80), expect(x0=-1)), id="one-bit-set"),
        pytest.param(case("sbfx x0, x1, #7, #1", given(x0=OLD, x1=0x7F), expect(x0=0)), id="one-bit-clear"),
        pytest.param(case("sbfx x0, x1, #0, #64", given(x1=VALUE), expect(x0=VALUE)), id="full-width"),
        pytest.param(case("sbfx x0, x1, #12, #8", given(x1=VALUE), expect(x0=MAX64 - 0x43)), id="extract-negative"),
        pytest.param(case("sbfiz x0, x1, #8, #4", given(x0=OLD, x1=0x8), expect(x0=-0x800)), id="insert-negative"),
        pytest.param(case("sbfiz x0, x1, #8, #4", given(x0=OLD, x1=0x17), expect(x0=0x700)), id="insert-positive"),
        pytest.param(case("asr x0, x1, #63", given(x1=VALUE), expect(x0=-1)), id="asr-63-negative"),
        pytest.param(case("asr x0, x1, #62", given(x1=1 << 62), expect(x0=1)), id="asr-62-positive"),
        pytest.param(case("sxtb x0, w1", given(x1=0x80), expect(x0=-0x80)), id="sxtb"),
        pytest.param(case("sxth x0, w1", given(x1=0x1_7FFF), expect(x0=0x7FFF)), id="sxth-positive"),
        pytest.param(case("sxtw x0, w1", given(x1=0x7777_7777_8000_0000), expect(x0=-MIN32)), id="sxtw"),
        pytest.param(case("sxtb w0, w1", given(x1=0x80), expect(x0=0xFFFF_FF80)), id="sxtb-32-bit-zero-extends"),
        pytest.param(case("asr w0, w1, #31", given(x1=MIN32), expect(x0=MAX32)), id="asr-31-of-32-bits"),
        pytest.param(
            case("asr w0, w1, #4", given(x1=-1 << 32 | 0x7000_0000), expect(x0=0x0700_0000)), id="32-bit-sign-is-bit-31"
        ),
    ],
)
def test_sbfm(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("bfxil x0, x1, #4, #8", given(x0=OLD, x1=VALUE), expect(x0=0x5555_5555_5555_55DE)), id="extract-keeps"
        ),
        pytest.param(
            case("bfi x0, x1, #60, #4", given(x0=OLD, x1=VALUE), expect(x0=0xF555_5555_5555_5555)),
            id="insert-at-the-top",
        ),
        pytest.param(
            case("bfi x0, x1, #8, #1", given(x0=-1, x1=0), expect(x0=MAX64 - 0x100)), id="insert-one-zero-bit"
        ),
        pytest.param(case("bfxil x0, x1, #0, #64", given(x0=OLD, x1=VALUE), expect(x0=VALUE)), id="full-width"),
        pytest.param(case("bfi x0, x0, #4, #8", given(x0=0x123), expect(x0=0x233)), id="destination-is-source"),
        pytest.param(case("bfi x0, xzr, #8, #8", given(x0=-1), expect(x0=MAX64 - 0xFF00)), id="clear-field"),
        pytest.param(
            case("bfi w0, w1, #16, #16", given(x0=-1, x1=0x1234), expect(x0=0x1234_FFFF)),
            id="32-bit-clears-the-upper-half",
        ),
        pytest.param(
            case("bfxil w0, w1, #31, #1", given(x0=-2, x1=MIN32), expect(x0=MAX32)), id="32-bit-extract-of-bit-31"
        ),
    ],
)
def test_bfm(backend, claim):
    claim.check(backend)


def test_flags_stay(backend):
    case("ubfx x0, x1, #0, #1", given(x1=2, nzcv=0b1011), expect(x0=0)).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x1340_0020, id="sbfm-n-in-32-bits"),
        pytest.param(0x9300_0020, id="sbfm-no-n-in-64-bits"),
        pytest.param(0x3340_0020, id="bfm-n-in-32-bits"),
        pytest.param(0xD300_0020, id="ubfm-no-n-in-64-bits"),
        pytest.param(0x1320_0020, id="sbfm-immr-32-in-32-bits"),
        pytest.param(0x5300_8020, id="ubfm-imms-32-in-32-bits"),
        pytest.param(0x3320_8020, id="bfm-both-32-in-32-bits"),
        pytest.param(0x7300_0020, id="opc-11-32-bit"),
        pytest.param(0xF340_0020, id="opc-11-64-bit"),
    ],
)
def test_reserved_is_undefined(backend, word):
    case(word, given(x0=OLD, x1=VALUE), expect(exit=undefined())).check(backend)
