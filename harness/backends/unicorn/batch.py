"""Runs many single-run cases on one machine in one call: the columnar form, with nothing allocated for a case.

Where there is a C compiler, loop.c runs the cases in which nothing happens but their code; the others end here.

New code over executed code is the danger here: Unicorn keeps translations by address, so every case forgets what its
code region held before it runs.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.harness.backends.unicorn import native_loop
from assay64.harness.backends.unicorn.machine import Machine
from assay64.harness.cases.case import CODE_REGION, DATA_REGION, DEFAULT_REGIONS
from assay64.harness.cases.layout import ACCESSES, CHANGE_DTYPE, EXIT_KINDS, FAULTS, STATE_DTYPE, Batch
from assay64.harness.cases.memory import HostMemory, fill_bytes
from assay64.harness.errors import UsageError

_KIND = {kind: number for number, kind in enumerate(EXIT_KINDS)}
_ACCESS = {access: number for number, access in enumerate(ACCESSES)}
_FAULT = {fault: number for number, fault in enumerate(FAULTS)}


class Regions:
    """The memory of the default regions, kept from one batch to the next."""

    def __init__(self) -> None:
        self.code = HostMemory(CODE_REGION[1])
        self.data = HostMemory(DATA_REGION[1])
        self.data_words = self.data.words()
        self.different: npt.NDArray[np.bool_] = np.zeros(DATA_REGION[1] // 8, np.bool_)
        self.pristine: npt.NDArray[np.uint64] = np.zeros(DATA_REGION[1] // 8, np.uint64)

    def reset(self, machine: Machine, fill: int | None) -> None:
        """Map both regions, with the code zero and the data as ``fill`` makes it."""
        for memory, region in zip((self.code, self.data), DEFAULT_REGIONS, strict=True):
            mapping = machine.mappings.find(region.address)
            if mapping is None or mapping != (region.address, region.size, memory.address, region.permissions):
                machine.mappings.map(region.address, memory.address, region.size, region.permissions)
        self.code.bytes[:] = 0
        machine.mappings.forget_code(*CODE_REGION)
        contents = bytes(DATA_REGION[1]) if fill is None else fill_bytes(fill, DATA_REGION[1])
        self.pristine[:] = np.frombuffer(contents, np.uint64)
        self.data_words[:] = self.pristine


@lru_cache(maxsize=1)
def _memcmp() -> Any:
    """The C library's memcmp, bound once: 64 KiB cost about 2 us, a numpy comparison twice that."""
    function = ctypes.CDLL(None).memcmp
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t], ctypes.c_int
    return function


def run(machine: Machine, regions: Regions, batch: Batch, progress: HostMemory) -> None:
    """Run the cases from ``batch.done`` on. UsageError when the batch's code does not fit into the code region."""
    offset, row_bytes = batch.code_address - CODE_REGION[0], 4 * batch.code.shape[1]
    if batch.code_address % 4 or offset < 0 or offset + row_bytes > CODE_REGION[1]:
        raise UsageError(
            f"batch code of {row_bytes} bytes at {batch.code_address:#x} does not fit into the code region"
        )
    regions.reset(machine, batch.fill)
    code = regions.code.bytes[offset : offset + row_bytes].view(np.uint32)
    words, counter = batch.code_words.tolist(), progress.words()
    state, final = _rows(batch.initial), _rows(batch.final)
    given, found = machine.registers.given, machine.registers.found
    engine, memcmp = machine.engine, _memcmp()
    data, pristine = regions.data.address, int(regions.pristine.ctypes.data)
    written = 0
    loop = _native(machine, regions, batch, progress, code)
    case, status = batch.done - 1, native_loop.NOT_STARTED
    while (case := case + 1) < len(batch):
        if loop is not None:
            case, status = native_loop.run(loop, case)
            batch.done, batch.n_changes = case, loop.n_changes
            if status == native_loop.FINISHED:
                break
        count = words[case]
        until = batch.code_address + 4 * count
        if status == native_loop.CHANGES_FULL:
            _record_changes(regions, batch, case)
            _finished(batch, case, counter, loop)
            continue
        if status == native_loop.STARTED and loop is not None:
            ended = machine.go_on(int(batch.initial["pc"][case]), batch.budget, until, loop.error)
        else:
            if loop is None:
                code[:count] = batch.code[case, :count]
                if written > count:
                    code[count:written] = 0
                engine.remove_cache(batch.code_address, batch.code_address + 4 * max(count, written) + 4)
                written = count
            if status == native_loop.UNDONE:
                machine.forget_events()
            given[:] = state[case]
            machine.load()
            ended = machine.run(batch.budget, until)
        machine.forget_events()
        machine.store()
        final[case] = found
        result = ended.exit
        batch.exits[case] = (
            _KIND[result.kind],
            _ACCESS[result.access],
            _FAULT[result.fault],
            0,
            result.immediate,
            result.address,
            ended.executed,
        )
        if memcmp(data, pristine, DATA_REGION[1]):
            _record_changes(regions, batch, case)
        _finished(batch, case, counter, loop)
    regions.code.bytes[:] = 0
    machine.mappings.forget_code(*CODE_REGION)


def _native(
    machine: Machine, regions: Regions, batch: Batch, progress: HostMemory, code: npt.NDArray[np.uint32]
) -> native_loop.Loop | None:
    """The loop without Python in it, for this batch; None where there is none."""
    loop = machine.prepare_loop()
    arrays = (batch.code, batch.code_words, batch.initial, batch.final, batch.exits)
    if loop is None or not all(array.flags.c_contiguous for array in arrays):
        return None
    loop.code, loop.code_words, loop.initial, loop.final_state, loop.exits = (int(a.ctypes.data) for a in arrays)
    loop.words_per_row, loop.cases, loop.budget = batch.code.shape[1], len(batch), batch.budget
    loop.code_address, loop.code_memory = batch.code_address, int(code.ctypes.data)
    loop.data_address, loop.data_memory = DATA_REGION[0], regions.data.address
    loop.data_pristine, loop.data_words = int(regions.pristine.ctypes.data), DATA_REGION[1] // 8
    loop.progress, loop.words, loop.writes = progress.address, 0, 0
    loop.plain = loop.clean = 0
    _give_changes(batch, loop)
    return loop


def _give_changes(batch: Batch, loop: native_loop.Loop) -> None:
    loop.changes, loop.changes_capacity = int(batch.changes.ctypes.data), len(batch.changes)
    loop.n_changes = batch.n_changes


def _finished(batch: Batch, case: int, counter: npt.NDArray[np.uint64], loop: native_loop.Loop | None) -> None:
    batch.done = case + 1
    counter[0] = batch.done
    if loop is not None:
        _give_changes(batch, loop)


def _rows(records: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The records as rows of bytes, which numpy copies ten times faster than structured fields."""
    return records.reshape(-1).view(np.uint8).reshape(-1, STATE_DTYPE.itemsize)


def _record_changes(regions: Regions, batch: Batch, case: int) -> None:
    """Append the changed words of the data region to ``batch.changes`` and put them back."""
    words, pristine = regions.data_words, regions.pristine
    places = np.not_equal(words, pristine, regions.different).nonzero()[0]
    start, end = batch.n_changes, batch.n_changes + len(places)
    if end > len(batch.changes):
        grown = np.zeros(max(end, 2 * len(batch.changes), 1024), CHANGE_DTYPE)
        grown[:start] = batch.changes[:start]
        batch.changes = grown
    # Rows of three words: assigning to the fields of a structured array costs three times as much.
    rows = batch.changes.view(np.uint64).reshape(-1, 3)[start:end]
    rows[:, 0], rows[:, 2] = case, words[places]
    rows[:, 1] = places * 8 + DATA_REGION[0]
    words[places] = pristine[places]
    batch.n_changes = end
