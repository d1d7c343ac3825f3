"""Data-processing (2 source)."""

import pytest

from assay64.harness.cases.authoring import MAX32, MAX64, MIN32, MIN64, case, expect, given, undefined


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("udiv x0, x1, x2", given(x0=9, x1=5, x2=0), expect(x0=0)), id="udiv-by-zero"),
        pytest.param(case("sdiv x0, x1, x2", given(x0=9, x1=-5, x2=0), expect(x0=0)), id="sdiv-by-zero"),
        pytest.param(
            case("sdiv x0, x1, x2", given(x1=MIN64, x2=-1), expect(x0=MIN64)), id="sdiv-smallest-by-minus-one"
        ),
        pytest.param(case("sdiv x0, x1, x2", given(x1=-7, x2=2), expect(x0=-3)), id="sdiv-rounds-toward-zero"),
        pytest.param(case("sdiv x0, x1, x2", given(x1=7, x2=-2), expect(x0=-3)), id="sdiv-by-negative"),
        pytest.param(case("sdiv x0, x1, x2", given(x0=9, x1=1, x2=MIN64), expect(x0=0)), id="sdiv-by-the-smallest"),
        pytest.param(case("sdiv x0, x1, x2", given(x1=MIN64, x2=MIN64), expect(x0=1)), id="sdiv-smallest-by-itself"),
        pytest.param(case("udiv x0, x1, x2", given(x1=MAX64, x2=2), expect(x0=MIN64 - 1)), id="udiv-is-unsigned"),
        pytest.param(case("udiv x0, x1, x2", given(x1=MIN64, x2=-1), expect(x0=0)), id="udiv-by-the-largest"),
        pytest.param(
            case("sdiv w0, w1, w2", given(x0=-1, x1=MIN32, x2=-1), expect(x0=MIN32)), id="sdiv-32-bit-smallest"
        ),
        pytest.param(case("sdiv w0, w1, w2", given(x1=MAX32, x2=1), expect(x0=MAX32)), id="sdiv-32-bit-zero-extends"),
        pytest.param(
            case("udiv w0, w1, w2", given(x0=-1, x1=5, x2=1 << 32), expect(x0=0)), id="udiv-32-bit-by-zero-lower-half"
        ),
        pytest.param(
            case("udiv w0, w1, w2", given(x1=-1 << 32 | 6, x2=2), expect(x0=3)), id="udiv-32-bit-ignores-the-upper-half"
        ),
        pytest.param(case("udiv x0, x0, x0", given(x0=7, nzcv=0b1111), expect(x0=1)), id="by-itself-flags-stay"),
        pytest.param(case("udiv x0, x1, xzr", given(x0=9, x1=7), expect(x0=0)), id="by-zr"),
    ],
)
def test_divide(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    ("amount", "left", "right", "arithmetic", "rotated"),
    [
        pytest.param(0, MIN64 | 6, MIN64 | 6, MIN64 | 6, MIN64 | 6, id="0"),
        pytest.param(1, 12, 1 << 62 | 3, 3 << 62 | 3, 1 << 62 | 3, id="1"),
        pytest.param(63, 0, 1, MAX64, 13, id="63"),
        pytest.param(64, MIN64 | 6, MIN64 | 6, MIN64 | 6, MIN64 | 6, id="64-is-0"),
        pytest.param(65, 12, 1 << 62 | 3, 3 << 62 | 3, 1 << 62 | 3, id="65-is-1"),
        pytest.param(-1, 0, 1, MAX64, 13, id="minus-1-is-63"),
        pytest.param(1 << 32, MIN64 | 6, MIN64 | 6, MIN64 | 6, MIN64 | 6, id="upper-bits-are-ignored"),
    ],
)
def test_variable_shift_is_modulo_64(backend, amount, left, right, arithmetic, rotated):
    code = "lslv x3, x1, x2\nlsrv x4, x1, x2\nasrv x5, x1, x2\nrorv x6, x1, x2"
    end = expect(x3=left, x4=right, x5=arithmetic, x6=rotated)
    case(code, given(x1=MIN64 | 6, x2=amount, nzcv=0b1010), end).check(backend)


@pytest.mark.parametrize(
    ("amount", "left", "right", "arithmetic", "rotated"),
    [
        pytest.param(31, 0, 1, MAX32, 13, id="31"),
        pytest.param(32, MIN32 | 6, MIN32 | 6, MIN32 | 6, MIN32 | 6, id="32-is-0"),
        pytest.param(33, 12, 1 << 30 | 3, 3 << 30 | 3, 1 << 30 | 3, id="33-is-1"),
        pytest.param(63, 0, 1, MAX32, 13, id="63-is-31"),
        pytest.param(-1, 0, 1, MAX32, 13, id="minus-1-is-31"),
    ],
)
def test_variable_shift_of_32_bits_is_modulo_32(backend, amount, left, right, arithmetic, rotated):
    code = "lslv w3, w1, w2\nlsrv w4, w1, w2\nasrv w5, w1, w2\nrorv w6, w1, w2"
    end = expect(x3=left, x4=right, x5=arithmetic, x6=rotated)
    case(code, given(x1=-1 << 32 | MIN32 | 6, x2=amount, x3=-1), end).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("lslv x0, x0, x0", given(x0=3), expect(x0=24)), id="by-itself"),
        pytest.param(case("lsrv x2, x1, x2", given(x1=-1, x2=63), expect(x2=1)), id="amount-is-destination"),
        pytest.param(case("rorv x0, x1, xzr", given(x1=5), expect(x0=5)), id="by-zr"),
        pytest.param(case("asrv w0, w0, wzr", given(x0=-1), expect(x0=MAX32)), id="32-bit-by-zr-clears-the-upper-half"),
    ],
)
def test_variable_shift_registers(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x9AC2_0420, id="opcode-000001"),
        pytest.param(0x1AC2_0020, id="opcode-000000-32-bit"),
        pytest.param(0x9AC2_1820, id="opcode-000110"),
        pytest.param(0x1AC2_1C20, id="opcode-000111-32-bit"),
        pytest.param(0x9AC2_3420, id="opcode-001101"),
        pytest.param(0x1AC2_3020, id="opcode-001100-32-bit"),
        pytest.param(0x9AC2_7020, id="opcode-011100"),
        pytest.param(0x9AC2_8020, id="opcode-100000"),
        pytest.param(0xBAC2_0820, id="udiv-with-s"),
        pytest.param(0x3AC2_2020, id="lslv-with-s-32-bit"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    case(word, given(x0=9, x1=6, x2=3, nzcv=0b0101), expect(exit=undefined())).check(backend)
