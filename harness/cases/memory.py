"""The host's side of guest memory: page-aligned buffers that the harness owns and every backend maps.

Because the harness owns the bytes, it writes, compares and restores memory without asking the backend, and an alias is
one buffer mapped twice. A buffer can be shared with a child process through its file descriptor.
"""

from __future__ import annotations

import mmap
import os
import weakref
from functools import lru_cache

import numpy as np
import numpy.typing as npt


class HostMemory:
    """``size`` bytes (whole pages), zeroed, at ``address`` in this process; ``bytes`` is a live view of them.

    ``descriptor`` is that of the file behind them, where the system has files without a name (Linux), else -1.
    """

    def __init__(self, size: int) -> None:
        self.descriptor = _nameless_file(size)
        if self.descriptor >= 0:
            weakref.finalize(self, os.close, self.descriptor)
        self.map = mmap.mmap(self.descriptor, size)
        self.bytes: npt.NDArray[np.uint8] = np.frombuffer(self.map, np.uint8)
        self.address = int(self.bytes.ctypes.data)
        self.size = size

    def words(self) -> npt.NDArray[np.uint64]:
        """The same bytes as 64-bit words, for fast comparison."""
        return self.bytes.view(np.uint64)


def _nameless_file(size: int) -> int:
    if not hasattr(os, "memfd_create"):
        return -1
    descriptor = os.memfd_create("assay64")
    os.ftruncate(descriptor, size)
    return descriptor


@lru_cache(maxsize=64)
def fill_bytes(seed: int, size: int) -> bytes:
    """``size`` pseudo-random bytes from ``seed`` (PCG64): the initial contents of a region with that ``fill``.

    One byte in four is zero and one word in eight repeats 0xff, so that flags, sign bits and string ends occur.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    data = generator.integers(0, 256, size, dtype=np.uint8)
    data[generator.integers(0, 4, size, dtype=np.uint8) == 0] = 0
    words = data[: size // 8 * 8].reshape(-1, 8)
    words[generator.integers(0, 8, len(words), dtype=np.uint8) == 0] = 0xFF
    return data.tobytes()
