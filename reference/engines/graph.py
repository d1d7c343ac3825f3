"""The graph that tracing makes of the specification: nodes for values, functions kept as calls, events in order.

Nodes of one trace are interned: equal ones are one object. What is known at decode (the fields, the features of the CPU
model) and what only at execution is told apart by their stage.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, cast

from assay64.reference.bits import Bits, Constant, Int, apply


class Stage(Enum):
    """When a value is known: when the instruction is decoded, or when it is executed."""

    DECODE = 0
    EXECUTE = 1


# Operations of nodes that are no computation.
LEAVES = frozenset({"field", "feature", "pc", "result", "parameter"})


class Node(Bits):
    """A value of the graph. Equal nodes of one trace are one object.

    ``operation`` is a primitive or one of these:

    field        operand: its name
    feature      operand: FEAT_*; one bit, whether the CPU model has it
    pc           the address of the instruction
    result       operand: what identifies the event
    parameter    operand: its number in a FunctionGraph
    call         operands: FunctionGraph, the number of the component of its result, the arguments
    lanes        operands: FunctionGraph, the size of a lane in bits, the number of vectors, the vectors, the values
                 that every lane uses alike
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
        if operation in ("shl", "lshr", "ashr"):
            operands = operands[0], current().narrowed(operands[1], width)
        if operation == "select" and (chosen := current().chosen(*operands)) is not None:
            return chosen
        return current().node(operation, width, operands, stage_of(operands))

    def __bool__(self) -> bool:
        if self.width != 1:
            raise TypeError(f"a condition of {self.width} bits: compare it with something")
        return current().decide(self)

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


def stage_of(operands: tuple[Any, ...]) -> Stage:
    """The latest stage of the nodes among ``operands``."""
    return Stage(max((operand.stage.value for operand in operands if isinstance(operand, Node)), default=0))


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


@dataclass(frozen=True, eq=False)
class FunctionGraph:
    """A pure function of the pseudocode, traced once for the widths of its parameters.

    ``result`` is what the function returns, with nodes for values: Bits, an Int, or a tuple of them. ``function`` is
    its name in the pseudocode, and ``arguments`` what it was traced with: its parameters, and what is no node.
    """

    name: str
    parameters: tuple[Node, ...]
    result: Any
    function: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def components(self) -> tuple[Bits, ...]:
        """The bit vectors of the result, in order."""
        return tuple(flatten(self.result))

    def size(self) -> int:
        """Its nodes, a call counted as one."""
        return sum(1 for _ in reachable(self.components))


@dataclass(frozen=True)
class Event:
    """Something that happens in order: ``kind`` is a method of ProcessingElement, ``decide``, ``exception`` or ``end``.

    ``result`` is the node that stands for what the method returns.
    """

    kind: str
    arguments: tuple[Any, ...]
    result: Node | None = None


def flatten(structure: Any) -> Iterator[Bits]:
    """The bit vectors in a value, an integer, or nested tuples of them."""
    if isinstance(structure, Int):
        yield structure.carrier
    elif isinstance(structure, Bits):
        yield structure
    elif isinstance(structure, tuple):
        for part in cast(tuple[Any, ...], structure):
            yield from flatten(part)
    elif structure is not None:
        raise TypeError(f"{structure!r} in the graph")


def rebuild(structure: Any, values: Iterator[Bits]) -> Any:
    """``structure`` with its bit vectors replaced by ``values``, in the order of ``flatten``."""
    if isinstance(structure, Int):
        return Int(next(values), structure.low, structure.high)
    if isinstance(structure, Bits):
        return next(values)
    if isinstance(structure, tuple):
        return rebuilt(structure, tuple(rebuild(part, values) for part in cast(tuple[Any, ...], structure)))
    return structure


def rebuilt(structure: Any, parts: tuple[Any, ...]) -> Any:
    """A tuple, or a named tuple of the type of ``structure``, of these parts."""
    return type(structure)(*parts) if hasattr(structure, "_fields") else parts


def reachable(roots: tuple[Any, ...], known: Container[Node] = ()) -> Iterator[Node]:
    """Every node that the roots are made of, each once, operands before their users; nothing behind ``known``."""
    seen = set[Node]()
    todo: list[tuple[Any, bool]] = [(root, False) for root in reversed(roots)]
    while todo:
        node, visited = todo.pop()
        if not isinstance(node, Node):
            continue
        if visited:
            yield node
        elif node not in seen and node not in known:
            seen.add(node)
            todo.append((node, True))
            todo += [(operand, False) for operand in reversed(node.operands)]


class Recorder(Protocol):
    """What is tracing on this thread."""

    def node(self, operation: str, width: int, operands: tuple[Any, ...], stage: Stage) -> Node: ...
    def decide(self, condition: Node) -> bool: ...
    def chosen(self, condition: Bits, then: Bits, otherwise: Bits) -> Bits | None:
        """The side of a select that is taken, when that is better decided than computed."""
        ...

    def narrowed(self, amount: Bits, width: int) -> Bits:
        """The amount of a shift of ``width`` bits, in so few bits that it cannot reach the width if that is known."""
        ...


class _Active(threading.local):
    recorder: Recorder | None = None


_active = _Active()


def current() -> Recorder:
    if _active.recorder is None:
        raise RuntimeError("a node was used outside the tracing of its definition")
    return _active.recorder


@contextmanager
def recording(recorder: Recorder) -> Generator[None]:
    before, _active.recorder = _active.recorder, recorder
    try:
        yield
    finally:
        _active.recorder = before


class Interner:
    """Makes nodes, equal ones once."""

    def __init__(self) -> None:
        self._nodes: dict[Any, Node] = {}

    def node(self, operation: str, width: int, operands: tuple[Any, ...], stage: Stage) -> Node:
        key = operation, width, tuple(_key(operand) for operand in operands)
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = Node(operation, width, operands, stage)
        return found


def _key(operand: Any) -> Any:
    return ("constant", operand.width, operand.value) if isinstance(operand, Constant) else operand


Leaf = Callable[[Node], Bits | None]


def evaluate(roots: tuple[Any, ...], known: Mapping[Node, Bits], leaf: Leaf) -> list[Any]:
    """The values of ``roots``. ``known`` has some nodes; ``leaf`` is asked for those that are no computation."""
    values = dict(known)
    for node in reachable(roots, known):
        value = leaf(node)
        if value is None:
            operands = [values[operand] if isinstance(operand, Node) else operand for operand in node.operands]
            value = computed(node, operands)
        values[node] = value
    return [values[root] if isinstance(root, Node) else root for root in roots]


def computed(node: Node, operands: list[Any]) -> Bits:
    """The value of a node that is a computation, from those of its operands."""
    if node.operation == "call":
        function, component, *arguments = operands
        return _called(function, arguments)[component]
    if node.operation == "lanes":
        function, size, count, *rest = operands
        vectors, shared = rest[:count], rest[count:]
        result: Bits | None = None
        for low in range(0, vectors[0].width, size):
            (lane,) = _called(function, [vector[low + size - 1 : low] for vector in vectors] + shared)
            result = lane if result is None else lane @ result
        assert result is not None
        return result
    return apply(node.operation, node.width, *operands)


def _called(function: FunctionGraph, arguments: list[Any]) -> list[Any]:
    return evaluate(function.components, dict(zip(function.parameters, arguments, strict=True)), lambda _: None)
