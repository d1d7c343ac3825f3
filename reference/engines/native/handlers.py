"""A variant as a handler: a function that executes one decoded instruction and continues with the next one.

    void handler(context, record, k)

``k`` is the address where the budget ends, counted in records: the instructions left before this one are
(k - record) / RECORD_SIZE, so that straight code counts nothing. A branch moves ``k`` with it, and leaves to the
runtime when less is left than a page can hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assay64.reference.bits import Bits, If
from assay64.reference.engines.graph import Event, Interner, Node, Stage, recording
from assay64.reference.engines.native import layout
from assay64.reference.engines.native.emitter import HANDLER_CC, LIKELY, UNLIKELY, Function, Merge
from assay64.reference.engines.native.layout import CONTEXT, RECORD_PC, RECORD_SIZE
from assay64.reference.engines.native.memory import (
    Access,
    address_of,
    flags_of,
    outlined_address_of,
    outlined_store_to,
    store_to,
)
from assay64.reference.engines.native.operands import Known, RecordTooSmall, Slot, Slots, register_offset
from assay64.reference.engines.native.sums import complemented
from assay64.reference.engines.native.tables import jump_entry
from assay64.reference.engines.native.values import Values
from assay64.reference.engines.native.variants import Body, concerns_general_registers
from assay64.reference.pseudocode.exceptions import SupervisorCall, Undefined
from assay64.reference.pseudocode.memory import AtomicResult
from assay64.reference.pseudocode.processor import REGISTERS, MemAtomicOp

PARAMETERS = "ptr %s, ptr %op, i64 %k"
ARGUMENTS = "ptr %s, ptr %op, i64 %k"
# A branch with less than this left, in bytes of records, leaves to the runtime: a page may be run through without
# counting.
CAREFUL = (layout.RECORDS_PER_PAGE + 1) * RECORD_SIZE

# A handler begins a cache line: across two, its jump to the next handler is predicted worse, and all takes half as long
# again.
_ATTRIBUTES = "nounwind align 64"
# Most of what is executed is arithmetic on general registers, by few handlers.
_COPIES = 4
_INLINE_ACCESSES = 4  # an instruction of more accesses calls a function for each
# Events that may leave to golden.
_ACCESSES = frozenset(
    {"load", "store", "store_exclusive", "atomic", "compare_and_swap", "zero_block", "cache_maintenance"}
)


@dataclass
class Handler:
    """The code of a handler and the operands that it reads. ``reads`` and ``writes``: the most accesses that it makes
    through the TLB. ``copies`` of it stand in for each other: each has a jump of its own to the next handler, and the
    host predicts them by what was executed before at all of its addresses.
    """

    name: str
    text: str
    slots: tuple[Slot, ...]
    declared: frozenset[str] = frozenset()
    checks_fp: bool = False
    reads: int = 0
    writes: int = 0
    copies: int = 1

    @property
    def names(self) -> list[str]:
        """The functions: an instruction has the copy that its address picks."""
        return [self.name, *(f"{self.name}_{number}" for number in range(1, self.copies))]

    @property
    def texts(self) -> list[tuple[str, str]]:
        """The names with the functions' text."""
        return [(name, self.text.replace(f"@{self.name}(", f"@{name}(")) for name in self.names]


def handler(body: Body, functions: dict[str, Any]) -> Handler:
    """The handler of a variant. ``functions`` collects what it calls."""
    return _Emitter(functions).handler(body)


class _Emitter:
    def __init__(self, functions: dict[str, Any]) -> None:
        self._slots = Slots()
        self._out = Function("HANDLER", f"{HANDLER_CC} void", PARAMETERS, attributes=_ATTRIBUTES)
        self._values = Values(self._out, self._leaf, functions)
        self._sets_btype = False
        self._checks_fp = self._outlined = False
        self._leave = "exit_prepared"
        self._target: Bits | None = None
        self._wrote = False
        self._recorder = _Recorder()
        self._known = Known()

    def handler(self, body: Body) -> Handler:
        self._known = Known(body.known)
        accesses = sum(event.kind in ("load", "store") for event in body.all_events())
        self._outlined = accesses > _INLINE_ACCESSES
        # When one of several accesses aborts, Arm leaves open what became of the others.
        self._leave = "exit_open" if accesses > 1 else "exit_prepared"
        self._body(body)
        if self._slots.end > RECORD_SIZE:
            raise RecordTooSmall(f"{self._slots.end} bytes")
        text = self._out.text()
        slots = tuple(self._slots.found.values())
        name = "h_" + hashlib.sha256(text.encode()).hexdigest()[:16]
        declared = frozenset(self._out.declared)
        text = text.replace("@HANDLER", f"@{name}")
        copies = _COPIES if concerns_general_registers(body) else 1
        return Handler(name, text, slots, declared, self._checks_fp, *body.most_accesses(), copies)

    # --- operands

    def _leaf(self, node: Node) -> str | None:
        """Values that are known at decode come from the record, unless they are too wide for it."""
        if node.stage is not Stage.DECODE:
            return None
        if (constant := self._known.constant(node)) is not None:
            return str(constant.value)
        if node.operation == "pc":
            return self._out.field("i64", "%op", RECORD_PC)
        if node.width > 64 or complemented(node) is not None:
            return None
        size = next(size for size in (1, 2, 4, 8) if node.width <= 8 * size)
        value = self._slot(self._slots.get("value", node, size))
        return self._out.cast("trunc", f"i{8 * size}", value, f"i{node.width}") if node.width < 8 * size else value

    def _slot(self, slot: Slot) -> str:
        return self._out.load(f"i{8 * slot.size}", self._out.offset("%op", slot.offset), ", !invariant.load !2")

    def _register(self, register: str, index: Bits | None, *, write: bool = False) -> str:
        """The address of a register in the context."""
        if index is None:
            return self._out.offset("%s", CONTEXT[register])
        kind = "Xw" if register == "X" and write else register
        if (number := self._known.constant(index)) is not None:
            return self._out.offset("%s", register_offset(kind, number.value))
        offset = self._slot(self._slots.get(kind, index, 2))
        return self._out.offset("%s", self._out.cast("zext", "i16", offset, "i64"))

    # --- events

    def _body(self, body: Body) -> None:
        for event in body.events:
            if self._event(event):
                return
        if body.condition is None:
            raise ValueError("a body without an end")
        then, otherwise = self._out.label(), self._out.label()
        self._out.branch(self._values.of(body.condition), then, otherwise)
        before = self._sets_btype, self._target
        for label, side in ((then, body.then), (otherwise, body.otherwise)):
            self._out.place(label)
            self._sets_btype, self._target = before
            with self._values.scope():
                if side is None:
                    self._out.end("unreachable")
                else:
                    self._body(side)

    def _event(self, event: Event) -> bool:
        """Emit an event; whether the instruction ended."""
        if event.kind == "write":
            self._wrote = True
        elif event.kind in _ACCESSES and self._wrote:
            raise ValueError("an access behind a write: golden could not begin the instruction again")
        method: Callable[..., Any] = getattr(self, f"_{event.kind}")
        if event.kind in ("atomic", "compare_and_swap"):
            method(event.result, *event.arguments)
            return False
        result = method(*event.arguments)
        if event.result is not None:
            self._values.define(event.result, result)
        return event.kind in ("end", "exception")

    def _read(self, register: str, index: Bits | None) -> str:
        out = self._out
        width = 64 if register in ("X", "XSP") else REGISTERS[register].width
        number = None if index is None else self._known.constant(index)
        if register == "X" and number is not None and number.value == 31:
            return "0"
        address = self._register(register, index)
        if width < 8:
            return out.cast("trunc", "i8", out.load("i8", address), f"i{width}")
        return out.load(f"i{width}", address, ", align 16" if width == 128 else "")

    def _write(self, register: str, index: Bits | None, value: Bits) -> None:
        out, width = self._out, value.width
        number = self._values.of(value)
        address = self._register(register, index, write=True)
        if width < 8:
            out.store("i8", out.cast("zext", f"i{width}", number, "i8"), address)
        else:
            out.store(f"i{width}", number, address, ", align 16" if width == 128 else "")

    def _load(self, address: Bits, size: int, accdesc: Any) -> str:
        find = outlined_address_of if self._outlined else address_of
        pointer = find(self._out, Access(self._values.of(address), size, flags_of(accdesc), self._leave))
        return self._out.load(f"i{8 * size}", pointer, ", align 1")

    def _store(self, address: Bits, size: int, accdesc: Any, value: Bits) -> None:
        access = Access(self._values.of(address), size, flags_of(accdesc), self._leave)
        store = outlined_store_to if self._outlined else store_to
        store(self._out, access, self._values.of(value))

    def _store_exclusive(self, address: Bits, size: int, accdesc: Any, value: Bits) -> str:
        out = self._out
        where, number = self._values.of(address), self._values.of(value)
        out.store(f"i{8 * size}", number, out.offset("%s", CONTEXT["value"]))
        flags = flags_of(accdesc)
        passed = out.call("i1", "@store_exclusive", f"ptr %s, i64 {where}, i64 {size}, i32 {flags}")
        self._unless(passed, "exit_prepared")
        return out.value("add i1 0, 0")

    def _atomic(self, old: Node, address: Bits, size: int, accdesc: Any, operation: MemAtomicOp, operand: Bits) -> None:
        self._modify(old, address, size, accdesc, lambda: AtomicResult(operation, old, operand))

    def _compare_and_swap(self, old: Node, address: Bits, size: int, accdesc: Any, expected: Bits, new: Bits) -> None:
        self._modify(old, address, size, accdesc, lambda: If(old == expected, new, old))

    def _modify(self, old: Node, address: Bits, size: int, accdesc: Any, change: Callable[[], Bits]) -> None:
        """Replace what memory holds. No other element runs between the two accesses."""
        out, kind = self._out, f"i{8 * size}"
        with recording(self._recorder):
            changed = change()
        pointer = address_of(out, Access(self._values.of(address), size, flags_of(accdesc), self._leave))
        self._values.define(old, out.load(kind, pointer, ", align 1"))
        out.store(kind, self._values.of(changed), pointer, ", align 1")

    def _zero_block(self, address: Bits) -> None:
        passed = self._out.call("i1", "@zero_block", f"ptr %s, i64 {self._values.of(address)}")
        self._unless(passed, "exit_prepared")

    def _cache_maintenance(self, operation: str, address: Bits) -> None:
        passed = self._out.call("i1", "@readable", f"ptr %s, i64 {self._values.of(address)}")
        self._unless(passed, "exit_golden")

    def _check_sp_alignment(self, base: Bits) -> None:
        if (number := self._known.constant(base)) is not None and number.value != 31:
            return
        out = self._out
        mask = self._slot(self._slots.get("sp_mask", base, 1))
        pointer = out.load("i64", self._register("XSP", base))
        low = out.binary("and", "i64", pointer, out.cast("zext", "i8", mask, "i64"))
        self._unless(out.compare("eq", "i64", low, 0), "exit_golden")

    def _unless(self, condition: str, leave: str) -> None:
        """Leave through ``leave`` unless the condition holds."""
        out = self._out
        go, stop = out.label(), out.label()
        out.branch(condition, go, stop, LIKELY)
        out.place(stop)
        out.line(f"musttail call {HANDLER_CC} void @{leave}({ARGUMENTS})")
        out.ret()
        out.place(go)

    def _control_register(self, name: str) -> str:
        return self._out.field("i64", "%s", CONTEXT[name])

    def _read_implementation(self, register: str) -> str:
        return self._out.field("i64", "%s", CONTEXT[register])

    def _check_system_access(self, control: str, mask: int) -> None:
        out = self._out
        enabled = out.binary("and", "i64", out.field("i64", "%s", CONTEXT[control]), mask)
        level = out.cast("zext", "i8", out.field("i8", "%s", CONTEXT["PSTATE.EL"]), "i64")
        self._unless(out.compare("ne", "i64", out.binary("or", "i64", enabled, level), 0), "exit_golden")

    def _check_fp_enabled(self) -> None:
        self._checks_fp = True  # the decoder's: it depends on nothing that a program at EL0 changes

    def _clear_exclusive(self) -> None:
        self._out.set_field("i64", "%s", CONTEXT["monitor_size"], 0)

    def _prefetch(self, address: Bits, operation: Bits) -> None: ...

    def _barrier(self, kind: str, option: Bits) -> None: ...

    def _open(self) -> None:
        self._out.set_field("i8", "%s", CONTEXT["open"], 1)

    def _unknown(self, width: int) -> str:
        self._open()
        return self._out.value(f"add i{width} 0, 0")

    def _implementation_defined(self, value: Bits) -> str:
        self._open()
        return self._values.of(value)

    def _authenticates(self, pac: Bits, expected: Bits, accepted: Bits) -> str:
        return self._out.compare("eq", f"i{pac.width}", self._values.of(pac), self._values.of(expected))

    def _in_guarded_page(self) -> str:
        out = self._out
        return out.call("i1", "@guarded", f"ptr %s, i64 {out.field('i64', '%op', RECORD_PC)}")

    def _set_btype_next(self, value: Bits) -> None:
        out = self._out
        self._sets_btype = True
        btype = out.cast("zext", f"i{value.width}", self._values.of(value), "i8")
        out.set_field(
            "i8", "%s", CONTEXT["btype_next"], out.binary("and", "i8", btype, out.field("i8", "%s", CONTEXT["has_bti"]))
        )

    # --- ends

    def _exception(self, exception: Any) -> None:
        out = self._out
        if isinstance(exception, Undefined):
            out.line(f"musttail call {HANDLER_CC} void @h_undefined({ARGUMENTS})")
        else:
            immediate = out.cast("zext", f"i{exception.immediate.width}", self._values.of(exception.immediate), "i64")
            out.set_field("i64", "%s", CONTEXT["immediate"], immediate)
            name = "exit_svc" if isinstance(exception, SupervisorCall) else "exit_brk"
            out.line(f"musttail call {HANDLER_CC} void @{name}({ARGUMENTS})")
        out.ret()

    def _branch(self, target: Bits, branch_type: Any) -> None:
        self._values.of(target)  # before what follows changes a register
        self._target = target

    def _end(self) -> None:
        if self._target is not None:
            self._go_to(self._target)
            return
        self._continue(self._out.offset("%op", RECORD_SIZE), "%k")

    def _continue(self, record: str, k: str) -> None:
        out = self._out
        following = out.load("ptr", record)
        out.line(f"musttail call {HANDLER_CC} void {following}(ptr %s, ptr {record}, i64 {k})")
        out.ret()

    def _go_to(self, target: Bits) -> None:
        out = self._out
        if isinstance(target, Node) and target.stage is Stage.EXECUTE:
            where, chain = self._values.of(target), None
        else:
            where, chain = self._values.of(target), self._slots.get("chain", target, 8)
        here = out.cast("ptrtoint", "ptr", out.offset("%op", RECORD_SIZE), "i64")
        left = out.binary("sub", "i64", "%k", here)
        careful = out.compare("slt", "i64", left, CAREFUL)
        if self._sets_btype:
            btype = out.compare("ne", "i8", out.field("i8", "%s", CONTEXT["btype_next"]), 0)
            careful = out.binary("or", "i1", careful, btype)
        leave, go = out.label(), out.label()
        out.branch(careful, leave, go, UNLIKELY)
        out.place(leave)
        out.set_field("i64", "%s", CONTEXT["PC"], where)
        out.set_field("i64", "%s", CONTEXT["k"], left)
        out.set_field("i32", "%s", CONTEXT["exit"], layout.EXIT_CONTINUE)
        out.ret()
        out.place(go)
        record = self._chained(where, chain) if chain is not None else self._jumped(where)
        address = out.cast("ptrtoint", "ptr", record, "i64")
        self._continue(record, out.binary("add", "i64", left, address))

    def _chained(self, where: str, chain: Slot) -> str:
        out = self._out
        room = out.offset("%op", chain.offset)
        known = out.load("ptr", room)
        with Merge(out, out.compare("ne", "ptr", known, "null"), known) as merged:
            merged.append(out.call("ptr", "@link", f"ptr %s, i64 {where}, ptr {room}"))
        return merged[-1]

    def _jumped(self, where: str) -> str:
        out = self._out
        entry = jump_entry(out, where)
        hit = out.compare("eq", "i64", out.load("i64", entry), where)
        known = out.field("ptr", entry, 8)
        with Merge(out, hit, known) as merged:
            merged.append(out.call("ptr", "@jump", f"ptr %s, i64 {where}"))
        return merged[-1]


class _Recorder:
    """Makes the nodes of what memory is replaced by."""

    def __init__(self) -> None:
        self.node = Interner().node

    def decide(self, condition: Node) -> bool:
        raise TypeError("an atomic operation decides nothing")

    def chosen(self, condition: Bits, then: Bits, otherwise: Bits) -> Bits | None:
        return None

    def narrowed(self, amount: Bits, width: int) -> Bits:
        return amount
