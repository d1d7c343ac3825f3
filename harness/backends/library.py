"""Any shared library that meets assay64_backend.h, as a backend: ``--backend ./libmine.so`` and the Dynarmic adapter.

The structures below repeat the header's; the tests compare both, and cases/layout.py, with what a C compiler makes of
them. A library can do anything to the process that loads it: only worker processes should run guest code here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from assay64.harness.backends.base import check_environment, read_capabilities
from assay64.harness.backends.batch_regions import BatchRecord, BatchRegions, address_of
from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import CODE_REGION, DATA_REGION, Environment
from assay64.harness.cases.layout import (
    ABI_VERSION,
    CHANGE_DTYPE,
    EXIT_DTYPE,
    STATE_DTYPE,
    Batch,
    StateRecord,
    unpack_exit,
)
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Exit
from assay64.harness.errors import BackendUnavailable

OK, UNSUPPORTED = 0, 1
NEVER = (1 << 64) - 1
PERMISSIONS = {"r": 1, "w": 2, "x": 4}
MAP_DEVICE, MAP_GUARDED = 1, 2
ERROR_SIZE_BYTES = 512

_U32, _U64, _POINTER = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p


class Info(ctypes.Structure):
    """struct assay64_info"""

    _fields_ = [(name, _U32) for name in ("size", "version", "state_size", "exit_size", "change_size", "batch_size")]


# Function -> (argument types, required). All but three return a status.
_FUNCTIONS: Mapping[str, tuple[tuple[Any, ...], bool]] = {
    "create": ((ctypes.c_char_p, ctypes.POINTER(_POINTER), ctypes.c_char_p, ctypes.c_size_t), True),
    "map": ((_POINTER, _U64, _POINTER, _U64, _U32, _U32), True),
    "set_state": ((_POINTER, _U32, _POINTER), True),
    "get_state": ((_POINTER, _U32, _POINTER), True),
    "run": ((_POINTER, _U32, _U64, _U64, _POINTER), True),
    "notify_code": ((_POINTER, _U64, _U64), True),
    "protect": ((_POINTER, _U64, _U64, _U32), False),
    "unmap": ((_POINTER, _U64, _U64), False),
    "step": ((_POINTER, _U32, _POINTER), False),
    "set_breakpoint": ((_POINTER, _U64), False),
    "clear_breakpoint": ((_POINTER, _U64), False),
    "set_watchpoint": ((_POINTER, _U64, _U64, _U32), False),
    "clear_watchpoint": ((_POINTER, _U64), False),
    "request_stop": ((_POINTER, _U32), False),
    "run_batch": ((_POINTER, ctypes.POINTER(BatchRecord)), False),
}


class LibraryError(Exception):
    """The library answered ASSAY64_ERROR, or with something that the header does not allow."""


class Library:
    """A loaded library whose version and sizes are right. Raises BackendUnavailable when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise BackendUnavailable(f"{path}: no such file")
        try:
            self._library = ctypes.CDLL(str(path.resolve()))
        except OSError as error:
            raise BackendUnavailable(f"{path} cannot be loaded: {error}") from error
        self.functions: dict[str, Callable[..., int]] = {}
        for name, (arguments, required) in _FUNCTIONS.items():
            function = self._find(name, arguments, ctypes.c_int, required)
            if function is not None:
                self.functions[name] = function
        self.destroy = self._required("destroy", (_POINTER,), None)
        self.last_error = self._required("last_error", (_POINTER,), ctypes.c_char_p)
        self._check_info()
        self.capabilities = self._read_capabilities()

    def _find(self, name: str, arguments: tuple[Any, ...], result: Any, required: bool) -> Callable[..., Any] | None:
        try:
            function = self._library[f"assay64_{name}"]
        except AttributeError:
            if not required:
                return None
            raise BackendUnavailable(
                f"{self.path} has no function assay64_{name}, which assay64_backend.h requires"
            ) from None
        function.argtypes = arguments
        function.restype = result
        return function

    def _required(self, name: str, arguments: tuple[Any, ...], result: Any) -> Callable[..., Any]:
        function = self._find(name, arguments, result, True)
        assert function is not None
        return function

    def _check_info(self) -> None:
        pointer = self._required("info", (), ctypes.POINTER(Info))()
        if not pointer:
            raise BackendUnavailable(f"{self.path}: assay64_info returned NULL")
        info: Info = pointer.contents
        if info.version != ABI_VERSION or info.size != ctypes.sizeof(Info):
            raise BackendUnavailable(
                f"{self.path} was built for version {info.version} of assay64_backend.h, with an assay64_info of "
                f"{info.size} bytes; this assay64 has version {ABI_VERSION}: rebuild it"
            )
        expected = {
            "assay64_state": (info.state_size, STATE_DTYPE.itemsize),
            "assay64_exit": (info.exit_size, EXIT_DTYPE.itemsize),
            "assay64_change": (info.change_size, CHANGE_DTYPE.itemsize),
            "assay64_batch": (info.batch_size, ctypes.sizeof(BatchRecord)),
        }
        for name, (theirs, ours) in expected.items():
            if theirs != ours:
                raise BackendUnavailable(
                    f"{self.path}: its struct {name} has {theirs} bytes, this assay64's has {ours}: "
                    "rebuild it with this header"
                )

    def _read_capabilities(self) -> Capabilities:
        text = self._required("describe", (), ctypes.c_char_p)()
        if text is None:
            raise BackendUnavailable(f"{self.path}: assay64_describe returned NULL")
        try:
            return read_capabilities(text)
        except ValueError as error:
            raise BackendUnavailable(
                f"{self.path}: the capabilities that assay64_describe returns are wrong: {error}"
            ) from error


class LibraryInstance:
    """One machine of a library. See contract.Instance."""

    def __init__(self, library: Library, config: str) -> None:
        self._library = library
        self._name = library.capabilities.name
        handle, error = _POINTER(), ctypes.create_string_buffer(ERROR_SIZE_BYTES)
        status = library.functions["create"](config.encode(), ctypes.byref(handle), error, len(error))
        text = error.value.decode(errors="replace") or f"assay64_create returned {status}"
        if status == UNSUPPORTED:
            raise Unsupported(text)
        if status != OK or not handle.value:
            raise LibraryError(f"{self._name}: {text}")
        self._handle: ctypes.c_void_p | None = handle
        self._exits: dict[int, npt.NDArray[Any]] = {}
        # What the guest can reach must outlive the machine.
        self._memories: list[HostMemory] = []
        self._mappings = 0  # how often they were changed

    def _call(self, name: str, *arguments: Any) -> None:
        function = self._library.functions.get(name)
        if function is None:
            raise Unsupported(f"{self._name} has no assay64_{name}")
        if self._handle is None:
            raise LibraryError(f"{self._name}: assay64_{name} on a machine that was closed")
        status = function(self._handle, *arguments)
        if status != OK:
            text: bytes = self._library.last_error(self._handle) or b"no reason given"
            reason = f"{self._name}: assay64_{name}: {text.decode(errors='replace')}"
            raise Unsupported(reason) if status == UNSUPPORTED else LibraryError(reason)

    def map(
        self,
        address: int,
        memory: HostMemory,
        offset: int,
        size: int,
        permissions: str,
        *,
        device: bool = False,
        guarded: bool = False,
    ) -> None:
        if not 0 <= offset <= offset + size <= memory.size:
            raise ValueError(f"{size:#x} bytes from {offset:#x} lie outside a memory of {memory.size:#x} bytes")
        self._mappings += 1
        flags = MAP_DEVICE * device | MAP_GUARDED * guarded
        self._call("map", address, memory.address + offset, size, permission_bits(permissions), flags)
        if not any(memory is known for known in self._memories):
            self._memories.append(memory)

    def protect(self, address: int, size: int, permissions: str) -> None:
        self._mappings += 1
        self._call("protect", address, size, permission_bits(permissions))

    def unmap(self, address: int, size: int) -> None:
        self._mappings += 1
        self._call("unmap", address, size)

    def set_state(self, vcpu: int, state: StateRecord) -> None:
        self._call("set_state", vcpu, address_of(state, STATE_DTYPE))

    def get_state(self, vcpu: int, state: StateRecord) -> None:
        self._call("get_state", vcpu, address_of(state, STATE_DTYPE))

    def run(self, vcpu: int, budget: int, until: int | None) -> Exit:
        return self._leave("run", vcpu, budget, NEVER if until is None else until)

    def step(self, vcpu: int) -> Exit:
        return self._leave("step", vcpu)

    def _leave(self, name: str, vcpu: int, *arguments: int) -> Exit:
        record = np.zeros((), EXIT_DTYPE)
        self._exits[vcpu] = record
        self._call(name, vcpu, *arguments, record.ctypes.data)
        try:
            return unpack_exit(record)
        except ValueError as error:
            raise LibraryError(f"{self._name}: {error}") from error

    def executed(self, vcpu: int) -> int:
        """Instructions that the vCPU's last run or step completed, or layout.EXECUTED_UNKNOWN."""
        return int(self._exits[vcpu]["executed"])

    def notify_code(self, address: int, size: int) -> None:
        self._call("notify_code", address, size)

    def set_breakpoint(self, address: int) -> None:
        self._call("set_breakpoint", address)

    def clear_breakpoint(self, address: int) -> None:
        self._call("clear_breakpoint", address)

    def set_watchpoint(self, address: int, size: int, access: str) -> None:
        self._call("set_watchpoint", address, size, permission_bits(access))

    def clear_watchpoint(self, address: int) -> None:
        self._call("clear_watchpoint", address)

    def stop(self, vcpu: int) -> None:
        self._call("request_stop", vcpu)

    def close(self) -> None:
        if self._handle is not None:
            self._library.destroy(self._handle)
            self._handle = None
            self._memories.clear()


class LibraryBatchInstance(LibraryInstance):
    """A machine of a library that has assay64_run_batch. See contract.BatchInstance."""

    def __init__(self, library: Library, config: str) -> None:
        super().__init__(library, config)
        self._regions: BatchRegions | None = None
        self._mapped_at = -1

    def run_batch(self, batch: Batch, progress: HostMemory) -> None:
        regions, offset = self._mapped_regions(), batch.code_address - CODE_REGION[0]
        if not 0 <= offset <= regions.code.size:
            raise Unsupported(f"a batch has its code in the default region, not at {batch.code_address:#x}")
        regions.reset(batch.fill)
        regions.restored = False
        regions.place(batch)
        changes = regions.changes
        collected = [batch.changes[: batch.n_changes]]
        record = regions.record
        record.code_address = batch.code_address
        record.code_memory, record.code_memory_size = regions.code.address + offset, regions.code.size - offset
        record.budget, record.done, record.progress = batch.budget, batch.done, progress.address
        try:
            while record.done < len(batch):
                before, record.n_changes = record.done, 0
                self._call("run_batch", ctypes.byref(record))
                if record.done > len(batch) or record.n_changes > len(changes):
                    raise LibraryError(f"{self._name}: assay64_run_batch reports more cases or changes than there are")
                if record.n_changes:
                    collected.append(changes[: record.n_changes].copy())
                if record.done == before:
                    raise LibraryError(f"{self._name}: assay64_run_batch returned without having finished a case")
            regions.restored = True
        finally:
            batch.done = int(record.done)
            batch.changes = collected[0] if len(collected) == 1 else np.concatenate(collected)
            batch.n_changes = len(batch.changes)

    def _mapped_regions(self) -> BatchRegions:
        """The memory of the default regions, mapped anew where somebody else has mapped something in between."""
        if self._regions is None:
            self._regions = BatchRegions()
        if self._mapped_at != self._mappings:
            self.map(CODE_REGION[0], self._regions.code, 0, CODE_REGION[1], "rx")
            self.map(DATA_REGION[0], self._regions.data, 0, DATA_REGION[1], "rw")
            self._mapped_at = self._mappings
        return self._regions


class LibraryBackend:
    """The library at ``path``. ``settings`` are further lines of its configuration, which only this library knows."""

    def __init__(self, path: Path | str, settings: Mapping[str, int | str] | None = None) -> None:
        self.path = Path(path)
        self.name = str(path)
        self._settings = dict(settings or {})

    @cached_property
    def _library(self) -> Library:
        return Library(self.path)

    def available(self) -> str | None:
        try:
            _ = self._library
        except BackendUnavailable as error:
            return str(error)
        return None

    def capabilities(self) -> Capabilities:
        return self._library.capabilities

    def create(self, environment: Environment, vcpus: int = 1) -> LibraryInstance:
        check_environment(self.capabilities(), environment, vcpus)
        config = config_text({"vcpus": vcpus, **msgspec.structs.asdict(environment), **self._settings})
        batched = self.capabilities().batch and "run_batch" in self._library.functions
        return (LibraryBatchInstance if batched else LibraryInstance)(self._library, config)


def config_text(settings: Mapping[str, int | str]) -> str:
    """The configuration that assay64_create reads: lines ``key = value``, numbers in decimal, truth values 0 and 1."""
    return "".join(f"{key} = {int(value) if isinstance(value, bool) else value}\n" for key, value in settings.items())


def permission_bits(letters: str) -> int:
    """Letters of ``rwx`` as the bits of enum assay64_permissions."""
    return sum(PERMISSIONS[letter] for letter in letters)
