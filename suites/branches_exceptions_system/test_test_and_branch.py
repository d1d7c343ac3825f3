"""Test and branch (immediate)."""

import pytest

from assay64.harness.cases.authoring import CODE, MAX64, budget, case, expect, given

TBZ, TBNZ = 0x3600_0041, 0x3700_0041  # x1, #0, . + 8
SET_X0 = 0x5280_0020  # mov w0, #1


def at_bit(word: int, bit: int) -> int:
    """The branch with another bit number: b5 is bit 31 of the word, b40 are bits 23 to 19."""
    return word | bit >> 5 << 31 | (bit & 31) << 19


@pytest.mark.parametrize("bit", [0, 1, 30, 31, 32, 33, 62, 63], ids="bit-{}".format)
def test_only_this_bit_is_looked_at(backend, bit):
    alone, others = 1 << bit, MAX64 ^ 1 << bit
    case([at_bit(TBZ, bit), SET_X0], given(x1=others), expect()).check(backend)
    case([at_bit(TBZ, bit), SET_X0], given(x1=alone), expect(x0=1)).check(backend)
    case([at_bit(TBNZ, bit), SET_X0], given(x1=alone), expect()).check(backend)
    case([at_bit(TBNZ, bit), SET_X0], given(x1=others), expect(x0=1)).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("tbz xzr, #63, . + 8\nmov x0, #1", expect()), id="tbz-of-zr-is-taken"),
        pytest.param(case("tbnz wzr, #0, . + 8\nmov x0, #1", expect(x0=1)), id="tbnz-of-zr-is-not-taken"),
        pytest.param(case("tbnz x1, #63, . + 8\nmov x0, #1", given(x1=-1, nzcv=0b1111), expect()), id="flags-stay"),
        pytest.param(case("tbz w0, #31, .", expect(exit=budget(), pc=CODE), budget=2), id="to-itself"),
    ],
)
def test_taken_and_not(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case(0x3603_FFE0, expect(pc=CODE + 0x7FFC), until=CODE + 0x7FFC), id="tbz-largest"),
        pytest.param(case(0xB604_0000, expect(pc=CODE - 0x8000), until=CODE - 0x8000), id="tbz-bit-32-smallest"),
        pytest.param(case(0x3703_FFE0, given(x0=1), expect(pc=CODE + 0x7FFC), until=CODE + 0x7FFC), id="tbnz-largest"),
    ],
)
def test_range(backend, claim):
    claim.check(backend)
