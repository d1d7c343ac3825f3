"""The counters of the native engine: their memory, and what they say. The code that counts is in instruments.py."""

from __future__ import annotations

import numpy as np

from assay64.reference.encoding import definitions
from assay64.reference.engines.counts import UNALLOCATED, Tally
from assay64.reference.engines.native import layout
from assay64.reference.engines.native.block import Block
from assay64.reference.engines.native.layout import COUNTED, COUNTS

_KINDS = {"ptr": "u8", "i64": "u8", "i32": "u4", "i16": "u2"}
_ENTRY = np.dtype(
    {
        "names": list(COUNTED.offsets),
        "formats": [_KINDS[kind] for kind in COUNTED.kinds.values()],
        "offsets": list(COUNTED.offsets.values()),
        "itemsize": COUNTED.size,
    }
)


class Counters:
    """Zeroed counters for the records at ``records``, of ``code_pages`` pages. ``bytes``: the memory that they take."""

    def __init__(self, records: int, code_pages: int) -> None:
        self.names = [definition.name for definition in definitions()] + [UNALLOCATED]
        self._block, self._definitions = Block(COUNTS.size), Block(8 * len(self.names))
        self._table = Block(COUNTED.size * layout.RECORDS_PER_PAGE * code_pages)
        self._set("bias", self._table.address - (records * COUNTED.size // layout.RECORD_SIZE) & (1 << 64) - 1)
        self._set("definitions", self._definitions.address)

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
        """The numbers so far: those that are settled, and those of the records as they stand."""
        table = self._table.bytes.view(_ENTRY)
        now = table[table["count"] != 0]
        numbers = self._definitions.view(0, np.uint64, len(self.names)).copy()
        np.add.at(numbers, now["definition"], now["count"])
        reads, writes = (self._get(name) + int((now[name] * now["count"]).sum()) for name in ("reads", "writes"))
        instructions = {name: number for name, number in zip(self.names, numbers.tolist(), strict=True) if number}
        return Tally(instructions, reads, writes, self._get("branches"))
