"""`assay64 doctor`: what is here, what is missing and how to get it; with --install, gets it.

It reads the installed distribution's own requirements, the table of system packages and the registered backends, and
must hold no list of its own. It must work wherever Python works: what cannot be found out is reported as missing.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Annotated

import msgspec
import typer
from packaging.requirements import Requirement
from tabulate import tabulate

from assay64.harness import system_packages
from assay64.harness.backends import registry
from assay64.harness.cli.doctor_engine import examine_engine, show_engine
from assay64.harness.errors import UsageError

DISTRIBUTION = "assay64"


class PythonPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A Python dependency: what is asked for, the version that is installed or None, and whether that will do.

    `source_only` marks what is required elsewhere and has no wheel for this machine.
    """

    name: str
    wanted: str
    installed: str | None
    ok: bool
    optional: bool
    source_only: bool
    get: str


class BackendState(msgspec.Struct, frozen=True, kw_only=True):
    """A registered backend; `missing` is None when it can run here, else one line that says what it lacks."""

    name: str
    missing: str | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `assay64 doctor --json` prints."""

    python: str
    executable: str
    system: str
    machine: str
    python_packages: list[PythonPackage]
    system_packages: list[system_packages.Finding]
    backends: list[BackendState]


def python_packages() -> list[PythonPackage]:
    """The dependencies that the installed distribution declares, those of its extras marked as optional."""
    lines = [Requirement(line) for line in requires(DISTRIBUTION) or []]
    required = {
        line.name: line for line in lines if not _of_extra(line) and (line.marker is None or line.marker.evaluate())
    }
    elsewhere = {line.name for line in lines if not _of_extra(line)} - set(required)
    extras = {line.name: line for line in lines if _of_extra(line) and line.name not in required}
    return [
        _python_package(line, optional=line.name in extras, source_only=line.name in elsewhere)
        for _, line in [*sorted(required.items()), *sorted(extras.items())]
    ]


def _of_extra(requirement: Requirement) -> bool:
    return "extra ==" in str(requirement.marker)


def _python_package(requirement: Requirement, *, optional: bool, source_only: bool) -> PythonPackage:
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        installed = None
    return PythonPackage(
        name=requirement.name,
        wanted=str(requirement.specifier),
        installed=installed,
        ok=installed is not None and requirement.specifier.contains(installed, prereleases=True),
        optional=optional,
        source_only=source_only,
        get=f"{sys.executable} -m pip install '{requirement.name}{requirement.specifier}'",
    )


def backends() -> list[BackendState]:
    """The registered backends. One that cannot even be loaded is reported like one that lacks something."""
    states: list[BackendState] = []
    for name in registry.names():
        try:
            missing = registry.load(name).available()
        except UsageError as error:
            missing = str(error)
        except Exception as error:  # noqa: BLE001 - a plug-in can fail in any way
            missing = f"it fails when it is asked: {type(error).__name__}: {error}"
        states.append(BackendState(name=name, missing=missing))
    return states


def examine() -> Report:
    """Look at this machine. Starts a few programs with --version; takes about a second."""
    return Report(
        python=platform.python_version(),
        executable=sys.executable,
        system=platform.system(),
        machine=platform.machine(),
        python_packages=python_packages(),
        system_packages=system_packages.findings(),
        backends=backends(),
    )


def install_missing() -> None:
    """Get what `system_packages.toml` marks for installation; where that is not possible, say the command and go on.

    Raises InstallFailed when apt-get was started and did not succeed.
    """
    missing = [finding for finding in system_packages.findings() if finding.found is None and not finding.optional]
    if not missing:
        tell("every system package that it would install is here")
    elif system_packages.install([finding.name for finding in missing], tell):
        tell("system packages are installed")
    else:
        tell("these make more of it usable, and cannot be installed without your help:")
        for line in by_hand(missing):
            tell(f"  {line}")
    for package in python_packages():
        if package.source_only and not package.ok:
            build(package)


def by_hand(missing: list[system_packages.Finding]) -> list[str]:
    """What the user types to get `missing`: one command where one will do."""
    if system_packages.has_apt():
        return [system_packages.apt_command([finding.name for finding in missing])]
    return [f"{finding.name} ({finding.why}): {finding.get or 'not available on this system'}" for finding in missing]


def build(package: PythonPackage) -> None:
    """Build a Python package that has no wheel for this machine. A failure is told, no more."""
    if sys.prefix == sys.base_prefix:
        tell(f"{package.name} has no wheel for this machine; to build it, in a virtual environment:  {package.get}")
        return
    tell(f"building {package.name} from source, because it has no wheel for this machine; this can take ten minutes")
    # Its CMake files ask for versions of CMake that CMake 4 has dropped.
    environment = {**os.environ, "CMAKE_POLICY_VERSION_MINIMUM": "3.5"}
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", f"{package.name}{package.wanted}"]
    if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=2, check=False).returncode != 0:
        tell(f"{package.name} could not be built; going on without it")


def tell(text: str) -> None:
    """Progress goes to stderr: stdout is for the report."""
    typer.echo(f"{DISTRIBUTION}: {text}", err=True)


def show(report: Report) -> None:
    """Print the report for people."""
    typer.echo(f"Python {report.python} on {report.system} {report.machine}: {report.executable}")
    rows = [
        (_state(package.ok, package.optional), package.name, package.installed or "", "" if package.ok else package.get)
        for package in report.python_packages
    ]
    typer.echo("\nPython packages\n" + tabulate(rows, tablefmt="plain"))
    rows = [
        (
            _state(finding.found is not None, finding.optional),
            finding.name,
            finding.why,
            finding.found or finding.get or "not available here",
        )
        for finding in report.system_packages
    ]
    typer.echo("\nSystem packages\n" + tabulate(rows, tablefmt="plain"))
    rows = [
        ("ready" if backend.missing is None else "missing", backend.name, backend.missing or "")
        for backend in report.backends
    ]
    typer.echo("\nBackends\n" + tabulate(rows, tablefmt="plain"))


def _state(here: bool, optional: bool) -> str:
    return "ok" if here else "optional" if optional else "missing"


def _json(report: msgspec.Struct) -> str:
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def doctor(
    install: Annotated[
        bool,
        typer.Option("--install", help="Install the system packages that are missing (apt-get, as root or with sudo)."),
    ] = False,
    engine: Annotated[
        bool, typer.Option("--engine", help="Say only how the native engine was compiled, and what memory it takes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """What is here, what is missing and how to get it.

    Exit code 0, also when --install has no right to install and only says the command; 1 when apt-get itself fails, or
    when a required Python package is missing.
    """
    if engine:
        about = examine_engine()
        typer.echo(_json(about)) if as_json else show_engine(about)
        return
    code = 0
    if install:
        try:
            install_missing()
        except system_packages.InstallFailed as error:
            tell(str(error))
            code = 1
    report = examine()
    if as_json:
        typer.echo(_json(report))
    else:
        show(report)
    if not all(package.ok or package.optional for package in report.python_packages):
        code = 1
    if code:
        raise typer.Exit(code)
