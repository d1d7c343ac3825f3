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
UNALLOCATED = "unallocated"


@dataclass(frozen=True)
class Instruction:
    """A word as the specification has it.

    ``title`` is that of its page in the Arm ARM, ``family`` names the definition's siblings too, ``name`` is the
    definition's own and ``source`` its file and line. ``registers`` maps register numbers to the operands that they
    are here, the first of several.
    """

    word: int
    mnemonic: str
    title: str
    family: str
    name: str
    source: str
    registers: Mapping[int, str]

    @property
    def names(self) -> tuple[str, ...]:
        return self.name, self.mnemonic, self.title


@lru_cache(maxsize=16384)
def instruction(word: int) -> Instruction:
    """The instruction of ``word``; one that the specification does not have is called ``unallocated``."""
    # The specification takes time to load, and a comparison that succeeds never asks for it.
    decoded: Any = importlib.import_module("assay64.reference").decode(word)
    if decoded is None:
        return Instruction(word, UNALLOCATED, UNALLOCATED, UNALLOCATED, UNALLOCATED, "", {})
    definition = decoded.definition
    fields = [field for field in definition.pattern.fields if field.name.startswith("R") and field.width == 5]
    # Fields stand highest first; the register that is written comes last and so is the one that is named.
    registers = {field.of(word): str(field.name) for field in fields}
    mnemonic, title = str(decoded.mnemonic), str(decoded.title)
    if mnemonic == "-":  # a hole between siblings
        mnemonic, title = UNALLOCATED, f"{UNALLOCATED} beside {definition.title}"
    return Instruction(word, mnemonic, title, definition.title, definition.name, definition.source, registers)


# Size of a floating-point result by a field of the encoding, or by that and the name of the definition.
_RESULT_BITS: Mapping[str, Mapping[str, Mapping[int, int]]] = {
    "fp_convert": {"opc": {0: 32, 1: 64, 3: 16}},
    "fp_convert_narrow": {"sz": {0: 16, 1: 32}},
    "fp_convert_lengthen": {"sz": {0: 32, 1: 64}},
    "": {"ftype": {0: 32, 1: 64, 3: 16}, "sz": {0: 32, 1: 64}, "size": {1: 16, 2: 32, 3: 64}},
}
_TO_INTEGER = (
    *("FCVTA", "FCVTM", "FCVTN", "FCVTP", "FCVTZ", "FJCVT"),
    *("FCMEQ", "FCMG", "FCMLE", "FCMLT", "FACG", "FMOV"),
)


@lru_cache(maxsize=16384)
def floating_point_bits(word: int) -> int | None:
    """The bits of a floating-point number in the result of ``word``; None when it is none, or it is not known."""
    about = instruction(word)
    narrows = about.mnemonic in ("FCVTN", "FCVTN2")
    if not about.mnemonic.startswith(("F", "BF")) or (about.mnemonic.startswith(_TO_INTEGER) and not narrows):
        return None
    if about.name.startswith("fp_multiply_add_long"):
        return 32
    if about.name.endswith("_half"):
        return 16
    decoded: Any = importlib.import_module("assay64.reference").decode(word)
    for field, sizes in _RESULT_BITS.get(about.name, _RESULT_BITS[""]).items():
        if field in decoded.operands:
            return sizes.get(int(decoded.operands[field]))
    return None


@lru_cache(maxsize=16384)
def is_undefined(word: int, model: str) -> bool:
    """Whether ``word`` is UNDEFINED at EL0 on that CPU model, whatever the state."""
    reference: Any = importlib.import_module("assay64.reference")
    allocation: Any = importlib.import_module("assay64.reference.engines.allocation")
    if model not in reference.model_names():
        return False
    answer = allocation.allocation(word, reference.model(model))
    return answer.name == "UNALLOCATED" or reference.decode(word).definition.name in allocation.UNDEFINED_AT_EL0


@lru_cache(maxsize=16384)
def writes_back(word: int) -> bool:
    """Whether ``word`` is a load or store that writes the address back to its base register."""
    decoded: Any = importlib.import_module("assay64.reference").decode(word)
    if decoded is None or decoded.definition.group != "loads_and_stores":
        return False
    name, operands = str(decoded.definition.name), decoded.operands
    return name.endswith(("_pre_indexed", "_post_indexed")) or any(
        int(operands[field]) & 1 for field in ("mode", "W") if field in operands
    )


def only_word(case: Case) -> int | None:
    """The word of a case that has just one besides NOPs, else None."""
    words = [word for word in case.code if word != NOP]
    if not words and case.code:
        return NOP
    return words[0] if len(words) == 1 else None


def register_field(word: int, name: str) -> int | None:
    """The number in the register field ``name`` of a word; None where its encoding has none."""
    decoded: Any = importlib.import_module("assay64.reference").decode(word)
    return None if decoded is None or name not in decoded.operands else int(decoded.operands[name])


def role(field: str, word: int) -> str:
    """A differing field with the register number replaced by what it is to ``word``: ``x3`` may be ``X[Rd]``."""
    prefix, dot, name = field.rpartition(".")
    if prefix.startswith("exit"):
        return field
    if name.startswith("memory"):
        return prefix + dot + "memory"
    if name[:1] in "xv" and name[1:].isdecimal():
        operand = instruction(word).registers.get(int(name[1:]))
        name = f"{name[0].upper()}[{operand}]" if operand else f"another {name[0].upper()} register"
    return prefix + dot + name
