"""What a run came to: exits, final registers, changed memory; and the verdict when it is held against what Arm permits.

An outcome is plain data. Who produced it and how it compares is not known here.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from assay64.harness.cases.state import State


class ExitKind(StrEnum):
    """Why an action returned. The numbers of the C ABI are the order here (assay64_backend.h)."""

    NONE = "none"
    BUDGET = "budget"
    UNTIL = "until"
    SVC = "svc"
    HVC = "hvc"
    SMC = "smc"
    BRK = "brk"
    UNDEFINED = "undefined"
    UNPREDICTABLE = "unpredictable"
    DECLINED = "declined"
    DATA_ABORT = "data_abort"
    INSTRUCTION_ABORT = "instruction_abort"
    PC_ALIGNMENT = "pc_alignment"
    SP_ALIGNMENT = "sp_alignment"
    BREAKPOINT = "breakpoint"
    WATCHPOINT = "watchpoint"
    STEP = "step"
    STOPPED = "stopped"
    WAIT = "wait"
    TRAP = "trap"
    ILLEGAL_STATE = "illegal_state"
    BRANCH_TARGET = "branch_target"
    POINTER_AUTHENTICATION = "pointer_authentication"
    FLOATING_POINT = "floating_point"
    HLT = "hlt"


class Access(StrEnum):
    """The access that an abort or a watchpoint reports."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    FETCH = "fetch"


class Fault(StrEnum):
    """The kind of an abort, as far as the backend tells (the status code of ESR_EL1 without its level)."""

    UNKNOWN = "unknown"
    TRANSLATION = "translation"
    PERMISSION = "permission"
    ALIGNMENT = "alignment"
    ACCESS_FLAG = "access_flag"
    ADDRESS_SIZE = "address_size"
    EXTERNAL = "external"
    TAG_CHECK = "tag_check"


class Exit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How one action ended. ``immediate`` belongs to SVC, HVC, SMC, BRK, HLT; ``address`` to aborts and watchpoints."""

    kind: ExitKind = ExitKind.NONE
    immediate: int = 0
    access: Access = Access.NONE
    fault: Fault = Fault.UNKNOWN
    address: int = 0

    def __str__(self) -> str:
        if self.kind in IMMEDIATE_EXITS:
            return f"{self.kind} #{self.immediate:#x}"
        if self.kind in ADDRESS_EXITS:
            fault = "" if self.fault is Fault.UNKNOWN else f" ({self.fault})"
            return f"{self.kind} {self.access} {self.address:#x}{fault}"
        return str(self.kind)


IMMEDIATE_EXITS = frozenset({ExitKind.SVC, ExitKind.HVC, ExitKind.SMC, ExitKind.BRK, ExitKind.HLT})
ADDRESS_EXITS = frozenset({ExitKind.DATA_ABORT, ExitKind.INSTRUCTION_ABORT, ExitKind.WATCHPOINT})


class MemoryChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes that differ from the initial contents: their address and final value in hexadecimal."""

    address: int
    bytes: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An exit for each action that executes, the final state of every vCPU, the memory that changed."""

    exits: tuple[Exit, ...] = ()
    states: tuple[State, ...] = ()
    memory: tuple[MemoryChange, ...] = ()


class Unknown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The parts of a permitted outcome that Arm leaves UNKNOWN, and that are therefore not compared.

    ``registers`` maps a register to the mask of its unknown bits, for each vCPU; ``memory`` lists (address, size in
    bytes); ``exit_fields`` names fields of Exit (``address``, ``fault``, ``access``) for each action.
    """

    registers: tuple[dict[str, int], ...] = ()
    memory: tuple[tuple[int, int], ...] = ()
    exit_fields: tuple[frozenset[str], ...] = ()
    all_memory: bool = False


class Permitted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One outcome that Arm permits. ``choices`` says which of its choices lead here, such as ``WBOVERLAPLD=NOP``."""

    outcome: Outcome
    unknown: Unknown = Unknown()
    choices: tuple[str, ...] = ()


class VerdictKind(StrEnum):
    MATCH = "match"
    MISMATCH = "mismatch"
    KNOWN_DEVIATION = "known deviation"
    UNSUPPORTED = "unsupported"
    CRASH = "crash"
    HANG = "hang"
    ERROR = "error"


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field that differs: its name (``x0``, ``nzcv``, ``exit``, ``memory 0x20000000``), both values as text, a
    remark.
    """

    field: str
    expected: str
    got: str
    remark: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the judge says of one case on one backend.

    ``differences`` are against the nearest permitted outcome. ``detail`` is the reason of an unsupported, crash, hang
    or error; ``deviation`` the identifier of the known deviation. ``indistinct`` marks a match that could not tell
    UNDEFINED from "not implemented".
    """

    kind: VerdictKind
    differences: tuple[Difference, ...] = ()
    detail: str = ""
    deviation: str = ""
    indistinct: bool = False
