"""Compares batches as arrays: what is the same in every field needs no other look, and that is nearly everything.

``matching`` says yes only where compare.py would say match; the rest goes to compare.py, case by case. The reference's
answers have the same form, so that an engine can give them for n cases in one call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from assay64.harness.cases.batches import asks_for_everything, put_outcome, set_changes
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Case
from assay64.harness.cases.layout import EXIT_DTYPE, EXIT_KINDS, FAULTS, STATE_DTYPE, Batch
from assay64.harness.cases.outcome import ADDRESS_EXITS, IMMEDIATE_EXITS, ExitKind, Fault, Permitted, Unknown, Verdict
from assay64.harness.cases.state import PSTATE_FIELDS

Booleans = npt.NDArray[np.bool_]
# Rows that are compared at once: as many as stay in a core's cache on both sides.
ROWS = 256
_WORDS, _EXIT_WORDS = STATE_DTYPE.itemsize // 8, EXIT_DTYPE.itemsize // 8
# Of an exit all but the number of executed instructions, which stands last.
_COMPARED_EXIT_WORDS = _EXIT_WORDS - 1
_HAS_IMMEDIATE = np.array([kind in IMMEDIATE_EXITS for kind in EXIT_KINDS])
_HAS_ADDRESS = np.array([kind in ADDRESS_EXITS for kind in EXIT_KINDS])
_BUDGET = EXIT_KINDS.index(ExitKind.BUDGET)
_FAULT_UNKNOWN = FAULTS.index(Fault.UNKNOWN)


@dataclass
class Expected:
    """What Arm permits for every case of a batch.

    ``answers`` has final states, exits and changes where one outcome says it all, which ``decided`` (n,) marks; its
    other rows mean nothing. ``permitted`` are the answers by case as far as they are known in that form.
    """

    answers: Batch
    decided: Booleans
    permitted: dict[int, tuple[Permitted, ...] | Verdict] = field(
        default_factory=dict[int, tuple[Permitted, ...] | Verdict]
    )


class BatchReference(Protocol):
    """A reference that answers for batches. It may leave cases undecided: they are asked for one by one."""

    def __call__(self, batch: Batch, /) -> Expected: ...


def expected_of(batch: Batch, cases: Sequence[Case], permitted: Sequence[tuple[Permitted, ...] | Verdict]) -> Expected:
    """The answers of a reference that was asked case by case."""
    answers = empty_like(batch)
    decided = np.zeros(len(batch), np.bool_)
    changes: list[tuple[int, int, int, int]] = []
    for index, (case, found) in enumerate(zip(cases, permitted, strict=True)):
        if isinstance(found, Verdict) or len(found) != 1 or found[0].unknown != Unknown():
            continue
        if asks_for_everything(case):
            changes += put_outcome(answers, index, found[0].outcome)
            decided[index] = True
    set_changes(answers, changes)
    return Expected(answers, decided, dict(enumerate(permitted)))


def empty_like(batch: Batch) -> Batch:
    """The same cases without outcomes."""
    return Batch(
        batch.code,
        batch.code_words,
        batch.code_address,
        batch.initial,
        budget=batch.budget,
        fill=batch.fill,
        environment=batch.environment,
    )


def matching(batch: Batch, expected: Expected, capabilities: Capabilities) -> Booleans:
    """Which cases (n,) certainly came to the one outcome that is permitted."""
    answers = expected.answers
    found = expected.decided & _exits_match(batch.exits, answers.exits, capabilities)
    found &= _states_match(batch.final, answers.final)
    return found & _changes_match(batch, answers)


def _compared_words() -> npt.NDArray[np.uint64]:
    """The bits of a state record that are compared (as in compare.py), as words."""
    record = np.zeros((), STATE_DTYPE)
    for name in ("x", "sp", "pc", "v", "fpcr", "fpsr", "tpidr_el0", "tpidrro_el0"):
        record[name] = np.uint64(2**64 - 1)
    record["pstate"] = sum((1 << width) - 1 << low for low, width in PSTATE_FIELDS.values())
    return record.reshape(1).view(np.uint64)


_COMPARED = _compared_words()


def _states_match(got: npt.NDArray[Any], want: npt.NDArray[Any]) -> Booleans:
    ours, theirs = (np.ascontiguousarray(records).view(np.uint64).reshape(-1, _WORDS) for records in (got, want))
    same = np.ones(len(got), np.bool_)
    for start in range(0, len(got), ROWS):
        one, other = ours[start : start + ROWS], theirs[start : start + ROWS]
        # Nearly always the whole piece is the same, which is ten times as quick to see as where it is not.
        if not _same_bytes(one, other):
            rows = np.flatnonzero((one != other).any(axis=1))
            same[start + rows] = ~((one[rows] ^ other[rows]) & _COMPARED).any(axis=1)
    return same


def _same_bytes(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two contiguous arrays of one size have the same bytes."""
    memcmp = _memcmp()
    if memcmp is None:
        return bool(np.array_equal(one, other))
    return memcmp(one.ctypes.data, other.ctypes.data, one.nbytes) == 0


@lru_cache(maxsize=1)
def _memcmp() -> Callable[..., int] | None:
    """The C library's memcmp, which makes no array of truth values; None where it is not to be had."""
    try:
        function = ctypes.CDLL(None).memcmp
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t], ctypes.c_int
    return function


def _exits_match(got: npt.NDArray[Any], want: npt.NDArray[Any], capabilities: Capabilities) -> Booleans:
    kind = want["kind"]
    ours, theirs = (
        np.ascontiguousarray(records).view(np.uint64).reshape(-1, _EXIT_WORDS)[:, :_COMPARED_EXIT_WORDS]
        for records in (got, want)
    )
    same = np.ones(len(got), np.bool_) if (ours == theirs).all() else _same_exits(got, want, capabilities)
    if not capabilities.exact_budget:
        same &= kind != _BUDGET
    return same


def _same_exits(got: npt.NDArray[Any], want: npt.NDArray[Any], capabilities: Capabilities) -> Booleans:
    kind = want["kind"]
    same = got["kind"] == kind
    same &= ~_HAS_IMMEDIATE[kind] | (got["immediate"] == want["immediate"])
    faults = got["fault"] == want["fault"]
    if capabilities.reports_fault_kind:
        faults |= (got["fault"] == _FAULT_UNKNOWN) | (want["fault"] == _FAULT_UNKNOWN)
    else:
        faults[:] = True
    where = (got["access"] == want["access"]) & (got["address"] == want["address"]) & faults
    return same & (~_HAS_ADDRESS[kind] | where)


def _changes_match(got: Batch, want: Batch) -> Booleans:
    """Both list their changes by case and address, each word once, as pool.py has made sure."""
    ours, theirs = got.changes[: got.n_changes], want.changes[: want.n_changes]
    if ours.tobytes() == theirs.tobytes():
        return np.ones(len(got), np.bool_)
    per_case = [np.bincount(rows["case"], minlength=len(got)) for rows in (ours, theirs)]
    same = per_case[0] == per_case[1]
    # Of the cases with as many rows on both sides the rows now stand side by side.
    ours, theirs = (rows[same[rows["case"]]] for rows in (ours, theirs))
    different = (ours["address"] != theirs["address"]) | (ours["value"] != theirs["value"])
    same[ours["case"][different]] = False
    return same
