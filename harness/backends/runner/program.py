"""The runner program: runner.s assembled by our own means into an ELF file, and where its parts lie in its memory."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from assay64.harness.backends.runner.elf import CODE_OFFSET, executable
from assay64.harness.cases.assembling import assemble

# Above 4 GiB, where no case of ours has its memory, and in reach of kernels with 39 address bits.
BASE = 0x60_0000_0000
ENTRY = BASE + CODE_OFFSET
HANDLER = ENTRY + 4
ARENA = 0x60_1000_0000
BATCH_CODE = 0x60_2000_0000
"""Where a batch's code region can be written."""
RESERVED = BASE, 0x60_4000_0000
"""First and last + 1 of the addresses that guests cannot have."""


@cache
def program(assembler: str | None = None) -> bytes:
    """The ELF file. ``assembler`` forces one of ours; every one of them gives the same bytes."""
    source = files("assay64.harness.backends.runner").joinpath("runner.s").read_text(encoding="utf-8")
    return executable(assemble(source, ENTRY, assembler=assembler), BASE)
