"""Behind the software TLB: translation, permissions, alignment and their faults, and loads that miss.

Generated code; what a store must do besides is in writes.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from assay64.reference.engines.native import layout
from assay64.reference.engines.native.emitter import LIKELY, UNLIKELY, Function
from assay64.reference.engines.native.instruments import any_watched
from assay64.reference.engines.native.layout import CONTEXT, REGION, SPACE
from assay64.reference.engines.native.memory import ACCESS, ATOMIC, EXCLUSIVE, ORDERED, PAGE, READ, WRITE
from assay64.reference.engines.native.tables import tlb_entry


def functions() -> Iterator[Function]:
    yield _load_address()
    yield _untagged()
    yield _find_region()
    yield _abort()
    yield _leave_to_golden()
    yield _checked()
    yield _slow_load()
    yield _slow_atomic()
    yield _permits("readable", READ)
    yield _permits("guarded", layout.GUARDED)


def _load_address() -> Function:
    """The host's address of a load that need not be aligned, or null."""
    f = Function("load_address", "ptr", ACCESS)
    last = f.binary("add", "i64", "%tagged", f.binary("sub", "i64", "%size", 1))
    entry = tlb_entry(f, "read_tlb", "%tagged")
    with f.when(f.compare("eq", "i64", f.load("i64", entry), f.binary("and", "i64", last, -PAGE)), LIKELY):
        f.ret("ptr", f.value(f"getelementptr i8, ptr {f.field('ptr', entry, 8)}, i64 %tagged"))
    f.ret("ptr", f.call("ptr", "@slow_load", "ptr %s, i64 %tagged, i64 %size, i32 %flags"))
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


def golden(f: Function) -> None:
    f.ret("ptr", f.call("ptr", "@leave_to_golden", "ptr %s"))


def _checked() -> Function:
    """The host's address of an access after all checks of AArch64.UnalignedAccessFaults, translation and permission;
    null when the exit is prepared; the context itself when the access crosses into another region.
    """
    f = Function("checked", "ptr", "ptr %s, i64 %tagged, i64 %va, i64 %size, i32 %flags")
    with f.when(any_watched(f, "%va", "%size"), UNLIKELY):
        golden(f)
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
    # What a store must do before it writes it does page by page; one that aborts leaves the other page's bytes UNKNOWN.
    last = f.binary("add", "i64", "%va", f.binary("sub", "i64", "%size", 1))
    pages = f.binary("lshr", "i64", f.binary("xor", "i64", last, "%va"), 12)
    parted = f.binary("and", "i1", f.compare("ne", "i64", pages, 0), f.cast("trunc", "i8", writes, "i1"))
    region = f.call("ptr", "@find_region", "ptr %s, i64 %va")
    with f.when(f.compare("eq", "ptr", region, "null"), UNLIKELY):
        with f.when(parted):
            golden(f)
        given = f"ptr %s, i64 %tagged, i8 {layout.FAULT_TRANSLATION}, i8 {reported}"
        f.ret("ptr", f.call("ptr", "@abort_access", given))
    flags = f.cast("trunc", "i64", f.field("i64", region, REGION["flags"]), "i8")
    device = f.compare("ne", "i8", f.binary("and", "i8", flags, layout.DEVICE), 0)
    with f.when(device, UNLIKELY), f.when(misaligned):
        given = f"ptr %s, i64 %tagged, i8 {layout.FAULT_ALIGNMENT}, i8 {reported}"
        f.ret("ptr", f.call("ptr", "@abort_access", given))
    with f.when(f.compare("ne", "i8", f.binary("and", "i8", flags, need), need), UNLIKELY):
        with f.when(parted):
            golden(f)
        # Of an atomic access a write is reported only where a read would not have faulted.
        readable = f.binary("and", "i8", flags, READ)
        given = f"ptr %s, i64 %tagged, i8 {layout.FAULT_PERMISSION}, i8 {f.select(atomic, 'i8', readable, writes)}"
        f.ret("ptr", f.call("ptr", "@abort_access", given))
    end = f.field("i64", region, REGION["end"])
    inside = f.compare("ult", "i64", f.binary("sub", "i64", last, "%va"), f.binary("sub", "i64", end, "%va"))
    inside = f.binary("and", "i1", inside, f.binary("xor", "i1", parted, 1))
    with f.when(f.binary("xor", "i1", inside, 1), UNLIKELY):
        other = f.call("ptr", "@find_region", f"ptr %s, i64 {last}")
        with f.when(f.compare("eq", "ptr", other, "null")):
            golden(f)
        more = f.cast("trunc", "i64", f.field("i64", other, REGION["flags"]), "i8")
        unusual = f.binary("and", "i8", f.binary("or", "i8", more, flags), layout.DEVICE)
        lacking = f.compare("ne", "i8", f.binary("and", "i8", more, need), need)
        with f.when(f.binary("or", "i1", lacking, f.compare("ne", "i8", unusual, 0))):
            golden(f)
        f.ret("ptr", "%s")
    host = f.field("i64", region, REGION["host"])
    start = f.field("i64", region, REGION["start"])
    addend = f.binary("sub", "i64", host, start)
    plain = f.binary(
        "xor", "i1", f.binary("or", "i1", device, f.compare("ne", "i8", f.field("i8", "%s", CONTEXT["strict"]), 0)), 1
    )
    address = f.cast("inttoptr", "i64", f.binary("add", "i64", "%va", addend), "ptr")
    watched = any_watched(f, f.binary("and", "i64", "%va", -PAGE), PAGE)
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
    entry = tlb_entry(f, table, "%va")
    f.store("i64", f.binary("and", "i64", "%va", -PAGE), entry)
    f.set_field("i64", entry, 8, addend)


def count_one(f: Function, name: str) -> None:
    address = f.offset("%s", CONTEXT[name])
    f.store("i64", f.binary("add", "i64", f.load("i64", address), 1), address)


def _slow_load() -> Function:
    f = Function("slow_load", "ptr", ACCESS)
    count_one(f, "read_misses")
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    found = f.call("ptr", "@checked", f"ptr %s, i64 %tagged, i64 {va}, i64 %size, i32 %flags")
    with f.when(f.compare("ne", "ptr", found, "%s")):
        f.ret("ptr", found)
    buffer = f.offset("%s", CONTEXT["value"])
    with f.count_up("%size") as (index, _):
        f.store("i8", f.load("i8", byte_address(f, va, index)), f.offset(buffer, index))
    f.ret("ptr", buffer)
    return f


def byte_address(f: Function, va: str, index: str) -> str:
    """The host's address of a byte of an access that has been checked."""
    where = f.binary("add", "i64", va, index)
    region = f.call("ptr", "@find_region", f"ptr %s, i64 {where}")
    offset = f.binary("sub", "i64", where, f.field("i64", region, REGION["start"]))
    return f.cast("inttoptr", "i64", f.binary("add", "i64", f.field("i64", region, REGION["host"]), offset), "ptr")


def _slow_atomic() -> Function:
    f = Function("slow_atomic", "ptr", ACCESS)
    count_one(f, "write_misses")
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    found = f.call("ptr", "@checked", f"ptr %s, i64 %tagged, i64 {va}, i64 %size, i32 %flags")
    with f.when(f.compare("eq", "ptr", found, "%s"), UNLIKELY):
        golden(f)
    f.ret("ptr", found)
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
