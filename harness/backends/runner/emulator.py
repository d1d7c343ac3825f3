"""Finds qemu-aarch64, and gives the command for a CPU model.

ASSAY64_QEMU_USER names another program, with options: `ASSAY64_QEMU_USER="/opt/qemu/bin/qemu-aarch64 -B 0x10000"`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from functools import cache

from packaging.version import Version

VARIABLE = "ASSAY64_QEMU_USER"
PROGRAMS = ("qemu-aarch64", "qemu-aarch64-static")
OLDEST = Version("7.2")
INSTALL = "on Debian: apt-get install qemu-user; version 10 is in bookworm-backports"
# QEMU's models that stand in for a CPU model of ours, those with fewer features first.
# Without SVE the V registers of a signal frame are the registers. Keys cannot be chosen, so there are none.
CPU_MAX = "max,sve=off,sme=off,pauth=off"
CPU_MODELS = ("cortex-a57", "neoverse-n1", CPU_MAX)
_VERSION = re.compile(r"version (\d+(?:\.\d+)+)")
_ASK_TIMEOUT_S = 20


@cache
def version_of(program: str) -> Version | None:
    """The version that ``program --version`` gives; None when it is no QEMU that runs here."""
    try:
        answer = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASK_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return Version(match[1]) if match and answer.returncode == 0 else None


def find() -> tuple[list[str], Version] | None:
    """The command of the newest qemu-aarch64, or of the one that the user named, and its version."""
    if chosen := os.environ.get(VARIABLE):
        command = shlex.split(chosen)
        version = version_of(command[0]) if command else None
        return None if version is None else (command, version)
    paths = [path for path in map(shutil.which, PROGRAMS) if path]
    found = [([path], version) for path in paths if (version := version_of(path)) is not None]
    return max(found, key=lambda one: one[1], default=None)


def missing() -> str | None:
    """None when there is a qemu-aarch64 to be used, else one line: what is missing and how to get it."""
    found = find()
    if found is None and (chosen := os.environ.get(VARIABLE)):
        return f"{VARIABLE}={chosen!r} names no QEMU that runs here"
    if found is None:
        return f"qemu-aarch64 is not on PATH; {INSTALL}"
    if found[1] < OLDEST:
        return f"{found[0][0]} is version {found[1]}, {OLDEST} or newer is needed; {INSTALL}"
    return None


def launchers() -> list[tuple[str, ...]]:
    """The commands in front of a program, one for each of CPU_MODELS."""
    found = find()
    assert found is not None, "asked only when missing() is None"
    (program, *options), _ = found
    return [(program, "-cpu", cpu, *options) for cpu in CPU_MODELS]
