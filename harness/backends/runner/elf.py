"""Writes the smallest static AArch64 Linux program: one segment of code that is readable and executable, no sections.

Source: System V ABI, chapters 4 and 5; ELF for the Arm 64-bit Architecture (AAELF64). It knows no instruction.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

ELF_HEADER_BYTES, PROGRAM_HEADER_BYTES = 64, 56
# Linux on arm64 has pages of up to 64 KiB, and a segment's place in the file must be congruent to its address.
SEGMENT_ALIGNMENT = 0x1_0000
CODE_OFFSET = 0x100

_EXECUTABLE, _MACHINE_AARCH64, _VERSION = 2, 183, 1
_LOAD, _GNU_STACK = 1, 0x6474_E551
_EXECUTE, _WRITE, _READ = 1, 2, 4


def executable(words: Sequence[int], base: int) -> bytes:
    """The file of a program whose ``words`` lie at ``base + CODE_OFFSET`` and begin with the first.

    ``base`` is a multiple of SEGMENT_ALIGNMENT; the headers are loaded there.
    """
    if base % SEGMENT_ALIGNMENT or base < 0:
        raise ValueError(f"base {base:#x}: a multiple of {SEGMENT_ALIGNMENT:#x}")
    code = struct.pack(f"<{len(words)}I", *words)
    headers = (
        _program_header(_LOAD, _READ | _EXECUTE, base, CODE_OFFSET + len(code), SEGMENT_ALIGNMENT),
        _program_header(_GNU_STACK, _READ | _WRITE, 0, 0, 16),
    )
    identification = b"\x7fELF" + bytes((2, 1, _VERSION)) + bytes(9)  # 64 bits, little-endian, System V
    header = identification + struct.pack(
        "<HHIQQQIHHHHHH",
        _EXECUTABLE,
        _MACHINE_AARCH64,
        _VERSION,
        base + CODE_OFFSET,
        ELF_HEADER_BYTES,
        0,
        0,
        ELF_HEADER_BYTES,
        PROGRAM_HEADER_BYTES,
        len(headers),
        0,
        0,
        0,
    )
    return (header + b"".join(headers)).ljust(CODE_OFFSET, b"\0") + code


def _program_header(kind: int, flags: int, address: int, size: int, alignment: int) -> bytes:
    """A segment that begins with the file."""
    return struct.pack("<IIQQQQQQ", kind, flags, 0, address, address, size, size, alignment)
