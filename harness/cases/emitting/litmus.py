"""A litmus test for herd7: a thread for each vCPU, the registers that matter, memory as named locations.

It fits straight-line code of the instructions that herd knows, whose accesses go through registers that hold the
address of an aligned location; the `exists` clause is what Arm permits. Held against herd7 7.58.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from assay64.harness.cases.case import DATA_REGION, Case, FreeRun, Run, Schedule
from assay64.harness.cases.disassembling import disassemble
from assay64.harness.cases.emitting.scenario import Unfit
from assay64.harness.cases.outcome import ExitKind, Permitted
from assay64.harness.cases.state import State

# What herd7's AArch64 has of our code (herdtools7, doc: AArch64 instructions); registers are X and W.
_MNEMONICS = frozenset(
    {"ldr", "str", "ldar", "stlr", "ldapr", "ldxr", "stxr", "ldaxr", "stlxr", "mov", "dmb", "dsb", "isb", "nop"}
    | {"add", "sub", "eor", "and", "orr", "subs", "adds", "cmp"}
    | {name + order for name in ("cas", "swp", "ldadd", "ldclr", "ldset", "ldeor") for order in ("", "a", "l", "al")}
)
_REGISTER = re.compile(r"\b([xw])(\d+)\b")
_BASE = re.compile(r"\[([^\]]*)\]")
_UNCONDITIONAL_B = 0x1400_0000


def write(case: Case, permitted: Sequence[Permitted], token: str) -> str:
    if not all(isinstance(action, Run | Schedule | FreeRun) for action in case.actions):
        raise Unfit("herd runs threads to their ends, and knows no other actions")
    if case.environment.exception_level or any(region.fill is not None for region in case.regions):
        raise Unfit("it runs at EL1, or on memory that is filled at random")
    threads = [list(_thread(case, state)) for state in case.states]
    locations = _locations(case, threads)
    header = [f"AArch64 {_name(threads)}", f'"assay64 replay {token}"' if len(token) < 200 else '"assay64"', "{"]
    for number, state in enumerate(case.states):
        header += [f"{number}:X{index}={_value(value, locations)};" for index, value in _used(state, threads[number])]
    header += [f"uint64_t {name}=0x{_initial(case, address):x};" for address, name in locations.items()]
    body = _columns(threads)
    outcomes = " \\/\n".join(f"({_condition(case, one, locations, threads)})" for one in permitted)
    return "\n".join([*header, "}", *body, "exists", outcomes, ""])


def _thread(case: Case, state: State) -> Iterator[str]:
    """The instructions of one vCPU, in upper case as herd has them."""
    address = case.code_address if state.general.pc is None else state.general.pc
    while address < case.end:
        index = (address - case.code_address) // 4
        if not 0 <= index < len(case.code):
            raise Unfit("a vCPU starts outside the code")
        word, text = case.code[index], disassemble(case.code[index], address)
        if word >> 26 == _UNCONDITIONAL_B >> 26:
            offset = (word & 0x3FF_FFFF) - ((word >> 25 & 1) << 26)
            if offset <= 0:
                raise Unfit(f"it has a loop: {text}")
            address += 4 * offset
            continue
        if text.split()[0] not in _MNEMONICS or "sp" in _operands(text):
            raise Unfit(f"herd has no {text!r}, or it is no straight-line code of general registers")
        if text != "nop":
            yield text.upper().replace("#0X", "#0x")
        address += 4


def _operands(text: str) -> list[str]:
    return re.findall(r"[a-z]+\d*", text)[1:]


def _locations(case: Case, threads: list[list[str]]) -> dict[int, str]:
    """Address -> name of the locations that base registers point to."""
    found = set[int]()
    for state, thread in zip(case.states, threads, strict=True):
        for line in thread:
            for inside in _BASE.findall(line):
                base = inside.split(",")[0].strip().lower()
                if "," in inside:
                    raise Unfit(f"an access has an offset: {line}")
                address = state.general.x.get(int(base[1:]), 0)
                if address % 8 or not DATA_REGION[0] <= address < sum(DATA_REGION):
                    raise Unfit(f"{base} does not hold the address of eight aligned bytes of the data region")
                found.add(address)
    if not found:
        raise Unfit("it accesses no memory")
    return dict(zip(sorted(found), ("x", "y", "z", *(f"l{index}" for index in range(64))), strict=False))


def _used(state: State, thread: list[str]) -> Iterator[tuple[int, int]]:
    """The registers that a thread names and that are not zero."""
    named = {int(number) for line in thread for _, number in _REGISTER.findall(line.lower())}
    yield from ((index, value) for index, value in sorted(state.general.x.items()) if index in named)


def _value(value: int, locations: dict[int, str]) -> str:
    return locations.get(value, f"0x{value:x}")


def _initial(case: Case, address: int) -> int:
    data = bytearray(8)
    for region in case.regions:
        for start, text in region.contents:
            for index, byte in enumerate(bytes.fromhex(text)):
                if 0 <= region.address + start + index - address < 8:
                    data[region.address + start + index - address] = byte
    return int.from_bytes(data, "little")


def _columns(threads: list[list[str]]) -> list[str]:
    width = max(len(line) for thread in threads for line in thread) + 1
    rows = [[f"P{number}" for number in range(len(threads))]]
    rows += [
        [thread[index] if index < len(thread) else "" for thread in threads] for index in range(max(map(len, threads)))
    ]
    return [" " + "|".join(f" {cell:{width}}" for cell in row) + ";" for row in rows]


def _condition(case: Case, one: Permitted, locations: dict[int, str], threads: list[list[str]]) -> str:
    if any(ended.kind not in (ExitKind.UNTIL, ExitKind.BUDGET) for ended in one.outcome.exits):
        raise Unfit("it ends with an exception")
    parts = list[str]()
    for number, (state, thread) in enumerate(zip(one.outcome.states, threads, strict=True)):
        written = {int(n) for line in thread for _, n in _REGISTER.findall(line.lower())}
        unknown = one.unknown.registers[number] if one.unknown.registers else {}
        for index in sorted(written):
            if not unknown.get(f"x{index}"):
                parts.append(f"{number}:X{index}={_value(state.general.x.get(index, 0), locations)}")
    memory = {address: bytearray(_initial(case, address).to_bytes(8, "little")) for address in locations}
    for change in one.outcome.memory:
        for index, byte in enumerate(bytes.fromhex(change.bytes)):
            where = change.address + index
            if where & ~7 not in memory:
                raise Unfit(f"it writes memory at {where:#x}, which no register names")
            memory[where & ~7][where % 8] = byte
    if not (one.unknown.memory or one.unknown.all_memory):
        parts += [f"{locations[a]}=0x{int.from_bytes(data, 'little'):x}" for a, data in memory.items()]
    return " /\\ ".join(parts)


def _name(threads: list[list[str]]) -> str:
    return re.sub(r"[^\w+]+", "-", "+".join(thread[0].split()[0] for thread in threads if thread)) or "assay64"
