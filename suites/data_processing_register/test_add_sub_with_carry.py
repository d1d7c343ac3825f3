"""Add/subtract (with carry)."""

import pytest

from assay64.harness.cases.authoring import MAX32, MAX64, MIN32, MIN64, case, expect, given, undefined


@pytest.mark.parametrize(
    ("one", "other", "carry", "result", "nzcv"),
    [
        pytest.param(1, 1, 0, 2, 0b0000, id="neither-carry-nor-overflow"),
        pytest.param(MAX64, 0, 1, 0, 0b0110, id="carry-in-alone-carries-out"),
        pytest.param(MAX64, MAX64, 1, MAX64, 0b1010, id="all-ones-and-carry"),
        pytest.param(MIN64 - 1, 0, 1, MIN64, 0b1001, id="carry-in-alone-overflows"),
        pytest.param(MIN64, MIN64, 0, 0, 0b0111, id="carry-and-overflow"),
        pytest.param(MIN64, -1, 1, MIN64, 0b1010, id="carry-in-averts-overflow"),
        pytest.param(0, 0, 0, 0, 0b0100, id="zero"),
    ],
)
def test_adcs(backend, one, other, carry, result, nzcv):
    start = given(x1=one, x2=other, nzcv=0b1101 | carry << 1)
    case("adcs x0, x1, x2", start, expect(x0=result, nzcv=nzcv)).check(backend)


@pytest.mark.parametrize(
    ("one", "other", "carry", "result", "nzcv"),
    [
        pytest.param(5, 5, 1, 0, 0b0110, id="equal-without-borrow-in"),
        pytest.param(5, 5, 0, MAX64, 0b1000, id="borrow-in-alone-borrows"),
        pytest.param(0, MAX64, 0, 0, 0b0100, id="everything-borrowed-gives-zero-without-carry"),
        pytest.param(MIN64, 0, 0, MIN64 - 1, 0b0011, id="borrow-in-alone-overflows"),
        pytest.param(MIN64 - 1, -1, 0, MIN64 - 1, 0b0000, id="borrow-in-averts-overflow"),
        pytest.param(0, MIN64, 1, MIN64, 0b1001, id="overflow-with-borrow"),
    ],
)
def test_sbcs(backend, one, other, carry, result, nzcv):
    start = given(x1=one, x2=other, nzcv=0b0101 | carry << 1)
    case("sbcs x0, x1, x2", start, expect(x0=result, nzcv=nzcv)).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("adcs w0, w1, w2", given(x0=-1, x1=MAX32, x2=0, C=1), expect(x0=0, Z=1, C=1)),
            id="adcs-carry-from-bit-31",
        ),
        pytest.param(
            case("adcs w0, w1, w2", given(x1=MIN32 - 1, C=1), expect(x0=MIN32, N=1, C=0, V=1)),
            id="adcs-overflow-at-bit-31",
        ),
        pytest.param(
            case("sbcs w0, w1, w2", given(x1=1 << 32, x2=0), expect(x0=MAX32, N=1)), id="sbcs-borrow-ignores-upper-half"
        ),
        pytest.param(case("adc w0, w1, w2", given(x1=-1, x2=-1, C=1), expect(x0=MAX32)), id="adc-zero-extends"),
    ],
)
def test_32_bit(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("adc x0, x1, x2", given(x1=-1, x2=1, nzcv=0b1010), expect(x0=1)), id="adc-leaves-the-flags"),
        pytest.param(case("sbc x0, x1, x2", given(x1=1, x2=1, nzcv=0b0101), expect(x0=-1)), id="sbc-leaves-the-flags"),
        pytest.param(case("adcs x0, x0, x0", given(x0=MIN64, C=1), expect(x0=1, V=1)), id="adcs-to-itself"),
        pytest.param(case("sbcs x0, x0, x0", given(x0=7), expect(x0=-1, N=1)), id="sbcs-from-itself-without-carry"),
        pytest.param(case("ngc x0, x1", given(x1=0, C=0), expect(x0=-1)), id="ngc"),
        pytest.param(case("ngcs x0, x1", given(x1=0, C=1), expect(x0=0, Z=1)), id="ngcs"),
        pytest.param(case("adc x0, xzr, xzr", given(C=1), expect(x0=1)), id="adc-of-zr-reads-the-carry"),
        pytest.param(case(0xBA1F_03FF, given(nzcv=0b1111), expect(nzcv=0)), id="adcs-to-zr-still-sets-flags"),
    ],
)
def test_aliased_registers_and_zr(backend, claim):
    claim.check(backend)


def test_128_bit_addition(backend):
    start = given(x0=MAX64, x1=1, x2=1, x3=2)
    case("adds x0, x0, x2\nadc x1, x1, x3", start, expect(x0=0, x1=4, Z=1, C=1)).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x9A02_0C20, id="adc-with-bits-15-10-000011"),
        pytest.param(0x3A02_1020, id="adcs-with-bits-15-10-000100"),
        pytest.param(0xDA02_8020, id="sbc-with-bits-15-10-100000"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    case(word, given(x0=9, x1=1, x2=2, nzcv=0b0111), expect(exit=undefined())).check(backend)
