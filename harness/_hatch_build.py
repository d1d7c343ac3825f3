"""The build hook that maps the top-level folders to the packages assay64.harness, assay64.reference and assay64.suites.

Wheels get the mapping from pyproject.toml; this hook adds the package's own `__init__.py` and `py.typed`. Editable
installs get a folder of links, so that an edit is live and type checkers see real files. It runs inside the build's own
environment: it must import nothing but hatchling and the standard library.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.wheel import WheelBuilderConfig

PACKAGE = "assay64"
FOLDERS = ("harness", "reference", "suites")
# Files of the package itself, and where they stand in the source tree.
FILES = {
    "__init__.py": "harness/_facade.py",
    "strategies.py": "harness/_strategies.py",
    "py.typed": "harness/py.typed",
}
LINKS = "build/dev"


def link(target: Path, at: Path) -> None:
    """Make `at` a relative link to `target`. One that is right already is left alone: programs may be using it."""
    wanted = os.path.relpath(target, at.parent)
    if at.is_symlink() and os.readlink(at) == wanted:  # noqa: PTH115 - Path.readlink would normalise what we compare
        return
    new = at.with_name(f".{at.name}.{os.getpid()}")
    new.symlink_to(wanted)
    new.replace(at)


class MapFolders(BuildHookInterface[WheelBuilderConfig]):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds; `version` is "standard" or "editable"."""
        root = Path(self.root)
        if version != "editable":
            for name, source in FILES.items():
                build_data["force_include"][str(root / source)] = f"{PACKAGE}/{name}"
            return
        package = root / LINKS / PACKAGE
        package.mkdir(parents=True, exist_ok=True)
        for folder in FOLDERS:
            link(root / folder, package / folder)
        for name, source in FILES.items():
            link(root / source, package / name)
