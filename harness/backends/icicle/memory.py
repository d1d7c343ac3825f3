"""The guest memory of an Icicle machine: a copy of the harness's, brought up to date before a run and back after it.

Icicle allocates guest memory by itself. It never forgets a translation but by a reset, which takes memory and registers
with it: so does every change of mappings or of code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.icicle.binding import icicle
from assay64.harness.cases.memory import HostMemory

PAGE_SIZE = 0x1000
_PROTECTIONS: dict[frozenset[str], Any] = {
    frozenset(letters): protection
    for letters, protection in (
        ("", icicle.MemoryProtection.NoAccess),
        ("r", icicle.MemoryProtection.ReadOnly),
        ("rw", icicle.MemoryProtection.ReadWrite),
        ("x", icicle.MemoryProtection.ExecuteOnly),
        ("rx", icicle.MemoryProtection.ExecuteRead),
        ("rwx", icicle.MemoryProtection.ExecuteReadWrite),
    )
}


@dataclass(frozen=True)
class Window:
    """``size`` bytes of ``memory`` from ``offset``, shown at guest ``address``. ``copied`` is what the guest has of
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


class GuestMemory:
    """The windows of one machine. ``stale``: the virtual machine has to be rebuilt before it runs."""

    def __init__(self, vm: Any) -> None:
        self._vm = vm
        self._windows: list[Window] = []
        self.stale = True

    def map(self, address: int, memory: HostMemory, offset: int, size: int, permissions: str) -> None:
        """Show memory; pages that are mapped already are replaced. ValueError for what is no whole page."""
        _check(address, size, permissions)
        self._cut(address, address + size, None)
        for other in self._windows:
            if other.memory is memory and other.offset < offset + size and offset < other.offset + other.size:
                raise Unsupported(f"icicle has memory of its own for every address: no alias of {other.address:#x}")
        self._windows.append(Window(address, size, memory, offset, permissions, np.zeros(size, np.uint8)))
        self.stale = True

    def protect(self, address: int, size: int, permissions: str) -> None:
        """Change permissions. ValueError when a page of the range is not mapped."""
        _check(address, size, permissions)
        covered = sum(min(w.end, address + size) - max(w.address, address) for w in self._overlapping(address, size))
        if covered != size:
            raise ValueError(f"protect {address:#x}: not all of its {size:#x} bytes are mapped")
        self._cut(address, address + size, permissions)

    def unmap(self, address: int, size: int) -> None:
        """Unmap; what is not mapped is passed over."""
        _check(address, size, "")
        self._cut(address, address + size, None)

    def find(self, address: int) -> Window | None:
        return next((window for window in self._windows if window.address <= address < window.end), None)

    def word(self, address: int) -> int:
        """The A64 word at ``address``; 0 where nothing is mapped."""
        window = self.find(address)
        if window is None:
            return 0
        return int.from_bytes(window.host()[address - window.address :][:4].tobytes(), "little")

    def rebuild(self) -> None:
        """Map and fill everything in a virtual machine that was reset."""
        for window in self._windows:
            self._vm.mem_map(window.address, window.size, _PROTECTIONS[frozenset(window.permissions)])
            window.copied[:] = 0
            self._copy_in(window)
        self.stale = False

    def push(self) -> None:
        """Bring the guest up to date, or find that it is stale: code has changed."""
        for window in self._windows:
            if self.stale:
                return
            if not np.array_equal(window.copied, window.host()):
                if "x" in window.permissions:
                    self.stale = True
                else:
                    self._copy_in(window)

    def pull(self) -> None:
        """Bring the harness's memory up to date after a run."""
        for window in self._windows:
            if "w" in window.permissions:
                found = np.frombuffer(self._vm.mem_read(window.address, window.size), np.uint8)
                if not np.array_equal(found, window.copied):
                    window.copied[:] = found
                    window.host()[:] = found

    def _copy_in(self, window: Window) -> None:
        host = window.host()
        different = (host != window.copied).reshape(-1, PAGE_SIZE).any(axis=1)
        for page in np.flatnonzero(different).tolist():
            part = host[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
            self._vm.mem_write(window.address + page * PAGE_SIZE, part.tobytes())
        window.copied[:] = host

    def _overlapping(self, address: int, size: int) -> Iterator[Window]:
        return (window for window in self._windows if window.address < address + size and address < window.end)

    def _cut(self, start: int, end: int, permissions: str | None) -> None:
        """Take [start, end) out of every window; with ``permissions``, put it back with these."""
        for window in list(self._overlapping(start, end - start)):
            self._windows.remove(window)
            low, high = max(window.address, start), min(window.end, end)
            if window.address < low:
                self._windows.append(window.part(window.address, low, window.permissions))
            if permissions is not None:
                self._windows.append(window.part(low, high, permissions))
            if high < window.end:
                self._windows.append(window.part(high, window.end, window.permissions))
            self.stale = True


def _check(address: int, size: int, permissions: str) -> None:
    if address % PAGE_SIZE or size % PAGE_SIZE or size <= 0 or not 0 <= address <= (1 << 64) - size:
        raise ValueError(f"range {address:#x} of {size:#x} bytes: whole pages of {PAGE_SIZE:#x} bytes are mapped")
    if frozenset(permissions) not in _PROTECTIONS:
        raise Unsupported(f"icicle has no memory with the permissions {permissions!r}")
