"""What a case costs a backend by itself: loops over its own interface, compiled on first use (bare_*.c, bare_*.cpp).

They load a whole state, run, and read the whole state back, as a judge must, and do nothing else.
"""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.harness.cases.layout import STATE_DTYPE, Batch
from assay64.harness.compiling import shared_library

HERE = Path(__file__).parent
_U64, _POINTER = ctypes.c_uint64, ctypes.c_void_p
_NAMES = ["open", "close", "ctl", "mem_map_ptr", "hook_add", "emu_start", "reg_write_batch", "reg_read_batch"]
_UNICORN = tuple(f"uc_{name}" for name in _NAMES)


class Bare:
    """One machine of a backend without assay64. Raises BackendUnavailable where it cannot be compiled."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        if backend == "unicorn":
            library = ctypes.CDLL(str(shared_library(HERE / "bare_unicorn.c")))
            arguments = [_unicorn_functions()]
        else:
            library = ctypes.CDLL(str(shared_library(HERE / "bare_dynarmic.cpp", "-ldynarmic", *_wide())))
            arguments = []
        library.bare_open.restype = _POINTER
        library.bare_close.argtypes = [_POINTER]
        library.bare_run.argtypes = [_POINTER, _U64, _U64, _POINTER, _POINTER, _U64, _POINTER, _POINTER]
        self._library = library
        self._handle = library.bare_open(*arguments)
        if not self._handle:
            raise RuntimeError(f"{backend}: its machine cannot be made")
        self._room = self.final = _no_states()

    def run(self, batch: Batch) -> None:
        """Run the cases of ``batch``; their states come to ``final``."""
        count, width = batch.code.shape
        # The same room for every batch: memory that is new costs as much as the cases.
        if len(self._room) < count:
            self._room = np.zeros(count, STATE_DTYPE)
        self.final = states = self._room[:count]
        places: list[npt.NDArray[Any]] = [batch.code, batch.code_words, batch.initial, states]
        assert all(array.flags.c_contiguous for array in places)
        code, words, initial, final = (int(array.ctypes.data) for array in places)
        if self._library.bare_run(self._handle, count, width, code, words, batch.code_address, initial, final):
            raise RuntimeError(f"{self.backend}: a run without a judge ended in an error")

    def close(self) -> None:
        if self._handle:
            self._library.bare_close(self._handle)
            self._handle = None


def _no_states() -> npt.NDArray[Any]:
    return np.zeros(0, STATE_DTYPE)


def _wide() -> tuple[str, ...]:
    return ("-mcx16",) if platform.machine() in ("x86_64", "AMD64") else ()


def _unicorn_functions() -> Any:
    from assay64.harness.backends.unicorn import binding

    library = binding.load()
    return (_POINTER * len(_UNICORN))(*(ctypes.cast(getattr(library, name), _POINTER).value for name in _UNICORN))
