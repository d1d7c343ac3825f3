"""The engine's code as texts of LLVM modules, made of the traces of all definitions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from assay64.reference.encoding import definitions
from assay64.reference.encoding.decoder import encoding_tree
from assay64.reference.engines.graph import FunctionGraph
from assay64.reference.engines.native import cases, host, instruments, runtime, translation, writes
from assay64.reference.engines.native.decoding import DecoderEmitter, Settings, decode_function
from assay64.reference.engines.native.emitter import HANDLER_CC, METADATA, Function
from assay64.reference.engines.native.floating_point import EXACT, fast_path
from assay64.reference.engines.native.handlers import (
    PARAMETERS,
    Handler,
    handler,
)
from assay64.reference.engines.native.helpers import helper
from assay64.reference.engines.native.host import has_fast_paths
from assay64.reference.engines.native.values import function_text
from assay64.reference.engines.native.variants import (
    Body,
    Tree,
    bodies,
    features_and_choices,
    golden_executes,
    is_undefined,
    split,
)
from assay64.reference.engines.tracing import trace

_NAME = re.compile(r"@([A-Za-z_][\w.]*)")


class Traced(NamedTuple):
    """What a definition became: paths of its trace, its handlers, and the seconds that tracing and emitting took."""

    name: str
    paths: int
    handlers: tuple[str, ...]
    seconds: float


class Module(NamedTuple):
    """The text of an LLVM module, and the functions that it defines."""

    text: str
    names: frozenset[str]


@dataclass
class Program:
    """Everything that is to be compiled."""

    settings: Settings
    runtime: list[Function]
    decoders: list[Function]
    handlers: dict[str, Handler]
    functions: dict[str, Function]
    inlined: dict[str, Function]
    report: list[Traced] = field(default_factory=list[Traced])


def program(progress: Callable[[int, int], None] = lambda done, total: None) -> Program:
    """Trace every definition and write its code."""
    table = definitions()
    trees: list[Tree] = []
    paths, seconds = list[int](), list[float]()
    for number, definition in enumerate(table):
        progress(number, len(table))
        began = time.thread_time()
        traced = trace(definition)
        trees.append(split(traced))
        paths.append(len(traced.paths))
        seconds.append(time.thread_time() - began)
    features, choices = features_and_choices(trees)
    settings = Settings(
        {name: number for number, name in enumerate(features)}, {name: number for number, name in enumerate(choices)}
    )
    handlers, called, decoders = dict[str, Handler](), dict[str, Any](), list[Function]()
    report = list[Traced]()
    for definition, tree, count, spent in zip(table, trees, paths, seconds, strict=True):
        began = time.thread_time()
        chosen = dict[int, Handler | str]()
        for body in bodies(tree):
            chosen[id(body)] = _handler(body, called)
        made = {h.name: h for h in chosen.values() if isinstance(h, Handler)}
        handlers |= made
        decoders.append(DecoderEmitter(definition, settings, chosen, called).emit(tree))
        report.append(Traced(definition.name, count, tuple(made), spent + time.thread_time() - began))
    return Program(
        settings,
        [*_runtime(), decode_function(encoding_tree(), table)],
        decoders,
        handlers,
        *functions_of(called),
        report,
    )


def _runtime() -> Iterator[Function]:
    for part in (translation, writes, runtime, instruments, cases, host):
        yield from part.functions()


def _handler(body: Body, called: dict[str, Any]) -> Handler | str:
    if is_undefined(body):
        return "h_undefined"
    if golden_executes(body):
        return "h_golden"
    return handler(body, called)


def functions_of(called: dict[str, Any]) -> tuple[dict[str, Function], dict[str, Function]]:
    """The functions of the pseudocode that are called, by others of them too, and the helpers; and the fast paths,
    which stand before those of them that are named so.
    """
    done, fast, todo = dict[str, Function](), dict[str, Function](), dict(called)
    while todo:
        name, what = todo.popitem()
        if name in done or name in fast:
            continue
        more = dict[str, Any]()
        if not isinstance(what, FunctionGraph):
            done[name] = helper(name, what)
        elif has_fast_paths() and (prefix := fast_path(what)) is not None:
            fast[name] = prefix
            done[name + EXACT] = function_text(what, more, EXACT)
        else:
            done[name] = function_text(what, more)
        todo |= more
    return done, fast


def modules(made: Program) -> Iterator[Module]:
    """The program as LLVM modules: the runtime, the decoders, the functions, the handlers in parts by their
    hash, so that a change of one definition changes few modules.
    """
    externals = {f.name: f.declaration() for f in (*made.runtime, *made.functions.values(), *made.decoders)}
    names = [name for h in made.handlers.values() for name in h.names]
    externals |= {name: f"declare {HANDLER_CC} void @{name}({_types(PARAMETERS)})" for name in names}
    for functions in (made.runtime, made.functions.values(), *(made.decoders[part::3] for part in range(3))):
        yield module([(f.name, f.text(), f.declared) for f in functions], externals, made.inlined)
    listed = sorted(made.handlers.values(), key=lambda h: h.name)
    for digits in ("01", "23", "45", "67", "89", "ab", "cd", "ef"):
        chosen = [(name, text, h.declared) for h in listed if h.name[2] in digits for name, text in h.texts]
        yield module(chosen, externals, made.inlined)


def _types(parameters: str) -> str:
    return ", ".join(part.split()[0] for part in parameters.split(", "))


def module(functions: list[tuple[str, str, Any]], externals: dict[str, str], inlined: dict[str, Function]) -> Module:
    """A module of these functions (name, text, declarations), of those of ``inlined`` and the declarations
    of those of ``externals`` that they mention.
    """
    names = _mentioned(functions)
    functions = functions + [(f.name, f.text(), f.declared) for name, f in inlined.items() if name in names]
    own = {name for name, _, _ in functions}
    declared = {declaration for _, _, more in functions for declaration in more}
    declared |= {externals[name] for name in _mentioned(functions) - own if name in externals}
    text = "\n".join([*sorted(declared), *(body for _, body, _ in functions), METADATA])
    return Module(text, frozenset(own))


def _mentioned(functions: list[tuple[str, str, Any]]) -> set[str]:
    return {name for _, body, _ in functions for name in _NAME.findall(body)}
