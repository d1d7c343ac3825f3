"""Assembles with Keystone, in process, and believes none of its answers unchecked.

Keystone 0.9 knows Armv8.0. It can answer None without an error, emit nothing for a directive, mis-assemble
`adr xN, #address`, and cut a target of TBZ that is out of reach down to 14 bits. Here each template is assembled alone,
must give exactly one word, and the word must read back as the statement.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Protocol, cast

from assay64.harness.cases.assembling.answers import Answer, Rejection, reads_as
from assay64.harness.cases.disassembling import disassemble

NAME = "keystone"


class _Engine(Protocol):
    """The part of `keystone.Ks` that is used here."""

    def asm(self, string: str, addr: int = 0) -> tuple[list[int] | None, int | None]: ...


@cache
def _module() -> ModuleType | None:
    try:
        return importlib.import_module("keystone")
    except ImportError:  # also when the package is there but its shared library does not load
        return None


# One engine per thread: a handle holds the state of the parse.
_engines = threading.local()


def _engine(module: ModuleType) -> _Engine:
    engine = cast("_Engine | None", getattr(_engines, "engine", None))
    if engine is None:
        engine = cast("_Engine", module.Ks(module.KS_ARCH_ARM64, module.KS_MODE_LITTLE_ENDIAN))
        _engines.engine = engine
    return engine


class Keystone:
    """The Keystone engine as an assembler."""

    @property
    def name(self) -> str:
        """`keystone`."""
        return NAME

    def available(self) -> bool:
        """Whether the package `keystone-engine` is installed."""
        return _module() is not None

    def words(self, templates: Sequence[str]) -> list[Answer]:
        """One checked word per template."""
        return [self._word(template) for template in templates]

    def _word(self, template: str) -> Answer:
        module = _module()
        if module is None:
            return Rejection(NAME, "keystone-engine is not installed")
        error = cast("type[Exception]", module.KsError)
        try:
            code, _ = _engine(module).asm(template, 0)
        except error as problem:
            return Rejection(NAME, f"{problem}; Keystone knows Armv8.0 only")
        return checked(template, code)


def checked(template: str, code: Sequence[int] | None) -> Answer:
    """The word in what Keystone returned for a template, or why it cannot be trusted."""
    if not code:
        return Rejection(NAME, "Keystone gave no code and no error", faulty=True)
    if len(code) != 4:
        return Rejection(NAME, f"Keystone gave {len(code)} bytes for one instruction", faulty=True)
    word = int.from_bytes(bytes(code), "little")
    if not reads_as(template, word):
        return Rejection(NAME, f"Keystone gave {word:#010x}, which reads {disassemble(word)}", faulty=True)
    return word
