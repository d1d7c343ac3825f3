"""The guest's code as the harness last saw it, and the breakpoints that stand in it while it runs.

A run ends where BRK stands for the word: at `until`, at breakpoints, and at every SVC (and HLT #0xf000 in QEMU), which
would otherwise be a call to the host. They stand in the memory that the harness shares with the guest, and only while
it runs: a guest that reads one of these words meanwhile reads BRK. UDF, which follows a case's code as zero, ends a run
as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.runner.instructions import PLANTED, UDF, Pattern
from assay64.harness.backends.runner.windows import Window, Windows
from assay64.harness.cases.memory import HostMemory

Place = tuple[int, int]  # the memory's id, the byte's offset in it


@dataclass
class _Seen:
    """An executable window's words when it was last looked at, and the offsets in its memory of those that matter."""

    window: Window
    words: npt.NDArray[np.uint32]
    calls: set[int] = field(default_factory=set[int])
    refused: dict[int, str] = field(default_factory=dict[int, str])


class Code:
    """``calls`` are the words that must not be executed; ``refused`` maps reasons to those that a case cannot have
    here.
    """

    def __init__(self, windows: Windows, calls: Sequence[Pattern], refused: Mapping[str, Sequence[Pattern]]) -> None:
        self._windows, self._calls, self._refused = windows, calls, refused
        self._seen: dict[Place, _Seen] = {}
        self._changed: list[tuple[int, int]] = []
        self._planted: dict[Place, tuple[HostMemory, int]] = {}
        self._standing: dict[Place, tuple[HostMemory, bytes]] = {}

    def notify(self, address: int, size: int) -> None:
        self._changed.append((address, address + size))

    def look(self) -> list[_Seen]:
        """Find what matters in words that have changed. Raises Unsupported for a word that is refused."""
        found: list[_Seen] = []
        kept: dict[Place, _Seen] = {}
        for window in self._windows.executable():
            key = id(window.memory), window.offset
            seen, words = self._seen.get(key), window.words()
            if seen is None or seen.window.size != window.size:
                seen = _Seen(window, np.zeros_like(words))
            kept[key] = seen
            seen.window = window
            if not np.array_equal(words, seen.words):
                self._take(seen, np.flatnonzero(words != seen.words), words)
            for reason in seen.refused.values():
                raise Unsupported(reason)
            found.append(seen)
        self._seen = kept
        return found

    def _take(self, seen: _Seen, places: npt.NDArray[np.intp], words: npt.NDArray[np.uint32]) -> None:
        changed = words[places]
        seen.words[places] = changed
        offsets = (places * 4 + seen.window.offset).tolist()
        seen.calls.difference_update(offsets)
        for offset in offsets if seen.refused else ():
            seen.refused.pop(offset, None)
        for call in self._calls:
            seen.calls.update((places[call.among(changed)] * 4 + seen.window.offset).tolist())
        for reason, patterns in self._refused.items():
            for pattern in patterns:
                for place in places[pattern.among(changed)].tolist():
                    seen.refused[place * 4 + seen.window.offset] = reason

    def plant(self, addresses: Iterable[int]) -> list[tuple[int, int]]:
        """Put BRK at ``addresses`` (those that are code) and at every call. Gives the ranges of guest addresses where
        the runner has to forget what it knows of the code.
        """
        wanted = {
            (id(seen.window.memory), offset): (seen.window.memory, offset)
            for seen in self.look()
            for offset in seen.calls
        }
        for address in addresses:
            window = self._windows.find(address)
            if window is not None and "x" in window.permissions and not UDF.matches(self.word(address)):
                offset = window.offset + address - window.address
                wanted[id(window.memory), offset] = window.memory, offset
        stale = self._ranges(
            place for key, place in (self._planted | wanted).items() if (key in self._planted) != (key in wanted)
        )
        stale += [
            (max(start, window.address), min(end, window.end))
            for start, end in self._changed
            for window in self._windows.executable()
            if start < window.end and window.address < end
        ]
        self._changed.clear()
        self._planted = wanted
        for key, (memory, offset) in wanted.items():
            place = memory.bytes[offset : offset + 4]
            self._standing[key] = memory, place.tobytes()
            place.view("<u4")[0] = PLANTED
        return stale

    def _ranges(self, places: Iterable[tuple[HostMemory, int]]) -> list[tuple[int, int]]:
        return [
            (window.address + offset - window.offset, window.address + offset - window.offset + 4)
            for memory, offset in places
            for window in self._windows.executable()
            if window.shows(memory, offset, offset + 4)
        ]

    def restore(self) -> None:
        """Take what was planted away again."""
        for (_, offset), (memory, word) in self._standing.items():
            memory.bytes[offset : offset + 4] = np.frombuffer(word, np.uint8)
        self._standing.clear()

    def word(self, address: int) -> int:
        """The word at ``address``, 0 where nothing is mapped."""
        window = self._windows.find(address)
        if window is None or address % 4:
            return 0
        return int(window.words()[(address - window.address) // 4])
