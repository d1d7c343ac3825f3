"""The user's cache: derived data that is made again when it is missing or damaged.

``ASSAY64_CACHE`` names another folder. Nothing here is needed for a right result: a cache that cannot be written is no
error.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    if folder := os.environ.get("ASSAY64_CACHE"):
        return Path(folder)
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return Path(folder) / "assay64"
    home = Path.home()
    return home / "Library" / "Caches" / "assay64" if sys.platform == "darwin" else home / ".cache" / "assay64"


def read_cached(name: str) -> bytes | None:
    """The entry's bytes, or None when there is none that can be read."""
    path = cache_folder() / name
    try:
        data = path.read_bytes()
    except OSError:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # so that prune knows what is in use
    return data


def write_cached(name: str, data: bytes) -> None:
    """Write an entry whole or not at all, whoever else writes it at the same time."""
    target = cache_folder() / name
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(temporary).replace(target)
        except OSError:
            Path(temporary).unlink()
            raise


def prune(pattern: str, keep: int) -> None:
    """Remove the entries that match a glob, but for the ``keep`` that were used last."""
    with contextlib.suppress(OSError):
        found = sorted(cache_folder().glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[keep:]:
            path.unlink(missing_ok=True)
