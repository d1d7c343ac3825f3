"""Memory as golden sees it: accesses in Arm's order of checks, faults, and the exclusive monitors of one element.

The pages are in memory.py; what an instruction does with an access is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from assay64.reference.bits import Bits, Constant, If, Unknown, bits, unknown_mask
from assay64.reference.engines.watching import WatchedRange
from assay64.reference.memory import PAGE_SIZE, AddressSpace, Page
from assay64.reference.models import Model
from assay64.reference.pseudocode.exceptions import DataAbort, FaultKind, Watchpoint
from assay64.reference.pseudocode.memory import AtomicResult, alignment_fault
from assay64.reference.pseudocode.processor import AccessDescriptor, Constraint, MemAtomicOp

MASK64 = (1 << 64) - 1

# Choices of the engine itself, where Arm leaves more than the instruction's own page says.
PERMITTED_BY_ENGINE: Mapping[str, tuple[Constraint, ...]] = {
    # B2.12.5: the monitor can be cleared at any time, so a store-exclusive may always fail.
    "EXCLUSIVE": (Constraint.TRUE, Constraint.FALSE),
    # AArch64.ExclusiveMonitorsPass: whether aborts are detected before the local monitor is checked.
    "EXCLUSIVE_ABORT": (Constraint.TRUE, Constraint.FALSE),
    # FAR of such an access: the first byte that faults, or the first byte of the access.
    "FAULT_ADDRESS": (Constraint.TRUE, Constraint.FALSE),
    # Whether the bytes of an unaligned access that lie in a second page, of Device memory, fault.
    "DEVPAGE2": (Constraint.NONE, Constraint.FAULT),
    # Whether an instruction cannot be fetched from Device memory.
    "INSTRDEVICE": (Constraint.NONE, Constraint.FAULT),
    # DCInstNeedsTranslation, ICInstNeedsTranslation: whether cache maintenance by address takes MMU faults.
    "CACHE_MAINTENANCE_FAULT": (Constraint.TRUE, Constraint.FALSE),
    # WFI and WFE may complete at once.
    "WAIT": (Constraint.FALSE, Constraint.TRUE),
    # What an access to an UNKNOWN address comes to: it completes, or it aborts.
    "UNKNOWN_ADDRESS": (Constraint.TRUE, Constraint.FALSE),
    # AArch64.TakeException: whether SPSR shows PSTATE.BTYPE or zero after an exception that is not about the fetch.
    "ZEROBTYPE": (Constraint.FALSE, Constraint.TRUE),
    # Whether a code that was not made for this pointer, modifier and key is right by chance.
    "PAC_COLLISION": (Constraint.FALSE, Constraint.TRUE),
}


class Chooser(Protocol):
    """Decides where Arm permits several behaviours.

    ``keeps_unknown``: UNKNOWN values are carried, not replaced by zero.
    """

    keeps_unknown: bool

    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint: ...


@dataclass
class ModelChooser:
    """Takes what the model says, else the first permitted behaviour."""

    model: Model
    keeps_unknown: bool = False

    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint:
        wanted = self.model.choices.get(name)
        return next((constraint for constraint in constraints if constraint.name == wanted), constraints[0])


@dataclass
class Controls:
    """The control registers and sizes around the code (Arm's names)."""

    SCTLR_EL1: int
    top_byte_ignore: bool = False
    address_bits: int = 48
    exclusives_granule: int = 64
    CPACR_EL1: int = 3 << 20
    CNTKCTL_EL1: int = 3
    PMUSERENR_EL0: int = 0
    # TDCC as Linux leaves it: the debug communications channel is not for EL0.
    MDSCR_EL1: int = 1 << 12
    dc_zva_size: int = 64
    cache_line_size: int = 64


class _Held(Enum):
    """How a store-exclusive relates to the load-exclusive before it: there is none, the same access, or another."""

    NONE = auto()
    SAME = auto()
    OTHER = auto()


@dataclass
class Reservation:
    """The local monitor: what a load-exclusive marked."""

    location: tuple[int, int]
    address: int
    size: int


@dataclass(frozen=True)
class MonitoredAccess:
    """The address and size in bytes of the load-exclusive that an element's monitors hold."""

    address: int
    size: int


@dataclass(kw_only=True)
class MemoryAccesses:
    """The part of a processing element that reaches memory. ``number`` tells the elements of one machine apart."""

    space: AddressSpace
    model: Model
    controls: Controls
    chooser: Chooser
    number: int = 0
    reservation: Reservation | None = None
    monitor_unknown: bool = False
    all_memory_unknown: bool = False
    address_unknown: bool = False
    # Of the access in progress: its address, and what an ignored tag adds to it.
    accessed: int = 0
    tag: int = 0
    watchpoints: tuple[WatchedRange, ...] = ()
    # While there are watchpoints: what the instruction in progress has overwritten, in order.
    overwritten: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    on_access: Callable[[int, int, bool], None] | None = None  # before each: address, size in bytes, whether it writes

    # --- choices

    def _choose(self, name: str) -> Constraint:
        return self.chooser.choose(name, PERMITTED_BY_ENGINE[name])

    def unknown(self, width: int) -> Bits:
        return Unknown(width, 0, (1 << width) - 1) if self.chooser.keeps_unknown else Constant(width, 0)

    # --- accesses

    def load(self, address: Bits, size: int, accdesc: AccessDescriptor) -> Bits:
        where = self._address(address, write=False)
        if where is None:
            return self.unknown(8 * size)
        self._check(where, size, accdesc)
        if self.watchpoints or self.on_access:
            self._notice(where, size, write=False)
        value = int.from_bytes(self.space.read(where, size), "little")
        if accdesc.exclusive:
            self.set_monitor(MonitoredAccess(where, size))
        unknown = self._unknown_bytes(where, size)
        return Unknown(8 * size, value, unknown) if unknown else Constant(8 * size, value)

    def store(self, address: Bits, size: int, accdesc: AccessDescriptor, value: Bits) -> None:
        where = self._address(address, write=True)
        if where is None:
            return
        self._check(where, size, accdesc)
        self._write(where, size, value)

    def _write(self, where: int, size: int, value: Bits) -> None:
        if self.watchpoints or self.on_access:
            self._notice(where, size, write=True)
        known = value.value if isinstance(value, Constant | Unknown) else int(value)
        self.space.write(where, known.to_bytes(size, "little"))
        unknown = unknown_mask(value)
        if unknown or self.space.unknown:
            for position in range(size):
                location = self.space.location(where + position & MASK64)
                if unknown >> 8 * position & 0xFF:
                    self.space.unknown.add(location)
                else:
                    self.space.unknown.discard(location)
        self._clear_other_reservations(where, size)

    def _notice(self, where: int, size: int, *, write: bool) -> None:
        if any(watched.meets(where, size, write=write) for watched in self.watchpoints):
            raise Watchpoint(bits(64, where), write)
        if self.watchpoints and write:
            self.overwritten.append((where, self.space.read(where, size)))
        if self.on_access:
            self.on_access(where, size, write)

    def atomic(
        self, address: Bits, size: int, accdesc: AccessDescriptor, operation: MemAtomicOp, operand: Bits
    ) -> Bits:
        old = self.load(address, size, accdesc)
        self._write_atomic(address, size, AtomicResult(operation, old, operand))
        return old

    def compare_and_swap(self, address: Bits, size: int, accdesc: AccessDescriptor, expected: Bits, new: Bits) -> Bits:
        old = self.load(address, size, accdesc)
        self._write_atomic(address, size, If(old == expected, new, old))
        return old

    def _write_atomic(self, address: Bits, size: int, value: Bits) -> None:
        """The second half of an atomic access: its load has checked everything."""
        if isinstance(address, Unknown):
            self.all_memory_unknown = True
        else:
            self._write(self.accessed, size, value)

    def zero_block(self, address: Bits) -> None:
        where = self._address(address, write=True)
        if where is None:
            return
        size, accdesc = self.controls.dc_zva_size, AccessDescriptor(read=False, write=True)
        page = self.space.page(where)
        fault = FaultKind.ALIGNMENT if page is not None and page.device else self._page_fault(page, accdesc)
        if fault is not None:
            raise self._abort(where, fault, accdesc)
        self._write(where & -size, size, Constant(8 * size, 0))

    def cache_maintenance(self, operation: str, address: Bits) -> None:
        where = self._address(address, write=False)
        fault = (
            None
            if where is None
            else self._page_fault(self.space.page(where), AccessDescriptor(read=True, write=False))
        )
        if where is None or fault is None or self._choose("CACHE_MAINTENANCE_FAULT") is Constraint.FALSE:
            return
        # Cache maintenance is reported as a write, whatever permission was missing.
        raise self._abort(where, fault, AccessDescriptor(read=False, write=True))

    def _clear_other_reservations(self, where: int, size: int) -> None:
        """A store clears the reservations of other observers on its granules."""
        granule = self.controls.exclusives_granule
        for owner, (buffer, first, last) in list(self.space.reservations.items()):
            (number, low), (_, high) = self.space.location(where), self.space.location(where + size - 1 & MASK64)
            if owner != self.number and buffer == number and first <= high // granule and low // granule <= last:
                del self.space.reservations[owner]

    def store_exclusive(self, address: Bits, size: int, accdesc: AccessDescriptor, value: Bits) -> Bits:
        if isinstance(address, Unknown) and self._reservation_for(0, 0) is _Held.NONE:
            # An open monitor does not pass, whatever the address; only its abort may come first.
            if self._choose("EXCLUSIVE_ABORT") is Constraint.FALSE:
                return bits(1, 1)
            self.address_unknown = True
            raise DataAbort(bits(64, 0), FaultKind.TRANSLATION, write=True)
        where = self._address(address, write=True)
        if where is None:
            self.clear_exclusive()
            return self.unknown(1)
        relation = self._reservation_for(where, size)
        passes = relation is _Held.SAME and self._choose("EXCLUSIVE") is Constraint.TRUE
        aborts = self._misaligned(where, size, accdesc) or self._fault(where, size, accdesc) is not None
        # When the monitors do not pass, it is IMPLEMENTATION DEFINED whether the access's abort is taken.
        if aborts and (passes or self._choose("EXCLUSIVE_ABORT") is Constraint.TRUE):
            self._check(where, size, accdesc)
        held = self.reservation
        self.clear_exclusive()
        if relation is _Held.OTHER:
            return self._mismatched(held, where, size)
        if not passes:
            return bits(1, 1)
        self._write(where, size, value)
        return bits(1, 0)

    def _reservation_for(self, where: int, size: int) -> _Held:
        held = self.reservation
        if self.monitor_unknown:
            return _Held.OTHER
        if held is None or self.number not in self.space.reservations:
            return _Held.NONE
        return _Held.SAME if (held.address, held.size) == (where, size) else _Held.OTHER

    def _mismatched(self, held: Reservation | None, where: int, size: int) -> Bits:
        """A store-exclusive to another address, or of another size, than the load-exclusive (Arm ARM B2.12.5).

        The status, the data at both addresses (of the larger size) and the monitors are UNKNOWN. A model fails it.
        """
        if not self.chooser.keeps_unknown:
            return bits(1, 1)
        largest = size if held is None or held.address != where else max(size, held.size)
        self.forget_bytes(where, largest)
        if held is not None and held.address != where:
            self.monitor_unknown = True
            self.forget_bytes(held.address, held.size)
        return self.unknown(1)

    def forget_bytes(self, where: int, size: int, *, writable: bool = False) -> None:
        for position in range(size):
            page = self.space.page(where + position & MASK64)
            if page is not None and (page.write or not writable):
                self.space.unknown.add(self.space.location(where + position & MASK64))

    def clear_exclusive(self) -> None:
        self.reservation = None
        self.monitor_unknown = False
        self.space.reservations.pop(self.number, None)

    def monitor(self) -> MonitoredAccess | None:
        """What the local and the global monitor hold for this element, if they agree."""
        held = self.reservation
        if held is None or self.number not in self.space.reservations:
            return None
        return MonitoredAccess(held.address, held.size)

    def set_monitor(self, held: MonitoredAccess | None) -> None:
        """Mark an access in the monitors, or clear them; they hold nothing where nothing is mapped."""
        self.clear_exclusive()
        if held is None or self.space.page(held.address) is None:
            return
        number, offset = location = self.space.location(held.address)
        self.reservation = Reservation(location, held.address, held.size)
        granule = self.controls.exclusives_granule
        self.space.reservations[self.number] = (number, offset // granule, (offset + held.size - 1) // granule)

    def prefetch(self, address: Bits, operation: Bits) -> None:
        pass  # a hint: it may be ignored, and it never faults

    def _address(self, address: Bits, *, write: bool) -> int | None:
        """The virtual address of an access, its tag removed when it is ignored; None when it is UNKNOWN and the access
        completes.
        """
        if isinstance(address, Unknown):
            if self._choose("UNKNOWN_ADDRESS") is Constraint.FALSE:
                self.address_unknown = True
                raise DataAbort(bits(64, 0), FaultKind.TRANSLATION, write)
            self.all_memory_unknown |= write
            return None
        where = self.untagged(int(address))
        self.tag, self.accessed = int(address) - where, where
        return where

    def _abort(self, address: int, fault: FaultKind, accdesc: AccessDescriptor) -> DataAbort:
        """The abort of the access in progress at ``address``: FAR holds the address with its tag, ignored or not."""
        write = accdesc.write
        if accdesc.atomic:
            # A write is reported only where a read would not have faulted.
            page = self.space.page(address)
            write = fault is FaultKind.PERMISSION and page is not None and page.read
        return DataAbort(bits(64, address + self.tag & MASK64), fault, write)

    def untagged(self, address: int) -> int:
        if not self.controls.top_byte_ignore:
            return address
        low = address & (1 << 56) - 1
        return low | 0xFF << 56 if address >> 55 & 1 else low

    def _unknown_bytes(self, where: int, size: int) -> int:
        if not self.space.unknown:
            return 0
        return sum(
            0xFF << 8 * position
            for position in range(size)
            if self.space.location(where + position & MASK64) in self.space.unknown
        )

    def _page_fault(self, page: Page | None, accdesc: AccessDescriptor) -> FaultKind | None:
        if page is None:
            return FaultKind.TRANSLATION
        if (accdesc.write and not page.write) or (accdesc.read and not page.read):
            return FaultKind.PERMISSION
        return None

    def _fault(self, where: int, size: int, accdesc: AccessDescriptor) -> tuple[int, FaultKind] | None:
        """The first byte of an access that faults, and how, when the access may be as misaligned as it is.

        AArch64.S1Translate: the alignment that Device memory demands comes after translation, before permission.
        """
        last = where + size - 1 & MASK64
        first = self.space.page(where)
        if first is not None and first.device and where % size:
            return where, FaultKind.ALIGNMENT
        if fault := self._page_fault(first, accdesc):
            return where, fault
        if not (last ^ where) >> 12:
            return None
        second, start = self.space.page(last), last & ~(PAGE_SIZE - 1)
        if second is not None and second.device and self._choose("DEVPAGE2") is Constraint.FAULT:
            return start, FaultKind.ALIGNMENT
        return (start, fault) if (fault := self._page_fault(second, accdesc)) else None

    def _misaligned(self, where: int, size: int, accdesc: AccessDescriptor) -> bool:
        strict, naa = bool(self.controls.SCTLR_EL1 >> 1 & 1), bool(self.controls.SCTLR_EL1 >> 6 & 1)
        lse2 = "FEAT_LSE2" in self.model.features
        return alignment_fault(where, size, accdesc, strict=strict, lse2=lse2, naa=naa)

    def _check(self, where: int, size: int, accdesc: AccessDescriptor) -> None:
        """Alignment, translation, permission, in Arm's order of priority."""
        if self._misaligned(where, size, accdesc):
            raise self._abort(where, FaultKind.ALIGNMENT, accdesc)
        if (found := self._fault(where, size, accdesc)) is not None:
            address, fault = found
            if accdesc.write and not accdesc.atomic and not accdesc.exclusive and found != (where, FaultKind.ALIGNMENT):
                self._store_part(where, size, accdesc, address)
            if address != where and self._choose("FAULT_ADDRESS") is Constraint.FALSE:
                address = where
            raise self._abort(address, fault, accdesc)

    def _store_part(self, where: int, size: int, accdesc: AccessDescriptor, faulting: int) -> None:
        """A store that aborts on one of two pages that it touches, at ``faulting``, leaves the other's bytes UNKNOWN.

        It is no single access, and locations without a fault are UNKNOWN after an abort (Arm ARM, definition of a
        precise exception). A model leaves them unchanged.
        """
        first = PAGE_SIZE - (where & PAGE_SIZE - 1)
        if first >= size or not self.chooser.keeps_unknown:
            return
        for start, count in ((where, first), (where + first & MASK64, size - first)):
            if start != faulting and self._page_fault(self.space.page(start), accdesc) is None:
                self.forget_bytes(start, count)
