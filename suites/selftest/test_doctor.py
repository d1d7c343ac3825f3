"""`assay64 doctor`: finds what is here, says how to get the rest, and installs only where it may."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from assay64.harness import system_packages
from assay64.harness.backends import registry
from assay64.harness.errors import UsageError
from assay64.harness.system_packages import SystemPackage

# By name: as an attribute of its package, the command function hides the module.
command = importlib.import_module("assay64.harness.cli.doctor")

app = typer.Typer()
app.command()(command.doctor)

MakeProgram = Callable[[str, str], None]


def doctor(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeProgram:
    """Makes shell scripts that are all that is on PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, body: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    return make


@pytest.fixture
def apt(programs: MakeProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A Debian with none of the packages, whose apt-get lacks only libdynarmic-dev; returns the calls of apt-get."""
    log = tmp_path / "apt.log"
    monkeypatch.setattr(system_packages, "find", lambda package: None)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    programs("apt-get", f'echo "$*" >>"{log}"')
    programs("env", 'shift; exec "$@"')
    programs("apt-cache", 'case $2 in libdynarmic-dev) ;; *) echo "  Candidate: 1.0" ;; esac')
    return lambda: log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def user(monkeypatch: pytest.MonkeyPatch, user_id: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user_id)


INSTALL = "install -y --no-install-recommends -q g++ binutils-aarch64-linux-gnu qemu-user"


def test_root_installs_what_the_distribution_has(apt: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    user(monkeypatch, 0)
    code, _, err = doctor("--install")
    assert code == 0
    assert apt() == ["update -qq", INSTALL]
    assert "libdynarmic-dev" in err, "what is left out is named"


def test_a_user_with_sudo_installs_through_it(
    apt: Callable[[], list[str]], programs: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 1000)
    programs("true", "exit 0")
    programs("sudo", '[ "$1" = -n ] || exit 9\nshift\nexec "$@"')
    assert doctor("--install")[0] == 0
    assert apt() == ["update -qq", INSTALL]


@pytest.mark.parametrize("sudo", ["absent", "asks for a password"])
def test_a_user_without_rights_is_told_the_command(
    apt: Callable[[], list[str]], programs: MakeProgram, monkeypatch: pytest.MonkeyPatch, sudo: str
) -> None:
    user(monkeypatch, 1000)
    if sudo != "absent":
        programs("sudo", "exit 1")
    code, _, err = doctor("--install")
    assert code == 0, "it goes on with what is here"
    assert apt() == []
    wanted = "sudo apt-get install -y --no-install-recommends g++ libdynarmic-dev binutils-aarch64-linux-gnu qemu-user"
    assert wanted in err


def test_a_failing_apt_get_is_said_and_is_an_error(
    apt: Callable[[], list[str]], programs: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 0)
    programs("apt-get", "exit 100")
    code, out, err = doctor("--install")
    assert code == 1
    assert "apt-get failed" in err
    assert "Python packages" in out, "the report follows all the same"


def test_a_failing_update_does_not_stop_the_installation(
    apt: Callable[[], list[str]], programs: MakeProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 0)
    programs("apt-get", f'echo "$*" >>"{tmp_path / "apt.log"}"\n[ "$1" != update ]')
    assert doctor("--install")[0] == 0
    assert apt()[-1] == INSTALL


def test_nothing_is_installed_without_being_asked(
    apt: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 0)
    code, out, _ = doctor()
    assert code == 0, "a missing system package is no error"
    assert apt() == []
    assert "missing" in out


@pytest.mark.parametrize("system", ["Linux", "Darwin", "FreeBSD", ""])
def test_without_apt_get_it_says_what_to_install_and_goes_on(
    programs: MakeProgram, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    """`programs` leaves PATH empty; `doctor` must work on whatever system this is."""
    monkeypatch.setattr(system_packages, "find", lambda package: None)
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(command, "backends", list)
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    code, out, err = doctor("--install")
    assert code == 0
    for text in (out, err):
        assert "cmake" in text
        assert ("brew install cmake" in text) == (system == "Darwin")
        assert "apt-get" not in text


def test_a_package_is_asked_for_only_on_its_architectures() -> None:
    names = {
        machine: {package.name for package in system_packages.packages_for(machine)}
        for machine in ("x86_64", "aarch64")
    }
    assert "libdynarmic-dev" in names["x86_64"] - names["aarch64"]
    assert "cmake" in names["aarch64"] - names["x86_64"]
    assert "g++" in names["x86_64"] & names["aarch64"] & {
        package.name for package in system_packages.packages_for("riscv64")
    }


def test_every_row_of_the_table_can_be_looked_for() -> None:
    rows = system_packages.table()
    assert len({row.name for row in rows}) == len(rows)
    assert not [row.name for row in rows if not (row.programs or row.headers or row.libraries)]


def package(**fields: object) -> SystemPackage:
    return SystemPackage(name="x", why="", install=True, **fields)  # pyright: ignore[reportArgumentType] - a test's shorthand


def test_a_program_is_here_when_one_of_its_names_answers(programs: MakeProgram) -> None:
    compiler = package(programs=("c++", "g++"))
    assert system_packages.find(compiler) is None
    programs("c++", "echo no developer tools were found >&2; exit 1")
    assert system_packages.find(compiler) is None, "a stub that cannot run is not a compiler"
    programs("g++", "echo g++ version 12.2; echo Copyright")
    found = system_packages.find(compiler)
    assert found is not None
    assert found.endswith("g++ (g++ version 12.2)")


def test_a_library_needs_header_and_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = package(headers=("some_jit/jit.h",), libraries=("some_jit",))
    monkeypatch.setenv("CPLUS_INCLUDE_PATH", str(tmp_path))
    monkeypatch.setenv("LIBRARY_PATH", str(tmp_path))
    (tmp_path / "some_jit").mkdir()
    (tmp_path / "some_jit" / "jit.h").touch()
    assert system_packages.find(library) is None
    (tmp_path / "libsome_jit.so").touch()
    assert system_packages.find(library) == f"{tmp_path}/some_jit/jit.h, {tmp_path}/libsome_jit.so"


class Ready:
    """A backend, as far as `doctor` asks; the next two are the ways in which one cannot be used."""

    def available(self) -> str | None:
        return None


class Lacking:
    def available(self) -> str | None:
        return "libsome_jit is missing: apt-get install libsome-jit-dev"


class Broken:
    def available(self) -> str | None:
        raise OSError("bad ELF file")


def test_a_broken_backend_is_reported_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> object:
        if name == "absent":
            raise UsageError("backend 'absent' is registered as no_such:BACKEND, which cannot be loaded")
        return {"ready": Ready(), "lacking": Lacking(), "broken": Broken()}[name]

    monkeypatch.setattr(registry, "names", lambda: ["broken", "absent", "lacking", "ready"])
    monkeypatch.setattr(registry, "load", load)
    states = {state.name: state.missing for state in command.backends()}
    assert states["ready"] is None
    assert states["lacking"] == Lacking().available()
    assert "bad ELF file" in (states["broken"] or "")
    assert "cannot be loaded" in (states["absent"] or "")


def test_the_report_as_data_says_the_same() -> None:
    code, out, err = doctor("--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert report["python"] == platform.python_version()
    required = [package for package in report["python_packages"] if not package["optional"]]
    assert {"unicorn", "capstone", "hypothesis", "msgspec"} <= {package["name"] for package in required}
    assert all(package["ok"] and package["installed"] for package in required)
    assert {backend["name"] for backend in report["backends"]} >= {"reference", "unicorn", "dynarmic"}


def test_a_missing_python_package_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        command, "requires", lambda name: ["surely-not-installed>=1", "unicorn<1", 'numpy>1; extra == "x"']
    )
    code, out, _ = doctor("--json")
    found = {package["name"]: package for package in json.loads(out)["python_packages"]}
    assert code == 1
    assert found["surely-not-installed"]["installed"] is None
    assert not found["unicorn"]["ok"], "a version outside the range will not do"
    assert found["numpy"]["ok"]
    assert found["numpy"]["optional"]


def test_a_package_without_a_wheel_here_is_built(programs: MakeProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    """On arm64 the assembler's package has only sources; its build may fail, and then everything else goes on."""
    built: list[str] = []
    lines = ['some-assembler>=1; platform_machine == "none"', 'some-assembler>=1; extra == "assembler"']
    monkeypatch.setattr(command, "requires", lambda name: lines)
    monkeypatch.setattr(command, "build", lambda package: built.append(package.name))
    monkeypatch.setattr(system_packages, "findings", list)
    assert doctor("--install")[0] == 0
    assert built == ["some-assembler"]


@pytest.mark.parametrize("pip", ["succeeds", "fails"])
def test_a_build_is_one_call_of_pip_and_its_failure_is_only_told(
    programs: MakeProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pip: str
) -> None:
    log = tmp_path / "pip.log"
    programs("python", f'echo "$*" >"{log}"\nexit {int(pip == "fails")}')
    monkeypatch.setattr(sys, "executable", str(tmp_path / "programs" / "python"))
    monkeypatch.setattr(
        command, "requires", lambda name: ['no-wheel>=1; platform_machine == "none"', 'no-wheel>=1; extra == "x"']
    )
    monkeypatch.setattr(system_packages, "findings", list)
    code, _, err = doctor("--install")
    assert code == 0
    assert log.read_text(encoding="utf-8").split() == [
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "no-wheel>=1",
    ]
    assert ("could not be built" in err) == (pip == "fails")
