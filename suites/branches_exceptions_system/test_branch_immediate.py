"""Unconditional branch (immediate)."""

import pytest

from assay64.harness.cases.authoring import CODE, budget, case, expect, given, instruction_abort
from assay64.harness.cases.case import CODE_REGION, Region

BOTTOM = Region(address=0, size=0x1_0000, permissions="rx")
B_LARGEST, B_SMALLEST = 0x15FF_FFFF, 0x1600_0000
BL = 1 << 31
RANGE = 1 << 27  # bytes: imm26 counts words


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("b . + 8\nmov x0, #1\nmov x1, #2", expect(x1=2)), id="b-forward"),
        pytest.param(
            case("b . + 12\nmov x0, #1\nb . + 12\nmov x1, #2\nb . - 12\nmov x2, #3", expect(x0=1, x1=2, x2=3)),
            id="b-backward",
        ),
        pytest.param(case("b . + 4", given(nzcv=0b1111, x30=7), expect()), id="b-to-the-next-leaves-x30-and-flags"),
        pytest.param(case("bl . + 4", given(x30=7, nzcv=0b0101), expect(x30=CODE + 4)), id="bl-to-the-next"),
        pytest.param(case("nop\nbl . + 8\nnop", expect(x30=CODE + 8)), id="bl-returns-behind-itself"),
        pytest.param(case("b .", expect(exit=budget(), pc=CODE), budget=3), id="b-to-itself"),
        pytest.param(case("bl .", expect(exit=budget(), pc=CODE, x30=CODE + 4), budget=3), id="bl-to-itself"),
    ],
)
def test_target_and_link(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    ("word", "distance", "link"),
    [
        pytest.param(B_LARGEST, RANGE - 4, 0, id="b-largest"),
        pytest.param(B_SMALLEST, -RANGE, 0, id="b-smallest"),
        pytest.param(BL | B_LARGEST, RANGE - 4, CODE + 4, id="bl-largest"),
        pytest.param(BL | B_SMALLEST, -RANGE, CODE + 4, id="bl-smallest"),
    ],
)
def test_range(backend, word, distance, link):
    target = CODE + distance
    case(word, expect(exit=instruction_abort(target), x30=link)).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("b . - 4", expect(exit=instruction_abort((1 << 64) - 4)), address=0, regions=[BOTTOM]),
            id="below-zero-wraps",
        ),
        pytest.param(
            case("b . - 4", expect(exit=instruction_abort(CODE_REGION[0] - 4)), address=CODE_REGION[0]),
            id="out-of-the-first-mapped-page",
        ),
        pytest.param(
            case(
                "bl . + 4",
                expect(exit=instruction_abort(CODE + 0x1_0000), x30=CODE + 0x1_0000),
                until=0,
                address=CODE + 0xFFFC,
            ),
            id="to-the-unmapped-page-behind",
        ),
        pytest.param(
            case("b . - 4", expect(pc=CODE + 0xFFF8), address=CODE + 0xFFFC, until=CODE + 0xFFF8),
            id="in-the-last-word-before-an-unmapped-page",
        ),
    ],
)
def test_edges_of_memory(backend, claim):
    claim.check(backend)
