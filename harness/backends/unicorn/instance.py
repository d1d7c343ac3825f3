"""The contract's Instance over a Machine: one vCPU, the optional actions that Unicorn does exactly, and batches."""

from __future__ import annotations

import numpy as np

from assay64.harness.backends.base import OptionalActions
from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.unicorn import batch as batches
from assay64.harness.backends.unicorn.machine import Machine
from assay64.harness.cases.case import Environment
from assay64.harness.cases.layout import STATE_DTYPE, Batch, StateRecord
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Exit, ExitKind


class UnicornInstance(OptionalActions):
    """One guest machine. Watchpoints are missing: Unicorn's memory hooks stop only after the access."""

    def __init__(self, environment: Environment) -> None:
        self.machine = Machine(environment)
        self._kept_alive: list[HostMemory] = []
        self._regions: batches.Regions | None = None

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
        if device or guarded:
            raise Unsupported(f"unicorn runs without an MMU: there are no {'Device' if device else 'guarded'} pages")
        if address + size > self.machine.address_limit:
            raise Unsupported(f"unicorn maps nothing at {address:#x} when the top byte of an address is ignored")
        self._kept_alive.append(memory)
        self.machine.mappings.map(address, memory.address + offset, size, permissions)

    def protect(self, address: int, size: int, permissions: str) -> None:
        self.machine.mappings.protect(address, size, permissions)

    def unmap(self, address: int, size: int) -> None:
        self.machine.mappings.unmap(address, size)

    def set_state(self, vcpu: int, state: StateRecord) -> None:
        self._only(vcpu)
        self.machine.registers.given[:] = state.reshape(1).view(np.uint8)
        self.machine.load()

    def get_state(self, vcpu: int, state: StateRecord) -> None:
        self._only(vcpu)
        self.machine.store()
        state[...] = self.machine.registers.found.view(STATE_DTYPE)[0]

    def run(self, vcpu: int, budget: int, until: int | None) -> Exit:
        self._only(vcpu)
        return self.machine.run(budget, until).exit

    def step(self, vcpu: int) -> Exit:
        self._only(vcpu)
        result = self.machine.run(1, None).exit
        return Exit(kind=ExitKind.STEP) if result.kind is ExitKind.BUDGET else result

    def notify_code(self, address: int, size: int) -> None:
        self.machine.mappings.forget_code(address, size)

    def set_breakpoint(self, address: int) -> None:
        self.machine.breakpoints.add(address)
        self.machine.forget_translation(address)

    def clear_breakpoint(self, address: int) -> None:
        self.machine.breakpoints.discard(address)

    def stop(self, vcpu: int) -> None:
        self._only(vcpu)
        self.machine.stop()

    def run_batch(self, batch: Batch, progress: HostMemory) -> None:
        if self._regions is None:
            self._regions = batches.Regions()
        batches.run(self.machine, self._regions, batch, progress)

    def close(self) -> None:
        self.machine.close()
        self._kept_alive.clear()

    def _only(self, vcpu: int) -> None:
        if vcpu != 0:
            raise Unsupported(f"unicorn has one vCPU; the case asks for vCPU {vcpu}")
