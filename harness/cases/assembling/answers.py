"""What an assembler can answer for a template, and the check that every answer passes.

A template is one normalised statement whose PC-relative target is `.` (statements.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from assay64.harness.cases.assembling.canonical import canonical
from assay64.harness.cases.disassembling import disassemble


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an assembler gave no word. `faulty` marks a word that was given but does not mean what was written."""

    assembler: str
    reason: str
    faulty: bool = False


Answer = int | Rejection


class Assembler(Protocol):
    """One way to turn templates into words."""

    @property
    def name(self) -> str:
        """As the user writes it in `assembler=`."""
        ...

    def available(self) -> bool:
        """Whether it can be used on this machine. Cheap after the first call."""
        ...

    def words(self, templates: Sequence[str]) -> list[Answer]:
        """One answer per template, in order. Raises nothing for bad text."""
        ...


def reads_as(template: str, word: int) -> bool:
    """Whether Capstone reads the word as the instruction that the template names.

    A template's target is `.`: address 0, where Capstone prints the target 0.
    """
    text = disassemble(word)
    mnemonic, operands = canonical(template)
    if operands and operands[-1] == ".":
        operands = (*operands[:-1], "0")
    return not text.startswith(".word") and (mnemonic, operands) == canonical(text)
