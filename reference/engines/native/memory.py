"""Guest memory in generated code: the software TLB in front, and behind it translation, permissions, faults, monitors,
and code that is written to.

What is unusual (an access that crosses into a page that faults, a store-exclusive that does not pass) is left to
golden, which executes the whole instruction again. So no register that an instruction reads may change before its last
access.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assay64.reference.engines.native import layout
from assay64.reference.engines.native.emitter import HANDLER_CC, LIKELY, UNLIKELY, Function
from assay64.reference.engines.native.instruments import any_watched
from assay64.reference.engines.native.layout import CONTEXT, PAGES, RECORD_SIZE, REGION, SPACE, STORE
from assay64.reference.pseudocode.processor import AccessDescriptor

# How an access is made. The first two are the permissions that it needs, as a region has them.
READ, WRITE, EXCLUSIVE, ATOMIC, ORDERED = layout.READ, layout.WRITE, 4, 8, 16
_PAGE = 4096
# The tag of an entry of a TLB that holds nothing: no page, and no remainder of an address that is not aligned.
EMPTY_TAG = 0x800


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


_ACCESS = "ptr %s, i64 %tagged, i64 %size, i32 %flags"


# --- in handlers


def address_of(out: Function, access: Access) -> str:
    """The host's address of a load, or of an atomic access. The handler is left when the access faults."""
    fast, slow, join = out.label(), out.label(), out.label()
    if access.flags & EXCLUSIVE:
        pointer = _slow(out, "exclusive_load", access)
        _leave_unless(out, pointer, access)
        return pointer
    addend = _probe(out, access, fast, slow)
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
    addend = _probe(out, access, fast, slow)
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


def _probe(out: Function, access: Access, fast: str, slow: str) -> str:
    """Go to ``fast`` when the TLB has the page and nothing speaks against the access; gives what makes its address the
    host's. One comparison: an access that crosses the page, or that must be aligned and is not, differs from the tag.
    """
    table = CONTEXT["write_tlb" if access.flags & WRITE else "read_tlb"]
    if access.flags & (ATOMIC | ORDERED):
        wanted = out.binary("and", "i64", access.address, -_PAGE | access.size - 1)
    elif access.size > 1:
        wanted = out.binary("and", "i64", out.binary("add", "i64", access.address, access.size - 1), -_PAGE)
    else:
        wanted = out.binary("and", "i64", access.address, -_PAGE)
    index = out.binary("and", "i64", out.binary("lshr", "i64", access.address, 8), (1 << layout.TLB_BITS) - 1 << 4)
    entry = out.offset("%s", out.binary("add", "i64", index, table))
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


# --- the runtime


def functions() -> Iterator[Function]:
    """The functions behind the TLB."""
    yield _load_address()
    for size in (1, 2, 4, 8, 16):
        yield _store(size)
    yield _untagged()
    yield _find_region()
    yield _abort()
    yield _leave_to_golden()
    yield _checked()
    yield _slow_load()
    yield _prepare_write()
    yield _forget_words()
    yield _log_store()
    yield _slow_store()
    yield _slow_atomic()
    yield _exclusive_load()
    yield _store_exclusive()
    yield _zero_block()
    yield _permits("readable", READ)
    yield _permits("guarded", layout.GUARDED)


def _load_address() -> Function:
    """The host's address of a load that need not be aligned, or null."""
    f = Function("load_address", "ptr", _ACCESS)
    last = f.binary("add", "i64", "%tagged", f.binary("sub", "i64", "%size", 1))
    index = f.binary("and", "i64", f.binary("lshr", "i64", "%tagged", 8), (1 << layout.TLB_BITS) - 1 << 4)
    entry = f.offset("%s", f.binary("add", "i64", index, CONTEXT["read_tlb"]))
    with f.when(f.compare("eq", "i64", f.load("i64", entry), f.binary("and", "i64", last, -_PAGE)), LIKELY):
        f.ret("ptr", f.value(f"getelementptr i8, ptr {f.field('ptr', entry, 8)}, i64 %tagged"))
    f.ret("ptr", f.call("ptr", "@slow_load", "ptr %s, i64 %tagged, i64 %size, i32 %flags"))
    return f


def _store(size: int) -> Function:
    """A store that need not be aligned. Not null when it is done."""
    kind = f"i{8 * size}"
    f = Function(f"store_{kind}", "ptr", f"ptr %s, i64 %tagged, {kind} %value, i32 %flags")
    fast, slow = f.label(), f.label()
    addend = _probe(f, Access("%tagged", size, WRITE), fast, slow)
    f.place(fast)
    f.store(kind, "%value", f.value(f"getelementptr i8, ptr {addend}, i64 %tagged"), ", align 1")
    f.ret("ptr", "%s")
    f.place(slow)
    f.store(kind, "%value", f.offset("%s", CONTEXT["value"]))
    f.ret("ptr", f.call("ptr", "@slow_store", f"ptr %s, i64 %tagged, i64 {size}, i32 %flags"))
    return f


def _untagged() -> Function:
    """An address without its tag, where the top byte is ignored."""
    f = Function("untagged", "i64", "ptr %s, i64 %va")
    with f.when(f.compare("eq", "i8", f.field("i8", "%s", CONTEXT["top_byte_ignore"]), 0)):
        f.ret("i64", "%va")
    low = f.binary("and", "i64", "%va", (1 << 56) - 1)
    high = f.binary("or", "i64", low, -1 << 56)
    upper = f.compare("ne", "i64", f.binary("and", "i64", low, 1 << 55), 0)
    f.ret("i64", f.select(upper, "i64", high, low))
    return f


def _find_region() -> Function:
    """The region that holds an address, or null."""
    f = Function("find_region", "ptr", "ptr %s, i64 %va")
    space = f.field("ptr", "%s", CONTEXT["space"])
    regions = f.field("ptr", space, SPACE["regions"])
    count = f.field("i64", space, SPACE["region_count"])
    with f.count_up(count) as (index, _):
        region = f.offset(regions, f.binary("mul", "i64", index, REGION.size))
        distance = f.binary("sub", "i64", "%va", f.field("i64", region, REGION["start"]))
        size = f.binary("sub", "i64", f.field("i64", region, REGION["end"]), f.field("i64", region, REGION["start"]))
        with f.when(f.compare("ult", "i64", distance, size)):
            f.ret("ptr", region)
    f.ret("ptr", "null")
    return f


def _abort() -> Function:
    """Prepare the exit with a data abort. Gives null, for the caller to return."""
    f = Function("abort_access", "ptr", "ptr %s, i64 %va, i8 %fault, i8 %write")
    f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_DATA_ABORT)
    f.set_field("i8", "%s", CONTEXT["fault"], "%fault")
    f.set_field("i8", "%s", CONTEXT["access"], "%write")
    f.set_field("i64", "%s", CONTEXT["address"], "%va")
    f.ret("ptr", "null")
    return f


def _leave_to_golden() -> Function:
    f = Function("leave_to_golden", "ptr", "ptr %s")
    f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_GOLDEN)
    f.ret("ptr", "null")
    return f


def _golden(f: Function) -> None:
    f.ret("ptr", f.call("ptr", "@leave_to_golden", "ptr %s"))


def _checked() -> Function:
    """The host's address of an access after all checks of AArch64.UnalignedAccessFaults, translation and permission;
    null when the exit is prepared; the context itself when the access crosses into another region.
    """
    f = Function("checked", "ptr", "ptr %s, i64 %tagged, i64 %va, i64 %size, i32 %flags")
    with f.when(any_watched(f, "%va", "%size"), UNLIKELY):
        _golden(f)
    need = f.cast("trunc", "i32", f.binary("and", "i32", "%flags", READ | WRITE), "i8")
    writes = f.cast("trunc", "i32", f.binary("lshr", "i32", f.binary("and", "i32", "%flags", WRITE), 1), "i8")
    low = f.binary("and", "i64", "%va", f.binary("sub", "i64", "%size", 1))
    misaligned = f.compare("ne", "i64", low, 0)
    atomic = f.compare("ne", "i32", f.binary("and", "i32", "%flags", ATOMIC), 0)
    reported = f.select(atomic, "i8", 0, writes)
    with f.when(misaligned, UNLIKELY):
        strict = f.compare("ne", "i8", f.field("i8", "%s", CONTEXT["strict"]), 0)
        lse2 = f.compare("ne", "i8", f.field("i8", "%s", CONTEXT["lse2"]), 0)
        naa = f.compare("ne", "i8", f.field("i8", "%s", CONTEXT["naa"]), 0)
        within = f.binary("add", "i64", f.binary("and", "i64", "%va", 15), "%size")
        beyond = f.compare("ugt", "i64", within, 16)
        crosses = f.binary("or", "i1", f.binary("xor", "i1", lse2, 1), beyond)
        single = f.compare("ne", "i32", f.binary("and", "i32", "%flags", EXCLUSIVE | ATOMIC), 0)
        ordered = f.compare("ne", "i32", f.binary("and", "i32", "%flags", ORDERED), 0)
        allowed = f.binary("and", "i1", lse2, naa)
        ordered = f.binary("and", "i1", ordered, f.binary("xor", "i1", allowed, 1))
        faults = f.binary("and", "i1", crosses, f.binary("or", "i1", single, ordered))
        with f.when(f.binary("or", "i1", strict, faults)):
            given = f"ptr %s, i64 %tagged, i8 {layout.FAULT_ALIGNMENT}, i8 {reported}"
            f.ret("ptr", f.call("ptr", "@abort_access", given))
    region = f.call("ptr", "@find_region", "ptr %s, i64 %va")
    with f.when(f.compare("eq", "ptr", region, "null"), UNLIKELY):
        given = f"ptr %s, i64 %tagged, i8 {layout.FAULT_TRANSLATION}, i8 {reported}"
        f.ret("ptr", f.call("ptr", "@abort_access", given))
    flags = f.cast("trunc", "i64", f.field("i64", region, REGION["flags"]), "i8")
    with f.when(f.compare("ne", "i8", f.binary("and", "i8", flags, need), need), UNLIKELY):
        # Of an atomic access a write is reported only where a read would not have faulted.
        readable = f.binary("and", "i8", flags, READ)
        given = f"ptr %s, i64 %tagged, i8 {layout.FAULT_PERMISSION}, i8 {f.select(atomic, 'i8', readable, writes)}"
        f.ret("ptr", f.call("ptr", "@abort_access", given))
    last = f.binary("add", "i64", "%va", f.binary("sub", "i64", "%size", 1))
    end = f.field("i64", region, REGION["end"])
    inside = f.compare("ult", "i64", f.binary("sub", "i64", last, "%va"), f.binary("sub", "i64", end, "%va"))
    # What a store must do before it writes it does page by page.
    pages = f.binary("lshr", "i64", f.binary("xor", "i64", last, "%va"), 12)
    parted = f.binary("and", "i1", f.compare("ne", "i64", pages, 0), f.cast("trunc", "i8", writes, "i1"))
    inside = f.binary("and", "i1", inside, f.binary("xor", "i1", parted, 1))
    with f.when(f.binary("xor", "i1", inside, 1), UNLIKELY):
        other = f.call("ptr", "@find_region", f"ptr %s, i64 {last}")
        with f.when(f.compare("eq", "ptr", other, "null")):
            _golden(f)
        more = f.cast("trunc", "i64", f.field("i64", other, REGION["flags"]), "i8")
        unusual = f.binary("and", "i8", f.binary("or", "i8", more, flags), layout.DEVICE)
        lacking = f.compare("ne", "i8", f.binary("and", "i8", more, need), need)
        with f.when(f.binary("or", "i1", lacking, f.compare("ne", "i8", unusual, 0))):
            _golden(f)
        f.ret("ptr", "%s")
    device = f.compare("ne", "i8", f.binary("and", "i8", flags, layout.DEVICE), 0)
    with f.when(device, UNLIKELY), f.when(misaligned):
        given = f"ptr %s, i64 %tagged, i8 {layout.FAULT_ALIGNMENT}, i8 {reported}"
        f.ret("ptr", f.call("ptr", "@abort_access", given))
    host = f.field("i64", region, REGION["host"])
    start = f.field("i64", region, REGION["start"])
    addend = f.binary("sub", "i64", host, start)
    plain = f.binary(
        "xor", "i1", f.binary("or", "i1", device, f.compare("ne", "i8", f.field("i8", "%s", CONTEXT["strict"]), 0)), 1
    )
    address = f.cast("inttoptr", "i64", f.binary("add", "i64", "%va", addend), "ptr")
    watched = any_watched(f, f.binary("and", "i64", "%va", -_PAGE), _PAGE)
    plain = f.binary("and", "i1", plain, f.binary("xor", "i1", watched, 1))
    with f.when(f.binary("and", "i1", plain, f.compare("eq", "i8", need, READ))):
        _fill(f, "read_tlb", addend)
    both = f.compare("eq", "i8", f.binary("and", "i8", flags, READ | WRITE), READ | WRITE)
    writing = f.compare("ne", "i8", f.binary("and", "i8", need, WRITE), 0)
    with f.when(writing):
        plain_write = f.binary("and", "i1", plain, both)
        kept = f.call("i1", "@prepare_write", f"ptr %s, i64 %va, ptr {address}, i64 %size")
        with f.when(f.binary("and", "i1", plain_write, kept)):
            _fill(f, "write_tlb", addend)
    f.ret("ptr", address)
    return f


def _fill(f: Function, table: str, addend: str) -> None:
    index = f.binary("and", "i64", f.binary("lshr", "i64", "%va", 8), (1 << layout.TLB_BITS) - 1 << 4)
    entry = f.offset("%s", f.binary("add", "i64", index, CONTEXT[table]))
    f.store("i64", f.binary("and", "i64", "%va", -_PAGE), entry)
    f.set_field("i64", entry, 8, addend)


def _count(f: Function, name: str) -> None:
    address = f.offset("%s", CONTEXT[name])
    f.store("i64", f.binary("add", "i64", f.load("i64", address), 1), address)


def _slow_load() -> Function:
    f = Function("slow_load", "ptr", _ACCESS)
    _count(f, "read_misses")
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    found = f.call("ptr", "@checked", f"ptr %s, i64 %tagged, i64 {va}, i64 %size, i32 %flags")
    with f.when(f.compare("ne", "ptr", found, "%s")):
        f.ret("ptr", found)
    buffer = f.offset("%s", CONTEXT["value"])
    with f.count_up("%size") as (index, _):
        f.store("i8", f.load("i8", _byte(f, va, index)), f.offset(buffer, index))
    f.ret("ptr", buffer)
    return f


def _byte(f: Function, va: str, index: str) -> str:
    """The host's address of a byte of an access that has been checked."""
    where = f.binary("add", "i64", va, index)
    region = f.call("ptr", "@find_region", f"ptr %s, i64 {where}")
    offset = f.binary("sub", "i64", where, f.field("i64", region, REGION["start"]))
    return f.cast("inttoptr", "i64", f.binary("add", "i64", f.field("i64", region, REGION["host"]), offset), "ptr")


def _slow_store() -> Function:
    """A store of the value in the context. Not null when it is done."""
    f = Function("slow_store", "ptr", _ACCESS)
    _count(f, "write_misses")
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    found = f.call("ptr", "@checked", f"ptr %s, i64 %tagged, i64 {va}, i64 %size, i32 %flags")
    with f.when(f.compare("eq", "ptr", found, "null")):
        f.ret("ptr", "null")
    buffer = f.offset("%s", CONTEXT["value"])
    with f.when(f.compare("eq", "ptr", found, "%s"), UNLIKELY):
        with f.count_up("%size") as (index, _):
            byte = _byte(f, va, index)
            where = f.binary("add", "i64", va, index)
            f.call("i1", "@prepare_write", f"ptr %s, i64 {where}, ptr {byte}, i64 1")
            f.store("i8", f.load("i8", f.offset(buffer, index)), byte)
        f.ret("ptr", "%s")
    _copy(f, found, buffer, "%size")
    f.ret("ptr", found)
    return f


def _copy(f: Function, to: str, source: str, size: str) -> None:
    f.intrinsic("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1", f"ptr {to}, ptr {source}, i64 {size}, i1 false")


def _slow_atomic() -> Function:
    f = Function("slow_atomic", "ptr", _ACCESS)
    _count(f, "write_misses")
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    found = f.call("ptr", "@checked", f"ptr %s, i64 %tagged, i64 {va}, i64 %size, i32 %flags")
    with f.when(f.compare("eq", "ptr", found, "%s"), UNLIKELY):
        _golden(f)
    f.ret("ptr", found)
    return f


def _exclusive_load() -> Function:
    """A load that marks its address in the local monitor and, for others' stores, its granules."""
    f = Function("exclusive_load", "ptr", _ACCESS)
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    found = f.call("ptr", "@checked", f"ptr %s, i64 %tagged, i64 {va}, i64 %size, i32 %flags")
    usual = f.binary("and", "i1", f.compare("ne", "ptr", found, "%s"), f.compare("ne", "ptr", found, "null"))
    with f.when(usual):
        f.set_field("i64", "%s", CONTEXT["monitor_size"], "%size")
        f.set_field("i64", "%s", CONTEXT["monitor_address"], va)
        page, first, last = _granules(f, found, "%size")
        f.set_field("i64", "%s", CONTEXT["monitor_page"], page)
        f.set_field("i32", "%s", CONTEXT["monitor_first"], first)
        f.set_field("i32", "%s", CONTEXT["monitor_last"], last)
        f.ret("ptr", found)
    with f.when(f.compare("eq", "ptr", found, "null")):
        f.ret("ptr", "null")
    _golden(f)
    return f


def _granules(f: Function, pointer: str, size: str) -> tuple[str, str, str]:
    """The host's page of an access, and the first and last granule in it. Granules are smaller than pages."""
    host = f.cast("ptrtoint", "ptr", pointer, "i64")
    offset = f.binary("and", "i64", host, _PAGE - 1)
    granule = f.field("i64", "%s", CONTEXT["granule"])
    first = f.binary("udiv", "i64", offset, granule)
    last = f.binary("udiv", "i64", f.binary("add", "i64", offset, f.binary("sub", "i64", size, 1)), granule)
    page = f.binary("sub", "i64", host, offset)
    return page, f.cast("trunc", "i64", first, "i32"), f.cast("trunc", "i64", last, "i32")


def _store_exclusive() -> Function:
    """A store-exclusive of the value in the context that passes. Otherwise golden executes it."""
    f = Function("store_exclusive", "i1", _ACCESS)
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    same = f.binary(
        "and",
        "i1",
        f.compare("eq", "i64", f.field("i64", "%s", CONTEXT["monitor_size"]), "%size"),
        f.compare("eq", "i64", f.field("i64", "%s", CONTEXT["monitor_address"]), va),
    )
    with f.when(same):
        found = f.call("ptr", "@checked", f"ptr %s, i64 %tagged, i64 {va}, i64 %size, i32 %flags")
        usual = f.binary("and", "i1", f.compare("ne", "ptr", found, "%s"), f.compare("ne", "ptr", found, "null"))
        with f.when(usual):
            _copy(f, found, f.offset("%s", CONTEXT["value"]), "%size")
            f.set_field("i64", "%s", CONTEXT["monitor_size"], 0)
            f.set_field("i8", "%s", CONTEXT["open"], 1)  # it may always fail
            f.ret("i1", 1)
    f.call("ptr", "@leave_to_golden", "ptr %s")
    f.ret("i1", 0)
    return f


def _zero_block() -> Function:
    """DC ZVA, where nothing is unusual."""
    f = Function("zero_block", "i1", "ptr %s, i64 %tagged")
    with f.when(
        f.compare("ne", "i64", f.field("i64", f.field("ptr", "%s", CONTEXT["space"]), SPACE["watch_count"]), 0)
    ):
        f.call("ptr", "@leave_to_golden", "ptr %s")
        f.ret("i1", 0)
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    size = f.field("i64", "%s", CONTEXT["zva_size"])
    start = f.binary("and", "i64", va, f.binary("sub", "i64", 0, size))
    region = f.call("ptr", "@find_region", f"ptr %s, i64 {va}")
    with f.when(f.compare("ne", "ptr", region, "null")):
        flags = f.binary("and", "i64", f.field("i64", region, REGION["flags"]), layout.WRITE | layout.DEVICE)
        with f.when(f.compare("eq", "i64", flags, layout.WRITE)):
            offset = f.binary("sub", "i64", start, f.field("i64", region, REGION["start"]))
            host = f.binary("add", "i64", f.field("i64", region, REGION["host"]), offset)
            block = f.cast("inttoptr", "i64", host, "ptr")
            f.call("i1", "@prepare_write", f"ptr %s, i64 {start}, ptr {block}, i64 {size}")
            f.intrinsic("llvm.memset.p0.i64", "void", "ptr, i8, i64, i1", f"ptr {block}, i8 0, i64 {size}, i1 false")
            f.ret("i1", 1)
    f.call("ptr", "@leave_to_golden", "ptr %s")
    f.ret("i1", 0)
    return f


def _permits(name: str, flag: int) -> Function:
    """Whether the region at an address has a flag."""
    f = Function(name, "i1", "ptr %s, i64 %tagged")
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    region = f.call("ptr", "@find_region", f"ptr %s, i64 {va}")
    with f.when(f.compare("ne", "ptr", region, "null")):
        f.ret("i1", f.compare("ne", "i64", f.binary("and", "i64", f.field("i64", region, REGION["flags"]), flag), 0))
    f.ret("i1", 0)
    return f


def _prepare_write() -> Function:
    """What must happen before bytes of one page are written: forget the code in them, clear other elements' monitors,
    note the store. Whether the next stores to the page may go through the TLB.
    """
    f = Function("prepare_write", "i1", "ptr %s, i64 %va, ptr %host, i64 %size")
    may = f.variable("i1", 1)
    space = f.field("ptr", "%s", CONTEXT["space"])
    count = f.field("i64", space, SPACE["element_count"])
    elements = f.field("ptr", space, SPACE["elements"])
    page, first, last = _granules(f, "%host", "%size")
    with f.count_up(count) as (index, _):
        element = f.load("ptr", f.offset(elements, f.binary("shl", "i64", index, 3)))
        with f.when(f.call("i1", "@forget_words", f"ptr {element}, ptr %host, i64 %size")):
            f.store("i1", 0, may)
        with f.when(f.compare("ne", "ptr", element, "%s")):
            f.store("i1", 0, may)
            held = f.compare("ne", "i64", f.field("i64", element, CONTEXT["monitor_size"]), 0)
            here = f.compare("eq", "i64", f.field("i64", element, CONTEXT["monitor_page"]), page)
            below = f.compare("ule", "i32", f.field("i32", element, CONTEXT["monitor_first"]), last)
            above = f.compare("ule", "i32", first, f.field("i32", element, CONTEXT["monitor_last"]))
            hit = f.binary("and", "i1", f.binary("and", "i1", held, here), f.binary("and", "i1", below, above))
            with f.when(hit):
                f.set_field("i64", element, CONTEXT["monitor_size"], 0)
    with f.when(f.compare("ne", "i8", f.field("i8", "%s", CONTEXT["recording"]), 0)):
        f.call("void", "@log_store", "ptr %s, i64 %va, ptr %host, i64 %size")
        f.store("i1", 0, may)
    f.ret("i1", f.load("i1", may))
    return f


def _forget_words() -> Function:
    """Make the records of these bytes be decoded again. Whether the page has any records."""
    f = Function("forget_words", "i1", "ptr %s, ptr %host, i64 %size")
    pages = f.field("ptr", "%s", CONTEXT["pages"])
    hosts, records = f.field("ptr", pages, PAGES["host"]), f.field("ptr", pages, PAGES["records"])
    offset = f.binary("and", "i64", f.cast("ptrtoint", "ptr", "%host", "i64"), _PAGE - 1)
    page = f.binary("sub", "i64", f.cast("ptrtoint", "ptr", "%host", "i64"), offset)
    found = f.variable("i1", 0)
    with f.count_up(f.field("i64", pages, PAGES["count"])) as (index, _):
        here = f.load("i64", f.offset(hosts, f.binary("shl", "i64", index, 3)))
        with f.when(f.compare("eq", "i64", here, page)):
            f.store("i1", 1, found)
            _count(f, "invalidated")
            first = f.binary("lshr", "i64", offset, 2)
            last = f.binary("lshr", "i64", f.binary("add", "i64", offset, f.binary("sub", "i64", "%size", 1)), 2)
            start = f.binary("mul", "i64", index, layout.RECORDS_PER_PAGE)
            number = f.variable("i64", f.binary("add", "i64", start, first))
            end = f.binary("add", "i64", start, last)
            with f.forever() as (_, after):
                current = f.load("i64", number)
                go = f.label()
                f.branch(f.compare("ule", "i64", current, end), go, after)
                f.place(go)
                f.store("ptr", "@h_decode", f.offset(records, f.binary("mul", "i64", current, RECORD_SIZE)))
                f.store("i64", f.binary("add", "i64", current, 1), number)
    f.ret("i1", f.load("i1", found))
    return f


def _log_store() -> Function:
    """Note a store in the log. When the log is full its count goes on: who reads it has to look everywhere."""
    f = Function("log_store", "void", "ptr %s, i64 %va, ptr %host, i64 %size")
    space = f.field("ptr", "%s", CONTEXT["space"])
    count = f.field("i64", space, SPACE["log_count"])
    f.set_field("i64", space, SPACE["log_count"], f.binary("add", "i64", count, 1))
    with f.when(f.compare("ult", "i64", count, f.field("i64", space, SPACE["log_limit"]))):
        entry = f.offset(f.field("ptr", space, SPACE["log"]), f.binary("mul", "i64", count, STORE.size))
        f.set_field("i64", entry, STORE["address"], "%va")
        f.set_field("ptr", entry, STORE["host"], "%host")
        f.set_field("i64", entry, STORE["size"], "%size")
    f.ret()
    return f
