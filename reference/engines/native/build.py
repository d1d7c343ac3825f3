"""Compiling the engine once for each user, and loading it.

The objects are cached by the hash of what they were made of: the specification, the engine, LLVM, the host's CPU. An
entry that is damaged or foreign is made again. LLVM runs in child processes, because a fatal error of LLVM ends its
process.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llvmlite
import msgspec

from assay64.reference.cache import cache_folder, prune, read_cached, write_cached
from assay64.reference.errors import EngineUnavailable

if TYPE_CHECKING:  # what traces the specification is loaded when there is something to compile
    from assay64.reference.engines.native.handlers import Handler
    from assay64.reference.engines.native.program import Traced

llvm: Any = import_module("llvmlite.binding")  # it has no types
_REFERENCE = Path(__file__).parents[2]
# What the code is made of. How it is built, loaded and driven does not change it.
_SOURCES = (
    "bits",
    "encoding",
    "pseudocode",
    "spec",
    "engines/graph.py",
    "engines/calls.py",
    "engines/tracing.py",
    "engines/native",
)
_DRIVERS = ("build.py", "compile.py", "engine.py", "batch.py", "block.py", "space.py", "counting.py", "registers.py")


_OPTIONS = "O2 pic"
# What is kept in the cache, by its last use: a version's image has a dozen objects.
_KEPT_IMAGES, _KEPT_OBJECTS = 3, 64


class BuildError(EngineUnavailable):
    """The engine could not be compiled: one line says what LLVM said."""


class Made(msgspec.Struct, frozen=True):
    """What a definition became: paths of its trace, variants of its handler and their size in characters of LLVM IR;
    the seconds of tracing and writing them, and, by their part of the modules that they are in, of compiling them.
    """

    name: str
    paths: int
    variants: int
    characters: int
    tracing_s: float
    compiling_s: float


class Image(msgspec.Struct, frozen=True):
    """The compiled engine, and what each definition became."""

    features: list[str]
    choices: list[str]
    objects: list[bytes]
    report: list[Made]
    seconds: float


@dataclass(frozen=True)
class Library:
    """The compiled engine in this process."""

    image: Image
    engine: Any  # keeps the code alive

    def function(self, name: str, returns: Any, *parameters: Any) -> Any:
        return ctypes.CFUNCTYPE(returns, *parameters)(self.engine.get_function_address(name))

    def address(self, name: str) -> int:
        return self.engine.get_function_address(name)


@cache
def source_hash() -> str:
    """What the compiled engine depends on, as a hash: the specification, the engine, LLVM and this CPU."""
    digest = hashlib.sha256()
    for source in _SOURCES:
        root = _REFERENCE / source
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.suffix in (".py", ".toml") and path.name not in _DRIVERS:
                digest.update(str(path.relative_to(_REFERENCE)).encode())
                digest.update(path.read_bytes())
    digest.update(_compiler().encode())
    return digest.hexdigest()


def _compiler() -> str:
    """LLVM, and the CPU that it compiles for."""
    features = llvm.get_host_cpu_features().flatten()
    return repr((llvmlite.__version__, llvm.llvm_version_info, llvm.get_host_cpu_name(), features, _OPTIONS))


@cache
def library() -> Library:
    """The engine, compiled now if this user has none that fits. BuildError when it cannot be."""
    image = _image()
    return Library(image, load(image.objects))


def load(objects: Iterable[bytes]) -> Any:
    """LLVM's execution engine with these objects: it keeps their code alive and knows where their functions are."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly("")
    module.triple = llvm.get_default_triple()
    engine = llvm.create_mcjit_compiler(module, _machine(2))
    for data in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return engine


def _machine(level: int) -> Any:
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=level,
        reloc="pic",
        codemodel="default",
    )


def compile_module(text: str, level: int) -> bytes:
    """The object of a module, in this process."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module, machine = llvm.parse_assembly(text), _machine(2)
    module.triple, module.data_layout = llvm.get_default_triple(), str(machine.target_data)
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=level))
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


# --- the cache


def image_file() -> Path:
    """Where the engine's image is, or will be."""
    return cache_folder() / f"native-{source_hash()[:20]}.bin"


def cached_image() -> Image | None:
    """The engine if it is compiled; None when it is not, or when its file is damaged or something else."""
    return _decoded(read_cached(image_file().name))


def _image() -> Image:
    if (found := cached_image()) is not None:
        return found
    with _lock():  # another process may be making it
        if (found := cached_image()) is not None:
            return found
        image = _build()
        data = msgspec.msgpack.encode(image)
        write_cached(image_file().name, hashlib.sha256(data).digest() + data)
        for pattern, keep in (("native-*.bin", _KEPT_IMAGES), ("object-*.o", _KEPT_OBJECTS), ("native-*.lock", 0)):
            prune(pattern, keep)
        return image


def _decoded(data: bytes | None) -> Image | None:
    if data is None or hashlib.sha256(data[32:]).digest() != data[:32]:
        return None
    try:
        return msgspec.msgpack.decode(data[32:], type=Image)
    except msgspec.DecodeError:
        return None


@contextlib.contextmanager
def _lock() -> Generator[None]:
    """One process at a time; without a folder to write to, everybody makes their own."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            cache_folder().mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((cache_folder() / "native.lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- compiling


def _build() -> Image:
    from assay64.reference.engines.native.program import modules, program

    started = time.monotonic()
    with _progress() as show:
        made = program(lambda done, total: show("tracing", done, total))
        parts = list(modules(made))
        objects: list[Compiled] = [Compiled(0.0, b"")] * len(parts)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            # The decoders run once for a word: they need no more than to be small.
            jobs = {
                pool.submit(_compile, part.text, 1 if "define  void @decode_" in part.text else 2): n
                for n, part in enumerate(parts)
            }
            try:
                for done, job in enumerate(as_completed(jobs), 1):
                    objects[jobs[job]] = job.result()
                    show("compiling", done, len(parts))
            except BuildError:
                pool.shutdown(cancel_futures=True)
                raise
    settings = made.settings
    # Seconds of LLVM for a character, by function.
    rates = {
        name: done.seconds / len(part.text) for part, done in zip(parts, objects, strict=True) for name in part.names
    }
    report = [_made(traced, [made.handlers[name] for name in traced.handlers], rates) for traced in made.report]
    code, seconds = [done.code for done in objects], time.monotonic() - started
    return Image(list(settings.features), list(settings.choices), code, report, seconds)


def _made(traced: Traced, handlers: list[Handler], rates: Mapping[str, float]) -> Made:
    sizes = [handler.copies * len(handler.text) for handler in handlers]
    seconds = sum(size * rates[handler.name] for size, handler in zip(sizes, handlers, strict=True))
    return Made(traced.name, traced.paths, len(handlers), sum(sizes), traced.seconds, seconds)


class Compiled(msgspec.Struct, frozen=True):
    """The object of a module, and the seconds that LLVM took for it."""

    seconds: float
    code: bytes


def _compile(text: str, level: int) -> Compiled:
    """The object of a module, from the cache if only other modules have changed."""
    name = f"object-{hashlib.sha256(repr((text, level, _compiler())).encode()).hexdigest()[:20]}.o"
    if (data := read_cached(name)) is not None and hashlib.sha256(data[32:]).digest() == data[:32]:
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.msgpack.decode(data[32:], type=Compiled)
    started = time.monotonic()
    code = _compiled(text, level)
    made = Compiled(time.monotonic() - started, code)
    data = msgspec.msgpack.encode(made)
    write_cached(name, hashlib.sha256(data).digest() + data)
    return made


def _compiled(text: str, level: int) -> bytes:
    command = [sys.executable, "-m", "assay64.reference.engines.native.compile", str(level)]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        ended = f"killed by signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        message = next((line for line in lines if " error: " in line), lines[-1])
        raise BuildError(
            f"LLVM {_version()} could not compile the native engine ({ended}): {message}."
            " The golden engine needs no compiler"
        )
    return done.stdout


def _version() -> str:
    return ".".join(map(str, llvm.llvm_version_info))


def describe_compiler() -> str:
    """LLVM's version, llvmlite's, and the CPU that it compiles for."""
    return f"LLVM {_version()} (llvmlite {llvmlite.__version__}) for {llvm.get_host_cpu_name()}"


@contextlib.contextmanager
def _progress() -> Generator[Any]:
    """Shows how far the build is, where somebody looks on."""
    if not sys.stderr.isatty():
        sys.stderr.write("assay64: compiling the native engine, once for this user and version ...\n")
        sys.stderr.flush()
        yield _ignore
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(f"native engine: {what}", total=total)
            bar.update(tasks[what], completed=done)

        yield show


def _ignore(what: str, done: int, total: int) -> None: ...
