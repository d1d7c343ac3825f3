"""Many cases in one call, in generated code: load a state, run the case's code, store what came of it.

The cases of a batch share their memory map and the initial contents of one region of data. What a case writes there is
reported and put back before the next.
"""

from __future__ import annotations

from collections.abc import Iterator

from assay64.reference.engines.native import layout
from assay64.reference.engines.native.emitter import LIKELY, UNLIKELY, Function
from assay64.reference.engines.native.layout import BATCH, CHANGE, CONTEXT, ENDED, PSTATE_BITS, SPACE, STATE, STORE

_WHOLE = (
    ("x", "R", 248),
    ("v", "V", 512),
    ("keys", "APKey", 80),
    ("sp", "sp", 8),
    ("pc", "PC", 8),
    ("fpcr", "FPCR", 8),
    ("fpsr", "FPSR", 8),
    ("tpidr_el0", "TPIDR_EL0", 8),
    ("tpidrro_el0", "TPIDRRO_EL0", 8),
)
_WIDTHS = {"BTYPE": 2, "DAIF": 4, "EL": 2}


def functions() -> Iterator[Function]:
    yield _load_state()
    yield _store_state()
    yield _put_code()
    yield _report_words()
    yield _report_changes()
    yield _run_batch()


def _move(f: Function, to: str, source: str, size: int) -> None:
    f.intrinsic("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1", f"ptr {to}, ptr {source}, i64 {size}, i1 false")


def _load_state() -> Function:
    f = Function("load_state", "void", "ptr %s, ptr %state")
    for name, register, size in _WHOLE:
        _move(f, f.offset("%s", CONTEXT[register]), f.offset("%state", STATE[name]), size)
    pstate = f.field("i64", "%state", STATE["pstate"])
    for name, low in PSTATE_BITS.items():
        value = f.binary("and", "i64", f.binary("lshr", "i64", pstate, low), (1 << _WIDTHS.get(name, 1)) - 1)
        f.set_field("i8", "%s", CONTEXT[f"PSTATE.{name}"], f.cast("trunc", "i64", value, "i8"))
    event = f.cast("trunc", "i64", f.field("i64", "%state", STATE["event_register"]), "i8")
    f.set_field("i8", "%s", CONTEXT["EventRegister"], event)
    f.set_field("i64", "%s", CONTEXT["monitor_size"], 0)
    f.set_field("i8", "%s", CONTEXT["btype_next"], 0)
    f.ret()
    return f


def _store_state() -> Function:
    f = Function("store_state", "void", "ptr %s, ptr %state")
    for name, register, size in _WHOLE:
        _move(f, f.offset("%state", STATE[name]), f.offset("%s", CONTEXT[register]), size)
    pstate = "0"
    for name, low in PSTATE_BITS.items():
        value = f.cast("zext", "i8", f.field("i8", "%s", CONTEXT[f"PSTATE.{name}"]), "i64")
        pstate = f.binary("or", "i64", pstate, f.binary("shl", "i64", value, low))
    f.set_field("i64", "%state", STATE["pstate"], pstate)
    event = f.cast("zext", "i8", f.field("i8", "%s", CONTEXT["EventRegister"]), "i64")
    f.set_field("i64", "%state", STATE["event_register"], event)
    f.ret()
    return f


def _put_code() -> Function:
    """The code of a case in place of the one before, unless it is the same."""
    f = Function("put_code", "void", "ptr %s, ptr %batch, ptr %code, i64 %size")
    host, written = f.field("ptr", "%batch", BATCH["code_host"]), f.offset("%batch", BATCH["written"])
    before = f.load("i64", written)
    f.declared.add("declare i32 @memcmp(ptr, ptr, i64)")
    differ = f.call("i32", "@memcmp", f"ptr {host}, ptr %code, i64 %size")
    same = f.binary("and", "i1", f.compare("eq", "i32", differ, 0), f.compare("eq", "i64", before, "%size"))
    with f.when(same):
        f.ret()
    f.intrinsic("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1", f"ptr {host}, ptr %code, i64 %size, i1 false")
    longer = f.compare("ugt", "i64", before, "%size")
    rest = f.select(longer, "i64", f.binary("sub", "i64", before, "%size"), 0)
    f.intrinsic(
        "llvm.memset.p0.i64", "void", "ptr, i8, i64, i1", f"ptr {f.offset(host, '%size')}, i8 0, i64 {rest}, i1 false"
    )
    f.store("i64", "%size", written)
    # Behind the code stands a breakpoint, which moves. The words of several pages are forgotten page by page.
    all_bytes = f.binary("add", "i64", f.select(longer, "i64", before, "%size"), 4)
    position = f.variable("i64", 0)
    with f.forever() as (_, after):
        at = f.load("i64", position)
        go = f.label()
        f.branch(f.compare("ult", "i64", at, all_bytes), go, after)
        f.place(go)
        here = f.offset(host, at)
        in_page = f.binary("and", "i64", f.cast("ptrtoint", "ptr", here, "i64"), 4095)
        room = f.binary("sub", "i64", 4096, in_page)
        left = f.binary("sub", "i64", all_bytes, at)
        part = f.select(f.compare("ult", "i64", left, room), "i64", left, room)
        f.call("i1", "@forget_words", f"ptr %s, ptr {here}, i64 {part}")
        f.store("i64", f.binary("add", "i64", at, part), position)
    f.ret()
    return f


def _report_words() -> Function:
    """Report the words among some bytes of data that differ from their initial contents, and put these back."""
    f = Function("report_words", "void", "ptr %batch, i64 %case, i64 %va, i64 %host, i64 %size")
    delta = f.field("i64", "%batch", BATCH["pristine"])
    start = f.binary("and", "i64", "%va", -8)
    shift = f.binary("sub", "i64", "%host", "%va")
    end = f.binary("add", "i64", "%va", "%size")
    position = f.variable("i64", start)
    with f.forever() as (_, after):
        at = f.load("i64", position)
        go = f.label()
        f.branch(f.compare("ult", "i64", at, end), go, after)
        f.place(go)
        address = f.binary("add", "i64", at, shift)
        word = f.cast("inttoptr", "i64", address, "ptr")
        initial = f.load("i64", f.cast("inttoptr", "i64", f.binary("add", "i64", address, delta), "ptr"))
        now = f.load("i64", word)
        with f.when(f.compare("ne", "i64", now, initial)):
            count = f.field("i64", "%batch", BATCH["change_count"])
            changes = f.field("ptr", "%batch", BATCH["changes"])
            row = f.offset(changes, f.binary("mul", "i64", count, CHANGE.size))
            f.set_field("i32", row, CHANGE["case"], f.cast("trunc", "i64", "%case", "i32"))
            f.set_field("i32", row, CHANGE["reserved"], 0)
            f.set_field("i64", row, CHANGE["address"], at)
            f.set_field("i64", row, CHANGE["value"], now)
            f.set_field("i64", "%batch", BATCH["change_count"], f.binary("add", "i64", count, 1))
            f.store("i64", initial, word)
        f.store("i64", f.binary("add", "i64", at, 8), position)
    f.ret()
    return f


def _report_changes() -> Function:
    """Report what a case wrote: what its log of stores names, or, when the log was too short, whatever differs."""
    f = Function("report_changes", "void", "ptr %s, ptr %batch, i64 %case")
    space = f.field("ptr", "%s", CONTEXT["space"])
    count, log = f.field("i64", space, SPACE["log_count"]), f.field("ptr", space, SPACE["log"])
    f.set_field("i64", space, SPACE["log_count"], 0)
    with f.when(f.compare("ugt", "i64", count, f.field("i64", space, SPACE["log_limit"])), UNLIKELY):
        data, host = f.field("i64", "%batch", BATCH["data"]), f.field("i64", "%batch", BATCH["data_host"])
        size = f.field("i64", "%batch", BATCH["data_size"])
        f.call("void", "@report_words", f"ptr %batch, i64 %case, i64 {data}, i64 {host}, i64 {size}")
        f.ret()
    with f.count_up(count) as (index, _):
        entry = f.offset(log, f.binary("mul", "i64", index, STORE.size))
        address, host = f.field("i64", entry, STORE["address"]), f.field("i64", entry, STORE["host"])
        size = f.field("i64", entry, STORE["size"])
        f.call("void", "@report_words", f"ptr %batch, i64 %case, i64 {address}, i64 {host}, i64 {size}")
    f.ret()
    return f


def _run_batch() -> Function:
    """Run cases from ``done`` on. It returns early when ``changes`` might not hold what another case writes."""
    f = Function("run_batch", "void", "ptr %s, ptr %batch")
    done = f.offset("%batch", BATCH["done"])
    count, row = f.field("i64", "%batch", BATCH["count"]), f.field("i64", "%batch", BATCH["code_row"])
    address, budget = f.field("i64", "%batch", BATCH["code_address"]), f.field("i64", "%batch", BATCH["budget"])
    codes, words = f.field("ptr", "%batch", BATCH["code"]), f.field("ptr", "%batch", BATCH["code_words"])
    initial, final = f.field("ptr", "%batch", BATCH["initial"]), f.field("ptr", "%batch", BATCH["final"])
    ended, opens = f.field("ptr", "%batch", BATCH["ended"]), f.field("ptr", "%batch", BATCH["open"])
    progress, until = f.field("ptr", "%batch", BATCH["progress"]), f.field("ptr", "%batch", BATCH["until"])
    limit = f.field("i64", "%batch", BATCH["change_limit"])
    most = f.binary("lshr", "i64", f.field("i64", "%batch", BATCH["data_size"]), 3)
    f.set_field("i8", "%s", CONTEXT["recording"], 1)
    with f.forever() as (_, after):
        case = f.load("i64", done)
        room = f.binary("sub", "i64", limit, f.field("i64", "%batch", BATCH["change_count"]))
        more = f.binary("and", "i1", f.compare("ult", "i64", case, count), f.compare("uge", "i64", room, most))
        go = f.label()
        f.branch(more, go, after, LIKELY)
        f.place(go)
        length = f.cast("zext", "i32", f.load("i32", f.offset(words, f.binary("shl", "i64", case, 2))), "i64")
        size = f.binary("shl", "i64", length, 2)
        code = f.offset(codes, f.binary("mul", "i64", case, row))
        f.call("void", "@put_code", f"ptr %s, ptr %batch, ptr {code}, i64 {size}")
        f.store("i64", f.binary("add", "i64", address, size), until)
        record = f.binary("mul", "i64", case, STATE.size)
        f.call("void", "@load_state", f"ptr %s, ptr {f.offset(initial, record)}")
        f.set_field("i8", "%s", CONTEXT["open"], 0)
        f.set_field("i64", "%s", CONTEXT["remaining"], budget)
        f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_GOLDEN)
        for name in ("immediate", "address"):
            f.set_field("i64", "%s", CONTEXT[name], 0)
        for name in ("access", "fault"):
            f.set_field("i8", "%s", CONTEXT[name], 0)
        legal = f.compare("eq", "i8", f.field("i8", "%s", CONTEXT["PSTATE.IL"]), 0)
        with f.when(legal, LIKELY):
            f.call("void", "@run", "ptr %s")
        result, kind = f.offset(final, record), f.field("i32", "%s", CONTEXT["exit"])
        _move(f, result, f.offset(initial, record), STATE["x"])
        f.call("void", "@store_state", f"ptr %s, ptr {result}")
        end = f.offset(ended, f.binary("mul", "i64", case, ENDED.size))
        at_end = f.compare("eq", "i32", kind, layout.EXIT_BREAKPOINT)
        f.set_field("i32", end, ENDED["kind"], f.select(at_end, "i32", layout.EXIT_UNTIL, kind))
        for name in ("access", "fault"):
            f.set_field("i32", end, ENDED[name], f.cast("zext", "i8", f.field("i8", "%s", CONTEXT[name]), "i32"))
        f.set_field("i32", end, ENDED["flags"], 0)
        for name in ("immediate", "address"):
            f.set_field("i64", end, ENDED[name], f.field("i64", "%s", CONTEXT[name]))
        executed = f.binary("sub", "i64", budget, f.field("i64", "%s", CONTEXT["remaining"]))
        f.set_field("i64", end, ENDED["executed"], executed)
        f.store("i8", f.field("i8", "%s", CONTEXT["open"]), f.offset(opens, case))
        f.call("void", "@report_changes", f"ptr %s, ptr %batch, i64 {case}")
        following = f.binary("add", "i64", case, 1)
        f.store("i64", following, done)
        f.store("i64", following, progress)
        with f.when(f.compare("eq", "i32", kind, layout.EXIT_STOPPED), UNLIKELY):
            f.jump(after)
    f.set_field("i8", "%s", CONTEXT["recording"], 0)
    f.ret()
    return f
