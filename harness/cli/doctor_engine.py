"""`assay64 doctor --engine`: the native engine of this user: whether it is compiled, of what, how large, and the memory
that a machine takes. It compiles nothing.
"""

from __future__ import annotations

import msgspec
import typer
from tabulate import tabulate


class DefinitionSize(msgspec.Struct, frozen=True, kw_only=True):
    """What a definition became: paths of its trace, handlers, and their size in characters of LLVM IR; the seconds of
    processor time that tracing it took, and compiling, by its part of the modules that its handlers are in.
    """

    name: str
    paths: int
    variants: int
    ir_characters: int
    tracing_seconds: float
    compiling_seconds: float


class EngineReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `assay64 doctor --engine --json` prints. Sizes are in bytes; those of tables are of a machine of
    one element with the default parameters.
    """

    compiled: bool
    file: str
    compiler: str
    file_bytes: int = 0
    code_bytes: int = 0
    build_seconds: float = 0.0
    tables: dict[str, int] = {}
    total_bytes: int = 0
    definitions: list[DefinitionSize] = []


def examine_engine() -> EngineReport:
    """Look at the compiled engine, and load it if there is one."""
    from assay64.reference.engines.native.build import cached_image, describe_compiler, image_file

    file, image = image_file(), cached_image()
    if image is None:
        return EngineReport(compiled=False, file=str(file), compiler=describe_compiler())
    from assay64.reference import Machine

    tables = Machine().tables()
    sizes = [
        DefinitionSize(
            name=made.name,
            paths=made.paths,
            variants=made.variants,
            ir_characters=made.characters,
            tracing_seconds=round(made.tracing_s, 4),
            compiling_seconds=round(made.compiling_s, 4),
        )
        for made in image.report
    ]
    return EngineReport(
        compiled=True,
        file=str(file),
        compiler=describe_compiler(),
        file_bytes=file.stat().st_size,
        code_bytes=sum(map(len, image.objects)),
        build_seconds=round(image.seconds, 1),
        tables=tables,
        total_bytes=sum(tables.values()),
        definitions=sizes,
    )


def show_engine(report: EngineReport) -> None:
    """Print the report for people."""
    typer.echo(f"native engine: {report.compiler}")
    if not report.compiled:
        typer.echo(f"not compiled: its first use does that, in a minute or two, into {report.file}")
        return
    typer.echo(
        f"compiled in {report.build_seconds:.1f} s: {report.file}\n"
        f"{report.file_bytes:,} bytes, of them {report.code_bytes:,} of code and what links it"
    )
    rows = [(name, f"{size:,}") for name, size in report.tables.items()] + [("total", f"{report.total_bytes:,}")]
    typer.echo("\n" + tabulate(rows, headers=["table", "bytes"], colalign=("left", "right"), disable_numparse=True))
    typer.echo("\nThe sizes are parameters: Machine(sizes=TableSizes(tlb_entries=...)); docs/machine.md has them.")
    ordered = sorted(report.definitions, key=lambda one: one.ir_characters, reverse=True)
    total = (
        "total",
        sum(one.paths for one in ordered),
        sum(one.variants for one in ordered),
        sum(one.ir_characters for one in ordered),
        sum(one.tracing_seconds for one in ordered),
        sum(one.compiling_seconds for one in ordered),
    )
    rows = [
        (one.name, one.paths, one.variants, one.ir_characters, one.tracing_seconds, one.compiling_seconds)
        for one in ordered
    ]
    headers = ["definition", "paths", "variants", "characters of LLVM IR", "tracing, s", "compiling, s"]
    typer.echo("\n" + tabulate([*rows, total], headers=headers, floatfmt=".3f"))
