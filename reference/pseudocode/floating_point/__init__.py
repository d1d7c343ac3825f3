"""Exact floating-point arithmetic under Arm's names (Arm ARM J1.3, shared/functions/float), for 16, 32 and 64 bits.

Every function is pure. It takes FPCR and returns ``(result, exceptions)``, the exceptions laid out as FPSR<7:0> (IOC 0,
DZC 1, OFC 2, UFC 3, IXC 4, IDC 7): a definition accumulates them with ``FPProcessException(exceptions)``. A rounding
mode is three bits: ``FPRoundingMode(fpcr)`` or an ``FPRounding_*``.

    FPAdd FPSub FPMul FPMulX FPDiv FPMax FPMin FPMaxNum FPMinNum FPRecipStepFused FPRSqrtStepFused  (op1, op2, fpcr)
    FPMulAdd (addend, op1, op2, fpcr); FPMulAddH: addend of 32 bits, operands of 16
    FPSqrt FPRecipEstimate FPRSqrtEstimate FPRecpX (op, fpcr); FPAbs FPNeg (op): a result alone
    FPCompare (op1, op2, signal_nans, fpcr): N:Z:C:V; FPCompareEQ FPCompareGE FPCompareGT (op1, op2, fpcr): one bit
    FPRoundInt (op, fpcr, rounding, exact); FPRoundIntN (op, fpcr, rounding, intsize)
    FPToFixed (op, fbits, unsigned, fpcr, rounding, width); FixedToFP (op, fbits, unsigned, fpcr, rounding, width)
    FPConvert (op, fpcr, width, rounding=None): between formats; FPConvertBF (op, fpcr): 32 bits to BFloat16
    FPToFixedJS (op, fpcr): the word, the flag Z, the exceptions
    BFDotAdd (addend, op1_a, op1_b, op2_a, op2_b): a result alone; BFMatMulAdd is made of it
    fp_lanes(function, esize, *vectors): the lanes' results side by side, their exceptions ORed, as in
    ``result, exceptions = fp_lanes(lambda a, b: FPAdd(a, b, fpcr), esize, operand1, operand2)``

FEAT_AFP and FEAT_RPRES are not described: FPCR.AH, FIZ and NEP are taken as zero.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from assay64.reference.bits import Bits
from assay64.reference.pseudocode.floating_point.arithmetic import (
    FPAdd,
    FPDiv,
    FPMul,
    FPMulAdd,
    FPMulAddH,
    FPMulX,
    FPRecipStepFused,
    FPRSqrtStepFused,
    FPSqrt,
    FPSub,
)
from assay64.reference.pseudocode.floating_point.bfloat import BFDotAdd
from assay64.reference.pseudocode.floating_point.comparison import (
    FPCompare,
    FPCompareEQ,
    FPCompareGE,
    FPCompareGT,
    FPMax,
    FPMaxNum,
    FPMin,
    FPMinNum,
)
from assay64.reference.pseudocode.floating_point.conversion import (
    FixedToFP,
    FPConvert,
    FPConvertBF,
    FPRoundInt,
    FPRoundIntN,
    FPToFixed,
    FPToFixedJS,
)
from assay64.reference.pseudocode.floating_point.estimation import (
    FPRecipEstimate,
    FPRecpX,
    FPRSqrtEstimate,
)
from assay64.reference.pseudocode.floating_point.rounding import (
    FPRounding_NEGINF,
    FPRounding_ODD,
    FPRounding_POSINF,
    FPRounding_TIEAWAY,
    FPRounding_TIEEVEN,
    FPRounding_ZERO,
    FPRoundingMode,
)
from assay64.reference.pseudocode.floating_point.values import (
    FPAbs,
    FPDefaultNaN,
    FPInfinity,
    FPMaxNormal,
    FPNeg,
    FPOnePointFive,
    FPTwo,
    FPZero,
    Outcome,
)


def fp_lanes(function: Callable[..., Outcome], esize: int, *vectors: Bits) -> Outcome:
    """``function`` on each lane of ``esize`` bits of the vectors: the results side by side, the exceptions ORed."""
    outcomes = [
        function(*(vector[low + esize - 1 : low] for vector in vectors)) for low in range(0, vectors[0].width, esize)
    ]
    result = reduce(lambda low, high: high @ low, (result for result, _ in outcomes))
    return result, reduce(lambda one, other: one | other, (exceptions for _, exceptions in outcomes))


__all__ = [
    "BFDotAdd",
    "FPAbs",
    "FPAdd",
    "FPCompare",
    "FPCompareEQ",
    "FPCompareGE",
    "FPCompareGT",
    "FPConvert",
    "FPConvertBF",
    "FPDefaultNaN",
    "FPDiv",
    "FPInfinity",
    "FPMax",
    "FPMaxNormal",
    "FPMaxNum",
    "FPMin",
    "FPMinNum",
    "FPMul",
    "FPMulAdd",
    "FPMulAddH",
    "FPMulX",
    "FPNeg",
    "FPOnePointFive",
    "FPRSqrtEstimate",
    "FPRSqrtStepFused",
    "FPRecipEstimate",
    "FPRecipStepFused",
    "FPRecpX",
    "FPRoundInt",
    "FPRoundIntN",
    "FPRoundingMode",
    "FPRounding_NEGINF",
    "FPRounding_ODD",
    "FPRounding_POSINF",
    "FPRounding_TIEAWAY",
    "FPRounding_TIEEVEN",
    "FPRounding_ZERO",
    "FPSqrt",
    "FPSub",
    "FPToFixed",
    "FPToFixedJS",
    "FPTwo",
    "FPZero",
    "FixedToFP",
    "Outcome",
    "fp_lanes",
]
