"""What the judge asks about A64 words: their name in the specification, which one a failure is about, which register
is which.

It is the judge's only way to the decoder. It must not know cases' outcomes.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assay64.harness.cases.case import Case

NOP = 0xD503_201F
# Where A64 keeps register numbers (Arm ARM, C4.1): lowest bit of the five -> the operand's name in the manual.
REGISTER_FIELDS: Mapping[int, str] = {0: "Rd", 5: "Rn", 16: "Rm", 10: "Ra"}
# Loads and stores, op0 = x1x0: the lowest field is the register that is transferred, and a pair has its second in Rt2.
LOAD_STORE_FIELDS: Mapping[int, str] = {0: "Rt", 5: "Rn", 16: "Rm", 10: "Rt2"}


@dataclass(frozen=True)
class Instruction:
    """A word as the specification has it. ``name`` is the definition's, ``source`` its file and line."""

    word: int
    mnemonic: str
    title: str
    name: str
    source: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.name, self.mnemonic, self.title


@lru_cache(maxsize=16384)
def instruction(word: int) -> Instruction:
    """The instruction of ``word``; one that the specification does not have is called ``unallocated``."""
    # The specification takes time to load, and a comparison that succeeds never asks for it.
    decoded: Any = importlib.import_module("assay64.reference").decode(word)
    if decoded is None:
        return Instruction(word, "", "unallocated", "unallocated", "")
    definition = str(decoded.definition.name)
    return Instruction(word, str(decoded.mnemonic), str(decoded.title), definition, str(decoded.source))


def only_word(case: Case) -> int | None:
    """The word of a case that has just one besides NOPs, else None."""
    words = [word for word in case.code if word != NOP]
    if not words and case.code:
        return NOP
    return words[0] if len(words) == 1 else None


def role(field: str, word: int) -> str:
    """A differing field with the register number replaced by what it is to ``word``: ``x3`` may be ``X[Rd]``."""
    prefix, dot, name = field.rpartition(".")
    if prefix.startswith("exit"):
        return field
    if name.startswith("memory"):
        return prefix + dot + "memory"
    if name[:1] in "xv" and name[1:].isdecimal():
        number = int(name[1:])
        fields = LOAD_STORE_FIELDS if word >> 25 & 0b0101 == 0b0100 else REGISTER_FIELDS
        roles = [text for low, text in fields.items() if word >> low & 31 == number]
        name = f"{name[0].upper()}[{roles[0]}]" if roles else f"another {name[0].upper()} register"
    return prefix + dot + name
