"""How large the native engine's tables are."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class TableSizes:
    """The sizes of the native engine's tables, which do not grow while it runs; Machine.tables() gives their bytes.
    ValueError for one that cannot be.

    ``code_pages``: pages of 4 KiB of code that are kept decoded, 70 KiB each; when they are full all are forgotten.
    ``tlb_entries``: pages that each of the software TLBs for reads, writes and instructions knows, and
    ``jump_entries``: targets of indirect branches that are remembered: powers of two, 16 bytes an entry.
    ``logged_stores``: stores of a case of a batch that are noted; of a case that makes more, all memory is compared.
    """

    code_pages: int = 1024
    tlb_entries: int = 256
    jump_entries: int = 4096
    logged_stores: int = 1024

    def __post_init__(self) -> None:
        for field in fields(self):
            size = getattr(self, field.name)
            if size < 1:
                raise ValueError(f"{field.name} is {size}: a table has room for at least one")
        for name in ("tlb_entries", "jump_entries"):
            size = getattr(self, name)
            if size & size - 1 or size < 2:
                raise ValueError(f"{name} is {size}: it has to be a power of two, from 2 on")
