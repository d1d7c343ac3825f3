"""Conditional branch (immediate)."""

import pytest

from assay64.harness.cases.authoring import CODE, budget, case, expect, given, instruction_abort, undefined

# Of each condition with an even number: the combinations of NZCV, as numbers, under which it holds (Arm ARM, C1.2.4).
HOLDS = {
    "eq": {4, 5, 6, 7, 12, 13, 14, 15},
    "cs": {2, 3, 6, 7, 10, 11, 14, 15},
    "mi": {8, 9, 10, 11, 12, 13, 14, 15},
    "vs": {1, 3, 5, 7, 9, 11, 13, 15},
    "hi": {2, 3, 10, 11},
    "ge": {0, 2, 4, 6, 9, 11, 13, 15},
    "gt": {0, 2, 9, 11},
}
NUMBERS = {name: 2 * index for index, name in enumerate(HOLDS)}
SKIP = 0x5400_0040  # b.<condition> . + 8
SET_X0 = 0x5280_0020  # mov w0, #1


@pytest.mark.parametrize("name", HOLDS)
@pytest.mark.parametrize("inverted", [False, True], ids=["condition", "inverse"])
def test_every_condition_under_every_combination_of_flags(backend, name, inverted):
    for nzcv in range(16):
        taken = (nzcv in HOLDS[name]) != inverted
        code = [SKIP | NUMBERS[name] | inverted, SET_X0]
        case(code, given(nzcv=nzcv), expect(x0=0 if taken else 1)).check(backend)


@pytest.mark.parametrize("condition", [14, 15], ids=["al", "nv"])
def test_al_and_nv_are_always_taken(backend, condition):
    for nzcv in (0b0000, 0b1111, 0b0100, 0b1001):
        case([SKIP | condition, SET_X0], given(nzcv=nzcv), expect()).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case(0x547F_FFE0, given(Z=1), expect(exit=instruction_abort(CODE + 0xF_FFFC))), id="largest"),
        pytest.param(case(0x5480_0000, given(Z=1), expect(exit=instruction_abort(CODE - 0x10_0000))), id="smallest"),
        pytest.param(case(0x547F_FFE0, given(nzcv=0b1011), expect()), id="largest-not-taken-touches-nothing"),
        pytest.param(case("b.eq .", given(Z=1), expect(exit=budget(), pc=CODE), budget=4), id="to-itself"),
        pytest.param(case("b.ne .", given(Z=1, x30=7), expect(), budget=4), id="to-itself-not-taken"),
        pytest.param(case("1:\nsubs x0, x0, #1\nb.ne 1b", given(x0=5), expect(x0=0, Z=1, C=1)), id="a-loop-ends"),
    ],
)
def test_range_and_loops(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [pytest.param(0x5500_0040, id="bit-24-set"), pytest.param(0x5500_005E, id="bits-24-and-4-set")],
)
def test_unallocated_is_undefined(backend, word):
    case(word, given(nzcv=0b0101), expect(exit=undefined())).check(backend)
