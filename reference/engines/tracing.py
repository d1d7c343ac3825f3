"""Tracing: a definition executed on nodes instead of values, which gives a graph and an ordered list of events.

Engines that compile or solve read traces, never the Python source. The fields are leaves known at decode; what the
definition reads from the processing element are leaves known at run time. An ``if`` on a node is explored both ways, by
executing the definition again with the other answer; ``int()`` of a node explores its values. A possible fault is not a
fork: it belongs to the event.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from assay64.reference.bits import Bits, Constant, apply, bits
from assay64.reference.encoding import Definition
from assay64.reference.models import Model
from assay64.reference.pseudocode.exceptions import ArchitecturalException, EndOfInstruction
from assay64.reference.pseudocode.processor import (
    REGISTERS,
    AccessDescriptor,
    BranchType,
    Constraint,
    MemAtomicOp,
    ProcessingElement,
    executing,
)


class Stage(Enum):
    """When a value is known: when the instruction is decoded, or when it is executed."""

    DECODE = 0
    EXECUTE = 1


class Node(Bits):
    """A value of the graph. Equal nodes of one trace are one object.

    ``operation`` is a primitive, ``field`` (operand: its name), ``pc``, or ``result`` (operand: the number of the
    event).
    """

    __slots__ = ("operands", "operation", "stage")
    RANK = 2
    operation: str
    operands: tuple[Any, ...]
    stage: Stage

    def __init__(self, operation: str, width: int, operands: tuple[Any, ...], stage: Stage) -> None:
        self.operation, self.width, self.operands, self.stage = operation, width, operands, stage

    @classmethod
    def build(cls, operation: str, width: int, operands: tuple[Any, ...]) -> Bits:
        if operation == "slice" and (simpler := _slice(width, *operands)) is not None:
            return simpler
        stages = [operand.stage.value for operand in operands if isinstance(operand, Node)]
        return _tracer().node(operation, width, operands, Stage(max(stages)))

    def __bool__(self) -> bool:
        if self.width != 1:
            raise TypeError(f"a condition of {self.width} bits: compare it with something")
        return _tracer().decide(self)

    def __int__(self) -> int:
        if self.stage is not Stage.DECODE:
            raise TypeError("a size or an index that is known only at run time shapes the definition")
        if self.operation == "concat":
            high, low = self.operands
            return int(high) << low.width | int(low)
        *others, last = range(1 << self.width)
        return next((value for value in others if self == value), last)

    def __repr__(self) -> str:
        return f"{self.operation}({', '.join(map(repr, self.operands))})"


@dataclass(frozen=True)
class Event:
    """Something that happens in order: ``kind`` is a method of ProcessingElement, ``decide``, ``exception`` or ``end``.

    ``result`` is the node that stands for what the method returns.
    """

    kind: str
    arguments: tuple[Any, ...]
    result: Node | None = None


Path = tuple[Event, ...]


class BudgetExceeded(Exception):
    """A definition has more paths than its budget: it decides too much by ``if`` where ``If`` would select."""


@dataclass(frozen=True)
class Trace:
    """Every path through a definition."""

    definition: Definition
    paths: tuple[Path, ...]


def trace(definition: Definition, model: Model, budget: int = 4096) -> Trace:
    """All paths of ``definition`` for a CPU model. BudgetExceeded past ``budget`` of them."""
    paths, answers, interned = list[Path](), list[int](), dict[Any, Node]()
    for _ in range(budget):
        tracer = _Tracer(model, tuple(answers), interned)
        if (path := tracer.run(definition)) is not None:
            paths.append(path)
        answers = [answer for answer, _ in tracer.answered]
        while answers and answers[-1] + 1 == tracer.answered[len(answers) - 1][1]:
            answers.pop()
        if not answers:
            return Trace(definition, tuple(paths))
        answers[-1] += 1
    raise BudgetExceeded(f"{definition.name} has more than {budget} paths")


class _Active(threading.local):
    tracer: _Tracer | None = None


_active = _Active()


def _tracer() -> _Tracer:
    if _active.tracer is None:
        raise RuntimeError("a node was used outside the tracing of its definition")
    return _active.tracer


class _Tracer:
    """The processing element that records one path, and the answers it gave to the definition's decisions."""

    def __init__(self, model: Model, answers: tuple[int, ...], interned: dict[Any, Node]) -> None:
        self._model, self._answers, self._interned = model, answers, interned
        self._known: dict[Node, bool] = {}
        self._domains: dict[Node, frozenset[int]] = {}
        self.answered: list[tuple[int, int]] = []  # the option taken, of how many
        self.events: list[Event] = []

    def run(self, definition: Definition) -> Path | None:
        """The path, or None when no allocated encoding takes it."""
        fields = {f.name: self.node("field", f.width, (f.name,), Stage.DECODE) for f in definition.pattern.fields}
        before, _active.tracer = _active.tracer, self
        try:
            with executing(self):
                definition.function(**fields)
            self._event("end")
        except EndOfInstruction:
            self._event("end")
        except ArchitecturalException as exception:
            self._event("exception", exception)
        except (LookupError, TypeError, ValueError):
            if self._is_taken(definition):
                raise
        finally:
            _active.tracer = before
        return tuple(self.events) if self._is_taken(definition) else None

    def _is_taken(self, definition: Definition) -> bool:
        """Whether an allocated encoding has values in the domains that the decisions left for its fields."""
        domains = [(definition.pattern.field(leaf.operands[0]), values) for leaf, values in self._domains.items()]
        return any(
            all(
                any(
                    (cube.value >> field.low ^ value) & cube.mask >> field.low & (1 << field.width) - 1 == 0
                    for value in values
                )
                for field, values in domains
            )
            for cube in definition.cubes()
        )

    # --- nodes and decisions

    def node(self, operation: str, width: int, operands: tuple[Any, ...], stage: Stage) -> Node:
        key = operation, width, tuple(_key(operand) for operand in operands)
        found = self._interned.get(key)
        if found is None:
            found = self._interned[key] = Node(operation, width, operands, stage)
        return found

    def decide(self, condition: Node) -> bool:
        """The answer on this path.

        A condition over one field is decided by the values that the field can still have.
        """
        if condition.operation == "xor" and isinstance(condition.operands[1], Constant):
            inner, inverted = condition.operands
            return self.decide(inner) ^ bool(inverted.value)
        if condition in self._known:
            return self._known[condition]
        field = _only_field(condition)
        truth, possible = dict[int, bool](), {True, False}
        if field is not None:
            domain = self._domains.setdefault(field, frozenset(range(1 << field.width)))
            truth = {value: bool(int(_evaluate(condition, field, value))) for value in domain}
            possible = set(truth.values())
        answer = possible.pop() if len(possible) == 1 else not self._answer(2)  # the true side first
        if field is not None:
            self._domains[field] = frozenset(value for value, holds in truth.items() if holds is answer)
        self._known[condition] = answer
        self._event("decide", condition, answer)
        return answer

    def _answer(self, options: int) -> int:
        step = len(self.answered)
        option = self._answers[step] if step < len(self._answers) else 0
        self.answered.append((option, options))
        return option

    def _event(self, kind: str, *arguments: Any, result: Node | None = None) -> None:
        self.events.append(Event(kind, arguments, result))

    def _result(self, width: int, kind: str, *arguments: Any) -> Node:
        # The path up to the event is part of its identity: the graph is shared by all paths.
        result = self.node("result", width, (len(self.events), tuple(self.answered)), Stage.EXECUTE)
        self._event(kind, *arguments, result=result)
        return result

    # --- the processing element

    def read(self, register: str, index: Bits | None) -> Bits:
        if register == "PC":
            return self.node("pc", 64, (), Stage.DECODE)
        width = 64 if register in ("X", "XSP") else REGISTERS[register].width
        return self._result(width, "read", register, index)

    def write(self, register: str, index: Bits | None, value: Bits) -> None:
        self._event("write", register, index, value)

    def load(self, address: Bits, size: int, accdesc: AccessDescriptor) -> Bits:
        return self._result(8 * size, "load", address, size, accdesc)

    def store(self, address: Bits, size: int, accdesc: AccessDescriptor, value: Bits) -> None:
        self._event("store", address, size, accdesc, value)

    def store_exclusive(self, address: Bits, size: int, accdesc: AccessDescriptor, value: Bits) -> Bits:
        return self._result(1, "store_exclusive", address, size, accdesc, value)

    def atomic(
        self, address: Bits, size: int, accdesc: AccessDescriptor, operation: MemAtomicOp, operand: Bits
    ) -> Bits:
        return self._result(8 * size, "atomic", address, size, accdesc, operation, operand)

    def compare_and_swap(self, address: Bits, size: int, accdesc: AccessDescriptor, expected: Bits, new: Bits) -> Bits:
        return self._result(8 * size, "compare_and_swap", address, size, accdesc, expected, new)

    def zero_block(self, address: Bits) -> None:
        self._event("zero_block", address)

    def cache_maintenance(self, operation: str, address: Bits) -> None:
        self._event("cache_maintenance", operation, address)

    def check_system_access(self, control: str, mask: int) -> None:
        self._event("check_system_access", control, mask)

    def read_implementation(self, register: str) -> Bits:
        return self._result(64, "read_implementation", register)

    def check_sp_alignment(self, base: Bits) -> None:
        self._event("check_sp_alignment", base)

    def control_register(self, name: str) -> Bits:
        return self._result(64, "control_register", name)

    def in_guarded_page(self) -> Bits:
        return self._result(1, "in_guarded_page")

    def set_btype_next(self, value: Bits) -> None:
        self._event("set_btype_next", value)

    def implementation_defined(self, value: Bits) -> Bits:
        return self._result(value.width, "implementation_defined", value)

    def authenticates(self, pac: Bits, expected: Bits, field: Bits) -> Bits:
        return self._result(1, "authenticates", pac, expected, field)

    def check_fp_enabled(self) -> None:
        self._event("check_fp_enabled")

    def clear_exclusive(self) -> None:
        self._event("clear_exclusive")

    def prefetch(self, address: Bits, operation: Bits) -> None:
        self._event("prefetch", address, operation)

    def branch(self, target: Bits, branch_type: BranchType) -> None:
        self._event("branch", target, branch_type)

    def barrier(self, kind: str, option: Bits) -> None:
        self._event("barrier", kind, option)

    def send_event(self) -> None:
        self._event("send_event")

    def wait(self, kind: str) -> None:
        self._event("wait", kind)

    def has_feature(self, feature: str) -> bool:
        return feature in self._model.features

    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint:
        constraint = constraints[self._answer(len(constraints))]
        self._event("choose", name, constraints, constraint)
        return constraint

    def unknown(self, width: int) -> Bits:
        return self._result(width, "unknown", width)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return function(*arguments, **named)


def _slice(width: int, source: Bits, low: int) -> Bits | None:
    """A slice as a slice of the parts that it lies in, where there are such."""
    if not isinstance(source, Node):
        return None
    parts = source.operands
    if source.operation == "concat":
        border = parts[1].width
        if low >= border:
            return parts[0][low - border + width - 1 : low - border]
        return parts[1][low + width - 1 : low] if low + width <= border else None
    if source.operation == "xor":
        return parts[0][low + width - 1 : low] ^ parts[1][low + width - 1 : low]
    return None


def _only_field(node: Node) -> Node | None:
    """The field that a condition depends on, when it is a single one of at most eight bits and nothing else."""
    found, todo = set[Node](), [node]
    while todo:
        current = todo.pop()
        if current.operation in ("pc", "result"):
            return None
        if current.operation == "field":
            found.add(current)
        todo += [operand for operand in current.operands if isinstance(operand, Node)]
    return next(iter(found)) if len(found) == 1 and max(field.width for field in found) <= 8 else None


def _evaluate(node: Any, field: Node, value: int) -> Any:
    if not isinstance(node, Node):
        return node
    if node is field:
        return bits(field.width, value)
    return apply(node.operation, node.width, *(_evaluate(operand, field, value) for operand in node.operands))


def _key(operand: Any) -> Any:
    return ("constant", operand.width, operand.value) if isinstance(operand, Constant) else operand


def execute(traced: Trace, pe: ProcessingElement, operands: Mapping[str, Bits]) -> None:
    """Execute an instruction from its trace: the events of the path that its decisions select, on a ``pe`` that holds
    values.

    Raises what the instruction raises. This is what an engine of compiled traces does, written down plainly.
    """
    values: dict[Node, Bits] = {}

    def value(operand: Any) -> Any:
        if not isinstance(operand, Node):
            return operand
        if operand not in values:
            if operand.operation == "field":
                values[operand] = operands[operand.operands[0]]
            elif operand.operation == "pc":
                values[operand] = pe.read("PC", None)
            else:
                values[operand] = apply(operand.operation, operand.width, *map(value, operand.operands))
        return values[operand]

    candidates, step = traced.paths, 0
    while True:
        event = candidates[0][step]
        match event.kind, event.arguments:
            case "decide", (condition, _):
                answer = bool(value(condition))
                candidates = tuple(path for path in candidates if path[step].arguments[1] is answer)
            case "choose", (name, constraints, _):
                chosen = pe.choose(name, constraints)
                candidates = tuple(path for path in candidates if path[step].arguments[2] is chosen)
            case "exception", (exception,):
                raise _with_values(exception, value)
            case "end", _:
                return
            case kind, arguments:
                result = getattr(pe, kind)(*map(value, arguments))
                if event.result is not None:
                    values[event.result] = result
        step += 1


def _with_values(exception: ArchitecturalException, value: Callable[[Any], Any]) -> ArchitecturalException:
    parts = {name: value(part) for name, part in vars(exception).items()}
    return type(exception)(**parts)
