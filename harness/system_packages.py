"""Which packages of the operating system are here, and how the missing ones are got: what `assay64 doctor` knows.

What there is to look for is data in system_packages.toml. This module finds and installs; it must not know any package
by name, what a backend does with it, or how the result is shown.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path

import msgspec

# Where C++ compilers and linkers look by default, and Homebrew's folders; their environment variables add to these.
INCLUDE_FOLDERS = ("/usr/include", "/usr/local/include", "/opt/homebrew/include")
LIBRARY_FOLDERS = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/*-linux-gnu",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/opt/homebrew/lib",
)
PROBE_TIMEOUT_S = 20


class SystemPackage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of system_packages.toml, whose head explains the fields."""

    name: str
    why: str
    install: bool
    architectures: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    macos: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one package on this machine. `found` says where it is, or None; `get` how it is got, or None."""

    name: str
    why: str
    optional: bool
    found: str | None
    get: str | None


class InstallFailed(Exception):
    """The package manager was started and did not succeed; its own messages have been shown."""


def table() -> list[SystemPackage]:
    """All rows of system_packages.toml, those for other architectures included."""
    text = files("assay64.harness").joinpath("system_packages.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text)["package"], list[SystemPackage])


def packages_for(machine: str) -> list[SystemPackage]:
    """The rows that apply to `machine`, named as by `uname -m`."""
    return [package for package in table() if not package.architectures or machine in package.architectures]


def find(package: SystemPackage) -> str | None:
    """Where `package` is installed, in words for the user, or None when something of it is missing."""
    found: list[str] = []
    if package.programs:
        answers = (_ask_version(program) for program in package.programs)
        answer = next((answer for answer in answers if answer), None)
        if answer is None:
            return None
        found.append(answer)
    for header in package.headers:
        path = _first(f"{folder}/{header}" for folder in (*_folders("CPATH", "CPLUS_INCLUDE_PATH"), *INCLUDE_FOLDERS))
        if path is None:
            return None
        found.append(path)
    for library in package.libraries:
        folders = (*_folders("LIBRARY_PATH"), *LIBRARY_FOLDERS)
        path = _first(f"{folder}/lib{library}.{end}" for folder in folders for end in ("so", "dylib"))
        if path is None:
            return None
        found.append(path)
    return ", ".join(found)


def findings() -> list[Finding]:
    """Every package that applies to this machine, found or not, and how it is got here."""
    return [
        Finding(
            name=package.name,
            why=package.why,
            optional=not package.install,
            found=find(package),
            get=how_to_get(package),
        )
        for package in packages_for(platform.machine())
    ]


def how_to_get(package: SystemPackage) -> str | None:
    """The command that installs `package` on this system, or None where it is not to be had as a package."""
    if platform.system() == "Darwin":
        return package.macos
    if has_apt():
        return apt_command([package.name])
    return f"install what your distribution calls {package.name}"


def has_apt() -> bool:
    """Whether this system's packages come from apt-get."""
    return shutil.which("apt-get") is not None


def apt_command(names: Sequence[str]) -> str:
    """What a user types to install `names` with apt-get."""
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    return shlex.join([*prefix, *_apt("install", *names)])


def install(names: Sequence[str], tell: Callable[[str], None]) -> bool:
    """Install `names` with apt-get, as root or through a sudo that asks for no password.

    False when this is not possible here: no apt-get, or no right to use it. Packages that this release of the
    distribution lacks are left out, and named through `tell`. Raises InstallFailed when apt-get itself fails. What it
    prints goes to stderr.
    """
    if not has_apt():
        return False
    prefix: list[str] = []
    if os.geteuid() != 0:
        if not shutil.which("sudo") or _run(["sudo", "-n", "true"]).returncode != 0:
            return False
        prefix = ["sudo", "-n"]
    # A failed update is no reason to stop: one broken repository among many, or lists that are good enough.
    _run_shown([*prefix, "apt-get", "update", "-qq"])
    known = available_from_apt(names)
    for name in sorted(set(names) - set(known)):
        tell(f"this release of the distribution has no package {name}")
    if known and _run_shown([*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *_apt("install", "-q", *known)]) != 0:
        raise InstallFailed(f"apt-get failed; to see more: {apt_command(known)}")
    return True


def available_from_apt(names: Iterable[str]) -> list[str]:
    """Those of `names` that this distribution's package lists have a version of."""
    known: list[str] = []
    for name in names:
        lines = _run(["apt-cache", "policy", name]).stdout.splitlines()
        if any(line.strip().startswith("Candidate:") and not line.endswith("(none)") for line in lines):
            known.append(name)
    return known


def _apt(*arguments: str) -> list[str]:
    verb, *rest = arguments
    return ["apt-get", verb, "-y", "--no-install-recommends", *rest]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run quietly, in the C locale; a program that cannot be started or hangs counts as failed."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return subprocess.CompletedProcess(command, 127, "", "")


def _run_shown(command: Sequence[str]) -> int:
    """Run with all output on stderr, so that stdout stays free for the report."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=2, check=False).returncode


def _ask_version(program: str) -> str | None:
    """Path and version of `program`. It is asked, because macOS has stubs on PATH for compilers that are not there."""
    path = shutil.which(program)
    if path is None:
        return None
    answer = _run([path, "--version"])
    if answer.returncode != 0:
        return None
    line = next(
        (
            line.strip()
            for line in answer.stdout.splitlines()
            if "version" in line.lower() or any(c.isdigit() for c in line)
        ),
        "",
    )
    return f"{path} ({line})" if line else path


def _folders(*variables: str) -> list[str]:
    return [folder for variable in variables for folder in os.environ.get(variable, "").split(os.pathsep) if folder]


def _first(patterns: Iterable[str]) -> str | None:
    """The first existing file among `patterns`, which are absolute paths with `*` for any name in a folder's place."""
    for pattern in patterns:
        path = Path(pattern)
        matches = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor)))) if path.is_absolute() else []
        if matches:
            return str(matches[0])
    return None
