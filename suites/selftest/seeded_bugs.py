"""Bugs of different kinds, each a change of one place of the specification, for copies of it.

A right backend judged by such a copy looks wrong in the way that a wrong backend would.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SIMD = "reference/spec/simd_and_fp"
INTEGER = "reference/spec/data_processing_register"
IMMEDIATE = "reference/spec/data_processing_immediate"
MEMORY = "reference/spec/loads_and_stores"
PSEUDOCODE = "reference/pseudocode"


@dataclass(frozen=True)
class Bug:
    """``right`` stands ``times`` times in ``file``; the first becomes ``wrong``."""

    name: str
    kind: str
    file: str
    right: str
    wrong: str
    times: int = 1


BUGS = (
    Bug(
        "subs-carry", "flag", f"{INTEGER}/add_sub.py",
        "    if S:\n        PSTATE.nzcv = nzcv\n    X[Rd, datasize] = result",
        "    if S:\n        PSTATE.nzcv = nzcv ^ 0b0010\n    X[Rd, datasize] = result", 2,
    ),
    Bug(
        "default-nan-sign", "NaN", f"{PSEUDOCODE}/floating_point/values.py",
        "return _pattern(0, form.largest_exponent, 1 << form.fraction - 1, width)",
        "return _pattern(1, form.largest_exponent, 1 << form.fraction - 1, width)",
    ),
    Bug(
        "write-back-before-fault", "write-back on fault", f"{MEMORY}/_register.py",
        "        data = Mem[address, datasize // 8, accdesc]\n",
        "        if wback:\n            XSP[rn, 64] = base + offset\n"
        "        data = Mem[address, datasize // 8, accdesc]\n",
    ),
    Bug(
        "upper-half-kept", "upper-half zeroing", f"{SIMD}/advanced_simd_permute.py",
        "    V[Rd, datasize] = from_elements(Elem(concat, index, esize) for index in indices)",
        "    result = from_elements(Elem(concat, index, esize) for index in indices)\n"
        "    V[Rd, 128] = result if Q else V[Rd, 128][127:64] @ result",
    ),
    Bug(
        "saturation-unnoticed", "saturation flag", f"{PSEUDOCODE}/vectors.py",
        "    FPProcessException(saturated @ Zeros(_FPSR_QC))",
        "    FPProcessException((saturated & 0) @ Zeros(_FPSR_QC))",
    ),
    Bug(
        "shift-sign-ignored", "sign of a shift", f"{SIMD}/_elements.py",
        "return SInt(If(amount[7], ASR(wide + half, right), LSL(wide, left)))",
        "return SInt(LSL(wide, left))",
    ),
    Bug(
        "exclusive-status-inverted", "exclusive status", f"{MEMORY}/exclusive.py",
        "    X[Rs, 32] = ZeroExtend(StoreExclusive(address, datasize // 8, accdesc, data), 32)",
        "    X[Rs, 32] = ZeroExtend(~StoreExclusive(address, datasize // 8, accdesc, data), 32)",
    ),
    Bug(
        "carry-in-ignored", "carry-in", f"{INTEGER}/add_sub.py",
        "PSTATE.C)", "op)",
    ),
    Bug(
        "rounds-up-to-minus-infinity", "rounding mode", f"{PSEUDOCODE}/floating_point/rounding.py",
        "rounding, half & (rest | lowest), inexact & ~sign, inexact & sign, _NO, half",
        "rounding, half & (rest | lowest), inexact & ~sign, inexact & ~sign, _NO, half",
    ),
    Bug(
        "smov-zero-extends", "extension", f"{SIMD}/advanced_simd_copy.py",
        "X[Rd, datasize] = SignExtend(Elem(V[Rn, 128], index, esize), datasize)",
        "X[Rd, datasize] = ZeroExtend(Elem(V[Rn, 128], index, esize), datasize)",
    ),
    Bug(
        "greater-or-equal", "condition", f"{PSEUDOCODE}/integer.py",
        "(n == v) & ~z, bits(1, 1))", "(n == v), bits(1, 1))",
    ),
    Bug(
        "structure-increment", "address increment", f"{MEMORY}/simd_structures.py",
        "    transfers = [(Rt + s, address + s * ebytes) for s in range(selem)]",
        "    transfers = [(Rt + s, address + s * 8) for s in range(selem)]",
    ),
    Bug(
        "extract-order", "lane order", f"{SIMD}/advanced_simd_permute.py",
        "    concat = V[Rm, datasize] @ V[Rn, datasize]\n    V[Rd, datasize] = (concat >> imm4",
        "    concat = V[Rn, datasize] @ V[Rm, datasize]\n    V[Rd, datasize] = (concat >> imm4",
    ),
    Bug(
        "shifting-ones", "immediate decoding", f"{PSEUDOCODE}/vectors.py",
        "return Replicate(Zeros(8) @ imm8 @ Ones(16) if cmode[0] else Zeros(16) @ imm8 @ Ones(8), 2)",
        "return Replicate(Zeros(8) @ imm8 @ Zeros(16) if cmode[0] else Zeros(16) @ imm8 @ Zeros(8), 2)",
    ),
    Bug(
        "extr-operands", "rotate", f"{IMMEDIATE}/extract.py",
        "LSR(X[Rn, datasize] @ X[Rm, datasize], imms)", "LSR(X[Rm, datasize] @ X[Rn, datasize], imms)",
    ),
    Bug(
        "conversion-exact", "FPSR flag", f"{PSEUDOCODE}/floating_point/conversion.py",
        "        otherwise=(If(value.sign, -low, low), raised(inexact, INEXACT)),",
        "        otherwise=(If(value.sign, -low, low), raised(inexact & 0, INEXACT)),",
    ),
    Bug(
        "ldpsw-unsigned", "signedness of a load", f"{MEMORY}/pair.py",
        "        X[Rt, regsize] = SignExtend(data1, regsize)", "        X[Rt, regsize] = data1.zero_extend(regsize)",
    ),
    Bug(
        "adds-writes-sp", "zero-register handling", f"{IMMEDIATE}/add_sub.py",
        "        PSTATE.nzcv = nzcv\n        X[Rd, datasize] = result",
        "        PSTATE.nzcv = nzcv\n        XSP[Rd, datasize] = result",
    ),
    Bug(
        "exclusive-pair-order", "pair order", f"{MEMORY}/exclusive.py",
        "        X[Rt, elsize] = data[elsize - 1 : 0]\n        X[Rt2, elsize] = data[2 * elsize - 1 : elsize]",
        "        X[Rt2, elsize] = data[elsize - 1 : 0]\n        X[Rt, elsize] = data[2 * elsize - 1 : elsize]",
    ),
    Bug(
        "atomic-clear", "atomic operation", f"{PSEUDOCODE}/memory.py",
        "            return old & ~operand", "            return old & operand",
    ),
    Bug(
        "shift-amount", "shift amount", f"{INTEGER}/two_source.py",
        "    amount = X[Rm, datasize][5 if sf else 4 : 0]", "    amount = X[Rm, datasize][4 : 0]",
    ),
    Bug(
        "link-register", "link register", "reference/spec/branches_exceptions_system/branches.py",
        "    if op:\n        X[30, 64] = PC64() + 4", "    if op:\n        X[30, 64] = PC64()",
    ),
)  # fmt: skip


def plant(checkout: Path, folder: Path, bugs: Iterable[Bug]) -> Path:
    """A copy of assay64 in ``folder`` with these bugs in its specification; ``folder`` goes into PYTHONPATH."""
    package = folder / "assay64"
    ignore = shutil.ignore_patterns("__pycache__", "selftest")
    for part in ("reference", "harness", "suites"):
        shutil.copytree(checkout / part, package / part, ignore=ignore)
    shutil.copy(checkout / "harness" / "_facade.py", package / "__init__.py")
    for bug in bugs:
        file = package / bug.file
        text = file.read_text("utf-8")
        assert text.count(bug.right) == bug.times, f"{bug.name}: its place in {bug.file} has changed"
        file.write_text(text.replace(bug.right, bug.wrong, 1), "utf-8")
    return folder
