"""Memory that the generated code and Python share."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np


class Block:
    """Zeroed memory of our own, aligned to pages, that the generated code and Python share."""

    def __init__(self, size: int) -> None:
        self.memory = memoryview(mmap.mmap(-1, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE))
        self.bytes = np.frombuffer(self.memory, np.uint8)[:size]
        self.address = int(self.bytes.ctypes.data)

    def view(self, offset: int, kind: Any, count: int = 1) -> np.ndarray[Any, Any]:
        """``count`` values of a numpy type at ``offset``."""
        return self.bytes[offset : offset + np.dtype(kind).itemsize * count].view(kind)
