"""The software TLBs and the jump cache, as the generated code finds an address's entry in them and empties them.

An entry is 16 bytes: what it is of, and where that is. The context has a table's address and, for its size, a mask of
the entry's offset.
"""

from __future__ import annotations

from assay64.reference.engines.native.emitter import Function
from assay64.reference.engines.native.layout import CONTEXT, ENTRY_SIZE

_ENTRY_BITS = ENTRY_SIZE.bit_length() - 1
_PAGE_BITS = 12
# The tag of an entry of a TLB that holds nothing: no page, and no remainder of an address that is not aligned.
EMPTY_TAG = 0x800


def tlb_entry(f: Function, table: str, address: str) -> str:
    """The entry of ``table`` (read_tlb, write_tlb, fetch_tlb) for an address: a page's address, and what added to an
    address gives the host's; of fetch_tlb, the page's records.
    """
    number = f.binary("lshr", "i64", address, _PAGE_BITS - _ENTRY_BITS)
    return _entry(f, table, f.binary("and", "i64", number, _constant(f, "i64", "tlb_mask")))


def jump_entry(f: Function, target: str) -> str:
    """The jump cache's entry for the target of an indirect branch: the target, and its record."""
    number = f.binary("shl", "i64", target, _ENTRY_BITS - 2)
    return _entry(f, "jump_cache", f.binary("and", "i64", number, _constant(f, "i64", "jump_mask")))


def empty_tlb(f: Function, table: str) -> None:
    with f.count_up(_entries(f, "tlb_mask")) as (index, _):
        f.store("i64", EMPTY_TAG, _entry(f, table, f.binary("shl", "i64", index, _ENTRY_BITS)))


def empty_jump_cache(f: Function) -> None:
    """An empty entry has an address that belongs to another entry: there are two or more."""
    with f.count_up(_entries(f, "jump_mask")) as (index, _):
        entry = _entry(f, "jump_cache", f.binary("shl", "i64", index, _ENTRY_BITS))
        f.store("i64", f.select(f.compare("eq", "i64", index, 0), "i64", 4, 0), entry)


def _entry(f: Function, table: str, offset: str) -> str:
    return f.offset(_constant(f, "ptr", table), offset)


def _entries(f: Function, mask: str) -> str:
    return f.binary("add", "i64", f.binary("lshr", "i64", _constant(f, "i64", mask), _ENTRY_BITS), 1)


def _constant(f: Function, kind: str, name: str) -> str:
    """What never changes while the element exists."""
    return f.load(kind, f.offset("%s", CONTEXT[name]), ", !invariant.load !2")
