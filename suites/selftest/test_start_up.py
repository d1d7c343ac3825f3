"""What a command imports: a case runs in milliseconds, so that the answer to one is as late as its imports are slow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Each takes longer to import than a case takes to run, and none is needed for one case.
HEAVY = {"hypothesis", "llvmlite", "packaging", "pydantic", "pytest", "rich", "unicorn", "xdist", "_pytest"}
OTHER_COMMANDS = {f"assay64.harness.cli.{name}" for name in ("bench", "doctor", "fuzz", "run", "spec")}
TOKEN = "ab020020:x1=-1,x2=1"  # noqa: S105 - a replay token, no password


def imported(statements: str) -> set[str]:
    """The modules that a new process has after these statements."""
    program = f"import json, sys\n{statements}\nprint(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=300)
    return set(json.loads(printed.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [
        ["diff", "adds x0, x1, x2", "--set", "x1=-1", "-b", "unicorn"],
        ["replay", TOKEN, "-b", "unicorn"],
        ["replay", TOKEN, "-b", "reference", "--json"],
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_one_case_imports_no_engine_framework_or_other_command(arguments: list[str]) -> None:
    found = imported(f"from assay64.harness.cli import invoke\nassert invoke({arguments!r}) == 0")
    assert "assay64.harness.judge.judge" in found
    assert not found & (HEAVY | OTHER_COMMANDS)


def test_a_worker_imports_no_engine_and_no_command_line() -> None:
    found = imported("import assay64.harness.judge.worker")
    assert "numpy" in found
    assert not found & (HEAVY | {"typer", "capstone", "keystone", "assay64.reference.machine", "assay64.harness.cli"})


def test_what_starts_the_workers_is_imported_before_anything_heavy() -> None:
    found = imported("import assay64.harness.judge.zygote")
    assert not found & (HEAVY | {"numpy", "msgspec", "importlib.metadata"})


def test_the_package_itself_imports_none_of_its_parts() -> None:
    found = imported("import assay64.reference.cache, assay64.reference.errors")
    assert not {name for name in found if name.startswith(("assay64.harness", "assay64.reference.en"))}
