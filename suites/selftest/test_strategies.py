"""The public strategies: what they draw is what they say, and a property test needs nothing else."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from assay64 import strategies
from assay64.harness.cases.case import Case
from assay64.harness.cases.state import MASK64
from assay64.harness.errors import UsageError
from assay64.harness.judge.expected import Oracle
from assay64.reference import decode

QUICK = settings(max_examples=30, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(word=strategies.instructions(only=("ADD", "SUB")))
def test_instructions_are_those_that_are_asked_for(word: int) -> None:
    decoded = decode(word)
    assert decoded is None or decoded.mnemonic in ("ADD", "SUB"), hex(word)


@QUICK
@given(data=st.data(), size=st.sampled_from((16, 32, 64)))
def test_floats_have_their_size(data: st.DataObject, size: int) -> None:
    assert 0 <= data.draw(strategies.floats(size)) < 1 << size


def test_floats_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="16, 32 or 64"):
        strategies.floats(80)


@pytest.mark.parametrize(("size", "infinity"), [(16, 0x7C00), (32, 0x7F80_0000), (64, 0x7FF0_0000_0000_0000)])
def test_infinities_and_nans_are_among_the_floats(size: int, infinity: int) -> None:
    found = settings(max_examples=4000, database=None)
    assert find(strategies.floats(size), lambda value: value == infinity, settings=found) == infinity
    assert find(strategies.floats(size), lambda value: value & (1 << size - 1) - 1 > infinity, settings=found)


@QUICK
@given(vector=strategies.vectors(), value=strategies.integers64(), control=strategies.fpcr())
def test_values_fit_their_registers(vector: int, value: int, control: int) -> None:
    assert 0 <= vector < 1 << 128
    assert 0 <= value <= MASK64
    assert control & ~0x07C0_0000 == 0


@QUICK
@given(case=strategies.cases(only=("FADD", "FMUL"), max_instructions=3))
def test_floating_point_cases_give_vectors_and_no_integers(case: Case) -> None:
    assert 1 <= len(case.code) <= 3
    assert case.states[0].general.x == {}


def test_a_case_that_rounds_is_among_those_of_floating_point() -> None:
    def rounds(case: Case) -> bool:
        return case.states[0].simd.fpcr >> 22 == 3 and len(case.states[0].simd.v) > 1

    assert find(strategies.cases(only=("FADD",)), rounds, settings=settings(max_examples=2000, database=None))


@QUICK
@given(case=strategies.campaign_cases(lengths=(16,)))
def test_campaign_cases_end(case: Case) -> None:
    permitted = Oracle().permitted(case)
    assert permitted
    assert all(one.outcome.exits[0].kind != "budget" for one in permitted)


def test_lengths_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="1 to 64"):
        strategies.campaign_cases(lengths=(65,))
