"""`./assay64`: from a fresh clone to a running command line, whatever was interrupted before.

It is run for real in a small project: the real script, build hook and pyproject.toml without its dependencies, and a
command line that only tells how it was called.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("bootstrap")

COMMAND_LINE = '''
"""Tells on stdout how it was called and keeps a log; the exit code of a command X is that of the variable EXIT_X."""
import json, os, pathlib, sys

def main() -> None:
    log = pathlib.Path(__file__).parent / "calls.log"
    with log.open("a") as file:
        file.write(json.dumps(sys.argv[1:]) + "\\n")
    print(json.dumps(sys.argv[1:] + [os.getcwd()]))
    sys.exit(int(os.environ.get("EXIT_" + sys.argv[1].upper(), "0")) if sys.argv[1:] else 0)
'''
SILENT: list[str] = []


class Project:
    """A clone to run ./assay64 in. Its path has a space, as home folders of users do."""

    def __init__(self, root: Path, checkout: Path) -> None:
        self.root = root
        for package in ("harness", "reference", "suites"):
            (root / package).mkdir(parents=True)
            (root / package / "__init__.py").touch()
        for name in (
            "assay64",
            "LICENSE",
            "README.md",
            "harness/_hatch_build.py",
            "harness/_facade.py",
            "harness/py.typed",
        ):
            shutil.copy(checkout / name, root / name)
        (root / "docs").mkdir()
        shutil.copy(checkout / "docs" / "pipe-protocol.md", root / "docs")
        shutil.copy(checkout / "harness" / "system_packages.toml", root / "harness")
        (root / "harness" / "cli").mkdir()
        (root / "harness" / "cli" / "__init__.py").write_text(COMMAND_LINE, encoding="utf-8")
        text = (checkout / "pyproject.toml").read_text(encoding="utf-8")
        text, count = re.subn(r"^dependencies = \[$.*?^\]$", "dependencies = []", text, flags=re.MULTILINE | re.DOTALL)
        assert count == 1
        (root / "pyproject.toml").write_text(text, encoding="utf-8")
        self.venv = root / ".venv"
        self.log = root / "harness" / "cli" / "calls.log"

    def start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
        return subprocess.Popen(
            [str(self.root / "assay64"), *arguments],
            cwd=cwd or self.root,
            env={**kept, "ASSAY64_PYTHON": sys.executable, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, cwd: Path | None = None, **environment: str) -> tuple[int, str, list[str]]:
        """Exit code, stdout, and the lines of the script itself and its helpers on stderr."""
        process = self.start(*arguments, cwd=cwd, **environment)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err.splitlines()

    def calls(self) -> list[list[str]]:
        """The calls of the command line since the last look."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def module_project(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after its first run, which is checked here because every other test builds on it."""
    project = Project(tmp_path_factory.mktemp("a clone") / "assay64", checkout)
    code, out, err = project.run("backends", "--json")
    assert code == 0, err
    assert json.loads(out) == ["backends", "--json", str(project.root)], "stdout belongs to the command line alone"
    assert any("making .venv" in line for line in err), err
    assert any("installing" in line for line in err), err
    return project


@pytest.fixture
def project(module_project: Project) -> Project:
    """The project set up, with no stamps but those of the set-up itself, and an empty log."""
    code, _, err = module_project.run("backends")
    assert code == 0, err
    for name in ("system", "tox"):
        (module_project.venv / f".assay64-{name}").unlink(missing_ok=True)
    module_project.calls()
    return module_project


def test_the_second_run_sets_nothing_up(project: Project) -> None:
    before = {path: path.stat().st_mtime_ns for path in project.venv.rglob("*") if "__pycache__" not in path.parts}
    code, out, err = project.run("backends")
    assert (code, json.loads(out)[0], err) == (0, "backends", SILENT)
    after = {path: path.stat().st_mtime_ns for path in project.venv.rglob("*") if "__pycache__" not in path.parts}
    assert after == before


def test_arguments_folder_and_exit_code_are_those_of_the_command_line(project: Project, tmp_path: Path) -> None:
    code, out, err = project.run("fail", "adds x0, x1, x2", "", "*", cwd=tmp_path, EXIT_FAIL="3")
    assert (code, err) == (3, SILENT)
    assert json.loads(out) == ["fail", "adds x0, x1, x2", "", "*", str(tmp_path)]


def test_it_works_through_a_link(project: Project, tmp_path: Path) -> None:
    (tmp_path / "assay64").symlink_to(project.root / "assay64")
    done = subprocess.run([tmp_path / "assay64", "backends"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_changed_pyproject_is_installed_again(project: Project) -> None:
    file = project.root / "pyproject.toml"
    file.write_text(file.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    code, _, err = project.run("backends")
    assert code == 0
    assert any("installing" in line for line in err)
    assert not any("making .venv" in line for line in err)
    assert project.run("backends")[2] == SILENT


@pytest.mark.parametrize(
    ("lost", "remade"),
    [
        (".venv/.assay64-install", "installing"),
        (".venv/bin/assay64", "installing"),
        ("build", "installing"),
        (".venv/bin/python", "making .venv"),
        (".venv/.assay64-venv", "making .venv"),
    ],
)
def test_what_an_interruption_left_half_done_is_done_again(project: Project, lost: str, remade: str) -> None:
    path = project.root / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    code, _, err = project.run("backends")
    assert code == 0, err
    assert any(remade in line for line in err), err
    assert project.run("backends")[2] == SILENT


def test_a_killed_run_leaves_nothing_that_stops_the_next(project: Project) -> None:
    shutil.rmtree(project.venv)
    process = project.start("backends")
    assert process.stderr is not None
    line = ""
    while "installing" not in line:
        line = process.stderr.readline()
        assert line, "it ended before it installed anything"
    process.kill()
    process.communicate()
    code, _, err = project.run("backends")
    assert code == 0, err
    assert project.run("backends")[2] == SILENT


def test_two_at_once_set_up_once(project: Project) -> None:
    shutil.rmtree(project.venv)
    both = [project.start("backends") for _ in range(2)]
    texts = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], texts
    assert sum(text.count("making .venv with") for text in texts) == 1, texts
    assert sum(text.count("assay64: installing") for text in texts) == 1, texts


def test_a_moved_clone_is_set_up_anew(project: Project, checkout: Path, tmp_path: Path) -> None:
    moved = Project(tmp_path / "moved", checkout)
    shutil.copytree(project.venv, moved.venv, symlinks=True)
    code, out, err = moved.run("backends")
    assert code == 0, err
    assert any("making .venv" in line for line in err)
    assert moved.calls(), "the copy must run its own command line, not that of the first clone"
    assert json.loads(out)[0] == "backends"


def test_run_asks_for_the_system_packages_once(project: Project) -> None:
    assert project.run("run", "--backend", "reference")[0] == 0
    assert project.calls() == [["doctor", "--install"], ["run", "--backend", "reference"]]
    assert project.run("run")[2] == SILENT
    assert project.calls() == [["run"]]
    table = project.root / "harness" / "system_packages.toml"
    table.write_text(table.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert project.run("run")[0] == 0
    assert project.calls() == [["doctor", "--install"], ["run"]]


def test_run_keeps_stdout_for_itself(project: Project) -> None:
    out = project.run("run", "--json")[1]
    assert [json.loads(line)[0] for line in out.splitlines()] == ["run"]


def test_help_installs_nothing(project: Project) -> None:
    assert project.run("run", "--help")[0] == 0
    assert project.calls() == [["run", "--help"]]


def test_run_goes_on_when_the_system_packages_cannot_be_installed(project: Project) -> None:
    code, _, err = project.run("run", EXIT_DOCTOR="1")
    assert code == 0
    assert any("going on with what is here" in line for line in err)
    assert project.run("run")[0] == 0
    assert project.calls() == [["doctor", "--install"], ["run"]] * 2, "it tries again the next time"


def test_test_runs_tox_with_its_arguments(project: Project, tmp_path: Path) -> None:
    wanted = re.search(
        r'^tox = \["(.*)"\]$', (project.root / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert wanted
    (project.venv / ".assay64-tox").write_text(wanted[1] + "\n", encoding="utf-8")
    tox = project.venv / "bin" / "tox"
    tox.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 7\n', encoding="utf-8")
    tox.chmod(0o755)
    code, out, _ = project.run("test", "-e", "lint", cwd=tmp_path)
    root = str(project.root)
    assert (code, out.splitlines()) == (7, ["run", "--root", root, "-c", f"{root}/tox.ini", "-e", "lint"])
    assert project.calls() == [["doctor", "--install"]], "tests need the system packages too"


def fake_python(folder: Path, body: str) -> str:
    path = folder / "a fake python"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_a_python_without_venv_gets_the_command_that_cures_it(checkout: Path, tmp_path: Path) -> None:
    fresh = Project(tmp_path / "fresh", checkout)
    python = fake_python(tmp_path, f'case "$*" in *ensurepip*) exit 1 ;; esac\nexec {sys.executable} "$@"')
    code, out, err = fresh.run("backends", ASSAY64_PYTHON=python)
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    assert (code, out, len(err)) == (1, "", 1)
    assert f"apt-get install -y {package}" in err[0]
    assert not fresh.venv.exists()


@pytest.mark.parametrize("python", ["an old one", "/nowhere/python3"])
def test_no_fit_python_is_said_in_one_line(checkout: Path, tmp_path: Path, python: str) -> None:
    fresh = Project(tmp_path / "fresh", checkout)
    if python == "an old one":
        python = fake_python(tmp_path, "exit 1")  # what the script's own version check answers on an old Python
    code, out, err = fresh.run("backends", ASSAY64_PYTHON=python)
    assert (code, out, len(err)) == (1, "", 1)
    assert "3.11 or newer" in err[0]
