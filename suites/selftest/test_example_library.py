"""A stranger's backend: the C example, copied out of the tree, built with one make, keeps the contract and is judged
without a false alarm.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from assay64.harness.backends import registry
from assay64.harness.cli import invoke
from assay64.harness.cli.check_backend import check
from assay64.harness.judge.contract_checks import CHECKS

SOURCE = Path(registry.__file__).parent / "examples" / "library" / "toy.c"

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or shutil.which("cc") is None, reason="make and cc build the example"
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert invoke(["backends", "--example", "library"]) == 0
    done = subprocess.run(["make"], cwd=folder / "library", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "library" / "libtoy.so"


def test_the_example_is_short():
    assert len(SOURCE.read_text("utf-8").splitlines()) <= 150


def test_the_example_keeps_the_contract(toy):
    results = list(check(str(toy), 60.0))
    assert [one.name for one in results] == list(CHECKS)
    assert [one for one in results if one.status not in ("ok", "not declared")] == []


def test_the_table_of_the_example_has_matches_and_unsupported_and_nothing_else(toy, capsys):
    suites = ["add_sub", "branch_immediate", "register_immediate", "hints", "udf"]
    code = invoke(["run", *suites, "--backend", str(toy), "-j", "1", "--json"])
    data = json.loads(capsys.readouterr().out)
    verdicts: dict[str, int] = {}
    for backends in data["verdicts"].values():
        for kind, count in backends[str(toy)].items():
            verdicts[kind] = verdicts.get(kind, 0) + count
    assert code == 0
    assert set(verdicts) == {"match", "unsupported"}
    # Its five instructions are judged, and everything else is refused.
    assert verdicts["match"] >= 30
    assert verdicts["unsupported"] >= 100


@pytest.mark.parametrize(
    "text",
    ["add x0, x1, #5", "b . + 8; nop; nop", "ldr x0, [x1, #8]", "str x0, [sp]", "nop", "add x0, x0, #1; b . - 4"],
)
def test_its_five_instructions_match(toy, text, capsys):
    assert invoke(["diff", text, "--set", "x1=0x20000000", "--backend", "reference", "--backend", str(toy)]) == 0
    verdicts = capsys.readouterr().out.split("verdict")[1].split()
    assert verdicts[:2] == ["match", "match"]


def test_what_it_does_not_know_is_unsupported(toy, capsys):
    assert invoke(["diff", "mul x0, x1, x2", "--backend", str(toy), "--json"]) == 0
    assert "unsupported" in capsys.readouterr().out
