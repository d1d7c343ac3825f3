"""``assay64 backends``: which backends there are, which can run here, and what each declares."""

from __future__ import annotations

from typing import Any, cast

import typer

from assay64.harness.cli.options import Json, available_backends, print_json
from assay64.harness.errors import AssayError


def backends(as_json: Json = False) -> None:
    """List the backends: what each is, what it declares, and what is missing for those that cannot run here."""
    from tabulate import tabulate

    found = [_data(name, missing) for name, missing in available_backends()]
    if as_json:
        print_json(found)
        return
    rows = [
        [
            one["name"],
            "ready" if one["available"] else "missing",
            one.get("version", ""),
            one.get("missing") or one["about"],
        ]
        for one in found
    ]
    typer.echo(tabulate(rows, headers=["backend", "here", "version", ""], tablefmt="simple", disable_numparse=True))
    for one in found:
        if one["available"]:
            typer.echo(f"\n{one['name']}")
            typer.echo(tabulate(_declared(one["capabilities"]), tablefmt="plain", disable_numparse=True))
    typer.echo("\n`assay64 check-backend NAME` checks a backend against what it declares.")


def _data(name: str, missing: str | None) -> dict[str, Any]:
    from assay64.harness.cases.files import plain
    from assay64.harness.judge.pool import Worker

    if missing is None:
        try:
            # In a worker, because asking may load native code.
            with Worker(name) as worker:
                capabilities = worker.capabilities
        except AssayError as error:
            missing = str(error)
        else:
            return {
                "name": name,
                "available": True,
                "version": capabilities.version,
                "about": capabilities.description,
                "capabilities": plain(capabilities, hexadecimal=False),
            }
    return {"name": name, "available": False, "missing": missing, "about": ""}


def _declared(capabilities: dict[str, Any]) -> list[list[str]]:
    skipped = ("name", "version", "description")
    return [[f"  {key.replace('_', ' ')}", _text(value)] for key, value in capabilities.items() if key not in skipped]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in cast(dict[str, Any], value).items())
    if isinstance(value, list):
        return ", ".join(map(str, cast(list[Any], value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
