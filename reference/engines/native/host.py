"""The host's FPU: whether it has what fast paths of floating point need, and the state in which they find it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

from assay64.reference.engines.native.emitter import UNLIKELY, Function

_IS_ARM = platform.machine() in ("aarch64", "arm64")
_IS_X86 = platform.machine() in ("x86_64", "AMD64")
# The control register: FPCR's traps, modes and flushing, all zero; or MXCSR but for its flags, exceptions masked.
_KIND, _MASK, _DEFAULT = ("i64", 0x07F79F07, 0) if _IS_ARM else ("i32", 0xFFC0, 0x1F80)


@cache
def has_fast_paths() -> bool:
    """Whether the host has a fused multiply-add and rounding to integral numbers (on x86 with SSE4.1)."""
    llvm: Any = import_module("llvmlite.binding")  # it has no types
    features = llvm.get_host_cpu_features()
    return _IS_ARM or (_IS_X86 and bool(features.get("fma") and features.get("sse4.1")))


def functions() -> Iterator[Function]:
    yield _run()


def _run() -> Function:
    """``run_code`` with the host's FPU as fast paths need it: the process may have set another rounding mode, or
    flushing of denormals, which it finds again afterwards.
    """
    f = Function("run", "void", "ptr %s")
    if not (_IS_ARM or _IS_X86):
        f.call("void", "@run_code", "ptr %s")
        f.ret()
        return f
    before = _controls(f)
    masked = f.binary("and", _KIND, before, _MASK)
    needed = f.compare("ne", _KIND, masked, _DEFAULT)
    with f.when(needed, UNLIKELY):
        _set_controls(f, str(_DEFAULT))
    f.call("void", "@run_code", "ptr %s")
    with f.when(needed, UNLIKELY):
        _set_controls(f, before)
    f.ret()
    return f


def _controls(f: Function) -> str:
    if _IS_ARM:
        return f.intrinsic("llvm.aarch64.get.fpcr", "i64", "", "")
    place = f.variable("i32")
    f.intrinsic("llvm.x86.sse.stmxcsr", "void", "ptr", f"ptr {place}")
    return f.load("i32", place)


def _set_controls(f: Function, value: str) -> None:
    if _IS_ARM:
        f.intrinsic("llvm.aarch64.set.fpcr", "void", "i64", f"i64 {value}")
        return
    place = f.variable("i32")
    f.store("i32", value, place)
    f.intrinsic("llvm.x86.sse.ldmxcsr", "void", "ptr", f"ptr {place}")
