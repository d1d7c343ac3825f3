"""Logical (shifted register)."""

import pytest

from assay64.harness.cases.authoring import MAX32, MAX64, MIN32, MIN64, SP, case, expect, given, undefined

A, B = 0x0F0F_0F0F_0F0F_0F0F, 0x00FF_00FF_00FF_00FF


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("and x0, x1, x2", given(x1=A, x2=B), expect(x0=0x000F_000F_000F_000F)), id="and"),
        pytest.param(case("bic x0, x1, x2", given(x1=A, x2=B), expect(x0=0x0F00_0F00_0F00_0F00)), id="bic"),
        pytest.param(case("orr x0, x1, x2", given(x1=A, x2=B), expect(x0=0x0FFF_0FFF_0FFF_0FFF)), id="orr"),
        pytest.param(case("orn x0, x1, x2", given(x1=A, x2=B), expect(x0=0xFF0F_FF0F_FF0F_FF0F)), id="orn"),
        pytest.param(case("eor x0, x1, x2", given(x1=A, x2=B), expect(x0=0x0FF0_0FF0_0FF0_0FF0)), id="eor"),
        pytest.param(case("eon x0, x1, x2", given(x1=A, x2=B), expect(x0=0xF00F_F00F_F00F_F00F)), id="eon"),
        pytest.param(case("mvn w0, w1", given(x0=-1, x1=0), expect(x0=MAX32)), id="mvn-32-bit-zero-extends"),
        pytest.param(case("mov w0, w1", given(x0=-1, x1=-1), expect(x0=MAX32)), id="mov-32-bit-zero-extends"),
        pytest.param(case("mov w0, w0", given(x0=-1), expect(x0=MAX32)), id="mov-to-itself-clears-the-upper-half"),
        pytest.param(case("eon x0, x0, x0", given(x0=5), expect(x0=-1)), id="eon-with-itself"),
        pytest.param(case("and x0, x1, x2", given(x1=1, x2=2, nzcv=0b1011), expect()), id="and-leaves-the-flags"),
    ],
)
def test_operations(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("orr x0, xzr, x2, lsl #63", given(x2=3), expect(x0=MIN64)), id="lsl-63"),
        pytest.param(case("orr x0, xzr, x2, lsr #63", given(x2=-1), expect(x0=1)), id="lsr-63"),
        pytest.param(case("orr x0, xzr, x2, asr #63", given(x2=MIN64), expect(x0=-1)), id="asr-63"),
        pytest.param(case("orr x0, xzr, x2, ror #63", given(x2=MIN64 | 1), expect(x0=3)), id="ror-63"),
        pytest.param(case("orr x0, xzr, x2, ror #1", given(x2=1), expect(x0=MIN64)), id="ror-1"),
        pytest.param(
            case("orr w0, wzr, w2, ror #31", given(x2=-1 << 32 | MIN32), expect(x0=1)), id="ror-31-rotates-32-bits"
        ),
        pytest.param(case("orr w0, wzr, w2, asr #4", given(x2=MIN32), expect(x0=0xF800_0000)), id="asr-of-32-bits"),
        pytest.param(
            case("bic x0, x1, x2, lsl #60", given(x1=-1, x2=1), expect(x0=MAX64 - (1 << 60))), id="shift-then-not"
        ),
    ],
)
def test_shifts(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("ands x0, x1, x2", given(x1=MIN64, x2=-1, nzcv=0b0111), expect(x0=MIN64, nzcv=0b1000)),
            id="ands-negative",
        ),
        pytest.param(
            case("bics x0, x1, x2", given(x1=5, x2=5, nzcv=0b1011), expect(x0=0, nzcv=0b0100)), id="bics-zero"
        ),
        pytest.param(case("ands w0, w1, w2", given(x1=-1, x2=MIN32), expect(x0=MIN32, N=1)), id="ands-32-bit-negative"),
        pytest.param(
            case("bics w0, w1, w2", given(x1=-1 << 32, x2=0), expect(x0=0, Z=1)),
            id="bics-32-bit-zero-of-the-lower-half",
        ),
        pytest.param(
            case("ands x0, x1, x2, lsl #1", given(x1=-1, x2=MIN64, nzcv=0b0010), expect(x0=0, nzcv=0b0100)),
            id="bit-shifted-out-is-no-carry",
        ),
        pytest.param(case("tst x1, x2", given(x1=3, x2=1, nzcv=0b1111), expect(nzcv=0)), id="tst-writes-zr"),
    ],
)
def test_flags(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case(0xAA02_03FF, given(x2=5), expect(sp=SP)), id="destination-is-zr"),
        pytest.param(case(0xAA1F_03E0, given(x0=5), expect(x0=0)), id="both-sources-are-zr"),
        pytest.param(case(0xAA3F_03E0, expect(x0=MAX64)), id="orn-of-zr"),
    ],
)
def test_register_31_is_zr(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x0A02_8020, id="and-lsl-32"),
        pytest.param(0x2A42_FC20, id="orr-lsr-63"),
        pytest.param(0x4AA2_8020, id="eon-asr-32"),
        pytest.param(0x6AC2_8020, id="ands-ror-32"),
    ],
)
def test_shift_of_32_and_more_in_32_bits_is_undefined(backend, word):
    case(word, given(x0=9, x1=1, x2=2, nzcv=0b0101), expect(exit=undefined())).check(backend)
