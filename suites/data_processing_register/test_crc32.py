"""Data-processing (2 source): CRC32.

The check values are those of the CRC catalogue: the CRC-32 of "123456789" is 0xCBF43926, its CRC-32C 0xE3069283, both
with all ones before and inverted after.
"""

import zlib

import pytest

from assay64.harness.cases.authoring import MAX32, case, expect, given, undefined

CRC32 = ["FEAT_CRC32"]
DIGITS = int.from_bytes(b"12345678", "little")


def crc32c(accumulator: int, data: bytes) -> int:
    """Castagnoli's polynomial bit by bit, reflected, without the inversions."""
    for value in data:
        accumulator ^= value
        for _ in range(8):
            accumulator = accumulator >> 1 ^ (0x82F6_3B78 if accumulator & 1 else 0)
    return accumulator


def crc32(accumulator: int, data: bytes) -> int:
    """zlib's CRC-32 without the inversions."""
    return zlib.crc32(data, accumulator ^ MAX32) ^ MAX32


def test_check_value_of_crc32(backend):
    code = "crc32x w0, w0, x1\ncrc32b w0, w0, w2\nmvn w0, w0"
    case(code, given(x0=MAX32, x1=DIGITS, x2=ord("9")), expect(x0=0xCBF4_3926), requires=CRC32).check(backend)


def test_check_value_of_crc32c(backend):
    code = "crc32cx w0, w0, x1\ncrc32cb w0, w0, w2\nmvn w0, w0"
    case(code, given(x0=MAX32, x1=DIGITS, x2=ord("9")), expect(x0=0xE306_9283), requires=CRC32).check(backend)


@pytest.mark.parametrize("size_bytes", [1, 2, 4, 8], ids=["b", "h", "w", "x"])
def test_every_size_agrees_with_byte_by_byte(backend, size_bytes):
    accumulator, value = 0x1357_9BDF, 0xFEDC_BA98_7654_3210
    data = value.to_bytes(8, "little")[:size_bytes]
    word = 0x1AC2_4020 | (size_bytes.bit_length() - 1) << 10 | (size_bytes == 8) << 31  # crc32<size> w0, w1, <R>2
    start = given(x1=accumulator, x2=value)
    case(word, start, expect(x0=crc32(accumulator, data)), requires=CRC32).check(backend)
    case(word | 1 << 12, start, expect(x0=crc32c(accumulator, data)), requires=CRC32).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("crc32b w0, w1, w2", given(x0=-1, x1=-1 << 32, x2=0), expect(x0=0), requires=CRC32),
            id="upper-half-of-the-accumulator-is-ignored",
        ),
        pytest.param(
            case("crc32b w0, w1, w2", given(x1=0, x2=0x101), expect(x0=0x7707_3096), requires=CRC32),
            id="byte-ignores-the-bits-above",
        ),
        pytest.param(
            case("crc32ch w0, w1, w2", given(x0=9, x1=0, x2=0x10000), expect(x0=0), requires=CRC32),
            id="halfword-ignores-the-bits-above",
        ),
        pytest.param(
            case("crc32w w0, w1, w2", given(x0=9, x1=0, x2=1 << 32), expect(x0=0), requires=CRC32),
            id="word-ignores-the-bits-above",
        ),
        pytest.param(
            case("crc32cb w0, w0, wzr", given(x0=1, nzcv=0b1111), expect(x0=0xF26B_8303), requires=CRC32),
            id="data-from-zr-flags-stay",
        ),
    ],
)
def test_which_bits_count(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x9AC2_4020, id="crc32b-64-bit"),
        pytest.param(0x9AC2_4820, id="crc32w-64-bit"),
        pytest.param(0x1AC2_4C20, id="crc32x-32-bit"),
        pytest.param(0x9AC2_5420, id="crc32ch-64-bit"),
        pytest.param(0x1AC2_5C20, id="crc32cx-32-bit"),
    ],
)
def test_size_that_does_not_fit_sf_is_undefined(backend, word):
    case(word, given(x0=9, x1=1, x2=2), expect(exit=undefined())).check(backend)
