"""The guest's memory: what the runner has mapped for it where, and the code in it that only the harness may write."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.runner.process import MMAP, MPROTECT, MUNMAP, Runner
from assay64.harness.backends.runner.program import RESERVED
from assay64.harness.cases.memory import HostMemory

PROT_WRITE = 2
_PROTECTION = {"r": 1, "w": PROT_WRITE, "x": 4}
_PROT_BTI = 0x10
# Linux and the hosts of emulators know no memory that can be written or executed and not read.
_PERMISSIONS: tuple[set[str], ...] = (set(), {"r"}, {"r", "w"}, {"r", "x"})
_MAP_SHARED, _MAP_FIXED_NOREPLACE = 0x01, 0x10_0000
_ADDRESS_LIMIT = 1 << 64


@dataclass(frozen=True)
class Window:
    """``size`` bytes of ``memory`` from ``offset``, shown at guest ``address``; permissions are letters of rwx."""

    address: int
    size: int
    memory: HostMemory
    offset: int
    permissions: str
    guarded: bool = False

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def protection(self) -> int:
        return sum(_PROTECTION[letter] for letter in self.permissions) | (_PROT_BTI if self.guarded else 0)

    def words(self) -> npt.NDArray[np.uint32]:
        """A live view of what it shows."""
        return self.memory.bytes[self.offset : self.offset + self.size].view("<u4")

    def part(self, start: int, end: int) -> Window:
        return replace(self, address=start, size=end - start, offset=self.offset + start - self.address)

    def shows(self, memory: HostMemory, start: int, end: int) -> bool:
        return self.memory is memory and self.offset < end and start < self.offset + self.size


class Windows:
    """The guest's windows, kept alike here and in the runner."""

    def __init__(self, runner: Runner, page_size: int) -> None:
        self._runner, self._page_size = runner, page_size
        self._windows: list[Window] = []
        self._files: dict[int, tuple[HostMemory, int]] = {}

    def find(self, address: int) -> Window | None:
        return next((window for window in self._windows if window.address <= address < window.end), None)

    def executable(self) -> list[Window]:
        return [window for window in self._windows if "x" in window.permissions]

    def descriptor(self, memory: HostMemory) -> int:
        """The runner's descriptor of the file behind ``memory``."""
        if id(memory) not in self._files:
            self._files[id(memory)] = memory, self._runner.open(memory)
        return self._files[id(memory)][1]

    def map(self, window: Window) -> None:
        """Map; what is mapped there already is replaced. Raises Unsupported for addresses that are not to be had."""
        self._check(window.address, window.size)
        self._refuse([window])
        self.unmap(window.address, window.size)
        descriptor = self.descriptor(window.memory)
        try:
            place = self._runner.call(
                MMAP,
                window.address,
                window.size,
                window.protection,
                _MAP_SHARED | _MAP_FIXED_NOREPLACE,
                descriptor,
                window.offset,
            )
        except OSError as error:
            raise Unsupported(
                f"nothing can be mapped at {window.address:#x}: {os.strerror(error.errno or 0)}"
            ) from None
        if place != window.address:  # an emulator that takes the address for a hint
            self._runner.call(MUNMAP, place, window.size)
            raise Unsupported(f"nothing can be mapped at {window.address:#x}")
        self._windows.append(window)

    def unmap(self, address: int, size: int) -> None:
        """Unmap; what is not mapped is passed over."""
        self._check(address, size)
        for part in self._cut(address, address + size):
            self._runner.call(MUNMAP, part.address, part.size)

    def protect(self, address: int, size: int, permissions: str) -> None:
        """Change permissions. ValueError when a page of the range is not mapped."""
        self._check(address, size)
        inside = [w.part(max(w.address, address), min(w.end, address + size)) for w in self._overlapping(address, size)]
        if sum(part.size for part in inside) != size:
            raise ValueError(f"protect {address:#x}: not all of its {size:#x} bytes are mapped")
        changed = [replace(part, permissions=permissions) for part in inside]
        self._refuse(changed)
        self._cut(address, address + size)
        for part in changed:
            self._runner.call(MPROTECT, part.address, part.size, part.protection)
        self._windows += changed

    def _overlapping(self, address: int, size: int) -> list[Window]:
        return [w for w in self._windows if w.address < address + size and address < w.end]

    def _cut(self, start: int, end: int) -> list[Window]:
        """Forget what the windows show of [start, end), and give it."""
        parts: list[Window] = []
        for window in self._overlapping(start, end - start):
            self._windows.remove(window)
            low, high = max(window.address, start), min(window.end, end)
            parts.append(window.part(low, high))
            self._windows += [window.part(a, b) for a, b in ((window.address, low), (high, window.end)) if a < b]
        return parts

    def _check(self, address: int, size: int) -> None:
        page = self._page_size
        if address % page or size % page or size <= 0 or not 0 <= address <= _ADDRESS_LIMIT - size:
            raise ValueError(f"range {address:#x} of {size:#x} bytes: whole pages of {page:#x} bytes are mapped")
        if address < RESERVED[1] and RESERVED[0] < address + size:
            raise Unsupported(f"the runner program itself lies at {RESERVED[0]:#x} to {RESERVED[1]:#x}")

    def _refuse(self, new: list[Window]) -> None:
        """Refuse permissions that Linux does not have, and code that the guest could write: an SVC that the harness has
        not seen would be a system call to its own kernel.
        """
        for one in new:
            end = one.offset + one.size
            alike = [w for w in self._windows if w.address != one.address and w.shows(one.memory, one.offset, end)]
            letters = {letter for window in (one, *alike) for letter in window.permissions}
            if {"w", "x"} <= letters:
                raise Unsupported("memory that is both executable and writable would let the guest make system calls")
            if set(one.permissions) not in _PERMISSIONS:
                raise Unsupported(f"Linux has no memory with the permissions {one.permissions!r} alone")
