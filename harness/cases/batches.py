"""Cases as rows of a batch and back: the columnar form of what is one run of one vCPU over the default memory.

It knows which cases have that form; who runs them, and what they should come to, it does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import (
    CODE_REGION,
    DATA_REGION,
    DEFAULT_REGIONS,
    STACK_POINTER,
    Case,
    Environment,
    Observe,
    Run,
)
from assay64.harness.cases.layout import (
    CHANGE_DTYPE,
    STATE_DTYPE,
    Batch,
    pack_exit,
    pack_state,
    unpack_exit,
    unpack_state,
)
from assay64.harness.cases.memory import fill_bytes
from assay64.harness.cases.outcome import MemoryChange, Outcome

# What the cases of one batch have in common: code address, budget, fill of the data region, environment.
Key = tuple[int, int, int | None, Environment]


def batch_key(case: Case, capabilities: Capabilities) -> Key | None:
    """The batch that ``case`` fits into on a backend with these capabilities; None when it has to run by itself."""
    if not capabilities.batch or len(case.states) != 1 or len(case.actions) != 1 or not case.code:
        return None
    run = case.actions[0]
    if not isinstance(run, Run) or run.until is not None or len(case.regions) != len(DEFAULT_REGIONS):
        return None
    code, data = case.regions
    if code != DEFAULT_REGIONS[0] or msgspec.structs.replace(data, fill=None) != DEFAULT_REGIONS[1]:
        return None
    if not CODE_REGION[0] <= case.code_address <= case.end <= sum(CODE_REGION):
        return None
    if not capabilities.features.issuperset(case.requires):
        return None
    return case.code_address, run.budget, data.fill, case.environment


def batch_of(cases: Sequence[Case], key: Key) -> Batch:
    """The batch of cases that all have this key, in order."""
    address, budget, fill, environment = key
    width = max(len(case.code) for case in cases)
    code = np.zeros((len(cases), width), np.uint32)
    initial = np.zeros(len(cases), STATE_DTYPE)
    for index, case in enumerate(cases):
        code[index, : len(case.code)] = case.code
        initial[index] = pack_state(case.states[0], pc=address, sp=STACK_POINTER, mode=environment.mode)
    words = np.array([len(case.code) for case in cases], np.uint32)
    return Batch(code, words, address, initial, budget=budget, fill=fill, environment=environment)


def case_of(batch: Batch, index: int) -> Case:
    """Row ``index`` of a batch as a case that asks the reference."""
    data = msgspec.structs.replace(DEFAULT_REGIONS[1], fill=batch.fill)
    return Case(
        code=tuple(batch.code[index, : batch.code_words[index]].tolist()),
        code_address=batch.code_address,
        states=(unpack_state(batch.initial[index]),),
        regions=(DEFAULT_REGIONS[0], data),
        environment=batch.environment,
        actions=(Run(budget=batch.budget),),
    )


def asks_for_everything(case: Case) -> bool:
    """Whether the reference says what ``case`` should come to, and all of it is compared."""
    return case.permitted is None and case.observe == Observe()


def outcome_of(batch: Batch, index: int) -> Outcome:
    """What row ``index`` came to. ValueError when the backend wrote an exit that does not exist."""
    changes = batch.changes[: batch.n_changes]
    first, last = np.searchsorted(changes["case"], (index, index + 1))
    return Outcome(
        exits=(unpack_exit(batch.exits[index]),),
        states=(unpack_state(batch.final[index]),),
        memory=_changed_bytes(changes[first:last].tolist(), batch.fill),
    )


def put_outcome(batch: Batch, index: int, outcome: Outcome) -> list[tuple[int, int, int, int]]:
    """Make row ``index`` of final states and exits what ``outcome`` says; its rows of changes."""
    batch.final[index] = pack_state(outcome.states[0], pc=0, sp=0)
    batch.exits[index] = pack_exit(outcome.exits[0])
    words: dict[int, bytearray] = {}
    for change in outcome.memory:
        for offset, value in enumerate(bytes.fromhex(change.bytes)):
            address = change.address + offset
            start = address & ~7
            if start not in words:
                words[start] = bytearray(_initial(start, batch.fill))
            words[start][address - start] = value
    return [(index, 0, address, int.from_bytes(word, "little")) for address, word in sorted(words.items())]


def set_changes(batch: Batch, rows: Sequence[tuple[int, int, int, int]]) -> None:
    batch.changes = np.array(rows, CHANGE_DTYPE)
    batch.n_changes = len(rows)


def _changed_bytes(rows: Sequence[tuple[int, int, int, int]], fill: int | None) -> tuple[MemoryChange, ...]:
    """The bytes that differ from the initial contents, as runs by address."""
    found: list[tuple[int, bytearray]] = []
    for _, _, address, value in rows:
        for offset, (old, new) in enumerate(zip(_initial(address, fill), value.to_bytes(8, "little"), strict=True)):
            if old == new:
                continue
            if found and found[-1][0] + len(found[-1][1]) == address + offset:
                found[-1][1].append(new)
            else:
                found.append((address + offset, bytearray((new,))))
    return tuple(MemoryChange(address, data.hex()) for address, data in found)


def _initial(address: int, fill: int | None) -> bytes:
    """Eight bytes of the data region; ValueError for a place outside of it."""
    offset = address - DATA_REGION[0]
    if not 0 <= offset <= DATA_REGION[1] - 8:
        raise ValueError(f"the backend reports a change at {address:#x}, outside the data region")
    return bytes(8) if fill is None else fill_bytes(fill, DATA_REGION[1])[offset : offset + 8]
