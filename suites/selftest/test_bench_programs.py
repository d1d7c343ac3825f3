"""The benchmark programs: every engine here ends each with the checksum and the instruction count that it must have.

No time is asserted.
"""

from __future__ import annotations

import os
import signal
import struct

import pytest

from assay64.harness.bench import guests
from assay64.harness.bench.engine_worker import EngineLost, EngineProcess, Request, remapped_checksum
from assay64.harness.bench.guests import ProgramFailed
from assay64.harness.bench.programs import HERE, build, load, manifest, read_elf, table
from assay64.harness.bench.programs.expected import checksum
from assay64.reference import Machine
from assay64.reference.pseudocode.exceptions import SupervisorCall

LINUX = [name for name, entry in table().items() if entry.linux]
IN_PROCESS = [engine for engine in guests.available() if engine != "qemu-user"]


def test_the_committed_programs_are_those_of_the_sources(capsys):
    """With the ziglang that built them here, byte for byte; else by the hashes of sources and files."""
    assert build.main(["--check"]) == 0, capsys.readouterr().err
    assert {path.stem for path in (HERE / "_generated").glob("*.elf")} == set(table()) == set(manifest().programs)


def test_a_changed_source_is_noticed(monkeypatch, tmp_path):
    for path in build.SOURCE.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "sieve.c").open("a") as file:
        file.write("\n")
    monkeypatch.setattr(build, "SOURCE", tmp_path)
    assert build.drift(None) == ["sieve: its sources have changed since it was built"]


@pytest.mark.parametrize("name", LINUX)
@pytest.mark.parametrize("engine", IN_PROCESS)
def test_checksum_on_every_engine(engine, name):
    program = load(name)
    guest = guests.create(engine)
    guests.put(guest, program)
    for repeats in (2, 1) if engine == "golden" else (3, 1, 40):  # again on the same machine, with what memory holds
        assert guest.run(program, repeats, program.entry.small) == checksum(name, repeats, program.entry.small)
    guest.close()


@pytest.mark.parametrize("name", LINUX)
@pytest.mark.parametrize("engine", [engine for engine in IN_PROCESS if engine != "golden"])
def test_checksum_at_full_size(engine, name):
    program = load(name)
    guest = guests.create(engine)
    guests.put(guest, program)
    repeats = 1000 if "call_loop" in name else 2
    assert guest.run(program, repeats, program.entry.size) == checksum(name, repeats, program.entry.size)
    guest.close()


@pytest.mark.skipif(guests.qemu_user() is None, reason="qemu-user is not installed")
@pytest.mark.parametrize("name", LINUX)
def test_checksum_as_a_linux_process(name):
    size = table()[name].size
    found, seconds = guests.run_under_qemu(load(name), 2, size)
    assert found == checksum(name, 2, size)
    assert seconds > 0


@pytest.mark.parametrize("name", table())
def test_instruction_counts(name):
    """The committed counts are what golden counts step by step, and what Unicorn's blocks add up to."""
    program, size = load(name), table()[name].small
    guest = guests.MachineGuest("golden")
    guests.put(guest, program)
    if not program.entry.linux:
        guest.machine.map(0x3000_0000, size << 16, "rx")
        for page in range(size):
            guest.machine.write(0x3000_0000 + (page << 16), struct.pack("<I", 0xD65F03C0))
    assert steps_to_svc(guest.machine, program.start, program.stack_pointer, 2, size) == program.instructions(2, size)
    counted = build.count_on_unicorn(program, 5, size)
    for kind in ("instructions", "loads", "stores", "indirect"):
        assert counted[kind] == program.executed(kind, 5, size)


def steps_to_svc(machine: Machine, start: int, stack_pointer: int, repeats: int, size: int) -> int:
    """Instructions that golden completes before the SVC."""
    for name, index, value in (("X", 0, repeats), ("X", 1, size), ("SP_EL0", 0, stack_pointer), ("PC", 0, start)):
        machine.set(name, index, value)
    steps = 0
    while (exception := machine.step().exception) is None:
        steps += 1
    assert isinstance(exception, SupervisorCall)
    return steps


@pytest.mark.parametrize("engine", IN_PROCESS)
def test_pages_that_are_mapped_anew_between_runs(engine):
    """Code and data of every page change each time; what was translated or looked up before must not be used again."""
    child = EngineProcess(engine)
    for remaps, size in ((1, 2), (4, 2), (3, 8)):
        answer = child.run(Request("remapping", 2, size, remaps))
        assert answer.checksum == remapped_checksum(2, size, remaps)
    child.close()


def test_expected_values_of_remapping_differ_by_turn():
    assert len({remapped_checksum(2, 2, remaps) for remaps in range(5)}) == 5


@pytest.mark.parametrize("engine", IN_PROCESS)
def test_a_program_that_fails_says_how(engine):
    child = EngineProcess(engine)
    with pytest.raises(ProgramFailed, match=f"^{engine}, remapping: .* at 0x1001"):
        child.run(Request("remapping", 1, 1))  # nothing is mapped where it reads
    child.close()


def test_an_engine_that_dies_is_reported():
    child = EngineProcess("golden")
    os.kill(child.process_id, signal.SIGSEGV)
    with pytest.raises(EngineLost, match=r"^the process of engine golden ended \(SIGSEGV\)$"):
        child.run(Request("sieve", 1, 300))
    child.close()


def test_an_error_of_the_engine_is_an_answer():
    child = EngineProcess("golden")
    with pytest.raises(ProgramFailed, match="golden, no-such-program: KeyError"):
        child.run(Request("no-such-program", 1, 300))
    child.close()


def test_an_engine_that_does_not_start_is_reported():
    with pytest.raises(EngineLost, match=r"no-such-engine ended \(exit status 1\)"):
        EngineProcess("no-such-engine")


def test_what_is_no_program_is_refused():
    with pytest.raises(ValueError, match="not a static"):
        read_elf(b"\x7fELF\x02\x01" + bytes(100))
