"""Random instructions

Single instructions of every definition, and sequences of all of them, with states that hit corners. The same seed gives
the same cases; ``--assay-cases`` says how many each test draws.
"""

import pytest

from assay64.harness.cases.random_cases import Generator
from assay64.reference import definitions

pytestmark = pytest.mark.random


@pytest.mark.parametrize("definition", [definition.name for definition in definitions()])
def test_single_instructions(backend, definition, assay_seed, assay_cases):
    generator = Generator(assay_seed, only=(definition,), lengths=(1,))
    assert backend.check_many(generator.cases(assay_cases)) == assay_cases


@pytest.mark.parametrize("length", [2, 4, 8, 16])
def test_sequences(backend, length, assay_seed, assay_cases):
    # One instruction that a backend lacks would make the whole sequence unsupported.
    features = backend.judge.capabilities(backend.name).features
    generator = Generator(assay_seed, lengths=(length,), features=features)
    assert backend.check_many(generator.cases(assay_cases)) == assay_cases
