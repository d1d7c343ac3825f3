"""Turns A64 words into text for people: failure reports, side-by-side tables, the spec commands.

The text comes from Capstone. It must not become an oracle: a word that Capstone reads may still be UNDEFINED for the
model at hand, and a word that it cannot read is still a word, shown as `.word 0x...`.
"""

from __future__ import annotations

import importlib
import re
import threading
from functools import lru_cache
from typing import Protocol, cast

WORD_MASK = 0xFFFF_FFFF
ADDRESS_MASK = 0xFFFF_FFFF_FFFF_FFFF


class _Engine(Protocol):
    """The part of `capstone.Cs` that is used here."""

    def disasm_lite(self, code: bytes, offset: int, count: int = 0) -> list[tuple[int, int, str, str]]: ...


# Capstone prints some negative post-index offsets as 64-bit unsigned numbers, and no operand for an unnamed prefetch
# operation, which is the Rt field: both would be unreadable, and no assembler takes them.
_UNSIGNED_POST_INDEX = re.compile(r"(?<=\], )#0xf{8}[0-9a-f]{8}$")


def _as_negative(match: re.Match[str]) -> str:
    return f"#-{(1 << 64) - int(match[0][1:], 16):#x}"


# One engine per thread: a Capstone handle keeps the last error and its scratch memory in itself.
_engines = threading.local()


def _engine() -> _Engine:
    engine = cast("_Engine | None", getattr(_engines, "engine", None))
    if engine is None:
        capstone = importlib.import_module("capstone")
        engine = cast("_Engine", capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN))
        _engines.engine = engine
    return engine


@lru_cache(maxsize=16384)
def disassemble(word: int, address: int = 0) -> str:
    """One A64 word as text: lower case, one space after the mnemonic, `.word 0x...` where Capstone cannot read it.

    `address` is where the word lies. Targets of branches, ADR, ADRP and literal loads are printed as absolute
    addresses (`b #0x10008`), which is also how `assemble` takes them, so that
    `assemble(disassemble(word, address), address)` gives the word back where an assembler knows the instruction and
    should-be bits are as they should be. Every word is accepted; ValueError for a number that is not 32 bits wide.
    """
    if not 0 <= word <= WORD_MASK:
        raise ValueError(f"an A64 word is 32 bits wide, not {word:#x}")
    for _, _, mnemonic, operands in _engine().disasm_lite(word.to_bytes(4, "little"), address & ADDRESS_MASK, 1):
        text = re.sub(r"\s+", " ", f"{mnemonic} {operands}".strip().lower())
        return _UNSIGNED_POST_INDEX.sub(_as_negative, text.replace(" ,", f" #{word & 31:#x},", 1))
    return f".word {word:#010x}"
