"""``assay64 diff``: one case on several backends, their outcomes side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay64.harness.cli.options import Backends, Json, chosen_backends, is_file, parse_number, print_json
from assay64.harness.errors import UsageError

if TYPE_CHECKING:
    from assay64.harness.cases.case import Case
    from assay64.harness.cases.outcome import Outcome, Verdict

REFERENCE, EXPECTED = "reference", "expected"
MARK = " *"
_TOKEN = re.compile(r"case:.*|[0-9a-fA-F]{8}(\.[0-9a-fA-F]{8})*(@[0-9a-fA-Fx]+)?(:.*)?", re.DOTALL)
_SETTING = re.compile(r"(?P<name>[A-Za-z_0-9.]+)=(?P<value>.*)")


@dataclass(frozen=True)
class Column:
    """What a case came to on one backend. ``outcome`` is None when it gave none: then the verdict says why.

    ``verdict`` is None for what Arm permits, which stands in the place of a reference that was not asked for.
    """

    backend: str
    verdict: Verdict | None
    outcome: Outcome | None


def diff(
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|FILE", help="Assembly text, A64 words (ab020020.d4000001), a token, or a case file."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="NAME=VALUE",
            help="A register (x1=-1, v0=0x3f80, nzcv=ZC, C=1), memory "
            "(mem.20000000=00ff), fill=SEED, budget=N, until=ADDRESS or model=apple-m2; may be repeated.",
        ),
    ] = None,
    backend: Backends = None,
    as_json: Json = False,
) -> None:
    """Run one case on several backends and print the outcomes side by side.

    Values that differ from the reference's, or from what Arm permits, are marked. Exit code 1 when a backend's outcome
    is a failure.
    """
    from assay64.harness.judge.zygote import zygote

    # Before what follows is imported: the workers import meanwhile.
    with zygote() as shared:
        from assay64.harness.cases.outcome import Verdict
        from assay64.harness.cases.tokens import to_token
        from assay64.harness.judge.frames import Ran
        from assay64.harness.judge.judge import Judge
        from assay64.harness.report.failure import is_failure

        case = build_case(text, settings or [])
        names = chosen_backends(backend)
        columns: list[Column] = []
        with Judge(zygote=shared) as judge:
            judge.begin(names)
            for name, verdict, result in judge.judge_on(case, names):
                columns.append(Column(name, verdict, result.outcome if isinstance(result, Ran) else None))
            permitted = judge.expected(case)
    if as_json:
        print_json(_data(case, to_token(case), columns))
    else:
        notes = list[str]()
        if REFERENCE not in names and not isinstance(permitted, Verdict):
            columns.insert(0, Column(EXPECTED, None, permitted[0].outcome))
            if len(permitted) > 1:
                notes.append(f"Arm permits {len(permitted)} outcomes: {EXPECTED} is the first of them.")
        typer.echo(_text(case, to_token(case), columns, notes))
    raise typer.Exit(1 if any(column.verdict and is_failure(column.verdict) for column in columns) else 0)


def build_case(text: str, settings: Sequence[str]) -> Case:
    """The case that the command line describes. UsageError for anything that does not fit."""
    from assay64.harness.cases import authoring
    from assay64.harness.cases.case import Environment
    from assay64.harness.cases.files import checked, read_cases
    from assay64.harness.cases.tokens import FLAG_LETTERS, from_token

    if is_file(text):
        if settings:
            raise UsageError("the case file holds the values already: leave --set out")
        found = read_cases(Path(text))
        if len(found) != 1:
            raise UsageError(f"diff takes one case, and {text} has {len(found)}")
        return found[0]
    if _TOKEN.fullmatch(text.strip()):
        if ":" in text and settings:
            raise UsageError("the token holds the values already: leave --set out, or give the words alone")
        if ":" in text:
            return from_token(text)
        words, address = _words(text.strip())
    else:
        words, address = text, authoring.CODE
    registers: dict[str, int] = {}
    memory: dict[int, authoring.MemoryValue] = {}
    run: dict[str, int] = {}
    environment = Environment()
    for setting in settings:
        match = _SETTING.fullmatch(setting.strip())
        if match is None:
            raise UsageError(f"--set {setting!r}: write NAME=VALUE, as in x1=-1")
        name, value = match["name"], match["value"]
        if name.startswith("mem."):
            memory[parse_number(f"0x{name[4:].removeprefix('0x')}", f"--set {name}")] = _bytes(name, value)
        elif name == "model":
            environment = Environment(model=value)
        elif name == "nzcv" and not set(value) - set(FLAG_LETTERS):
            registers[name] = sum(8 >> FLAG_LETTERS.index(letter) for letter in set(value))
        else:
            number = parse_number(value, f"--set {name}")
            (run if name in ("fill", "budget", "until") else registers)[name] = number
    fill = run.pop("fill", None)
    before = authoring.given(memory=memory, fill=fill, **registers)
    until = run.get("until")
    budget = run.get("budget", 1000)
    made = authoring.case(words, before, address=address, budget=budget, until=until, environment=environment)
    return checked(made.case)


def _words(text: str) -> tuple[list[int], int]:
    from assay64.harness.cases.case import CODE_ADDRESS

    code, at, address = text.partition("@")
    return [int(word, 16) for word in code.split(".")], int(address, 16) if at else CODE_ADDRESS


def _bytes(name: str, value: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise UsageError(f"--set {name}: {value[:40]!r} is not a row of hexadecimal bytes") from None


def _flat(outcome: Outcome) -> dict[str, str]:
    """Every part of an outcome that is not zero, by name, as text."""
    from assay64.harness.judge.compare import show

    several = len(outcome.exits) > 1
    parts = {f"exit{index}" if several else "exit": str(one) for index, one in enumerate(outcome.exits)}
    for vcpu, state in enumerate(outcome.states):
        prefix = f"cpu{vcpu}." if len(outcome.states) > 1 else ""
        parts |= {prefix + name: show(name, value) for name, value in state.registers()}
    parts |= {f"memory {change.address:#x}": change.bytes for change in outcome.memory}
    return parts


def _initial(case: Case) -> dict[str, str]:
    from assay64.harness.cases.case import STACK_POINTER
    from assay64.harness.cases.layout import pack_state, unpack_state
    from assay64.harness.cases.outcome import Outcome

    mode = 5 if case.environment.exception_level else 0
    states = [pack_state(state, pc=case.code_address, sp=STACK_POINTER, mode=mode) for state in case.states]
    return _flat(Outcome(states=tuple(map(unpack_state, states))))


def _zero(name: str) -> str:
    if name.startswith(("memory", "exit")):
        return "" if name.startswith("exit") else "unchanged"
    return "...." if name.rpartition(".")[2] == "nzcv" else "0x0"


def _text(case: Case, token: str, columns: Sequence[Column], notes: Sequence[str]) -> str:
    from tabulate import tabulate

    from assay64.harness.report.failure import describe

    lines: list[str] = []
    for index, word in enumerate(case.code):
        one = describe(word, case.code_address + 4 * index)
        lines.append(f"{one.text}   {word:#010x}   {one.title}")
    given = _initial(case)
    flat = [None if column.outcome is None else _flat(column.outcome) for column in columns]
    standard = next(
        (f for c, f in zip(columns, flat, strict=True) if c.backend in (REFERENCE, EXPECTED) and f is not None), None
    )
    names = [
        name
        for name in dict.fromkeys([*given, *(name for parts in flat if parts is not None for name in parts)])
        if any(parts is not None and parts.get(name) != given.get(name) for parts in flat)
    ]
    rows = [_row(name, given, flat, standard) for name in sorted(names, key=_place)]
    rows.append(["verdict", "", *(_verdict(column) for column in columns)])
    headers = ["", "given", *(column.backend for column in columns)]
    lines += ["", tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True), ""]
    for column in columns:
        if column.verdict and column.verdict.detail:
            lines.append(f"{column.backend}: {column.verdict.detail}")
    if any(MARK in value for row in rows for value in row):
        lines.append(f"* differs from {'the reference' if columns[0].verdict else 'what is expected'}")
    lines += notes
    lines.append(f"Everything else is as given. Again: assay64 diff '{token}'")
    return "\n".join(lines)


def _verdict(column: Column) -> str:
    return "" if column.verdict is None else column.verdict.deviation or str(column.verdict.kind)


def _row(
    name: str, given: dict[str, str], flat: Sequence[dict[str, str] | None], standard: dict[str, str] | None
) -> list[str]:
    cells = [name, "" if name.startswith(("exit", "memory")) else given.get(name, _zero(name))]
    for parts in flat:
        if parts is None:
            cells.append("-")
            continue
        value = parts.get(name, _zero(name))
        differs = standard is not None and value != standard.get(name, _zero(name))
        cells.append(value + MARK if differs else value)
    return cells


def _place(name: str) -> tuple[int, str, int]:
    """Exits first, then registers in the manual's order, memory last."""
    register = name.rpartition(".")[2]
    kinds = ("x", "sp", "pc", "nzcv", "v")
    if name.startswith(("exit", "memory")):
        return (0 if name.startswith("exit") else 9), "", int(name[9:], 16) if name.startswith("memory") else 0
    numbered = register[0] in "xv" and register[1:].isdecimal()
    kind = register[0] if numbered else register
    return (
        (1 + kinds.index(kind) if kind in kinds else 8),
        name if not numbered else "",
        int(register[1:]) if numbered else 0,
    )


def _data(case: Case, token: str, columns: Sequence[Column]) -> dict[str, Any]:
    from assay64.harness.cases.files import plain
    from assay64.harness.report.failure import describe
    from assay64.harness.report.jsonout import verdict_data

    described = [describe(word, case.code_address + 4 * index) for index, word in enumerate(case.code)]
    given = _initial(case)
    backends: list[dict[str, Any]] = []
    for column in columns:
        assert column.verdict is not None, "the data have no column of what is expected"
        one: dict[str, Any] = {"backend": column.backend, "verdict": verdict_data(column.verdict)}
        if column.outcome is not None:
            flat = _flat(column.outcome)
            names = [name for name in dict.fromkeys([*given, *flat]) if flat.get(name) != given.get(name)]
            one["changed"] = {name: flat.get(name, _zero(name)) for name in sorted(names, key=_place)}
            one["outcome"] = plain(column.outcome)
        backends.append(one)
    return {
        "token": token,
        "case": plain(case),
        "code": [
            {"word": f"{one.word:#010x}", "text": one.text, "title": one.title, "source": one.source}
            for one in described
        ],
        "backends": backends,
    }
