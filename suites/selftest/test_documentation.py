"""The examples of the documentation do what they say."""

from __future__ import annotations

import doctest

import pytest

from assay64.reference import machine


@pytest.mark.parametrize("document", ["docs/machine.md"])
def test_examples_of_a_document(checkout, document):
    result = doctest.testfile(str(checkout / document), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0


def test_examples_of_machine():
    result = doctest.testmod(machine)
    assert result.attempted >= 5
    assert result.failed == 0
