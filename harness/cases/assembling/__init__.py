"""Assembly text to A64 words: a convenience in front of cases, whose code is always words.

One call takes statements separated by newlines or `;`, labels (`name:`, or `1:` with `1f` and `1b`), `//` comments, raw
words (`0xd503201f`) and `.word` or `.inst`. What stands for a place in code is settled here and means the same
whichever assembler is installed: a label, `. + 8` (distance from this instruction), or a number, which is an ABSOLUTE
ADDRESS, as Capstone prints it. GNU as and llvm-mc take a number as a distance instead; they never see one from here.

The committed table answers first, then Keystone, then GNU as, llvm-mc and ziglang for what is left. Every word with a
target, and every word of Keystone's, is disassembled and compared with what was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from assay64.harness.cases.assembling.answers import Answer, Assembler, Rejection
from assay64.harness.cases.assembling.external import EXTERNALS
from assay64.harness.cases.assembling.keystone import Keystone
from assay64.harness.cases.assembling.pc_relative import target_of, with_target
from assay64.harness.cases.assembling.statements import Statement, fail, parse
from assay64.harness.cases.assembling.table import Table
from assay64.harness.cases.disassembling import disassemble
from assay64.harness.errors import UsageError

__all__ = ["ASSEMBLERS", "assemble"]

ASSEMBLERS: tuple[Assembler, ...] = (Table(), Keystone(), *EXTERNALS)
"""Every assembler, in the order in which they are asked."""

_HOW_TO_GET_ONE = (
    "no assembler for it is installed here: apt install binutils-aarch64-linux-gnu, or pip install ziglang, adds one"
)


def assemble(text: str, address: int = 0, *, assembler: str | None = None) -> tuple[int, ...]:
    """The A64 words of `text`, placed at `address` (a multiple of 4, below 2**64).

    `assembler` forces one of `table`, `keystone`, `gnu-as`, `llvm-mc`, `ziglang`; without it they are asked in this
    order.

    In `b`, `bl`, `b.cond`, `cbz`, `cbnz`, `tbz`, `tbnz`, `adr`, `adrp` and the literal forms of `ldr`, `ldrsw` and
    `prfm` the target is a label, `.` with a distance, or an absolute address with or without `#`. There are no
    expressions in other operands, no literal pools (`ldr x0, =1`) and no other directives.

    Raises UsageError naming the line, the statement and the reason; text without a statement is an error, too.
    """
    return _assemble(text, address, assembler)


@lru_cache(maxsize=4096)
def _assemble(text: str, address: int, assembler: str | None) -> tuple[int, ...]:
    statements = parse(text, address)
    if not statements:
        raise UsageError(f"there is no instruction in '{' '.join(text.split())}'")
    templates = {s.template: s for s in reversed(statements) if s.template is not None}
    answers = _ask(list(templates), _chosen(assembler))
    words: list[int] = []
    for statement in statements:
        words.extend(_words(statement, answers))
    return tuple(words)


def _chosen(name: str | None) -> Sequence[Assembler]:
    if name is None:
        return ASSEMBLERS
    for assembler in ASSEMBLERS:
        if assembler.name == name:
            if assembler.available():
                return [assembler]
            raise UsageError(f"the assembler {name} is not available here")
    raise UsageError(f"there is no assembler {name}; there are {', '.join(a.name for a in ASSEMBLERS)}")


def _ask(templates: Sequence[str], assemblers: Sequence[Assembler]) -> dict[str, list[Answer]]:
    """Per template the answers up to the first word, in the order in which the assemblers were asked."""
    answers: dict[str, list[Answer]] = {template: [] for template in templates}
    for assembler in assemblers:
        open_templates = [t for t, given in answers.items() if not given or isinstance(given[-1], Rejection)]
        if not open_templates:
            break
        # Asked only now: the first call of available() may run a program.
        if not assembler.available():
            continue
        for template, answer in zip(open_templates, assembler.words(open_templates), strict=True):
            answers[template].append(answer)
    return answers


def _words(statement: Statement, answers: dict[str, list[Answer]]) -> tuple[int, ...]:
    if statement.template is None:
        return statement.words
    given = answers[statement.template]
    word = given[-1] if given else Rejection("", _HOW_TO_GET_ONE)
    if isinstance(word, Rejection):
        raise fail(statement.line, statement.text, _reason(given))
    if statement.target is None:
        return (word,)
    try:
        word = with_target(word, statement.address, statement.target)
    except ValueError as problem:
        raise fail(statement.line, statement.text, str(problem)) from None
    text = disassemble(word, statement.address)
    reached = target_of(word, statement.address)
    if not text.startswith(".word") and not text.endswith((f"#{reached:#x}", f"#{reached}")):
        raise fail(statement.line, statement.text, f"assembled to {word:#010x}, which reads {text}: please report this")
    return (word,)


def _reason(given: Sequence[Answer]) -> str:
    """The words of the first installed program that was asked, else what the last one said, and what to install."""
    rejections = [answer for answer in given if isinstance(answer, Rejection)]
    full = [r for r in rejections if r.assembler not in ("table", "keystone")]
    if full:
        return f"{full[0].reason} ({full[0].assembler})"
    return "; ".join([*(rejection.reason for rejection in rejections[-1:]), _HOW_TO_GET_ONE])
