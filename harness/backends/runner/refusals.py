"""Words whose outcome hangs on something that only a kernel could set: a case that has one and asks for another setting
than Linux's is Unsupported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assay64.harness.backends.runner import instructions
from assay64.harness.backends.runner.host import Host
from assay64.harness.cases.case import Environment
from assay64.reference import model

# CNTKCTL_EL1 bits (Arm ARM, section D24.10). Linux lets programs read the virtual counter, and nothing else.
_EL0PCTEN, _EL0VCTEN, _EL0VTEN, _EL0PTEN = 1 << 0, 1 << 1, 1 << 8, 1 << 9


def refusals(environment: Environment, host: Host) -> Mapping[str, Sequence[instructions.Pattern]]:
    """Reasons, and the words that ``environment`` cannot have on ``host`` for each."""
    timer = environment.cntkctl_el1
    zva, cache = environment.dc_zva_size, (environment.cache_line_size, environment.exclusives_granule)
    found: dict[str, Sequence[instructions.Pattern]] = {
        "a program cannot choose its pointer authentication keys": (
            instructions.USES_KEYS if "FEAT_PAuth" in model(environment.model).features else ()
        ),
        f"DC ZVA clears {host.dc_zva_size} bytes here, not {zva}": (
            instructions.USES_ZVA_SIZE if zva != host.dc_zva_size else ()
        ),
        f"CTR_EL0 tells cache lines of {host.cache_line_size} bytes here": (
            instructions.READS_CTR if cache != (host.cache_line_size, host.exclusives_granule) else ()
        ),
        "Linux does not let programs read the physical counter": (
            instructions.READS_PHYSICAL_COUNTER if timer & _EL0PCTEN else ()
        ),
        "Linux lets programs read the virtual counter": (
            () if timer & _EL0VCTEN else instructions.READS_VIRTUAL_COUNTER
        ),
        "Linux lets programs read the counter's frequency": (
            () if timer & (_EL0VCTEN | _EL0PCTEN) else instructions.READS_COUNTER_FREQUENCY
        ),
        "Linux gives programs no timer": (
            *(instructions.USES_PHYSICAL_TIMER if timer & _EL0PTEN else ()),
            *(instructions.USES_VIRTUAL_TIMER if timer & _EL0VTEN else ()),
        ),
    }
    return {reason: patterns for reason, patterns in found.items() if patterns}
