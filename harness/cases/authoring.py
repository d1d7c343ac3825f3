"""What suites are written with.

    case("adds x0, x1, x2", given(x1=MAX64, x2=1), expect(x0=0, Z=1, C=1)).check(backend)

It turns such sentences into plain Cases. It must not know how a case is run or judged: ``check`` hands it to whatever
it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec

from assay64.harness.cases.assembling import assemble
from assay64.harness.cases.case import (
    CODE_ADDRESS,
    DATA_REGION,
    STACK_POINTER,
    AnyAction,
    Case,
    Environment,
    Observe,
    Region,
    Run,
)
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.harness.cases.sentences import (
    FLAGS,
    Expect,
    ExpectedExit,
    Given,
    Permit,
    UnknownParts,
    permitted_of,
    regions_of,
    state_of,
)
from assay64.harness.cases.state import locate
from assay64.harness.errors import UsageError

MAX64 = (1 << 64) - 1
MIN64 = 1 << 63  # the smallest signed value, as an unsigned number
MAX32 = (1 << 32) - 1
MIN32 = 1 << 31
CODE = CODE_ADDRESS
DATA = DATA_REGION[0]
DATA_END = DATA_REGION[0] + DATA_REGION[1]
SP = STACK_POINTER

MemoryValue = bytes | int | Sequence[int]


class CaseChecker(Protocol):
    """What ``check`` needs of a backend under test."""

    def check(self, case: Case) -> None:
        """Run and judge ``case``; raise AssertionError with a report when the outcome is not permitted."""
        ...


@dataclass(frozen=True)
class CheckableCase:
    """A case as a suite writes it: the plain data in ``case``, and ``check`` to judge a backend by it."""

    case: Case

    def check(self, backend: CaseChecker) -> None:
        backend.check(self.case)


def asm(text: str, address: int = CODE_ADDRESS) -> tuple[int, ...]:
    """The A64 words of ``text``, assembled for ``address``."""
    return tuple(assemble(text, address))


def byte(value: int) -> bytes:
    return _little_endian(value, 1)


def halfword(value: int) -> bytes:
    return _little_endian(value, 2)


def word(value: int) -> bytes:
    """The four bytes of ``value`` in memory, least significant first."""
    return _little_endian(value, 4)


def doubleword(value: int) -> bytes:
    return _little_endian(value, 8)


def quadword(value: int) -> bytes:
    return _little_endian(value, 16)


def given(*, memory: Mapping[int, MemoryValue] | None = None, fill: int | None = None, **registers: int) -> Given:
    """The state before the run: ``x0``-``x30``, ``sp``, ``pc``, ``v0``-``v31``, ``N Z C V`` or ``nzcv``, ``fpcr``, ...

    What is not given is zero; SP is the middle of the data region and PC the start of the code. ``memory`` maps an
    address to bytes, or to one or several doublewords; ``fill`` seeds pseudo-random bytes for the data region.
    """
    _check_registers(registers)
    return Given(registers, _memory(memory), fill)


def expect(
    *parts: UnknownParts,
    exit: ExpectedExit | None = None,  # noqa: A002 - the word that a suite's sentence needs
    exits: Sequence[ExpectedExit] | None = None,
    memory: Mapping[int, MemoryValue] | None = None,
    **registers: int,
) -> Expect:
    """Everything that the run changes; what is not named must stay as it was given.

    PC is the end of the code unless ``pc`` says otherwise; after an exception that returns to the faulting instruction
    it is the last instruction. ``exit`` defaults to reaching the end; ``exits`` lists one for each executing action of
    a longer script.
    """
    _check_registers(registers)
    if exit is not None and exits is not None:
        raise UsageError("expect: give exit or exits, not both")
    endings = tuple(exits) if exits is not None else (exit or reached_end(),)
    return Expect(registers, endings, _memory(memory), parts)


def on_each_vcpu(*outcomes: Expect) -> Expect:
    """One outcome of several vCPUs: registers of each in turn, exits and memory of all from the first."""
    first, *others = outcomes
    return replace(first, others=tuple(others))


def permit(*outcomes: Expect) -> Permit:
    """Several outcomes, each of which Arm permits (CONSTRAINED UNPREDICTABLE, IMPLEMENTATION DEFINED)."""
    return Permit(outcomes)


def unknown(*names: str, **masks: int) -> UnknownParts:
    """Registers that Arm leaves UNKNOWN: ``unknown("x1", "C")``, or only some of their bits: ``unknown(x1=0xFF)``."""
    found: dict[str, int] = {}
    for name in names:
        register, mask = ("nzcv", FLAGS[name]) if name in FLAGS else (name, locate(name)[3])
        found[register] = found.get(register, 0) | mask
    for name, mask in masks.items():
        if mask & ~locate(name)[3] or mask <= 0:
            raise UsageError(f"unknown({name}={mask:#x}): {name} has no such bits")
        found[name] = found.get(name, 0) | mask
    return UnknownParts(found)


def memory_unknown(address: int, size: int) -> UnknownParts:
    """``size`` bytes from ``address`` whose final value Arm leaves UNKNOWN."""
    return UnknownParts(memory=((address, size),))


def reached_end() -> ExpectedExit:
    return _exit(ExitKind.UNTIL)


def budget() -> ExpectedExit:
    """The budget of instructions was spent; ``pc`` has to be expected with it."""
    return _exit(ExitKind.BUDGET)


def svc(immediate: int) -> ExpectedExit:
    return _exit(ExitKind.SVC, immediate=immediate)


def hvc(immediate: int) -> ExpectedExit:
    return _exit(ExitKind.HVC, immediate=immediate)


def smc(immediate: int) -> ExpectedExit:
    return _exit(ExitKind.SMC, immediate=immediate)


def brk(immediate: int) -> ExpectedExit:
    return _exit(ExitKind.BRK, immediate=immediate)


def hlt(immediate: int) -> ExpectedExit:
    return _exit(ExitKind.HLT, immediate=immediate)


def undefined() -> ExpectedExit:
    return _exit(ExitKind.UNDEFINED)


def illegal_state() -> ExpectedExit:
    return _exit(ExitKind.ILLEGAL_STATE)


def wait() -> ExpectedExit:
    """WFE or WFI waits for an event or an interrupt."""
    return _exit(ExitKind.WAIT)


def pc_alignment() -> ExpectedExit:
    return _exit(ExitKind.PC_ALIGNMENT)


def sp_alignment() -> ExpectedExit:
    return _exit(ExitKind.SP_ALIGNMENT)


def branch_target() -> ExpectedExit:
    """An indirect branch came to an instruction of a guarded page that does not accept it."""
    return _exit(ExitKind.BRANCH_TARGET)


def pointer_authentication() -> ExpectedExit:
    """A pointer's code was wrong, on a model with FEAT_FPAC."""
    return _exit(ExitKind.POINTER_AUTHENTICATION)


def data_abort(address: int, access: str, fault: str | None = None) -> ExpectedExit:
    """``access`` is ``read`` or ``write``; ``fault`` (``translation``, ``permission``, ...) is compared when given."""
    return _abort(ExitKind.DATA_ABORT, address, access, fault)


def instruction_abort(address: int, fault: str | None = None) -> ExpectedExit:
    return _abort(ExitKind.INSTRUCTION_ABORT, address, "fetch", fault)


def case(
    code: str | int | Sequence[int],
    *parts: Given | Expect | Permit,
    budget: int = 1000,
    until: int | None = None,
    address: int = CODE_ADDRESS,
    regions: Sequence[Region] = (),
    environment: Environment | None = None,
    name: str = "",
    actions: Sequence[AnyAction] | None = None,
    requires: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> CheckableCase:
    """A case from assembly text, or A64 words, with what is given and what is expected of it.

    Several ``given`` are several vCPUs. Without ``expect`` or ``permit`` the reference supplies what Arm permits.
    ``regions`` are added to the default code and data regions, and replace one that they overlap. ``actions`` default
    to one run of the first vCPU with ``budget`` instructions until ``until`` (default: the end of the code).
    ``requires`` names features (``FEAT_LSE``), ``ignore`` what is not compared. Raises UsageError for what does not fit
    together.
    """
    words = asm(code, address) if isinstance(code, str) else (code,) if isinstance(code, int) else tuple(code)
    states = [part for part in parts if isinstance(part, Given)] or [Given({})]
    outcomes = [part for part in parts if not isinstance(part, Given)]
    if len(outcomes) > 1:
        raise UsageError("a case has one expect(...); several permitted outcomes are permit(expect(...), expect(...))")
    try:
        plain = Case(
            name=name,
            code=words,
            code_address=address,
            states=tuple(state_of(state) for state in states),
            regions=regions_of(regions, states),
            environment=environment or Environment(),
            actions=tuple(actions) if actions is not None else (Run(budget=budget, until=until),),
            observe=Observe(ignore=tuple(ignore)),
            requires=tuple(requires),
        )
        if outcomes:
            plain = msgspec.structs.replace(plain, permitted=tuple(permitted_of(plain, outcomes[0])))
    except ValueError as error:
        raise UsageError(f"case {code!r}: {error}") from error
    return CheckableCase(plain)


def _exit(kind: ExitKind, *, immediate: int = 0) -> ExpectedExit:
    return ExpectedExit(Exit(kind=kind, immediate=immediate))


def _abort(kind: ExitKind, address: int, access: str, fault: str | None) -> ExpectedExit:
    try:
        how, what = Access(access), Fault(fault) if fault is not None else Fault.UNKNOWN
    except ValueError as error:
        raise UsageError(f"{kind}: {error}; accesses are {', '.join(Access)}, faults {', '.join(Fault)}") from error
    return ExpectedExit(
        Exit(kind=kind, access=how, fault=what, address=address), frozenset({"fault"} if fault is None else ())
    )


def _little_endian(value: int, size_bytes: int) -> bytes:
    bits = 8 * size_bytes
    if not -(1 << bits - 1) <= value < 1 << bits:
        raise UsageError(f"{value:#x} does not fit into {size_bytes} bytes")
    return (value & (1 << bits) - 1).to_bytes(size_bytes, "little")


def _memory(memory: Mapping[int, MemoryValue] | None) -> tuple[tuple[int, bytes], ...]:
    def as_bytes(value: MemoryValue) -> bytes:
        if isinstance(value, bytes):
            return value
        return b"".join(map(doubleword, [value] if isinstance(value, int) else value))

    return tuple((address, as_bytes(value)) for address, value in (memory or {}).items())


def _check_registers(registers: Mapping[str, int]) -> None:
    if "nzcv" in registers and registers.keys() & FLAGS.keys():
        raise UsageError("give nzcv, or the flags N, Z, C and V one by one")
    for name, value in registers.items():
        if name in FLAGS:
            if value not in (0, 1):
                raise UsageError(f"{name}={value}: a flag is 0 or 1")
        elif name[:1] == "w" and name[1:].isdecimal():
            raise UsageError(f"{name} is the lower half of x{name[1:]}: write x{name[1:]}=..., all 64 bits of it")
        else:
            locate(name)
