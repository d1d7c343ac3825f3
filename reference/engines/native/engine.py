"""The native processing element: registers in the compiled engine's memory, and golden beside it for what is rare."""

from __future__ import annotations

import ctypes
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay64.reference.bits import Constant, bits
from assay64.reference.encoding import decode
from assay64.reference.engines.counts import UNALLOCATED
from assay64.reference.engines.golden import GoldenPE
from assay64.reference.engines.native import layout
from assay64.reference.engines.native.block import Block
from assay64.reference.engines.native.build import library
from assay64.reference.engines.native.counting import Counters
from assay64.reference.engines.native.layout import CONTEXT, PAGES
from assay64.reference.engines.native.registers import NativeRegisters
from assay64.reference.engines.native.space import NativeSpace
from assay64.reference.engines.sizes import TableSizes
from assay64.reference.pseudocode.exceptions import (
    DataAbort,
    FaultKind,
    SoftwareBreakpoint,
    SupervisorCall,
    Undefined,
)
from assay64.reference.pseudocode.unpredictable import PERMITTED

_MASK64 = (1 << 64) - 1
_FAULTS = tuple(FaultKind[name] for name in layout.FAULTS)


@dataclass(frozen=True)
class Statistics:
    """What the engine did since it was made. Misses are of the software TLB, the jump cache and the tables of code;
    ``decoded`` counts instructions translated, ``golden`` those that golden executed, ``invalidated`` stores to code,
    ``bytes`` the memory of all tables.
    """

    instructions: int
    read_misses: int
    write_misses: int
    fetch_misses: int
    jump_misses: int
    decoded: int
    golden: int
    invalidated: int
    bytes: int


class NativePE(NativeRegisters):
    """One processing element of the native engine, beside the golden one that executes what is rare for it."""

    def __init__(self, golden: GoldenPE, space: NativeSpace, sizes: TableSizes) -> None:
        super().__init__(golden)
        self._space = space
        self._library = library()
        self._pages = Block(PAGES.size)
        code_pages = sizes.code_pages
        self._page_tables = [Block(8 * code_pages), Block(8 * code_pages), Block(4096 * code_pages)]
        self._records = Block(layout.RECORD_SIZE * layout.RECORDS_PER_PAGE * code_pages)
        self._breakpoints = Block(8)
        self._breakpoint_set = frozenset[int]()
        self._code_pages = code_pages
        self.counters: Counters | None = None
        for name, block in zip(("host", "address", "words"), self._page_tables, strict=True):
            self._pages.view(PAGES[name], np.uint64)[0] = block.address
        self._pages.view(PAGES["records"], np.uint64)[0] = self._records.address
        self._pages.view(PAGES["limit"], np.uint64)[0] = code_pages
        self._lookups = {
            name: Block(layout.ENTRY_SIZE * entries)
            for name, entries in (
                ("read_tlb", sizes.tlb_entries),
                ("write_tlb", sizes.tlb_entries),
                ("fetch_tlb", sizes.tlb_entries),
                ("jump_cache", sizes.jump_entries),
            )
        }
        for name, block in self._lookups.items():
            self._set(name, block.address)
        self._set("tlb_mask", layout.ENTRY_SIZE * (sizes.tlb_entries - 1))
        self._set("jump_mask", layout.ENTRY_SIZE * (sizes.jump_entries - 1))
        self._set("space", space.block.address)
        self._set("pages", self._pages.address)
        self._functions = {
            name: self._library.function(name, returns, ctypes.c_void_p)
            for name, returns in (("run", None), ("step", ctypes.c_bool), ("synchronise", None), ("flush", None))
        }
        for name in ("load_state", "store_state"):
            self._functions[name] = self._library.function(name, None, ctypes.c_void_p, ctypes.c_void_p)
        self._remaining, self._exit, self._pc = (
            self.context.view(CONTEXT["remaining"], np.uint64),
            self.context.view(CONTEXT["exit"], np.uint32),
            self.context.view(CONTEXT["PC"], np.uint64),
        )
        self._configured: Any = None
        space.add(self)
        self.flush()
        self.configure()

    # --- configuration

    def configure(self) -> None:
        """Take over the model, the controls and the exception level. What was decoded under others is forgotten."""
        golden, controls = self.golden, self.golden.controls
        level = self._get("PSTATE.EL")
        key = (
            golden.model,
            level,
            controls.SCTLR_EL1,
            controls.CPACR_EL1,
            controls.top_byte_ignore,
            controls.address_bits,
            controls.dc_zva_size,
            controls.exclusives_granule,
            controls.cache_line_size,
        )
        if key == self._configured:
            return
        self._configured = key
        image = self._library.image
        features = golden.model.features
        mask = sum(1 << number for number, name in enumerate(image.features) if name in features)
        self.context.bytes[CONTEXT["features"] : CONTEXT["features"] + 64] = np.frombuffer(
            mask.to_bytes(64, "little"), np.uint8
        )
        for number, name in enumerate(image.choices):
            constraints = PERMITTED[name]
            wanted = golden.model.choices.get(name)
            chosen = next((n for n, constraint in enumerate(constraints) if constraint.name == wanted), 0)
            self.context.bytes[CONTEXT["choices"] + number] = chosen
        sctlr = controls.SCTLR_EL1
        self._set("SCTLR_EL1", sctlr)
        self._set("TCR_EL1", int(golden.control_register("TCR_EL1")))
        golden.registers["PSTATE.EL"] = [Constant(2, level)]
        for name in ("CTR_EL0", "DCZID_EL0"):
            self._set(name, int(golden.read_implementation(name)))
        self._set("sp_check", 15 if sctlr >> (3 if level else 4) & 1 else 0)
        self._set("strict", sctlr >> 1 & 1)
        self._set("naa", sctlr >> 6 & 1)
        self._set("lse2", "FEAT_LSE2" in features)
        self._set("has_bti", 3 if "FEAT_BTI" in features else 0)
        self._set("top_byte_ignore", controls.top_byte_ignore)
        fpen = controls.CPACR_EL1 >> 20 & 3
        self._set("fp_disabled", fpen != 3 and (fpen != 1 or not level))
        self._set("granule", controls.exclusives_granule)
        self._set("zva_size", controls.dc_zva_size)
        self.flush()

    def flush(self) -> None:
        """Forget decoded code and translated addresses."""
        self._functions["flush"](self.context.address)

    def set_breakpoints(self, addresses: frozenset[int]) -> None:
        if addresses == self._breakpoint_set:
            return
        self._breakpoint_set = addresses
        self._breakpoints = Block(max(8 * len(addresses), 8))
        self._breakpoints.view(0, np.uint64, len(addresses))[:] = sorted(addresses)
        self._set("breakpoints", self._breakpoints.address)
        self._set("breakpoint_count", len(addresses))
        self.flush()

    # --- instruments

    def count(self, *, wanted: bool) -> None:
        """Begin to count, from zero, or end it."""
        self.counters = Counters(self._records.address, self._code_pages) if wanted else None
        self._set("counts", self.counters.address if self.counters else 0)
        self.flush()

    @contextmanager
    def golden_state(self) -> Generator[GoldenPE]:
        """Golden in this element's state; what it does to it is taken over."""
        self._space.update()
        for element in self._space.elements:
            element.lend_shared()
        self.lend()
        try:
            yield self.golden
        finally:
            self.take()
            self.configure()
            for element in self._space.elements:
                element.take_shared()

    # --- execution

    def run(self, budget: int, breakpoints: frozenset[int]) -> str:
        """Run until a breakpoint, for ``budget`` instructions, or until ``stop``: which of them ended it.

        Raises an ArchitecturalException with the PC at Arm's preferred return address.
        """
        self.set_breakpoints(breakpoints)
        return self._run(min(budget, _MASK64))

    def step(self) -> None:
        """Execute one instruction, breakpoint or not."""
        self.set_breakpoints(frozenset())
        requested = self._get("stop")
        self.forget_stop()  # a run's, not this step's
        self._run(1)
        if requested:
            self.request_stop()

    def _run(self, budget: int) -> str:
        self._prepare()
        self._remaining[0] = budget
        if self.counters:
            self.counters.begin(int(self._pc[0]))
        while (reason := self._advance()) is None:
            self._remaining[0] -= np.uint64(1)
        if self.counters:
            self.counters.end(int(self._pc[0]))
        return reason

    def _advance(self) -> str | None:
        """Run to an exit: why the run ends, or None when golden has executed an instruction."""
        if self._get("PSTATE.IL") and self._remaining[0]:
            self._golden_step()
            return None
        self._functions["run"](self.context.address)
        match self._exit[0]:
            case layout.EXIT_BUDGET:
                return "breakpoint" if int(self._pc[0]) in self._breakpoint_set else "budget"
            case layout.EXIT_BREAKPOINT:
                return "breakpoint"
            case layout.EXIT_STOPPED:
                return "stopped"
            case _:
                self._leave()
                return None

    def _prepare(self) -> None:
        self._space.update()
        self._functions["synchronise"](self.context.address)

    def _leave(self) -> None:
        """Raise what the exit says; or let golden execute the instruction."""
        match self._exit[0]:
            case layout.EXIT_UNDEFINED:
                raise Undefined
            case layout.EXIT_SVC:
                raise SupervisorCall(bits(16, self._get("immediate")))
            case layout.EXIT_BRK:
                raise SoftwareBreakpoint(bits(16, self._get("immediate")))
            case layout.EXIT_DATA_ABORT:
                fault = _FAULTS[self._get("fault")]
                raise DataAbort(bits(64, self._get("address")), fault, bool(self._get("access")))
            case _:
                self._golden_step()

    def request_stop(self) -> None:
        """From another thread: make a run return."""
        self._set("stop", 1)

    def forget_stop(self) -> None:
        self._set("stop", 0)

    # --- batches

    def function(self, name: str, returns: Any, *parameters: Any) -> Any:
        """A function of the generated code."""
        return self._library.function(name, returns, *parameters)

    def enter_batch(self, until: Block) -> None:
        """Prepare for run_batch, whose cases end at the address in ``until``."""
        self._prepare()
        self._space.empty_log()
        self.set_breakpoints(frozenset())
        self._set("breakpoints", until.address)
        self._set("breakpoint_count", 1)
        self.flush()

    def leave_batch(self) -> None:
        self._set("breakpoint_count", 0)
        self.flush()

    def load_state(self, state: np.ndarray[Any, Any]) -> None:
        """Load the registers from a record of layout.STATE; the monitors become open."""
        self._functions["load_state"](self.context.address, state.ctypes.data)
        self.configure()

    def store_state(self, state: np.ndarray[Any, Any]) -> None:
        self._functions["store_state"](self.context.address, state.ctypes.data)

    # --- golden

    def _golden_step(self) -> None:
        self._set("golden", self._get("golden") + 1)
        self._set("open", 1)
        with self.golden_state() as golden:
            if self.counters and self._get("PSTATE.BTYPE") and int(golden.in_guarded_page()):
                # Nothing else left here without going through a record.
                golden.on_instruction = self._count_guarded
            try:
                golden.step()
            finally:
                golden.on_instruction = None

    def _count_guarded(self, address: int, word: int) -> None:
        decoded = decode(word)
        if self.counters:
            self.counters.count(UNALLOCATED if decoded is None else decoded.definition.name, address)

    def lend_shared(self) -> None:
        """Give golden what instructions of other elements may change."""
        self.lend_monitor()
        self.golden.registers["EventRegister"] = [Constant(1, self._get("EventRegister"))]

    def take_shared(self) -> None:
        """Take it back, and see what they have written to code."""
        self.take_monitor()
        self._set("EventRegister", int(self.golden.registers["EventRegister"][0]))
        self._functions["synchronise"](self.context.address)

    def lend_all(self) -> None:
        """Give golden registers and monitors."""
        self.lend_monitor()
        self.lend()

    def take_all(self) -> None:
        """Take registers and monitors from golden."""
        self.take()
        self.configure()
        self.take_monitor()

    # --- what it did

    def statistics(self) -> Statistics:
        counts = [self._get(name) for name in _COUNTERS]
        return Statistics(self.executed, *counts, bytes=sum(self.tables().values()))

    def tables(self) -> dict[str, int]:
        """The memory of each table in bytes. What grows with the machine's memory map is the space's, not here."""
        return {
            "registers": self.context.bytes.size,
            "software TLBs": sum(self._lookups[name].bytes.size for name in ("read_tlb", "write_tlb", "fetch_tlb")),
            "jump cache": self._lookups["jump_cache"].bytes.size,
            "decoded instructions": self._records.bytes.size,
            "pages of code": self._pages.bytes.size + sum(block.bytes.size for block in self._page_tables),
            "breakpoints": self._breakpoints.bytes.size,
            "counters": self.counters.bytes if self.counters else 0,
        }


_COUNTERS = ("read_misses", "write_misses", "fetch_misses", "jump_misses", "decoded", "golden", "invalidated")
