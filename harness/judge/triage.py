"""Groups failures by cause, so that ten thousand read as twelve lines. It judges nothing and prints nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from assay64.harness.cases.case import Case
from assay64.harness.cases.outcome import Verdict, VerdictKind
from assay64.harness.judge.instructions import Instruction, instruction, only_word, role

# Addresses, process numbers and line numbers in a message make no other cause.
NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\b\d{3,}\b")


class Cause(msgspec.Struct, frozen=True):
    """What failures of one group have in common.

    ``instruction`` is the definition's name in the specification; ``what`` the differing fields with registers as
    operands (``X[Rd]``), changed exits as ``undefined -> svc``, or how the backend crashed.
    """

    backend: str
    kind: VerdictKind
    instruction: str
    what: tuple[str, ...]
    deviation: str = ""


@dataclass
class Group:
    """Failures with one cause. ``case`` and ``verdict`` are the smallest of them, ``first_seed`` the seed of the
    first.
    """

    cause: Cause
    instruction: Instruction | None
    case: Case
    verdict: Verdict
    first_seed: str
    count: int = 1
    titles: set[str] = field(default_factory=set[str])

    @property
    def title(self) -> str:
        """``ADDS (shifted register): nzcv``."""
        name = "a sequence of instructions"
        if self.instruction is not None:
            name = self.instruction.title if len(self.titles) == 1 else self.instruction.family
        return f"{name}: {', '.join(self.cause.what) or self.cause.kind}"


class Triage:
    """Takes failures one by one and gives groups, the largest first."""

    def __init__(self) -> None:
        self._groups: dict[Cause, Group] = {}

    def add(self, backend: str, case: Case, verdict: Verdict, *, seed: str = "", word: int | None = None) -> Group:
        """Put one failure into its group. ``word`` is the instruction that diverged; without it the only or the last
        one.
        """
        word = blamed(case) if word is None else word
        cause = cause_of(backend, verdict, word)
        group = self._groups.get(cause)
        about = None if word is None else instruction(word)
        if group is None:
            group = self._groups[cause] = Group(cause, about, case, verdict, seed, 0)
        elif size(case) < size(group.case):
            group.case, group.verdict, group.instruction = case, verdict, about
        group.count += 1
        group.titles |= {about.title} if about else set()
        return group

    def __iter__(self) -> Iterator[Group]:
        return iter(sorted(self._groups.values(), key=lambda group: (-group.count, group.title)))

    def __len__(self) -> int:
        return len(self._groups)


def blamed(case: Case) -> int | None:
    """The instruction that a failure of ``case`` is about when nothing better is known: the only one, or the last."""
    only = only_word(case)
    return only if only is not None else case.code[-1] if case.code else None


def cause_of(backend: str, verdict: Verdict, word: int | None) -> Cause:
    what: set[str] = set()
    for difference in verdict.differences:
        if difference.field.startswith("exit") and "." not in difference.field:
            what.add(f"{difference.field} {difference.expected.split()[0]} -> {difference.got.split()[0]}")
        else:
            what.add(difference.field if word is None else role(difference.field, word))
    if verdict.kind in (VerdictKind.CRASH, VerdictKind.ERROR, VerdictKind.UNSUPPORTED):
        what.add(NUMBERS.sub("N", verdict.detail))
    name = "" if word is None else instruction(word).name
    # After a wrong exit everything else differs too, and by chance.
    exits = {text for text in what if text.startswith("exit")}
    return Cause(backend, verdict.kind, name, tuple(sorted(exits or what)), verdict.deviation)


def size(case: Case) -> tuple[int, int, int]:
    """How large a case is to read: instructions, live registers, digits."""
    registers = [value for state in case.states for _, value in state.registers()]
    return len(case.code), len(registers), sum(len(f"{value:x}") for value in registers)
