"""``assay64 fuzz`` finds bugs that were planted in a copy of the specification, one group each, and makes them small.

Which bug a failure belongs to is found out without the campaign's help: a copy with that bug alone permits something
else for the case than the right specification does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay64.suites.selftest.seeded_bugs import BUGS, Bug, plant

COMMAND = "import sys; from assay64.harness.cli import main; sys.exit(main())"
# Prints for each token what is permitted, as one line of JSON.
PERMITTED = """
import sys, msgspec
from assay64.harness.cases.tokens import from_token
from assay64.harness.judge.expected import Oracle
oracle = Oracle()
for token in sys.stdin.read().split():
    try:
        print(msgspec.json.encode(oracle.permitted(from_token(token))).decode())
    except Exception as error:
        print(type(error).__name__)
"""
MEMBERS = 12  # of a group that are looked at
FEW = ("subs-carry", "carry-in-ignored", "smov-zero-extends", "shifting-ones")


def python(
    code: str, *arguments: str, package: Path | None = None, text: str | None = None, timeout_s: int = 900
) -> Any:
    # Sets of names are compared as text. The native engine would first compile each copy of the specification, and
    # refuses one whose loads write before they can abort.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "ASSAY64_ENGINE": "golden"}
    if package is not None:
        environment["PYTHONPATH"] = str(package)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, env=environment, input=text, timeout=timeout_s,
    )  # fmt: skip


def causes(checkout: Path, folder: Path, findings: Sequence[dict[str, Any]], bugs: Sequence[Bug]) -> list[set[str]]:
    """For each finding the bugs that all of its members show alone; a group that mixes two bugs has none."""
    tokens = [[finding["token"], *finding["members"][: MEMBERS - 1]] for finding in findings]
    text = "\n".join(token for group in tokens for token in group)
    right = python(PERMITTED, text=text).stdout.splitlines()
    assert len(right) == sum(map(len, tokens))
    found = [set[str](bug.name for bug in bugs) for _ in findings]
    for bug in bugs:
        seen = python(PERMITTED, package=plant(checkout, folder / bug.name, [bug]), text=text).stdout.splitlines()
        differs = iter([one != other for one, other in zip(right, seen, strict=True)])
        for names, group in zip(found, tokens, strict=True):
            shows = [next(differs) for _ in group]
            if not all(shows):
                names.discard(bug.name)
    return found


def campaign(checkout: Path, folder: Path, bugs: Sequence[Bug], *arguments: str) -> dict[str, Any]:
    package = plant(checkout, folder / "all", bugs)
    found = python(COMMAND, "fuzz", "--backend", "unicorn", "--json", *arguments, package=package)
    assert found.returncode == 1, found.stderr
    assert found.stdout, found.stderr
    return json.loads(found.stdout)


def table(data: dict[str, Any], shown: Sequence[set[str]]) -> str:
    lines = [f"{data['cases']} cases, {data['seconds']} s"]
    for names, finding in zip(shown, data["findings"], strict=True):
        size = f"{len(finding['before']['code'])} -> {len(finding['case']['code'])}"
        lines.append(
            f"{'/'.join(sorted(names)) or 'NONE'}: {finding['title']} x{finding['count']} {size} {finding['seconds']} s"
        )
    return "\n".join(lines)


def own(finding: dict[str, Any]) -> bool:
    """Whether the right specification finds it, too: then it is the backend's own."""
    replayed = python(COMMAND, "replay", finding["token"], "--backend", finding["run_on"])
    return replayed.returncode == 1 and bool(replayed.stdout)


def check(data: dict[str, Any], shown: Sequence[set[str]], bugs: Sequence[Bug]) -> None:
    text = table(data, shown)
    print(text)  # noqa: T201 - the table that pytest -s shows
    unexplained = [finding for finding, names in zip(data["findings"], shown, strict=True) if not names]
    mixed = [finding["title"] for finding in unexplained if not own(finding)]
    assert not mixed, f"these groups mix bugs, or are none: {mixed}\n{text}"
    missed = {bug.name for bug in bugs} - set[str]().union(*shown)
    assert not missed, f"not found: {', '.join(sorted(missed))}\n{text}"
    assert all(len(finding["case"]["code"]) <= 3 for finding in data["findings"]), text
    weights = Counter[str]()
    for finding in data["findings"]:
        weights[finding["function"]] += finding["count"]
    functions = list(dict.fromkeys(finding["function"] for finding in data["findings"]))
    assert functions == sorted(functions, key=lambda one: (-weights[one], one)), text  # what explains most comes first


def test_planted_bugs_are_found_and_told_apart(checkout: Path, tmp_path: Path) -> None:
    bugs = [bug for bug in BUGS if bug.name in FEW]
    only = [f"--only={name}" for name in ("add_sub_*", "SMOV", "UMOV", "vector_modified_immediate")]
    data = campaign(checkout, tmp_path, bugs, "--cases", "1200", "--seed", "2", "-j", "1", "--no-modes", *only)
    check(data, causes(checkout, tmp_path, data["findings"], bugs), bugs)


@pytest.mark.nightly
def test_twenty_planted_bugs_are_found_in_two_minutes(checkout: Path, tmp_path: Path) -> None:
    assert len({bug.kind for bug in BUGS}) >= 20
    data = campaign(checkout, tmp_path, BUGS, "--time", "2m", "--seed", "1")
    check(data, causes(checkout, tmp_path, data["findings"], BUGS), BUGS)
    assert len(data["findings"]) <= 60
