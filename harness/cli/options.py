"""Options and small services that several commands share. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from assay64.harness.errors import BackendUnavailable, UsageError

Json = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]
Backends = Annotated[
    list[str] | None,
    typer.Option(
        "--backend",
        "-b",
        metavar="NAME",
        help="Backend to use; may be repeated: an installed one, a shared library (./libmine.so) or "
        "package.module:NAME. "
        "Default: every backend that is available here.",
    ),
]


def chosen_backends(wanted: Sequence[str] | None) -> list[str]:
    """The backends that were named, or all that can run here.

    Raises UsageError for a name that is no backend and BackendUnavailable for one that cannot run here.
    """
    from assay64.harness.backends import registry

    if not wanted:
        return [name for name, missing in available_backends() if missing is None]
    for name in wanted:
        missing = registry.load(name).available()
        if missing is not None:
            raise BackendUnavailable(f"backend {name!r} is not available here: {missing}")
    return list(dict.fromkeys(wanted))


def available_backends() -> list[tuple[str, str | None]]:
    """Every installed backend, with None or one line on what it lacks here."""
    from assay64.harness.backends import registry

    found: list[tuple[str, str | None]] = []
    for name in registry.names():
        try:
            found.append((name, registry.load(name).available()))
        except UsageError as error:
            found.append((name, str(error)))
        except Exception as error:  # noqa: BLE001 - a plug-in's code can fail in any way, and that is what is reported
            found.append((name, f"{type(error).__name__}: {error}"))
    return found


def parse_number(text: str, what: str) -> int:
    """An integer as people write it: 10, -1, 0xff, 0xffff_ffff. UsageError names ``what``."""
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(f"{what}: {text[:40]!r} is no number: write 123, -1 or 0x7b") from None


def print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2))


def is_file(text: str) -> bool:
    """Whether an argument that may be something else names a file, or is meant to."""
    try:
        return text.endswith(".json") or Path(text).is_file()
    except OSError:  # a token may be longer than a name can be
        return False
