"""Stores that do not go through the software TLB, and what must happen before bytes are written: code in them is
forgotten, other elements' monitors are cleared, a batch notes the store. The exclusives are here for their monitors.

Generated code.
"""

from __future__ import annotations

from collections.abc import Iterator

from assay64.reference.engines.native import layout
from assay64.reference.engines.native.emitter import UNLIKELY, Function
from assay64.reference.engines.native.layout import CONTEXT, PAGES, RECORD_SIZE, REGION, SPACE, STORE
from assay64.reference.engines.native.memory import ACCESS, PAGE, WRITE, Access, probe
from assay64.reference.engines.native.translation import byte_address, count_one, golden


def functions() -> Iterator[Function]:
    for size in (1, 2, 4, 8, 16):
        yield _store(size)
    yield _prepare_write()
    yield _forget_words()
    yield _log_store()
    yield _slow_store()
    yield _exclusive_load()
    yield _store_exclusive()
    yield _zero_block()


def _store(size: int) -> Function:
    """A store that need not be aligned. Not null when it is done."""
    kind = f"i{8 * size}"
    f = Function(f"store_{kind}", "ptr", f"ptr %s, i64 %tagged, {kind} %value, i32 %flags")
    fast, slow = f.label(), f.label()
    addend = probe(f, Access("%tagged", size, WRITE), fast, slow)
    f.place(fast)
    f.store(kind, "%value", f.value(f"getelementptr i8, ptr {addend}, i64 %tagged"), ", align 1")
    f.ret("ptr", "%s")
    f.place(slow)
    f.store(kind, "%value", f.offset("%s", CONTEXT["value"]))
    f.ret("ptr", f.call("ptr", "@slow_store", f"ptr %s, i64 %tagged, i64 {size}, i32 %flags"))
    return f


def _slow_store() -> Function:
    """A store of the value in the context. Not null when it is done."""
    f = Function("slow_store", "ptr", ACCESS)
    count_one(f, "write_misses")
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    found = f.call("ptr", "@checked", f"ptr %s, i64 %tagged, i64 {va}, i64 %size, i32 %flags")
    with f.when(f.compare("eq", "ptr", found, "null")):
        f.ret("ptr", "null")
    buffer = f.offset("%s", CONTEXT["value"])
    with f.when(f.compare("eq", "ptr", found, "%s"), UNLIKELY):
        with f.count_up("%size") as (index, _):
            byte = byte_address(f, va, index)
            where = f.binary("add", "i64", va, index)
            f.call("i1", "@prepare_write", f"ptr %s, i64 {where}, ptr {byte}, i64 1")
            f.store("i8", f.load("i8", f.offset(buffer, index)), byte)
        f.ret("ptr", "%s")
    copy(f, found, buffer, "%size")
    f.ret("ptr", found)
    return f


def copy(f: Function, to: str, source: str, size: str) -> None:
    f.intrinsic("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1", f"ptr {to}, ptr {source}, i64 {size}, i1 false")


def _exclusive_load() -> Function:
    """A load that marks its address in the local monitor and, for others' stores, its granules."""
    f = Function("exclusive_load", "ptr", ACCESS)
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
    golden(f)
    return f


def _granules(f: Function, pointer: str, size: str) -> tuple[str, str, str]:
    """The host's page of an access, and the first and last granule in it. Granules are smaller than pages."""
    host = f.cast("ptrtoint", "ptr", pointer, "i64")
    offset = f.binary("and", "i64", host, PAGE - 1)
    granule = f.field("i64", "%s", CONTEXT["granule"])
    first = f.binary("udiv", "i64", offset, granule)
    last = f.binary("udiv", "i64", f.binary("add", "i64", offset, f.binary("sub", "i64", size, 1)), granule)
    page = f.binary("sub", "i64", host, offset)
    return page, f.cast("trunc", "i64", first, "i32"), f.cast("trunc", "i64", last, "i32")


def _store_exclusive() -> Function:
    """A store-exclusive of the value in the context that passes. Otherwise golden executes it."""
    f = Function("store_exclusive", "i1", ACCESS)
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
            copy(f, found, f.offset("%s", CONTEXT["value"]), "%size")
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
    offset = f.binary("and", "i64", f.cast("ptrtoint", "ptr", "%host", "i64"), PAGE - 1)
    page = f.binary("sub", "i64", f.cast("ptrtoint", "ptr", "%host", "i64"), offset)
    found = f.variable("i1", 0)
    with f.count_up(f.field("i64", pages, PAGES["count"])) as (index, _):
        here = f.load("i64", f.offset(hosts, f.binary("shl", "i64", index, 3)))
        with f.when(f.compare("eq", "i64", here, page)):
            f.store("i1", 1, found)
            count_one(f, "invalidated")
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
