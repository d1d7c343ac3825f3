"""What the pseudocode runs on: one processing element (PE), bound to the thread that executes it.

The specification never sees an engine. It reads and writes declared registers, accesses memory with an
AccessDescriptor, branches, raises exceptions and makes choices through the PE that is bound here. Golden's PE holds
integers; a tracing PE records events.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol, TypeVar

from assay64.reference.bits import Bits


@dataclass(frozen=True)
class Register:
    """Declared architectural state: ``count`` registers of ``width`` bits under one name."""

    name: str
    width: int
    count: int = 1


# The whole of a PE's state that instructions at EL0 see. Engines lay their state out from this table. Two views are no
# state of their own: "X" is R with the zero register as number 31, "XSP" is R with the current stack pointer as number
# 31.
REGISTERS: dict[str, Register] = {
    register.name: register
    for register in (
        Register("R", 64, 31),
        Register("SP_EL0", 64),
        Register("SP_EL1", 64),
        Register("PC", 64),
        Register("V", 128, 32),
        Register("FPCR", 64),
        Register("FPSR", 64),
        Register("TPIDR_EL0", 64),
        Register("TPIDRRO_EL0", 64),
        Register("APKey", 128, 5),
        Register("EventRegister", 1),
        *(Register(f"PSTATE.{name}", 1) for name in ("N", "Z", "C", "V")),
        Register("PSTATE.DAIF", 4),
        *(Register(f"PSTATE.{name}", 1) for name in ("SS", "IL", "SSBS", "DIT", "TCO", "SP")),
        Register("PSTATE.BTYPE", 2),
        Register("PSTATE.EL", 2),
    )
}


class MemOp(Enum):
    """What a load/store instruction does with memory."""

    LOAD = auto()
    STORE = auto()
    PREFETCH = auto()


class MemAtomicOp(Enum):
    """What an atomic read-modify-write makes of the value in memory and its operand. BIC clears, ORR sets."""

    ADD = auto()
    BIC = auto()
    EOR = auto()
    ORR = auto()
    SMAX = auto()
    SMIN = auto()
    UMAX = auto()
    UMIN = auto()
    SWP = auto()


class BranchType(Enum):
    """Arm's BranchType, as far as A64 has it."""

    DIRCALL = auto()
    INDCALL = auto()
    DIR = auto()
    INDIR = auto()
    RET = auto()


@dataclass(frozen=True, kw_only=True)
class AccessDescriptor:
    """Arm's AccessDescriptor: what kind of access an instruction makes.

    ``acqsc``, ``acqpc`` and ``relsc`` are its ordering (LDAR, LDAPR, STLR); ``unprivileged`` marks LDTR and STTR,
    ``nontemporal`` LDNP and STNP, ``limited_ordered`` LDLAR and STLLR; ``pair`` an access to two registers.
    """

    read: bool
    write: bool
    exclusive: bool = False
    atomic: bool = False
    acqsc: bool = False
    acqpc: bool = False
    relsc: bool = False
    limited_ordered: bool = False
    nontemporal: bool = False
    unprivileged: bool = False
    pair: bool = False

    @property
    def ordered(self) -> bool:
        return self.acqsc or self.acqpc or self.relsc or self.limited_ordered


class Constraint(Enum):
    """What Arm permits where behaviour is CONSTRAINED UNPREDICTABLE."""

    NONE = auto()
    UNKNOWN = auto()
    UNDEF = auto()
    NOP = auto()
    WBSUPPRESS = auto()
    TRUE = auto()
    FALSE = auto()
    FAULT = auto()


class ProcessingElement(Protocol):
    """The primitives that an engine supplies."""

    def read(self, register: str, index: Bits | None) -> Bits: ...
    def write(self, register: str, index: Bits | None, value: Bits) -> None: ...
    def load(self, address: Bits, size: int, accdesc: AccessDescriptor) -> Bits: ...
    def store(self, address: Bits, size: int, accdesc: AccessDescriptor, value: Bits) -> None: ...
    def store_exclusive(self, address: Bits, size: int, accdesc: AccessDescriptor, value: Bits) -> Bits: ...
    def atomic(
        self, address: Bits, size: int, accdesc: AccessDescriptor, operation: MemAtomicOp, operand: Bits
    ) -> Bits: ...
    def compare_and_swap(
        self, address: Bits, size: int, accdesc: AccessDescriptor, expected: Bits, new: Bits
    ) -> Bits: ...
    def zero_block(self, address: Bits) -> None: ...
    def cache_maintenance(self, operation: str, address: Bits) -> None: ...
    def check_system_access(self, control: str, mask: int) -> None: ...
    def read_implementation(self, register: str) -> Bits: ...
    def control_register(self, name: str) -> Bits: ...
    def check_fp_enabled(self) -> None: ...
    def check_sp_alignment(self, base: Bits) -> None: ...
    def clear_exclusive(self) -> None: ...
    def prefetch(self, address: Bits, operation: Bits) -> None: ...
    def branch(self, target: Bits, branch_type: BranchType) -> None: ...
    def in_guarded_page(self) -> Bits: ...
    def set_btype_next(self, value: Bits) -> None: ...
    def implementation_defined(self, value: Bits) -> Bits: ...
    def authenticates(self, pac: Bits, expected: Bits, field: Bits) -> Bits: ...
    def barrier(self, kind: str, option: Bits) -> None: ...
    def send_event(self) -> None: ...
    def wait(self, kind: str, trapped: Bits) -> None: ...
    def has_feature(self, feature: str) -> bool: ...
    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint: ...
    def unknown(self, width: int) -> Bits: ...
    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any: ...


class _Bound(threading.local):
    pe: ProcessingElement | None = None
    # Whether calls of pseudocode functions go through the PE, which may keep them as calls instead of executing them.
    keeps_calls: bool = False


_bound = _Bound()


def PE() -> ProcessingElement:
    """The PE that executes on this thread."""
    pe = _bound.pe
    if pe is None:
        raise RuntimeError("pseudocode was called outside an engine: no processing element is bound to this thread")
    return pe


@contextmanager
def executing(pe: ProcessingElement, *, keeps_calls: bool = False) -> Generator[None]:
    """Bind ``pe`` to this thread for the time of the block."""
    before = _bound.pe, _bound.keeps_calls
    _bound.pe, _bound.keeps_calls = pe, keeps_calls
    try:
        yield
    finally:
        _bound.pe, _bound.keeps_calls = before


F = TypeVar("F", bound=Callable[..., Any])


def pseudocode(function: F) -> F:
    """Mark a shared function of Arm's pseudocode: a pure function of its arguments that an engine may keep as a node.

    Golden executes it in place. An engine that compiles traces it once for the widths of its arguments and emits a
    call.
    """

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        if _bound.keeps_calls and _bound.pe is not None:
            return _bound.pe.call(function, arguments, named)
        return function(*arguments, **named)

    return call  # type: ignore[return-value]  # same signature, by wraps
