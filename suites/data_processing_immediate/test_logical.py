"""Logical (immediate)."""

import pytest

from assay64.harness.cases.authoring import MAX64, MIN32, MIN64, case, expect, given, undefined

ORR_X = 0xB200_03E0  # orr x0, xzr, #<bitmask>
ORR_W = 0x3200_03E0


def bitmask(base: int, n: int, immr: int, imms: int) -> int:
    return base | n << 22 | immr << 16 | imms << 10


@pytest.mark.parametrize(
    ("word", "result"),
    [
        pytest.param(bitmask(ORR_X, 0, 0, 0b111100), 0x5555_5555_5555_5555, id="2-bit-element"),
        pytest.param(bitmask(ORR_X, 0, 1, 0b111100), 0xAAAA_AAAA_AAAA_AAAA, id="2-bit-element-rotated"),
        pytest.param(bitmask(ORR_X, 0, 0, 0b111010), 0x7777_7777_7777_7777, id="4-bit-element-three-ones"),
        pytest.param(bitmask(ORR_X, 0, 7, 0b110000), 0x0202_0202_0202_0202, id="8-bit-element-rotated"),
        pytest.param(bitmask(ORR_X, 0, 15, 0b101110), 0xFFFE_FFFE_FFFE_FFFE, id="16-bit-element-rotated"),
        pytest.param(bitmask(ORR_X, 0, 16, 0b000111), 0x00FF_0000_00FF_0000, id="32-bit-element-rotated"),
        pytest.param(bitmask(ORR_X, 1, 1, 0b000000), MIN64, id="64-bit-element-single-bit"),
        pytest.param(bitmask(ORR_X, 1, 1, 0b000001), MIN64 + 1, id="64-bit-element-wraps-around"),
        pytest.param(bitmask(ORR_X, 1, 63, 0b111110), MAX64 - 1, id="64-bit-element-single-hole"),
        pytest.param(bitmask(ORR_X, 1, 0, 0b111110), MIN64 - 1, id="64-bit-element-hole-on-top"),
        pytest.param(bitmask(ORR_W, 0, 1, 0b000001), MIN32 + 1, id="32-bit-operation-wraps-around"),
        pytest.param(bitmask(ORR_W, 0, 0, 0b111100), 0x5555_5555, id="32-bit-operation-2-bit-element"),
    ],
)
def test_bitmask_immediate(backend, word, result):
    case(word, given(x0=0x1234), expect(x0=result)).check(backend)


@pytest.mark.parametrize(
    ("word", "result"),
    [
        pytest.param(bitmask(ORR_X, 0, 0b111110, 0b111100), 0x5555_5555_5555_5555, id="2-bit-element"),
        pytest.param(bitmask(ORR_X, 0, 0b111001, 0b110000), 0x8080_8080_8080_8080, id="8-bit-element"),
        pytest.param(bitmask(ORR_X, 0, 0b100001, 0b000000), 0x8000_0000_8000_0000, id="32-bit-element"),
        pytest.param(bitmask(ORR_W, 0, 0b100001, 0b000000), MIN32, id="immr-32-and-more-in-32-bits-is-allowed"),
    ],
)
def test_rotation_is_modulo_the_element_size(backend, word, result):
    case(word, expect(x0=result)).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("and x0, x1, #0xff00", given(x1=-1), expect(x0=0xFF00)), id="and"),
        pytest.param(case("orr x0, x1, #0xff00", given(x1=0xF0), expect(x0=0xFFF0)), id="orr"),
        pytest.param(case("eor x0, x1, #0xff00", given(x1=0x1234), expect(x0=0xED34)), id="eor"),
        pytest.param(
            case("and w0, w1, #0x80000001", given(x0=-1, x1=-1), expect(x0=0x8000_0001)), id="and-32-bit-zero-extends"
        ),
        pytest.param(
            case("orr w0, w1, #1", given(x1=0x7777_7777_0000_0000), expect(x0=1)), id="orr-32-bit-drops-the-upper-half"
        ),
        pytest.param(case("eor w0, w1, #0xfffffffe", given(x1=0), expect(x0=0xFFFF_FFFE)), id="eor-32-bit"),
        pytest.param(case("eor x0, x0, #0xffff", given(x0=0x1_0F0F), expect(x0=0x1_F0F0)), id="destination-is-source"),
        pytest.param(case("and x0, x1, #1", given(x1=1, nzcv=0b1111), expect(x0=1)), id="and-leaves-the-flags"),
    ],
)
def test_operations(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("ands x0, x1, #0x8000000000000000", given(x1=-1, nzcv=0b0111), expect(x0=MIN64, nzcv=0b1000)),
            id="negative-clears-carry-and-overflow",
        ),
        pytest.param(
            case("ands x0, x1, #1", given(x0=9, x1=2, nzcv=0b1011), expect(x0=0, nzcv=0b0100)),
            id="zero-clears-the-rest",
        ),
        pytest.param(
            case("ands w0, w1, #0x80000000", given(x1=-1), expect(x0=MIN32, N=1)), id="32-bit-negative-is-bit-31"
        ),
        pytest.param(
            case("ands w0, w1, #0x7fffffff", given(x1=1 << 32), expect(x0=0, Z=1)),
            id="32-bit-zero-ignores-the-upper-half",
        ),
    ],
)
def test_ands_flags(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("and sp, x1, #0xfffffffffffffff0", given(x1=0x12F), expect(sp=0x120)), id="and-writes-sp"),
        pytest.param(case("orr wsp, w1, #0xf0", given(sp=-16, x1=-1 << 32), expect(sp=0xF0)), id="orr-writes-wsp"),
        pytest.param(case("eor sp, x1, #0x10", given(x1=0x30), expect(sp=0x20)), id="eor-writes-sp"),
        pytest.param(case("tst x1, #1", given(x1=1, nzcv=0b1111), expect(nzcv=0)), id="ands-writes-zr"),
        pytest.param(case("and x0, xzr, #1", given(x0=9), expect(x0=0)), id="the-source-is-zr"),
    ],
)
def test_register_31(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(bitmask(ORR_X, 0, 0, 0b111101), id="2-bit-element-all-ones"),
        pytest.param(bitmask(ORR_X, 0, 0, 0b111011), id="4-bit-element-all-ones"),
        pytest.param(bitmask(ORR_X, 0, 0, 0b110111), id="8-bit-element-all-ones"),
        pytest.param(bitmask(ORR_X, 0, 0, 0b101111), id="16-bit-element-all-ones"),
        pytest.param(bitmask(ORR_X, 0, 0, 0b011111), id="32-bit-element-all-ones"),
        pytest.param(bitmask(ORR_X, 1, 0, 0b111111), id="64-bit-element-all-ones"),
        pytest.param(bitmask(ORR_X, 0, 0, 0b111110), id="1-bit-element"),
        pytest.param(bitmask(ORR_X, 0, 0, 0b111111), id="no-element-size"),
        pytest.param(bitmask(ORR_X, 0, 5, 0b011111), id="all-ones-rotated"),
        pytest.param(bitmask(ORR_W, 0, 0, 0b011111), id="all-ones-in-32-bits"),
        pytest.param(bitmask(ORR_W, 1, 0, 0b000000), id="64-bit-element-in-32-bits"),
        pytest.param(bitmask(0x1200_0020, 1, 0, 0b000111), id="64-bit-element-in-32-bits-and"),
        pytest.param(bitmask(0xF200_0020, 1, 0, 0b111111), id="64-bit-element-all-ones-ands"),
    ],
)
def test_reserved_bitmask_is_undefined(backend, word):
    case(word, given(x0=0x5A, x1=0xF0, nzcv=0b0011), expect(exit=undefined())).check(backend)
