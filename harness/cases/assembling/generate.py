"""Generates the committed table of assembled statements: `python -m assay64.harness.cases.assembling.generate`.

Statements come from statements.txt, from the source of the runner program (backends/runner) and from the suites: every
string literal that is the first argument of a call of `case`, `asm` or `assemble` in suites/**/*.py, suites/selftest
left out (its texts are wrong on purpose). Every installed assembler is asked; those that know a statement must agree.
`--check` writes nothing and exits with 1 when the committed table is not what the sources give, as far as the
assemblers here know the statements. Exit code 3 when there is no assembler beside Keystone, which knows too little.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assay64.harness.cases.assembling import table
from assay64.harness.cases.assembling.answers import Assembler
from assay64.harness.cases.assembling.external import EXTERNALS
from assay64.harness.cases.assembling.keystone import Keystone
from assay64.harness.cases.assembling.statements import parse
from assay64.harness.errors import UsageError

SEED = Path(__file__).parent / "statements.txt"
RUNNER = Path(__file__).parents[2] / "backends" / "runner" / "runner.s"
SUITES = Path(__file__).parents[3] / "suites"
CALLS = frozenset({"case", "asm", "assemble"})


@dataclass(frozen=True, slots=True)
class Findings:
    """What the assemblers here say: the words they agreed on, and what went wrong, a line each."""

    words: dict[str, int]
    unknown: tuple[str, ...]
    problems: tuple[str, ...]


def texts(suites: Path) -> Iterator[tuple[str, str]]:
    """Where each text stands, and the text."""
    for source in (SEED, RUNNER):
        yield source.name, source.read_text()
    for path in sorted(suites.rglob("*.py")):
        parts = path.relative_to(suites).parts
        if parts[0] == "selftest" or "_generated" in parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            first = node.args[0]
            if name in CALLS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield f"{'/'.join(parts)}:{first.lineno}", first.value


def templates(suites: Path) -> tuple[dict[str, str], list[str]]:
    """Every template and where it first stands; and the texts that cannot be split into statements."""
    found: dict[str, str] = {}
    problems: list[str] = []
    for place, text in texts(suites):
        try:
            for statement in parse(text, 0):
                if statement.template is not None:
                    found.setdefault(statement.template, place)
        except UsageError as problem:
            problems.append(f"{place}: {problem}")
    return found, problems


def ask(found: dict[str, str], assemblers: list[Assembler]) -> Findings:
    """Asks every assembler for every template."""
    names = list(found)
    given = {assembler.name: assembler.words(names) for assembler in assemblers}
    words: dict[str, int] = {}
    unknown: list[str] = []
    problems: list[str] = []
    for index, template in enumerate(names):
        answers = {name: column[index] for name, column in given.items()}
        known = {name: answer for name, answer in answers.items() if isinstance(answer, int)}
        if not known:
            unknown.append(template)
        elif len(set(known.values())) > 1:
            said = ", ".join(f"{name} {word:#010x}" for name, word in known.items())
            problems.append(f"{found[template]}: '{template}': the assemblers differ: {said}")
        else:
            words[template] = next(iter(known.values()))
    return Findings(words, tuple(unknown), tuple(problems))


def installed() -> list[Assembler]:
    """The assemblers here, without the table."""
    candidates: tuple[Assembler, ...] = (Keystone(), *EXTERNALS)
    return [assembler for assembler in candidates if assembler.available()]


def check(committed: dict[str, int], found: dict[str, str], findings: Findings) -> list[str]:
    """How the committed table differs from its sources, a line each."""
    lines = list(findings.problems)
    for template, place in found.items():
        if template not in committed:
            lines.append(f"{place}: '{template}' is missing from the table")
        elif template in findings.words and committed[template] != findings.words[template]:
            lines.append(f"{place}: '{template}' is {committed[template]:#010x}, not {findings.words[template]:#010x}")
    lines += [f"'{template}' is in the table and in no source" for template in committed if template not in found]
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m assay64.harness.cases.assembling.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed table instead of writing it")
    parser.add_argument("--suites", type=Path, default=SUITES, help="the folder with the suites")
    options = parser.parse_args(arguments)
    assemblers = installed()
    if all(assembler.name == "keystone" for assembler in assemblers):
        sys.stderr.write("the table needs GNU as, llvm-mc or ziglang: apt install binutils-aarch64-linux-gnu\n")
        return 3
    found, problems = templates(options.suites)
    findings = ask(found, assemblers)
    known = f"{len(findings.words)} of {len(found)} statements known to {', '.join(a.name for a in assemblers)}"
    if options.check:
        committed = table.entries()
        differences = problems + check(committed, found, findings)
        differences += (
            [] if table.PATH.exists() and table.PATH.read_text() == table.write(committed) else ["edited by hand"]
        )
    else:
        # What no assembler here knows stays as another machine's assemblers left it.
        kept = {t: word for t, word in table.entries().items() if t in findings.unknown}
        missing = [t for t in findings.unknown if t not in kept]
        differences = [*problems, *findings.problems, *(f"{found[t]}: no assembler here knows '{t}'" for t in missing)]
        table.PATH.parent.mkdir(exist_ok=True)
        table.PATH.write_text(table.write(findings.words | kept))
    sys.stdout.write(f"{known}\n")
    for line in differences:
        sys.stderr.write(f"{line}\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
