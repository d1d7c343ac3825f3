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


X, XSP, PSTATE = _X(), _XSP(), _PSTATE()


def PC64() -> Bits:
    """PC64: the address of this instruction."""
    return PE().read("PC", None)


def BaseAddress(n: Bits) -> Bits:
    """The base register of a load or store: SP for 31, after CheckSPAlignment, else X[n].

    The check is the engine's event.
    """
    PE().check_sp_alignment(n)
    return XSP[n, 64]


def IsFeatureImplemented(feature: str) -> bool:
    """Whether the CPU model has FEAT_*: settled when the instruction is decoded."""
    return PE().has_feature(feature)
