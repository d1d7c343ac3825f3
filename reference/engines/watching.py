"""What a watchpoint watches. Who stops, and what then is left undone, is the engines' business."""

from __future__ import annotations

from dataclasses import dataclass

_MASK64 = (1 << 64) - 1


@dataclass(frozen=True)
class WatchedRange:
    """``size`` bytes from ``address`` (modulo 2**64) whose reads, writes or both are to be noticed."""

    address: int
    size: int
    read: bool
    write: bool

    def meets(self, address: int, size: int, *, write: bool) -> bool:
        wanted = self.write if write else self.read
        return wanted and ((address - self.address & _MASK64) < self.size or (self.address - address & _MASK64) < size)
