"""The counters of the native engine: their memory, and what they say. The code that counts is in instruments.py."""

from __future__ import annotations

import numpy as np

from assay64.reference.encoding import definitions
from assay64.reference.engines.counts import UNALLOCATED, Tally
from assay64.reference.engines.native import layout
from assay64.reference.engines.native.block import Block
from assay64.reference.engines.native.layout import COUNTED, COUNTS


class Counters:
    """Zeroed counters for the records at ``records``, of ``code_pages`` pages. ``bytes``: the memory that they take."""

    def __init__(self, records: int, code_pages: int) -> None:
        self.names = [definition.name for definition in definitions()] + [UNALLOCATED]
        self._block, self._definitions = Block(COUNTS.size), Block(8 * len(self.names))
        self._table = Block(COUNTED.size * layout.RECORDS_PER_PAGE * code_pages)
        for name, value in (
            ("records", records),
            ("table", self._table.address),
            ("definitions", self._definitions.address),
        ):
            self._set(name, value)

    @property
    def address(self) -> int:
        return self._block.address

    @property
    def bytes(self) -> int:
        return sum(block.bytes.size for block in (self._block, self._definitions, self._table))

    def _set(self, name: str, value: int) -> None:
        self._block.view(COUNTS[name], np.uint64)[0] = value

    def _get(self, name: str) -> int:
        return int(self._block.view(COUNTS[name], np.uint64)[0])

    def begin(self, pc: int) -> None:
        """Execution starts at ``pc``: coming there is no branch."""
        self._set("next_pc", pc)

    def end(self, pc: int) -> None:
        """Execution pauses before the instruction at ``pc``."""
        self._set("branches", self._get("branches") + (self._get("next_pc") != pc))
        self._set("next_pc", pc)

    def count(self, name: str, pc: int) -> None:
        """Count an instruction that was executed elsewhere."""
        self._definitions.view(8 * self.names.index(name), np.uint64)[0] += np.uint64(1)
        self.end(pc)
        self._set("next_pc", pc + 4)

    def tally(self) -> Tally:
        numbers = self._definitions.view(0, np.uint64, len(self.names)).tolist()
        instructions = {name: number for name, number in zip(self.names, numbers, strict=True) if number}
        return Tally(instructions, self._get("reads"), self._get("writes"), self._get("branches"))
