"""A trace split in two: what is decided when the instruction is decoded selects a variant; the rest is its body.

A decision on fields, features and choices of the model that stands before any decision on values forks the decoder. One
behind such a decision stays in the body, as a bit that the decoder computes. What the decisions on the way to a body
say of the fields is constant in its code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from assay64.reference.bits import Constant
from assay64.reference.engines.graph import Event, Node, Stage, reachable
from assay64.reference.engines.tracing import Path, Trace
from assay64.reference.pseudocode.exceptions import SoftwareBreakpoint, SupervisorCall, Undefined
from assay64.reference.pseudocode.processor import Constraint

# Events whose instruction golden executes.
_RARE = frozenset({"wait", "send_event"})
# What an implementation is like; other registers of it count.
_CONSTANTS = ("CTR_EL0", "DCZID_EL0")


@dataclass(frozen=True)
class Body:
    """Events in order, and then either the end or a decision between two bodies."""

    events: tuple[Event, ...]
    condition: Node | None = None
    then: Body | None = None
    otherwise: Body | None = None
    known: Mapping[Node, Constant] = field(default_factory=dict[Node, Constant])

    def all_events(self) -> Iterator[Event]:
        yield from self.events
        for side in (self.then, self.otherwise):
            if side is not None:
                yield from side.all_events()

    def most_accesses(self) -> tuple[int, int]:
        """Reads and writes on the way that makes most of them; those of the exclusive monitors are not counted, and an
        atomic access is a write.
        """
        loads = [event for event in self.events if event.kind == "load" and not event.arguments[2].exclusive]
        writes = [event for event in self.events if event.kind in ("store", "atomic", "compare_and_swap")]
        sides = [side.most_accesses() for side in (self.then, self.otherwise) if side is not None] or [(0, 0)]
        return len(loads) + max(reads for reads, _ in sides), len(writes) + max(writes for _, writes in sides)


@dataclass(frozen=True)
class Fork:
    """A decision at decode: on a condition, or on what the model chooses among ``constraints``."""

    condition: Node | None
    choice: str
    constraints: tuple[Constraint, ...]
    options: tuple[Fork | Body | None, ...]  # then and otherwise, or one for each constraint


Tree = Fork | Body | None


class Unsplit(Exception):
    """A choice of the model behind a decision on values: golden executes such an instruction."""


def split(traced: Trace) -> Tree:
    """The decoder's decisions over the bodies of a definition."""
    return _split(traced.paths, 0, (), {})


def _split(paths: tuple[Path, ...], step: int, events: tuple[Event, ...], known: Mapping[Node, Constant]) -> Tree:
    if not paths:
        return None
    while True:
        event = paths[0][step]
        if event.kind == "decide":
            condition = event.arguments[0]
            sides = [(answer, tuple(p for p in paths if p[step].arguments[1] is answer)) for answer in (True, False)]
            if condition.stage is Stage.EXECUTE:
                then, otherwise = (_body(side, step + 1) for _, side in sides)
                return _usual(Body(events, condition, then, otherwise, known))
            options = (_split(side, step + 1, events, {**known, **_facts(condition, answer)}) for answer, side in sides)
            return Fork(condition, "", (), tuple(options))
        if event.kind == "choose":
            name, constraints, _ = event.arguments
            sides = [tuple(p for p in paths if p[step].arguments[2] is c) for c in constraints]
            chosen = (*events, Event("open", ()))
            return Fork(None, name, constraints, tuple(_split(side, step + 1, chosen, known) for side in sides))
        events += (event,)
        if event.kind in ("end", "exception"):
            return _usual(Body(events, known=known))
        step += 1


def _facts(condition: Node, answer: bool) -> dict[Node, Constant]:
    """What an answer says of the nodes that the condition is made of."""
    facts = {condition: Constant(1, int(answer))}
    match condition.operation, condition.operands:
        case "eq", (Node() as node, Constant() as constant) if answer or node.width == 1:
            value = constant if answer else Constant(1, constant.value ^ 1)
            return facts | (_facts(node, bool(value.value)) if node.width == 1 else {node: value})
        case "xor", (Node() as node, Constant() as constant):
            return facts | _facts(node, answer ^ bool(constant.value))
        case ("and", (a, b)) if answer:
            return facts | {k: v for part in (a, b) if isinstance(part, Node) for k, v in _facts(part, True).items()}
        case ("or", (a, b)) if not answer:
            return facts | {k: v for part in (a, b) if isinstance(part, Node) for k, v in _facts(part, False).items()}
        case _:
            return facts


def _usual(body: Body) -> Tree:
    """The body, with variants of their own for what instructions on general registers and addresses usually are: a base
    that is not SP, no shift of the operand, ORR with XZR, which is MOV.
    """
    for number, event in enumerate(body.events):
        if event.kind == "check_sp_alignment" and isinstance(event.arguments[0], Node):
            unchecked = replace(body, events=body.events[:number] + body.events[number + 1 :])
            return _fork(event.arguments[0], 31, body, unchecked)
    if not concerns_general_registers(body):
        return body
    nodes = list(reachable(tuple(argument for event in body.all_events() for argument in event.arguments)))
    for node in nodes:
        if node.operation in ("shl", "lshr", "ashr") and _is_operand(node.operands[1]):
            return _fork(node.operands[1], 0, _with_zero_register(body, nodes), body)
    return body


def _with_zero_register(body: Body, nodes: list[Node]) -> Tree:
    """ORR with XZR as a variant of its own."""
    registers = {event.result: event.arguments[1] for event in body.events if event.kind == "read"}
    for node in nodes:
        for operand in node.operands if node.operation == "or" else ():
            whole = operand.operands[0] if isinstance(operand, Node) and operand.operation == "slice" else operand
            if isinstance(whole, Node) and _is_operand(registers.get(whole)):
                return _fork(registers[whole], 31, body, body)
    return body


def _is_operand(node: Any) -> bool:
    return isinstance(node, Node) and node.stage is Stage.DECODE


def _fork(node: Node, value: int, then: Tree, otherwise: Body) -> Fork:
    """What is decoded for ``node`` decides; ``then`` knows the value."""
    constant = Constant(node.width, value)
    condition = Node("eq", 1, (node, constant), Stage.DECODE)
    return Fork(condition, "", (), (_knowing(then, node, constant), otherwise))


def _knowing(tree: Tree, node: Node, value: Constant) -> Tree:
    if isinstance(tree, Body):
        return replace(tree, known={**tree.known, node: value})
    assert isinstance(tree, Fork)
    return replace(tree, options=tuple(_knowing(option, node, value) for option in tree.options))


def _body(paths: tuple[Path, ...], step: int) -> Body | None:
    """What follows a decision on values."""
    if not paths:
        return None
    events: tuple[Event, ...] = ()
    while True:
        event = paths[0][step]
        if event.kind == "choose":
            raise Unsplit(event.arguments[0])
        if event.kind == "decide":
            condition = event.arguments[0]
            sides = [tuple(p for p in paths if p[step].arguments[1] is answer) for answer in (True, False)]
            then, otherwise = (_body(side, step + 1) for side in sides)
            if then is None or otherwise is None:
                return _joined(events, then or otherwise)
            return Body(events, condition, then, otherwise)
        events += (event,)
        if event.kind in ("end", "exception"):
            return Body(events)
        step += 1


def _joined(events: tuple[Event, ...], body: Body | None) -> Body:
    assert body is not None
    return Body(events + body.events, body.condition, body.then, body.otherwise)


def bodies(tree: Tree) -> Iterator[Body]:
    """Every body, in the order of the decoder's decisions."""
    if isinstance(tree, Body):
        yield tree
    elif tree is not None:
        for option in tree.options:
            yield from bodies(option)


def golden_executes(body: Body) -> bool:
    """Whether golden executes these instructions."""
    for event in body.all_events():
        if event.kind in _RARE:
            return True
        if event.kind == "read_implementation" and event.arguments[0] not in _CONSTANTS:
            return True
        if event.kind == "check_system_access" and event.arguments[0] != "SCTLR_EL1":
            return True
        if event.kind == "exception" and not isinstance(
            event.arguments[0], (Undefined, SupervisorCall, SoftwareBreakpoint)
        ):
            return True
    return False


def is_undefined(body: Body) -> bool:
    """Whether the variant does nothing but to be UNDEFINED."""
    last = body.events[-1] if body.events else None
    return (
        body.condition is None
        and last is not None
        and last.kind == "exception"
        and isinstance(last.arguments[0], Undefined)
        and all(event.kind in ("check_fp_enabled", "exception") for event in body.events)
    )


def concerns_general_registers(body: Body) -> bool:
    """Whether the instruction reads and writes general registers and flags, and does nothing else."""
    events = [event for event in body.all_events() if event.kind != "end"]
    return bool(events) and all(
        event.kind in ("read", "write") and event.arguments[0].startswith(("X", "PSTATE")) for event in events
    )


def features_and_choices(trees: list[Tree]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The FEAT_* and the choices that any decoder asks for, sorted."""
    features, choices = set[str](), set[str]()

    def visit(tree: Tree) -> None:
        if not isinstance(tree, Fork):
            return
        if tree.condition is None:
            choices.add(tree.choice)
        for leaf in leaves(tree.condition):
            if leaf.operation == "feature":
                features.add(leaf.operands[0])
        for option in tree.options:
            visit(option)

    for tree in trees:
        visit(tree)
    return tuple(sorted(features)), tuple(sorted(choices))


def leaves(node: Any) -> Iterator[Node]:
    """The nodes without operands that ``node`` is made of."""
    if isinstance(node, Node):
        parts = [operand for operand in node.operands if isinstance(operand, Node)]
        if not parts:
            yield node
        for part in parts:
            yield from leaves(part)
