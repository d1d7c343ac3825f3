"""CONSTRAINED UNPREDICTABLE: the specification names the case, this table what Arm permits, the engine or the model
chooses.

UNDEF and NOP are carried out here, so that a definition handles only what is particular to it.
"""

from __future__ import annotations

from assay64.reference.bits import Bits
from assay64.reference.pseudocode.exceptions import EndOfInstruction, Undefined
from assay64.reference.pseudocode.processor import PE, Constraint

_C = Constraint

# Arm ARM K1.2 (AArch64 CONSTRAINED UNPREDICTABLE behaviours) and the Unpredictable enumeration of the shared
# pseudocode. The first is what a model takes that says nothing else.
PERMITTED: dict[str, tuple[Constraint, ...]] = {
    # Load with write-back whose destination is the base.
    "WBOVERLAPLD": (_C.WBSUPPRESS, _C.UNKNOWN, _C.UNDEF, _C.NOP),
    # Store with write-back of the base itself.
    "WBOVERLAPST": (_C.NONE, _C.UNKNOWN, _C.UNDEF, _C.NOP),
    # Load pair into one register twice.
    "LDPOVERLAP": (_C.UNKNOWN, _C.UNDEF, _C.NOP),
    # Store-exclusive whose status register is also its data, or its base.
    "DATAOVERLAP": (_C.UNKNOWN, _C.NONE, _C.UNDEF, _C.NOP),
    "BASEOVERLAP": (_C.UNKNOWN, _C.NONE, _C.UNDEF, _C.NOP),
    # IMPLEMENTATION DEFINED storage: whether fields of FPCR and FPSR that only AArch32 uses, and the enables of trapped
    # floating-point exceptions, keep what is written to them.
    "AARCH32_FIELDS": (_C.FALSE, _C.TRUE),
    "TRAPPED_EXCEPTIONS": (_C.FALSE, _C.TRUE),
    # A should-be bit has the wrong value: UNDEFINED, NOP, as if it were right, or destinations UNKNOWN.
    "SHOULDBE": (_C.UNDEF, _C.NONE, _C.NOP, _C.UNKNOWN),
}


def ConstrainUnpredictable(name: str) -> Constraint:
    """Arm's function of that name: the permitted behaviour that is taken. Raises for UNDEF and NOP."""
    constraint = PE().choose(name, PERMITTED[name])
    if constraint is Constraint.UNDEF:
        raise Undefined
    if constraint is Constraint.NOP:
        raise EndOfInstruction
    return constraint


def UNKNOWN(width: int) -> Bits:
    """``bits(width) UNKNOWN``."""
    return PE().unknown(width)
