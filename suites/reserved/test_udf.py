"""UDF and words outside every class."""

import pytest

from assay64.harness.cases.authoring import CODE, case, expect, given, undefined

pytestmark = pytest.mark.undefined

FULL = given(x0=1, x30=7, nzcv=0b1111, v0=-1)


@pytest.mark.parametrize("immediate", [0, 1, 0x8000, 0xFFFF], ids="{:#x}".format)
def test_udf(backend, immediate):
    case(immediate, FULL, expect(exit=undefined())).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("mov x0, #5\nudf #0\nmov x1, #6", expect(exit=undefined(), x0=5, pc=CODE + 4)), id="in-between"
        ),
        pytest.param(case("b . + 8\nudf #0\nmov x0, #1", expect(x0=1)), id="jumped-over"),
    ],
)
def test_it_is_undefined_where_it_stands(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x0001_0000, id="bit-16"),
        pytest.param(0x0100_0000, id="bit-24"),
        pytest.param(0x0200_0000, id="op1-0001"),
        pytest.param(0xE2FF_FFFF, id="op1-0001-bit-31"),
        pytest.param(0x0600_0000, id="op1-0011"),
        pytest.param(0xE7FF_FFFF, id="op1-0011-bit-31"),
    ],
)
def test_unallocated_group_is_undefined(backend, word):
    case(word, FULL, expect(exit=undefined())).check(backend)
