"""What a backend says it can do.

The suites choose by it, and assay64 check-backend holds it against what the backend does.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ExclusiveMonitor(StrEnum):
    """How a backend decides whether a store-exclusive succeeds.

    ``architectural``: by address and intervening stores, as Arm describes; ``value``: by comparing the loaded value, so
    that ABA goes unnoticed; ``hardware``: a real monitor, which may also fail spuriously; ``none``: exclusives are not
    implemented.
    """

    ARCHITECTURAL = "architectural"
    VALUE = "value"
    HARDWARE = "hardware"
    NONE = "none"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Declared by a backend as data.

    ``features`` are the FEAT_* beyond Armv8.0 with FP and AdvSIMD. ``actions`` names the actions of case.py that it
    executes (``run`` is always there). ``fixed`` maps a field of Environment to the only value this backend has for it.
    ``distinguishes_undefined`` is false when UNDEFINED and "not implemented" arrive as the same exit (``declined``).
    ``page_size`` is the smallest unit that it can map, in bytes; ``code_cache_size`` bytes, 0 when there is none.
    ``in_place``: a batch's final states may take the place of its initial ones, which spares the worker half of its
    memory traffic.
    ``optimiser_off`` names, as --backend takes it, the same backend without its optimiser; empty: no such switch.
    """

    name: str
    version: str
    description: str = ""
    features: frozenset[str] = frozenset()
    exception_levels: tuple[int, ...] = (0,)
    mmu: bool = False
    vcpus: int = 1
    page_size: int = 4096
    actions: frozenset[str] = frozenset({"run"})
    exact_budget: bool = True
    exclusive_monitor: ExclusiveMonitor = ExclusiveMonitor.NONE
    distinguishes_undefined: bool = True
    reports_fault_kind: bool = True
    code_cache_size: int = 0
    batch: bool = False
    in_place: bool = False
    deterministic: bool = True
    optimiser_off: str = ""
    fixed: dict[str, int | bool | str] = {}
