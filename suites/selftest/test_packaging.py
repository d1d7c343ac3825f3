"""What users install: the wheel, the source distribution and the editable install hold what they should, and work."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("harness", "reference", "suites")
# In the source tree only: the build hook, and the files that become those of the package itself.
NOT_IN_PACKAGES = {"harness/_hatch_build.py", "harness/_facade.py", "harness/_strategies.py", "harness/py.typed"}
LEFT_BEHIND = {"__pycache__", ".hypothesis", ".pytest_cache", ".ruff_cache"}

pytestmark = pytest.mark.xdist_group("packaging")


def run(*command: str | Path, cwd: Path) -> str:
    """stdout of a command that must succeed; its stderr is in the failure's report."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def sources(checkout: Path) -> set[str]:
    """Every file of the three packages, relative to the checkout."""
    return {
        path.relative_to(checkout).as_posix()
        for package in PACKAGES
        for path in (checkout / package).rglob("*")
        if path.is_file() and not LEFT_BEHIND & set(path.parts)
    }


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source distribution, and the wheel that is built from it and not from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, checkout, cwd=out)
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(checkout: Path, built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {f"assay64/{name}" for name in sources(checkout) - NOT_IN_PACKAGES}
    protocol = "assay64/harness/backends/examples/program/pipe-protocol.md"
    assert names == expected | {"assay64/__init__.py", "assay64/strategies.py", "assay64/py.typed", protocol}
    assert "assay64/harness/system_packages.toml" in names


def test_the_sdist_holds_the_sources_and_what_building_and_checking_needs(
    checkout: Path, built: tuple[Path, Path]
) -> None:
    with tarfile.open(built[0]) as archive:
        names = {member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()}
        (script,) = [member for member in archive.getmembers() if member.name.endswith("/assay64")]
    assert sources(checkout) <= names
    wanted = {
        "pyproject.toml",
        "tox.ini",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "assay64",
        ".ci/run",
    }
    assert wanted <= names
    assert {name.split("/")[0] for name in names}.isdisjoint({"results", "build", "dist", ".venv", ".tox", ".git"})
    assert script.mode & 0o111, "the bootstrap script must stay executable"


def test_every_entry_point_names_a_module_of_the_wheel(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        names = set(archive.namelist())
        (table,) = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
        entries = configparser.ConfigParser(delimiters=("=",))
        entries.read_string(archive.read(table).decode())
    built_in = {"reference", "unicorn", "dynarmic", "qemu-user", "native", "icicle"}
    assert set(entries["assay64.backends"]) == built_in
    modules = [
        value.split(":")[0].replace(".", "/") for group in entries.sections() for value in entries[group].values()
    ]
    missing = [module for module in modules if not {f"{module}.py", f"{module}/__init__.py"} & names]
    assert not missing


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment with the wheel in it; it borrows the dependencies of this one."""
    home = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    programs = home / "bin"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        programs / "python",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        built[1],
        cwd=home,
    )
    (packages,) = (home / "lib").glob("python*/site-packages")
    # Behind the wheel on the path, and without this environment's .pth files: those would show the editable install.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return programs


def test_the_installed_wheel_works_from_any_folder(installed: Path, tmp_path: Path) -> None:
    from assay64 import __version__

    assert run(installed / "assay64", "--version", cwd=tmp_path).split()[-1] == __version__
    code = (
        "import json, assay64.harness, assay64.reference, assay64.suites, sys\n"
        "print(json.dumps([m.__file__ for m in (assay64, assay64.harness, assay64.reference, assay64.suites)]))"
    )
    files = json.loads(run(installed / "python", "-I", "-c", code, cwd=tmp_path))
    assert all(Path(file).is_relative_to(installed.parent / "lib") for file in files), files


def test_the_installed_wheel_finds_its_data_files(installed: Path, tmp_path: Path) -> None:
    report = json.loads(run(installed / "assay64", "doctor", "--json", cwd=tmp_path))
    assert {package["name"] for package in report["system_packages"]} >= {"g++", "binutils-aarch64-linux-gnu"}


def test_an_editable_install_shows_the_checkout(checkout: Path, tmp_path: Path) -> None:
    """Links, not copies: an edit is live. Type checkers find the same files through the same folder."""
    code = (
        "import json, assay64, assay64.harness, assay64.reference, assay64.suites\n"
        "print(json.dumps([m.__file__ for m in (assay64, assay64.harness, assay64.reference, assay64.suites)]))"
    )
    files = json.loads(run(sys.executable, "-I", "-c", code, cwd=tmp_path))
    assert all(Path(file).is_relative_to(checkout / "build" / "dev" / "assay64") for file in files), files
    assert [os.path.realpath(file) for file in files] == [
        str(checkout / "harness" / "_facade.py"),
        *(str(checkout / package / "__init__.py") for package in PACKAGES),
    ]


def test_importing_the_package_imports_none_of_its_parts(tmp_path: Path) -> None:
    code = "import sys, assay64; print([m for m in sys.modules if m.startswith('assay64.')])"
    assert run(sys.executable, "-I", "-c", code, cwd=tmp_path).strip() == "[]"
