"""loop.c through ctypes: the batch's loop without Python in it, compiled on first use. Without a C compiler there is
none, and batch.py does all of it by itself: slower, and with the same results.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Any

from assay64.harness.backends.unicorn import binding
from assay64.harness.compiling import shared_library
from assay64.harness.errors import BackendUnavailable

SOURCE = Path(__file__).with_name("loop.c")
FINISHED, CHANGES_FULL, STARTED, NOT_STARTED, UNDONE = range(5)
HAPPENED, UNALIGNED = 1, 2  # events
_FUNCTIONS = ["ctl", "emu_start", "emu_stop", "reg_read", "reg_write_batch", "reg_read_batch", "context_restore"]
_WORDS = (
    "engine", "pristine", "numbers", "given_places", "found_places", "register_count", "given", "found", "executed",
    "events", "pstate_mask", "code", "code_words", "words_per_row", "cases", "budget", "code_address",
    "code_memory", "initial", "final_state", "exits", "changes", "changes_capacity", "n_changes", "data_address",
    "data_memory", "data_pristine", "data_words", "progress", "words", "writes", "plain", "clean",
)  # fmt: skip


class Loop(ctypes.Structure):
    """struct loop: pointers and 64-bit numbers."""

    _fields_ = [
        *((f"uc_{name}", ctypes.c_void_p) for name in _FUNCTIONS),
        *((name, ctypes.c_uint64) for name in _WORDS),
        ("error", ctypes.c_int64),
    ]


@lru_cache(maxsize=1)
def library() -> Any | None:
    """The compiled loop with typed functions; None when it cannot be had."""
    try:
        found = ctypes.CDLL(str(shared_library(SOURCE)))
    except (BackendUnavailable, OSError):
        return None
    found.loop_run.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p]
    found.loop_run.restype = ctypes.c_uint64
    return found


def new_loop(engine: binding.Engine, events: ctypes.c_uint64) -> Loop:
    """A loop that knows its engine, and so can serve the hook that sees new blocks."""
    loop = Loop(engine=engine.handle, events=ctypes.addressof(events))
    for name in _FUNCTIONS:
        setattr(loop, f"uc_{name}", ctypes.cast(getattr(engine.library, f"uc_{name}"), ctypes.c_void_p).value)
    return loop


def run(loop: Loop, index: int) -> tuple[int, int]:
    """Run cases from ``index``: the first that is not finished, and how far that one is."""
    found = library()
    assert found is not None
    status = ctypes.c_uint64()
    return int(found.loop_run(ctypes.byref(loop), index, ctypes.byref(status))), status.value
