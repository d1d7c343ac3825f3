"""The backend ``unicorn``: QEMU's TCG as the Unicorn library packages it (2.1, with QEMU 5.0.1 inside), at EL0.

What it does otherwise than Arm is left as it is and belongs to the known deviations; what would only disturb a
comparison (stale translations, inexact budgets, code at unaligned addresses) is put right here. Words that make Unicorn
abort the process, such as 0x4eca1e15, are the worker's affair.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from assay64.harness.backends.base import check_environment
from assay64.harness.backends.contract import Backend, Instance
from assay64.harness.backends.unicorn.binding import INSTALL, find_library
from assay64.harness.cases.capabilities import Capabilities, ExclusiveMonitor
from assay64.harness.cases.case import Environment

# What the ID registers of the CPU model MAX say and EL0 can use, less what is locked (SVE). PAuth is unlocked for the
# CPU models that have it.
FEATURES = frozenset(
    {
        "FEAT_AES",
        "FEAT_BTI",
        "FEAT_CRC32",
        "FEAT_DotProd",
        "FEAT_DPB",
        "FEAT_DPB2",
        "FEAT_FCMA",
        "FEAT_FHM",
        "FEAT_FlagM",
        "FEAT_FlagM2",
        "FEAT_FP16",
        "FEAT_FRINTTS",
        "FEAT_JSCVT",
        "FEAT_LOR",
        "FEAT_LRCPC",
        "FEAT_LRCPC2",
        "FEAT_LSE",
        "FEAT_PACQARMA5",
        "FEAT_PAuth",
        "FEAT_PMULL",
        "FEAT_RDM",
        "FEAT_RNG",
        "FEAT_SB",
        "FEAT_SHA1",
        "FEAT_SHA256",
        "FEAT_SHA3",
        "FEAT_SHA512",
        "FEAT_SM3",
        "FEAT_SM4",
    }
)
ACTIONS = frozenset(
    {
        "run",
        "step",
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
FIXED: dict[str, int | bool | str] = {
    "tcr_el1": 0,
    "cpacr_el1": 3 << 20,
    "dc_zva_size": 64,
    "cache_line_size": 64,
    "exclusives_granule": 64,
}


class UnicornBackend:
    """Makes machines with the CPU model of the environment where Unicorn has it, and with MAX otherwise."""

    name = "unicorn"
    survives_fork = True

    def available(self) -> str | None:
        return None if find_library() else f"the Python package unicorn is not installed; {INSTALL}"

    def capabilities(self) -> Capabilities:
        from assay64.harness.backends.unicorn import native_loop
        from assay64.harness.backends.unicorn.machine import TRANSLATION_BUFFER_BYTES

        native_loop.library()  # compiled or found once, before processes are forked

        try:
            installed = version("unicorn")
        except PackageNotFoundError:
            installed = "not installed"
        return Capabilities(
            name=self.name,
            version=installed,
            description="QEMU 5.0.1's TCG as a library; at EL0 without an MMU",
            features=FEATURES,
            exception_levels=(0,),
            page_size=0x1000,
            actions=ACTIONS,
            exact_budget=True,
            exclusive_monitor=ExclusiveMonitor.VALUE,
            code_cache_size=TRANSLATION_BUFFER_BYTES,
            batch=True,
            in_place=True,
            fixed=FIXED,
        )

    def create(self, environment: Environment, vcpus: int = 1) -> Instance:
        from assay64.harness.backends.unicorn.instance import UnicornInstance

        check_environment(self.capabilities(), environment, vcpus)
        return UnicornInstance(environment)


BACKEND: Backend = UnicornBackend()
