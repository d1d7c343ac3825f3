"""A fault planted in the specification is found by ``assay64 run``, shrunk to one instruction, and its token replays.

The faulty specification is a copy in a folder of its own; judged by it, a right backend looks wrong. What is shown is
the path from a difference to a reproducer, on the real command line.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RIGHT = "    if S:\n        PSTATE.nzcv = nzcv\n    X[Rd, datasize] = result"
WRONG = "    if S:\n        PSTATE.nzcv = nzcv ^ 0b0010\n    X[Rd, datasize] = result"
COMMAND = "import sys; from assay64.harness.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def faulty(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of assay64 whose ADDS and SUBS (shifted register) invert C."""
    folder = tmp_path_factory.mktemp("faulty")
    package = folder / "assay64"
    ignore = shutil.ignore_patterns("__pycache__", "selftest")
    for part in ("reference", "harness", "suites"):
        shutil.copytree(checkout / part, package / part, ignore=ignore)
    shutil.copy(checkout / "harness" / "_facade.py", package / "__init__.py")
    file = package / "reference" / "spec" / "data_processing_register" / "add_sub.py"
    text = file.read_text(encoding="utf-8")
    assert text.count(RIGHT) >= 1
    file.write_text(text.replace(RIGHT, WRONG, 1), encoding="utf-8")
    return folder


def assay64(*arguments: str, package: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    if package is not None:
        environment["PYTHONPATH"] = str(package)
    command = [sys.executable, "-c", COMMAND, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def test_a_wrong_flag_is_found_shrunk_and_replayed(faulty: Path) -> None:
    found = assay64(
        *("run", "random_instructions", "--backend", "unicorn", "--cases", "40", "--seed", "8", "--json"),
        *("-k", "add_sub_shifted_register or test_sequences"),
        package=faulty,
    )
    assert found.returncode == 1, found.stderr or found.stdout[-2000:]
    failures = json.loads(found.stdout)["failures"]
    assert failures
    for failure in failures:
        token = failure["token"]
        code = token.partition(":")[0].partition("@")[0]
        assert len(code) == 8, f"not one instruction: {token}"
        assert int(code, 16) & 0x3F200000 == 0x2B000000, f"not ADDS or SUBS (shifted register): {token}"
        again = assay64("replay", token, "--backend", "unicorn", package=faulty)
        assert again.returncode == 1, again.stderr
        assert "nzcv" in again.stdout
        assert "C differs" in again.stdout
        assert "reference/spec/data_processing_register/add_sub.py:" in again.stdout
        right = assay64("replay", token, "--backend", "unicorn")
        assert right.returncode == 0, right.stdout
