"""The operations that are compared in volume: those that have fast paths in the native engine. Knows no judge."""

from __future__ import annotations

from collections.abc import Iterator

from assay64.reference.bits import bits
from assay64.reference.pseudocode.floating_point import (
    FixedToFP,
    FPAdd,
    FPCompare,
    FPCompareEQ,
    FPCompareGE,
    FPCompareGT,
    FPConvert,
    FPDiv,
    FPMax,
    FPMaxNum,
    FPMin,
    FPMinNum,
    FPMul,
    FPMulAdd,
    FPMulX,
    FPRoundInt,
    FPSqrt,
    FPSub,
    FPToFixed,
    FPZero,
)
from assay64.suites.selftest._drawn_numbers import MODE, NUMBER32, NUMBER64, WORD32, WORD64, Operation

_FORMATS = (32, NUMBER32, WORD32), (64, NUMBER64, WORD64)
ROUNDING_MODES = range(5)  # FPCR.RMode, and ties away from zero


def arithmetic(fpcr: str) -> Iterator[Operation]:
    """Addition to fused multiply-add, of 32 and 64 bits; ``fpcr``: how FPCR is drawn."""
    for width, n, _ in _FORMATS:
        yield Operation(f"FPAdd {width}", FPAdd, (n, n, fpcr))
        yield Operation(f"FPSub {width}", FPSub, (n, n, fpcr))
        yield Operation(f"FPMul {width}", FPMul, (n, n, fpcr))
        yield Operation(f"FPDiv {width}", FPDiv, (n, n, fpcr), (0, 0, 1))
        yield Operation(f"FPSqrt {width}", FPSqrt, (n, fpcr), (0, 0, 0))
        yield Operation(f"FPMulAdd {width}", FPMulAdd, (n, n, n, fpcr), (0, 1, 2))


def conversions(fpcr: str) -> Iterator[Operation]:
    """Between formats, to and from integers, and to integral numbers, in each rounding mode and that of FPCR."""
    for width, n, _ in _FORMATS:
        yield Operation(f"FPConvert {width} to {96 - width}", FPConvert, (n, fpcr, 96 - width))
        for rounding in (MODE, *ROUNDING_MODES):
            mode = MODE if isinstance(rounding, str) else bits(3, rounding)
            for exact in (True, False):
                name = f"FPRoundInt {width}{' exact' if exact else ''} mode {rounding}"
                yield Operation(name, FPRoundInt, (n, fpcr, mode, exact))
            for size, _, _ in _FORMATS:
                for unsigned in (False, True):
                    name = f"FPToFixed {width} to {'u' if unsigned else ''}int{size} mode {rounding}"
                    yield Operation(name, FPToFixed, (n, 0, unsigned, fpcr, mode, size))
        for size, _, word in _FORMATS:
            for unsigned in (False, True):
                name = f"FixedToFP {'u' if unsigned else ''}int{size} to {width}"
                yield Operation(name, FixedToFP, (word, 0, unsigned, fpcr, MODE, width))


def comparisons(fpcr: str) -> Iterator[Operation]:
    for width, n, _ in _FORMATS:
        yield Operation(f"FPCompare {width}", FPCompare, (n, n, False, fpcr))
        yield Operation(f"FPCompare {width} signaling", FPCompare, (n, n, True, fpcr))
        yield Operation(f"FPCompare {width} with zero", FPCompare, (n, FPZero(0, width), False, fpcr))
        for function in (FPCompareEQ, FPCompareGE, FPCompareGT, FPMax, FPMaxNum, FPMin, FPMinNum, FPMulX):
            yield Operation(f"{function.__name__} {width}", function, (n, n, fpcr))
