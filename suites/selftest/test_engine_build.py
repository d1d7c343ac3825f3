"""The native engine is compiled once for each user, whatever happens to the cache meanwhile; a failure is one line.

A full build takes a minute: here the program is a few functions, or the image a fake, and the rest is real.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from assay64.harness import cli
from assay64.harness.record import store
from assay64.reference import Machine
from assay64.reference.cache import cache_folder, prune, read_cached, write_cached
from assay64.reference.engines.native import build
from assay64.reference.engines.native.build import BuildError, Image

FAKE = Image(["FEAT_X"], [], [b"code"], [build.Made("nop", 1, 1, 9, 0.1, 0.2)], 0.5)
MODULE = "define i32 @f_{0}(i32 %a) {{\n  %b = add i32 %a, {0}\n  ret i32 %b\n}}\n"
# A build of three small modules, in a process of its own.
SMALL_BUILD = """
import types
from assay64.reference.engines.native import build, program
made = types.SimpleNamespace(settings=types.SimpleNamespace(features=[], choices=[]), report=[])
program.program = lambda progress: [progress(n, 3) for n in range(4)] and made
program.modules = lambda made: [program.Module({0}.format(number), frozenset()) for number in range(3)]
print(len(build._image().objects))
"""


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ASSAY64_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def builds(cache, monkeypatch) -> list[int]:
    """The builds so far, which take no time."""
    made: list[int] = []

    def fake() -> Image:
        made.append(1)
        return FAKE

    monkeypatch.setattr(build, "_build", fake)
    return made


def python(code: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **options)


def test_a_second_start_builds_nothing(builds):
    assert [build._image() == FAKE for _ in range(3)] == [True] * 3
    assert len(builds) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: b"something else altogether",
        lambda data: hashlib.sha256(b"\xc1\xc1").digest() + b"\xc1\xc1",  # whole, but of another program
        lambda data: (
            hashlib.sha256(msgspec.msgpack.encode({"features": 3})).digest() + msgspec.msgpack.encode({"features": 3})
        ),
    ],
    ids=["truncated", "empty", "one bit", "foreign", "no image", "another layout"],
)
def test_a_damaged_or_foreign_entry_is_made_again(builds, damage):
    build._image()
    file = build.image_file()
    good = file.read_bytes()
    file.write_bytes(damage(good))
    assert build.cached_image() is None
    assert build._image() == FAKE
    assert len(builds) == 2
    assert file.read_bytes() == good


def test_a_damaged_object_is_compiled_again(cache):
    text = MODULE.format(7)
    made = build._compile(text, 2)
    (file,) = cache.glob("object-*.o")
    file.write_bytes(file.read_bytes()[:-9])
    again = build._compile(text, 2)
    assert again.code == made.code
    assert build._compile(text, 2) == again  # from the cache: to compile it a third time takes other seconds


def test_two_first_runs_at_once_build_once(cache, tmp_path):
    code = f"""
import time
from pathlib import Path
from assay64.reference.engines.native import build
def slow():
    with open({str(tmp_path / "log")!r}, "a") as log:
        log.write("built ")
    time.sleep(1)
    return build.Image([], [], [b"x" * 1000000], [], 1.0)
build._build = slow
print(len(build._image().objects[0]))
"""
    runs = [python(code) for _ in range(4)]
    assert [run.communicate()[0] for run in runs] == ["1000000\n"] * 4
    assert (tmp_path / "log").read_text() == "built "


def test_without_a_folder_to_write_to_everybody_builds(builds, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ASSAY64_CACHE", str(tmp_path / "file" / "cache"))
    assert [build._image() == FAKE for _ in range(2)] == [True, True]
    assert len(builds) == 2


def test_a_full_disk_costs_no_more_than_the_cache(cache):
    """A process that may write no file of more than 100 bytes: as if the disk were full in the middle of an entry."""
    code = """
import resource
from assay64.reference.cache import write_cached
write_cached("before", b"fits")
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
write_cached("entry", bytes(1000000))
print("went on")
"""
    assert python(code).communicate()[0] == "went on\n"
    assert [path.name for path in cache.iterdir()] == ["before"]


def test_what_was_not_used_lately_is_removed(cache):
    for number in range(6):
        write_cached(f"native-{number}.bin", b"x")
        os.utime(cache / f"native-{number}.bin", (1000 + number, 1000 + number))
    read_cached("native-0.bin")  # used just now
    write_cached("other", b"x")
    prune("native-*.bin", 3)
    assert sorted(path.name for path in cache.iterdir()) == ["native-0.bin", "native-4.bin", "native-5.bin", "other"]


def test_images_of_earlier_versions_do_not_pile_up(builds, cache):
    for number in range(10):
        write_cached(f"native-{number:020}.bin", b"old")
        write_cached(f"native-{number:020}.bin.lock", b"")
    build._image()
    assert len(list(cache.glob("native-*"))) == 3
    assert build.image_file().is_file()


def has_terminals() -> bool:
    """A root without devpts has none."""
    try:
        ends = pty.openpty()
    except OSError:
        return False
    for end in ends:
        os.close(end)
    return True


@pytest.mark.skipif(
    not has_terminals() and "CI" not in os.environ,  # CI has to have them
    reason="no pseudo-terminals here: /dev/pts is not mounted",
)
def test_the_build_in_miniature_shows_its_progress(cache):
    """On a terminal a bar, elsewhere a line; the result is the same."""
    code = SMALL_BUILD.format(repr(MODULE))
    reader, terminal = pty.openpty()
    run = python(code, stderr=terminal, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"})
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(reader, 1 << 16)
        except OSError:  # the other side is closed
            break
    assert run.communicate()[0] == "3\n"
    assert b"native engine: tracing" in shown
    assert b"native engine: compiling" in shown
    again = python(code, stderr=subprocess.PIPE)
    assert again.communicate() == ("3\n", "")  # it is there
    for file in cache.glob("native-*.bin"):
        file.unlink()
    line = "assay64: compiling the native engine, once for this user and version ...\n"
    assert python(code, stderr=subprocess.PIPE).communicate() == ("3\n", line)


def test_what_llvm_says_against_a_module_is_one_line(cache):
    with pytest.raises(BuildError, match="could not compile the native engine") as raised:
        build._compiled("define i32 @f( {", 2)
    assert "\n" not in str(raised.value)
    assert "exit code 1" in str(raised.value)
    assert not cache.exists()


def test_a_compiler_that_dies_does_not_take_us_along(cache, tmp_path, monkeypatch):
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\nkill -ABRT $$\n")
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))
    with pytest.raises(BuildError, match="killed by signal 6"):
        build._compiled(MODULE.format(1), 2)


def test_the_command_line_says_it_in_one_line(cache, monkeypatch, capfd):
    def fails() -> Image:
        raise BuildError("LLVM could not compile the native engine (killed by signal 6): no message")

    monkeypatch.setattr(build, "_build", fails)
    monkeypatch.setattr(build, "library", build.library.__wrapped__)
    with pytest.raises(BuildError):
        build.library()
    monkeypatch.setattr(importlib.import_module("assay64.harness.cli.doctor"), "examine_engine", fails)
    assert cli.invoke(["doctor", "--engine"]) == 3
    said = capfd.readouterr().err
    assert said == "assay64: LLVM could not compile the native engine (killed by signal 6): no message\n"


def test_doctor_says_whether_the_engine_is_compiled(cache, monkeypatch, capfd):
    assert cli.invoke(["doctor", "--engine"]) == 0
    said = capfd.readouterr().out
    assert "not compiled: its first use does that" in said
    assert str(cache_folder()) in said


def test_doctor_says_what_the_engine_takes(capfd):
    machine = Machine()
    assert cli.invoke(["doctor", "--engine", "--json"]) == 0
    report = msgspec.json.decode(capfd.readouterr().out)
    assert report["compiled"]
    assert report["total_bytes"] == sum(machine.tables().values()) == sum(report["tables"].values())
    assert report["code_bytes"] < report["file_bytes"] == build.image_file().stat().st_size
    assert {one["name"] for one in report["definitions"]} >= {"add_sub_immediate", "svc"}
    assert cli.invoke(["doctor", "--engine"]) == 0
    said = capfd.readouterr().out
    assert f"{report['total_bytes']:,}" in said
    assert "LLVM" in said


@pytest.mark.nightly
def test_a_cold_build_of_everything(cache):
    """And it runs: the first example of Machine."""
    code = "import doctest, assay64.reference.machine as m; print(doctest.testmod(m).failed)"
    assert python(code).communicate()[0] == "0\n"
    assert len(list(cache.glob("native-*.bin"))) == 1


# Python runs sitecustomize.py in each process: the engine cannot be built in those that have a word on their command
# line, and is not asked for in the others.
COMMAND = "import sys; from assay64.harness.cli import main; sys.exit(main())"
NO_ENGINE = """
import sys
from assay64.reference.engines.native import build
def library():
    if {where!r} in " ".join(sys.orig_argv):
        raise build.BuildError("LLVM could not compile the native engine (killed by signal 9): no message")
build.library = library
"""


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["fuzz", "--cases", "64", "--only", "ADD", "-j", "2"], "fuzz"),
        (["fuzz", "--cases", "64", "--only", "ADD", "-j", "2"], "spawn_main"),
        (["run", "hints", "-j", "2"], "run"),
    ],
    ids=["fuzz", "a process of fuzz", "run"],
)
def test_commands_end_in_one_line_without_the_engine(arguments, where, tmp_path):
    """Exit code 3, also where the engine is missed in a child alone; what was judged before is in the journal."""
    (tmp_path / "sitecustomize.py").write_text(NO_ENGINE.format(where=where))
    folder = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments, "--backend", "unicorn", "--report", folder],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "ASSAY64_ENGINE": "native"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("assay64: LLVM could not compile the native engine (killed by signal 9): no message")
    if where == "spawn_main":
        assert store.read(folder).info.command == "fuzz"
    else:
        assert "ASSAY64_ENGINE=golden" in line
