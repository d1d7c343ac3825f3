"""What the runner program runs on: an emulator or this machine, and what it is like (probe.py finds out)."""

from __future__ import annotations

from dataclasses import dataclass

from assay64.harness.backends.runner.instructions import SEMIHOSTING_CALL, SUPERVISOR_CALL, Pattern

# Bits of AT_HWCAP and AT_HWCAP2 (arch/arm64/include/uapi/asm/hwcap.h). All of a feature's bits must be set.
AT_PAGESZ, AT_HWCAP, AT_HWCAP2 = 6, 16, 26
HWCAPS = {
    "FEAT_AES": 1 << 3,
    "FEAT_PMULL": 1 << 4,
    "FEAT_SHA1": 1 << 5,
    "FEAT_SHA256": 1 << 6,
    "FEAT_CRC32": 1 << 7,
    "FEAT_LSE": 1 << 8,
    "FEAT_FP16": 1 << 9 | 1 << 10,
    "FEAT_RDM": 1 << 12,
    "FEAT_JSCVT": 1 << 13,
    "FEAT_FCMA": 1 << 14,
    "FEAT_LRCPC": 1 << 15,
    "FEAT_DPB": 1 << 16,
    "FEAT_SHA3": 1 << 17,
    "FEAT_SM3": 1 << 18,
    "FEAT_SM4": 1 << 19,
    "FEAT_DotProd": 1 << 20,
    "FEAT_SHA512": 1 << 21,
    "FEAT_FHM": 1 << 23,
    "FEAT_DIT": 1 << 24,
    "FEAT_LSE2": 1 << 25,
    "FEAT_LRCPC2": 1 << 26,
    "FEAT_FlagM": 1 << 27,
    "FEAT_SSBS": 1 << 28,
    "FEAT_SB": 1 << 29,
}
HWCAPS2 = {
    "FEAT_DPB2": 1 << 0,
    "FEAT_FlagM2": 1 << 7,
    "FEAT_FRINTTS": 1 << 8,
    "FEAT_I8MM": 1 << 13,
    "FEAT_BF16": 1 << 14,
    "FEAT_RNG": 1 << 16,
    "FEAT_BTI": 1 << 17,
}


@dataclass(frozen=True)
class Host:
    """``launcher`` is the command in front of the runner program; sizes are in bytes. ``remaps_code`` marks emulators
    that ignore IC IVAU in programs (QEMU before 8.1) and forget code only when it becomes writable.
    """

    launcher: tuple[str, ...]
    page_size: int = 4096
    features: frozenset[str] = frozenset()
    dc_zva_size: int = 64
    cache_line_size: int = 64
    exclusives_granule: int = 64
    remaps_code: bool = False

    @property
    def calls(self) -> tuple[Pattern, ...]:
        """Words that would reach out of the guest: system calls, and what QEMU's user mode takes for semihosting."""
        return (SUPERVISOR_CALL, SEMIHOSTING_CALL) if self.launcher else (SUPERVISOR_CALL,)


def features_of(auxiliary: dict[int, int]) -> frozenset[str]:
    """The FEAT_* that the kernel announces to its programs, of those that assay64 knows and a program can use."""
    first, second = auxiliary.get(AT_HWCAP, 0), auxiliary.get(AT_HWCAP2, 0)
    return frozenset(
        name
        for word, table in ((first, HWCAPS), (second, HWCAPS2))
        for name, bits in table.items()
        if word & bits == bits
    )
