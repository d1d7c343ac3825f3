"""Add/subtract (extended register)."""

import pytest

from assay64.harness.cases.authoring import MAX64, MIN32, SP, case, expect, given, undefined

VALUE = 0x8888_8888_8888_8888


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("add x0, x1, w2, uxtb", given(x2=VALUE), expect(x0=0x88)), id="uxtb"),
        pytest.param(case("add x0, x1, w2, uxth", given(x2=VALUE), expect(x0=0x8888)), id="uxth"),
        pytest.param(case("add x0, x1, w2, uxtw", given(x2=VALUE), expect(x0=0x8888_8888)), id="uxtw"),
        pytest.param(case("add x0, x1, x2, uxtx", given(x2=VALUE), expect(x0=VALUE)), id="uxtx"),
        pytest.param(case("add x0, x1, w2, sxtb", given(x2=VALUE), expect(x0=-0x78)), id="sxtb"),
        pytest.param(case("add x0, x1, w2, sxth", given(x2=VALUE), expect(x0=-0x7778)), id="sxth"),
        pytest.param(case("add x0, x1, w2, sxtw", given(x2=VALUE), expect(x0=-0x7777_7778)), id="sxtw"),
        pytest.param(case("add x0, x1, x2, sxtx", given(x2=VALUE), expect(x0=VALUE)), id="sxtx"),
        pytest.param(case("add x0, x1, w2, sxtb", given(x2=VALUE ^ 0xFF), expect(x0=0x77)), id="sxtb-positive"),
        pytest.param(case("add x0, x1, w2, uxtb #4", given(x2=VALUE), expect(x0=0x880)), id="uxtb-shifted-out-of-byte"),
        pytest.param(case("add x0, x1, w2, sxth #4", given(x2=VALUE), expect(x0=-0x77780)), id="sxth-4"),
        pytest.param(case("add x0, x1, w2, sxtw #3", given(x2=MIN32), expect(x0=-0x4_0000_0000)), id="sxtw-3"),
        pytest.param(case("add x0, x1, x2, uxtx #4", given(x2=MAX64), expect(x0=-16)), id="uxtx-4-loses-the-top"),
        pytest.param(case("sub x0, x1, w2, uxtb #1", given(x1=0, x2=0x1FF), expect(x0=-0x1FE)), id="subtract-extended"),
    ],
)
def test_extend_and_shift(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("add w0, w1, w2, sxtb", given(x0=-1, x2=0x80), expect(x0=0xFFFF_FF80)), id="sxtb-zero-extends"
        ),
        pytest.param(case("add w0, w1, w2, uxtw #4", given(x2=VALUE), expect(x0=0x8888_8880)), id="uxtw-4"),
        pytest.param(case(0x0B22_6020, given(x2=VALUE), expect(x0=0x8888_8888)), id="uxtx-reads-32-bits"),
        pytest.param(case(0x0B22_F020, given(x2=MAX64), expect(x0=0xFFFF_FFF0)), id="sxtx-4-reads-32-bits"),
    ],
)
def test_32_bit(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("add sp, sp, x2", given(x2=0x20), expect(sp=SP + 0x20)), id="add-sp-sp"),
        pytest.param(case("sub sp, x1, w2, sxtw", given(x1=0x100, x2=-1), expect(sp=0x101)), id="sub-writes-sp"),
        pytest.param(case("add x0, sp, w2, uxtb", given(x2=0x101), expect(x0=SP + 1)), id="add-reads-sp"),
        pytest.param(case("add wsp, w1, w2, uxtb", given(sp=-16, x1=-1, x2=1), expect(sp=0)), id="wsp"),
        pytest.param(case(0x8B3F_63E0, expect(x0=SP)), id="second-operand-is-zr"),
        pytest.param(case("cmp sp, x2", given(x2=SP), expect(Z=1, C=1)), id="cmp-sp"),
        pytest.param(case("cmn sp, w2, sxtw", given(sp=1, x2=0xFFFF_FFFF), expect(sp=1, Z=1, C=1)), id="cmn-writes-zr"),
        pytest.param(
            case("cmp w1, w2, sxth", given(x1=0xFFFF_8000, x2=0x8000, nzcv=0b1001), expect(nzcv=0b0110)), id="cmp-sxth"
        ),
        pytest.param(case("subs x0, sp, w2, uxtb", given(sp=1, x2=2), expect(x0=-1, N=1)), id="subs-reads-sp"),
        pytest.param(
            case("adds w0, wsp, w2, uxth", given(sp=0x7FFF_FFFF, x2=1), expect(x0=MIN32, N=1, V=1)),
            id="adds-32-bit-flags",
        ),
    ],
)
def test_register_31(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x8B22_5420, id="shift-5"),
        pytest.param(0x0B22_5820, id="shift-6-32-bit"),
        pytest.param(0xEB22_7C20, id="shift-7-subs"),
        pytest.param(0x8B62_4020, id="opt-01"),
        pytest.param(0xCBA2_4020, id="opt-10"),
        pytest.param(0x2BE2_4020, id="opt-11"),
    ],
)
def test_reserved_is_undefined(backend, word):
    case(word, given(x0=9, x1=1, x2=2, nzcv=0b0101), expect(exit=undefined())).check(backend)
