"""The shared functions of Arm's pseudocode under their Arm names, and the state they work on. The specification imports from here."""

from assay64.reference.bits import Bits, If, Int, SInt, UInt, bits
from assay64.reference.encoding.definition import insn
from assay64.reference.pseudocode.branches import (
    BranchTo,
    DataBarrier,
    EventRegisterSet,
    InstructionSynchronizationBarrier,
    SendEvent,
    WaitForEvent,
    WaitForInterrupt,
)
from assay64.reference.pseudocode.exceptions import (
    AArch64_CallSupervisor,
    AArch64_SoftwareBreakpoint,
    EndOfInstruction,
    Undefined,
)
from assay64.reference.pseudocode.integer import (
    ASR,
    LSL,
    LSR,
    ROR,
    AddWithCarry,
    ConditionHolds,
    CountLeadingSignBits,
    CountLeadingZeroBits,
    DecodeBitMasks,
    DivideSigned,
    DivideUnsigned,
    ExtendReg,
    HighestSetBit,
    IsZero,
    Ones,
    Poly32Mod2,
    Replicate,
    ReverseLanes,
    Select,
    ShiftReg,
    SignExtend,
    ZeroExtend,
    Zeros,
    lanes,
)
from assay64.reference.pseudocode.memory import (
    ClearExclusiveLocal,
    CreateAccDescAcqRel,
    CreateAccDescExLDST,
    CreateAccDescGPR,
    Mem,
    Prefetch,
    StoreExclusive,
)
from assay64.reference.pseudocode.processor import AccessDescriptor, BranchType, Constraint, MemOp, pseudocode
from assay64.reference.pseudocode.state import PC64, PSTATE, XSP, BaseAddress, IsFeatureImplemented, X
from assay64.reference.pseudocode.unpredictable import UNKNOWN, ConstrainUnpredictable

__all__ = [
    "ASR", "LSL", "LSR", "PC64", "PSTATE", "ROR", "UNKNOWN", "XSP", "AArch64_CallSupervisor", "AArch64_SoftwareBreakpoint",
    "AccessDescriptor", "AddWithCarry", "BaseAddress", "Bits", "BranchTo", "BranchType", "ClearExclusiveLocal",
    "ConditionHolds", "ConstrainUnpredictable", "Constraint", "CountLeadingSignBits", "CountLeadingZeroBits",
    "CreateAccDescAcqRel", "CreateAccDescExLDST", "CreateAccDescGPR", "DataBarrier", "DecodeBitMasks", "DivideSigned",
    "DivideUnsigned", "EndOfInstruction", "EventRegisterSet", "ExtendReg", "HighestSetBit", "If",
    "InstructionSynchronizationBarrier", "Int", "IsFeatureImplemented", "IsZero", "Mem", "MemOp", "Ones", "Poly32Mod2", "Prefetch",
    "Replicate", "ReverseLanes", "SInt", "Select", "SendEvent", "ShiftReg", "SignExtend", "StoreExclusive", "UInt", "Undefined",
    "WaitForEvent", "WaitForInterrupt", "X", "ZeroExtend", "Zeros", "bits", "insn", "lanes", "pseudocode",
]
