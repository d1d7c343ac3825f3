"""The guest memory of an Icicle machine, which Icicle allocates by itself.

It never forgets a translation but by a reset, which takes memory and registers with it; every change of mappings or of
code asks for one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.copying import Window, Windows
from assay64.harness.backends.icicle.binding import icicle
from assay64.harness.cases.memory import HostMemory

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


class GuestMemory:
    """The windows of one machine. ``stale``: the virtual machine has to be rebuilt before it runs."""

    def __init__(self, vm: Any) -> None:
        self._vm = vm
        self._windows = Windows("icicle")
        self.stale = True

    def map(self, address: int, memory: HostMemory, offset: int, size: int, permissions: str) -> None:
        _check(permissions)
        self._windows.map(address, memory, offset, size, permissions)
        self.stale = True

    def protect(self, address: int, size: int, permissions: str) -> None:
        _check(permissions)
        self._windows.protect(address, size, permissions)
        self.stale = True

    def unmap(self, address: int, size: int) -> None:
        self._windows.unmap(address, size)
        self.stale = True

    def find(self, address: int) -> Window | None:
        return self._windows.find(address)

    def word(self, address: int) -> int:
        """The A64 word at ``address``; 0 where nothing is mapped."""
        window = self.find(address)
        if window is None:
            return 0
        return int.from_bytes(window.host()[address - window.address :][:4].tobytes(), "little")

    def move_to(self, vm: Any) -> None:
        """Have the memory in another virtual machine from the next rebuilding on."""
        self._vm = vm

    def rebuild(self) -> None:
        """Map and fill everything in a virtual machine that was reset."""
        for window in self._windows.windows:
            self._vm.mem_map(window.address, window.size, _PROTECTIONS[frozenset(window.permissions)])
            window.copied[:] = 0
            self._copy_in(window)
        self.stale = False

    def push(self) -> None:
        """Bring the guest up to date, or find that it is stale: code has changed."""
        for window in self._windows.windows:
            if self.stale:
                return
            if window.is_changed():
                if "x" in window.permissions:
                    self.stale = True
                else:
                    self._copy_in(window)

    def pull(self) -> None:
        """Bring the harness's memory up to date after a run."""
        for window in self._windows.windows:
            if "w" in window.permissions:
                found = np.frombuffer(self._vm.mem_read(window.address, window.size), np.uint8)
                if not np.array_equal(found, window.copied):
                    window.copy_out(window.address, found)

    def _copy_in(self, window: Window) -> None:
        for address, data in window.copy_in():
            self._vm.mem_write(address, data)


def _check(permissions: str) -> None:
    if frozenset(permissions) not in _PROTECTIONS:
        raise Unsupported(f"icicle has no memory with the permissions {permissions!r}")
