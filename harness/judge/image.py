"""The memory of a case on the harness's side: which bytes exist, what they hold at first, and what a run changed.

It knows regions and guest addresses. It must not know backends: execute.py maps what is laid out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay64.harness.cases.case import Case, Map, MemoryType, Region
from assay64.harness.cases.memory import fill_bytes
from assay64.harness.cases.outcome import MemoryChange

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Window:
    """``size`` bytes of a backing, from ``offset``, at guest ``address``. ``backing`` is an index; sizes are in
    bytes.
    """

    address: int
    size: int
    backing: int
    offset: int
    permissions: str
    device: bool = False
    guarded: bool = False

    @property
    def end(self) -> int:
        return self.address + self.size


class Layout:
    """The windows and backings of a case's regions. Regions that a Map action brings have a backing here and no
    window yet.
    """

    def __init__(self, case: Case) -> None:
        self._el1 = case.environment.exception_level == 1
        self._named: dict[str, int] = {}
        self._later: dict[Region, int] = {}
        self.sizes: list[int] = []
        self.windows = tuple(self._window(region, self._backing(region)) for region in case.regions)
        for action in case.actions:
            if isinstance(action, Map) and action.region not in self._later:
                self._later[action.region] = self._backing(action.region)

    def later(self, region: Region) -> Window:
        """The window of a region that a Map action brings."""
        return self._window(region, self._later[region])

    def _backing(self, region: Region) -> int:
        index = len(self.sizes) if region.backing is None else self._named.setdefault(region.backing, len(self.sizes))
        if index == len(self.sizes):
            self.sizes.append(0)
        self.sizes[index] = max(self.sizes[index], region.offset + region.size)
        return index

    def _window(self, region: Region, backing: int) -> Window:
        permissions = region.permissions
        if self._el1 and region.el1_permissions is not None:
            permissions = region.el1_permissions
        return Window(
            address=region.address,
            size=region.size,
            backing=backing,
            offset=region.offset,
            permissions=permissions,
            device=region.memory_type is MemoryType.DEVICE,
            guarded=region.guarded,
        )


def lay_region(region: Region, image: Bytes) -> None:
    """Write a region's fill and contents into its backing's ``image``; what they leave out keeps its value."""
    if region.fill is not None:
        image[region.offset : region.offset + region.size] = np.frombuffer(
            fill_bytes(region.fill, region.size), np.uint8
        )
    for start, text in region.contents:
        data = np.frombuffer(bytes.fromhex(text), np.uint8)
        image[region.offset + start : region.offset + start + len(data)] = data


def lay_regions(case: Case, layout: Layout) -> list[Bytes]:
    """The initial contents of every backing, without the code."""
    images = [np.zeros(size, np.uint8) for size in layout.sizes]
    for region, window in zip(case.regions, layout.windows, strict=True):
        lay_region(region, images[window.backing])
    return images


def code_span(case: Case, layout: Layout) -> tuple[int, int] | None:
    """Backing and offset where the case's code lies; None when it has none."""
    if not case.code:
        return None
    window = next(w for w in layout.windows if w.address <= case.code_address and case.end <= w.end)
    return window.backing, window.offset + case.code_address - window.address


def code_bytes(case: Case) -> Bytes:
    return np.array(case.code, "<u4").view(np.uint8)


def initial_images(case: Case, layout: Layout) -> list[Bytes]:
    """The initial contents of every backing: fill, contents, and the code over them."""
    images = lay_regions(case, layout)
    span = code_span(case, layout)
    if span is not None:
        backing, offset = span
        images[backing][offset : offset + 4 * len(case.code)] = code_bytes(case)
    return images


def changes(windows: Sequence[Window], before: Sequence[Bytes], after: Sequence[Bytes]) -> tuple[MemoryChange, ...]:
    """The bytes of ``after`` that differ from ``before``, as ranges by address; an alias is reported at its lowest
    address.

    ``windows`` are all that ever showed the backings, so that a byte counts which was unmapped after it was written.
    """
    differs = [
        np.zeros(0, np.int64)
        if np.array_equal(old.view(np.uint64), new.view(np.uint64))
        else np.flatnonzero(old != new)
        for old, new in zip(before, after, strict=True)
    ]
    if not any(map(len, differs)):
        return ()
    found: list[tuple[int, int]] = []
    reported: list[set[int]] = [set() for _ in differs]
    for window in sorted(windows, key=lambda window: window.address):
        offsets = differs[window.backing]
        visible = offsets[(offsets >= window.offset) & (offsets < window.offset + window.size)]
        for offset in visible.tolist():
            if offset not in reported[window.backing]:
                reported[window.backing].add(offset)
                found.append((window.address + offset - window.offset, int(after[window.backing][offset])))
    return tuple(MemoryChange(address, data.hex()) for address, data in coalesce(found))


def coalesce(found: Sequence[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """(address, byte) in order of address as runs of adjacent bytes."""
    start, data = 0, bytearray()
    for address, value in sorted(found):
        if data and address != start + len(data):
            yield start, bytes(data)
            data = bytearray()
        if not data:
            start = address
        data.append(value)
    if data:
        yield start, bytes(data)


def initial_bytes(case: Case) -> dict[int, Bytes]:
    """The initial contents by region: guest address to bytes, code included. For comparing and for showing."""
    layout = Layout(case)
    images = initial_images(case, layout)
    return {w.address: images[w.backing][w.offset : w.offset + w.size] for w in layout.windows}
