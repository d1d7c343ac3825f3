"""Where things are in the native engine's memory: the context of a processing element, decoded instructions, tables.

The offsets are in bytes. ``Fields`` lays a structure out from a declaration, so that Python and the generated code
share one description.
"""

from __future__ import annotations

from collections.abc import Mapping

from assay64.reference.pseudocode.processor import REGISTERS


class Fields:
    """A structure: names, their offsets, and its size. A kind is i8, i16, i32, i64, ptr or a number of bytes."""

    _SIZES: Mapping[str, int] = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "ptr": 8}

    def __init__(self, declaration: str, alignment: int = 16) -> None:
        self.offsets: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        position = 0
        for item in declaration.split():
            name, _, kind = item.partition(":")
            size = self._SIZES.get(kind) or int(kind)
            natural = min(size if size & size - 1 == 0 else 16, alignment)
            position = -(-position // natural) * natural
            self.offsets[name], self.kinds[name] = position, kind
            position += size
        self.size = -(-position // alignment) * alignment

    def __getitem__(self, name: str) -> int:
        return self.offsets[name]


def _storage(width: int) -> str:
    return "i8" if width <= 8 else "i64" if width <= 64 else "16"


_ARRAYS = {"R", "V", "APKey", "SP_EL0", "SP_EL1", "PC"}
_SINGLES = " ".join(f"{r.name}:{_storage(r.width)}" for r in REGISTERS.values() if r.name not in _ARRAYS)

# Of the software TLBs and of the jump cache.
ENTRY_SIZE = 16

# The registers first. ``zero`` reads as zero and ``sink`` takes what is written to the zero register; ``sp`` is the
# current stack pointer. Everything after ``exit`` is the engine's own.
CONTEXT = Fields(
    f"""
    R:248 zero:i64 sink:i64 sp:i64 PC:i64 V:512 APKey:80 {_SINGLES}
    btype_next:i8 open:i8
    exit:i32 fault:i8 access:i8
    immediate:i64 address:i64
    k:i64 remaining:i64 executed:i64
    value:64
    monitor_size:i64 monitor_address:i64 monitor_page:i64 monitor_first:i32 monitor_last:i32
    space:ptr pages:ptr stop:i32 has_bti:i8 fp_disabled:i8 lse2:i8 strict:i8 naa:i8 top_byte_ignore:i8 sp_check:i8
    recording:i8
    SCTLR_EL1:i64 TCR_EL1:i64 CTR_EL0:i64 DCZID_EL0:i64
    features:64 choices:64 breakpoints:ptr breakpoint_count:i64 granule:i64 zva_size:i64
    read_misses:i64 write_misses:i64 fetch_misses:i64 jump_misses:i64 decoded:i64 golden:i64 invalidated:i64
    scratch:256 special:128
    counts:ptr decoded_as:i64
    tlb_mask:i64 jump_mask:i64 read_tlb:ptr write_tlb:ptr fetch_tlb:ptr jump_cache:ptr
    """
)

# Guest memory, shared by the elements of a machine.
SPACE = Fields(
    "regions:ptr region_count:i64 elements:ptr element_count:i64 log:ptr log_count:i64 log_limit:i64"
    " watches:ptr watch_count:i64"
)
# Guest addresses near which golden executes: ``size`` bytes from ``start``.
WATCH = Fields("start:i64 size:i64")
# Of a store, while a batch records them: the guest's address, the host's, the size.
STORE = Fields("address:i64 host:i64 size:i64 unused:i64")
REGION = Fields("start:i64 end:i64 host:i64 flags:i64")
READ, WRITE, EXECUTE, DEVICE, GUARDED = 1, 2, 4, 8, 16

# The decoded instructions of pages of code: for each page its address, the host's address of its bytes, a copy of the
# words that were decoded, and the records.
PAGES = Fields("count:i64 limit:i64 host:ptr address:ptr words:ptr records:ptr")
WORDS_PER_PAGE = 1024
RECORDS_PER_PAGE = WORDS_PER_PAGE + 1  # the last one continues on the next page

# Counters: of each definition, and one more of what is unallocated; accesses through the TLB; branches taken. A table
# beside the records has an entry for each, at half the record's address plus ``bias``: what the record stands for, and
# how often it was executed since it was decoded.
COUNTED = Fields("handler:ptr definition:i32 reads:i16 writes:i16 count:i64")
COUNTS = Fields(f"bias:i64 definitions:ptr reads:i64 writes:i64 branches:i64 next_pc:i64 once:{COUNTED.size}")

# A decoded instruction.
RECORD_HANDLER, RECORD_PC, RECORD_OPERANDS = 0, 8, 16
RECORD_SIZE = 64

# Exits: why the generated code returned.
EXIT_CONTINUE = 0  # at PC with ``remaining`` instructions of the budget left
EXIT_GOLDEN = 1  # golden is to execute the instruction at PC
EXIT_UNDEFINED = 2
EXIT_SVC = 3
EXIT_BRK = 4
EXIT_DATA_ABORT = 5
EXIT_BREAKPOINT = 6
EXIT_BUDGET = 7
EXIT_STOPPED = 8

FAULT_TRANSLATION, FAULT_PERMISSION, FAULT_ALIGNMENT = 0, 1, 2
FAULTS = ("TRANSLATION", "PERMISSION", "ALIGNMENT")  # as FaultKind has them

# Many cases in one call. A state is the register file as assay64_backend.h has it, PSTATE as SPSR_ELx lays it out.
STATE = Fields(
    "size:i32 version:i32 x:248 sp:i64 pc:i64 pstate:i64 v:512 fpcr:i64 fpsr:i64 tpidr_el0:i64 tpidrro_el0:i64"
    " keys:80 event_register:i64 reserved:32",
    alignment=8,
)
PSTATE_BITS = {
    "N": 31,
    "Z": 30,
    "C": 29,
    "V": 28,
    "TCO": 25,
    "DIT": 24,
    "SS": 21,
    "IL": 20,
    "SSBS": 12,
    "BTYPE": 10,
    "DAIF": 6,
    "EL": 2,
    "SP": 0,
}
ENDED = Fields("kind:i32 access:i32 fault:i32 flags:i32 immediate:i64 address:i64 executed:i64", alignment=8)
CHANGE = Fields("case:i32 reserved:i32 address:i64 value:i64", alignment=8)
BATCH = Fields(
    "code:ptr code_words:ptr code_row:i64 code_address:i64 code_host:ptr initial:ptr final:ptr ended:ptr open:ptr"
    " budget:i64 done:i64 count:i64 progress:ptr changes:ptr change_count:i64 change_limit:i64"
    " data:i64 data_host:i64 data_size:i64 pristine:i64 written:i64 until:ptr"
)
EXIT_UNTIL = 9
