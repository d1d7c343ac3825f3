"""Architectural state under Arm's names: X, XSP, PC64, PSTATE, as views of the PE that executes on this thread."""

from __future__ import annotations

from assay64.reference.bits import Bits, bits
from assay64.reference.pseudocode.processor import PE


class _X:
    """X[n, width]: general-purpose register n; the zero register for 31. A write clears the bits above ``width``."""

    view = "X"

    def __getitem__(self, key: tuple[Bits | int, int]) -> Bits:
        n, width = key
        value = PE().read(self.view, n if isinstance(n, Bits) else bits(5, n))
        return value if width == 64 else value[width - 1 : 0]

    def __setitem__(self, key: tuple[Bits | int, int], value: Bits) -> None:
        n, width = key
        if value.width != width:
            raise TypeError(f"{value.width} bits written to {self.view}[n, {width}]")
        PE().write(self.view, n if isinstance(n, Bits) else bits(5, n), value.zero_extend(64))


class _XSP(_X):
    """XSP[n, width]: the assembler's <Xn|SP>: register n; the current stack pointer for 31."""

    view = "XSP"


class _PSTATE:
    """PSTATE's fields. ``nzcv`` (to be written only) is N:Z:C:V."""

    def __getattr__(self, name: str) -> Bits:
        return PE().read(f"PSTATE.{name}", None)

    def __setattr__(self, name: str, value: Bits) -> None:
        if name == "nzcv":
            for position, flag in enumerate("VCZN"):
                PE().write(f"PSTATE.{flag}", None, value[position])
        else:
            PE().write(f"PSTATE.{name}", None, value)


class _V:
    """V[n, width]: the low ``width`` bits of SIMD&FP register n. A write clears the bits above."""

    def __getitem__(self, key: tuple[Bits | int, int]) -> Bits:
        n, width = key
        return PE().read("V", n if isinstance(n, Bits) else bits(5, n))[width - 1 : 0]

    def __setitem__(self, key: tuple[Bits | int, int], value: Bits) -> None:
        n, width = key
        if value.width != width:
            raise TypeError(f"{value.width} bits written to V[n, {width}]")
        PE().write("V", n if isinstance(n, Bits) else bits(5, n), value.zero_extend(128))


class _Vpart:
    """Vpart[n, part, width]: for part 0 as V[n, width]; for part 1 the upper half, whose write keeps the lower one."""

    def __getitem__(self, key: tuple[Bits, int, int]) -> Bits:
        n, part, width = key
        return V[n, 128][part * width + width - 1 : part * width]

    def __setitem__(self, key: tuple[Bits, int, int], value: Bits) -> None:
        n, part, width = key
        V[n, 64 if part == 0 and width == 64 else 128 if part else width] = value @ V[n, 64] if part else value


X, XSP, PSTATE, V, Vpart = _X(), _XSP(), _PSTATE(), _V(), _Vpart()


def FPCR() -> Bits:
    """The floating-point control register, 64 bits."""
    return PE().read("FPCR", None)


def FPProcessException(exceptions: Bits) -> None:
    """Accumulate exceptions in FPSR: bits as FPSR has them (IOC 0, DZC 1, OFC 2, UFC 3, IXC 4, IDC 7, QC 27)."""
    PE().write("FPSR", None, PE().read("FPSR", None) | exceptions.zero_extend(64))


def SCTLR_EL1() -> Bits:
    """The system control register, 64 bits: what EL1 lets EL0 do."""
    return PE().control_register("SCTLR_EL1")


def TCR_EL1() -> Bits:
    """The translation control register, 64 bits: T0SZ, T1SZ, TBI0 and TBI1 alone."""
    return PE().control_register("TCR_EL1")


def CheckFPAdvSIMDEnabled64() -> None:
    """A trap when CPACR_EL1.FPEN does not allow SIMD and floating point here. The check is the engine's event."""
    PE().check_fp_enabled()


def PC64() -> Bits:
    """PC64: the address of this instruction."""
    return PE().read("PC", None)


def CheckSPAlignment(n: Bits) -> None:
    """Arm's function of that name, where the base register ``n`` is SP. The check is the engine's event."""
    PE().check_sp_alignment(n)


def BaseAddress(n: Bits) -> Bits:
    """The base register of a load or store: SP for 31, after CheckSPAlignment, else X[n]."""
    CheckSPAlignment(n)
    return XSP[n, 64]


def IsFeatureImplemented(feature: str) -> bool:
    """Whether the CPU model has FEAT_*: settled when the instruction is decoded."""
    return PE().has_feature(feature)
