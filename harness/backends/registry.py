"""Finds backends by name: the entry-point group ``assay64.backends``, a shared library, or a Python object by its
module.

The built-in backends come through the same group as anyone's; the table here is for a source tree that is not
installed. It must not load anything native: that is what a Backend does when it is asked.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from assay64.harness.backends.contract import Backend
from assay64.harness.errors import UsageError

GROUP = "assay64.backends"
BUILT_IN = {
    "reference": "assay64.harness.backends.reference:BACKEND",
    "unicorn": "assay64.harness.backends.unicorn:BACKEND",
    "dynarmic": "assay64.harness.backends.dynarmic:BACKEND",
    "qemu-user": "assay64.harness.backends.runner:QEMU_USER",
    "native": "assay64.harness.backends.runner:NATIVE",
    "icicle": "assay64.harness.backends.icicle:BACKEND",
}
LIBRARY_ENDINGS = (".so", ".dylib")
PROGRAM_PREFIXES = ("exec:", "socket:")
METHODS = ("available", "capabilities", "create")


def names() -> list[str]:
    """The names of all installed backends, the built-in ones first."""
    return list(_entries())


def load(name: str) -> Backend:
    """The backend called ``name``. It may still be unavailable here: ``available()`` says so.

    ``name`` is an installed backend, a shared library with the C ABI (``./libmine.so``), a program that speaks
    docs/pipe-protocol.md (``exec:./prog arguments`` or ``socket:/path``), or a Python object: ``package.module:NAME``
    or ``path/to/file.py:NAME``, where NAME is a Backend or a class that makes one without arguments. Raises UsageError
    for a name that leads to no backend.
    """
    if name.startswith(PROGRAM_PREFIXES):
        return _program(name)
    if name.endswith(LIBRARY_ENDINGS) or ".so." in Path(name).name:
        return _library(name)
    if ":" in name:
        return _from_module(name)
    entry = _entries().get(name)
    if entry is None:
        raise UsageError(_unknown(name))
    try:
        return _checked(entry.load(), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"backend {name!r} is registered as {entry.value}, which cannot be loaded: {error}") from error


def _entries() -> dict[str, EntryPoint]:
    built_in = {name: EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()}
    return built_in | {entry.name: entry for entry in entry_points(group=GROUP)}


def _unknown(name: str) -> str:
    known = names()
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    return (
        f"no backend is called {name!r}{hint} There are: {', '.join(known)}; "
        "or give a shared library (./libmine.so), a program (exec:./prog) or a Python object (package.module:NAME)"
    )


def _library(name: str) -> Backend:
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"backend {name!r}: there is no such file")
    # Only those who judge a shared library pay for the import of what loads it.
    library = importlib.import_module("assay64.harness.backends.library")
    return cast(Backend, library.LibraryBackend(path))


def _program(name: str) -> Backend:
    program = importlib.import_module("assay64.harness.backends.program")
    return cast(Backend, program.ProgramBackend(name))


def _from_module(name: str) -> Backend:
    where, _, attribute = name.rpartition(":")
    if not where or not attribute.isidentifier():
        raise UsageError(f"backend {name!r}: write package.module:NAME or path/to/file.py:NAME")
    try:
        module = _from_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except Exception as error:
        raise UsageError(f"backend {name!r}: importing {where} failed: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        close = difflib.get_close_matches(attribute, dir(module), n=1, cutoff=0.5)
        raise UsageError(
            f"backend {name!r}: {where} has no {attribute}" + (f"; did you mean {close[0]}?" if close else "")
        )
    return _checked(getattr(module, attribute), name)


def _from_file(path: Path) -> ModuleType:
    module_name = f"_assay64_backend_{path.stem}"
    specification = importlib.util.spec_from_file_location(module_name, path)
    if not path.is_file() or specification is None or specification.loader is None:
        raise FileNotFoundError("there is no such file")
    module = importlib.util.module_from_spec(specification)
    # Dataclasses and msgspec look up the module of a class by its name.
    sys.modules[module_name] = module
    specification.loader.exec_module(module)
    return module


def _checked(found: Any, name: str) -> Backend:
    """``found``, made when it is a class, if it has what a Backend has."""
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            raise UsageError(f"backend {name!r}: making it failed: {type(error).__name__}: {error}") from error
    missing = [method for method in METHODS if not callable(getattr(found, method, None))]
    if missing:
        raise UsageError(
            f"backend {name!r} is no Backend: it has no {', '.join(missing)} (see harness/backends/contract.py)"
        )
    return cast(Backend, found)
