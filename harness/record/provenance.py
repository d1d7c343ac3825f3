"""What a run depends on besides its seed: versions of packages, the machine, and the hash of the specification."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import assay64
from assay64.harness.record.records import BackendInfo, RunInfo

# The folders of `reference` that say what Arm demands; engines only run it.
SPECIFICATION = ("bits", "encoding", "pseudocode", "spec")
PACKAGES = ("capstone", "hypothesis", "keystone-engine", "msgspec", "numpy", "pytest", "unicorn")


@lru_cache(maxsize=1)
def specification_hash() -> str:
    """Sixteen hexadecimal digits that change with any source file of the specification."""
    import assay64.reference

    root = Path(assay64.reference.__file__ or "").resolve().parent
    digest = hashlib.sha256()
    for path in sorted(path for folder in SPECIFICATION for path in (root / folder).rglob("*.py")):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


def run_info(
    command: str,
    *,
    seed: int,
    backends: Iterable[BackendInfo],
    suites: Iterable[str] = (),
    options: dict[str, str] | None = None,
) -> RunInfo:
    """The circumstances of a run that begins now."""
    return RunInfo(
        assay64=assay64.__version__,
        python=platform.python_version(),
        machine=machine(),
        seed=seed,
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        backends=tuple(backends),
        suites=tuple(suites),
        specification=specification_hash(),
        packages=packages(),
        command=command,
        options=options or {},
    )


def packages() -> dict[str, str]:
    """The versions of the packages that a verdict can depend on, as far as they are installed."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """``Linux 6.1.0 x86_64, 8 processors``."""
    return f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count() or 1} processors"
