"""Holds an outcome against the set of outcomes that Arm permits and says what differs.

It knows nothing of how an outcome was got, and excuses nothing: known deviations come after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import STACK_POINTER, Case
from assay64.harness.cases.outcome import (
    ADDRESS_EXITS,
    IMMEDIATE_EXITS,
    Difference,
    Exit,
    ExitKind,
    Fault,
    MemoryChange,
    Outcome,
    Permitted,
    Unknown,
    Verdict,
    VerdictKind,
)
from assay64.harness.cases.state import MASK64, MASK128, PSTATE_FIELDS, THREAD, State, locate
from assay64.harness.judge.image import Bytes, coalesce, initial_bytes
from assay64.harness.judge.instructions import is_undefined

FLAGS = "NZCV"
FPSR_BITS: Mapping[int, str] = {0: "IOC", 1: "DZC", 2: "OFC", 3: "UFC", 4: "IXC", 7: "IDC", 27: "QC"}
FPCR_BITS: Mapping[int, str] = {
    0: "FIZ", 1: "AH", 2: "NEP", 19: "FZ16", 22: "RMode", 23: "RMode", 24: "FZ", 25: "DN", 26: "AHP",
}  # fmt: skip
# PSTATE without the flags, which are compared as nzcv. The PAC keys and the event register are not compared: no
# instruction at EL0 writes the keys, and what the event register holds shows in the exits of WFE.
SYSTEM_FIELDS = (*(name for name in PSTATE_FIELDS if name != "nzcv"), *THREAD)
SHOWN_BYTES = 16
SHOWN_RANGES = 8


Differences = tuple[Difference, ...]


def compare(case: Case, permitted: Sequence[Permitted], outcome: Outcome, capabilities: Capabilities) -> Verdict:
    """Match when the outcome is one of ``permitted``, else the differences against the nearest of them.

    ``declined`` where UNDEFINED is permitted counts as UNDEFINED and marks the match indistinct; elsewhere the backend
    lacks the instruction: unsupported. ``unpredictable`` counts as UNDEFINED where Arm permits UNDEFINED or leaves a
    choice. An expected state that lists no register has its default there; its PC is the end of the code and its SP
    what the vCPU began with.
    """
    return compare_with_each(case, permitted, outcome, capabilities)[0]


def compare_with_each(
    case: Case, permitted: Sequence[Permitted], outcome: Outcome, capabilities: Capabilities
) -> tuple[Verdict, tuple[Differences, ...]]:
    """As ``compare``; of a mismatch also the differences against every permitted outcome, the nearest first."""
    if not permitted:
        return Verdict(kind=VerdictKind.ERROR, detail="the set of permitted outcomes is empty"), ()
    if not capabilities.exact_budget and any(e.kind is ExitKind.BUDGET for p in permitted for e in p.outcome.exits):
        reason = f"{capabilities.name} does not stop after an exact number of instructions"
        return Verdict(kind=VerdictKind.UNSUPPORTED, detail=reason), ()
    if any(outcome == one.outcome for one in permitted):
        return Verdict(kind=VerdictKind.MATCH), ()
    exits, indistinct = list[Exit](), False
    for index, got in enumerate(outcome.exits):
        kinds = {one.outcome.exits[index].kind for one in permitted if index < len(one.outcome.exits)}
        undefined = ExitKind.UNDEFINED in kinds
        if got.kind is ExitKind.DECLINED and ExitKind.DECLINED not in kinds:
            # Execution that went astray may have met a word that is UNDEFINED: that is no missing instruction.
            is_missing = not all(is_undefined(word, case.environment.model) for word in _stopped_at(case, outcome))
            if is_missing and not (undefined and _at_a_permitted_place(case, permitted, outcome)):
                return Verdict(kind=VerdictKind.UNSUPPORTED, detail="the backend declined the instruction"), ()
            got, indistinct = Exit(kind=ExitKind.UNDEFINED), True
        elif got.kind is ExitKind.UNPREDICTABLE and (undefined or len(permitted) > 1):
            got = Exit(kind=ExitKind.UNDEFINED)
        exits.append(got)
    comparison = _Comparison(case, msgspec.structs.replace(outcome, exits=tuple(exits)), capabilities)
    found: list[Differences] = []
    for one in permitted:
        differences = tuple(comparison.differences(one))
        if not differences:
            return Verdict(kind=VerdictKind.MATCH, indistinct=indistinct), ()
        found.append(differences)
    found.sort(key=_distance)
    return Verdict(kind=VerdictKind.MISMATCH, differences=found[0]), tuple(found)


def _at_a_permitted_place(case: Case, permitted: Sequence[Permitted], outcome: Outcome) -> bool:
    """Whether every vCPU stands where some permitted outcome has it."""

    def places(one: Outcome) -> list[int]:
        return [case.end if state.general.pc is None else state.general.pc for state in one.states]

    return places(outcome) in [places(one.outcome) for one in permitted]


def _stopped_at(case: Case, outcome: Outcome) -> Iterator[int]:
    """The words at the final PCs. Outside the code memory is zero, as far as code can be there."""
    for state in outcome.states:
        pc = case.code_address if state.general.pc is None else state.general.pc
        index, within = divmod(pc - case.code_address, 4)
        yield case.code[index] if not within and 0 <= index < len(case.code) else 0


def _distance(differences: Sequence[Difference]) -> tuple[int, int]:
    """Fewer wrong exits are nearer than fewer wrong registers: everything else follows from the exit."""
    return sum("exit" in difference.field for difference in differences), len(differences)


class _Comparison:
    """One outcome, ready to be held against several permitted ones."""

    def __init__(self, case: Case, outcome: Outcome, capabilities: Capabilities) -> None:
        self.case, self.outcome, self.capabilities = case, outcome, capabilities
        self.ignore = frozenset(case.observe.ignore)
        self.got = [self._registers(state, vcpu) for vcpu, state in enumerate(outcome.states)]
        self.got_bytes = _bytes(outcome.memory)

    def differences(self, permitted: Permitted) -> Iterator[Difference]:
        expected, unknown = permitted.outcome, permitted.unknown
        yield from self._exits(expected.exits, unknown)
        if len(expected.states) != len(self.got):
            yield Difference("states", f"{len(expected.states)} vCPUs", f"{len(self.got)} vCPUs")
        for vcpu, (state, got) in enumerate(zip(expected.states, self.got, strict=False)):
            masks = unknown.registers[vcpu] if vcpu < len(unknown.registers) else {}
            prefix = f"cpu{vcpu}." if len(self.got) > 1 else ""
            yield from self._state(self._registers(state, vcpu), got, masks, prefix)
        if "memory" not in self.ignore and not unknown.all_memory:
            yield from self._memory(expected.memory, unknown)

    def _exits(self, expected: Sequence[Exit], unknown: Unknown) -> Iterator[Difference]:
        got = self.outcome.exits
        if len(expected) != len(got):
            yield Difference("exits", str(len(expected)), str(len(got)), "number of exits")
        for index, (want, have) in enumerate(zip(expected, got, strict=False)):
            name = f"exit{index}" if len(got) > 1 else "exit"
            unknown_fields = unknown.exit_fields[index] if index < len(unknown.exit_fields) else frozenset[str]()
            if want.kind is not have.kind:
                if "exit" not in self.ignore:
                    yield Difference(name, str(want), str(have))
                continue
            for field in self._exit_fields(want, have):
                if field not in unknown_fields and f"exit.{field}" not in self.ignore:
                    values = getattr(want, field), getattr(have, field)
                    one, other = (number(v) if isinstance(v, int) else str(v) for v in values)
                    yield Difference(f"{name}.{field}", one, other)

    def _exit_fields(self, want: Exit, have: Exit) -> Iterator[str]:
        """The fields in which two exits of one kind differ, of those that the kind has and the backend reports."""
        if want.kind in IMMEDIATE_EXITS and want.immediate != have.immediate:
            yield "immediate"
        if want.kind in ADDRESS_EXITS:
            if want.access is not have.access:
                yield "access"
            if want.address != have.address:
                yield "address"
            told = self.capabilities.reports_fault_kind and Fault.UNKNOWN not in (want.fault, have.fault)
            if told and want.fault is not have.fault:
                yield "fault"

    def _registers(self, state: State, vcpu: int) -> dict[str, int]:
        """Every compared register that is not zero, by name."""
        general, simd, system = state.general, state.simd, state.system
        given = self.case.states[vcpu].general.sp if vcpu < len(self.case.states) else None
        initial_sp = STACK_POINTER if given is None else given
        el1h = 5 if self.case.environment.exception_level else 0
        values: dict[str, int] = {f"x{index}": value for index, value in general.x.items()}
        values["sp"] = initial_sp if general.sp is None else general.sp
        values["pc"] = self.case.end if general.pc is None else general.pc
        values["nzcv"] = general.nzcv
        values |= {f"v{index}": value for index, value in simd.v.items()}
        values |= {"fpcr": simd.fpcr, "fpsr": simd.fpsr}
        values |= {name: getattr(system, name) for name in SYSTEM_FIELDS}
        values["mode"] = el1h if system.mode is None else system.mode
        return {name: value for name, value in values.items() if value}

    def _state(
        self, want: Mapping[str, int], have: Mapping[str, int], masks: Mapping[str, int], prefix: str
    ) -> Iterator[Difference]:
        if want == have:
            return
        for name in sorted(want.keys() | have.keys(), key=_order):
            one, other = want.get(name, 0), have.get(name, 0)
            if (one ^ other) & ~masks.get(name, 0) and name not in self.ignore:
                yield Difference(prefix + name, show(name, one), show(name, other), _remark(name, one, other))

    def _memory(self, expected: Sequence[MemoryChange], unknown: Unknown) -> Iterator[Difference]:
        want, have = _bytes(expected), self.got_bytes
        if want == have:
            return
        initial = self._initial
        different = [
            address
            for address in want.keys() | have.keys()
            if want.get(address, initial(address)) != have.get(address, initial(address))
            and not any(start <= address < start + size for start, size in unknown.memory)
        ]
        ranges = list(coalesce([(address, 0) for address in different]))
        for start, data in ranges[:SHOWN_RANGES]:
            span = range(start, start + len(data))
            one, other = (_show_bytes([side.get(a, initial(a)) for a in span]) for side in (want, have))
            remark = "" if any(a in want for a in span) else "was not to be written"
            remark = "was not written" if not any(a in have for a in span) else remark
            yield Difference(f"memory {number(start)}", one, other, remark)
        if len(ranges) > SHOWN_RANGES:
            rest = ranges[SHOWN_RANGES:]
            yield Difference(f"memory {number(rest[0][0])}", "", f"{len(rest)} more ranges up to {number(rest[-1][0])}")

    def _initial(self, address: int) -> int | None:
        for start, data in self._contents.items():
            if start <= address < start + len(data):
                return int(data[address - start])
        return None

    @cached_property
    def _contents(self) -> Mapping[int, Bytes]:
        return initial_bytes(self.case)


def _bytes(memory: Sequence[MemoryChange]) -> dict[int, int | None]:
    return {
        change.address + index: value for change in memory for index, value in enumerate(bytes.fromhex(change.bytes))
    }


def _show_bytes(values: Sequence[int | None]) -> str:
    text = " ".join("??" if value is None else f"{value:02x}" for value in values[:SHOWN_BYTES])
    return text if len(values) <= SHOWN_BYTES else f"{text} ... ({len(values)} bytes)"


def _order(name: str) -> tuple[int, int, str]:
    kinds = ("x", "sp", "pc", "nzcv", "v")
    if name[0] in "xv" and name[1:].isdecimal():
        return kinds.index(name[0]), int(name[1:]), name
    return (kinds.index(name) if name in kinds else len(kinds)), 0, name


def number(value: int) -> str:
    """Hexadecimal in groups of four digits: ``0xffff_0000``."""
    return f"{value:#_x}"


def show(name: str, value: int) -> str:
    """A register's value as people read it: the flags as ``.ZC.``, everything else as a number."""
    if name == "nzcv":
        return "".join(letter if value >> 3 - index & 1 else "." for index, letter in enumerate(FLAGS))
    return number(value)


def _remark(name: str, one: int, other: int) -> str:
    """Which bits differ, where that is quicker to say than to see."""
    different = one ^ other
    bits = [bit for bit in range(different.bit_length()) if different >> bit & 1]
    if name == "nzcv":
        return _differ([letter for index, letter in enumerate(FLAGS) if different >> 3 - index & 1])
    table = {"fpsr": FPSR_BITS, "fpcr": FPCR_BITS}.get(name)
    if table is not None:
        return _differ(list(dict.fromkeys(table.get(bit, f"bit {bit}") for bit in bits)))
    if len(bits) == 1:
        return f"bit {bits[0]} differs"
    if locate(name)[3] in (MASK64, MASK128) and bits[0] >= 32:
        half = 64 if bits[0] >= 64 else 32
        return f"the lower {half} bits agree"
    return ""


def _differ(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} differs"
    return f"{', '.join(names[:-1])} and {names[-1]} differ"
