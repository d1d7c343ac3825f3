"""``@insn``: makes a function of the specification a definition, by its pattern and the mnemonics that the pattern
holds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from assay64.reference.encoding.pattern import Cube, Pattern

REFERENCE = Path(__file__).parents[1]
_UNALLOCATED = "-"


@dataclass(frozen=True, eq=False)
class Definition:
    """One instruction class: siblings that share an encoding diagram and one body.

    ``mnemonics`` lists them in the order of the selecting fields ``selected_by`` read as one number; ``-`` is
    unallocated. ``variant`` is what Arm's page titles put in brackets (``shifted register``). ``within`` names the
    definition out of whose encoding space this one is cut.
    """

    function: Callable[..., None]
    pattern: Pattern
    mnemonics: tuple[str, ...]
    selected_by: tuple[str, ...]
    variant: str
    within: str | None

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""

    @property
    def group(self) -> str:
        """The encoding group: the folder of the specification."""
        return self.path.parent.name

    @property
    def is_simd(self) -> bool:
        """Whether it works on SIMD&FP registers: its folder or its file is named so."""
        return self.group.startswith("simd") or self.path.stem.startswith("simd")

    @cached_property
    def path(self) -> Path:
        return Path(self.function.__code__.co_filename)

    @cached_property
    def source(self) -> str:
        """``reference/spec/.../file.py:line``."""
        try:
            path = Path("reference") / self.path.relative_to(REFERENCE)
        except ValueError:
            path = self.path
        return f"{path.as_posix()}:{self.function.__code__.co_firstlineno}"

    @property
    def title(self) -> str:
        names = list(dict.fromkeys(name for name in self.mnemonics if name != _UNALLOCATED))
        return f"{', '.join(names)} ({self.variant})" if self.variant else ", ".join(names)

    @property
    def section(self) -> str:
        """Where the Arm ARM describes it: pages are in the alphabetical order of their titles."""
        chapter = "C7.2" if self.is_simd else "C6.2"
        return f"Arm ARM (DDI 0487) {chapter}, {self.title}"

    def mnemonic(self, word: int) -> str:
        index = 0
        for name in self.selected_by:
            field = self.pattern.field(name)
            index = index << field.width | field.of(word)
        return self.mnemonics[index]

    def diagram(self) -> str:
        return self.pattern.diagram()

    def cubes(self) -> tuple[Cube, ...]:
        """The words that this definition decodes: its fixed bits, without forbidden values and unallocated
        combinations.
        """
        cubes = [Cube(self.pattern.mask, self.pattern.value)]
        if _UNALLOCATED in self.mnemonics:
            cubes = [
                Cube(self.pattern.mask | mask, self.pattern.value | value)
                for index, mask, value in self.pattern.combinations(self.selected_by)
                if self.mnemonics[index] != _UNALLOCATED
            ]
        for field in self.pattern.fields:
            if field.forbidden:
                field_mask = (1 << field.width) - 1 << field.low
                allowed = [value for value in range(1 << field.width) if field.allows(value)]
                cubes = [
                    Cube(cube.mask | field_mask, cube.value | value << field.low)
                    for cube in cubes
                    for value in allowed
                    if (cube.value ^ value << field.low) & cube.mask & field_mask == 0
                ]
        return tuple(cubes)

    def operands(self, word: int) -> dict[str, int]:
        return {field.name: field.of(word) for field in self.pattern.fields}


_REGISTRY: dict[str, Definition] = {}
F = TypeVar("F", bound=Callable[..., Any])


def insn(pattern: str, mnemonics: str, variant: str = "", *, within: str | None = None) -> Callable[[F], F]:
    """Register a definition.

    ``mnemonics`` is one name, or ``"op S: ADD ADDS SUB SUBS"``: the fields that select, then a name for each of their
    values, with ``-`` where the encoding is unallocated. The function's parameters are the pattern's fields, in the
    pattern's order.
    """
    parsed = Pattern.parse(pattern)
    selectors, colon, names = mnemonics.partition(":")
    selected_by = tuple(selectors.split()) if colon else ()
    table = tuple(names.split()) if colon else (mnemonics,)

    def register(function: F) -> F:
        name = function.__name__
        parameters = tuple(inspect.signature(function).parameters)
        fields = tuple(field.name for field in parsed.fields)
        if parameters != fields:
            raise TypeError(
                f"{name}: parameters {', '.join(parameters)} are not the pattern's fields {', '.join(fields)}"
            )
        for selector in selected_by:
            if selector not in fields:
                raise TypeError(f"{name}: mnemonics are selected by {selector!r}, which is no field")
        if len(table) != 1 << sum(parsed.field(selector).width for selector in selected_by):
            raise TypeError(f"{name}: {len(table)} mnemonics for the fields {' '.join(selected_by)!r}")
        if name in _REGISTRY:
            raise TypeError(f"two definitions are called {name}")
        _REGISTRY[name] = Definition(function, parsed, table, selected_by, variant, within)
        return function

    return register


def definitions() -> tuple[Definition, ...]:
    """Every definition of the specification, in the order of their encodings."""
    import_module("assay64.reference.spec")  # which registers its definitions

    return tuple(sorted(_REGISTRY.values(), key=lambda d: (d.pattern.value, d.name)))
