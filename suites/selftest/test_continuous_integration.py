"""In continuous integration a missing package is no reason to skip: it fails here and names the command."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import pytest

from assay64.harness import system_packages
from assay64.harness.backends import registry
from assay64.harness.cli import invoke

# libdynarmic-dev and the other packages exist for this machine; elsewhere a backend may be absent for good.
COMPLETE = (platform.system(), platform.machine()) == ("Linux", "x86_64")


@pytest.mark.parametrize("name", ["reference", "unicorn", "dynarmic", "qemu-user", "icicle"])
def test_every_backend_of_this_machine_is_here(name: str) -> None:
    missing = registry.load(name).available()
    if not (os.environ.get("CI") and COMPLETE):
        pytest.skip("asked in continuous integration on Linux x86-64 only")
    assert missing is None, f"{name}: {missing}"


@pytest.mark.parametrize("package", system_packages.packages_for(platform.machine()), ids=lambda package: package.name)
def test_every_system_package_that_tests_need_is_here(package: system_packages.SystemPackage) -> None:
    """Without GNU as or a C++ compiler tests of assembling, of the C ABI and of Dynarmic would be skipped."""
    if not os.environ.get("CI") or platform.system() != "Linux":
        pytest.skip("asked in continuous integration on Linux only")
    if not package.install:
        pytest.skip(f"{package.name} is optional: what needs it has a second way, or is a backend of its own")
    found = system_packages.find(package)
    assert found is not None, f"{package.name} ({package.why}) is missing: {system_packages.how_to_get(package)}"


@pytest.mark.parametrize("workflow", ["ci", "nightly"])
def test_commands_of_the_workflows_exist(workflow: str, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (checkout / ".github" / "workflows" / f"{workflow}.yml").read_text("utf-8")
    commands = re.findall(r"run: \./assay64 (.*)", text)
    assert "test" in {command.split()[0] for command in commands}
    for command in commands:
        name, *rest = command.partition(" > ")[0].split()
        if name == "test":  # tox's, whose pytest arguments stand behind --
            assert not rest or rest[:3] == ["-e", "test", "--"]
            continue
        words = [name, rest[0]] if name == "bench" else [name]
        assert invoke([*words, "--help"]) == 0
        known = capsys.readouterr().out
        assert [one for one in rest if one.startswith("--") and one not in known] == []
