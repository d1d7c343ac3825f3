"""``assay64 spec list|show``: the specification, readable. It derives everything from the definitions."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay64.harness.cli.options import Json, print_json
from assay64.harness.errors import UsageError

if TYPE_CHECKING:
    from assay64.reference.encoding.definition import Definition

app = typer.Typer(help="The specification: which instructions there are, and what each does.", no_args_is_help=True)


@app.command("list")
def list_definitions(
    group: Annotated[str | None, typer.Option("--group", help="Only the groups whose name contains this text.")] = None,
    as_json: Json = False,
) -> None:
    """List the instruction classes of the specification, by encoding group."""
    from tabulate import tabulate

    from assay64.reference import definitions

    found = [one for one in definitions() if group is None or group in one.group]
    if not found:
        raise UsageError(
            f"no group's name contains {group!r}; there are {', '.join(sorted({d.group for d in definitions()}))}"
        )
    if as_json:
        print_json([_data(one) for one in found])
        return
    for name in dict.fromkeys(one.group for one in found):
        typer.echo(name.replace("_", " "))
        rows = [[f"  {one.name}", one.title] for one in found if one.group == name]
        typer.echo(tabulate(rows, tablefmt="plain"))
        typer.echo()
    typer.echo(f"{len(found)} instruction classes. `assay64 spec show NAME` takes a name or a mnemonic.")


@app.command("show")
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A definition's name, a mnemonic (ADDS), or a word (0xab020020).")
    ],
    as_json: Json = False,
) -> None:
    """Show an instruction class: its encoding, what it does, where it is defined."""
    found = _find(name)
    if as_json:
        print_json([_data(one) for one in found])
        return
    typer.echo("\n\n".join(_text(one) for one in found))


def _find(name: str) -> list[Definition]:
    from assay64.reference import decode, definitions

    if name.lower().startswith("0x"):
        try:
            word = int(name, 16)
        except ValueError:
            raise UsageError(f"{name!r} is no word: write 8 hexadecimal digits, as in 0xab020020") from None
        if word >> 32:
            raise UsageError(f"{name}: an A64 word has 32 bits")
        decoded = decode(word)
        if decoded is None:
            raise UsageError(f"{name} is no instruction of the specification")
        return [decoded.definition]
    every = definitions()
    found = [one for one in every if one.name == name] or [one for one in every if name.upper() in one.mnemonics]
    if not found:
        known = {one.name for one in every} | {
            mnemonic for one in every for mnemonic in one.mnemonics if mnemonic != "-"
        }
        close = difflib.get_close_matches(name, known, 3) or difflib.get_close_matches(name.upper(), known, 3)
        hint = f"; did you mean {' or '.join(close)}?" if close else "; `assay64 spec list` lists them"
        raise UsageError(f"the specification has no {name!r}{hint}")
    return found


def _text(one: Definition) -> str:
    parts = [one.title, f"{one.section}\n{one.source}", one.diagram(), inspect.getsource(one.function)]
    return "\n\n".join(part.rstrip() for part in parts)


def _data(one: Definition) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "mnemonics": [mnemonic for mnemonic in dict.fromkeys(one.mnemonics) if mnemonic != "-"],
        "group": one.group,
        "pattern": one.pattern.text,
        "section": one.section,
        "source": one.source,
        "doc": one.doc,
    }
