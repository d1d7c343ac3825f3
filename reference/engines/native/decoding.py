"""The decoder as generated code: from a word to its handler and decoded operands.

``decode`` walks the tree of encodings; ``decode_<definition>`` decides on fields, features and choices of the model, as
the definition's trace did, and fills the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay64.reference.bits import Bits
from assay64.reference.encoding.decoder import Tree as Encodings
from assay64.reference.encoding.definition import Definition
from assay64.reference.engines.graph import Node
from assay64.reference.engines.native.emitter import UNLIKELY, Function
from assay64.reference.engines.native.handlers import Handler
from assay64.reference.engines.native.layout import CONTEXT, COUNTED
from assay64.reference.engines.native.operands import Slot, register_offset
from assay64.reference.engines.native.values import Values
from assay64.reference.engines.native.variants import Body, Fork, Tree

DECODE_PARAMETERS = "ptr %s, ptr %op, i32 %word, i64 %pc"
# What the counters have beside a record, from its definition on.
_DECODED_AS = CONTEXT["decoded_as"] - COUNTED["definition"]


@dataclass(frozen=True)
class Settings:
    """The order of features and choices in the context: a bit for each feature, a byte for each choice."""

    features: Mapping[str, int]
    choices: Mapping[str, int]


class DecoderEmitter:
    """The decoder of one definition. ``handlers`` says for each body what executes it; None is golden."""

    def __init__(
        self,
        definition: Definition,
        settings: Settings,
        handlers: Mapping[int, Handler | str],
        functions: dict[str, Any],
    ) -> None:
        self._definition, self._settings, self._handlers = definition, settings, handlers
        self.out = Function(f"decode_{definition.name}", "void", DECODE_PARAMETERS)
        self._values = Values(self.out, self._leaf, functions)

    def emit(self, tree: Tree) -> Function:
        self._tree(tree)
        return self.out

    def _leaf(self, node: Node) -> str | None:
        out = self.out
        match node.operation:
            case "field":
                field = self._definition.pattern.field(node.operands[0])
                value = out.binary("lshr", "i32", "%word", field.low) if field.low else "%word"
                return out.cast("trunc", "i32", value, f"i{field.width}") if field.width < 32 else value
            case "feature":
                number = self._settings.features[node.operands[0]]
                byte = out.field("i8", "%s", CONTEXT["features"] + number // 8)
                return out.cast("trunc", "i8", out.binary("lshr", "i8", byte, number % 8), "i1")
            case "pc":
                return "%pc"
            case _:
                return None

    def _tree(self, tree: Tree) -> None:
        out = self.out
        if tree is None:
            self._record("h_golden")
        elif isinstance(tree, Body):
            self._fill(self._handlers[id(tree)])
        elif tree.condition is not None:
            then, otherwise = out.label(), out.label()
            out.branch(self._values.of(tree.condition), then, otherwise)
            for label, option in zip((then, otherwise), tree.options, strict=True):
                out.place(label)
                with self._values.scope():
                    self._tree(option)
        else:
            self._choice(tree)

    def _choice(self, fork: Fork) -> None:
        """What the model chooses is the number of the constraint."""
        out = self.out
        chosen = out.field("i8", "%s", CONTEXT["choices"] + self._settings.choices[fork.choice])
        labels = [out.label() for _ in fork.options]
        cases = " ".join(f"i8 {number}, label %{label}" for number, label in enumerate(labels))
        out.end(f"switch i8 {chosen}, label %{labels[0]} [ {cases} ]")
        for label, option in zip(labels, fork.options, strict=True):
            out.place(label)
            with self._values.scope():
                self._tree(option)

    def _record(self, name: str) -> None:
        self.out.store("ptr", f"@{name}", "%op")
        self.out.ret()

    def _fill(self, handler: Handler | str) -> None:
        out = self.out
        if isinstance(handler, str):
            self._record(handler)
            return
        if handler.checks_fp:
            disabled = out.compare("ne", "i8", out.field("i8", "%s", CONTEXT["fp_disabled"]), 0)
            with out.when(disabled, UNLIKELY):
                self._record("h_golden")
        for slot in handler.slots:
            kind = f"i{8 * slot.size}"
            value = "null" if slot.kind == "chain" else self._operand(slot)
            out.store("ptr" if slot.kind == "chain" else kind, value, out.offset("%op", slot.offset))
        for name, count in (("reads", handler.reads), ("writes", handler.writes)):
            out.set_field("i16", "%s", _DECODED_AS + COUNTED[name], count)
        self._choose(handler)

    def _choose(self, handler: Handler) -> None:
        """One of the handler's copies, by the instruction's address."""
        out = self.out
        chosen, *others = (f"@{name}" for name in handler.names)
        if others:
            number = out.binary("and", "i64", out.binary("lshr", "i64", "%pc", 2), handler.copies - 1)
            for which, other in enumerate(others, 1):
                chosen = out.select(out.compare("eq", "i64", number, which), "ptr", other, chosen)
        out.store("ptr", chosen, "%op")
        out.ret()

    def _operand(self, slot: Slot) -> str:
        out, node, bits = self.out, slot.node, 8 * slot.size
        if slot.kind == "value":
            return self._extended(node, bits)
        number = self._extended(node, 16)
        if slot.kind == "sp_mask":
            is_sp = out.compare("eq", "i16", number, 31)
            return out.select(is_sp, "i8", out.field("i8", "%s", CONTEXT["sp_check"]), 0)
        base, stride = register_offset(slot.kind, 0), 8 if slot.kind in ("X", "Xw", "XSP") else 16
        offset = out.binary("add", "i16", out.binary("mul", "i16", number, stride), base)
        if slot.kind in ("X", "Xw", "XSP"):
            last = out.compare("eq", "i16", number, 31)
            return out.select(last, "i16", register_offset(slot.kind, 31), offset)
        return offset

    def _extended(self, node: Bits, bits: int) -> str:
        value = self._values.of(node)
        if node.width == bits:
            return value
        return self.out.cast("zext" if node.width < bits else "trunc", f"i{node.width}", value, f"i{bits}")


def decode_function(tree: Encodings, definitions: Sequence[Definition]) -> Function:
    """``decode``: the definition that covers a word, as encoding/decoder.py's tree says; golden where should-be bits
    are violated.
    """
    out = Function("decode", "void", DECODE_PARAMETERS)
    out.set_field("i64", "%s", CONTEXT["decoded_as"], len(definitions))
    _node(out, tree, definitions)
    return out


def _node(out: Function, node: Encodings, definitions: Sequence[Definition]) -> None:
    if node is None:
        _undefined(out)
        return
    leaf = node.get("l")
    if leaf is not None:
        _leaf(out, leaf, definitions)
        return
    shift, width = node["s"], node["w"]
    digit = out.binary("and", "i32", out.binary("lshr", "i32", "%word", shift), (1 << width) - 1)
    other = out.label()
    labels = {key: out.label() for key in node["c"]}
    cases = " ".join(f"i32 {key}, label %{label}" for key, label in labels.items())
    out.end(f"switch i32 {digit}, label %{other} [ {cases} ]")
    for key, label in labels.items():
        out.place(label)
        _node(out, node["c"][key], definitions)
    out.place(other)
    _undefined(out)


def _leaf(out: Function, cubes: Sequence[Sequence[int]], definitions: Sequence[Definition]) -> None:
    for mask, value, number in cubes:
        pattern = definitions[number].pattern
        hit = out.compare("eq", "i32", out.binary("and", "i32", "%word", mask), value)
        with out.when(hit):
            out.set_field("i64", "%s", CONTEXT["decoded_as"], number)
            if pattern.should_be_mask:
                right = out.binary("and", "i32", "%word", pattern.should_be_mask)
                with out.when(out.compare("ne", "i32", right, pattern.should_be_value)):
                    out.store("ptr", "@h_golden", "%op")
                    out.ret()
            out.call("void", f"@decode_{definitions[number].name}", "ptr %s, ptr %op, i32 %word, i64 %pc")
            out.ret()
    _undefined(out)


def _undefined(out: Function) -> None:
    out.store("ptr", "@h_undefined", "%op")
    out.ret()
