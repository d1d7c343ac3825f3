"""Add/subtract (shifted register)."""

import pytest

from assay64.harness.cases.authoring import MAX32, MAX64, MIN32, MIN64, SP, case, expect, given, undefined


def test_adds_sets_carry_and_zero(backend):
    case("adds x0, x1, x2", given(x1=MAX64, x2=1), expect(x0=0, Z=1, C=1)).check(backend)


@pytest.mark.parametrize(
    ("one", "other", "result", "nzcv"),
    [
        pytest.param(1, 2, 3, 0b0000, id="no-flag"),
        pytest.param(MIN64 - 1, 1, MIN64, 0b1001, id="positive-overflow"),
        pytest.param(MIN64, MIN64, 0, 0b0111, id="negative-overflow-to-zero"),
        pytest.param(MIN64, -1, MIN64 - 1, 0b0011, id="negative-overflow-to-positive"),
        pytest.param(-1, -1, MAX64 - 1, 0b1010, id="carry-and-negative"),
    ],
)
def test_adds_64_bit_flags(backend, one, other, result, nzcv):
    case("adds x0, x1, x2", given(x1=one, x2=other, nzcv=0b1111), expect(x0=result, nzcv=nzcv)).check(backend)


@pytest.mark.parametrize(
    ("one", "other", "result", "nzcv"),
    [
        pytest.param(MIN32, MIN32, 0, 0b0111, id="overflow-and-carry-at-bit-31"),
        pytest.param(MIN32 - 1, 1, MIN32, 0b1001, id="positive-overflow-at-bit-31"),
        pytest.param(-1 << 32, 1 << 32, 0, 0b0100, id="upper-halves-are-ignored"),
    ],
)
def test_adds_32_bit_flags(backend, one, other, result, nzcv):
    case("adds w0, w1, w2", given(x0=-1, x1=one, x2=other), expect(x0=result, nzcv=nzcv)).check(backend)


@pytest.mark.parametrize(
    ("one", "other", "result", "nzcv"),
    [
        pytest.param(5, 5, 0, 0b0110, id="equal"),
        pytest.param(0, 1, MAX64, 0b1000, id="borrow"),
        pytest.param(0, MIN64, MIN64, 0b1001, id="zero-minus-smallest"),
        pytest.param(MIN64, 1, MIN64 - 1, 0b0011, id="smallest-minus-one"),
        pytest.param(MIN64 - 1, -1, MIN64, 0b1001, id="largest-minus-minus-one"),
        pytest.param(-1, 0, MAX64, 0b1010, id="minus-zero-never-borrows"),
    ],
)
def test_subs_64_bit_flags(backend, one, other, result, nzcv):
    case("subs x0, x1, x2", given(x1=one, x2=other), expect(x0=result, nzcv=nzcv)).check(backend)


@pytest.mark.parametrize(
    ("one", "other", "result", "nzcv"),
    [
        pytest.param(0, MIN32, MIN32, 0b1001, id="zero-minus-smallest"),
        pytest.param(1 << 32, 1, MAX32, 0b1000, id="borrow-from-the-lower-half-alone"),
    ],
)
def test_subs_32_bit_flags(backend, one, other, result, nzcv):
    case("subs w0, w1, w2", given(x1=one, x2=other), expect(x0=result, nzcv=nzcv)).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("add x0, x1, x2, lsl #63", given(x1=1, x2=3), expect(x0=MIN64 + 1)), id="lsl-63"),
        pytest.param(case("add x0, xzr, x2, lsr #63", given(x2=-1), expect(x0=1)), id="lsr-63"),
        pytest.param(case("add x0, xzr, x2, asr #63", given(x2=MIN64), expect(x0=-1)), id="asr-63"),
        pytest.param(case("sub x0, x1, x2, lsr #1", given(x1=0, x2=3), expect(x0=-1)), id="shift-before-negation"),
        pytest.param(case("add w0, wzr, w2, lsl #31", given(x2=3), expect(x0=MIN32)), id="lsl-31-of-32-bits"),
        pytest.param(
            case("add w0, wzr, w2, lsr #1", given(x2=1 << 32), expect(x0=0)), id="lsr-takes-nothing-from-the-upper-half"
        ),
        pytest.param(
            case("add w0, wzr, w2, asr #31", given(x2=MIN32), expect(x0=MAX32)), id="asr-31-of-32-bits-zero-extends"
        ),
        pytest.param(
            case("adds x0, x1, x2, lsl #1", given(x1=0, x2=MIN64), expect(x0=0, Z=1)), id="bit-shifted-out-is-no-carry"
        ),
    ],
)
def test_shifts(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("add x0, x0, x0", given(x0=MIN64 | 3), expect(x0=6)), id="add-to-itself"),
        pytest.param(case("subs x0, x0, x0", given(x0=7), expect(x0=0, Z=1, C=1)), id="subtract-from-itself"),
        pytest.param(case("adds w0, w0, w0", given(x0=-1), expect(x0=0xFFFF_FFFE, N=1, C=1)), id="32-bit-to-itself"),
        pytest.param(case("add x0, x1, x2", given(x1=MAX64, x2=1, nzcv=0b1001), expect()), id="add-leaves-the-flags"),
        pytest.param(case("neg w0, w1", given(x0=-1, x1=MIN32), expect(x0=MIN32)), id="neg-smallest-32-bit"),
        pytest.param(case("negs x0, x1", given(x1=MIN64), expect(x0=MIN64, N=1, V=1)), id="negs-smallest"),
        pytest.param(case("negs x0, x1", given(x1=0), expect(x0=0, Z=1, C=1)), id="negs-zero-sets-carry"),
    ],
)
def test_aliased_registers_and_aliases(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case(0x8B1F_03FF, expect()), id="add-zr-zr-zr"),
        pytest.param(case(0x8B02_03FF, given(x2=5), expect(sp=SP)), id="destination-is-not-sp"),
        pytest.param(case(0x8B02_03E0, given(x2=5), expect(x0=5)), id="first-operand-is-not-sp"),
        pytest.param(case(0x8B1F_0020, given(x1=5), expect(x0=5)), id="second-operand-is-not-sp"),
        pytest.param(case("cmp x1, x2", given(x1=1, x2=2, nzcv=0b0111), expect(nzcv=0b1000)), id="cmp"),
        pytest.param(case("cmn w1, w2", given(x1=1, x2=MAX32), expect(Z=1, C=1)), id="cmn-32-bit"),
    ],
)
def test_register_31_is_zr(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x8BC2_0020, id="ror-64-bit"),
        pytest.param(0x0BC2_0020, id="ror-32-bit"),
        pytest.param(0xEBC2_0020, id="ror-subs"),
        pytest.param(0x0B02_8020, id="add-lsl-32-in-32-bits"),
        pytest.param(0x2B42_FC20, id="adds-lsr-63-in-32-bits"),
        pytest.param(0x4B82_8020, id="sub-asr-32-in-32-bits"),
    ],
)
def test_reserved_shift_is_undefined(backend, word):
    case(word, given(x0=9, x1=1, x2=2, nzcv=0b0101), expect(exit=undefined())).check(backend)
