"""assay64_backend.h against Python's view of it, and the wrapper for libraries that meet it, or do not."""

from __future__ import annotations

import ctypes
import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay64.harness import system_packages
from assay64.harness.backends import library, registry
from assay64.harness.backends.batch_regions import BatchRecord, BatchRegions
from assay64.harness.backends.contract import BatchInstance, Unsupported
from assay64.harness.backends.dynarmic import BACKEND, build
from assay64.harness.backends.library import Info, LibraryBackend, LibraryError
from assay64.harness.cases import layout
from assay64.harness.cases.case import CODE_ADDRESS, Environment
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.harness.errors import BackendUnavailable

HEADER = Path(library.__file__).parent / "include" / "assay64_backend.h"
COMPILER = shutil.which("cc")

needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="no C compiler (cc) here: the header is checked where there is one"
)

# A backend that knows one instruction, whatever the word: x0 = x0 + 1.
TOY = """
#include <stdlib.h>
#include <string.h>
#include "assay64_backend.h"
struct assay64_machine { struct assay64_state state; };
const struct assay64_info *assay64_info(void) { static const struct assay64_info info = ASSAY64_INFO; return &info; }
const char *assay64_describe(void) { return CAPABILITIES; }
int assay64_create(const char *config, assay64_machine **machine, char *error, size_t error_size) {
    if (strstr(config, "refuse = 1")) { strncpy(error, "it refuses", error_size); return ASSAY64_ERROR; }
    if (!strstr(config, "vcpus = 1\\n") || !strstr(config, "top_byte_ignore = 0\\n")) return ASSAY64_UNSUPPORTED;
    *machine = calloc(1, sizeof **machine);
    return ASSAY64_OK;
}
void assay64_destroy(assay64_machine *machine) { free(machine); }
const char *assay64_last_error(assay64_machine *machine) { (void)machine; return "the toy is broken"; }
int assay64_map(assay64_machine *m, uint64_t a, void *h, uint64_t s, uint32_t p, uint32_t f) {
    (void)m; (void)h; (void)s; (void)p; (void)f;
    return a == 0x666000 ? ASSAY64_ERROR : ASSAY64_OK;
}
int assay64_set_state(assay64_machine *m, uint32_t v, const struct assay64_state *s) {
    (void)v;
    m->state = *s;
    return ASSAY64_OK;
}
int assay64_get_state(assay64_machine *m, uint32_t v, struct assay64_state *s) {
    (void)v;
    *s = m->state;
    return ASSAY64_OK;
}
int assay64_run(assay64_machine *m, uint32_t v, uint64_t budget, uint64_t until, struct assay64_exit *exit) {
    (void)v;
    for (; budget && m->state.pc != until; --budget) { m->state.x[0]++; m->state.pc += 4; exit->executed++; }
    exit->kind = m->state.pc == until ? ASSAY64_EXIT_UNTIL : ASSAY64_EXIT_BUDGET;
    if (m->state.x[1]) exit->kind = 99;
    return ASSAY64_OK;
}
int assay64_notify_code(assay64_machine *m, uint64_t a, uint64_t s) { (void)m; (void)a; (void)s; return ASSAY64_OK; }
EXTRA
"""
CAPABILITIES = {"name": "toy", "version": "1"}

MakeToy = Callable[..., LibraryBackend]


def compile_c(source: Path, output: Path, *flags: str) -> None:
    assert COMPILER is not None
    done = subprocess.run(
        [
            COMPILER,
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-pedantic",
            "-Werror",
            f"-I{HEADER.parent}",
            *flags,
            source,
            "-o",
            output,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def make_toy(tmp_path: Path) -> MakeToy:
    """Compiles the toy: ``without`` renames a function away, ``replace`` edits the source, ``extra`` ends it."""

    def make(
        capabilities: object = CAPABILITIES, *, without: str = "", replace: tuple[str, str] = ("", ""), extra: str = ""
    ) -> LibraryBackend:
        text = capabilities if isinstance(capabilities, str) else json.dumps(capabilities)
        source = TOY.replace("CAPABILITIES", json.dumps(text)).replace("EXTRA", extra)
        if replace[0]:
            assert replace[0] in source
            source = source.replace(*replace)
        path = tmp_path / "toy.c"
        path.write_text(
            source.replace("#include <stdlib.h>", f"#define {without} renamed\n#include <stdlib.h>")
            if without
            else source
        )
        compile_c(path, tmp_path / "libtoy.so", "-shared", "-fPIC")
        return LibraryBackend(tmp_path / "libtoy.so")

    return make


# ---- the layout ----

C_STRUCTS = {
    "assay64_state": layout.STATE_DTYPE,
    "assay64_exit": layout.EXIT_DTYPE,
    "assay64_change": layout.CHANGE_DTYPE,
    "assay64_info": np.dtype(Info),
    "assay64_batch": np.dtype(
        [
            (name, np.dtype(kind)) if kind is not ctypes.c_void_p else (name, "<u8")
            for name, kind, *_ in BatchRecord._fields_
        ]
    ),
}
C_NAMES = {"case": "case_index"}  # `case` is a word of C


@needs_compiler
@pytest.mark.parametrize(("struct", "dtype"), C_STRUCTS.items())
def test_structures_are_laid_out_alike(tmp_path: Path, struct: str, dtype: np.dtype) -> None:
    assert dtype.names is not None
    lines = [f'printf("%zu\\n", sizeof(struct {struct}));']
    for name in dtype.names:
        member = C_NAMES.get(name, name)
        lines.append(
            f'printf("{name} %zu %zu\\n", offsetof(struct {struct}, {member}), '
            f"sizeof(((struct {struct} *)0)->{member}));"
        )
    source = tmp_path / "layout.c"
    source.write_text(
        '#include <stdio.h>\n#include "assay64_backend.h"\nint main(void) {' + "\n".join(lines) + "return 0; }\n"
    )
    compile_c(source, tmp_path / "layout")
    size, *rows = subprocess.run([tmp_path / "layout"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert int(size) == dtype.itemsize
    fields: dict[Any, Any] = dict(dtype.fields or {})
    ours = [f"{name} {fields[name][1]} {fields[name][0].itemsize}" for name in dtype.names]
    assert rows == ours
    # The members named here are all there are: their sizes add up to the whole.
    assert sum(int(row.split()[2]) for row in rows) == dtype.itemsize


def test_the_batch_record_has_the_offsets_that_ctypes_gives_it() -> None:
    dtype = C_STRUCTS["assay64_batch"]
    assert dtype.fields is not None
    assert {name: dtype.fields[name][1] for name in dtype.fields} == {
        name: getattr(BatchRecord, name).offset for name, *_ in BatchRecord._fields_
    }
    assert ctypes.sizeof(BatchRecord) == dtype.itemsize


@pytest.mark.parametrize(("prefix", "members"), [("EXIT", ExitKind), ("ACCESS", Access), ("FAULT", Fault)])
def test_enumerations_are_numbered_alike(prefix: str, members: type[ExitKind | Access | Fault]) -> None:
    found = re.findall(rf"ASSAY64_{prefix}_(\w+) = (\d+)", HEADER.read_text())
    assert found == [(member.name, str(number)) for number, member in enumerate(members)]


def test_the_version_is_the_same() -> None:
    assert f"#define ASSAY64_VERSION {layout.ABI_VERSION}u" in HEADER.read_text()


@needs_compiler
def test_every_function_of_the_header_is_known_to_the_wrapper(tmp_path: Path) -> None:
    source = tmp_path / "functions.c"
    source.write_text('#include "assay64_backend.h"\n')
    assert COMPILER is not None
    text = subprocess.run(
        [COMPILER, "-E", f"-I{HEADER.parent}", source], capture_output=True, text=True, check=True
    ).stdout
    declared = set(re.findall(r"\bassay64_(\w+)\(", text))
    assert declared == {*library._FUNCTIONS, "info", "describe", "destroy", "last_error"}


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler here")
def test_the_header_is_also_cxx(tmp_path: Path) -> None:
    source = tmp_path / "include.cpp"
    source.write_text('#include "assay64_backend.h"\nconst struct assay64_info info = ASSAY64_INFO;\n')
    subprocess.run(["c++", "-std=c++11", "-Wall", "-Werror", "-fsyntax-only", f"-I{HEADER.parent}", source], check=True)


# ---- the wrapper ----


@needs_compiler
def test_the_smallest_library_runs(make_toy: MakeToy) -> None:
    backend = make_toy()
    assert backend.available() is None
    assert backend.capabilities().name == "toy"
    instance = backend.create(Environment())
    assert not isinstance(instance, BatchInstance)
    instance.map(0x1000, HostMemory(0x1000), 0, 0x1000, "rx")
    state = layout.new_state()
    state["pc"] = CODE_ADDRESS
    instance.set_state(0, state)
    assert instance.run(0, 100, CODE_ADDRESS + 12) == Exit(kind=ExitKind.UNTIL)
    assert instance.executed(0) == 3
    assert instance.run(0, 5, None) == Exit(kind=ExitKind.BUDGET)
    instance.get_state(0, state)
    assert state["x"][0] == 8
    instance.close()


@needs_compiler
def test_what_is_absent_or_says_so_is_unsupported(make_toy: MakeToy) -> None:
    extra = (
        "int assay64_unmap(assay64_machine *m, uint64_t a, uint64_t s) { return m && a + s ? ASSAY64_UNSUPPORTED : 0; }"
    )
    instance = make_toy(extra=extra).create(Environment())
    for action in (
        lambda: instance.step(0),
        lambda: instance.protect(0, 0x1000, "r"),
        lambda: instance.unmap(0, 0x1000),
        lambda: instance.set_breakpoint(0),
        lambda: instance.clear_breakpoint(0),
        lambda: instance.set_watchpoint(0, 8, "rw"),
        lambda: instance.clear_watchpoint(0),
        lambda: instance.stop(0),
    ):
        with pytest.raises(Unsupported, match="toy"):
            action()
    instance.close()


@needs_compiler
def test_errors_carry_the_librarys_text(make_toy: MakeToy) -> None:
    backend = make_toy()
    instance = backend.create(Environment())
    with pytest.raises(LibraryError, match="assay64_map: the toy is broken"):
        instance.map(0x666000, HostMemory(0x1000), 0, 0x1000, "r")
    with pytest.raises(ValueError, match="outside a memory"):
        instance.map(0, HostMemory(0x1000), 0x1000, 0x1000, "r")
    state = layout.new_state()
    state["x"][1] = 1
    instance.set_state(0, state)
    with pytest.raises(LibraryError, match="an exit that does not exist"):
        instance.run(0, 1, None)
    with pytest.raises(TypeError, match="944-byte records"):
        instance.set_state(0, np.zeros((), layout.EXIT_DTYPE))
    with pytest.raises(LibraryError, match="it refuses"):
        LibraryBackend(backend.path, {"refuse": 1}).create(Environment())


@needs_compiler
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"without": "assay64_run"}, "has no function assay64_run, which assay64_backend.h requires"),
        ({"without": "assay64_describe"}, "has no function assay64_describe"),
        ({"replace": ("= ASSAY64_INFO", "= {24, 2, 944, 40, 24, 208}")}, "was built for version 2"),
        (
            {"replace": ("= ASSAY64_INFO", "= {24, 1, 936, 40, 24, 208}")},
            "its struct assay64_state has 936 bytes, this assay64's has 944",
        ),
        ({"replace": ("return &info;", "return info.size ? NULL : &info;")}, "assay64_info returned NULL"),
        ({"capabilities": "{"}, "the capabilities that assay64_describe returns are wrong"),
        ({"capabilities": {"name": "toy"}}, "missing required field `version`"),
        ({"capabilities": {**CAPABILITIES, "bathc": True}}, "unknown field `bathc`"),
        ({"capabilities": {**CAPABILITIES, "exclusive_monitor": "magic"}}, "magic"),
    ],
)
def test_a_library_that_does_not_meet_the_header_is_refused_in_one_line(
    make_toy: MakeToy, arguments: dict[str, object], message: str
) -> None:
    backend = make_toy(**arguments)
    reason = backend.available()
    assert reason is not None
    assert message in reason
    assert "libtoy.so" in reason
    assert "\n" not in reason
    with pytest.raises(BackendUnavailable, match=re.escape(message)):
        backend.create(Environment())


def test_a_file_that_is_missing_or_no_library(tmp_path: Path) -> None:
    assert LibraryBackend(tmp_path / "libno.so").available() == f"{tmp_path}/libno.so: no such file"
    text = tmp_path / "libtext.so"
    text.write_text("not a library")
    assert str(LibraryBackend(text).available()).startswith(f"{text} cannot be loaded: ")


@needs_compiler
def test_the_registry_finds_a_library_by_its_path(make_toy: MakeToy) -> None:
    path = make_toy().path
    assert registry.load(str(path)).capabilities().name == "toy"


# ---- compiling the Dynarmic adapter on first use ----

needs_dynarmic = pytest.mark.skipif(build.missing() is not None, reason=str(build.missing()))


@needs_dynarmic
def test_first_runs_at_once_build_one_adapter_and_a_damaged_one_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY64_CACHE", str(tmp_path))
    command = [sys.executable, "-c", "from assay64.harness.backends.dynarmic import build; print(build.build())"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {run.communicate(timeout=120)[0].strip() for run in runs}
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(paths) == 1
    (entry,) = map(Path, paths)
    inode = entry.stat().st_ino
    assert sorted(path.suffix for path in entry.parent.iterdir()) == [".lock", ".sha256", ".so"]
    assert build.build() == entry
    assert entry.stat().st_ino == inode
    entry.write_bytes(entry.read_bytes()[:-1000])
    assert build.build() == entry
    assert entry.stat().st_ino != inode
    assert LibraryBackend(entry).available() is None


@needs_dynarmic
def test_another_compiler_or_source_makes_another_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = build.find_compiler()
    assert compiler is not None
    key = build.recipe(compiler).key()
    assert build.recipe(compiler).key() == key
    wrapper = tmp_path / "c++"
    wrapper.write_text(f'#!/bin/sh\nexec {compiler} "$@"\n')
    wrapper.chmod(0o755)
    assert build.recipe(str(wrapper)).key() != key
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-DX"))
    assert build.recipe(compiler).key() != key


@needs_dynarmic
def test_a_compiler_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = tmp_path / "c++"
    wrapper.write_text('#!/bin/sh\n[ "$1" = --version ] && echo c++ 1 && exit\necho "x.h: error: no" >&2\nexit 1\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("ASSAY64_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", str(wrapper))
    with pytest.raises(BackendUnavailable) as caught:
        build.build()
    assert (
        str(caught.value) == "dynarmic: the adapter does not compile against the installed libdynarmic: x.h: error: no"
    )
    assert [path.suffix for path in (tmp_path / "cache" / "native").iterdir()] == [".lock"]


@needs_dynarmic
def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASSAY64_CACHE", str(tmp_path / "file"))
    with pytest.raises(BackendUnavailable, match="set ASSAY64_CACHE to a folder that can be written"):
        build.build()


def test_no_compiler_and_no_library_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    assert "apt-get install libdynarmic-dev g++" in str(BACKEND.available())
    assert "no C++ compiler" in str(BACKEND.available())
    monkeypatch.delenv("CXX")
    monkeypatch.setattr(build, "find_compiler", lambda: "/usr/bin/c++")
    monkeypatch.setattr(system_packages, "find", lambda _: None)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert "./assay64 doctor --install" in str(BACKEND.available())
    assert "libdynarmic" in str(BACKEND.available())
    with pytest.raises(BackendUnavailable, match="libdynarmic"):
        build.build()


def test_arrays_that_were_refused_leave_no_address_behind() -> None:
    """The next batch over the arrays of the one before finds its own addresses again."""
    code, words, states = np.zeros((2, 1), "<u4"), np.ones(2, "<u4"), layout.new_state(2)
    regions, good = BatchRegions(), layout.Batch(code, words, CODE_ADDRESS, states)
    regions.place(good)
    initial = regions.record.initial
    gaps = layout.Batch(code.copy(), words, CODE_ADDRESS, states.copy(), final=layout.new_state(4)[::2])
    with pytest.raises(TypeError, match="contiguous"):
        regions.place(gaps)
    regions.place(good)
    assert regions.record.initial == initial
