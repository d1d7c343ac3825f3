"""Assembles with an installed assembler: GNU as, llvm-mc or the clang in the package `ziglang`.

They know what Keystone lacks. Each is asked which architecture and extensions it knows, once, and gets all of them.
Only templates reach them (statements.py), never directives of a user's, and their object file is read here, so that
nothing else need be installed. Answers are remembered for the life of the process.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from assay64.harness.cases.assembling.answers import Answer, Rejection

TIMEOUT_S = 60.0
REMEMBERED_ANSWERS = 65536

# Ascending: the last one that an assembler accepts is used.
_ARCHITECTURES = (
    "armv8-a", "armv8.1-a", "armv8.2-a", "armv8.3-a", "armv8.4-a", "armv8.5-a", "armv8.6-a", "armv8.7-a", "armv8.8-a",
    "armv8.9-a", "armv9-a", "armv9.1-a", "armv9.2-a", "armv9.3-a", "armv9.4-a", "armv9.5-a", "armv9.6-a", "armv9.7-a",
)  # fmt: skip
# Extensions that no architecture version brings along, in GNU's and in LLVM's names; each takes what it knows.
_EXTENSIONS = (
    "crypto", "aes", "sha2", "sha3", "sm4", "fp", "simd", "fp16", "fp16fml", "dotprod", "lse", "rdm", "rdma", "crc",
    "rcpc", "rcpc2", "rcpc3", "rng", "memtag", "ssbs", "sb", "predres", "predres2", "flagm", "flagm2", "pauth",
    "pauth-lr", "pan", "ras", "profile", "i8mm", "bf16", "f32mm", "f64mm", "tme", "ls64", "mops", "hbc", "cssc",
    "chk", "gcs", "the", "d128", "lse128", "wfxt", "xs", "jscvt", "fcma", "frintts", "sve", "sve2", "sve2-aes",
    "sve2-sm4", "sve2-sha3", "sve2-bitperm", "sve2p1", "sve2p2", "sve-b16b16", "sme", "sme-f64f64", "sme-i16i64",
    "sme-f16f16", "sme-b16b16", "sme2", "sme2p1", "sme2p2", "lut", "faminmax", "fp8", "fp8fma", "fp8dot2",
    "fp8dot4", "cpa", "fprcvt", "cmpbr", "lsui", "occmo", "lsfe", "brbe", "ite", "rasv2", "specres2", "tlbiw",
)  # fmt: skip
_ERROR = re.compile(r":(\d+):(?:\d+:)?\s*(?:fatal )?error:\s*(.*)", re.IGNORECASE)
_RELOCATION_ADRP = 275  # R_AARCH64_ADR_PREL_PG_HI21 (ELF for the Arm 64-bit Architecture): `adrp xN, .` asks for it


@dataclass(slots=True)
class _Run:
    """One run of an assembler: the code when it succeeded, else messages by line (0: the message had no line)."""

    code: bytes | None
    messages: dict[int, str]
    relocated: frozenset[int] = frozenset()


@dataclass(slots=True)
class External:
    """An assembler that is a program.

    `command` finds its arguments, without the file names, or None when it is absent. `miscounts` is for GNU as, which
    after a directive that it refuses skips a line and counts wrongly: it is asked about one directive at a time.
    """

    name: str
    command: Callable[[], tuple[str, ...] | None]
    miscounts: bool = False
    _prologue: tuple[str, ...] | None = None
    _remembered: dict[str, Answer] = field(default_factory=dict[str, Answer])
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def available(self) -> bool:
        """Whether the program is installed and assembles a NOP."""
        with self._lock:
            return self.command() is not None and bool(self._known_architecture())

    def words(self, templates: Sequence[str]) -> list[Answer]:
        """One answer per template; what was asked before costs nothing, the rest costs one or two runs together."""
        with self._lock:
            missing = [t for t in dict.fromkeys(templates) if t not in self._remembered]
            fresh = dict(zip(missing, self._assemble(missing), strict=True)) if missing else {}
            answers = [fresh[t] if t in fresh else self._remembered[t] for t in templates]
            if len(self._remembered) + len(fresh) > REMEMBERED_ANSWERS:
                self._remembered.clear()
            self._remembered.update(fresh)
            return answers

    def _known_architecture(self) -> tuple[str, ...]:
        """The directives that switch on everything this assembler knows; empty when it does not work at all."""
        if self._prologue is None:
            architectures = self._accepted([f".arch {name}" for name in _ARCHITECTURES])
            lines = [*architectures[-1:], *(f".arch_extension {name}" for name in _EXTENSIONS)]
            lines = self._accepted(lines) if architectures else []
            works = bool(lines) and self._run([*lines, "nop"]).code == b"\x1f\x20\x03\xd5"
            self._prologue = tuple(lines) if works else ()
        return self._prologue

    def _accepted(self, lines: list[str]) -> list[str]:
        """The directives that the assembler takes."""
        if self.miscounts:
            return [line for line in lines if not self._run([line]).messages]
        messages = self._run(lines).messages
        if messages and not any(1 <= number <= len(lines) for number in messages):
            return []
        return [line for number, line in enumerate(lines, 1) if number not in messages]

    def _assemble(self, templates: Sequence[str]) -> list[Answer]:
        prologue = self._known_architecture()
        if not prologue:
            return [Rejection(self.name, f"{self.name} is not installed or does not work")] * len(templates)
        run = self._run([*prologue, *templates])
        suspects = {number - len(prologue) - 1 for number in run.messages}
        rest = [template for index, template in enumerate(templates) if index not in suspects]
        if run.code is None and rest:
            run = self._run([*prologue, *rest])
        if run.code is None or len(run.code) != 4 * len(rest):
            rest = []
        answers = {template: self._checked(template, run, index) for index, template in enumerate(rest)}
        # A statement that another one's error was blamed on gets a second chance, alone.
        return [answers[t] if t in answers else self._assemble_one(prologue, t) for t in templates]

    def _assemble_one(self, prologue: tuple[str, ...], template: str) -> Answer:
        run = self._run([*prologue, template])
        if run.code is None:
            return Rejection(
                self.name, run.messages.get(len(prologue) + 1) or next(iter(run.messages.values()), "failed")
            )
        if len(run.code) != 4:
            return Rejection(self.name, f"gives {len(run.code)} bytes for one instruction", faulty=True)
        return self._checked(template, run, 0)

    def _checked(self, template: str, run: _Run, index: int) -> Answer:
        assert run.code is not None
        if 4 * index in run.relocated:
            return Rejection(self.name, f"the value of an operand of '{template}' is left to a linker", faulty=True)
        return int.from_bytes(run.code[4 * index : 4 * index + 4], "little")

    def _run(self, lines: Sequence[str]) -> _Run:
        command = self.command()
        if command is None:
            return _Run(None, {0: f"{self.name} is not installed"})
        with tempfile.TemporaryDirectory(prefix="assay64-") as folder:
            source, target = Path(folder, "code.s"), Path(folder, "code.o")
            source.write_text("\n".join(lines) + "\n")
            environment = {**os.environ, "LC_ALL": "C"}
            try:
                result = subprocess.run(
                    [*command, "-o", str(target), str(source)],
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=TIMEOUT_S,
                    check=False,
                    env=environment,
                    cwd=folder,
                )
            except (OSError, subprocess.TimeoutExpired) as problem:
                return _Run(None, {0: str(problem)})
            if result.returncode == 0 and target.exists():
                return _Run(*_read_object(target.read_bytes()))
        messages: dict[int, str] = {}
        for match in _ERROR.finditer(result.stderr):
            messages.setdefault(int(match[1]), match[2].strip())
        return _Run(None, messages or {0: (result.stderr.strip().splitlines() or ["failed without a word"])[-1]})


def _read_object(data: bytes) -> tuple[bytes | None, dict[int, str], frozenset[int]]:
    """The code of a 64-bit little-endian ELF object, what is wrong with it, and offsets left to a linker."""
    if data[:6] != b"\x7fELF\x02\x01":
        return None, {0: "the object file is not a 64-bit little-endian ELF file"}, frozenset()
    (table,) = struct.unpack_from("<Q", data, 0x28)
    entry_bytes, count, names_index = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * entry_bytes) for i in range(count)]
    names = headers[names_index][4]
    code, relocated = b"", set[int]()
    for name, _, _, _, offset, size, *_ in headers:
        label = data[names + name : data.index(b"\0", names + name)]
        if label == b".text":
            code = data[offset : offset + size]
        elif label == b".rela.text":
            for at in range(offset, offset + size, 24):
                place, info = struct.unpack_from("<QQ", data, at)
                if info & 0xFFFF_FFFF != _RELOCATION_ADRP:
                    relocated.add(place)
    return code, {}, frozenset(relocated)


@cache
def _gnu_as() -> tuple[str, ...] | None:
    native = platform.machine() in ("aarch64", "arm64") and sys.platform.startswith("linux")
    for name in ("aarch64-linux-gnu-as", *(["as"] if native else [])):
        if path := shutil.which(name):
            return (path,)
    return None


@cache
def _llvm_mc() -> tuple[str, ...] | None:
    names = [f"llvm-mc-{version}" for version in range(40, 12, -1)]
    for name in (*names, "llvm-mc"):
        if path := shutil.which(name):
            return (path, "-triple=aarch64-linux-gnu", "-filetype=obj")
    return None


@cache
def _ziglang() -> tuple[str, ...] | None:
    if importlib.util.find_spec("ziglang") is None:
        return None
    return (sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-c")


GNU_AS = External("gnu-as", _gnu_as, miscounts=True)
LLVM_MC = External("llvm-mc", _llvm_mc)
ZIGLANG = External("ziglang", _ziglang)
EXTERNALS = (GNU_AS, LLVM_MC, ZIGLANG)
