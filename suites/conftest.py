"""What holds for all suites: `pytest --pyargs assay64.suites` judges backends, and does not test assay64 itself."""

from __future__ import annotations

from pathlib import Path

import pytest

SELFTEST = Path(__file__).resolve().parent / "selftest"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out assay64's own tests where the suites are named as an installed package, unless they are named too."""
    named = any("selftest" in argument for argument in config.args)
    return True if config.option.pyargs and not named and collection_path.resolve() == SELFTEST else None
