"""Rows of the specification

Every row of the encoding tables gets the same number of random states, ``--row-cases`` of them: operands of every
class, registers that coincide, and every combination of FPCR in turn where it matters. The records keep what they had.
"""

import pytest

from assay64.harness.cases.random_cases import EVERYTHING
from assay64.harness.cases.rows import rows_of
from assay64.harness.row_campaign import check_rows
from assay64.reference import definitions

pytestmark = pytest.mark.random


@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition.name)
def test_rows(backend, definition, assay64_judge, assay_seed, assay_row_cases):
    check_rows(rows_of(definition, EVERYTHING), backend, assay64_judge, assay_seed, assay_row_cases)
