"""Compiles the adapter the first time it is needed, and finds it again afterwards: an entry in the user's cache.

An entry's name is the hash of all that it is made from (sources, headers, compiler, flags, installed library), so an
upgrade of any of them makes a new entry. An entry counts only with the right checksum beside it; a damaged one is built
again. It must not know what the adapter does.
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
from pathlib import Path

from assay64.harness import system_packages
from assay64.harness.errors import BackendUnavailable
from assay64.reference.cache import cache_folder

HERE = Path(__file__).parent
INCLUDE = HERE.parent / "include"
FLAGS = ("-std=c++20", "-O2", "-shared", "-fPIC", "-fvisibility=hidden")
COMPILERS = ("c++", "g++", "clang++")
PACKAGES = ("g++", "libdynarmic-dev")
GET = "run `./assay64 doctor --install`, or `apt-get install libdynarmic-dev g++`"
SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"
COMPILE_TIMEOUT_S = 300


def missing() -> str | None:
    """None when compiler, headers and library are here, else one line: what is missing and how to get it."""
    rows = {package.name: package for package in system_packages.table()}
    if find_compiler() is None:
        return f"no C++ compiler (c++, g++ or clang++, or the one that CXX names): {GET}"
    package = rows["libdynarmic-dev"]
    if system_packages.find(package) is None:
        if sys.platform == "linux" and package.architectures and platform.machine() not in package.architectures:
            return (
                f"the Dynarmic library is not installed; Debian has it for {', '.join(package.architectures)} only: "
                "build it from source and install it under /usr/local"
            )
        return f"the Dynarmic library (libdynarmic) is not installed: {GET}"
    return None


def find_compiler() -> str | None:
    """The path of the C++ compiler: the one that the variable CXX names, else the first that is on PATH."""
    chosen = os.environ.get("CXX")
    candidates = (chosen,) if chosen else COMPILERS
    return next((path for name in candidates if (path := shutil.which(name))), None)


def build() -> Path:
    """The compiled adapter, from the cache or newly made. Raises BackendUnavailable when it cannot be had."""
    if problem := missing():
        raise BackendUnavailable(f"dynarmic: {problem}")
    compiler = find_compiler()
    assert compiler is not None
    folder = cache_folder() / "native"
    entry = folder / f"dynarmic-{_key(compiler)}{SUFFIX}"
    if _intact(entry):
        return entry
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / "dynarmic.lock"):
            # Another process may have built it while this one waited.
            if not _intact(entry):
                _compile(compiler, entry)
    except OSError as error:
        raise BackendUnavailable(f"dynarmic: {error}; set ASSAY64_CACHE to a folder that can be written") from error
    return entry


def installed_version() -> str:
    """Dynarmic's version as its library's file name gives it, such as 6.4.5; "unknown" when the name has none."""
    library = _library()
    name = library.resolve().name if library else ""
    return name.partition(".so.")[2] or "unknown"


def _library() -> Path | None:
    found = (system_packages.find(row) for row in system_packages.table() if row.name == "libdynarmic-dev")
    text = next(found, None)
    return Path(text.rpartition(", ")[2]) if text else None


def _flags() -> list[str]:
    # The 16-byte compare-and-swap that exclusive pairs need is an option of the compiler on x86-64.
    wide = ["-mcx16"] if platform.machine() in ("x86_64", "AMD64") else []
    return [*FLAGS, *wide, f'-DASSAY64_DYNARMIC_VERSION="{installed_version()}"']


def _sources() -> list[Path]:
    return sorted(HERE.glob("*.cpp"))


def _key(compiler: str) -> str:
    digest = hashlib.sha256()
    for path in sorted([*HERE.glob("*.cpp"), *HERE.glob("*.h"), *INCLUDE.glob("*.h")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    library = _library()
    if library is not None:
        status = library.stat()
        digest.update(f"{library.resolve()} {status.st_size} {status.st_mtime_ns}".encode())
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False, timeout=60).stdout
    digest.update("\0".join([compiler, version, *_flags(), sys.platform, platform.machine()]).encode())
    return digest.hexdigest()[:20]


def _checksum_file(entry: Path) -> Path:
    return entry.with_name(f"{entry.name}.sha256")


def _intact(entry: Path) -> bool:
    try:
        return _checksum_file(entry).read_text() == hashlib.sha256(entry.read_bytes()).hexdigest()
    except OSError:
        return False


def _compile(compiler: str, entry: Path) -> None:
    handle, name = tempfile.mkstemp(dir=entry.parent, prefix=f"{entry.stem}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        command = [compiler, *_flags(), f"-I{INCLUDE}", f"-I{HERE}", *map(str, _sources()), "-ldynarmic", "-o", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMPILE_TIMEOUT_S)
        if done.returncode != 0:
            lines = done.stderr.splitlines()
            first = next(
                (line for line in lines if "error" in line), lines[0] if lines else f"exit status {done.returncode}"
            )
            raise BackendUnavailable(
                f"dynarmic: the adapter does not compile against the installed libdynarmic: {first.strip()}"
            )
        checksum = hashlib.sha256(part.read_bytes()).hexdigest()
        part.chmod(0o755)
        part.replace(entry)
        _write(_checksum_file(entry), checksum)
    except subprocess.TimeoutExpired:
        raise BackendUnavailable(f"dynarmic: the compiler did not finish in {COMPILE_TIMEOUT_S} s") from None
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
