"""Barriers and CLREX."""

import pytest

from assay64.harness.cases.authoring import DATA, case, expect, given, permit, undefined

pytestmark = pytest.mark.system

FULL = given(x0=1, x30=7, nzcv=0b0101, v31=-1)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD503_30BF, id="dmb"),
        pytest.param(0xD503_309F, id="dsb"),
        pytest.param(0xD503_30DF, id="isb"),
        pytest.param(0xD503_305F, id="clrex"),
    ],
)
def test_every_option_changes_no_register(backend, word):
    for option in range(16):  # reserved options of DMB and DSB are SY; ISB and CLREX ignore theirs
        case(word | option << 8, FULL, expect()).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "ldxr x0, [x1]\nclrex\nstxr w2, x3, [x1]",
                given(x1=DATA, x3=5, memory={DATA: 9}),
                expect(x0=9, x2=1),
            ),
            id="clrex-makes-stxr-fail",
        ),
        pytest.param(
            case(
                "ldxr x0, [x1]\nclrex #0\nldxr x0, [x1]\nstxr w2, x3, [x1]",
                given(x1=DATA, x3=5, memory={DATA: 9}),
                permit(expect(x0=9, memory={DATA: 5}), expect(x0=9, x2=1)),
            ),
            id="a-later-ldxr-closes-the-monitor-again",
        ),
        pytest.param(case("clrex\nclrex", FULL, expect()), id="clrex-of-an-open-monitor"),
    ],
)
def test_clrex(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("str x0, [x1]\ndmb sy\nldr x2, [x1]", given(x0=5, x1=DATA), expect(x2=5, memory={DATA: 5})), id="dmb"
        ),
        pytest.param(
            case(
                "ldxr x0, [x1]\ndmb ish\nldr x3, [x1]\ndsb sy\nisb\nclrex\nstxr w2, x3, [x1]",
                given(x1=DATA),
                expect(x2=1),
            ),
            id="all-of-them",
        ),
    ],
)
def test_accesses_around_a_barrier(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD503_301F, id="op2-000"),
        pytest.param(0xD503_3F1F, id="op2-000-crm-15"),
        pytest.param(0xD503_305E, id="clrex-with-rt-30"),
        pytest.param(0xD503_3F80, id="dsb-with-rt-0"),
        pytest.param(0xD503_30BE, id="dmb-with-rt-30"),
        pytest.param(0xD503_3FC0, id="isb-with-rt-0"),
        pytest.param(0xD500_30BF, id="dmb-with-op1-000"),
        pytest.param(0xD523_309F, id="dsb-with-l"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    case(word, FULL, expect(exit=undefined())).check(backend)
