"""What the specification says of an encoding alone: allocated, UNDEFINED, or allocated with should-be bits violated.

A definition decides UNDEFINED in its decode part, before it touches any state, so executing it up to the first access
decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Self

from assay64.reference.encoding import Decoded, Definition, decode
from assay64.reference.encoding.table import Allocation
from assay64.reference.models import Model
from assay64.reference.pseudocode.exceptions import ArchitecturalException, EndOfInstruction, Undefined
from assay64.reference.pseudocode.processor import Constraint, executing
from assay64.reference.pseudocode.system import SYSTEM_INSTRUCTIONS, SYSTEM_REGISTERS


class _Decoded(Exception):
    """The decode part is over."""


class _Unpredictable(_Decoded):
    """The decode part met a CONSTRAINED UNPREDICTABLE case."""


class _DecodeOnly:
    """A processing element that ends the instruction at its first access to state."""

    def __init__(self, model: Model | _EveryFeature) -> None:
        self._model = model

    def has_feature(self, feature: str) -> bool:
        return feature in self._model.features

    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint:
        raise _Unpredictable

    def __getattr__(self, name: str) -> Any:
        def stop(*_: object, **__: object) -> NoReturn:
            raise _Decoded

        return stop


def allocation(word: int, model: Model) -> Allocation:
    """The allocation of ``word`` for a CPU model.

    HVC, SMC, HLT, ERET, DCPS and UDF, allocated but UNDEFINED at EL0, are allocated.
    """
    decoded = decode(word)
    if decoded is None:
        return Allocation.UNALLOCATED
    if isinstance(_decode_part(decoded, model), Undefined):
        if (decoded.definition.within or decoded.definition.name) in SYSTEM_SPACE:
            return Allocation.ALLOCATED
        if decoded.definition.name not in UNDEFINED_AT_EL0 or not features_of(word) <= model.features:
            return Allocation.UNALLOCATED
    return Allocation.SHOULD_BE_VIOLATED if decoded.violations else Allocation.ALLOCATED


def features_of(word: int) -> frozenset[str]:
    """The FEAT_* that the encoding asks for in its decode part: without them it is UNDEFINED or something else."""
    decoded = decode(word)
    if decoded is None:
        return frozenset()
    asked = _EveryFeature()
    _decode_part(decoded, asked)
    return frozenset(asked.names)


def system_encodings(definition: Definition) -> Sequence[dict[str, int]]:
    """The operands of a definition in SYSTEM_SPACE that name something: its field values."""
    names = [field.name for field in definition.pattern.fields if field.name != "Rt"]
    if definition.name == "msr_immediate":
        return [{"op1": 0b011, "op2": op2} for op2 in (0b001, 0b010, 0b110, 0b111)]
    rows = SYSTEM_REGISTERS if "o0" in names else SYSTEM_INSTRUCTIONS
    parts = {"o0": (14, 1), "op1": (11, 7), "CRn": (7, 15), "CRm": (3, 15), "op2": (0, 7)}
    return [{name: row.encoding >> parts[name][0] & parts[name][1] for name in names} for row in rows]


class _EveryFeature:
    """A model that has every feature, and remembers which it was asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    @property
    def features(self) -> Self:
        return self

    def __contains__(self, feature: str) -> bool:
        self.names.add(feature)
        return True


def is_unpredictable(word: int, model: Model) -> bool:
    """Whether the encoding alone is CONSTRAINED UNPREDICTABLE: register overlaps, should-be bits."""
    decoded = decode(word)
    if decoded is None:
        return False
    return bool(decoded.violations) or isinstance(_decode_part(decoded, model), _Unpredictable)


def _decode_part(decoded: Decoded, model: Model | _EveryFeature) -> BaseException | None:
    """What ends the definition before or at its first access to state."""
    try:
        with executing(_DecodeOnly(model)):  # type: ignore[arg-type]  # __getattr__ supplies the rest of the protocol
            decoded.definition.function(**decoded.operands)
    except (_Decoded, EndOfInstruction, ArchitecturalException) as end:
        return end
    return None


# One encoding each, whose operand names a System register, a system instruction or a PSTATE field, if there is one.
SYSTEM_SPACE = frozenset({"mrs", "msr_register", "msr_immediate", "sys", "sysl"})
UNDEFINED_AT_EL0 = frozenset(
    {"higher_level_call", "hlt", "debug_change_state", "exception_return", "exception_return_authenticated", "udf"}
)
