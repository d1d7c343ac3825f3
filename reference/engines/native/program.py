"""The engine's code as texts of LLVM modules, made of the traces of all definitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assay64.reference.encoding import definitions
from assay64.reference.encoding.decoder import encoding_tree
from assay64.reference.engines.graph import FunctionGraph
from assay64.reference.engines.native import cases, instruments, memory, runtime
from assay64.reference.engines.native.decoding import DecoderEmitter, Settings, decode_function
from assay64.reference.engines.native.emitter import HANDLER_CC, METADATA, Function
from assay64.reference.engines.native.handlers import (
    PARAMETERS,
    Handler,
    golden_executes,
    handler,
    is_undefined,
)
from assay64.reference.engines.native.helpers import helper
from assay64.reference.engines.native.values import function_text
from assay64.reference.engines.native.variants import Body, Tree, bodies, features_and_choices, split
from assay64.reference.engines.tracing import trace

_NAME = re.compile(r"@([A-Za-z_][\w.]*)")


@dataclass
class Program:
    """Everything that is to be compiled."""

    settings: Settings
    runtime: list[Function]
    decoders: list[Function]
    handlers: dict[str, Handler]
    functions: dict[str, Function]
    report: list[tuple[str, int, int, int]] = field(default_factory=list[tuple[str, int, int, int]])


def program(progress: Callable[[int, int], None] = lambda done, total: None) -> Program:
    """Trace every definition and write its code."""
    table = definitions()
    trees: list[Tree] = []
    paths: list[int] = []
    for number, definition in enumerate(table):
        progress(number, len(table))
        traced = trace(definition)
        trees.append(split(traced))
        paths.append(len(traced.paths))
    features, choices = features_and_choices(trees)
    settings = Settings(
        {name: number for number, name in enumerate(features)}, {name: number for number, name in enumerate(choices)}
    )
    handlers, called, decoders = dict[str, Handler](), dict[str, Any](), list[Function]()
    report = list[tuple[str, int, int, int]]()
    for definition, tree, count in zip(table, trees, paths, strict=True):
        chosen = dict[int, Handler | str]()
        for body in bodies(tree):
            chosen[id(body)] = _handler(body, called)
        made = {h.name: h for h in chosen.values() if isinstance(h, Handler)}
        handlers |= made
        decoders.append(DecoderEmitter(definition, settings, chosen, called).emit(tree))
        report.append((definition.name, count, len(made), sum(len(h.text) for h in made.values())))
    return Program(
        settings,
        [*_runtime(), decode_function(encoding_tree(), table)],
        decoders,
        handlers,
        _functions(called),
        report,
    )


def _runtime() -> Iterator[Function]:
    for part in (memory, runtime, instruments, cases):
        yield from part.functions()


def _handler(body: Body, called: dict[str, Any]) -> Handler | str:
    if is_undefined(body):
        return "h_undefined"
    if golden_executes(body):
        return "h_golden"
    return handler(body, called)


def _functions(called: dict[str, Any]) -> dict[str, Function]:
    """The functions of the pseudocode that are called, by others of them too, and the helpers."""
    done, todo = dict[str, Function](), dict(called)
    while todo:
        name, what = todo.popitem()
        if name in done:
            continue
        more = dict[str, Any]()
        done[name] = function_text(what, more) if isinstance(what, FunctionGraph) else helper(name, what)
        todo |= more
    return done


def modules(made: Program) -> Iterator[str]:
    """The program as texts of LLVM modules: the runtime, the decoders, the functions, the handlers in parts by their
    hash, so that a change of one definition changes few modules.
    """
    externals = {f.name: f.declaration() for f in (*made.runtime, *made.functions.values(), *made.decoders)}
    externals |= {name: f"declare {HANDLER_CC} void @{name}({_types(PARAMETERS)})" for name in made.handlers}
    for functions in (made.runtime, made.functions.values(), *(made.decoders[part::3] for part in range(3))):
        yield _module([(f.name, f.text(), f.declared) for f in functions], externals)
    listed = sorted(made.handlers.values(), key=lambda h: h.name)
    for digits in ("01", "23", "45", "67", "89", "ab", "cd", "ef"):
        yield _module([(h.name, h.text, h.declared) for h in listed if h.name[2] in digits], externals)


def _types(parameters: str) -> str:
    return ", ".join(part.split()[0] for part in parameters.split(", "))


def _module(functions: list[tuple[str, str, Any]], externals: dict[str, str]) -> str:
    own = {name for name, _, _ in functions}
    text = "\n".join(body for _, body, _ in functions)
    declared = set[str]()
    for _, _, more in functions:
        declared |= set(more)
    mentioned = set(_NAME.findall(text))
    declared |= {declaration for name, declaration in externals.items() if name in mentioned and name not in own}
    return "\n".join([*sorted(declared), text, METADATA])
