"""Guest memory that a backend keeps for itself: copied from the harness's before a run, and back after it.

What the backend does with the bytes is its own affair; here is known what it was given. Every address has memory of its
own there, so that no page can be seen at two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.memory import HostMemory

PAGE_SIZE = 0x1000


@dataclass(frozen=True)
class Window:
    """``size`` bytes of ``memory`` from ``offset``, shown at guest ``address``. ``copied`` is what the backend has of
    them.
    """

    address: int
    size: int
    memory: HostMemory
    offset: int
    permissions: str
    copied: npt.NDArray[np.uint8]

    @property
    def end(self) -> int:
        return self.address + self.size

    def host(self) -> npt.NDArray[np.uint8]:
        return self.memory.bytes[self.offset : self.offset + self.size]

    def is_changed(self) -> bool:
        """Whether the harness has written since the last copy."""
        return not np.array_equal(self.copied, self.host())

    def copy_in(self) -> Iterator[tuple[int, bytes]]:
        """The pages that the harness has written since the last copy, as (guest address, bytes)."""
        host = self.host()
        different = (host != self.copied).reshape(-1, PAGE_SIZE).any(axis=1)
        for start in (np.flatnonzero(different) * PAGE_SIZE).tolist():
            yield self.address + start, host[start : start + PAGE_SIZE].tobytes()
        self.copied[:] = host

    def copy_out(self, address: int, data: npt.NDArray[np.uint8]) -> None:
        """Take over what the guest has written at ``address``."""
        start = address - self.address
        self.copied[start : start + len(data)] = data
        self.host()[start : start + len(data)] = data

    def part(self, start: int, end: int, permissions: str) -> Window:
        offset = start - self.address
        return replace(
            self,
            address=start,
            size=end - start,
            offset=self.offset + offset,
            permissions=permissions,
            copied=self.copied[offset : offset + end - start],
        )


class Windows:
    """The windows of one machine of the backend called ``name``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.windows: list[Window] = []

    def map(self, address: int, memory: HostMemory, offset: int, size: int, permissions: str) -> Window:
        """Show memory, of which nothing is copied yet; pages that are mapped already are replaced.

        ValueError for what is no whole page, Unsupported for memory that is shown elsewhere.
        """
        _check(address, size)
        self._cut(address, address + size, None)
        for other in self.windows:
            if other.memory is memory and other.offset < offset + size and offset < other.offset + other.size:
                raise Unsupported(
                    f"{self._name} has memory of its own for every address: no alias of {other.address:#x}"
                )
        window = Window(address, size, memory, offset, permissions, np.zeros(size, np.uint8))
        self.windows.append(window)
        return window

    def protect(self, address: int, size: int, permissions: str) -> None:
        """Change permissions. ValueError when a page of the range is not mapped."""
        _check(address, size)
        covered = sum(min(w.end, address + size) - max(w.address, address) for w in self._overlapping(address, size))
        if covered != size:
            raise ValueError(f"protect {address:#x}: not all of its {size:#x} bytes are mapped")
        self._cut(address, address + size, permissions)

    def unmap(self, address: int, size: int) -> None:
        """Unmap; what is not mapped is passed over."""
        _check(address, size)
        self._cut(address, address + size, None)

    def find(self, address: int) -> Window | None:
        return next((window for window in self.windows if window.address <= address < window.end), None)

    def _overlapping(self, address: int, size: int) -> Iterator[Window]:
        return (window for window in self.windows if window.address < address + size and address < window.end)

    def _cut(self, start: int, end: int, permissions: str | None) -> None:
        """Take [start, end) out of every window; with ``permissions``, put it back with these."""
        for window in list(self._overlapping(start, end - start)):
            self.windows.remove(window)
            low, high = max(window.address, start), min(window.end, end)
            if window.address < low:
                self.windows.append(window.part(window.address, low, window.permissions))
            if permissions is not None:
                self.windows.append(window.part(low, high, permissions))
            if high < window.end:
                self.windows.append(window.part(high, window.end, window.permissions))


def _check(address: int, size: int) -> None:
    if address % PAGE_SIZE or size % PAGE_SIZE or size <= 0 or not 0 <= address <= (1 << 64) - size:
        raise ValueError(f"range {address:#x} of {size:#x} bytes: whole pages of {PAGE_SIZE:#x} bytes are mapped")
