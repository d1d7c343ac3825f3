"""Add/subtract (immediate)."""

import pytest

from assay64.harness.cases.authoring import MAX32, MAX64, MIN32, MIN64, SP, case, expect, given, undefined


@pytest.mark.parametrize(
    ("operand", "result", "nzcv"),
    [
        pytest.param(0, 1, 0b0000, id="no-flag"),
        pytest.param(MAX64, 0, 0b0110, id="carry-out-and-zero"),
        pytest.param(MIN64 - 1, MIN64, 0b1001, id="largest-positive-overflows-to-negative"),
        pytest.param(MIN64, MIN64 + 1, 0b1000, id="negative-without-overflow"),
        pytest.param(MAX32, 1 << 32, 0b0000, id="carry-out-of-bit-31-is-not-the-64-bit-carry"),
    ],
)
def test_adds_64_bit_flags(backend, operand, result, nzcv):
    case("adds x0, x1, #1", given(x1=operand, nzcv=0b1111), expect(x0=result, nzcv=nzcv)).check(backend)


@pytest.mark.parametrize(
    ("operand", "result", "nzcv"),
    [
        pytest.param(MAX32, 0, 0b0110, id="carry-out-of-bit-31"),
        pytest.param(MIN32 - 1, MIN32, 0b1001, id="overflow-into-bit-31"),
        pytest.param(MAX64, 0, 0b0110, id="upper-half-of-the-source-is-ignored"),
        pytest.param(0xDEAD_BEEF_0000_0000, 1, 0b0000, id="upper-half-of-the-result-is-zero"),
    ],
)
def test_adds_32_bit_flags(backend, operand, result, nzcv):
    case("adds w0, w1, #1", given(x0=-1, x1=operand), expect(x0=result, nzcv=nzcv)).check(backend)


@pytest.mark.parametrize(
    ("operand", "result", "nzcv"),
    [
        pytest.param(0, MAX64, 0b1000, id="borrow-clears-carry"),
        pytest.param(1, 0, 0b0110, id="equal-sets-carry-and-zero"),
        pytest.param(MIN64, MIN64 - 1, 0b0011, id="smallest-negative-overflows-without-borrow"),
    ],
)
def test_subs_64_bit_flags(backend, operand, result, nzcv):
    case("subs x0, x1, #1", given(x1=operand), expect(x0=result, nzcv=nzcv)).check(backend)


@pytest.mark.parametrize(
    ("operand", "result", "nzcv"),
    [
        pytest.param(1 << 32, MAX32, 0b1000, id="borrow-from-the-lower-half-alone"),
        pytest.param(MIN32, MIN32 - 1, 0b0011, id="overflow-at-bit-31"),
    ],
)
def test_subs_32_bit_flags(backend, operand, result, nzcv):
    case("subs w0, w1, #1", given(x1=operand), expect(x0=result, nzcv=nzcv)).check(backend)


def test_subs_of_zero_never_borrows(backend):
    case("subs x0, x1, #0", given(x1=0), expect(x0=0, Z=1, C=1)).check(backend)


def test_add_and_sub_leave_the_flags(backend):
    case("add x0, x1, #1\nsub x2, x3, #1", given(x1=-1, nzcv=0b1001), expect(x2=-1)).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("add x0, x1, #4095", given(x1=1), expect(x0=0x1000)), id="largest"),
        pytest.param(case("add x0, x1, #4095, lsl #12", given(x1=0xFFF), expect(x0=0xFFFFFF)), id="largest-shifted"),
        pytest.param(case("sub x0, x1, #1, lsl #12", given(x1=0), expect(x0=-0x1000)), id="shifted-borrow"),
        pytest.param(case("sub w0, w1, #1, lsl #12", given(x1=0), expect(x0=0xFFFF_F000)), id="shifted-borrow-32-bit"),
        pytest.param(case("add x0, x0, #1", given(x0=MAX32), expect(x0=1 << 32)), id="destination-is-source"),
        pytest.param(case("add w0, w0, #0", given(x0=-1), expect(x0=MAX32)), id="adding-zero-clears-the-upper-half"),
    ],
)
def test_immediate(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("add sp, sp, #16", expect(sp=SP + 16)), id="add-sp-sp"),
        pytest.param(case("sub sp, sp, #1, lsl #12", expect(sp=SP - 0x1000)), id="sub-sp-shifted"),
        pytest.param(case("add x0, sp, #1, lsl #12", expect(x0=SP + 0x1000)), id="add-from-sp-shifted"),
        pytest.param(case("mov x0, sp", expect(x0=SP)), id="mov-from-sp"),
        pytest.param(case("mov sp, x0", given(x0=0x123), expect(sp=0x123)), id="mov-to-sp-misaligned-is-no-fault"),
        pytest.param(
            case("add w0, wsp, #1", given(sp=0x1234_5678_9ABC_DEF0), expect(x0=0x9ABC_DEF1)), id="wsp-as-source"
        ),
        pytest.param(
            case("add wsp, w1, #1", given(sp=-16, x1=0xFFFF_FFFF_0000_000F), expect(sp=0x10)),
            id="wsp-as-destination-clears-the-upper-half",
        ),
        pytest.param(case("adds x0, sp, #0", expect(x0=SP)), id="adds-reads-sp"),
        pytest.param(case("cmp sp, #1, lsl #12", given(sp=0x1000), expect(sp=0x1000, Z=1, C=1)), id="cmp-sp"),
        pytest.param(case("cmn sp, #16", given(sp=-16), expect(Z=1, C=1)), id="cmn-writes-zr-not-sp"),
        pytest.param(case("cmp wsp, #1", given(sp=1 << 32), expect(N=1)), id="cmp-wsp-looks-at-32-bits"),
    ],
)
def test_register_31_is_sp_except_as_destination_of_adds_and_subs(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x1180_0020, id="tag-form-in-32-bits"),
        pytest.param(0x5180_0020, id="subtract-tag-form-in-32-bits"),
        pytest.param(0xB180_0020, id="tag-form-with-s"),
        pytest.param(0xF180_0020, id="subtract-tag-form-with-s"),
    ],
)
def test_shift_1x_is_undefined(backend, word):
    case(word, given(x0=0x5A, x1=1, nzcv=0b0101), expect(exit=undefined())).check(backend)
