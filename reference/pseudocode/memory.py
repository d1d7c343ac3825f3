"""Memory as instructions see it: ``Mem[address, size, accdesc]``, the access descriptors, and the exclusive monitors.

An access is one event for the engine, faults included: alignment, translation and permission are checked there, by
``alignment_fault`` below and the address space, so that a possible fault is not a branch of the definition.
"""

from __future__ import annotations

from assay64.reference.bits import Bits
from assay64.reference.pseudocode.processor import PE, AccessDescriptor, MemOp


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


def CreateAccDescAcqRel(memop: MemOp) -> AccessDescriptor:
    """LDAR, STLR."""
    return AccessDescriptor(
        read=memop is MemOp.LOAD, write=memop is MemOp.STORE, acqsc=memop is MemOp.LOAD, relsc=memop is MemOp.STORE
    )


def CreateAccDescExLDST(memop: MemOp, acqrel: bool, pair: bool) -> AccessDescriptor:
    """LDXR, STXR and their acquire, release and pair forms."""
    load = memop is MemOp.LOAD
    return AccessDescriptor(
        read=load, write=not load, exclusive=True, acqsc=acqrel and load, relsc=acqrel and not load, pair=pair
    )


def alignment_fault(address: int, size: int, accdesc: AccessDescriptor, *, strict: bool) -> bool:
    """AArch64.UnalignedAccessFaults without FEAT_LSE2: whether this access to ``address`` takes an alignment fault.

    ``strict`` is SCTLR_ELx.A. ``size`` is what must be aligned: the whole of a pair of exclusives, an element
    otherwise.
    """
    if address % size == 0:
        return False
    return strict or accdesc.exclusive or accdesc.atomic or accdesc.ordered


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
