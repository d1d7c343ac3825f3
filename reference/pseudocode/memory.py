"""Memory as instructions see it: ``Mem[address, size, accdesc]``, the access descriptors, and the exclusive monitors.

An access is one event for the engine, faults included: alignment, translation and permission are checked there, by
``alignment_fault`` below and the address space, so that a possible fault is not a branch of the definition.
"""

from __future__ import annotations

from dataclasses import replace

from assay64.reference.bits import Bits, If
from assay64.reference.pseudocode.processor import PE, AccessDescriptor, MemAtomicOp, MemOp


class _Mem:
    """Mem[address, size, accdesc]: ``size`` bytes (1 to 16), little-endian."""

    def __getitem__(self, key: tuple[Bits, int, AccessDescriptor]) -> Bits:
        return PE().load(*key)

    def __setitem__(self, key: tuple[Bits, int, AccessDescriptor], value: Bits) -> None:
        if value.width != 8 * key[1]:
            raise TypeError(f"{value.width} bits stored to {key[1]} bytes")
        PE().store(*key, value)


Mem = _Mem()


def CreateAccDescGPR(
    memop: MemOp, *, unprivileged: bool = False, nontemporal: bool = False, pair: bool = False
) -> AccessDescriptor:
    """An access by a load or store of general-purpose registers."""
    return AccessDescriptor(
        read=memop is MemOp.LOAD,
        write=memop is MemOp.STORE,
        unprivileged=unprivileged,
        nontemporal=nontemporal,
        pair=pair,
    )


def CreateAccDescASIMD(memop: MemOp, *, nontemporal: bool = False, pair: bool = False) -> AccessDescriptor:
    """An access by a load or store of SIMD&FP registers."""
    return AccessDescriptor(read=memop is MemOp.LOAD, write=memop is MemOp.STORE, nontemporal=nontemporal, pair=pair)


def CreateAccDescAcqRel(memop: MemOp) -> AccessDescriptor:
    """LDAR, STLR."""
    return AccessDescriptor(
        read=memop is MemOp.LOAD, write=memop is MemOp.STORE, acqsc=memop is MemOp.LOAD, relsc=memop is MemOp.STORE
    )


def CreateAccDescLDAcqPC() -> AccessDescriptor:
    """LDAPR, LDAPUR."""
    return AccessDescriptor(read=True, write=False, acqpc=True)


def CreateAccDescLOR(memop: MemOp) -> AccessDescriptor:
    """LDLAR, STLLR."""
    return replace(CreateAccDescAcqRel(memop), limited_ordered=True)


def CreateAccDescAtomicOp(acquire: bool, release: bool, *, pair: bool = False) -> AccessDescriptor:
    """A read and a write that nothing comes between."""
    return AccessDescriptor(read=True, write=True, atomic=True, acqsc=acquire, relsc=release, pair=pair)


def CreateAccDescExLDST(memop: MemOp, acqrel: bool, pair: bool) -> AccessDescriptor:
    """LDXR, STXR and their acquire, release and pair forms."""
    load = memop is MemOp.LOAD
    return AccessDescriptor(
        read=load, write=not load, exclusive=True, acqsc=acqrel and load, relsc=acqrel and not load, pair=pair
    )


def alignment_fault(
    address: int, size: int, accdesc: AccessDescriptor, *, strict: bool, lse2: bool = False, naa: bool = False
) -> bool:
    """AArch64.UnalignedAccessFaults: whether this access to ``address`` takes an alignment fault.

    ``strict`` is SCTLR_ELx.A and ``naa`` SCTLR_ELx.nAA; with ``lse2`` (FEAT_LSE2) an access within 16 aligned bytes
    need not be aligned. ``size`` is what must be aligned: the whole of a pair of exclusives, an element otherwise.
    """
    if address % size == 0:
        return False
    if strict:
        return True
    crosses = not lse2 or address % 16 + size > 16
    if accdesc.exclusive or accdesc.atomic:
        return crosses
    return accdesc.ordered and crosses and not (lse2 and naa)


def MemAtomic(address: Bits, size: int, accdesc: AccessDescriptor, operation: MemAtomicOp, operand: Bits) -> Bits:
    """Read memory and write AtomicResult of that and ``operand``, as one access. Returns what was read."""
    return PE().atomic(address, size, accdesc, operation, operand)


def MemAtomicCompareAndSwap(address: Bits, size: int, accdesc: AccessDescriptor, expected: Bits, new: Bits) -> Bits:
    """Read memory and write ``new`` if it held ``expected``, as one access. Returns what was read.

    It needs permission to write also when nothing is written.
    """
    return PE().compare_and_swap(address, size, accdesc, expected, new)


def AtomicResult(operation: MemAtomicOp, old: Bits, operand: Bits) -> Bits:
    """What MemAtomic writes."""
    match operation:
        case MemAtomicOp.ADD:
            return old + operand
        case MemAtomicOp.BIC:
            return old & ~operand
        case MemAtomicOp.EOR:
            return old ^ operand
        case MemAtomicOp.ORR:
            return old | operand
        case MemAtomicOp.SMAX:
            return If(old.signed_less(operand), operand, old)
        case MemAtomicOp.SMIN:
            return If(old.signed_less(operand), old, operand)
        case MemAtomicOp.UMAX:
            return If(old < operand, operand, old)
        case MemAtomicOp.UMIN:
            return If(old < operand, old, operand)
        case MemAtomicOp.SWP:
            return operand


def MemZero(address: Bits) -> None:
    """AArch64.MemZero: DC ZVA's store of zeros to the aligned block that holds ``address``."""
    PE().zero_block(address)


def CacheMaintenance(operation: str, address: Bits) -> None:
    """DC CVAC and its like, IC IVAU: no effect on values; whether ``address`` may fault is IMPLEMENTATION DEFINED."""
    PE().cache_maintenance(operation, address)


def StoreExclusive(address: Bits, size: int, accdesc: AccessDescriptor, value: Bits) -> Bits:
    """AArch64.ExclusiveMonitorsPass, the store and ExclusiveMonitorsStatus as one event: 0 when memory was written,
    else 1.
    """
    return PE().store_exclusive(address, size, accdesc, value)


def ClearExclusiveLocal() -> None:
    """Clear the local monitor of this PE."""
    PE().clear_exclusive()


def Prefetch(address: Bits, operation: Bits) -> None:
    """A hint that never faults."""
    PE().prefetch(address, operation)
