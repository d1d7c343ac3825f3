"""Unicorn's C interface through ctypes: the wheel's shared library, the functions used here, registers in batches.

The wheel's own Python binding converts every register by itself, which costs half a millisecond for a full state;
pointer arrays that are built once cost a microsecond. Nothing here knows cases, exits or guest memory.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.harness.cases.layout import STATE_DTYPE
from assay64.harness.errors import BackendUnavailable

INSTALL = "install it with: pip install 'unicorn>=2.1.4,<2.2'"
LIBRARY_FILES = {"linux": "libunicorn.so.2", "darwin": "libunicorn.2.dylib", "win32": "unicorn.dll"}

# unicorn.h and arm64.h of Unicorn 2.1
ARCH_ARM64, MODE_LITTLE_ENDIAN = 2, 0
# Unicorn's numbers of the CPU models that it names as we do; it stands in for every other with MAX.
CPU_MODELS, CPU_MODEL_MAX = {"cortex-a57": 0, "cortex-a53": 1, "cortex-a72": 2}, 3
READ, WRITE, EXECUTE = 1, 2, 4
HOOK_INTERRUPT, HOOK_MEMORY_INVALID, HOOK_EDGE_GENERATED = 1 << 0, 0x3F0, 1 << 15
READ_UNMAPPED, WRITE_UNMAPPED, FETCH_UNMAPPED, WRITE_PROTECTED, READ_PROTECTED, FETCH_PROTECTED = range(19, 25)

REGISTER_X = (*range(199, 228), 1, 2)
REGISTER_SP, REGISTER_PC, REGISTER_PSTATE, REGISTER_COPROCESSOR = 4, 260, 265, 290
REGISTER_Q0, REGISTER_FPCR, REGISTER_FPSR = 104, 291, 292
REGISTER_TPIDR_EL0, REGISTER_TPIDRRO_EL0 = 262, 263


def _control(kind: int, arguments: int) -> int:
    """UC_CTL_WRITE of unicorn.h."""
    return kind | arguments << 26 | 1 << 30


USE_EXITS, SET_EXITS = _control(4, 1), _control(6, 2)
SET_CPU_MODEL, REMOVE_CACHE = _control(7, 1), _control(9, 2)
FLUSH_CACHE = _control(10, 0)
SET_TLB_TYPE, SET_BUFFER_SIZE = _control(12, 1), _control(13, 1)
TLB_VIRTUAL = 1

_pointer, _u64, _int = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int
MemoryCallback = ctypes.CFUNCTYPE(ctypes.c_bool, _pointer, _int, _u64, _int, ctypes.c_int64, _pointer)
InterruptCallback = ctypes.CFUNCTYPE(None, _pointer, ctypes.c_uint32, _pointer)
# A struct uc_tb begins with its pc, and nothing else of it is read.
EdgeCallback = ctypes.CFUNCTYPE(None, _pointer, ctypes.POINTER(_u64), _pointer, _pointer)

# Of the variadic uc_ctl these are the fixed parameters; the rest is passed as explicit ctypes values.
_SIGNATURES: dict[str, list[Any]] = {
    "uc_open": [_int, _int, _pointer],
    "uc_close": [_pointer],
    "uc_ctl": [_pointer, ctypes.c_uint32],
    "uc_hook_add": [_pointer, _pointer, _int, _pointer, _pointer, _u64, _u64],
    "uc_emu_start": [_pointer, _u64, _u64, _u64, ctypes.c_size_t],
    "uc_emu_stop": [_pointer],
    "uc_mem_map_ptr": [_pointer, _u64, _u64, ctypes.c_uint32, _pointer],
    "uc_mem_unmap": [_pointer, _u64, _u64],
    "uc_reg_write": [_pointer, _int, _pointer],
    "uc_reg_read": [_pointer, _int, _pointer],
    "uc_reg_write_batch": [_pointer, _pointer, _pointer, _int],
    "uc_reg_read_batch": [_pointer, _pointer, _pointer, _int],
    "uc_context_alloc": [_pointer, _pointer],
    "uc_context_save": [_pointer, _pointer],
    "uc_context_restore": [_pointer, _pointer],
    "uc_context_free": [_pointer],
    "uc_strerror": [_int],
    "uc_context_size": [_pointer],
}


def find_library() -> Path | None:
    """The shared library inside the installed ``unicorn`` package, found without importing the package."""
    try:
        specification = importlib.util.find_spec("unicorn")
    except (ImportError, ValueError):
        return None
    for folder in (specification.submodule_search_locations or ()) if specification else ():
        file = Path(folder, "lib", LIBRARY_FILES.get(sys.platform, "libunicorn.so.2"))
        if file.is_file():
            return file
    return None


@lru_cache(maxsize=1)
def load() -> Any:
    """The library with typed functions; they return Unicorn's error number. Raises BackendUnavailable."""
    file = find_library()
    if file is None:
        raise BackendUnavailable(f"unicorn: the Python package unicorn is not installed; {INSTALL}")
    try:
        library = ctypes.CDLL(str(file))
        for name, arguments in _SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, _int
        library.uc_strerror.restype = ctypes.c_char_p
        library.uc_context_size.restype = ctypes.c_size_t
    except (OSError, AttributeError) as error:
        raise BackendUnavailable(f"unicorn: {file} cannot be used ({error}); {INSTALL}") from error
    return library


class _CoprocessorRegister(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("crn", "crm", "op0", "op1", "op2")] + [("value", _u64)]


class Engine:
    """One ``uc_engine``. A call that fails for no fault of the guest raises RuntimeError."""

    def __init__(self, buffer_size_bytes: int, cpu_model: int) -> None:
        self.library = load()
        handle = _pointer()
        self.check(self.library.uc_open(ARCH_ARM64, MODE_LITTLE_ENDIAN, ctypes.byref(handle)))
        self.handle = int(handle.value or 0)
        self._callbacks: list[Any] = []
        self._value = _u64()
        self._value_pointer = ctypes.byref(self._value)
        self.control(SET_CPU_MODEL, _int(cpu_model))
        self.control(SET_BUFFER_SIZE, ctypes.c_uint32(buffer_size_bytes))

    def check(self, error: int) -> None:
        if error:
            raise RuntimeError(f"unicorn: {self.library.uc_strerror(error).decode()} (error {error})")

    def control(self, request: int, *arguments: Any) -> None:
        self.check(self.library.uc_ctl(self.handle, request, *arguments))

    def remove_cache(self, start: int, end: int) -> None:
        """Forget the translations that touch [start, end), a range of one mapping; elsewhere do nothing."""
        self.library.uc_ctl(self.handle, REMOVE_CACHE, _u64(start), _u64(end))

    def hook(self, kind: int, callback: Any, data: Any = None) -> None:
        """Call ``callback`` (one of the types above, or a native function) for ``kind``, for as long as the engine
        lives. ``data`` is a structure whose address it is given.
        """
        number = ctypes.c_size_t()
        pointer = None if data is None else ctypes.addressof(data)
        # begin > end: for every address
        self.check(self.library.uc_hook_add(self.handle, ctypes.byref(number), kind, callback, pointer, 1, 0))
        self._callbacks += [callback, data]

    def start(self, pc: int, until: int, count: int) -> int:
        """Unicorn's error number. ``count`` is never 0: going from a count to none drops all translations."""
        return self.library.uc_emu_start(self.handle, pc, until, 0, count)

    def stop(self) -> None:
        self.library.uc_emu_stop(self.handle)

    def write_register(self, number: int, value: int) -> None:
        self._value.value = value
        self.check(self.library.uc_reg_write(self.handle, number, self._value_pointer))

    def read_register(self, number: int) -> int:
        self._value.value = 0
        self.check(self.library.uc_reg_read(self.handle, number, self._value_pointer))
        return self._value.value

    def write_system_register(self, op0: int, op1: int, crn: int, crm: int, op2: int, value: int) -> None:
        register = _CoprocessorRegister(crn, crm, op0, op1, op2, value)
        self.check(self.library.uc_reg_write(self.handle, REGISTER_COPROCESSOR, ctypes.byref(register)))

    def read_system_register(self, op0: int, op1: int, crn: int, crm: int, op2: int) -> int:
        register = _CoprocessorRegister(crn, crm, op0, op1, op2, 0)
        self.check(self.library.uc_reg_read(self.handle, REGISTER_COPROCESSOR, ctypes.byref(register)))
        return int(register.value)

    def close(self) -> None:
        if self.handle:
            self.library.uc_close(self.handle)
            self.handle = 0


class Context:
    """A copy of the CPU's whole state, with what no register number reaches (the exclusive monitor, the syndrome)."""

    def __init__(self, engine: Engine) -> None:
        self._library, self._engine = engine.library, engine
        handle = _pointer()
        engine.check(self._library.uc_context_alloc(engine.handle, ctypes.byref(handle)))
        self.address = int(handle.value or 0)
        self.size_bytes = int(self._library.uc_context_size(engine.handle))

    def save(self) -> None:
        self._library.uc_context_save(self._engine.handle, self.address)

    def restore(self) -> None:
        self._library.uc_context_restore(self._engine.handle, self.address)

    def close(self) -> None:
        if self.address:
            self._library.uc_context_free(self.address)
            self.address = 0


class RegisterFile:
    """Every register but the PC, moved between an engine and records of STATE_DTYPE in one call each way.

    What is in ``given`` goes in, what comes out is in ``found``; registers that Unicorn does not have stay zero there.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.given: npt.NDArray[np.uint8] = np.zeros(STATE_DTYPE.itemsize, np.uint8)
        self.found: npt.NDArray[np.uint8] = np.zeros(STATE_DTYPE.itemsize, np.uint8)
        places = [(number, field_offset("x") + 8 * index) for index, number in enumerate(REGISTER_X)]
        places += [(REGISTER_Q0 + index, field_offset("v") + 16 * index) for index in range(32)]
        places += [
            (REGISTER_SP, field_offset("sp")),
            (REGISTER_PSTATE, field_offset("pstate")),
            (REGISTER_FPCR, field_offset("fpcr")),
            (REGISTER_FPSR, field_offset("fpsr")),
            (REGISTER_TPIDR_EL0, field_offset("tpidr_el0")),
            (REGISTER_TPIDRRO_EL0, field_offset("tpidrro_el0")),
        ]
        self._count = len(places)
        self._numbers = (_int * self._count)(*(number for number, _ in places))
        self._given, self._found = (
            (_pointer * self._count)(*(int(record.ctypes.data) + offset for _, offset in places))
            for record in (self.given, self.found)
        )

    def places(self) -> tuple[int, int, int, int]:
        """For native callers: how many registers, and the addresses of their numbers and of both lists of places."""
        numbers, given, found = map(ctypes.addressof, (self._numbers, self._given, self._found))
        return self._count, numbers, given, found

    def write(self) -> None:
        """Load the engine's registers from ``given``."""
        engine = self._engine
        engine.check(engine.library.uc_reg_write_batch(engine.handle, self._numbers, self._given, self._count))

    def read(self) -> None:
        """Fill ``found`` from the engine."""
        engine = self._engine
        engine.check(engine.library.uc_reg_read_batch(engine.handle, self._numbers, self._found, self._count))


class PointerAuthenticationKeys:
    """The five keys as ten 64-bit halves, in the order of a state record, moved in one call each way."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # APIAKeyLo_EL1 ... APGAKeyHi_EL1: op0 3, op1 0, CRn 2
        places = ((1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3), (3, 0), (3, 1))
        self._count = len(places)
        self._registers = (_CoprocessorRegister * self._count)(
            *(_CoprocessorRegister(2, crm, 3, 0, op2, 0) for crm, op2 in places)
        )
        size = ctypes.sizeof(_CoprocessorRegister)
        first = ctypes.addressof(self._registers)
        self._pointers = (_pointer * self._count)(*(first + size * index for index in range(self._count)))
        self._numbers = (_int * self._count)(*[REGISTER_COPROCESSOR] * self._count)
        structures: Any = self._registers
        words: npt.NDArray[np.uint64] = np.frombuffer(structures, np.uint64).reshape(self._count, size // 8)
        place: int = _CoprocessorRegister.value.offset // 8
        self._values: npt.NDArray[np.uint64] = words[:, place]

    def write(self, values: npt.NDArray[np.uint64]) -> None:
        self._values[:] = values
        engine = self._engine
        engine.check(engine.library.uc_reg_write_batch(engine.handle, self._numbers, self._pointers, self._count))

    def read(self) -> npt.NDArray[np.uint64]:
        engine = self._engine
        engine.check(engine.library.uc_reg_read_batch(engine.handle, self._numbers, self._pointers, self._count))
        return self._values


def field_offset(name: str) -> int:
    """Where a register stands in a state record, in bytes."""
    fields: Any = STATE_DTYPE.fields
    return int(fields[name][1])
