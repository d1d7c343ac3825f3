"""The reference's guest memory: pages over byte buffers, and the monitors that watch them.

Several processing elements may share an address space. Two pages over the same bytes of a buffer are aliases, and a
store through one clears a monitor set through the other, because locations are named by buffer and offset.
"""

from __future__ import annotations

import dataclasses
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field

PAGE_BITS = 12
PAGE_SIZE = 1 << PAGE_BITS

Location = tuple[int, int]  # a byte's physical identity: its buffer's number, and the offset in it


@dataclass(frozen=True)
class Page:
    """4 KiB of guest addresses: where its bytes are, and what may be done with them."""

    buffer: memoryview
    number: int
    offset: int
    read: bool
    write: bool
    execute: bool
    device: bool = False
    guarded: bool = False


def _check_pages(operation: str, address: int, size: int) -> None:
    if address % PAGE_SIZE or size % PAGE_SIZE or size <= 0:
        raise ValueError(f"{operation} {address:#x}, {size:#x}: whole pages of {PAGE_SIZE:#x} bytes")
    if not 0 <= address <= (1 << 64) - size:
        raise ValueError(f"{operation} {address:#x}, {size:#x}: addresses have 64 bits")


def _check_permissions(operation: str, address: int, permissions: str) -> None:
    if set(permissions) - set("rwx-"):
        raise ValueError(f"{operation} {address:#x}: permissions are letters of rwx, not {permissions!r}")


@dataclass
class AddressSpace:
    """Guest pages by page number, and the exclusive monitors of all processing elements that share them."""

    pages: dict[int, Page] = field(default_factory=dict[int, Page])
    # For each processing element with an exclusive reservation: the first and last location's range.
    reservations: dict[int, tuple[int, int, int]] = field(default_factory=dict[int, tuple[int, int, int]])
    # Bytes whose value is UNKNOWN, by location.
    unknown: set[Location] = field(default_factory=set[Location])
    # Counts the changes of what is mapped and how.
    version: int = 0
    # Of each buffer by its identity: its number, and the buffer, so that no other comes to have the same identity.
    _buffers: dict[int, tuple[int, memoryview]] = field(default_factory=dict[int, tuple[int, memoryview]])
    _next_number: int = 0
    _crowded: int = 64

    def map(
        self,
        address: int,
        buffer: memoryview,
        offset: int,
        size: int,
        permissions: str,
        *,
        device: bool = False,
        guarded: bool = False,
        identity: int | None = None,
    ) -> None:
        """Show ``size`` bytes of a writable ``buffer`` at ``address``: whole pages.

        ``identity`` names the buffer for aliases.
        """
        _check_pages("map", address, size)
        if offset < 0 or offset + size > len(buffer):
            raise ValueError(f"map {address:#x}: the buffer has {len(buffer):#x} bytes")
        _check_permissions("map", address, permissions)
        self.version += 1
        number = self._number(id(buffer) if identity is None else identity, buffer)
        for start in range(0, size, PAGE_SIZE):
            self.pages[address + start >> PAGE_BITS] = Page(
                buffer,
                number,
                offset + start,
                "r" in permissions,
                "w" in permissions,
                "x" in permissions,
                device,
                guarded,
            )

    def _number(self, identity: int, buffer: memoryview) -> int:
        """The number of a buffer; buffers that are mapped nowhere any more are forgotten now and then."""
        if identity not in self._buffers:
            if len(self._buffers) >= self._crowded:
                needed = {page.number for page in self.pages.values()} | {number for number, _ in self.unknown}
                self._buffers = {key: one for key, one in self._buffers.items() if one[0] in needed}
                self._crowded = max(64, 2 * len(self._buffers))
            self._buffers[identity] = self._next_number, buffer
            self._next_number += 1
        return self._buffers[identity][0]

    def replace(self, pages: Mapping[int, Page], contents: Mapping[Location, bytes]) -> None:
        """Have these pages with these contents, and no others. A buffer that this space has not, or no longer, is
        replaced by one of its own.
        """
        mine = dict(self._buffers.values())
        given = dict[int, memoryview]()
        for page in pages.values():
            if mine.get(page.number) is not page.buffer and page.number not in given:
                size = max(other.offset for other in pages.values() if other.number == page.number) + PAGE_SIZE
                given[page.number] = memoryview(mmap.mmap(-1, size))
        for number, buffer in given.items():
            self._buffers = {key: one for key, one in self._buffers.items() if one[0] != number}
            self._buffers[id(buffer)] = number, buffer
        self._next_number = max(self._next_number, *(page.number + 1 for page in pages.values()), 0)
        self.pages = {
            at: dataclasses.replace(page, buffer=given[page.number]) if page.number in given else page
            for at, page in pages.items()
        }
        for page in self.pages.values():
            data = contents[page.number, page.offset]
            if bytes(page.buffer[page.offset : page.offset + PAGE_SIZE]) != data:
                page.buffer[page.offset : page.offset + PAGE_SIZE] = data
        self.version += 1

    def contents(self, before: Mapping[Location, bytes]) -> dict[Location, bytes]:
        """The bytes of every page by its location; what is still as in ``before`` is shared with it."""
        found = dict[Location, bytes]()
        for page in self.pages.values():
            place = page.number, page.offset
            if place not in found:
                data = bytes(page.buffer[page.offset : page.offset + PAGE_SIZE])
                old = before.get(place)
                found[place] = data if old != data or old is None else old
        return found

    def protect(self, address: int, size: int, permissions: str) -> None:
        """Change the permissions of mapped pages; pages that are not mapped stay so."""
        _check_pages("protect", address, size)
        _check_permissions("protect", address, permissions)
        self.version += 1
        for number in range(address >> PAGE_BITS, address + size >> PAGE_BITS):
            if (old := self.pages.get(number)) is not None:
                self.pages[number] = Page(
                    old.buffer,
                    old.number,
                    old.offset,
                    "r" in permissions,
                    "w" in permissions,
                    "x" in permissions,
                    old.device,
                    old.guarded,
                )

    def unmap(self, address: int, size: int) -> None:
        _check_pages("unmap", address, size)
        self.version += 1
        for number in range(address >> PAGE_BITS, address + size >> PAGE_BITS):
            self.pages.pop(number, None)

    def page(self, address: int) -> Page | None:
        return self.pages.get(address >> PAGE_BITS)

    def location(self, address: int) -> Location:
        """The physical identity of the byte at a mapped address."""
        page = self.pages[address >> PAGE_BITS]
        return page.number, page.offset + (address & PAGE_SIZE - 1)

    def read(self, address: int, size: int) -> bytes:
        """Bytes of mapped memory, whatever its permissions; ``size`` bytes from ``address`` modulo 2**64.

        KeyError when not mapped.
        """
        page = self.pages[address >> PAGE_BITS]
        start = address & PAGE_SIZE - 1
        if start + size <= PAGE_SIZE:
            return bytes(page.buffer[page.offset + start : page.offset + start + size])
        first = PAGE_SIZE - start
        return self.read(address, first) + self.read(address + first & (1 << 64) - 1, size - first)

    def write(self, address: int, data: bytes) -> None:
        """Write mapped memory, whatever its permissions."""
        page = self.pages[address >> PAGE_BITS]
        start = address & PAGE_SIZE - 1
        if start + len(data) <= PAGE_SIZE:
            page.buffer[page.offset + start : page.offset + start + len(data)] = data
            return
        first = PAGE_SIZE - start
        self.write(address, data[:first])
        self.write(address + first & (1 << 64) - 1, data[first:])
