"""What is mapped where: Unicorn is given whole mappings only, and never has to split one itself.

Pages without any permission are remembered here and left unmapped in Unicorn, whose loads do not check the second page
of an access that crosses into one.
"""

from __future__ import annotations

from typing import NamedTuple

from assay64.harness.backends.unicorn.binding import EXECUTE, READ, WRITE, Engine

_BITS = {"r": READ, "w": WRITE, "x": EXECUTE}
_ADDRESS_LIMIT = 1 << 64


class Mapping(NamedTuple):
    """``size`` bytes at guest ``address``, kept at host address ``host``, with ``permissions`` (letters of rwx)."""

    address: int
    size: int
    host: int
    permissions: str

    def part(self, start: int, end: int, permissions: str) -> Mapping:
        return Mapping(start, end - start, self.host + start - self.address, permissions)


class Mappings:
    """The mappings of one engine. Unicorn drops the translations of what is unmapped by itself."""

    page_size = 0x1000

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._mappings: list[Mapping] = []

    def find(self, address: int) -> Mapping | None:
        """The mapping that ``address`` lies in."""
        for mapping in self._mappings:
            if mapping.address <= address < mapping.address + mapping.size:
                return mapping
        return None

    def map(self, address: int, host: int, size: int, permissions: str) -> None:
        """Map; pages that are mapped already are replaced. ValueError for what is no whole page."""
        self._check(address, size)
        self._cut(address, address + size, None)
        self._add(Mapping(address, size, host, permissions))

    def protect(self, address: int, size: int, permissions: str) -> None:
        """Change permissions. ValueError when a page of the range is not mapped."""
        self._check(address, size)
        covered = sum(
            min(m.address + m.size, address + size) - max(m.address, address) for m in self._overlapping(address, size)
        )
        if covered != size:
            raise ValueError(f"protect {address:#x}: not all of its {size:#x} bytes are mapped")
        self._cut(address, address + size, permissions)

    def unmap(self, address: int, size: int) -> None:
        """Unmap; what is not mapped is passed over."""
        self._check(address, size)
        self._cut(address, address + size, None)

    def forget_code(self, address: int, size: int) -> None:
        """Forget translations of these bytes, under whatever address they are mapped."""
        for written in self._overlapping(address, size):
            start, end = max(address, written.address), min(address + size, written.address + written.size)
            host = written.host + start - written.address
            for mapping in self._mappings:
                low, high = max(host, mapping.host), min(host + end - start, mapping.host + mapping.size)
                if low < high and "x" in mapping.permissions:
                    guest = mapping.address + low - mapping.host
                    self._engine.remove_cache(guest, guest + high - low)

    def _check(self, address: int, size: int) -> None:
        if address % self.page_size or size % self.page_size or size <= 0 or not 0 <= address <= _ADDRESS_LIMIT - size:
            raise ValueError(
                f"range {address:#x} of {size:#x} bytes: whole pages of {self.page_size:#x} bytes are mapped"
            )

    def _overlapping(self, address: int, size: int) -> list[Mapping]:
        return [m for m in self._mappings if m.address < address + size and address < m.address + m.size]

    def _cut(self, start: int, end: int, permissions: str | None) -> None:
        """Take [start, end) out of every mapping; with ``permissions``, put it back with these."""
        for mapping in self._overlapping(start, end - start):
            low, high = mapping.address, mapping.address + mapping.size
            self._remove(mapping)
            if low < start:
                self._add(mapping.part(low, start, mapping.permissions))
            if permissions is not None:
                self._add(mapping.part(max(low, start), min(high, end), permissions))
            if end < high:
                self._add(mapping.part(end, high, mapping.permissions))

    def _add(self, mapping: Mapping) -> None:
        if mapping.permissions:
            protection = sum(_BITS[letter] for letter in set(mapping.permissions))
            engine = self._engine
            engine.check(
                engine.library.uc_mem_map_ptr(engine.handle, mapping.address, mapping.size, protection, mapping.host)
            )
        self._mappings.append(mapping)

    def _remove(self, mapping: Mapping) -> None:
        if mapping.permissions:
            self._engine.check(self._engine.library.uc_mem_unmap(self._engine.handle, mapping.address, mapping.size))
        self._mappings.remove(mapping)
