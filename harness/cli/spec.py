"""``assay64 spec list|show|coverage``: the specification, readable. It derives everything from the definitions."""

from __future__ import annotations

import difflib
import inspect
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay64.harness.cli.options import Json, print_json
from assay64.harness.errors import UsageError

if TYPE_CHECKING:
    from assay64.reference.encoding.definition import Definition
    from assay64.reference.engines.coverage import Coverage

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
    """Show an instruction class: encoding, definition, its place, the tests that cover it, the backends with it."""
    from assay64.harness.cli.spec_show import Backends, covering_tests, tests_text

    found, backends = _find(name), Backends()
    if as_json:
        more = [{"tests": covering_tests(one), "backends": backends.having(one)} for one in found]
        print_json([_data(one) | extra for one, extra in zip(found, more, strict=True)])
        return
    typer.echo("\n\n".join(f"{_text(one)}\n\n{tests_text(one)}\n\n{backends.text(one)}" for one in found))


@app.command("coverage")
def coverage(
    encodings: Annotated[
        Path | None,
        typer.Option(
            "--encodings", metavar="FILE", help="A table of A64 encodings, as JSON (reference/encoding/table.py)."
        ),
    ] = None,
    model: Annotated[str, typer.Option("--model", metavar="M", help="The CPU model whose rows count.")] = "apple-m2",
    run: Annotated[
        list[Path] | None,
        typer.Option("--run", metavar="RUN", help="A run whose campaign over rows is shown; may be repeated."),
    ] = None,
    target: Annotated[int, typer.Option("--target", min=1, metavar="N", help="With --run: states a row needs.")] = 500,
    seed: Annotated[int, typer.Option("--seed", help="Which random words stand for a row.")] = 0,
    as_json: Json = False,
) -> None:
    """Hold the specification against an external table of encodings, or show which engines judged its rows.

    With --encodings alone: what is missing either way. Exits with 1 unless every row that the CPU model has is there,
    and nothing that the table lacks. With --run: what the random states of `assay64 run rows` had, and how many
    independent lineages of engines judged each row; --encodings then says by whose rows they are counted.
    """
    from assay64.harness.cli.spec_rows import judges_data, judges_text
    from assay64.reference import model as cpu_model
    from assay64.reference.encoding.table import EncodingTable
    from assay64.reference.engines.coverage import coverage as compare

    if encodings is None and not run:
        raise UsageError("coverage of what? Name a table with --encodings FILE, or a run with --run RUN")
    try:
        cpu = cpu_model(model)
        table = None if encodings is None else EncodingTable.load(encodings)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if run:
        enabled = None if table is None else EncodingTable(row for row in table.rows if row.enabled_by(cpu.features))
        if as_json:
            print_json(judges_data(cpu, enabled, run, target))
        else:
            typer.echo(judges_text(cpu, enabled, run, target))
        return
    assert table is not None
    found = compare(table, cpu, seed)
    if as_json:
        print_json(_coverage_data(model, found))
    else:
        typer.echo(_coverage_text(model, found))
    if not found.complete:
        raise typer.Exit(1)


def _coverage_text(model: str, found: Coverage) -> str:
    from tabulate import tabulate

    matrix = found.matrix()
    groups = list(dict.fromkeys(group for _, group in matrix))
    features = sorted({feature for feature, _ in matrix}, key=lambda feature: (feature != "base", feature))

    def cell(keys: Iterable[tuple[str, str]]) -> str:
        counts = [matrix[key] for key in keys if key in matrix]
        have, total = sum(have for have, _ in counts), sum(total for _, total in counts)
        return (str(have) if have == total else f"{have} of {total}") if counts else ""

    rows = [
        [feature, *(cell([(feature, group)]) for group in groups), cell((feature, group) for group in groups)]
        for feature in features
    ]
    rows.append(["all", *(cell((feature, group) for feature in features) for group in groups), cell(matrix)])
    parts = [tabulate(rows, headers=["", *groups, "all"], disable_numparse=True)]
    parts += _section(
        "Missing from the specification",
        [[one.row.name, one.row.cls, f"{one.word:08x}", one.reason] for one in found.missing],
    )
    parts += _section(
        "In the specification, not in the table",
        [[one.definition.name, one.mnemonic, f"{one.word:08x}"] for one in found.unlisted],
    )
    parts += _section(
        "Rows with words that are UNDEFINED by the specification, without a condition in the table (no failure)",
        [[one.row.name, one.row.cls, f"{one.word:08x}"] for one in found.reserved],
    )
    have = len(found.rows) - len(found.missing)
    parts.append(f"{model}: {have:,} of {len(found.rows):,} encodings; {len(found.unlisted)} that the table lacks.")
    return "\n\n".join(parts)


def _section(title: str, rows: Sequence[Sequence[str]]) -> list[str]:
    from tabulate import tabulate

    table = tabulate(rows, tablefmt="plain", disable_numparse=True)
    return [f"{title}: {len(rows)}\n{textwrap.indent(table, '  ')}"] if rows else []


def _coverage_data(model: str, found: Coverage) -> dict[str, Any]:
    return {
        "model": model,
        "rows": len(found.rows),
        "have": len(found.rows) - len(found.missing),
        "complete": found.complete,
        "matrix": [
            {"feature": feature, "group": group, "have": have, "rows": total}
            for (feature, group), (have, total) in found.matrix().items()
        ],
        "missing": [
            {"row": one.row.name, "class": one.row.cls, "word": f"{one.word:08x}", "reason": one.reason}
            for one in found.missing
        ],
        "unlisted": [
            {"definition": one.definition.name, "mnemonic": one.mnemonic, "word": f"{one.word:08x}"}
            for one in found.unlisted
        ],
        "reserved": [{"row": one.row.name, "class": one.row.cls, "word": f"{one.word:08x}"} for one in found.reserved],
    }


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
