"""Conditional select."""

import pytest

from assay64.harness.cases.authoring import MAX32, MAX64, MIN32, MIN64, case, expect, given, undefined

# What each condition asks of N, Z, C and V (Arm ARM, C1.2.4). AL and NV both hold always.
CONDITIONS = {
    "eq": lambda n, z, c, v: z,
    "ne": lambda n, z, c, v: not z,
    "cs": lambda n, z, c, v: c,
    "cc": lambda n, z, c, v: not c,
    "mi": lambda n, z, c, v: n,
    "pl": lambda n, z, c, v: not n,
    "vs": lambda n, z, c, v: v,
    "vc": lambda n, z, c, v: not v,
    "hi": lambda n, z, c, v: c and not z,
    "ls": lambda n, z, c, v: not c or z,
    "ge": lambda n, z, c, v: n == v,
    "lt": lambda n, z, c, v: n != v,
    "gt": lambda n, z, c, v: not z and n == v,
    "le": lambda n, z, c, v: z or n != v,
    "al": lambda n, z, c, v: True,
    "nv": lambda n, z, c, v: True,
}


@pytest.mark.parametrize("number", range(16), ids=list(CONDITIONS))
def test_every_condition_under_every_combination_of_flags(backend, number):
    holds = list(CONDITIONS.values())[number]
    csel = 0x9A82_0020 | number << 12  # csel x0, x1, x2, <condition>
    for nzcv in range(16):
        chosen = 1 if holds(nzcv >> 3, nzcv >> 2 & 1, nzcv >> 1 & 1, nzcv & 1) else 2
        case(csel, given(x1=1, x2=2, nzcv=nzcv), expect(x0=chosen)).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("csel w0, w1, w2, eq", given(x0=-1, x1=-1, Z=1), expect(x0=MAX32)), id="csel-true"),
        pytest.param(case("csel w0, w1, w2, eq", given(x0=-1, x2=-1), expect(x0=MAX32)), id="csel-false"),
        pytest.param(case("csel w0, w0, w2, eq", given(x0=-1, Z=1), expect(x0=MAX32)), id="csel-of-itself"),
        pytest.param(case("csinc w0, w1, w2, eq", given(x2=MAX32), expect(x0=0)), id="csinc-wraps"),
        pytest.param(case("csinv w0, w1, w2, eq", given(x0=-1, x2=0), expect(x0=MAX32)), id="csinv"),
        pytest.param(case("csneg w0, w1, w2, eq", given(x0=-1, x2=1), expect(x0=MAX32)), id="csneg"),
        pytest.param(case("csneg w0, w1, w2, eq", given(x2=MIN32), expect(x0=MIN32)), id="csneg-of-the-smallest"),
    ],
)
def test_32_bit_result_zero_extends_on_both_paths(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("csinc x0, x1, x2, ne", given(x1=7, x2=3), expect(x0=7)), id="csinc-true-is-not-incremented"),
        pytest.param(case("csinc x0, x1, x2, eq", given(x0=1, x2=MAX64), expect(x0=0)), id="csinc-wraps"),
        pytest.param(case("csinv x0, x1, x2, eq", given(x1=7, x2=5), expect(x0=-6)), id="csinv-false"),
        pytest.param(case("csneg x0, x1, x2, eq", given(x1=7, x2=5), expect(x0=-5)), id="csneg-false"),
        pytest.param(case("csneg x0, x1, x2, eq", given(x2=MIN64), expect(x0=MIN64)), id="csneg-of-the-smallest"),
        pytest.param(case("csneg x0, x1, x2, nv", given(x1=7, x2=5), expect(x0=7)), id="nv-holds"),
        pytest.param(case("cset x0, eq", given(x0=9, nzcv=0b0100), expect(x0=1)), id="cset-true"),
        pytest.param(case("cset x0, eq", given(x0=9, nzcv=0b1011), expect(x0=0)), id="cset-false"),
        pytest.param(case("csetm x0, lt", given(nzcv=0b0001), expect(x0=-1)), id="csetm-true"),
        pytest.param(case("csetm w0, lt", given(x0=-1, nzcv=0b1000), expect(x0=MAX32)), id="csetm-32-bit"),
        pytest.param(case("cinc x0, x0, hi", given(x0=41, C=1), expect(x0=42)), id="cinc-in-place"),
        pytest.param(
            case("csel x0, x2, x0, gt", given(x0=5, x2=6, Z=1), expect(x0=5)), id="false-source-is-destination"
        ),
        pytest.param(case(0x9A9F_03FF, expect()), id="register-31-is-zr"),
    ],
)
def test_increment_invert_negate(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xBA82_0020, id="s-set"),
        pytest.param(0x3A82_0420, id="s-set-32-bit"),
        pytest.param(0x9A82_0820, id="op2-10"),
        pytest.param(0xDA82_0C20, id="op2-11"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    case(word, given(x0=9, x1=1, x2=2, nzcv=0b0101), expect(exit=undefined())).check(backend)
