"""Many single-run cases in one call: the runner goes from one to the next by itself, and compares memory by itself.

The harness fills the arena's columns with as many cases as it has room for, and reads the outcomes from there.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.harness.backends.runner import arena
from assay64.harness.backends.runner.exits import Ending, exit_of
from assay64.harness.backends.runner.instructions import PLANTED, READS_TPIDRRO, Pattern
from assay64.harness.backends.runner.process import MMAP, Runner
from assay64.harness.backends.runner.program import BATCH_CODE
from assay64.harness.backends.runner.windows import Window, Windows
from assay64.harness.cases.case import CODE_REGION, DATA_REGION
from assay64.harness.cases.layout import (
    CHANGE_DTYPE,
    EXECUTED_UNKNOWN,
    EXIT_DTYPE,
    EXIT_KINDS,
    STATE_DTYPE,
    Batch,
    pack_exit,
)
from assay64.harness.cases.memory import HostMemory, fill_bytes
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.harness.errors import UsageError

_CHUNK = min(arena.INITIAL_STATES[1] // STATE_DTYPE.itemsize, arena.CASE_ENDS[1] // arena.END_DTYPE.itemsize)
_READ_WRITE, _MAP_SHARED_FIXED = 3, 0x11
# Fields of a state that the guest can change; the rest of the record comes back as it was given.
_RETURNED = ("x", "sp", "pc", "pstate", "v", "fpcr", "fpsr", "tpidr_el0")


@dataclass(frozen=True, eq=False)
class Machine:
    """What an instance lends to its batches. ``calls`` and ``refused`` as in code.py."""

    runner: Runner
    windows: Windows
    pstate_mask: int
    remaps_code: bool
    calls: Sequence[Pattern]
    refused: Sequence[Pattern]
    code: HostMemory = field(default_factory=lambda: HostMemory(CODE_REGION[1]))
    data: HostMemory = field(default_factory=lambda: HostMemory(DATA_REGION[1]))

    def map(self) -> None:
        """Show the default regions where they belong, and the code a second time where it can be written."""
        windows = (Window(*CODE_REGION, self.code, 0, "rx"), Window(*DATA_REGION, self.data, 0, "rw"))
        if all(self.windows.find(window.address) == window for window in windows):
            return
        for window in windows:
            self.windows.map(window)
        descriptor = self.windows.descriptor(self.code)
        self.runner.call(MMAP, BATCH_CODE, self.code.size, _READ_WRITE, _MAP_SHARED_FIXED, descriptor, 0)


def run(machine: Machine, batch: Batch, progress: HostMemory) -> None:
    """Run the cases from ``batch.done`` on. A case with a refused word is declined at that word, and does not run.

    UsageError when the batch's code does not fit into the code region.
    """
    offset, width = batch.code_address - CODE_REGION[0], batch.code.shape[1]
    # Zero behind the code is UDF, which ends the case; whole pairs of registers are copied.
    row_words = (width + 1 + 3) // 4 * 4
    if batch.code_address % 4 or offset < 0 or offset + 4 * row_words > CODE_REGION[1]:
        raise UsageError(
            f"batch code of {4 * width} bytes at {batch.code_address:#x} does not fit into the code region"
        )
    _Run(machine, batch, progress, row_words, offset).all()


class _Run:
    """One batch on a machine."""

    def __init__(self, machine: Machine, batch: Batch, progress: HostMemory, row_words: int, offset: int) -> None:
        self.machine, self.batch, self.counter = machine, batch, progress.words()
        self.arena, self.control = machine.runner.arena, machine.runner.control
        self.declined: dict[int, int] = {}
        self.row_words = row_words
        self.chunk = min(_CHUNK, arena.CODE_ROWS[1] // (4 * row_words))
        machine.map()
        code, data = machine.code, machine.data
        code.bytes[:] = 0
        data.bytes[:] = 0 if batch.fill is None else np.frombuffer(fill_bytes(batch.fill, data.size), np.uint8)
        self.arena.pristine[: data.size] = data.bytes
        control = self.control
        control[arena.INITIAL], control[arena.FINAL] = map(arena.address, (arena.INITIAL_STATES, arena.FINAL_STATES))
        control[arena.ENDS], control[arena.ROWS] = map(arena.address, (arena.CASE_ENDS, arena.CODE_ROWS))
        control[arena.ROW_BYTES] = 4 * row_words
        control[arena.CODE_WRITTEN], control[arena.CODE_RUN] = BATCH_CODE + offset, batch.code_address
        control[arena.DATA], control[arena.PRISTINE] = DATA_REGION[0], arena.address(arena.PRISTINE_DATA)
        control[arena.DATA_BYTES] = data.size
        # Rows are told one by one; here only the region as an earlier batch left it.
        first = arena.RANGES[0] // 8
        control[first : first + 2] = CODE_REGION[0], sum(CODE_REGION)
        control[arena.RANGES_END] = arena.address(arena.RANGES) + 16
        control[arena.REMAP] = machine.remaps_code
        # Every word of the data may change in one case.
        self.last_change = arena.address(arena.CHANGES) + arena.CHANGES[1] - data.size // 8 * CHANGE_DTYPE.itemsize

    def all(self) -> None:
        batch = self.batch
        collected = [batch.changes[: batch.n_changes]]
        try:
            while batch.done < len(batch):
                start = batch.done
                self._fill(start, min(start + self.chunk, len(batch)))
                try:
                    self.machine.runner.run_cases(batch.budget, lambda start=start: self._count(start))
                finally:
                    self._count(start)
                self.control[arena.RANGES_END] = arena.address(arena.RANGES)
                self._take(start, batch.done)
                collected.append(self._changes(start))
        finally:
            batch.changes = np.concatenate(collected)
            batch.n_changes = len(batch.changes)

    def _count(self, start: int) -> None:
        self.batch.done = start + int(self.control[arena.NEXT])
        self.counter[0] = self.batch.done

    def _fill(self, start: int, end: int) -> None:
        batch, number = self.batch, end - start
        rows = self.arena.rows[: number * self.row_words].reshape(number, self.row_words)
        rows[:] = 0
        words = batch.code_words[start:end].astype(np.intp)
        places = np.arange(batch.code.shape[1], dtype=np.intp)
        present = np.less(places[None, :], words[:, None])
        code = batch.code[start:end]
        self.declined = self._declined(code, present, batch.initial["tpidrro_el0"][start:end])
        for call in self.machine.calls:
            code = np.where(call.among(code), np.uint32(PLANTED), code)
        rows[:, : batch.code.shape[1]] = np.where(present, code, 0)
        rows[list(self.declined), 0] = PLANTED
        initial = self.arena.initial[:number]
        initial[:] = batch.initial[start:end]
        initial["pstate"] &= np.uint64(self.machine.pstate_mask)
        control = self.control
        control[arena.NEXT], control[arena.COUNT] = 0, number
        control[arena.CHANGE], control[arena.LAST_CHANGE] = arena.address(arena.CHANGES), self.last_change

    def _declined(
        self, code: npt.NDArray[np.uint32], present: npt.NDArray[np.bool_], tpidrro: npt.NDArray[np.uint64]
    ) -> dict[int, int]:
        """The cases that this machine cannot run, and the address of the word for which it cannot."""
        refused = np.zeros(code.shape, np.bool_)
        for pattern in self.machine.refused:
            refused |= pattern.among(code)
        for pattern in READS_TPIDRRO:
            refused |= pattern.among(code) & (tpidrro != 0)[:, None]
        refused &= present
        first: dict[int, int] = {}
        for row, place in np.argwhere(refused).tolist():
            first.setdefault(row, self.batch.code_address + 4 * place)
        return first

    def _take(self, start: int, end: int) -> None:
        """Turn the ends of the cases ``start`` to ``end - 1`` into exits, and their registers into final states."""
        batch, number = self.batch, end - start
        final, ends = batch.final[start:end], self.arena.ends[:number]
        final[:] = batch.initial[start:end]
        for name in _RETURNED:
            final[name] = self.arena.final[name][:number]
        final["pstate"] &= np.uint64(self.machine.pstate_mask)
        limits = batch.code_address + 4 * batch.code_words[start:end].astype(np.uint64)
        plain = final["pc"] == limits
        exits: npt.NDArray[Any] = np.zeros(number, EXIT_DTYPE)
        exits["kind"], exits["executed"] = EXIT_KINDS.index(ExitKind.UNTIL), EXECUTED_UNKNOWN
        for index, address in self.declined.items():
            if index < number:
                final[index] = batch.initial[start + index]
                final["pc"][index] = address
                exits[index] = pack_exit(Exit(kind=ExitKind.DECLINED))
                plain[index] = True
        for index in np.flatnonzero(~plain).tolist():
            found = self._exit(start + index, ends[index], final[index])
            exits[index] = pack_exit(found)
            if found.kind is ExitKind.SVC:
                final[index]["pc"] += 4
        batch.exits[start:end] = exits

    def _exit(self, case: int, end: Any, state: Any) -> Exit:
        batch, pc = self.batch, int(state["pc"])
        if int(end["signal"]) == signal.SIGUSR1:
            return Exit(kind=ExitKind.BUDGET)
        index, within = divmod(pc - batch.code_address, 4)
        inside = not within and 0 <= index < int(batch.code_words[case])
        ending = Ending(
            signal=int(end["signal"]),
            code=int(end["code"]),
            address=int(end["address"]),
            syndrome=int(end["syndrome"]) if end["has_syndrome"] else None,
            pc=pc,
            pstate=int(state["pstate"]),
            word=int(batch.code[case, index]) if inside else 0,
        )
        return exit_of(ending, self.machine.windows)

    def _changes(self, start: int) -> npt.NDArray[Any]:
        number = (int(self.control[arena.CHANGE]) - arena.address(arena.CHANGES)) // CHANGE_DTYPE.itemsize
        found = self.arena.changes[:number].copy()
        found["case"] += start
        return found
