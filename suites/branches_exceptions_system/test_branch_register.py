"""Unconditional branch (register)."""

import pytest

from assay64.harness.cases.authoring import (
    CODE,
    case,
    expect,
    given,
    instruction_abort,
    pc_alignment,
    permit,
    undefined,
    unknown,
)
from assay64.harness.cases.case import DATA_REGION, Environment

TAGGED = 0xAB << 56
BIT_55 = 1 << 55
BTYPE = unknown("btype")  # what BR and BLR leave for their target, with FEAT_BTI
IGNORE_TAGS = Environment(top_byte_ignore=True)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("br x5\nmov x0, #1\nnop", given(x5=CODE + 8, x30=7), expect()), id="br-leaves-x30"),
        pytest.param(case("blr x5\nmov x0, #1\nnop", given(x5=CODE + 8), expect(x30=CODE + 4)), id="blr-links"),
        pytest.param(
            case("blr x30\nmov x0, #1\nnop", given(x30=CODE + 8), expect(x30=CODE + 4)), id="blr-x30-reads-it-first"
        ),
        pytest.param(case("ret\nmov x0, #1", given(x30=CODE + 8), expect()), id="ret-goes-to-x30"),
        pytest.param(case("ret x5\nmov x0, #1", given(x5=CODE + 8, x30=CODE), expect()), id="ret-by-another-register"),
        pytest.param(case("br x30\nmov x0, #1\nnop", given(x30=CODE + 8, nzcv=0b1111), expect()), id="br-x30"),
        pytest.param(
            case("bl . + 12\nmov x0, #1\nb . + 12\nmov x1, #2\nret", expect(x0=1, x1=2, x30=CODE + 4)),
            id="call-and-return",
        ),
    ],
)
def test_target_and_link(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("br xzr", given(x0=CODE + 4), expect(BTYPE, exit=instruction_abort(0))), id="register-31-is-zr"
        ),
        pytest.param(
            case("br x0", given(x0=0x3000_0000), expect(BTYPE, exit=instruction_abort(0x3000_0000))), id="unmapped"
        ),
        pytest.param(
            case("blr x0", given(x0=0x3000_0000), expect(BTYPE, exit=instruction_abort(0x3000_0000), x30=CODE + 4)),
            id="blr-to-unmapped-has-linked",
        ),
        pytest.param(
            case(
                "br x0", given(x0=DATA_REGION[0]), expect(BTYPE, exit=instruction_abort(DATA_REGION[0], "permission"))
            ),
            id="not-executable",
        ),
        pytest.param(
            case("br x0", given(x0=1 << 52), expect(BTYPE, exit=instruction_abort(1 << 52, "translation"))),
            id="non-canonical",
        ),
        pytest.param(
            case("ret x0", given(x0=TAGGED | CODE + 4), expect(exit=instruction_abort(TAGGED | CODE + 4))),
            id="a-tag-is-part-of-the-address",
        ),
    ],
)
def test_fetch_that_aborts(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("br x0", given(x0=CODE + 6), expect(BTYPE, exit=pc_alignment(), pc=CODE + 6)), id="br"),
        pytest.param(case("ret x0", given(x0=CODE + 1), expect(exit=pc_alignment(), pc=CODE + 1)), id="ret"),
        pytest.param(
            case("blr x0", given(x0=CODE + 2), expect(BTYPE, exit=pc_alignment(), pc=CODE + 2, x30=CODE + 4)),
            id="blr-has-linked",
        ),
        pytest.param(
            case("br x0", given(x0=0x3000_0002), expect(BTYPE, exit=pc_alignment(), pc=0x3000_0002)),
            id="unmapped-target-ranks-below-alignment",
        ),
        pytest.param(case("nop", given(pc=CODE + 2), expect(exit=pc_alignment(), pc=CODE + 2)), id="from-the-start"),
    ],
)
def test_misaligned_target_faults_at_the_target(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("br x0\nmov x1, #1\nnop", given(x0=TAGGED | CODE + 8), expect(), environment=IGNORE_TAGS), id="br"
        ),
        pytest.param(
            case("blr x0\nmov x1, #1\nnop", given(x0=TAGGED | CODE + 8), expect(x30=CODE + 4), environment=IGNORE_TAGS),
            id="blr",
        ),
        pytest.param(
            case("ret\nmov x1, #1", given(x30=TAGGED | CODE + 8), expect(), environment=IGNORE_TAGS), id="ret"
        ),
        pytest.param(
            case("br x0\nadr x1, .", given(x0=TAGGED | CODE + 4), expect(x1=CODE + 4), environment=IGNORE_TAGS),
            id="adr-at-the-target-sees-no-tag",
        ),
        pytest.param(
            case(
                "ret x0",
                given(x0=BIT_55 | CODE),
                permit(
                    expect(exit=instruction_abort(BIT_55 | CODE)),
                    expect(exit=instruction_abort(0xFF80_0000_0000_0000 | CODE)),
                ),
                environment=IGNORE_TAGS,
            ),
            id="bit-55-is-no-tag-and-selects-the-upper-range",
        ),
    ],
)
def test_tag_is_removed_under_top_byte_ignore(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD67F_0000, id="opc-0011"),
        pytest.param(0xD61E_0000, id="op2-11110"),
        pytest.param(0xD61F_0400, id="op3-000001"),
        pytest.param(0xD61F_0001, id="op4-00001"),
        pytest.param(0xD63F_0010, id="blr-with-op4-10000"),
        pytest.param(0xD65F_8000, id="ret-with-op3-100000"),
        pytest.param(0xD6DF_0000, id="opc-0110"),
        pytest.param(0xD7DF_0000, id="opc-1110"),
        pytest.param(0xD69F_03C0, id="eret-with-rn-30"),
        pytest.param(0xD6BF_0000, id="drps-with-rn-0"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    case(word, given(x0=CODE + 4, x1=CODE + 4, x30=CODE + 4), expect(exit=undefined())).check(backend)


@pytest.mark.parametrize("word", [pytest.param(0xD69F_03E0, id="eret"), pytest.param(0xD6BF_03E0, id="drps")])
def test_exception_return_is_undefined_at_el0(backend, word):
    case([0xD503_201F, word], given(nzcv=0b1010), expect(exit=undefined())).check(backend)
