"""Hypothesis strategies for A64 code, states and cases, for property tests of your own backend.

This file becomes ``assay64/strategies.py``; the strategies and how to use them are in assay64.harness.cases.strategies.
"""

from assay64.harness.cases.strategies import (
    addresses,
    campaign_cases,
    cases,
    floats,
    fpcr,
    instructions,
    integers64,
    states,
    vectors,
)

__all__ = [
    "addresses",
    "campaign_cases",
    "cases",
    "floats",
    "fpcr",
    "instructions",
    "integers64",
    "states",
    "vectors",
]
