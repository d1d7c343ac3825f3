"""What holds for all suites: `pytest --pyargs assay64.suites` judges backends, and does not test assay64 itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay64.harness import system_packages

SELFTEST = Path(__file__).resolve().parent / "selftest"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out assay64's own tests where the suites are named as an installed package, unless they are named too."""
    named = any("selftest" in argument for argument in config.args)
    return True if config.option.pyargs and not named and collection_path.resolve() == SELFTEST else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line at the end where assay64's own tests were skipped because the system lacks packages that they need."""
    if not any(SELFTEST.name in report.nodeid.split("/") for report in terminalreporter.getreports("skipped")):
        return
    if lacking := [one for one in system_packages.findings() if not one.optional and one.found is None]:
        names = [one.name for one in lacking]
        how = system_packages.apt_command(names) if system_packages.has_apt() else "assay64 doctor says how to get them"
        terminalreporter.write_line(f"Some were skipped because {', '.join(names)} is missing: {how}", yellow=True)
