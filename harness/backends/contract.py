"""The contract that every backend meets, built in or yours: a Backend makes Instances; an Instance runs guest code.

A backend meets it as a Python class (these protocols), as a shared library (assay64_backend.h, wrapped by library.py)
or as a program. Records are the numpy structures of cases/layout.py; memory is the harness's (cases/memory.py).
"""

from __future__ import annotations

import signal
from typing import Protocol, runtime_checkable

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Environment
from assay64.harness.cases.layout import Batch, StateRecord
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Exit


class Unsupported(Exception):
    """The backend lacks an action, a feature or a setting of the environment. It is a verdict, never a pass."""


class BackendDied(Exception):
    """The program that a backend runs in has ended. ``status`` is its exit status, minus a signal's number."""

    def __init__(self, status: int) -> None:
        how = signal.Signals(-status).name if -status in set(signal.Signals) else f"exit status {status}"
        super().__init__(f"the backend's process has ended: {how}")
        self.status = status


class Instance(Protocol):
    """One guest machine: memory and one or more vCPUs. All methods are called from the thread that made it, but
    ``stop``.

    Guest addresses and sizes are bytes; ``map``, ``protect`` and ``unmap`` take whole pages. Methods for an action that
    the capabilities do not declare may raise Unsupported.
    """

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
        """Show ``size`` bytes of ``memory`` from ``offset`` at guest ``address``; permissions are letters of rwx."""
        ...

    def protect(self, address: int, size: int, permissions: str) -> None: ...

    def unmap(self, address: int, size: int) -> None: ...

    def set_state(self, vcpu: int, state: StateRecord) -> None:
        """Load every register from a STATE_DTYPE record. The exclusive monitor becomes open."""
        ...

    def get_state(self, vcpu: int, state: StateRecord) -> None:
        """Fill a STATE_DTYPE record. PC is Arm's preferred return address of the exit that ended the run."""
        ...

    def run(self, vcpu: int, budget: int, until: int | None) -> Exit:
        """Run until an exit, until the PC is ``until`` (checked before each instruction), or for ``budget``
        instructions.
        """
        ...

    def step(self, vcpu: int) -> Exit:
        """Execute one instruction by the backend's own single step: exit ``step``, or the exception that it took."""
        ...

    def notify_code(self, address: int, size: int) -> None:
        """The harness wrote these bytes: forget any translation of them."""
        ...

    def set_breakpoint(self, address: int) -> None:
        """Make runs end with exit ``breakpoint`` before the instruction at ``address``, also one that begins there."""
        ...

    def clear_breakpoint(self, address: int) -> None: ...

    def set_watchpoint(self, address: int, size: int, access: str) -> None: ...

    def clear_watchpoint(self, address: int) -> None: ...

    def stop(self, vcpu: int) -> None:
        """From any thread: make a ``run`` in progress return with exit ``stopped``."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class BatchInstance(Protocol):
    """An Instance that also runs many single-run cases in one call. It maps the default regions by itself."""

    def run_batch(self, batch: Batch, progress: HostMemory) -> None:
        """Run cases ``batch.done`` to the last; count each in ``batch.done`` and in the first 64-bit word of
        ``progress``.
        """
        ...


class Backend(Protocol):
    """What the registry and the entry-point group ``assay64.backends`` hold.

    Making one is cheap and loads nothing native.
    """

    name: str

    def available(self) -> str | None:
        """None when it can run here, else one line: what is missing and how to get it."""
        ...

    def capabilities(self) -> Capabilities: ...

    def create(self, environment: Environment, vcpus: int = 1) -> Instance:
        """A new machine with no memory.

        Raises Unsupported for an environment or a number of vCPUs that it does not have.
        """
        ...


@runtime_checkable
class Forkable(Protocol):
    """A Backend that says whether a process may use a machine that its parent made before the fork.

    True is for machines without threads, processes, shared memory or open files of their own. The worker then makes
    one ahead, so that a process that takes a crashed one's place finds it ready.
    """

    survives_fork: bool
