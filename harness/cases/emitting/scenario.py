"""What the forms for one program have in common: one vCPU, one run, plain memory; and what must be there afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import msgspec

from assay64.harness.cases.case import STACK_POINTER, Case, MemoryType, Region, Run
from assay64.harness.cases.disassembling import disassemble
from assay64.harness.cases.memory import fill_bytes
from assay64.harness.cases.outcome import ADDRESS_EXITS, Exit, ExitKind, Fault, Permitted
from assay64.harness.cases.state import MASK64, MASK128, State, locate

# How much of pseudo-random memory is kept around what a register points to.
NEAR_BYTES = 512
COMPARED = (*(f"x{index}" for index in range(31)), "sp", "nzcv", *(f"v{index}" for index in range(32)), "fpcr", "fpsr")
TOKEN_CHARACTERS = 400


class Unfit(Exception):
    """The form cannot express the case; the text says why."""


@dataclass(frozen=True)
class Ending:
    """One permitted outcome. ``registers`` are (name, value, mask of the bits that are compared), PC included;
    ``memory`` are (address, bytes) of what has changed, ``unknown`` (address, size) of what is not compared: all else
    must be as it was. ``fault`` and ``address`` are those of an abort, None where there is none or it is not compared.
    """

    exit: Exit
    registers: tuple[tuple[str, int, int], ...]
    memory: tuple[tuple[int, bytes], ...]
    unknown: tuple[tuple[int, int], ...]
    fault: Fault | None
    address: int | None

    def values(self) -> Iterator[tuple[str, int]]:
        """(name, value) of the registers that are not zero."""
        return ((name, value) for name, value, _ in self.registers if value)

    def loose(self) -> Iterator[tuple[str, int]]:
        """(name, bits that are not compared) of the registers that have such."""
        masks = {name: mask for name, _, mask in self.registers}
        for name in (*COMPARED, "pc"):
            whole = 15 if name == "nzcv" else MASK128 if name[0] == "v" else MASK64
            if bits := whole & ~masks.get(name, 0):
                yield name, bits


@dataclass(frozen=True)
class Scenario:
    """``given`` are the registers that are not zero; ``contents`` the memory that is not, in runs of bytes."""

    token: str
    model: str
    features: tuple[str, ...]
    code: tuple[int, ...]
    code_address: int
    until: int
    budget: int
    given: dict[str, int]
    regions: tuple[Region, ...]
    contents: tuple[tuple[int, bytes], ...]
    endings: tuple[Ending, ...]

    @property
    def free_page(self) -> int:
        """The address of 64 KiB where the case has no memory."""
        taken = [range(one.address, one.address + one.size) for one in self.regions]
        pages = (page << 16 for page in count(1))
        return next(page for page in pages if all(page + 0xFFFF < one.start or page >= one.stop for one in taken))

    def listing(self) -> Iterator[tuple[int, int, str]]:
        """(address, word, assembly) of the code."""
        for index, word in enumerate(self.code):
            address = self.code_address + 4 * index
            yield address, word, disassemble(word, address)

    def heading(self) -> list[str]:
        """Lines for a comment: what this is and how to see it again."""
        replay = f"assay64 replay '{self.token}'"
        cpu = " with ".join((self.model, *([", ".join(self.features)] if self.features else [])))
        lines = ["; ".join(text for _, _, text in self.listing()), f"What Arm permits on a CPU like {cpu}."]
        return lines + ([replay] if len(replay) <= TOKEN_CHARACTERS else ["emitted by assay64 replay --emit"])

    @property
    def unicorn_cpu(self) -> str:
        """Unicorn's model: an instruction that the CPU lacks has to be UNDEFINED there, too."""
        return "UC_CPU_ARM64_A57" if self.model == "cortex-a57" else "UC_CPU_ARM64_MAX"

    @property
    def name(self) -> str:
        """A name for a test: letters, digits and underscores."""
        return re.sub(r"\W+", "_", "_".join(text for _, _, text in self.listing()))[:60].strip("_")

    def only(self, *kinds: ExitKind) -> None:
        """Raises Unfit when an outcome ends otherwise."""
        for ending in self.endings:
            if ending.exit.kind not in kinds:
                raise Unfit(f"it ends with {ending.exit}, and the form knows {', '.join(kinds)}")

    def without(self, *registers: str) -> None:
        """Raises Unfit when one of these registers has a value at the beginning."""
        for name in registers:
            if self.given.get(name):
                raise Unfit(f"it sets {name}")


def scenario(case: Case, permitted: Sequence[Permitted], token: str) -> Scenario:
    """The case as one program. Raises Unfit when it is more than that."""
    if len(case.states) != 1 or len(case.actions) != 1 or not isinstance(case.actions[0], Run):
        raise Unfit("it is a script for several vCPUs or of several actions")
    if "exit" in case.observe.ignore:
        raise Unfit("it does not ask how it ends")
    if case.environment.exception_level:
        raise Unfit("it runs at EL1")
    if unusual := case.environment.unusual:
        raise Unfit(f"its environment has another {', '.join(unusual)}")
    if any(
        region.memory_type is MemoryType.DEVICE or region.tagged or region.guarded or region.backing
        for region in case.regions
    ):
        raise Unfit("it has Device, tagged, guarded or aliased memory")
    run = case.actions[0]
    until = _until(case)
    given = dict(case.states[0].registers())
    given.setdefault("sp", STACK_POINTER)
    if given.pop("pc", case.code_address) != case.code_address:
        raise Unfit("it does not begin at the beginning of its code")
    return Scenario(
        token=token,
        model=case.environment.model,
        features=tuple(sorted(case.requires)),
        code=case.code,
        code_address=case.code_address,
        until=until,
        budget=run.budget,
        given=given,
        regions=case.regions,
        contents=tuple(_contents(case)),
        endings=tuple(_ending(one, case) for one in permitted),
    )


def _ending(one: Permitted, case: Case) -> Ending:
    ignored, unknown = set(case.observe.ignore), one.unknown
    ended, final = one.outcome.exits[0], dict(one.outcome.states[0].registers())
    loose = unknown.registers[0] if unknown.registers else {}
    registers = [(name, final.get(name, 0), _mask(name) & ~loose.get(name, 0)) for name in COMPARED]
    everywhere = unknown.all_memory or "memory" in ignored
    fields = {f"exit.{name}" for name in unknown.exit_fields[0]} if unknown.exit_fields else set[str]()
    fields |= ignored
    aborts = ended.kind in ADDRESS_EXITS
    return Ending(
        exit=ended,
        registers=(
            *((name, value & mask, mask) for name, value, mask in registers if mask and name not in ignored),
            ("pc", final["pc"], MASK64),
        ),
        memory=tuple((change.address, bytes.fromhex(change.bytes)) for change in one.outcome.memory),
        unknown=tuple((region.address, region.size) for region in case.regions) if everywhere else unknown.memory,
        fault=ended.fault if aborts and "exit.fault" not in fields and ended.fault is not Fault.UNKNOWN else None,
        address=ended.address if aborts and "exit.address" not in fields else None,
    )


def _mask(name: str) -> int:
    return MASK128 if name.startswith("v") else locate(name)[3]


def _contents(case: Case) -> Iterator[tuple[int, bytes]]:
    for region in case.regions:
        if region.fill is not None:
            yield from _runs(region.address, fill_bytes(region.fill, region.size))
        yield from ((region.address + start, bytes.fromhex(text)) for start, text in region.contents)


def _runs(address: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Rows of 16 bytes that are not all zero."""
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        if any(row):
            yield address + start, row


def without_fill(case: Case) -> Case:
    """``case`` with its pseudo-random memory cut to what lies near a register's value: 64 KiB are no reproducer.

    What it then comes to has to be asked again.
    """
    pointers = [value for state in case.states for _, value in _pointers(state)]
    regions = list[Region]()
    for region in case.regions:
        if region.fill is None:
            regions.append(region)
            continue
        data, kept = fill_bytes(region.fill, region.size), list[tuple[int, str]]()
        wanted = bytearray(region.size)
        for pointer in pointers:
            low, high = (
                min(max(pointer + side - region.address, 0), region.size) for side in (-NEAR_BYTES, NEAR_BYTES)
            )
            wanted[low:high] = bytes([1]) * (high - low)
        for match in re.finditer(rb"\x01+", bytes(wanted)):
            kept.append((match.start(), data[match.start() : match.end()].hex()))
        regions.append(msgspec.structs.replace(region, fill=None, contents=(*kept, *region.contents)))
    return msgspec.structs.replace(case, regions=tuple(regions))


def with_word_at_end(case: Case, word: int) -> Case:
    """``case`` with ``word`` in memory where its run ends; where no memory is, as it was."""
    end = _until(case) if len(case.actions) == 1 else -1
    regions = [
        msgspec.structs.replace(
            region, contents=(*region.contents, (end - region.address, word.to_bytes(4, "little").hex()))
        )
        if region.address <= end <= region.address + region.size - 4
        else region
        for region in case.regions
    ]
    return msgspec.structs.replace(case, regions=tuple(regions))


def _until(case: Case) -> int:
    run = case.actions[0]
    return case.end if not isinstance(run, Run) or run.until is None else run.until


def _pointers(state: State) -> Iterator[tuple[str, int]]:
    yield from ((name, value) for name, value in state.registers() if name[0] == "x")
    yield "sp", STACK_POINTER if state.general.sp is None else state.general.sp
