"""A case: everything that a run on a backend needs, as plain data. A single instruction is the case with one vCPU and
one run.

The types here are the file format, the token's contents and the journal's record. They know no backend and no judge.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise

import msgspec

from assay64.harness.cases.outcome import Permitted
from assay64.harness.cases.state import MASK64, State

CODE_ADDRESS = 0x1000_0000
CODE_REGION = 0x0FFF_0000, 0x2_0000
DATA_REGION = 0x2000_0000, 0x1_0000
STACK_POINTER = DATA_REGION[0] + DATA_REGION[1] // 2
REGION_ALIGNMENT = 0x1_0000
PAGE_SIZE = 0x1000

# What Linux gives a process at EL0: stack alignment checked, no strict alignment, cache maintenance, CTR_EL0, DC ZVA,
# WFE and WFI allowed (SA, SA0, DZE, UCT, nTWI, nTWE, UCI), with the MMU and the caches on; floating point not trapped.
SCTLR_EL1 = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 26
CPACR_EL1 = 3 << 20


class Environment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What surrounds the code: exception level, control registers, and the sizes that software can ask for.

    Sizes are in bytes; ``address_bits`` is the width of a canonical address (TCR_EL1.T0SZ = 64 - address_bits).
    """

    exception_level: int = 0
    sctlr_el1: int = SCTLR_EL1
    cpacr_el1: int = CPACR_EL1
    tcr_el1: int = 0
    cntkctl_el1: int = 3
    address_bits: int = 48
    top_byte_ignore: bool = False
    page_size: int = PAGE_SIZE
    dc_zva_size: int = 64
    cache_line_size: int = 64
    exclusives_granule: int = 64
    model: str = "cortex-a57"

    @property
    def unusual(self) -> tuple[str, ...]:
        """The names of what is not as it is by default, the model aside."""
        usual = Environment(model=self.model)
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) != getattr(usual, name))

    @property
    def mode(self) -> int:
        """PSTATE.M of the exception level: EL0t or EL1h."""
        return 5 if self.exception_level else 0

    def __post_init__(self) -> None:
        if self.exception_level not in (0, 1):
            raise ValueError(f"exception_level {self.exception_level}: cases run at EL0 or EL1")
        if self.page_size not in (0x1000, 0x4000, 0x10000):
            raise ValueError(f"page_size {self.page_size:#x}: pages have 4, 16 or 64 KiB")
        for name, lowest, highest in (
            ("dc_zva_size", 4, 2048),
            ("cache_line_size", 16, 2048),
            ("exclusives_granule", 16, 2048),
        ):
            size = getattr(self, name)
            if size & (size - 1) or not lowest <= size <= highest:
                raise ValueError(f"{name} {size}: a power of two from {lowest} to {highest} bytes")


class MemoryType(StrEnum):
    NORMAL = "normal"
    DEVICE = "device"


class Region(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A range of guest addresses over a piece of memory.

    ``address`` and ``size`` are in bytes and whole pages; regions are aligned to 64 KiB by default because hosts have
    pages of up to that size, and a smaller alignment needs a backend with smaller pages. Two regions with the same
    ``backing`` are aliases: ``offset`` says where in the backing they begin. ``permissions`` are letters of ``rwx`` at
    EL0; ``el1_permissions`` at EL1 (the same unless given). ``contents`` are (offset in the region, bytes in
    hexadecimal); the rest is zero, or the pseudo-random bytes that ``fill`` seeds.
    """

    address: int
    size: int
    permissions: str = "rw"
    el1_permissions: str | None = None
    backing: str | None = None
    offset: int = 0
    contents: tuple[tuple[int, str], ...] = ()
    fill: int | None = None
    memory_type: MemoryType = MemoryType.NORMAL
    guarded: bool = False
    tagged: bool = False

    def __post_init__(self) -> None:
        where = f"region at {self.address:#x}"
        if (
            self.size <= 0
            or self.address % PAGE_SIZE
            or self.size % PAGE_SIZE
            or self.offset % PAGE_SIZE
            or self.offset < 0
        ):
            raise ValueError(f"{where}: address, size and offset are whole pages of {PAGE_SIZE:#x} bytes")
        if self.address < 0 or self.address + self.size > MASK64 + 1:
            raise ValueError(f"{where}: it does not fit into 64 bits of address")
        for letters in (self.permissions, self.el1_permissions or ""):
            if set(letters) - set("rwx") or len(set(letters)) != len(letters):
                raise ValueError(f"{where}: permissions {letters!r} are made of the letters r, w and x")
        for start, data in self.contents:
            if not 0 <= start <= start + len(from_hex(data, where)) <= self.size:
                raise ValueError(f"{where}: contents at {start:#x} lie outside it")


def from_hex(text: str, where: str) -> bytes:
    """The bytes that ``text`` spells; ValueError names ``where`` when it is not hexadecimal."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{where}: {text[:20]!r} is not a row of hexadecimal bytes") from None


class Action(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="action"
):
    """One step of a case's script. The subclasses are all there are."""


class Run(Action, frozen=True, tag="run"):
    """Run a vCPU until it leaves by itself, reaches ``until``, or has executed ``budget`` instructions.

    ``until`` None is the first address behind the case's code.
    """

    vcpu: int = 0
    budget: int = 1000
    until: int | None = None

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise ValueError(f"budget {self.budget}: at least one instruction")


class Step(Action, frozen=True, tag="step"):
    """Execute one instruction by the backend's own single step."""

    vcpu: int = 0


class WriteMemory(Action, frozen=True, tag="write"):
    """Write bytes (hexadecimal) from outside, as a debugger or another device would."""

    address: int
    bytes: str

    def __post_init__(self) -> None:
        from_hex(self.bytes, f"write to {self.address:#x}")


class Protect(Action, frozen=True, tag="protect"):
    address: int
    size: int
    permissions: str


class Map(Action, frozen=True, tag="map"):
    region: Region


class Unmap(Action, frozen=True, tag="unmap"):
    address: int
    size: int


class Alias(Action, frozen=True, tag="alias"):
    """Map the memory of ``address`` a second time at ``at``."""

    address: int
    size: int
    at: int
    permissions: str = "rw"


class NotifyCode(Action, frozen=True, tag="notify_code"):
    """Tell the backend that code in this range may have changed."""

    address: int
    size: int


class SetBreakpoint(Action, frozen=True, tag="set_breakpoint"):
    address: int


class ClearBreakpoint(Action, frozen=True, tag="clear_breakpoint"):
    address: int


class SetWatchpoint(Action, frozen=True, tag="set_watchpoint"):
    address: int
    size: int = 8
    access: str = "rw"


class ClearWatchpoint(Action, frozen=True, tag="clear_watchpoint"):
    address: int


class StopRequest(Action, frozen=True, tag="stop_request"):
    """Run a vCPU and ask it to stop from another thread after ``delay_us`` microseconds."""

    vcpu: int = 0
    delay_us: int = 1000
    budget: int = 1 << 40


class Schedule(Action, frozen=True, tag="schedule"):
    """Interleave vCPUs: (vcpu, instructions) in turn. A vCPU that has left, or reached ``until``, is passed over."""

    turns: tuple[tuple[int, int], ...]
    until: int | None = None


class FreeRun(Action, frozen=True, tag="free_run"):
    """Run these vCPUs at once, each in a thread of its own, until each has left or spent ``budget`` instructions."""

    vcpus: tuple[int, ...]
    budget: int = 100_000
    until: int | None = None


AnyAction = (
    Run
    | Step
    | WriteMemory
    | Protect
    | Map
    | Unmap
    | Alias
    | NotifyCode
    | SetBreakpoint
    | ClearBreakpoint
    | SetWatchpoint
    | ClearWatchpoint
    | StopRequest
    | Schedule
    | FreeRun
)


class Observe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is compared.

    ``ignore`` names registers, or ``memory`` or ``exit.address``, that the case does not ask about.
    """

    ignore: tuple[str, ...] = ()


DEFAULT_REGIONS = (
    Region(address=CODE_REGION[0], size=CODE_REGION[1], permissions="rx"),
    Region(address=DATA_REGION[0], size=DATA_REGION[1], permissions="rw"),
)


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A script for one or several vCPUs. ``permitted`` None: the reference supplies what Arm permits.

    ``code`` are A64 words at ``code_address``; every vCPU starts there unless its state gives a PC. The regions' fill
    and contents are laid first, the code over them.
    """

    version: int = 1
    name: str = ""
    code: tuple[int, ...] = ()
    code_address: int = CODE_ADDRESS
    states: tuple[State, ...] = (State(),)
    regions: tuple[Region, ...] = DEFAULT_REGIONS
    environment: Environment = Environment()
    actions: tuple[AnyAction, ...] = (Run(),)
    observe: Observe = Observe()
    requires: tuple[str, ...] = ()
    permitted: tuple[Permitted, ...] | None = None

    def __post_init__(self) -> None:
        if self.version != 1:
            raise ValueError(f"version {self.version}: this assay64 reads version 1")
        if not self.states:
            raise ValueError("a case has at least one vCPU state")
        if any(not 0 <= word < 1 << 32 for word in self.code):
            raise ValueError("code words have 32 bits")
        if self.code_address % 4 or not 0 <= self.code_address <= MASK64:
            raise ValueError(f"code_address {self.code_address:#x}: a multiple of 4 in 64 bits")
        spans = sorted((region.address, region.address + region.size) for region in self.regions)
        for (_, end), (start, _) in pairwise(spans):
            if start < end:
                raise ValueError(f"regions overlap at {start:#x}")
        if self.code and not any(start <= self.code_address and self.end <= end for start, end in spans):
            raise ValueError(f"the code at {self.code_address:#x} ({len(self.code)} words) lies in no region")
        for action in self.actions:
            vcpus = {
                *([action.vcpu] if isinstance(action, Run | Step | StopRequest) else ()),
                *([vcpu for vcpu, _ in action.turns] if isinstance(action, Schedule) else ()),
                *(action.vcpus if isinstance(action, FreeRun) else ()),
            }
            if any(not 0 <= vcpu < len(self.states) for vcpu in vcpus):
                raise ValueError(f"an action names a vCPU that the case has no state for ({len(self.states)} given)")

    @property
    def end(self) -> int:
        """The first address behind the code: where a run without ``until`` stops."""
        return self.code_address + 4 * len(self.code)
