"""What words tell of themselves where a signal says too little, and which ones ask for what Linux does not let us set.

It reads encodings only (Arm ARM, chapter C4); whether a word is allocated does not matter here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SVC, BRK, IMMEDIATE_MASK = 0xD400_0001, 0xD420_0000, 0xFFE0_001F
# Put where a run is to end: an immediate that no case uses by chance.
PLANTED = BRK | 0xA640 << 5


class Pattern(NamedTuple):
    """The words w with ``w & mask == value``."""

    mask: int
    value: int

    def matches(self, word: int) -> bool:
        return word & self.mask == self.value

    def among(self, words: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
        return (words & np.uint32(self.mask)) == self.value


SUPERVISOR_CALL = Pattern(IMMEDIATE_MASK, SVC)
SEMIHOSTING_CALL = Pattern(0xFFFF_FFFF, 0xD45E_0000)  # HLT #0xf000
UDF = Pattern(0xFFFF_0000, 0)
READS_TPIDRRO = (Pattern(0xFFFF_FFE0, 0xD53B_D060),)
# DC ZVA, MRS of DCZID_EL0
USES_ZVA_SIZE = Pattern(0xFFFF_FFE0, 0xD50B_7420), Pattern(0xFFFF_FFE0, 0xD53B_00E0)
READS_CTR = (Pattern(0xFFFF_FFE0, 0xD53B_0020),)
READS_PHYSICAL_COUNTER = Pattern(0xFFFF_FFE0, 0xD53B_E020), Pattern(0xFFFF_FFE0, 0xD53B_E0A0)
READS_VIRTUAL_COUNTER = Pattern(0xFFFF_FFE0, 0xD53B_E040), Pattern(0xFFFF_FFE0, 0xD53B_E0C0)
READS_COUNTER_FREQUENCY = (Pattern(0xFFFF_FFE0, 0xD53B_E000),)
USES_PHYSICAL_TIMER = (Pattern(0xFFDF_FF00, 0xD51B_E200),)
USES_VIRTUAL_TIMER = (Pattern(0xFFDF_FF00, 0xD51B_E300),)
USES_KEYS = (
    Pattern(0xFFFF_FD1F, 0xD503_211F),  # PACIA1716 ... AUTIB1716
    Pattern(0xFFFF_FF1F, 0xD503_231F),  # PACIAZ ... AUTIBSP
    Pattern(0xFFFF_8000, 0xDAC1_0000),  # PACIA ... AUTDZB
    Pattern(0xFFE0_FC00, 0x9AC0_3000),  # PACGA
    Pattern(0xFE9F_F800, 0xD61F_0800),  # BRAA ... BLRABZ
    Pattern(0xFF9F_FBFF, 0xD69F_0BFF),  # ERETAA, ERETAB
    Pattern(0xFFFF_FBFF, 0xD65F_0BFF),  # RETAA, RETAB
    Pattern(0xFF20_0400, 0xF820_0400),  # LDRAA, LDRAB
)
# BTI, BRK, HLT, PACIASP, PACIBSP: what a guarded page accepts at least after some indirect branches.
LANDING_PADS = (
    Pattern(0xFFFF_FF3F, 0xD503_241F),
    Pattern(0xFFE0_001F, 0xD420_0000),
    Pattern(0xFFE0_001F, 0xD440_0000),
    Pattern(0xFFFF_FFBF, 0xD503_233F),
)
BTI = LANDING_PADS[0]

_ATOMIC = Pattern(0x3F20_0C00, 0x3820_0000)
_LOAD_ACQUIRE_RCPC = Pattern(0x3FFF_FC00, 0x38BF_C000)
_COMPARE_AND_SWAP = Pattern(0x3FA0_7C00, 0x08A0_7C00)
_COMPARE_AND_SWAP_PAIR = Pattern(0xBFA0_7C00, 0x0820_7C00)
_CACHE_MAINTENANCE = Pattern(0xFFFF_F000, 0xD50B_7000)

# Groups of loads and stores: pattern, and the pattern of the stores among them.
_STORES = (
    (Pattern(0x3F00_0000, 0x0800_0000), Pattern(1 << 22, 0)),  # exclusive, ordered
    (Pattern(0xBE00_0000, 0x0C00_0000), Pattern(1 << 22, 0)),  # Advanced SIMD structures
    (Pattern(0x3F00_0000, 0x1900_0000), Pattern(3 << 22, 0)),  # LDAPR, STLR (unscaled)
    (Pattern(0x3A00_0000, 0x2800_0000), Pattern(1 << 22, 0)),  # pairs
    (Pattern(0x3E00_0000, 0x3800_0000), Pattern(3 << 22, 0)),  # one general register
    (Pattern(0x3E00_0000, 0x3C00_0000), Pattern(1 << 22, 0)),  # one SIMD&FP register
)


def updates(word: int) -> bool:
    """Whether the instruction reads memory and writes it back."""
    if _ATOMIC.matches(word):
        return not _LOAD_ACQUIRE_RCPC.matches(word)
    return _COMPARE_AND_SWAP.matches(word) or _COMPARE_AND_SWAP_PAIR.matches(word)


def stores(word: int) -> bool:
    """Whether the instruction writes memory without reading it; cache maintenance counts as a write (ESR_ELx.WnR)."""
    if updates(word):
        return False
    return _CACHE_MAINTENANCE.matches(word) or any(
        group.matches(word) and store.matches(word) for group, store in _STORES
    )
