"""Drawn instructions

Hypothesis draws encodings field by field, and states register by register.
"""

import pytest
from hypothesis import given

from assay64.harness.cases.strategies import cases

pytestmark = pytest.mark.random


@given(case=cases(max_instructions=1))
def test_any_instruction_in_any_state(backend, case):
    backend.check(case)


@given(case=cases(max_instructions=6))
def test_any_sequence_in_any_state(backend, case):
    backend.check(case)
