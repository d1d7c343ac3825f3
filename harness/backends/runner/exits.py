"""From a signal to an exit of outcome.py: what the kernel, or the emulator in its place, tells of how a case ended.

Linux names no access and no instruction: where its record of the syndrome is missing (qemu-user has none) they come
from the word at the PC. The PC itself is always Arm's preferred return address but for SVC.
"""

from __future__ import annotations

import signal
from typing import NamedTuple

from assay64.harness.backends.runner import instructions
from assay64.harness.backends.runner.windows import Window, Windows
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault

_MAPERR, _ACCERR, _ADRALN = 1, 2, 1  # si_code of SIGSEGV and SIGBUS
_SYNDROME_CLASS, _WRITE_NOT_READ = 26, 1 << 6
_INSTRUCTION_ABORT, _PC_ALIGNMENT, _DATA_ABORT, _SP_ALIGNMENT = 0x20, 0x22, 0x24, 0x26
_FAULTS = {0b0000: Fault.ADDRESS_SIZE, 0b0001: Fault.TRANSLATION, 0b0010: Fault.ACCESS_FLAG, 0b0011: Fault.PERMISSION}
_FAULT_ALIGNMENT, _FAULT_EXTERNAL, _FAULT_TAG = 0x21, 0x10, 0x11
# What BRK may stand for.
_TRAPS = {instructions.SUPERVISOR_CALL: ExitKind.SVC, instructions.SEMIHOSTING_CALL: ExitKind.HLT}
_BTYPE = 3 << 10
_BIT55 = 1 << 55
_TAG = 0xFF << 56


class Ending(NamedTuple):
    """How a case ended: the signal and what came with it, and the registers that say more."""

    signal: int
    code: int
    address: int
    syndrome: int | None
    pc: int
    pstate: int
    word: int  # at the PC, as the case has it; 0 where there is none


def exit_of(ending: Ending, windows: Windows) -> Exit:
    """The exit of a case that ended by itself, where the harness planted BRK for calls only."""
    window = windows.find(ending.pc)
    match ending.signal:
        case signal.SIGTRAP:
            if window is not None and _is_no_target(ending, window):
                return Exit(kind=ExitKind.BRANCH_TARGET)
            kind = next((kind for pattern, kind in _TRAPS.items() if pattern.matches(ending.word)), ExitKind.BRK)
            return Exit(kind=kind, immediate=ending.word >> 5 & 0xFFFF)
        case signal.SIGILL:
            if window is not None and _is_no_target(ending, window):
                return Exit(kind=ExitKind.BRANCH_TARGET)
            return Exit(kind=ExitKind.UNDEFINED)
        case signal.SIGSEGV | signal.SIGBUS:
            return _abort(ending, window, windows)
        case signal.SIGFPE:
            return Exit(kind=ExitKind.FLOATING_POINT)
        case _:
            raise RuntimeError(f"the runner was ended by signal {ending.signal} at {ending.pc:#x}")


def _is_no_target(ending: Ending, window: Window) -> bool:
    """Whether the instruction could not be branched to. BRK stands here for SVC, which is no landing pad; BTI itself is
    never UNDEFINED.
    """
    if not window.guarded or not ending.pstate & _BTYPE:
        return False
    return instructions.BTI.matches(ending.word) or not any(
        pad.matches(ending.word) for pad in instructions.LANDING_PADS
    )


def _abort(ending: Ending, window: Window | None, windows: Windows) -> Exit:
    if ending.pc & 3:
        return Exit(kind=ExitKind.PC_ALIGNMENT)
    kind = None if ending.syndrome is None else ending.syndrome >> _SYNDROME_CLASS
    if kind == _SP_ALIGNMENT:
        return Exit(kind=ExitKind.SP_ALIGNMENT)
    if window is None or "x" not in window.permissions:
        fault = Fault.TRANSLATION if window is None else Fault.PERMISSION
        return Exit(kind=ExitKind.INSTRUCTION_ABORT, access=Access.FETCH, fault=fault, address=ending.pc)
    if kind == _DATA_ABORT and ending.syndrome is not None:
        access = Access.WRITE if ending.syndrome & _WRITE_NOT_READ else Access.READ
        fault = _fault(ending.syndrome & 0x3F)
    else:
        access, fault = _access(ending, windows), _fault_of_signal(ending)
    return Exit(kind=ExitKind.DATA_ABORT, access=access, fault=fault, address=ending.address)


def _access(ending: Ending, windows: Windows) -> Access:
    if instructions.stores(ending.word):
        return Access.WRITE
    if not instructions.updates(ending.word):
        return Access.READ
    # An update that faults where a read would fault, too, is reported as a read (Arm ARM, ESR_ELx.WnR).
    if ending.signal == signal.SIGBUS:
        return Access.READ
    target = windows.find(untagged(ending.address))
    return Access.WRITE if target is not None and "r" in target.permissions else Access.READ


def untagged(address: int) -> int:
    """The address that an access through a tagged pointer reaches: Linux ignores the top byte of user addresses."""
    return address if address & _BIT55 else address & ~_TAG


def _fault(status: int) -> Fault:
    special = {_FAULT_ALIGNMENT: Fault.ALIGNMENT, _FAULT_EXTERNAL: Fault.EXTERNAL, _FAULT_TAG: Fault.TAG_CHECK}
    return special.get(status) or _FAULTS.get(status >> 2, Fault.UNKNOWN)


def _fault_of_signal(ending: Ending) -> Fault:
    if ending.signal == signal.SIGBUS:
        return Fault.ALIGNMENT if ending.code == _ADRALN else Fault.EXTERNAL
    return {_MAPERR: Fault.TRANSLATION, _ACCERR: Fault.PERMISSION}.get(ending.code, Fault.UNKNOWN)
