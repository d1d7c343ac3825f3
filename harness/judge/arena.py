"""Memory that the harness and a worker share: the progress words, and the arrays of the batches in flight.

Batches go through slots, so that one can be compared while others run or wait; nothing of them is copied through a
pipe. A slot is a file that grows. It knows no backend and no verdicts.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.harness.cases.layout import EXIT_DTYPE, STATE_DTYPE, Batch
from assay64.harness.cases.memory import HostMemory

PROGRESS_BYTES = mmap.PAGESIZE
# One that is compared, one that runs and one that waits: with two a worker had to wait after one batch in ten.
SLOTS = 3
ALIGNMENT = 64


class ProgressMemory(HostMemory):
    """The progress words, in a file that parent and child have open."""

    def __init__(self, descriptor: int) -> None:
        self.map = mmap.mmap(descriptor, PROGRESS_BYTES)
        self.bytes = np.frombuffer(self.map, np.uint8)
        self.address = int(self.bytes.ctypes.data)
        self.size = PROGRESS_BYTES


@dataclass(frozen=True)
class Arrays:
    """The arrays of one batch in a slot; shapes and types are those of layout.Batch."""

    code: npt.NDArray[np.uint32]
    code_words: npt.NDArray[np.uint32]
    initial: npt.NDArray[Any]
    final: npt.NDArray[Any]
    exits: npt.NDArray[Any]

    def fill(self, batch: Batch) -> None:
        self.code[:], self.code_words[:] = batch.code, batch.code_words
        # As rows of bytes, which numpy copies ten times faster than structured fields.
        _bytes(self.initial)[:] = _bytes(np.ascontiguousarray(batch.initial))
        # A backend may leave fields that it has nothing to say about.
        if self.final is not self.initial:
            _bytes(self.final)[:] = 0
        _bytes(self.exits)[:] = 0


class Slot:
    """One file of shared memory, mapped as far as it is needed. Its descriptor is inherited by worker processes.

    ``in_place``: the final states take the place of the initial ones.
    """

    def __init__(self, descriptor: int | None = None, *, in_place: bool = False) -> None:
        self.descriptor = _shared_file() if descriptor is None else descriptor
        self._in_place = in_place
        self._map: mmap.mmap | None = None
        self._given: tuple[tuple[int, int], Arrays] | None = None

    def arrays(self, count: int, width: int) -> Arrays:
        """Room for ``count`` cases of ``width`` words. Arrays that were given out before stay what they are."""
        # Batches of one shape follow each other, and making the arrays costs as much as some hundred cases.
        if self._given is None or self._given[0] != (count, width):
            self._given = (count, width), self._arrays(count, width)
        return self._given[1]

    def _arrays(self, count: int, width: int) -> Arrays:
        shapes: list[tuple[Any, tuple[int, ...]]] = [
            (np.dtype(np.uint32), (count, width)),
            (np.dtype(np.uint32), (count,)),
            (EXIT_DTYPE, (count,)),
            *[(STATE_DTYPE, (count,))] * (1 if self._in_place else 2),
        ]
        places, size = list[int](), 0
        for dtype, shape in shapes:
            places.append(size)
            size += -(-dtype.itemsize * int(np.prod(shape)) // ALIGNMENT) * ALIGNMENT
        memory = self._mapped(size)
        code, words, exits, initial, *final = (
            np.ndarray(shape, dtype, memory, place) for (dtype, shape), place in zip(shapes, places, strict=True)
        )
        return Arrays(code, words, initial, final[0] if final else initial, exits)

    def _mapped(self, size: int) -> mmap.mmap:
        if self._map is None or len(self._map) < size:
            if os.fstat(self.descriptor).st_size < size:
                os.ftruncate(self.descriptor, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
            self._map = mmap.mmap(self.descriptor, os.fstat(self.descriptor).st_size)
        return self._map

    def close(self) -> None:
        os.close(self.descriptor)


def progress_file() -> int:
    descriptor = _shared_file()
    os.ftruncate(descriptor, PROGRESS_BYTES)
    return descriptor


def _shared_file() -> int:
    """The descriptor of a new, empty file in memory that no directory shows."""
    if sys.platform == "linux":
        return os.memfd_create("assay64")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _bytes(records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return records.reshape(-1).view(np.uint8).reshape(len(records), -1)
