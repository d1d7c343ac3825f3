"""Two things that Unicorn knows and does not tell: how many instructions ran, and the syndrome of an exception.

Both stand at fixed places of its own structures: the count in the engine, the syndrome and the faulting address in a
saved context. The places are found once in a process, by making values appear that are recognised; when they do not
appear, Unicorn's layout has changed and the backend says so instead of guessing. The count makes budgets exact where
the next instruction cannot be fetched; the syndrome tells a trap from UNDEFINED and gives immediates and the address of
an alignment fault.
"""

from __future__ import annotations

import ctypes
import struct
from functools import lru_cache
from typing import NamedTuple

from assay64.harness.backends.unicorn.binding import (
    CPU_MODEL_MAX,
    EXECUTE,
    HOOK_INTERRUPT,
    READ,
    REGISTER_X,
    WRITE,
    Context,
    Engine,
    InterruptCallback,
)
from assay64.harness.cases.memory import HostMemory
from assay64.harness.errors import BackendUnavailable

_SCRATCH = 0x7000_0000
_ENGINE_SEARCH_BYTES = 0x600  # well inside the structure: what follows the count there is longer than what is left
_COUNT, _SVC_IMMEDIATE, _UNALIGNED = 0x1_5A5A_1234, 0xA51C, _SCRATCH + 0xF51
_NOP, _SVC, _LDXR_X1_X0 = 0xD503_201F, 0xD400_0001, 0xC85F_7C01
_SVC_SYNDROME = 0x15 << 26 | 1 << 25 | _SVC_IMMEDIATE


class Places(NamedTuple):
    """Offsets in bytes: the instruction counter in the engine, syndrome (32 bits) and address in a context."""

    executed: int
    syndrome: int
    address: int


@lru_cache(maxsize=1)
def places() -> Places:
    """Find the places with a throwaway engine. Raises BackendUnavailable when this build of Unicorn hides them."""
    engine = Engine(1 << 20, CPU_MODEL_MAX)
    memory = HostMemory(0x1000)

    def stop(_engine: int, _number: int, _data: int | None) -> None:
        engine.stop()

    try:
        memory.bytes.view("<u4")[:5] = (_NOP, _NOP, _NOP, _SVC | _SVC_IMMEDIATE << 5, _LDXR_X1_X0)
        engine.hook(HOOK_INTERRUPT, InterruptCallback(stop))
        engine.check(
            engine.library.uc_mem_map_ptr(engine.handle, _SCRATCH, 0x1000, READ | WRITE | EXECUTE, memory.address)
        )
        context = Context(engine)
        engine.check(engine.start(_SCRATCH, _SCRATCH + 12, _COUNT))
        searched = ctypes.string_at(engine.handle, _ENGINE_SEARCH_BYTES)
        executed = [place - 8 for place in _find(searched, struct.pack("<Q", _COUNT))]
        executed = [place for place in executed if place >= 0 and struct.unpack_from("<Q", searched, place)[0] == 3]
        engine.check(engine.start(_SCRATCH + 12, _SCRATCH + 16, 10))
        context.save()
        syndrome = _find(ctypes.string_at(context.address, context.size_bytes), struct.pack("<I", _SVC_SYNDROME))
        engine.write_register(REGISTER_X[0], _UNALIGNED)
        engine.check(engine.start(_SCRATCH + 16, _SCRATCH + 20, 10))
        context.save()
        address = _find(ctypes.string_at(context.address, context.size_bytes), struct.pack("<Q", _UNALIGNED))
        context.close()
    finally:
        engine.close()
    # struct exception in QEMU's CPUARMState: 32-bit syndrome, 32-bit fault status, 64-bit address
    pairs = [(low, high) for low in syndrome for high in address if high == low + 8]
    if len(executed) != 1 or len(pairs) != 1:
        raise BackendUnavailable(
            "unicorn: this version is laid out differently; install it with: pip install unicorn==2.1.4"
        )
    return Places(executed[0], *pairs[0])


def _find(data: bytes, pattern: bytes) -> list[int]:
    found, start = list[int](), data.find(pattern)
    while start >= 0:
        found.append(start)
        start = data.find(pattern, start + 1)
    return found
