"""The footprint of an instruction: every access that it makes and every register that it writes, when nothing aborts.

Arm lets an instruction of several accesses that aborts leave UNKNOWN what its other accesses affect. Which those are is
known from the definition alone: it is executed once more, reading the state as it was and changing none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from assay64.reference.bits import Bits, Unknown, UnknownDecision
from assay64.reference.encoding import Decoded
from assay64.reference.pseudocode.exceptions import ArchitecturalException, EndOfInstruction
from assay64.reference.pseudocode.processor import AccessDescriptor, Constraint, ProcessingElement, executing


class _End(Exception):
    """The instruction did something beyond registers and plain accesses."""


@dataclass
class Footprint:
    """``accesses`` are (address, size in bytes) in the definition's order; ``written`` are (register, number), views
    included.
    """

    accesses: list[tuple[Bits, int]] = field(default_factory=list[tuple[Bits, int]])
    written: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])


def footprint(decoded: Decoded, pe: ProcessingElement, chosen: list[Constraint]) -> Footprint:
    """What the instruction touches from the state of ``pe``, with the choices that it took before it aborted."""
    probe = _Probe(pe, list(chosen))
    try:
        with executing(probe):  # type: ignore[arg-type]  # __getattr__ supplies the rest of the protocol
            decoded.definition.function(**decoded.operands)
    except (_End, ArchitecturalException, EndOfInstruction, UnknownDecision):
        pass  # up to here
    return probe.found


class _Probe:
    """A processing element that reads from another, and only notes what would change it."""

    def __init__(self, pe: ProcessingElement, chosen: list[Constraint]) -> None:
        self._pe, self._chosen = pe, chosen
        self.found = Footprint()

    def read(self, register: str, index: Bits | None) -> Bits:
        return self._pe.read(register, index)

    def write(self, register: str, index: Bits | None, value: Bits) -> None:
        self.found.written.append((register, 0 if index is None else int(index)))

    def load(self, address: Bits, size: int, accdesc: AccessDescriptor) -> Bits:
        self.found.accesses.append((address, size))
        return self.unknown(8 * size)

    def store(self, address: Bits, size: int, accdesc: AccessDescriptor, value: Bits) -> None:
        self.found.accesses.append((address, size))

    def check_fp_enabled(self) -> None:
        pass  # it passed before

    def check_sp_alignment(self, base: Bits) -> None:
        pass  # as above

    def has_feature(self, feature: str) -> bool:
        return self._pe.has_feature(feature)

    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint:
        return self._chosen.pop(0) if self._chosen else constraints[0]

    def unknown(self, width: int) -> Bits:
        return Unknown(width, 0, (1 << width) - 1)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return function(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        def end(*_: object, **__: object) -> NoReturn:
            raise _End

        return end
