"""One failure as text: the instruction, what was given, what differs, where the rule stands, how to run it again.

It must not run anything: case, verdict and token are given to it.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from assay64.harness.cases.case import STACK_POINTER, Case, Run
from assay64.harness.cases.disassembling import disassemble
from assay64.harness.cases.outcome import Verdict, VerdictKind
from assay64.harness.cases.state import State

LABEL_CHARACTERS = 9
LINE_CHARACTERS = 110
MEMORY_BYTES_SHOWN = 32
NOT_SPECIFIED = "no instruction of the specification"


class Described(NamedTuple):
    """A word as people see it: ``title`` as in the Arm ARM, ``source`` the file and line of its definition."""

    word: int
    text: str
    title: str
    source: str


def describe(word: int, address: int) -> Described:
    from assay64.reference import decode

    decoded = decode(word)
    text = disassemble(word, address)
    if decoded is None:
        return Described(word, text, NOT_SPECIFIED, "")
    return Described(word, text, decoded.title, decoded.definition.source)


def failure_report(
    case: Case,
    verdict: Verdict,
    *,
    backend: str,
    token: str,
    seed: str = "",
    before_shrinking: Case | None = None,
    known: str = "",
) -> str:
    """The report of ``verdict`` on ``case``, in the terminal's width of 80 to 120 characters, without a final newline.

    ``before_shrinking`` is the case that failed first, when ``case`` was shrunk from it. ``seed`` is what the run was
    started with. ``known`` is why a known deviation deviates.
    """
    described = [describe(word, case.code_address + 4 * index) for index, word in enumerate(case.code)]
    lines = [
        *_heading(case, described, "KNOWN" if known else "FAIL"),
        *_given(case, described),
        _line("cpu", _cpu(case)),
    ]
    lines += _differences(case, verdict, backend) if verdict.differences else [_line(verdict.kind, verdict.detail)]
    if known:
        lines += [_line("known" if index == 0 else "", part) for index, part in enumerate(textwrap.wrap(known, 96))]
    if verdict.differences and verdict.detail:
        lines.append(_line("detail", verdict.detail))
    sources = dict.fromkeys(one.source for one in described if one.source)
    lines += [_line("rule" if index == 0 else "", source) for index, source in enumerate(sources)]
    origin = _origin(case, before_shrinking)
    if origin:
        lines.append(_line("shrunk", f"{origin}   seed {seed}" if seed else origin))
    elif seed:
        lines.append(_line("seed", seed))
    lines.append(_line("replay", replay_command(token, backend)))
    return "\n".join(line.rstrip() for line in lines)


def replay_command(token: str, backend: str) -> str:
    # Tokens hold no quotes; shells differ in what they do with @, commas and =, so they are always quoted.
    return f"assay64 replay '{token}' --backend {shlex.quote(backend)}"


def registers_text(state: State) -> list[str]:
    """``x1=0xffff_ffff_ffff_ffff`` for every register that is not zero; the flags as letters."""
    return [
        f"{name}={flags_text(value) if name == 'nzcv' else number_text(value)}" for name, value in state.registers()
    ]


def number_text(value: int) -> str:
    return f"0x{value:_x}"


def flags_text(value: int) -> str:
    """NZCV as four places, a dot for each flag that is clear: ``.ZC.``."""
    return "".join(letter if value & bit else "." for bit, letter in zip((8, 4, 2, 1), "NZCV", strict=True))


def _heading(case: Case, described: list[Described], word: str) -> Iterator[str]:
    name = f"   {case.name}" if case.name else ""
    if len(described) == 1:
        (one,) = described
        yield f"{word} {one.text}   {one.word:#010x}   {one.title}{name}"
        return
    yield f"{word} {len(described)} instructions{name}"
    width = max((len(one.text) for one in described), default=0)
    for index, one in enumerate(described):
        address = case.code_address + 4 * index
        yield _line("code" if index == 0 else "", f"{address:#x}  {one.word:08x}  {one.text:{width}}  {one.title}")


def _cpu(case: Case) -> str:
    """The model, and what else of the environment is not the usual."""
    environment = case.environment
    parts = [f"{name}={number_text(int(getattr(environment, name)))}" for name in environment.unusual]
    return "  ".join([environment.model, *(["with " + ", ".join(case.requires)] if case.requires else []), *parts])


def _given(case: Case, described: list[Described]) -> Iterator[str]:
    uses_sp = any(re.search(r"\bw?sp\b", one.text) for one in described)
    for vcpu, state in enumerate(case.states):
        parts = registers_text(state)
        if uses_sp and state.general.sp is None:
            parts.append(f"sp={number_text(STACK_POINTER)}")
        if vcpu == 0:
            parts += _memory(case)
        rest = "(others zero)" if parts else "(all zero)"
        label = "given" if len(case.states) == 1 else f"vcpu {vcpu}"
        body = textwrap.wrap(
            "  ".join([*parts, rest]).replace("(others zero)", "(others\0zero)").replace("(all zero)", "(all\0zero)"),
            LINE_CHARACTERS - LABEL_CHARACTERS,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for index, line in enumerate(body):
            yield _line(label if index == 0 else "", line.replace("\0", " "))
    if len(case.actions) != 1 or not isinstance(case.actions[0], Run):
        yield _line("actions", ", ".join(str(action.__struct_config__.tag) for action in case.actions))


def _memory(case: Case) -> Iterator[str]:
    for region in case.regions:
        if region.fill is not None:
            yield f"fill({region.address:#x})={region.fill:#x}"
        for offset, data in region.contents:
            shown = data if len(data) <= 2 * MEMORY_BYTES_SHOWN else f"{data[: 2 * MEMORY_BYTES_SHOWN]}..."
            yield f"[{region.address + offset:#x}]={shown}"


def _differences(case: Case, verdict: Verdict, backend: str) -> Iterator[str]:
    source = "reference" if case.permitted is None else "suite"
    expected_head, got_head = f"expected ({source})", f"got ({backend})"
    label = max(LABEL_CHARACTERS, *(len(one.field) + 1 for one in verdict.differences))
    expected = max(len(expected_head), *(len(one.expected) for one in verdict.differences))
    got = max(len(got_head), *(len(one.got) for one in verdict.differences))
    yield _line("", f"{expected_head:{expected}}   {got_head:{got}}", label)
    for one in verdict.differences:
        yield _line(one.field, f"{one.expected:{expected}}   {one.got:{got}}   {one.remark}", label)


def _origin(case: Case, before: Case | None) -> str:
    if before is None or before == case:
        return ""
    return f"{len(before.code)} -> {len(case.code)} instructions, {_live(before)} -> {_live(case)} live registers"


def _live(case: Case) -> int:
    return sum(1 for state in case.states for _ in state.registers())


def _line(label: str, text: str, width: int = LABEL_CHARACTERS) -> str:
    return f"  {label:{width}}{text}"


def is_failure(verdict: Verdict) -> bool:
    """Whether a verdict makes a run fail."""
    return verdict.kind in (VerdictKind.MISMATCH, VerdictKind.CRASH, VerdictKind.HANG, VerdictKind.ERROR)
