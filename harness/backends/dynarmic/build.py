"""What the adapter is compiled from, the first time it is needed, and what is missing where it cannot be.

It must not know what the adapter does.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from assay64.harness import compiling, system_packages
from assay64.harness.compiling import INCLUDE, Recipe, compiled
from assay64.harness.errors import BackendUnavailable

HERE = Path(__file__).parent
FLAGS = (compiling.STANDARDS[".cpp"], *compiling.FLAGS)
GET = "run `./assay64 doctor --install`, or `apt-get install libdynarmic-dev g++`"


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
    return compiling.find_compiler(".cpp")


def build() -> Path:
    """The compiled adapter, from the cache or newly made. Raises BackendUnavailable when it cannot be had."""
    if problem := missing():
        raise BackendUnavailable(f"dynarmic: {problem}")
    compiler = find_compiler()
    assert compiler is not None
    return compiled(recipe(compiler))


def installed_version() -> str:
    """Dynarmic's version as its library's file name gives it, such as 6.4.5; "unknown" when the name has none."""
    library = _library()
    name = library.resolve().name if library else ""
    return name.partition(".so.")[2] or "unknown"


def _library() -> Path | None:
    found = (system_packages.find(row) for row in system_packages.table() if row.name == "libdynarmic-dev")
    text = next(found, None)
    return Path(text.rpartition(", ")[2]) if text else None


def recipe(compiler: str) -> Recipe:
    # The 16-byte compare-and-swap that exclusive pairs need is an option of the compiler on x86-64.
    wide = ("-mcx16",) if platform.machine() in ("x86_64", "AMD64") else ()
    version = f'-DASSAY64_DYNARMIC_VERSION="{installed_version()}"'
    library = _library()
    status = library.stat() if library is not None else None
    return Recipe(
        "dynarmic",
        compiler,
        tuple(HERE.glob("*.cpp")),
        (*HERE.glob("*.h"), *INCLUDE.glob("*.h")),
        (*FLAGS, *wide, version, f"-I{INCLUDE}", f"-I{HERE}"),
        ("-ldynarmic",),
        f"{library.resolve()} {status.st_size} {status.st_mtime_ns}" if library and status else "",
        "the adapter does not compile against the installed libdynarmic",
    )
