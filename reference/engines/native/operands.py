"""Decoded operands: what the decoder puts into a record, and a handler reads from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from assay64.reference.bits import Bits, Constant
from assay64.reference.engines.graph import LEAVES, Node, Stage, computed
from assay64.reference.engines.native.layout import CONTEXT, RECORD_OPERANDS


@dataclass(frozen=True)
class Slot:
    """A decoded operand: what the decoder stores at ``offset`` of the record.

    ``kind``: ``value`` (of ``node``), ``X``, ``Xw``, ``XSP``, ``V``, ``APKey`` (the offset in the context of the
    register that ``node`` numbers; Xw is one to be written), ``sp_mask`` (15 when ``node`` numbers SP and its alignment
    is checked), ``chain`` (the record of the branch's target, when it is known).
    """

    kind: str
    node: Bits
    offset: int
    size: int


@dataclass
class Slots:
    """Room for operands in a record."""

    found: dict[tuple[str, Bits], Slot] = field(default_factory=dict[tuple[str, Bits], Slot])
    used: int = 0

    def get(self, kind: str, node: Bits, size: int) -> Slot:
        slot = self.found.get((kind, node))
        if slot is None:
            offset = 0
            while self.used >> offset & (1 << size) - 1:
                offset += size
            self.used |= (1 << size) - 1 << offset
            slot = self.found[kind, node] = Slot(kind, node, RECORD_OPERANDS + offset, size)
        return slot

    @property
    def end(self) -> int:
        return RECORD_OPERANDS + self.used.bit_length()


class Known:
    """What is the same for all instructions of a variant, from what is known of some nodes."""

    def __init__(self, facts: Mapping[Node, Constant] | None = None) -> None:
        self._values: dict[Node, Constant | None] = dict(facts or {})

    def constant(self, value: Bits) -> Constant | None:
        """The value, where it is no operand but a constant."""
        if isinstance(value, Constant):
            return value
        if not isinstance(value, Node) or value.stage is not Stage.DECODE:
            return None
        if value not in self._values:
            parts = [self.constant(part) if isinstance(part, Bits) else part for part in value.operands]
            unknown = value.operation in LEAVES or any(part is None for part in parts)
            self._values[value] = None if unknown else Constant(value.width, int(computed(value, parts)))
        return self._values[value]


class RecordTooSmall(Exception):
    """A handler has more operands than a record holds."""


def register_offset(kind: str, number: int) -> int:
    """Where register ``number`` is in the context."""
    if kind in ("X", "Xw", "XSP"):
        if number == 31:
            return CONTEXT[{"X": "zero", "Xw": "sink", "XSP": "sp"}[kind]]
        return CONTEXT["R"] + 8 * number
    return CONTEXT[kind] + 16 * number
