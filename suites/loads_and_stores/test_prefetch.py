"""Prefetch memory: PRFM and PRFUM are hints that change nothing and never fault."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import CODE, DATA, SP, case, expect, given
from assay64.suites.loads_and_stores.transfers import UNMAPPED

PRFM, PRFUM, PRFM_REGISTER, PRFM_LITERAL = 0xF980_0020, 0xF880_0020, 0xF8A2_6820, 0xD800_0000


@pytest.mark.parametrize(
    "word", [PRFM, PRFUM, PRFM_REGISTER, PRFM_LITERAL], ids=["unsigned offset", "unscaled", "register", "literal"]
)
def test_every_prefetch_operation_is_a_hint(backend, word):
    # 24 to 31, and the targets and types that Arm has not allocated, are NOPs.
    case([word | operation for operation in range(32)], given(x1=DATA, x2=8), expect()).check(backend)


@pytest.mark.parametrize(
    ("code", "base"),
    [
        ("prfm pldl1keep, [x1]", UNMAPPED),
        ("prfm pstl1keep, [x1]", CODE),
        ("prfm plil1keep, [x1]", DATA),
        ("prfm pldl3strm, [x1, #32760]", DATA + 0xFFF8),
        ("prfum pldl1keep, [x1, #-1]", DATA),
        ("prfm pldl1keep, [x1, x2]", UNMAPPED),
        ("prfm pldl1keep, [x1, w2, sxtw #3]", UNMAPPED),
        ("prfm pldl1keep, [x1]", 1 << 63 | 1),
        ("prfm pldl1keep, [x1]", 0),
    ],
    ids=[
        "unmapped",
        "for store in read-only memory",
        "for instructions in data memory",
        "far behind the region",
        "the byte before the region",
        "register offset",
        "extended register offset",
        "non-canonical address",
        "address zero",
    ],
)
def test_prefetch_never_faults(backend, code, base):
    case(code, given(x1=base, x2=0x10), expect()).check(backend)


def test_prefetch_of_an_unmapped_literal(backend):
    case("prfm pldl1keep, . + 0xffffc", expect()).check(backend)


@pytest.mark.parametrize("code", ["prfm pldl1keep, [sp]", "prfum pldl1keep, [sp, #3]", "prfm pldl1keep, [sp, x2]"])
def test_prefetch_does_not_check_the_alignment_of_the_stack_pointer(backend, code):
    case(code, given(x2=8, sp=SP + 8), expect()).check(backend)
