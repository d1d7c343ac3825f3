"""The native engine's floating point: its fast paths against the exact functions, and the exact functions against the
host's FPU.

The everyday run is a sample. The nightly run is the proof: ``pytest -m nightly -k floating_point -s`` prints what was
compared. ASSAY64_SEED draws other operands.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable

import pytest

from assay64.reference import Machine
from assay64.reference.bits import Constant
from assay64.reference.engines.native import floating_point
from assay64.reference.engines.native.host import has_fast_paths
from assay64.reference.pseudocode.floating_point import FPMul, FPMulX
from assay64.suites.selftest._drawn_numbers import FPCR, NUMBER64, RMODE_ALONE, Comparison, Operation, call, exact
from assay64.suites.selftest._floating_point_operations import arithmetic, comparisons, conversions
from assay64.suites.selftest._host_arithmetic import IS_ARM, IS_X86, IXC, host_comparison

SEED = int(os.environ.get("ASSAY64_SEED", "1"), 0)
SAMPLE, PROOF, HOST_SAMPLE, HOST_PROOF = 1_000_000, 100_000_000, 20_000, 1_000_000

needs_fast_paths = pytest.mark.skipif(
    not has_fast_paths(), reason="no fused multiply-add here: nothing has a fast path"
)
needs_host = pytest.mark.skipif(not (IS_ARM or IS_X86), reason="the flags of this host's FPU are not described")


def named(operations: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "operation", [pytest.param(one, id=one.name.replace(" ", "-")) for one in operations]
    )


FAST = [*arithmetic(FPCR), *conversions(FPCR), *comparisons(FPCR)]
# With the rounding mode as an operand they have the code of each mode.
SAMPLED = [operation for operation in FAST if not isinstance(operation.rounding, Constant)]
ON_HOST = [*arithmetic(RMODE_ALONE), *conversions(RMODE_ALONE)]


def compared(operation: Operation, make: Callable[[Operation], Comparison], cases: int) -> None:
    started = time.process_time()
    difference, excused = make(operation).run(SEED, cases)
    seconds = time.process_time() - started
    assert difference is None, f"{operation.name}, seed {SEED}: {difference}"
    text = f"{operation.name}: {cases:,} cases of seed {SEED}, {excused:,} different by definition, {seconds:.1f} s\n"
    sys.stdout.write(text)


def fast_and_exact(operation: Operation) -> Comparison:
    graph = operation.graph()
    made = Comparison(operation, call(graph.name, graph), exact(graph), [graph])
    assert made.has_fast_path, operation.name
    return made


@needs_fast_paths
@named(SAMPLED)
def test_fast_path_is_the_exact_function(operation: Operation) -> None:
    compared(operation, fast_and_exact, SAMPLE)


@needs_fast_paths
@pytest.mark.nightly
@named(FAST)
def test_fast_path_is_the_exact_function_in_every_of_many_cases(operation: Operation) -> None:
    compared(operation, fast_and_exact, PROOF)


@needs_host
@named(ON_HOST)
def test_exact_function_agrees_with_the_fpu(operation: Operation) -> None:
    compared(operation, host_comparison, HOST_SAMPLE)


@needs_host
@pytest.mark.nightly
@named(ON_HOST)
def test_exact_function_agrees_with_the_fpu_in_many_cases(operation: Operation) -> None:
    compared(operation, host_comparison, HOST_PROOF)


# --- the comparisons can fail


def test_operands_reach_what_tells_two_functions_apart() -> None:
    """FPMulX differs from FPMul only where zero meets infinity, unless denormals are flushed."""
    operation = Operation("FPMul", FPMul, (NUMBER64, NUMBER64, RMODE_ALONE))
    graph, other = operation.graph(), Operation("FPMulX", FPMulX, operation.arguments).graph()
    difference, _ = Comparison(operation, exact(graph), exact(other), [graph, other]).run(SEED, SAMPLE)
    assert difference is not None
    assert sorted(operand << 1 & (1 << 64) - 1 for operand in difference.operands[:2]) == [0, 0x7FF << 53]


def without_range(prefix: object, number: object, low: int, high: int, *, positive: bool = False) -> str:
    return "true"


def without_controls(prefix: object, mask: int) -> str:
    return "true"


def always_inexact(prefix: object, number: object) -> str:
    return "true"


WEAKENED = {
    "exponent_within": without_range,
    "controls_clear": without_controls,
    "not_zero": always_inexact,
}


@needs_fast_paths
@pytest.mark.parametrize("guard", WEAKENED)
@named(list(arithmetic(FPCR)))
def test_fast_path_without_one_of_its_guards_is_found(
    operation: Operation, guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = floating_point._Prefix  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(prefix, guard, WEAKENED[guard])
    difference, _ = fast_and_exact(operation).run(SEED, SAMPLE)
    assert difference is not None


@needs_host
def test_host_is_what_it_is_compared_with() -> None:
    """The FPU multiplies where the specification adds."""
    adding, multiplying = list(arithmetic(RMODE_ALONE))[0:3:2]
    swapped = Operation(adding.name, multiplying.function, adding.arguments)
    assert host_comparison(adding).run(SEED, HOST_SAMPLE)[0] is None
    assert host_comparison(swapped).run(SEED, HOST_SAMPLE)[0] is None


# --- the engine in a process that has changed its FPU

FE_UPWARD = 0x400000 if IS_ARM else 0x800
FADD_D0_D1_D2, NOP = 0x1E622820, 0xD503201F


@needs_host
def test_host_that_rounds_upwards_changes_nothing_and_is_left_so() -> None:
    libm = ctypes.CDLL(None)
    machine = Machine("max")
    machine.map(0x1000_0000, 0x1000, "rx")
    machine.write(0x1000_0000, FADD_D0_D1_D2.to_bytes(4, "little") + NOP.to_bytes(4, "little"))
    machine.set("V", 1, 0x3FF0_0000_0000_0000)
    machine.set("V", 2, 1)  # the smallest denormal
    machine.set("PC", 0, 0x1000_0000)
    assert libm.fesetround(FE_UPWARD) == 0
    try:
        machine.run(1)
        rounding = libm.fegetround()
    finally:
        libm.fesetround(0)
    assert rounding == FE_UPWARD
    assert machine.get("V", 0) == 0x3FF0_0000_0000_0000
    assert machine.get("FPSR", 0) == IXC
