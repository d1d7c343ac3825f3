"""What the sentences of authoring.py say, as data, and the parts of a Case that they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from assay64.harness.cases.case import DATA_REGION, DEFAULT_REGIONS, STACK_POINTER, Case, Region, Run
from assay64.harness.cases.layout import pack_state, unpack_state
from assay64.harness.cases.outcome import Exit, ExitKind, MemoryChange, Outcome, Permitted, Unknown
from assay64.harness.cases.state import State
from assay64.harness.errors import UsageError

FLAGS: Mapping[str, int] = {"N": 8, "Z": 4, "C": 2, "V": 1}


@dataclass(frozen=True)
class Given:
    """One vCPU's registers and the memory before the run; made by ``given``."""

    registers: Mapping[str, int]
    memory: tuple[tuple[int, bytes], ...] = ()
    fill: int | None = None


@dataclass(frozen=True)
class ExpectedExit:
    """An exit, and the names of its fields that are not compared."""

    exit: Exit
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True)
class UnknownParts:
    """Registers (with the mask of their unknown bits) and memory that Arm leaves UNKNOWN."""

    registers: Mapping[str, int] = field(default_factory=dict[str, int])
    memory: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Expect:
    """One permitted outcome, as what it changes; made by ``expect``."""

    registers: Mapping[str, int]
    exits: tuple[ExpectedExit, ...]
    memory: tuple[tuple[int, bytes], ...] = ()
    unknown: tuple[UnknownParts, ...] = ()
    others: tuple[Expect, ...] = ()


@dataclass(frozen=True)
class Permit:
    """Several outcomes, each of which Arm permits; made by ``permit``."""

    outcomes: tuple[Expect, ...]


def state_of(given: Given) -> State:
    """The registers before the run."""
    return State.of(**_registers(given.registers, {}))


def _registers(changed: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """``before`` with what ``changed`` says; flags become nzcv, each one on its own."""
    merged = {**before, **{name: value for name, value in changed.items() if name not in FLAGS}}
    for name, bit in FLAGS.items():
        if name in changed:
            merged["nzcv"] = merged.get("nzcv", 0) & ~bit | (bit if changed[name] else 0)
    return merged


def regions_of(added: Sequence[Region], states: Sequence[Given]) -> tuple[Region, ...]:
    """The default regions and those ``added``, which replace what they overlap, with the memory that is given.

    Raises UsageError for memory in no region.
    """

    def overlaps(one: Region, other: Region) -> bool:
        return one.address < other.address + other.size and other.address < one.address + one.size

    regions = [region for region in DEFAULT_REGIONS if not any(overlaps(region, other) for other in added)]
    regions += added
    for state in states:
        if state.fill is not None:
            index = next((i for i, region in enumerate(regions) if region.address == DATA_REGION[0]), None)
            if index is None:
                raise UsageError("fill seeds the default data region, which this case replaces: give its Region a fill")
            regions[index] = msgspec.structs.replace(regions[index], fill=state.fill)
        for address, data in state.memory:
            index = next((i for i, r in enumerate(regions) if r.address <= address < r.address + r.size), None)
            if index is None:
                raise UsageError(f"memory at {address:#x} lies in no region of the case")
            region = regions[index]
            contents = (*region.contents, (address - region.address, data.hex()))
            regions[index] = msgspec.structs.replace(region, contents=contents)
    return tuple(regions)


def permitted_of(plain: Case, wanted: Expect | Permit) -> Iterator[Permitted]:
    """Each outcome, complete: ``plain``'s states and what the outcome changes.

    Raises UsageError for more vCPUs than the case has, and for an exit that leaves the PC open.
    """
    for outcome in wanted.outcomes if isinstance(wanted, Permit) else (wanted,):
        expected = (outcome, *outcome.others)
        if len(expected) > len(plain.states):
            raise UsageError(f"{len(expected)} vCPUs are expected, {len(plain.states)} given")
        expected += (Expect({}, ()),) * (len(plain.states) - len(expected))
        states = tuple(_final(plain, index, one) for index, one in enumerate(expected))
        unknowns = tuple(_masks(one) for one in expected)
        yield Permitted(
            outcome=Outcome(
                exits=tuple(ending.exit for ending in outcome.exits),
                states=states,
                memory=tuple(
                    MemoryChange(address, data.hex()) for one in expected for address, data in sorted(one.memory)
                ),
            ),
            unknown=Unknown(
                registers=unknowns if any(unknowns) else (),
                memory=tuple(span for one in expected for part in one.unknown for span in part.memory),
                exit_fields=tuple(e.unknown for e in outcome.exits) if any(e.unknown for e in outcome.exits) else (),
            ),
        )


def _masks(outcome: Expect) -> dict[str, int]:
    masks: dict[str, int] = {}
    for part in outcome.unknown:
        for name, mask in part.registers.items():
            masks[name] = masks.get(name, 0) | mask
    return masks


def _final(plain: Case, vcpu: int, outcome: Expect) -> State:
    """The complete final state of a vCPU: as given, with what ``outcome`` changes."""
    before = dict(plain.states[vcpu].registers())
    after = _registers(outcome.registers, before)
    if "pc" not in outcome.registers:
        after["pc"] = _final_pc(plain, outcome)
    return unpack_state(pack_state(State.of(**after), pc=after["pc"], sp=STACK_POINTER, mode=plain.environment.mode))


def _final_pc(plain: Case, outcome: Expect) -> int:
    """Arm's preferred return address, where it follows from the exit (Arm ARM, D1.3.1)."""
    exit = outcome.exits[-1].exit if outcome.exits else Exit(kind=ExitKind.UNTIL)  # noqa: A001 - the field's word
    last = plain.actions[-1] if plain.actions else None
    match exit.kind:
        case ExitKind.UNTIL:
            until = last.until if isinstance(last, Run) else None
            return plain.end if until is None else until
        case ExitKind.SVC | ExitKind.HVC | ExitKind.SMC | ExitKind.WAIT:
            return plain.end
        case ExitKind.INSTRUCTION_ABORT:
            return exit.address
        case ExitKind.BUDGET | ExitKind.PC_ALIGNMENT | ExitKind.STOPPED | ExitKind.STEP:
            raise UsageError(f"expect: the exit {exit.kind} does not say where the PC ends: give pc=...")
        case _:
            return plain.end - 4
