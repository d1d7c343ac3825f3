"""``assay64 backends``: which backends there are, which can run here, and what each declares."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

import assay64.harness.backends
from assay64.harness.cli.options import Json, available_backends, print_json
from assay64.harness.errors import AssayError, UsageError

if TYPE_CHECKING:
    from assay64.harness.judge.pool import Worker

FOLDER = Path(assay64.harness.backends.__file__).parent
HEADER = FOLDER / "include" / "assay64_backend.h"
# In a checkout the page stands with the others; in a wheel it lies beside the example.
PROTOCOL = FOLDER.resolve().parents[1] / "docs" / "pipe-protocol.md"


def backends(
    example: Annotated[
        str | None,
        typer.Option(
            "--example",
            metavar="NAME",
            help="Copy an example backend into a new folder of that name: `library` (C) or `program` (Python).",
        ),
    ] = None,
    include: Annotated[
        bool, typer.Option("--include", help="Print the folder of assay64_backend.h, for a compiler's -I.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the backends: what each is, what it declares, and what is missing for those that cannot run here."""
    from tabulate import tabulate

    if include:
        typer.echo(HEADER.parent)
        return
    if example is not None:
        _copy_example(example)
        return
    found = _found()
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


def _copy_example(name: str) -> None:
    examples = sorted(path.name for path in (FOLDER / "examples").iterdir() if path.is_dir() and path.name[0] != "_")
    if name not in examples:
        raise UsageError(f"no example is called {name!r}: there are {', '.join(examples)}")
    target = Path(name)
    try:
        shutil.copytree(FOLDER / "examples" / name, target, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        shutil.copy(HEADER, target)
        if name == "program" and PROTOCOL.is_file():
            shutil.copy(PROTOCOL, target)
    except FileExistsError:
        raise UsageError(f"{target} is there already: remove it, or go to another folder") from None
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from error
    typer.echo("\n".join(str(path) for path in sorted(target.iterdir())))


def _found() -> list[dict[str, Any]]:
    from assay64.harness.judge.zygote import zygote

    # Before what follows is imported: the workers import meanwhile.
    with zygote() as shared, ExitStack() as stack:
        from assay64.harness.judge.pool import Worker

        # In workers, because asking may load native code.
        listed = [
            (name, missing, stack.enter_context(Worker(name, zygote=shared))) for name, missing in available_backends()
        ]
        for _, missing, worker in listed:
            if missing is None:
                worker.begin()
        return [_data(name, missing, worker) for name, missing, worker in listed]


def _data(name: str, missing: str | None, worker: Worker) -> dict[str, Any]:
    from assay64.harness.cases.files import plain

    if missing is None:
        try:
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
