"""Guest memory as the generated code sees it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from assay64.reference.engines.native import layout
from assay64.reference.engines.native.block import Block
from assay64.reference.engines.native.layout import REGION, SPACE, STORE, WATCH
from assay64.reference.memory import PAGE_BITS, PAGE_SIZE, AddressSpace

_MASK64 = (1 << 64) - 1
# The most bytes that one instruction accesses, one after the other: its first access is that near to any other.
_REACH = 64


class Element(Protocol):
    """What a space asks of the processing elements that share it."""

    context: Block

    def flush(self) -> None: ...
    def lend_shared(self) -> None: ...
    def take_shared(self) -> None: ...


class NativeSpace:
    """Guest memory as the generated code sees it: the regions of an AddressSpace, made anew when it has changed."""

    def __init__(self, space: AddressSpace, logged_stores: int) -> None:
        self.space = space
        self.block = Block(SPACE.size)
        self.elements: list[Element] = []
        self._version = -1
        self._regions, self._elements = Block(REGION.size), Block(8)
        self._log, self._watches = Block(STORE.size * logged_stores), Block(WATCH.size)
        self.block.view(SPACE["log"], np.uint64)[0] = self._log.address
        self.block.view(SPACE["log_limit"], np.uint64)[0] = logged_stores

    def add(self, element: Element) -> None:
        self.elements.append(element)
        self._elements = Block(8 * len(self.elements))
        self._elements.view(0, np.uint64, len(self.elements))[:] = [e.context.address for e in self.elements]
        self.block.view(SPACE["elements"], np.uint64)[0] = self._elements.address
        self.block.view(SPACE["element_count"], np.uint64)[0] = len(self.elements)

    def update(self) -> None:
        """Take over a change of the address space."""
        if self._version == self.space.version:
            return
        self._version = self.space.version
        regions = list(self._coalesced())
        self._regions = Block(REGION.size * max(len(regions), 1))
        table = self._regions.view(0, np.uint64, REGION.size // 8 * len(regions)).reshape(-1, REGION.size // 8)
        for row, region in zip(table, regions, strict=True):
            row[: len(region)] = region
        self.block.view(SPACE["regions"], np.uint64)[0] = self._regions.address
        self.block.view(SPACE["region_count"], np.uint64)[0] = len(regions)
        for element in self.elements:
            element.flush()

    def watch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Let golden execute what comes near these watchpoints: pairs of address and size in bytes."""
        rows = [(address - _REACH & _MASK64, min(size + 2 * _REACH, _MASK64)) for address, size in ranges]
        self._watches = Block(WATCH.size * max(len(rows), 1))
        for number, row in enumerate(rows):
            self._watches.view(WATCH.size * number, np.uint64, 2)[:] = row
        self.block.view(SPACE["watches"], np.uint64)[0] = self._watches.address
        self.block.view(SPACE["watch_count"], np.uint64)[0] = len(rows)
        for element in self.elements:
            element.flush()

    @property
    def bytes(self) -> int:
        """The memory of all tables."""
        return sum(block.bytes.size for block in (self.block, self._regions, self._elements, self._log, self._watches))

    def empty_log(self) -> None:
        """Forget the stores of a batch."""
        self.block.view(SPACE["log_count"], np.uint64)[0] = 0

    def _coalesced(self) -> Iterable[tuple[int, int, int, int]]:
        """(start, end, host address, flags) of each run of pages that lie together in the guest and the host."""
        addresses: dict[int, int] = {}
        current: tuple[int, int, int, int] | None = None
        for number, page in sorted(self.space.pages.items()):
            base = addresses.get(id(page.buffer))
            if base is None:
                base = addresses[id(page.buffer)] = ctypes.addressof(ctypes.c_char.from_buffer(page.buffer))
            host, start = base + page.offset, number << PAGE_BITS
            if host % PAGE_SIZE:
                raise ValueError(f"the native engine maps buffers that are aligned to pages: {host:#x} is not")
            flags = (
                page.read * layout.READ
                | page.write * layout.WRITE
                | page.execute * layout.EXECUTE
                | page.device * layout.DEVICE
                | page.guarded * layout.GUARDED
            )
            if current and current[1] == start and current[3] == flags and current[2] + start - current[0] == host:
                current = (current[0], start + PAGE_SIZE & _MASK64, current[2], flags)
                continue
            if current:
                yield current
            current = start, start + PAGE_SIZE & _MASK64, host, flags
        if current:
            yield current
