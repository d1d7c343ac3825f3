"""The guest programs that benchmarks time: static A64 ELF files built from source/, and what is known of each.

A program is entered with repeats in x0, size in x1 and a stack, and ends at `svc #0` with its checksum in x0, having
executed ``instructions(repeats, size)`` instructions. It knows no engine.
"""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

HERE = Path(__file__).parent
GENERATED = HERE / "_generated"
MANIFEST = GENERATED / "programs.json"
PAGE_BYTES = 0x1_0000  # hosts have pages of up to this size
STACK_ADDRESS, STACK_BYTES = 0x2000_0000, 0x1_0000
REMAPPED_ADDRESS = 0x3000_0000

_LOAD = 1  # PT_LOAD
_PERMISSIONS = ((4, "r"), (2, "w"), (1, "x"))  # PF_R, PF_W, PF_X


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of programs.toml, whose head explains the fields."""

    title: str
    sources: tuple[str, ...]
    size: int
    small: int
    flags: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    whole: int | None = None
    judged: bool = True
    linux: bool = True


class Mix(msgspec.Struct, frozen=True):
    """Executed instructions: (once in a run, for each repeat), the SVC at the end not counted.

    ``loads`` and ``stores`` are instructions too, whatever they transfer; ``indirect`` are BR, BLR and RET.
    """

    instructions: tuple[int, int]
    loads: tuple[int, int]
    stores: tuple[int, int]
    indirect: tuple[int, int]


class Built(msgspec.Struct, frozen=True):
    """What build.py knows of a program: hashes of its sources and of its file, and instruction counts.

    ``mixes`` is by size.
    """

    sources: str
    file: str
    mixes: dict[str, Mix] = {}


class Manifest(msgspec.Struct, frozen=True):
    generated: str
    compiler: str
    programs: dict[str, Built]


class Segment(NamedTuple):
    """Whole pages at ``address``: ``data`` in front, zeros up to ``size``; permissions are letters of rwx."""

    address: int
    size: int
    permissions: str
    data: bytes


class Program(NamedTuple):
    """A program ready to be mapped. The stack is among the segments; ``stack_pointer`` is its end."""

    name: str
    entry: Entry
    built: Built
    file: Path
    start: int
    segments: tuple[Segment, ...]
    stack_pointer: int = STACK_ADDRESS + STACK_BYTES

    def instructions(self, repeats: int, size: int) -> int:
        """Instructions from the entry to the SVC. KeyError for a size that was not measured."""
        return self.executed("instructions", repeats, size)

    def executed(self, kind: str, repeats: int, size: int) -> int:
        """How many of a kind: ``instructions``, ``loads``, ``stores`` or ``indirect`` branches."""
        once, each = getattr(self.built.mixes[str(size)], kind)
        return once + each * repeats


@cache
def table() -> Mapping[str, Entry]:
    """The programs by name, in the order of programs.toml."""
    return msgspec.convert(tomllib.loads((HERE / "programs.toml").read_text()), dict[str, Entry])


@cache
def manifest() -> Manifest:
    return msgspec.json.decode(MANIFEST.read_bytes(), type=Manifest)


@cache
def load(name: str) -> Program:
    """The program of that name. KeyError when there is none."""
    return from_file(name, table()[name], manifest().programs[name], GENERATED / f"{name}.elf")


def from_file(name: str, entry: Entry, built: Built, file: Path) -> Program:
    """The program in an ELF file. ValueError when the file is none that can be mapped."""
    start, segments = read_elf(file.read_bytes())
    stack = Segment(STACK_ADDRESS, STACK_BYTES, "rw", b"")
    return Program(name, entry, built, file, start, (*segments, stack))


def read_elf(data: bytes) -> tuple[int, list[Segment]]:
    """Entry address and segments of a static AArch64 ELF file. ValueError when it is none, or segments share a page."""
    kind, machine = struct.unpack_from("<HH", data, 0x10)
    if data[:6] != b"\x7fELF\x02\x01" or (kind, machine) != (2, 183):
        raise ValueError("not a static little-endian AArch64 ELF program")
    start, table_offset = struct.unpack_from("<QQ", data, 0x18)
    entry_bytes, count = struct.unpack_from("<HH", data, 0x36)
    segments: list[Segment] = []
    for index in range(count):
        kind, flags, offset, address, _, in_file, size, _ = struct.unpack_from(
            "<IIQQQQQQ", data, table_offset + index * entry_bytes
        )
        if kind != _LOAD or not size:
            continue
        low, high = address // PAGE_BYTES * PAGE_BYTES, -(-(address + size) // PAGE_BYTES) * PAGE_BYTES
        if segments and low < segments[-1].address + segments[-1].size:
            raise ValueError(f"the segments at {segments[-1].address:#x} and {address:#x} share a page")
        permissions = "".join(letter for bit, letter in _PERMISSIONS if flags & bit)
        contents = bytes(address - low) + data[offset : offset + in_file]
        segments.append(Segment(low, high - low, permissions, contents))
    return start, segments
