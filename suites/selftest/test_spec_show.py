"""`assay64 spec show`: the tests that cover a definition, by an index that is what the suites give; the backends."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from assay64.harness.cli import application
from assay64.harness.cli.spec_show import Backends, covering_tests
from assay64.reference import Definition, definitions
from assay64.suites import covers


def the(name: str) -> Definition:
    return next(one for one in definitions() if one.name == name)


def test_the_committed_index_is_what_the_suites_give() -> None:
    assert covers.INDEX.read_bytes() == covers.text(covers.collect()), f"drifted: {covers.GENERATOR}"


def test_a_definition_names_the_tests_whose_cases_contain_it() -> None:
    found = covering_tests(the("add_sub_shifted_register"))
    assert "data_processing_register/test_add_sub_shifted.py" in found
    assert not any("selftest" in path or "random" in path for path in found)


@pytest.fixture(scope="module")
def backends() -> Backends:
    return Backends()


def test_a_backend_has_what_its_features_allow(backends: Backends) -> None:
    assert backends.having(the("divide"))["unicorn"] == "yes"
    assert backends.having(the("bfloat_dot"))["unicorn"] == "no: lacks FEAT_BF16"
    assert backends.having(the("branch_register"))["reference"] == "yes"


def test_the_command_prints_tests_and_backends() -> None:
    result = CliRunner().invoke(application(), ["spec", "show", "bfloat_dot"])
    assert result.exit_code == 0, result.output
    assert "random_instructions/test_rows.py::test_rows[bfloat_dot]" in result.output
    assert "lacks FEAT_BF16" in result.output
    data = json.loads(CliRunner().invoke(application(), ["spec", "show", "ADRP", "--json"]).output)
    assert data[0]["tests"] == covering_tests(the("pc_relative"))
    assert data[0]["backends"]["reference"] == "yes"
