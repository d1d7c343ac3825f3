"""From instruction to instruction: the records of pages of code, exits, the run loop, single step.

A page of code has a record for each of its words, at the same distance, so that straight code and branches within the
page need no lookup, and a word that is written to is forgotten by resetting its record.
"""

from __future__ import annotations

from collections.abc import Iterator

from assay64.reference.engines.native import layout
from assay64.reference.engines.native.emitter import HANDLER_CC, UNLIKELY, Function
from assay64.reference.engines.native.handlers import CAREFUL, PARAMETERS
from assay64.reference.engines.native.layout import (
    CONTEXT,
    PAGES,
    RECORD_PC,
    RECORD_SIZE,
    RECORDS_PER_PAGE,
    REGION,
    WORDS_PER_PAGE,
)
from assay64.reference.engines.native.tables import empty_jump_cache, empty_tlb, jump_entry, tlb_entry
from assay64.reference.engines.native.translation import count_one

_PAGE = 4096
_SLICE = 1 << 20  # instructions between two looks at a request to stop


def functions() -> Iterator[Function]:
    yield from _exits()
    yield _is_breakpoint()
    yield _decode_record()
    yield _decode_in_place()
    yield _decode_stub()
    yield _page_end()
    yield _lookup()
    yield _find_page()
    yield _jump()
    yield _link()
    yield _synchronise()
    yield _flush()
    yield _step()
    yield _run()


# --- exits


def _exits() -> Iterator[Function]:
    yield _exit("exit_prepared", None)
    yield _exit("exit_open", None, is_open=True)
    yield _exit("exit_golden", layout.EXIT_GOLDEN)
    yield _exit("h_golden", layout.EXIT_GOLDEN)
    yield _exit("h_undefined", layout.EXIT_UNDEFINED)
    yield _exit("exit_svc", layout.EXIT_SVC, advance=4)
    yield _exit("exit_brk", layout.EXIT_BRK)
    yield _exit("h_breakpoint", layout.EXIT_BREAKPOINT)
    yield _exit("h_stop", layout.EXIT_CONTINUE)


def _exit(name: str, reason: int | None, advance: int = 0, *, is_open: bool = False) -> Function:
    """A handler that leaves before its instruction: its PC, and how much of the budget is left, in bytes of records."""
    f = Function(name, f"{HANDLER_CC} void", PARAMETERS)
    if reason is not None:
        f.set_field("i32", "%s", CONTEXT["exit"], reason)
    if is_open:
        f.set_field("i8", "%s", CONTEXT["open"], 1)
    pc = f.field("i64", "%op", RECORD_PC)
    f.set_field("i64", "%s", CONTEXT["PC"], f.binary("add", "i64", pc, advance) if advance else pc)
    f.set_field("i64", "%s", CONTEXT["k"], f.binary("sub", "i64", "%k", f.cast("ptrtoint", "ptr", "%op", "i64")))
    f.ret()
    return f


# --- code


def _is_breakpoint() -> Function:
    """Whether a breakpoint is set at an address."""
    f = Function("is_breakpoint", "i1", "ptr %s, i64 %pc")
    addresses = f.field("ptr", "%s", CONTEXT["breakpoints"])
    with f.count_up(f.field("i64", "%s", CONTEXT["breakpoint_count"])) as (index, _):
        address = f.load("i64", f.offset(addresses, f.binary("shl", "i64", index, 3)))
        with f.when(f.compare("eq", "i64", address, "%pc")):
            f.ret("i1", 1)
    f.ret("i1", 0)
    return f


def _decode_record() -> Function:
    """Decode the word at the record's PC into the record."""
    f = Function("decode_record", "void", "ptr %s, ptr %op, ptr %word")
    pc = f.field("i64", "%op", RECORD_PC)
    word = f.load("i32", "%word")
    count_one(f, "decoded")
    f.call("void", "@decode", f"ptr %s, ptr %op, i32 {word}, i64 {pc}")
    f.ret()
    return f


def _decode_stub() -> Function:
    """The handler of a record that has not been decoded."""
    f = Function("h_decode", f"{HANDLER_CC} void", PARAMETERS)
    with f.when(f.call("i1", "@is_breakpoint", f"ptr %s, i64 {f.field('i64', '%op', RECORD_PC)}"), UNLIKELY):
        f.store("ptr", "@h_breakpoint", "%op")
        f.line(f"musttail call {HANDLER_CC} void @h_breakpoint({PARAMETERS})")
        f.ret()
    f.call("void", "@decode_in_place", "ptr %s, ptr %op")
    handler = f.load("ptr", "%op")
    f.line(f"musttail call {HANDLER_CC} void {handler}({PARAMETERS})")
    f.ret()
    return f


def _decode_in_place() -> Function:
    """Decode a record of the table, and keep the word that it was decoded from."""
    f = Function("decode_in_place", "void", "ptr %s, ptr %op")
    pages = f.field("ptr", "%s", CONTEXT["pages"])
    records = f.cast("ptrtoint", "ptr", f.field("ptr", pages, PAGES["records"]), "i64")
    distance = f.binary("sub", "i64", f.cast("ptrtoint", "ptr", "%op", "i64"), records)
    page = f.binary("udiv", "i64", distance, RECORDS_PER_PAGE * RECORD_SIZE)
    offset = f.binary("and", "i64", f.field("i64", "%op", RECORD_PC), _PAGE - 1)
    host = f.load("i64", f.offset(f.field("ptr", pages, PAGES["host"]), f.binary("shl", "i64", page, 3)))
    word = f.cast("inttoptr", "i64", f.binary("add", "i64", host, offset), "ptr")
    copies = f.offset(f.field("ptr", pages, PAGES["words"]), f.binary("mul", "i64", page, _PAGE))
    f.store("i32", f.load("i32", word), f.offset(copies, offset))
    f.call("void", "@decode_record", f"ptr %s, ptr %op, ptr {word}")
    f.call("void", "@decoded_for_counting", "ptr %s, ptr %op")
    f.ret()
    return f


def _page_end() -> Function:
    """The record behind the last of a page: go on with the next page."""
    f = Function("h_page_end", f"{HANDLER_CC} void", PARAMETERS)
    pc = f.field("i64", "%op", RECORD_PC)
    left = f.binary("sub", "i64", "%k", f.cast("ptrtoint", "ptr", "%op", "i64"))
    with f.when(f.compare("slt", "i64", left, CAREFUL), UNLIKELY):
        f.set_field("i64", "%s", CONTEXT["PC"], pc)
        f.set_field("i64", "%s", CONTEXT["k"], left)
        f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_CONTINUE)
        f.ret()
    record = f.call("ptr", "@lookup", f"ptr %s, i64 {pc}")
    k = f.binary("add", "i64", left, f.cast("ptrtoint", "ptr", record, "i64"))
    handler = f.load("ptr", record)
    f.line(f"musttail call {HANDLER_CC} void {handler}(ptr %s, ptr {record}, i64 {k})")
    f.ret()
    return f


def _lookup() -> Function:
    """The record of the instruction at an address. Where nothing can be fetched: one that leaves to golden."""
    f = Function("lookup", "ptr", "ptr %s, i64 %tagged")
    va = f.call("i64", "@untagged", "ptr %s, i64 %tagged")
    page = f.binary("and", "i64", va, -_PAGE)
    entry = tlb_entry(f, "fetch_tlb", va)
    with f.when(f.compare("ne", "i64", f.binary("and", "i64", va, 3), 0), UNLIKELY):
        f.ret("ptr", _special(f, va))
    records = f.variable("ptr", f.field("ptr", entry, 8))
    with f.when(f.compare("ne", "i64", f.load("i64", entry), page), UNLIKELY):
        count_one(f, "fetch_misses")
        found = f.call("ptr", "@find_page", f"ptr %s, i64 {page}")
        with f.when(f.compare("eq", "ptr", found, "null"), UNLIKELY):
            f.ret("ptr", _special(f, va))
        f.store("i64", page, entry)
        f.set_field("ptr", entry, 8, found)
        f.store("ptr", found, records)
    index = f.binary("lshr", "i64", f.binary("and", "i64", va, _PAGE - 1), 2)
    f.ret("ptr", f.offset(f.load("ptr", records), f.binary("mul", "i64", index, RECORD_SIZE)))
    return f


def _special(f: Function, va: str) -> str:
    record = f.offset("%s", CONTEXT["special"])
    f.store("ptr", "@h_golden", record)
    f.set_field("i64", record, RECORD_PC, va)
    return record


def _find_page() -> Function:
    """The records of a page of code, made when there are none. Null when the page cannot be executed, or is of Device
    memory, where golden chooses.
    """
    f = Function("find_page", "ptr", "ptr %s, i64 %page")
    pages = f.field("ptr", "%s", CONTEXT["pages"])
    region = f.call("ptr", "@find_region", "ptr %s, i64 %page")
    with f.when(f.compare("eq", "ptr", region, "null")):
        f.ret("ptr", "null")
    executable = f.binary("and", "i64", f.field("i64", region, REGION["flags"]), layout.EXECUTE | layout.DEVICE)
    with f.when(f.compare("ne", "i64", executable, layout.EXECUTE)):
        f.ret("ptr", "null")
    count = f.field("i64", pages, PAGES["count"])
    addresses, records = f.field("ptr", pages, PAGES["address"]), f.field("ptr", pages, PAGES["records"])
    with (
        f.count_up(count) as (index, _),
        f.when(f.compare("eq", "i64", f.load("i64", f.offset(addresses, f.binary("shl", "i64", index, 3))), "%page")),
    ):
        f.ret("ptr", f.offset(records, f.binary("mul", "i64", index, RECORDS_PER_PAGE * RECORD_SIZE)))
    full = f.compare("uge", "i64", count, f.field("i64", pages, PAGES["limit"]))
    with f.when(full, UNLIKELY):
        f.call("void", "@flush", "ptr %s")
    number = f.field("i64", pages, PAGES["count"])
    f.set_field("i64", pages, PAGES["count"], f.binary("add", "i64", number, 1))
    slot = f.binary("shl", "i64", number, 3)
    f.store("i64", "%page", f.offset(addresses, slot))
    distance = f.binary("sub", "i64", "%page", f.field("i64", region, REGION["start"]))
    host = f.binary("add", "i64", f.field("i64", region, REGION["host"]), distance)
    f.store("i64", host, f.offset(f.field("ptr", pages, PAGES["host"]), slot))
    copies = f.offset(f.field("ptr", pages, PAGES["words"]), f.binary("mul", "i64", number, _PAGE))
    _copy_page(f, copies, f.cast("inttoptr", "i64", host, "ptr"))
    base = f.offset(records, f.binary("mul", "i64", number, RECORDS_PER_PAGE * RECORD_SIZE))
    with f.count_up(RECORDS_PER_PAGE) as (index, _):
        record = f.offset(base, f.binary("mul", "i64", index, RECORD_SIZE))
        f.store("ptr", "@h_decode", record)
        f.set_field("i64", record, RECORD_PC, f.binary("add", "i64", "%page", f.binary("shl", "i64", index, 2)))
    f.store("ptr", "@h_page_end", f.offset(base, WORDS_PER_PAGE * RECORD_SIZE))
    # Stores to the page must be seen from now on.
    empty_tlb(f, "write_tlb")
    f.ret("ptr", base)
    return f


def _copy_page(f: Function, to: str, source: str) -> None:
    f.intrinsic("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1", f"ptr {to}, ptr {source}, i64 {_PAGE}, i1 false")


def _jump() -> Function:
    """The record of an indirect branch's target, which the jump cache learns."""
    f = Function("jump", "ptr", "ptr %s, i64 %target")
    count_one(f, "jump_misses")
    record = f.call("ptr", "@lookup", "ptr %s, i64 %target")
    with f.when(f.compare("ne", "ptr", record, f.offset("%s", CONTEXT["special"]))):
        entry = jump_entry(f, "%target")
        f.store("i64", "%target", entry)
        f.set_field("ptr", entry, 8, record)
    f.ret("ptr", record)
    return f


def _link() -> Function:
    """The record of a direct branch's target, which the branch keeps."""
    f = Function("link", "ptr", "ptr %s, i64 %target, ptr %room")
    record = f.call("ptr", "@lookup", "ptr %s, i64 %target")
    with f.when(f.compare("ne", "ptr", record, f.offset("%s", CONTEXT["special"]))):
        f.store("ptr", record, "%room")
    f.ret("ptr", record)
    return f


def _synchronise() -> Function:
    """Forget what was decoded from words that have changed: memory may have been written from outside."""
    f = Function("synchronise", "void", "ptr %s")
    pages = f.field("ptr", "%s", CONTEXT["pages"])
    hosts, words = f.field("ptr", pages, PAGES["host"]), f.field("ptr", pages, PAGES["words"])
    records = f.field("ptr", pages, PAGES["records"])
    f.declared.add("declare i32 @memcmp(ptr, ptr, i64)")
    with f.count_up(f.field("i64", pages, PAGES["count"])) as (page, _):
        host = f.load("ptr", f.offset(hosts, f.binary("shl", "i64", page, 3)))
        copies = f.offset(words, f.binary("mul", "i64", page, _PAGE))
        differ = f.call("i32", "@memcmp", f"ptr {host}, ptr {copies}, i64 {_PAGE}")
        with f.when(f.compare("ne", "i32", differ, 0), UNLIKELY):
            base = f.offset(records, f.binary("mul", "i64", page, RECORDS_PER_PAGE * RECORD_SIZE))
            with f.count_up(WORDS_PER_PAGE) as (word, _):
                place = f.binary("shl", "i64", word, 2)
                now, before = f.load("i32", f.offset(host, place)), f.load("i32", f.offset(copies, place))
                with f.when(f.compare("ne", "i32", now, before)):
                    f.store("i32", now, f.offset(copies, place))
                    record = f.offset(base, f.binary("mul", "i64", word, RECORD_SIZE))
                    f.store("ptr", "@h_decode", record)
    f.ret()
    return f


def _flush() -> Function:
    """Forget all code and all translations of addresses."""
    f = Function("flush", "void", "ptr %s")
    f.set_field("i64", f.field("ptr", "%s", CONTEXT["pages"]), PAGES["count"], 0)
    for table in ("read_tlb", "write_tlb", "fetch_tlb"):
        empty_tlb(f, table)
    empty_jump_cache(f)
    f.ret()
    return f


# --- running


def _step() -> Function:
    """Execute the instruction at PC, from a copy of its record, breakpoint or not. Gives whether it completed; the
    exit says why not.
    """
    f = Function("step", "i1", "ptr %s")
    pc = f.field("i64", "%s", CONTEXT["PC"])
    source = f.call("ptr", "@lookup", f"ptr %s, i64 {pc}")
    scratch = f.offset("%s", CONTEXT["scratch"])
    stop = f.offset(scratch, RECORD_SIZE)
    none = f.compare("eq", "i64", f.field("i64", "%s", CONTEXT["breakpoint_count"]), 0)
    with f.when(f.binary("and", "i1", none, f.compare("eq", "ptr", f.load("ptr", source), "@h_decode"))):
        f.call("void", "@decode_in_place", f"ptr %s, ptr {source}")
    size = f"ptr {scratch}, ptr {source}, i64 {RECORD_SIZE}, i1 false"
    f.intrinsic("llvm.memcpy.p0.p0.i64", "void", "ptr, ptr, i64, i1", size)
    handler = f.load("ptr", scratch)
    fresh = f.binary(
        "or", "i1", f.compare("eq", "ptr", handler, "@h_decode"), f.compare("eq", "ptr", handler, "@h_breakpoint")
    )
    with f.when(fresh):  # the table's record stays: it has to stop at a breakpoint
        at = f.field("i64", scratch, RECORD_PC)
        region = f.call("ptr", "@find_region", f"ptr %s, i64 {at}")
        distance = f.binary("sub", "i64", at, f.field("i64", region, REGION["start"]))
        word = f.binary("add", "i64", f.field("i64", region, REGION["host"]), distance)
        f.call("void", "@decode_record", f"ptr %s, ptr {scratch}, ptr {f.cast('inttoptr', 'i64', word, 'ptr')}")
        f.call("void", "@count_decoded", f"ptr %s, i64 {at}")
    f.call("void", "@count_from", f"ptr %s, ptr {source}, ptr {scratch}")
    f.store("ptr", "@h_stop", stop)
    f.set_field("i64", stop, RECORD_PC, f.binary("add", "i64", f.field("i64", scratch, RECORD_PC), 4))
    f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_CONTINUE)
    end = f.cast("ptrtoint", "ptr", stop, "i64")
    f.call(f"{HANDLER_CC} void", f.load("ptr", scratch), f"ptr %s, ptr {scratch}, i64 {end}")
    f.ret("i1", f.compare("eq", "i32", f.field("i32", "%s", CONTEXT["exit"]), layout.EXIT_CONTINUE))
    return f


def _run() -> Function:
    """Run until an exit, for at most ``remaining`` instructions, which it counts down."""
    f = Function("run_code", "void", "ptr %s")
    remaining = f.offset("%s", CONTEXT["remaining"])
    executed = f.offset("%s", CONTEXT["executed"])
    with f.forever() as (head, _):
        _move_btype(f)
        # AArch64.BranchAddr: a branch takes the tag off its target.
        target = f.field("i64", "%s", CONTEXT["PC"])
        f.set_field("i64", "%s", CONTEXT["PC"], f.call("i64", "@untagged", f"ptr %s, i64 {target}"))
        left = f.load("i64", remaining)
        with f.when(f.compare("eq", "i64", left, 0), UNLIKELY):
            f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_BUDGET)
            f.ret()
        with f.when(f.compare("ne", "i32", f.load("i32", f.offset("%s", CONTEXT["stop"]), ""), 0), UNLIKELY):
            f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_STOPPED)
            f.ret()
        pc = f.field("i64", "%s", CONTEXT["PC"])
        record = f.call("ptr", "@lookup", f"ptr %s, i64 {pc}")
        with f.when(f.call("i1", "@is_breakpoint", f"ptr %s, i64 {pc}"), UNLIKELY):
            f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_BREAKPOINT)
            f.ret()
        _after_branch(f, executed, remaining, left, head)
        few = f.compare("ult", "i64", left, 2 * RECORDS_PER_PAGE)
        with f.when(few):
            done = f.call("i1", "@step", "ptr %s")
            with f.when(f.binary("xor", "i1", done, 1)):
                f.ret()
            f.store("i64", f.binary("sub", "i64", left, 1), remaining)
            f.store("i64", f.binary("add", "i64", f.load("i64", executed), 1), executed)
            f.jump(head)
        many = f.compare("ugt", "i64", left, _SLICE)
        now = f.select(many, "i64", _SLICE, left)
        k = f.binary("add", "i64", f.binary("mul", "i64", now, RECORD_SIZE), f.cast("ptrtoint", "ptr", record, "i64"))
        f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_CONTINUE)
        f.call(f"{HANDLER_CC} void", f.load("ptr", record), f"ptr %s, ptr {record}, i64 {k}")
        unused = f.binary("sdiv", "i64", f.field("i64", "%s", CONTEXT["k"]), RECORD_SIZE)
        count = f.binary("sub", "i64", now, unused)
        f.store("i64", f.binary("sub", "i64", left, count), remaining)
        f.store("i64", f.binary("add", "i64", f.load("i64", executed), count), executed)
        with f.when(f.compare("ne", "i32", f.field("i32", "%s", CONTEXT["exit"]), layout.EXIT_CONTINUE)):
            f.ret()
    f.end("unreachable")
    return f


def _move_btype(f: Function) -> None:
    """What an instruction set for the next one holds from now on."""
    following = f.offset("%s", CONTEXT["btype_next"])
    coming = f.load("i8", following)
    with f.when(f.compare("ne", "i8", coming, 0), UNLIKELY):
        f.set_field("i8", "%s", CONTEXT["PSTATE.BTYPE"], coming)
        f.store("i8", 0, following)


def _after_branch(f: Function, executed: str, remaining: str, left: str, head: str) -> None:
    """An instruction that a branch with a BTYPE came to: golden executes it in a guarded page, and when it does not
    complete; afterwards BTYPE is what it set.
    """
    btype, following = f.offset("%s", CONTEXT["PSTATE.BTYPE"]), f.offset("%s", CONTEXT["btype_next"])
    with f.when(f.compare("ne", "i8", f.load("i8", btype), 0), UNLIKELY):
        pc = f.field("i64", "%s", CONTEXT["PC"])
        f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_GOLDEN)
        with f.when(f.call("i1", "@guarded", f"ptr %s, i64 {pc}")):
            f.ret()
        done = f.call("i1", "@step", "ptr %s")
        with f.when(f.binary("xor", "i1", done, 1)):
            f.set_field("i64", "%s", CONTEXT["PC"], pc)
            f.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_GOLDEN)
            f.ret()
        f.store("i8", f.load("i8", following), btype)
        f.store("i8", 0, following)
        f.store("i64", f.binary("sub", "i64", left, 1), remaining)
        f.store("i64", f.binary("add", "i64", f.load("i64", executed), 1), executed)
        f.jump(head)
