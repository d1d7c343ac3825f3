"""C and C++ sources of ours compiled on first use into the user's cache, and found there afterwards.

An entry's name is the hash of all that it is made from, so an upgrade of any of it makes a new entry. An entry counts
only with the right checksum beside it; a damaged one is made again. It must not know what the sources do.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Recipe:
    """A library to be made. ``stamp`` is what it depends on besides; ``failure`` is said when it does not compile."""

    name: str
    compiler: str
    sources: tuple[Path, ...]
    headers: tuple[Path, ...]
    flags: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    stamp: str = ""
    failure: str = "it does not compile"

    def key(self) -> str:
        digest = hashlib.sha256()
        for path in sorted((*self.sources, *self.headers)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        command = [self.compiler, "--version"]
        version = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
        parts = [self.compiler, version, *self.flags, *self.libraries, self.stamp, sys.platform, platform.machine()]
        digest.update("\0".join(parts).encode())
        return digest.hexdigest()[:20]


@lru_cache
def shared_library(source: Path, *libraries: str) -> Path:
    """The library made of one source. Raises BackendUnavailable, with what is missing, when it cannot be made."""
    compiler = find_compiler(source.suffix)
    if compiler is None:
        raise BackendUnavailable(f"no compiler for {source.name}: run `./assay64 doctor --install`")
    flags = (STANDARDS[source.suffix], *FLAGS, f"-I{INCLUDE}")
    return compiled(Recipe(source.stem, compiler, (source,), tuple(INCLUDE.glob("*.h")), flags, libraries))


def find_compiler(suffix: str) -> str | None:
    """The compiler for a source: the one that CC or CXX names, else the first that is on PATH."""
    variable, names = COMPILERS[suffix]
    chosen = os.environ.get(variable)
    return next((path for name in ((chosen,) if chosen else names) if (path := shutil.which(name))), None)


def compiled(recipe: Recipe) -> Path:
    """The library, from the cache or newly made. Raises BackendUnavailable when it cannot be had."""
    folder = cache_folder() / "native"
    entry = folder / f"{recipe.name}-{recipe.key()}{SUFFIX}"
    if _intact(entry):
        return entry
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / f"{recipe.name}.lock"):
            # Another process may have made it while this one waited.
            if not _intact(entry):
                _compile(recipe, entry)
    except OSError as error:
        message = f"{recipe.name}: {error}; set ASSAY64_CACHE to a folder that can be written"
        raise BackendUnavailable(message) from error
    return entry


def _checksum_file(entry: Path) -> Path:
    return entry.with_name(f"{entry.name}.sha256")


def _intact(entry: Path) -> bool:
    try:
        return _checksum_file(entry).read_text() == hashlib.sha256(entry.read_bytes()).hexdigest()
    except OSError:
        return False


def _compile(recipe: Recipe, entry: Path) -> None:
    handle, name = tempfile.mkstemp(dir=entry.parent, prefix=f"{entry.stem}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        command = [recipe.compiler, *recipe.flags, *map(str, sorted(recipe.sources)), *recipe.libraries, "-o", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMPILE_TIMEOUT_S)
        if done.returncode != 0:
            lines = done.stderr.splitlines() or [f"exit status {done.returncode}"]
            first = next((line for line in lines if "error" in line), lines[0])
            raise BackendUnavailable(f"{recipe.name}: {recipe.failure}: {first.strip()}")
        checksum = hashlib.sha256(part.read_bytes()).hexdigest()
        part.chmod(0o755)
        part.replace(entry)
        _write(_checksum_file(entry), checksum)
    except subprocess.TimeoutExpired:
        raise BackendUnavailable(f"{recipe.name}: the compiler did not finish in {COMPILE_TIMEOUT_S} s") from None
    finally:
        part.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text)
    part.replace(path)


@contextmanager
def _lock(path: Path) -> Generator[None]:
    """Hold the file for this process alone; it is released when the process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
