"""Small C and C++ sources compiled on first use into the user's cache. Where there is no compiler, that is said once.

An entry's name is the hash of all that it is made from. It must not know what the sources do.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from assay64.harness.errors import BackendUnavailable
from assay64.reference.cache import cache_folder

INCLUDE = Path(__file__).parent / "backends" / "include"
COMPILERS = {".c": ("CC", ("cc", "gcc", "clang")), ".cpp": ("CXX", ("c++", "g++", "clang++"))}
STANDARDS = {".c": "-std=c11", ".cpp": "-std=c++20"}
FLAGS = ("-O2", "-shared", "-fPIC", "-fvisibility=hidden")
SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"
COMPILE_TIMEOUT_S = 300


@lru_cache
def shared_library(source: Path, *flags: str) -> Path:
    """The library made of ``source``. Raises BackendUnavailable, with what is missing, when it cannot be made."""
    compiler = find_compiler(source.suffix)
    if compiler is None:
        raise BackendUnavailable(f"no compiler for {source.name}: run `./assay64 doctor --install`")
    options = [STANDARDS[source.suffix], *FLAGS, f"-I{INCLUDE}", *flags]
    entry = cache_folder() / "native" / f"{source.stem}-{_key(compiler, source, options)}{SUFFIX}"
    try:
        if not entry.is_file():
            entry.parent.mkdir(parents=True, exist_ok=True)
            _compile([compiler, str(source), *options], entry)
    except OSError as error:
        raise BackendUnavailable(f"{error}; set ASSAY64_CACHE to a folder that can be written") from error
    return entry


def find_compiler(suffix: str) -> str | None:
    """The compiler for a source: the one that CC or CXX names, else the first that is on PATH."""
    variable, names = COMPILERS[suffix]
    chosen = os.environ.get(variable)
    return next((path for name in ((chosen,) if chosen else names) if (path := shutil.which(name))), None)


def _key(compiler: str, source: Path, options: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for path in (source, *sorted(INCLUDE.glob("*.h"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False, timeout=60).stdout
    digest.update("\0".join([compiler, version, *options, sys.platform, platform.machine()]).encode())
    return digest.hexdigest()[:20]


def _compile(command: list[str], entry: Path) -> None:
    handle, name = tempfile.mkstemp(dir=entry.parent, prefix=f"{entry.stem}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        done = subprocess.run(
            [*command, "-o", name], capture_output=True, text=True, check=False, timeout=COMPILE_TIMEOUT_S
        )
        if done.returncode != 0:
            lines = done.stderr.splitlines()
            first = next((line for line in lines if "error" in line), f"exit status {done.returncode}")
            raise BackendUnavailable(f"{entry.stem} does not compile: {first.strip()}")
        part.chmod(0o755)
        part.replace(entry)
    except subprocess.TimeoutExpired:
        raise BackendUnavailable(f"{entry.stem}: the compiler did not finish in {COMPILE_TIMEOUT_S} s") from None
    finally:
        part.unlink(missing_ok=True)
