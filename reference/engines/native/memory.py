"""Guest memory in handlers: an access through the software TLB, or a call of what stands behind it (translation.py,
writes.py).

What is unusual (an access that crosses into a page that faults, a store-exclusive that does not pass) is left to
golden, which executes the whole instruction again. So no register that an instruction reads may change before its last
access.
"""

from __future__ import annotations

from dataclasses import dataclass

from assay64.reference.engines.native import layout
from assay64.reference.engines.native.emitter import HANDLER_CC, LIKELY, Function
from assay64.reference.engines.native.layout import CONTEXT
from assay64.reference.engines.native.tables import tlb_entry
from assay64.reference.pseudocode.processor import AccessDescriptor

# How an access is made. The first two are the permissions that it needs, as a region has them.
READ, WRITE, EXCLUSIVE, ATOMIC, ORDERED = layout.READ, layout.WRITE, 4, 8, 16
PAGE = 4096


def flags_of(accdesc: AccessDescriptor) -> int:
    return (
        accdesc.read * READ
        | accdesc.write * WRITE
        | accdesc.exclusive * EXCLUSIVE
        | accdesc.atomic * ATOMIC
        | accdesc.ordered * ORDERED
    )


@dataclass(frozen=True)
class Access:
    """An access of ``size`` bytes at the address that is the value ``address``; ``leave`` is where an abort goes."""

    address: str
    size: int
    flags: int
    leave: str = "exit_prepared"


ACCESS = "ptr %s, i64 %tagged, i64 %size, i32 %flags"


def address_of(out: Function, access: Access) -> str:
    """The host's address of a load, or of an atomic access. The handler is left when the access faults."""
    fast, slow, join = out.label(), out.label(), out.label()
    if access.flags & EXCLUSIVE:
        pointer = _slow(out, "exclusive_load", access)
        _leave_unless(out, pointer, access)
        return pointer
    addend = probe(out, access, fast, slow)
    out.place(fast)
    near = out.value(f"getelementptr i8, ptr {addend}, i64 {access.address}")
    out.jump(join)
    out.place(slow)
    far = _slow(out, "slow_atomic" if access.flags & WRITE else "slow_load", access)
    found = _leave_unless(out, far, access)
    out.jump(join)
    out.place(join)
    return out.value(f"phi ptr [ {near}, %{fast} ], [ {far}, %{found} ]")


def store_to(out: Function, access: Access, value: str) -> None:
    """A store, through the TLB or the slow path. The handler is left when it faults."""
    fast, slow, join, kind = out.label(), out.label(), out.label(), f"i{8 * access.size}"
    addend = probe(out, access, fast, slow)
    out.place(fast)
    out.store(kind, value, out.value(f"getelementptr i8, ptr {addend}, i64 {access.address}"), ", align 1")
    out.jump(join)
    out.place(slow)
    out.store(kind, value, out.offset("%s", CONTEXT["value"]))
    _leave_unless(out, _slow(out, "slow_store", access), access)
    out.jump(join)
    out.place(join)


def outlined_address_of(out: Function, access: Access) -> str:
    """``address_of`` as a call: for instructions of many accesses, whose code would be long."""
    pointer = _slow(out, "load_address", access)
    _leave_unless(out, pointer, access)
    return pointer


def outlined_store_to(out: Function, access: Access, value: str) -> None:
    kind = f"i{8 * access.size}"
    given = f"ptr %s, i64 {access.address}, {kind} {value}, i32 {access.flags}"
    _leave_unless(out, out.call("ptr", f"@store_{kind}", given), access)


def probe(out: Function, access: Access, fast: str, slow: str) -> str:
    """Go to ``fast`` when the TLB has the page and nothing speaks against the access; gives what makes its address the
    host's. One comparison: an access that crosses the page, or that must be aligned and is not, differs from the tag.
    """
    if access.flags & (ATOMIC | ORDERED):
        wanted = out.binary("and", "i64", access.address, -PAGE | access.size - 1)
    elif access.size > 1:
        wanted = out.binary("and", "i64", out.binary("add", "i64", access.address, access.size - 1), -PAGE)
    else:
        wanted = out.binary("and", "i64", access.address, -PAGE)
    entry = tlb_entry(out, "write_tlb" if access.flags & WRITE else "read_tlb", access.address)
    hit = out.compare("eq", "i64", out.load("i64", entry), wanted)
    addend = out.field("ptr", entry, 8)
    out.branch(hit, fast, slow, LIKELY)
    return addend


def _slow(out: Function, function: str, access: Access) -> str:
    return out.call("ptr", f"@{function}", f"ptr %s, i64 {access.address}, i64 {access.size}, i32 {access.flags}")


def _leave_unless(out: Function, pointer: str, access: Access) -> str:
    """Leave the handler when the pointer is null: the runtime has prepared the exit. Gives the block that goes on."""
    go, leave = out.label(), out.label()
    out.branch(out.compare("ne", "ptr", pointer, "null"), go, leave, LIKELY)
    out.place(leave)
    out.line(f"musttail call {HANDLER_CC} void @{access.leave}(ptr %s, ptr %op, i64 %k)")
    out.ret()
    out.place(go)
    return go
