"""Functions of the pseudocode kept as calls: traced once for the widths of their arguments, so that eight lanes of FMLA
share one FPMulAdd.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from collections.abc import Callable
from typing import Any, cast

from assay64.reference.bits import Bits, Constant, Int
from assay64.reference.engines.graph import (
    FunctionGraph,
    Interner,
    Node,
    Recorder,
    Stage,
    current,
    evaluate,
    reachable,
    rebuild,
    rebuilt,
    recording,
    stage_of,
)
from assay64.reference.pseudocode.integer import lanes
from assay64.reference.pseudocode.processor import ProcessingElement, executing

_SMALL = 48  # a function of fewer nodes, none of them a call, is not worth one
_LANES: Any = getattr(lanes, "__wrapped__")  # noqa: B009  # the function under its mark
# The primitives that may stand in the function of ``lanes``.
LANE_OPERATIONS = frozenset(
    {
        *(
            "add",
            "sub",
            "mul",
            "and",
            "or",
            "xor",
            "eq",
            "ult",
            "slt",
            "select",
            "slice",
            "concat",
            "shl",
            "lshr",
            "ashr",
        ),
        *("zero_extend", "sign_extend", "count_leading_zeros", "count_ones", "parameter"),
    }
)
_FUNCTIONS: dict[Any, FunctionGraph | None] = {}


def call(interner: Interner, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """A call of a @pseudocode function on nodes: a call node when the function is pure, straight and not small."""
    if not any(isinstance(part, Node) for part in _parts((arguments, named))):
        return function(*arguments, **named)
    if function is _LANES and not named and (vectors := _lanes(interner, *arguments)) is not None:
        return vectors
    key = function, _signature(arguments), _signature(tuple(named.items()))
    if key not in _FUNCTIONS:
        _FUNCTIONS[key] = function_graph(function, arguments, named)
    graph = _FUNCTIONS[key]
    if graph is None:
        return function(*arguments, **named)
    operands = tuple(part for part in _parts((arguments, named)) if isinstance(part, Node))
    stage = stage_of(operands)
    components = (
        interner.node("call", component.width, (graph, number, *operands), stage)
        for number, component in enumerate(graph.components)
    )
    return rebuild(graph.result, components)


def _lanes(interner: Interner, function: Callable[..., Bits], size: int, *vectors: Bits) -> Bits | None:
    """``lanes`` as one node, when its function is a computation that engines have for whole vectors."""
    recorder = _LaneRecorder(interner, current())
    parameters = [recorder.node("parameter", size, (number,), Stage.EXECUTE) for number in range(len(vectors))]
    try:
        with recording(recorder), executing(cast(ProcessingElement, recorder), keeps_calls=True):
            result = function(*parameters)
    except _NotStraight:
        return None
    varies, shared = set[Node](parameters), dict[Node, None]()
    for node in reachable((result,)):
        operands = [operand for operand in node.operands if isinstance(operand, Node)]
        if varies.intersection(operands):
            varies.add(node)
            shared |= dict.fromkeys(operand for operand in operands if operand not in varies)
    if any(node.operation not in LANE_OPERATIONS or node.width > 64 for node in varies):
        return None
    if result not in varies or result.width % 8 or any(node.width > 64 for node in shared):
        return None
    replaced: dict[Node, Bits] = {parameter: parameter for parameter in parameters}
    for number, node in enumerate(shared, len(parameters)):
        replaced[node] = recorder.node("parameter", node.width, (number,), Stage.EXECUTE)
    with recording(recorder):
        (root,) = evaluate((result,), replaced, lambda _: None)
    graph = FunctionGraph("lanes", tuple(cast(Node, node) for node in replaced.values()), root)
    operands = (graph, size, len(vectors), *vectors, *shared)
    return interner.node("lanes", root.width * (vectors[0].width // size), operands, stage_of(operands))


def _parts(structure: Any) -> list[Any]:
    """The leaves of arguments: bit vectors and whatever else."""
    if isinstance(structure, dict):
        return _parts(tuple(cast(dict[str, Any], structure).values()))
    if isinstance(structure, tuple):
        return [leaf for part in cast(tuple[Any, ...], structure) for leaf in _parts(part)]
    return [structure.carrier] if isinstance(structure, Int) else [structure]


def _signature(argument: Any) -> Any:
    """What a function's graph depends on: widths and ranges of nodes, values of everything else."""
    if isinstance(argument, tuple):
        return tuple(map(_signature, cast(tuple[Any, ...], argument)))
    if isinstance(argument, Int):
        return Int, _signature(argument.carrier), argument.low, argument.high
    if isinstance(argument, Node):
        return Node, argument.width
    return (Constant, argument.width, argument.value) if isinstance(argument, Constant) else argument


class _NotStraight(Exception):
    """A function does more than compute, or what it computes is decided by a node."""


class _FunctionRecorder:
    """Traces the body of a function of the pseudocode, which may only compute."""

    def __init__(self, interner: Interner | None = None) -> None:
        self._interner = interner or Interner()
        self.node = self._interner.node

    def decide(self, condition: Node) -> bool:
        raise _NotStraight

    def chosen(self, condition: Bits, then: Bits, otherwise: Bits) -> Bits | None:
        return None

    def narrowed(self, amount: Bits, width: int) -> Bits:
        return amount

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return call(self._interner, function, arguments, named)

    def __getattr__(self, name: str) -> Any:
        raise _NotStraight


class _LaneRecorder(_FunctionRecorder):
    """Traces the function of ``lanes``, which may decide on what is no lane."""

    def __init__(self, interner: Interner, outer: Recorder) -> None:
        super().__init__(interner)
        self._outer = outer

    def decide(self, condition: Node) -> bool:
        if any(node.operation == "parameter" for node in reachable((condition,))):
            raise _NotStraight
        return self._outer.decide(condition)


def function_graph(
    function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
) -> FunctionGraph | None:
    """The graph of a function, None when it is to be executed in place."""
    if any(callable(part) for part in _parts((arguments, named))):
        return None
    recorder, parameters = _FunctionRecorder(), list[Node]()

    def parameter(argument: Any) -> Any:
        if isinstance(argument, tuple):
            return rebuilt(argument, tuple(map(parameter, cast(tuple[Any, ...], argument))))
        if isinstance(argument, Int):
            return Int(parameter(argument.carrier), argument.low, argument.high)
        if isinstance(argument, Node):
            parameters.append(recorder.node("parameter", argument.width, (len(parameters),), Stage.EXECUTE))
            return parameters[-1]
        return argument

    pe = cast(ProcessingElement, recorder)  # an event of the body is _NotStraight
    with contextlib.suppress(_NotStraight), recording(recorder), executing(pe, keeps_calls=True):
        given = parameter(arguments), {name: parameter(argument) for name, argument in named.items()}
        result = function(*given[0], **given[1])
        # The name tells apart what other arguments, which are no nodes, make of a function.
        digest = hashlib.sha256(repr((_signature(arguments), _signature(tuple(named.items())))).encode()).hexdigest()
        bound = inspect.signature(function).bind(*given[0], **given[1])
        name = function.__name__
        graph = FunctionGraph(f"{name}_{digest[:8]}", tuple(parameters), result, name, bound.arguments)
        calls = any(node.operation == "call" for node in reachable(graph.components))
        return graph if calls or graph.size() >= _SMALL else None
    return None
