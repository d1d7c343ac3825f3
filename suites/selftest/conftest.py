"""What the tests of assay64 itself share: where the checkout and external tables are. Knows no single test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the source tree; an installed wheel has none, and what is tested there is the wheel's contents."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").is_file():
        pytest.skip("needs the source tree: this is an installed wheel")
    return root


@pytest.fixture(scope="session")
def facts() -> Path:
    """The folder of external tables that tests marked `shared` compare with."""
    folder = os.environ.get("ASSAY64_FACTS")
    if not folder:
        pytest.skip("compares with tables that are not part of the project: set ASSAY64_FACTS to their folder")
    return Path(folder)
