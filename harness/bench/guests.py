"""Engines as benchmarks see them: memory is mapped, a program is entered, its checksum comes back.

Nothing is timed here. Each engine is as its users have it: Unicorn as it is opened, at EL1 and without the instruction
counter, which slows it down by half and more; the same with its "virtual" TLB, which is several times faster on some
programs and slower on others; Dynarmic through this project's adapter; the reference's Machine with its engine named,
and once more while it counts what it executes.
"""

from __future__ import annotations

import ctypes
import dataclasses
import inspect
import resource
import shutil
import subprocess
from typing import Any, Protocol

import numpy as np

from assay64.harness.backends import dynarmic, unicorn
from assay64.harness.backends.library import LibraryInstance
from assay64.harness.backends.unicorn import binding
from assay64.harness.bench.programs import Program
from assay64.harness.cases.case import Environment
from assay64.harness.cases.layout import new_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import ExitKind
from assay64.reference import Machine
from assay64.reference.pseudocode.exceptions import SupervisorCall

CPU = "apple-m2"
UNICORN_BUFFER_BYTES = 32 << 20
QEMU_USER = ("qemu-aarch64", "qemu-aarch64-static")
ENGINES = ("golden", "native", "native-counting", "unicorn", "unicorn-virtual-tlb", "dynarmic", "qemu-user")
QEMU_TIMEOUT_S = 600

_SVC_EXCEPTION = 2  # QEMU's EXCP_SWI


class ProgramFailed(RuntimeError):
    """An engine did not bring a program to its SVC; the text says what it did instead."""


class Guest(Protocol):
    """One machine of an engine. Addresses and sizes are bytes and whole pages; permissions are letters of rwx."""

    def map(self, address: int, memory: HostMemory, offset: int, size: int, permissions: str) -> None:
        """Map, or map anew what was mapped."""
        ...

    def run(self, program: Program, repeats: int, size: int) -> int:
        """Run the program, which is mapped, from its entry to its SVC: the checksum. Raises ProgramFailed."""
        ...

    def statistics(self) -> dict[str, int]:
        """The engine's own counters since it was made; empty when it has none."""
        ...

    def close(self) -> None: ...


class MachineGuest:
    """The reference with one of its engines."""

    def __init__(self, engine: str, *, counting: bool = False) -> None:
        # A Machine that has no choice of engines has golden.
        keywords: dict[str, Any] = {"engine": engine} if _engines_can_be_named() else {}
        self.machine = Machine(CPU, **keywords)
        self._engine = engine
        if counting:
            self.machine.start_counting()
        self._views: dict[int, tuple[HostMemory, memoryview]] = {}

    def map(self, address: int, memory: HostMemory, offset: int, size: int, permissions: str) -> None:
        # One view of a buffer: the reference tells buffers apart by it.
        _, view = self._views.setdefault(memory.address, (memory, memoryview(memory.map)))
        self.machine.map(address, size, permissions, view, offset)

    def run(self, program: Program, repeats: int, size: int) -> int:
        machine = self.machine
        machine.set("X", 0, repeats)
        machine.set("X", 1, size)
        machine.set("SP_EL0", 0, program.stack_pointer)
        machine.set("PC", 0, program.start)
        stop = machine.run()
        if not isinstance(stop.exception, SupervisorCall):
            raise ProgramFailed(f"{stop.reason} {stop.exception!r} at {machine.get('PC'):#x}")
        return machine.get("X", 0)

    def statistics(self) -> dict[str, int]:
        if self._engine == "golden":
            return {}
        machine: Any = self.machine
        return {name: int(value) for name, value in dataclasses.asdict(machine.statistics()).items()}

    def close(self) -> None:
        self._views.clear()


class UnicornGuest:
    """Unicorn alone, with no hook but the one that stops it at an exception."""

    def __init__(self, *, virtual_tlb: bool) -> None:
        self._engine = binding.Engine(UNICORN_BUFFER_BYTES, binding.CPU_MODEL_MAX)
        if virtual_tlb:
            self._engine.control(binding.SET_TLB_TYPE, ctypes.c_int(binding.TLB_VIRTUAL))
        self._mapped: dict[tuple[int, int], HostMemory] = {}
        self._exceptions: list[int] = []
        self._engine.hook(binding.HOOK_INTERRUPT, binding.InterruptCallback(self._on_exception))

    def _on_exception(self, _engine: int, number: int, _data: Any) -> None:
        self._exceptions.append(number)
        self._engine.stop()

    def map(self, address: int, memory: HostMemory, offset: int, size: int, permissions: str) -> None:
        engine = self._engine
        if (address, size) in self._mapped:
            engine.check(engine.library.uc_mem_unmap(engine.handle, address, size))
        bits = sum({"r": binding.READ, "w": binding.WRITE, "x": binding.EXECUTE}[letter] for letter in permissions)
        engine.check(engine.library.uc_mem_map_ptr(engine.handle, address, size, bits, memory.address + offset))
        self._mapped[address, size] = memory

    def run(self, program: Program, repeats: int, size: int) -> int:
        engine = self._engine
        engine.write_register(binding.REGISTER_X[0], repeats)
        engine.write_register(binding.REGISTER_X[1], size)
        engine.write_register(binding.REGISTER_SP, program.stack_pointer)
        self._exceptions.clear()
        # 1 is an end that no PC reaches; 0 instructions stands for no limit.
        error = engine.start(program.start, 1, 0)
        if self._exceptions[:1] != [_SVC_EXCEPTION]:
            where = engine.read_register(binding.REGISTER_PC)
            raise ProgramFailed(f"error {error}, exceptions {self._exceptions} at {where:#x}")
        return engine.read_register(binding.REGISTER_X[0])

    def statistics(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        self._engine.close()


class DynarmicGuest:
    """Dynarmic through the adapter: with exact budgets and precise aborts, and memory through callbacks."""

    def __init__(self) -> None:
        self._instance: LibraryInstance = dynarmic.BACKEND.create(Environment(model=CPU))

    def map(self, address: int, memory: HostMemory, offset: int, size: int, permissions: str) -> None:
        self._instance.map(address, memory, offset, size, permissions)

    def run(self, program: Program, repeats: int, size: int) -> int:
        state = new_state()
        state["pc"], state["sp"] = program.start, program.stack_pointer
        state["x"][:2] = repeats, size
        self._instance.set_state(0, state)
        ended = self._instance.run(0, np.iinfo(np.int64).max, None)
        self._instance.get_state(0, state)
        if ended.kind is not ExitKind.SVC:
            raise ProgramFailed(f"{ended} at {int(state['pc']):#x}")
        return int(state["x"][0])

    def statistics(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        self._instance.close()


def _engines_can_be_named() -> bool:
    return "engine" in inspect.signature(Machine.__init__).parameters


def missing(engine: str) -> str | None:
    """None when the engine can run here, else one line: what is missing. KeyError for a name that is not in ENGINES."""
    match engine:
        case "golden":
            return None
        case "native" | "native-counting":
            return None if _engines_can_be_named() else "this version of assay64 has none"
        case "unicorn" | "unicorn-virtual-tlb":
            return unicorn.BACKEND.available()
        case "dynarmic":
            return dynarmic.BACKEND.available()
        case "qemu-user":
            return None if qemu_user() else "qemu-aarch64 is not installed: apt-get install qemu-user"
        case _:
            raise KeyError(engine)


def available() -> list[str]:
    """The engines that can run here."""
    return [engine for engine in ENGINES if missing(engine) is None]


def create(engine: str) -> Guest:
    """A machine of an engine that is available; KeyError for ``qemu-user``, which runs whole programs only."""
    match engine:
        case "golden" | "native":
            return MachineGuest(engine)
        case "native-counting":
            return MachineGuest("native", counting=True)
        case "unicorn" | "unicorn-virtual-tlb":
            return UnicornGuest(virtual_tlb=engine != "unicorn")
        case "dynarmic":
            return DynarmicGuest()
        case _:
            raise KeyError(engine)


def put(guest: Guest, program: Program) -> list[HostMemory]:
    """Map a program's segments and stack, with their contents."""
    memories: list[HostMemory] = []
    for segment in program.segments:
        memory = HostMemory(segment.size)
        memory.map[: len(segment.data)] = segment.data
        guest.map(segment.address, memory, 0, segment.size, segment.permissions)
        memories.append(memory)
    return memories


def qemu_user() -> str | None:
    """The path of QEMU's user-mode emulator for AArch64."""
    return next((path for name in QEMU_USER if (path := shutil.which(name))), None)


def run_under_qemu(program: Program, repeats: int, size: int) -> tuple[int, float]:
    """Run a program as a process under Linux: the checksum that it prints, and the processor time in seconds.

    Raises ProgramFailed.
    """
    command = [qemu_user() or QEMU_USER[0], str(program.file), str(repeats), str(size)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=QEMU_TIMEOUT_S)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode == 0:
            return int(done.stdout, 16), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    except (subprocess.TimeoutExpired, ValueError) as problem:
        raise ProgramFailed(str(problem)) from problem
    raise ProgramFailed(f"exit status {done.returncode}: {done.stderr.strip()}")
