"""The runner program: our own assembling and ELF writer make it, other people's tools read it, and it runs."""

from __future__ import annotations

import shutil
import struct
import subprocess
from importlib.resources import files
from itertools import pairwise

import pytest

from assay64.harness.backends.runner import NATIVE, QEMU_USER, arena
from assay64.harness.backends.runner.elf import CODE_OFFSET, SEGMENT_ALIGNMENT, executable
from assay64.harness.backends.runner.emulator import find
from assay64.harness.backends.runner.program import BASE, ENTRY, program
from assay64.harness.cases.assembling.external import EXTERNALS
from assay64.harness.cases.assembling.keystone import Keystone

EXIT_WITH_42 = (0xD2800540, 0xD2800BA8, 0xD4000001)  # mov x0, #42; mov x8, #93; svc #0


def launcher():
    """The command in front of a program of ours here."""
    if NATIVE.available() is None:
        return []
    found = find()
    if QEMU_USER.available() is not None or found is None:
        pytest.skip(str(QEMU_USER.available()))
    return found[0]


def fields(path, option):
    """What readelf says, as ``name: value``."""
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("readelf is not installed")
    answer = subprocess.run(
        [readelf, option, "-W", path], capture_output=True, text=True, env={"LC_ALL": "C"}, check=True
    )
    assert not answer.stderr, answer.stderr
    return answer.stdout


def test_the_committed_table_and_keystone_make_the_same_program():
    assert program("table") == program("keystone") if Keystone().available() else program("table")
    assert program("table") == program()


@pytest.mark.parametrize("assembler", EXTERNALS, ids=lambda one: one.name)
def test_other_assemblers_make_the_same_program(assembler):
    if not assembler.available():
        pytest.skip(f"{assembler.name} is not installed")
    assert program(assembler.name) == program()


def test_gnu_as_takes_the_source_as_it_is(tmp_path):
    tools = [shutil.which(f"aarch64-linux-gnu-{name}") for name in ("as", "objcopy")]
    if None in tools:
        pytest.skip("binutils-aarch64-linux-gnu is not installed")
    source = files("assay64.harness.backends.runner").joinpath("runner.s").read_text(encoding="utf-8")
    (tmp_path / "runner.s").write_text(source)
    subprocess.run([tools[0], "-o", tmp_path / "runner.o", tmp_path / "runner.s"], check=True)
    subprocess.run([tools[1], "-O", "binary", tmp_path / "runner.o", tmp_path / "runner.bin"], check=True)
    assert (tmp_path / "runner.bin").read_bytes() == program()[CODE_OFFSET:]


def test_readelf_finds_a_static_program_of_one_segment(tmp_path):
    path = tmp_path / "runner"
    path.write_bytes(program())
    header = {
        name.strip(): value.strip()
        for name, _, value in (line.partition(":") for line in fields(path, "-h").splitlines())
    }
    assert (header["Class"], header["Machine"]) == ("ELF64", "AArch64")
    assert header["Type"].startswith("EXEC")
    assert int(header["Entry point address"], 16) == ENTRY
    assert header["Number of section headers"] == "0"
    segments = [
        line.split() for line in fields(path, "-l").splitlines() if line.split()[:1] in (["LOAD"], ["GNU_STACK"])
    ]
    load, stack = segments
    assert [int(load[2], 16), int(load[4], 16)] == [BASE, len(program())]
    assert " ".join(load[6:8]) == "R E"
    assert stack[6] == "RW"


def test_the_base_of_a_program_is_aligned_for_every_page_size():
    for base in (SEGMENT_ALIGNMENT // 2, -SEGMENT_ALIGNMENT):
        with pytest.raises(ValueError, match="a multiple of 0x10000"):
            executable(EXIT_WITH_42, base)


@pytest.mark.parametrize("base", [0x40_0000, BASE])
def test_a_program_of_ours_runs(tmp_path, base):
    command, path = launcher(), tmp_path / "program"
    path.write_bytes(executable(EXIT_WITH_42, base))
    path.chmod(0o755)
    assert subprocess.run([*command, path], timeout=60, check=False).returncode == 42


def test_the_parts_of_the_arena_do_not_overlap():
    parts = [value for name, value in vars(arena).items() if name.isupper() and isinstance(value, tuple)]
    assert len(parts) == 12
    ends = sorted(parts)
    for (start, size), (following, _) in pairwise(ends):
        assert start + size <= following
    assert sum(ends[-1]) <= arena.SIZE_BYTES


def test_the_program_s_offsets_are_the_arena_s():
    """The source names offsets in comments; those of the table in its head must be what arena.py has."""
    source = files("assay64.harness.backends.runner").joinpath("runner.s").read_text(encoding="utf-8")
    head = " ".join(line.removeprefix("// ") for line in source.partition("    b start")[0].splitlines())
    named = {
        "next case": arena.NEXT,
        "number of cases": arena.COUNT,
        "case to be stopped": arena.STOP,
        "initial states": arena.INITIAL,
        "final states": arena.FINAL,
        "ends": arena.ENDS,
        "code rows": arena.ROWS,
        "bytes of a row": arena.ROW_BYTES,
        "where code is written": arena.CODE_WRITTEN,
        "where it runs": arena.CODE_RUN,
        "data": arena.DATA,
        "its size": arena.DATA_BYTES,
        "next change": arena.CHANGE,
    }
    for text, index in named.items():
        assert f"{8 * index:#x} {text}," in head
    assert (
        struct.pack("<I", 0x14000000 | (program()[CODE_OFFSET:].index(b"\xe9\x03\x00\x91") // 4))
        == program()[CODE_OFFSET : CODE_OFFSET + 4]
    ), "the program begins with a branch to its start, and the signals' handler lies behind it"
