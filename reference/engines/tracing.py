"""Tracing: a definition executed on nodes instead of values, which gives a graph and an ordered list of events.

Engines that compile or solve read traces, never the Python source. The fields are leaves known at decode; what the
definition reads from the processing element are leaves known at run time. An ``if`` on a node is explored both ways, by
executing the definition again with the other answer; ``int()`` of a node explores its values. A possible fault is not a
fork: it belongs to the event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from assay64.reference.bits import Bits, Constant, bits
from assay64.reference.encoding import Definition
from assay64.reference.engines.calls import call
from assay64.reference.engines.graph import (
    Event,
    Interner,
    Node,
    Stage,
    evaluate,
    reachable,
    recording,
    stage_of,
)
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

_SELECTS = 3  # selects that are decided on a path: eight variants at most

Path = tuple[Event, ...]


class BudgetExceeded(Exception):
    """A definition has more paths than its budget: it decides too much by ``if`` where ``If`` would select."""


@dataclass(frozen=True)
class Trace:
    """Every path through a definition."""

    definition: Definition
    paths: tuple[Path, ...]


def trace(definition: Definition, budget: int = 4096) -> Trace:
    """All paths of ``definition``, for every CPU model: whether it has a feature is decided like everything else.

    BudgetExceeded past ``budget`` of them.
    """
    paths, answers, interner = list[Path](), list[int](), Interner()
    for _ in range(budget):
        tracer = _Tracer(tuple(answers), interner)
        if (path := tracer.run(definition)) is not None:
            paths.append(path)
        answers = [answer for answer, _ in tracer.answered]
        while answers and answers[-1] + 1 == tracer.answered[len(answers) - 1][1]:
            answers.pop()
        if not answers:
            return Trace(definition, tuple(paths))
        answers[-1] += 1
    raise BudgetExceeded(f"{definition.name} has more than {budget} paths")


class _Tracer:
    """The processing element that records one path, and the answers it gave to the definition's decisions."""

    def __init__(self, answers: tuple[int, ...], interner: Interner) -> None:
        self._answers, self._interner = answers, interner
        self.node = interner.node
        self._known: dict[Node, bool] = {}
        self._selected = 0
        self._domains: dict[Node, frozenset[int]] = {}
        self.answered: list[tuple[int, int]] = []  # the option taken, of how many
        self.events: list[Event] = []

    def run(self, definition: Definition) -> Path | None:
        """The path, or None when no allocated encoding takes it."""
        fields = {f.name: self.node("field", f.width, (f.name,), Stage.DECODE) for f in definition.pattern.fields}
        try:
            with recording(self), executing(self, keeps_calls=True):
                definition.function(**fields)
            self._event("end")
        except EndOfInstruction:
            self._event("end")
        except ArchitecturalException as exception:
            self._event("exception", exception)
        except (LookupError, TypeError, ValueError):
            if self._is_taken(definition):
                raise
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

    def chosen(self, condition: Bits, then: Bits, otherwise: Bits) -> Bits | None:
        """A select of values by what is known at decode makes variants of the instruction, up to a number of them."""
        if not isinstance(condition, Node) or condition.stage is not Stage.DECODE:
            return None
        if stage_of((then, otherwise)) is Stage.DECODE or self._selected == _SELECTS:
            return None
        self._selected += condition not in self._known
        return then if self.decide(condition) else otherwise

    def narrowed(self, amount: Bits, width: int) -> Bits:
        """By the values that the fields in ``amount`` can still have."""
        bits_needed = (width - 1).bit_length()
        if width & width - 1 or amount.width <= bits_needed:
            return amount
        if not isinstance(amount, Node) or (field := _only_field(amount)) is None:
            return amount
        domain = self._domains.get(field, frozenset(range(1 << field.width)))
        if any(int(_evaluate(amount, field, value)) >= width for value in domain):
            return amount
        return amount[bits_needed - 1 : 0]

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

    def wait(self, kind: str, trapped: Bits) -> None:
        self._event("wait", kind, trapped)

    def has_feature(self, feature: str) -> bool:
        return bool(self.node("feature", 1, (feature,), Stage.DECODE))

    def choose(self, name: str, constraints: tuple[Constraint, ...]) -> Constraint:
        constraint = constraints[self._answer(len(constraints))]
        self._event("choose", name, constraints, constraint)
        return constraint

    def unknown(self, width: int) -> Bits:
        return self._result(width, "unknown", width)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return call(self._interner, function, arguments, named)


def _only_field(node: Node) -> Node | None:
    """The field that a condition depends on, when it is a single one of at most eight bits and nothing else."""
    leaves = [part for part in reachable((node,)) if not any(isinstance(operand, Node) for operand in part.operands)]
    fields = [leaf for leaf in leaves if leaf.operation == "field"]
    return fields[0] if len(leaves) == len(fields) == 1 and fields[0].width <= 8 else None


def _evaluate(node: Node, field: Node, value: int) -> Any:
    return evaluate((node,), {field: bits(field.width, value)}, lambda _: None)[0]


def execute(traced: Trace, pe: ProcessingElement, operands: Mapping[str, Bits]) -> None:
    """Execute an instruction from its trace: the events of the path that its decisions select, on a ``pe`` that holds
    values.

    Raises what the instruction raises. This is what an engine of compiled traces does, written down plainly.
    """
    values: dict[Node, Bits] = {}

    def leaf(node: Node) -> Bits | None:
        match node.operation:
            case "field":
                return operands[node.operands[0]]
            case "feature":
                return bits(1, int(pe.has_feature(node.operands[0])))
            case "pc":
                return pe.read("PC", None)
            case _:
                return None

    def value(operand: Any) -> Any:
        return evaluate((operand,), values, leaf)[0] if isinstance(operand, Node) else operand

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
