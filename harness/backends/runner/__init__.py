"""The backends ``qemu-user`` and ``native``: one static AArch64 Linux program that runs cases between two signals, in
QEMU's user-mode emulation or on this machine's own processor.

runner.s is the program, elf.py makes its file, process.py starts it and speaks with it, instance.py runs one case,
batch.py many, exits.py reads signals. What QEMU does otherwise than Arm is left as it is (judge/deviations).
"""

from __future__ import annotations

import platform
import sys

from assay64.harness.backends.base import check_environment
from assay64.harness.backends.contract import Backend, Instance
from assay64.harness.backends.runner import emulator
from assay64.harness.backends.runner.host import Host
from assay64.harness.backends.runner.instance import RunnerInstance
from assay64.harness.backends.runner.probe import probe
from assay64.harness.backends.runner.process import Runner
from assay64.harness.cases.capabilities import Capabilities, ExclusiveMonitor
from assay64.harness.cases.case import CPACR_EL1, SCTLR_EL1, Environment
from assay64.reference import model

ACTIONS = frozenset(
    {
        "run",
        "write",
        "protect",
        "map",
        "unmap",
        "alias",
        "notify_code",
        "set_breakpoint",
        "clear_breakpoint",
        "stop_request",
    }
)


class RunnerBackend:
    """See contract.Backend; what is common to both."""

    name: str
    description: str
    monitor: ExclusiveMonitor

    def available(self) -> str | None:
        raise NotImplementedError

    def version(self) -> str:
        raise NotImplementedError

    def launchers(self) -> list[tuple[str, ...]]:
        """Commands in front of the runner program; each has all features of those before it."""
        raise NotImplementedError

    def capabilities(self) -> Capabilities:
        host = probe(self.launchers()[-1])
        return Capabilities(
            name=self.name,
            version=self.version(),
            description=self.description,
            features=host.features,
            exception_levels=(0,),
            page_size=host.page_size,
            actions=ACTIONS,
            exact_budget=False,
            exclusive_monitor=self.monitor,
            batch=True,
            fixed={"sctlr_el1": SCTLR_EL1, "tcr_el1": 0, "cpacr_el1": CPACR_EL1},
        )

    def create(self, environment: Environment, vcpus: int = 1) -> Instance:
        check_environment(self.capabilities(), environment, vcpus)
        host = self._smallest_host(environment)
        return RunnerInstance(Runner(host.launcher), host, environment)

    def _smallest_host(self, environment: Environment) -> Host:
        """The first that has the features of the CPU model, as far as the last one has them."""
        *launchers, last = self.launchers()
        wanted = model(environment.model).features & probe(last).features
        return next((host for host in map(probe, launchers) if wanted <= host.features), probe(last))


class QemuUserBackend(RunnerBackend):
    """QEMU's user-mode emulation, with the least of its CPU models that has what the environment's has."""

    name = "qemu-user"
    description = "QEMU's TCG in user mode; at EL0 of an emulated Linux"
    monitor = ExclusiveMonitor.VALUE

    def available(self) -> str | None:
        if sys.platform != "linux":
            return f"qemu-user runs programs on Linux only, this is {sys.platform}"
        return emulator.missing()

    def version(self) -> str:
        found = emulator.find()
        return str(found[1]) if found else "not installed"

    def launchers(self) -> list[tuple[str, ...]]:
        return emulator.launchers()


class NativeBackend(RunnerBackend):
    """This machine's own processor, under its own Linux."""

    name = "native"
    description = "this machine's own processor, at EL0 of its Linux"
    monitor = ExclusiveMonitor.HARDWARE

    def available(self) -> str | None:
        if sys.platform != "linux" or platform.machine() not in ("aarch64", "arm64"):
            return f"native needs Linux on arm64, this is {sys.platform} on {platform.machine()}"
        return None

    def version(self) -> str:
        return platform.release()

    def launchers(self) -> list[tuple[str, ...]]:
        return [()]


QEMU_USER: Backend = QemuUserBackend()
NATIVE: Backend = NativeBackend()
