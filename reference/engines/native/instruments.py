"""Watchpoints and counters in generated code. What is not used costs a comparison on slow paths alone.

Near a watchpoint golden executes the whole instruction: it stops before anything has changed. While instructions are
counted, every record has ``h_count`` for its handler, and a table beside the records holds the handler that it stands
before.
"""

from __future__ import annotations

from collections.abc import Iterator

from assay64.reference.engines.native.emitter import HANDLER_CC, UNLIKELY, Function
from assay64.reference.engines.native.layout import (
    CONTEXT,
    COUNTED,
    COUNTS,
    RECORD_PC,
    RECORD_SIZE,
    SPACE,
    WATCH,
)

PARAMETERS = "ptr %s, ptr %op, i64 %k"
COUNTED_SHIFT = (RECORD_SIZE // COUNTED.size).bit_length() - 1


def functions() -> Iterator[Function]:
    yield _watched()
    yield _count_instruction()
    yield _retire()
    yield _count_stub()
    yield _count_from()
    yield _count_decoded()
    yield _decoded()


# --- watchpoints


def any_watched(f: Function, start: str, size: str | int) -> str:
    """Whether bytes from ``start`` are near a watchpoint; one load when there is none."""
    count = f.field("i64", f.field("ptr", "%s", CONTEXT["space"]), SPACE["watch_count"])
    found = f.variable("i1", 0)
    with f.when(f.compare("ne", "i64", count, 0), UNLIKELY):
        f.store("i1", f.call("i1", "@watched", f"ptr %s, i64 {start}, i64 {size}"), found)
    return f.load("i1", found)


def _watched() -> Function:
    """Whether ``size`` bytes from ``start`` overlap a range of the watchpoints."""
    f = Function("watched", "i1", "ptr %s, i64 %start, i64 %size")
    space = f.field("ptr", "%s", CONTEXT["space"])
    with f.count_up(f.field("i64", space, SPACE["watch_count"])) as (index, _):
        watch = f.offset(f.field("ptr", space, SPACE["watches"]), f.binary("mul", "i64", index, WATCH.size))
        first, length = f.field("i64", watch, WATCH["start"]), f.field("i64", watch, WATCH["size"])
        inside = f.compare("ult", "i64", f.binary("sub", "i64", "%start", first), length)
        around = f.compare("ult", "i64", f.binary("sub", "i64", first, "%start"), "%size")
        with f.when(f.binary("or", "i1", inside, around)):
            f.ret("i1", 1)
    f.ret("i1", 0)
    return f


# --- counters


def _count_instruction() -> Function:
    """Count an execution of an entry. A branch was taken when this is not the instruction that would follow."""
    f = Function("count_instruction", "void", "ptr %counts, ptr %counted, i64 %pc")
    _add(f, f.offset("%counted", COUNTED["count"]), 1)
    taken = f.compare("ne", "i64", "%pc", f.field("i64", "%counts", COUNTS["next_pc"]))
    with f.when(taken, UNLIKELY):
        _add(f, f.offset("%counts", COUNTS["branches"]), 1)
    f.set_field("i64", "%counts", COUNTS["next_pc"], f.binary("add", "i64", "%pc", 4))
    f.ret()
    return f


def _add(f: Function, place: str, value: str | int) -> None:
    f.store("i64", f.binary("add", "i64", f.load("i64", place), value), place)


def _retire() -> Function:
    """Move what an entry has counted to the counters of its definition: it is to stand for something else."""
    f = Function("retire", "void", "ptr %counts, ptr %counted")
    count = f.field("i64", "%counted", COUNTED["count"])
    number = f.cast("zext", "i32", f.field("i32", "%counted", COUNTED["definition"]), "i64")
    _add(f, f.offset(f.field("ptr", "%counts", COUNTS["definitions"]), f.binary("shl", "i64", number, 3)), count)
    for name in ("reads", "writes"):
        each = f.cast("zext", "i16", f.field("i16", "%counted", COUNTED[name]), "i64")
        _add(f, f.offset("%counts", COUNTS[name]), f.binary("mul", "i64", each, count))
    f.set_field("i64", "%counted", COUNTED["count"], 0)
    f.ret()
    return f


def _counted(f: Function, counts: str, record: str) -> str:
    """The entry beside a record."""
    scaled = f.binary("lshr", "i64", f.cast("ptrtoint", "ptr", record, "i64"), COUNTED_SHIFT)
    address = f.binary("add", "i64", scaled, f.field("i64", counts, COUNTS["bias"]))
    return f.cast("inttoptr", "i64", address, "ptr")


def _count_stub() -> Function:
    """The handler of all records while instructions are counted."""
    f = Function("h_count", f"{HANDLER_CC} void", PARAMETERS)
    counts = f.field("ptr", "%s", CONTEXT["counts"])
    counted = _counted(f, counts, "%op")
    f.call("void", "@count_instruction", f"ptr {counts}, ptr {counted}, i64 {f.field('i64', '%op', RECORD_PC)}")
    f.line(f"musttail call {HANDLER_CC} void {f.load('ptr', counted)}({PARAMETERS})")
    f.ret()
    return f


def _count_from() -> Function:
    """For single step, which executes a copy of a record: count it, and give the copy its own handler."""
    f = Function("count_from", "void", "ptr %s, ptr %record, ptr %copy")
    with f.when(f.compare("eq", "ptr", f.load("ptr", "%copy"), "@h_count"), UNLIKELY):
        counts = f.field("ptr", "%s", CONTEXT["counts"])
        counted = _counted(f, counts, "%record")
        f.call("void", "@count_instruction", f"ptr {counts}, ptr {counted}, i64 {f.field('i64', '%copy', RECORD_PC)}")
        f.store("ptr", f.load("ptr", counted), "%copy")
    f.ret()
    return f


def _count_decoded() -> Function:
    """Count what was decoded last, once."""
    f = Function("count_decoded", "void", "ptr %s, i64 %pc")
    counts = f.field("ptr", "%s", CONTEXT["counts"])
    with f.when(f.compare("ne", "ptr", counts, "null"), UNLIKELY):
        once = f.offset(counts, COUNTS["once"])
        f.set_field("i64", once, COUNTED["definition"], f.field("i64", "%s", CONTEXT["decoded_as"]))
        f.call("void", "@count_instruction", f"ptr {counts}, ptr {once}, i64 %pc")
        f.call("void", "@retire", f"ptr {counts}, ptr {once}")
    f.ret()
    return f


def _decoded() -> Function:
    """A record of the table has been decoded: when instructions are counted, h_count comes before its handler."""
    f = Function("decoded_for_counting", "void", "ptr %s, ptr %op")
    counts = f.field("ptr", "%s", CONTEXT["counts"])
    with f.when(f.compare("ne", "ptr", counts, "null"), UNLIKELY):
        counted = _counted(f, counts, "%op")
        f.call("void", "@retire", f"ptr {counts}, ptr {counted}")
        f.store("ptr", f.load("ptr", "%op"), counted)
        f.set_field("i64", counted, COUNTED["definition"], f.field("i64", "%s", CONTEXT["decoded_as"]))
        f.store("ptr", "@h_count", "%op")
    f.ret()
    return f
