"""The backend ``icicle``: the Icicle emulator, which executes Ghidra's SLEIGH description of A64.

Its semantics come from neither Arm's pseudocode nor QEMU nor a JIT's authors, which makes it a judge of its own. It has
no MMU, no exclusive monitor and no cumulative exception flags; that belongs to the known deviations.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from assay64.harness.backends.base import check_environment
from assay64.harness.backends.contract import Backend, Instance
from assay64.harness.cases.capabilities import Capabilities, ExclusiveMonitor
from assay64.harness.cases.case import CPACR_EL1, SCTLR_EL1, Environment

INSTALL = "pip install 'assay64[icicle]', or pip install 'icicle-emu>=0.0.11,<0.1'"
# The extensions that it executes whole, as `assay64 check-backend icicle` finds them.
FEATURES = frozenset({"FEAT_FlagM2"})
ACTIONS = frozenset(
    {"run", "step", "write", "protect", "map", "unmap", "notify_code", "set_breakpoint", "clear_breakpoint"}
)
FIXED: dict[str, int | bool | str] = {
    "sctlr_el1": SCTLR_EL1,
    "cpacr_el1": CPACR_EL1,
    "tcr_el1": 0,
    "cntkctl_el1": 3,
    "top_byte_ignore": False,
    "address_bits": 48,
}


class IcicleBackend:
    """Makes machines with a virtual machine each. SLEIGH has one A64 for all CPU models: the model is not looked at."""

    name = "icicle"
    survives_fork = True

    def available(self) -> str | None:
        return None if find_spec("icicle") else f"the Python package icicle-emu is not installed; {INSTALL}"

    def capabilities(self) -> Capabilities:
        try:
            installed = version("icicle-emu")
        except PackageNotFoundError:
            installed = "not installed"
        return Capabilities(
            name=self.name,
            version=installed,
            description="Icicle: Ghidra's SLEIGH description of A64, compiled by Cranelift; at EL0 without an MMU",
            features=FEATURES,
            exception_levels=(0,),
            page_size=0x1000,
            actions=ACTIONS,
            exact_budget=True,
            exclusive_monitor=ExclusiveMonitor.NONE,
            distinguishes_undefined=False,
            fixed=FIXED,
        )

    def create(self, environment: Environment, vcpus: int = 1) -> Instance:
        from assay64.harness.backends.icicle.instance import IcicleInstance

        check_environment(self.capabilities(), environment, vcpus)
        return IcicleInstance(environment)


BACKEND: Backend = IcicleBackend()
