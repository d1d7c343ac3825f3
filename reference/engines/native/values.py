"""Nodes of the graph as LLVM instructions: one table over the primitives, functions as calls, lanes as vectors.

What a leaf is (a decoded operand, a field of the word, a parameter) the user of ``Values`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from assay64.reference.bits import Constant
from assay64.reference.engines.graph import FunctionGraph, Node, reachable
from assay64.reference.engines.native.emitter import Function
from assay64.reference.engines.native.sums import Sum, fitting

# Wider divisions than this LLVM leaves to a library that is not there.
_WIDEST_DIVISION = 64


class Values:
    """Emits the values of nodes into a function, each once where it is visible.

    ``leaf(node)`` gives the name of a value that is no computation here, or None. ``functions`` collects the
    FunctionGraphs that are called and the names of the runtime's helpers.
    """

    def __init__(self, out: Function, leaf: Callable[[Node], str | None], functions: dict[str, Any]) -> None:
        self._out, self._leaf, self._functions = out, leaf, functions
        self._scopes: list[dict[Any, str]] = [{}]

    @contextmanager
    def scope(self) -> Generator[None]:
        """Values that are emitted inside are not visible after it."""
        self._scopes.append({})
        try:
            yield
        finally:
            self._scopes.pop()

    def known(self, node: Any) -> str | None:
        return next((scope[node] for scope in reversed(self._scopes) if node in scope), None)

    def define(self, node: Any, value: str) -> None:
        self._scopes[-1][node] = value

    def of(self, operand: Any) -> str:
        """The LLVM value of a node or a constant, of the type i<width>."""
        if isinstance(operand, Constant):
            return str(operand.value)
        todo: list[Any] = [operand]
        while todo:
            node = todo[-1]
            if self.known(node) is not None:
                todo.pop()
            elif (leaf := self._leaf(node)) is not None:
                self.define(todo.pop(), leaf)
            elif (total := _fitting(node)) is not None:
                self.define(todo.pop(), total.fits(self._out, self.of))
            elif missing := [part for part in node.operands if isinstance(part, Node) and self.known(part) is None]:
                todo += reversed(missing)
            else:
                self.define(todo.pop(), self._emit(node))
        value = self.known(operand)
        assert value is not None
        return value

    def _operand(self, operand: Any) -> str:
        if isinstance(operand, Constant):
            return str(operand.value)
        value = self.known(operand)
        assert value is not None, operand
        return value

    def _emit(self, node: Node) -> str:
        out, width, kind = self._out, node.width, f"i{node.width}"
        operation, operands = node.operation, node.operands
        match operation, operands:
            case "or", (a, b) if (rotated := _rotation(a, b)) is not None:
                value, amount = (self._operand(part) for part in rotated)
                if rotated[1].width < width:
                    amount = out.cast("zext", f"i{rotated[1].width}", amount, kind)
                given = f"{kind} {value}, {kind} {value}, {kind} {amount}"
                return out.intrinsic(f"llvm.fshr.{kind}", kind, f"{kind}, {kind}, {kind}", given)
            case (("add" | "sub" | "mul" | "and" | "or" | "xor"), (a, b)):
                return out.binary(operation, kind, self._operand(a), self._operand(b))
            case (("shl" | "lshr" | "ashr"), (a, amount)):
                return self._shift(operation, width, self._operand(a), amount)
            case (("eq" | "ult" | "slt"), (a, b)):
                return out.compare(operation, f"i{a.width}", self._operand(a), self._operand(b))
            case "select", (condition, a, b):
                return out.select(self._operand(condition), kind, self._operand(a), self._operand(b))
            case "slice", (a, low):
                value = self._operand(a)
                if low:
                    value = out.binary("lshr", f"i{a.width}", value, low)
                return out.cast("trunc", f"i{a.width}", value, kind) if width < a.width else value
            case "concat", (high, low):
                upper = out.cast("zext", f"i{high.width}", self._operand(high), kind)
                lower = out.cast("zext", f"i{low.width}", self._operand(low), kind)
                return out.binary("or disjoint", kind, out.binary("shl", kind, upper, low.width), lower)
            case "zero_extend", (a,):
                return out.cast("zext", f"i{a.width}", self._operand(a), kind)
            case "sign_extend", (a,):
                return out.cast("sext", f"i{a.width}", self._operand(a), kind)
            case "count_leading_zeros", (a,):
                return out.intrinsic(f"llvm.ctlz.{kind}", kind, f"{kind}, i1", f"{kind} {self._operand(a)}, i1 false")
            case "count_ones", (a,):
                return out.intrinsic(f"llvm.ctpop.{kind}", kind, kind, f"{kind} {self._operand(a)}")
            case "udiv", (a, b):
                return self._divide(width, self._operand(a), self._operand(b))
            case "isqrt", (a,):
                self._functions[f"isqrt_{width}"] = width
                return out.call(kind, f"@isqrt_{width}", f"{kind} {self._operand(a)}")
            case "reverse_lanes", (a, lane):
                return self._reverse(width, self._operand(a), lane)
            case "call", (graph, component, *arguments):
                return self._component(graph, component, tuple(arguments))
            case "lanes", (graph, size, count, *rest):
                return self._lanes(node, graph, size, rest[:count], rest[count:])
            case _:
                raise ValueError(f"{operation} has no lowering")

    def _shift(self, operation: str, width: int, value: str, amount: Any) -> str:
        out, kind = self._out, f"i{width}"
        if isinstance(amount, Constant):
            if amount.value >= width:
                return (
                    out.binary("ashr", kind, value, width - 1)
                    if operation == "ashr"
                    else out.binary("and", kind, value, 0)
                )
            return out.binary(operation, kind, value, amount.value)
        count, wide = self._operand(amount), amount.width
        always = (1 << wide) <= width  # the amount cannot reach the width
        inside = "" if always else out.compare("ult", f"i{wide}", count, width)
        if wide > width:
            count = out.cast("trunc", f"i{wide}", count, kind)
        elif wide < width:
            count = out.cast("zext", f"i{wide}", count, kind)
        if always:
            return out.binary(operation, kind, value, count)
        if operation == "ashr":
            return out.binary("ashr", kind, value, out.select(inside, kind, count, width - 1))
        return out.select(inside, kind, out.binary(operation, kind, value, count), 0)

    def _divide(self, width: int, dividend: str, divisor: str) -> str:
        out, kind = self._out, f"i{width}"
        if width > _WIDEST_DIVISION:
            self._functions[f"udiv_{width}"] = width
            return out.call(kind, f"@udiv_{width}", f"{kind} {dividend}, {kind} {divisor}")
        zero = out.compare("eq", kind, divisor, 0)
        quotient = out.binary("udiv", kind, dividend, out.select(zero, kind, 1, divisor))
        return out.select(zero, kind, 0, quotient)

    def _reverse(self, width: int, value: str, lane: int) -> str:
        out, kind, count = self._out, f"i{width}", width // lane
        if lane == 1:
            return out.intrinsic(f"llvm.bitreverse.{kind}", kind, kind, f"{kind} {value}")
        if lane == 8:
            return out.intrinsic(f"llvm.bswap.{kind}", kind, kind, f"{kind} {value}") if count > 1 else value
        vector = f"<{count} x i{lane}>"
        parts = out.cast("bitcast", kind, value, vector)
        order = ", ".join(f"i32 {number}" for number in reversed(range(count)))
        turned = out.value(f"shufflevector {vector} {parts}, {vector} poison, <{count} x i32> <{order}>")
        return out.cast("bitcast", vector, turned, kind)

    def _component(self, graph: FunctionGraph, component: int, arguments: tuple[Any, ...]) -> str:
        out = self._out
        key = "called", graph, arguments
        returned = self.known(key)
        if returned is None:
            self._functions[graph.name] = graph
            given = ", ".join(f"i{a.width} {self._operand(a)}" for a in arguments)
            returned = out.value(f"call fastcc {returns(graph)} @{graph.name}({given})")
            self.define(key, returned)
        if len(graph.components) == 1:
            return returned
        return out.value(f"extractvalue {returns(graph)} {returned}, {component}")

    # --- lanes as vectors

    def _lanes(self, node: Node, graph: FunctionGraph, size: int, vectors: list[Any], shared: list[Any]) -> str:
        out = self._out
        count = vectors[0].width // size
        lane_values: dict[Any, str] = {}
        for parameter, vector in zip(graph.parameters, vectors, strict=False):
            lane_values[parameter] = out.cast(
                "bitcast", f"i{vector.width}", self._operand(vector), f"<{count} x i{size}>"
            )
        for parameter, value in zip(graph.parameters[len(vectors) :], shared, strict=True):
            lane_values[parameter] = self._splat(count, value.width, self._operand(value))
        (root,) = graph.components
        for inner in reachable((root,)):
            if inner not in lane_values:
                lane_values[inner] = self._lane_node(inner, count, lane_values)
        if isinstance(root, Constant):
            return str(sum(root.value << number * root.width for number in range(count)))
        return out.cast("bitcast", f"<{count} x i{root.width}>", lane_values[root], f"i{node.width}")

    def _splat(self, count: int, width: int, value: str) -> str:
        kind = f"<{count} x i{width}>"
        first = self._out.value(f"insertelement {kind} poison, i{width} {value}, i32 0")
        return self._out.value(f"shufflevector {kind} {first}, {kind} poison, <{count} x i32> zeroinitializer")

    def _lane_node(self, node: Node, count: int, values: dict[Any, str]) -> str:
        """A node of a lane's function, for all lanes at once."""
        out, kind = self._out, f"<{count} x i{node.width}>"

        def vector(operand: Any) -> str:
            if isinstance(operand, Constant):
                return "<" + ", ".join(f"i{operand.width} {operand.value}" for _ in range(count)) + ">"
            return values[operand]

        def constant(width: int, value: int) -> str:
            return vector(Constant(width, value))

        match node.operation, node.operands:
            case (("add" | "sub" | "mul" | "and" | "or" | "xor"), (a, b)):
                return out.binary(node.operation, kind, vector(a), vector(b))
            case (("eq" | "ult" | "slt"), (a, b)):
                return out.compare(node.operation, f"<{count} x i{a.width}>", vector(a), vector(b))
            case "select", (condition, a, b):
                return out.value(f"select <{count} x i1> {vector(condition)}, {kind} {vector(a)}, {kind} {vector(b)}")
            case "slice", (a, low):
                source, value = f"<{count} x i{a.width}>", vector(a)
                if low:
                    value = out.binary("lshr", source, value, constant(a.width, low))
                return out.cast("trunc", source, value, kind) if node.width < a.width else value
            case "concat", (high, low):
                upper = out.cast("zext", f"<{count} x i{high.width}>", vector(high), kind)
                lower = out.cast("zext", f"<{count} x i{low.width}>", vector(low), kind)
                return out.binary(
                    "or disjoint", kind, out.binary("shl", kind, upper, constant(node.width, low.width)), lower
                )
            case "zero_extend", (a,):
                return out.cast("zext", f"<{count} x i{a.width}>", vector(a), kind)
            case "sign_extend", (a,):
                return out.cast("sext", f"<{count} x i{a.width}>", vector(a), kind)
            case (("shl" | "lshr" | "ashr"), (a, amount)):
                return self._lane_shift(node, vector(a), vector(amount), amount.width, count)
            case (("count_leading_zeros" | "count_ones" | "reverse_lanes"), (a, *_)):
                name = {"count_leading_zeros": "ctlz", "count_ones": "ctpop", "reverse_lanes": "bitreverse"}[
                    node.operation
                ]
                more = ", i1 false" if name == "ctlz" else ""
                kinds = f"{kind}, i1" if name == "ctlz" else kind
                return out.intrinsic(f"llvm.{name}.v{count}i{node.width}", kind, kinds, f"{kind} {vector(a)}{more}")
            case _:
                raise ValueError(f"{node.operation} has no lowering for lanes")

    def _lane_shift(self, node: Node, value: str, amount: str, wide: int, count: int) -> str:
        out, width = self._out, node.width
        kind, amounts = f"<{count} x i{width}>", f"<{count} x i{wide}>"
        limit = "<" + ", ".join(f"i{wide} {width}" for _ in range(count)) + ">"
        always = (1 << wide) <= width
        inside = "" if always else out.compare("ult", amounts, amount, limit)
        if wide > width:
            amount = out.cast("trunc", amounts, amount, kind)
        elif wide < width:
            amount = out.cast("zext", amounts, amount, kind)
        if not always:
            other = f"i{width} {width - 1 if node.operation == 'ashr' else 0}"
            filler = "<" + ", ".join(other for _ in range(count)) + ">"
            amount = out.value(f"select <{count} x i1> {inside}, {kind} {amount}, {kind} {filler}")
        result = out.binary(node.operation, kind, value, amount)
        if always or node.operation == "ashr":
            return result
        return out.value(f"select <{count} x i1> {inside}, {kind} {result}, {kind} zeroinitializer")


def _fitting(node: Node) -> Sum | None:
    return fitting(*node.operands) if node.operation == "eq" else None


def _rotation(right: Any, left: Any) -> tuple[Any, Any] | None:
    """x and n of ``x >> n | x << (width - n)``, where n is less than the width, a power of two: a rotation."""
    if not isinstance(right, Node) or not isinstance(left, Node) or right.width & right.width - 1:
        return None
    if (right.operation, left.operation) != ("lshr", "shl") or right.operands[0] is not left.operands[0]:
        return None
    amount, rest = right.operands[1], left.operands[1]
    if not isinstance(amount, Node) or 1 << amount.width > right.width:
        return None
    if not isinstance(rest, Node) or rest.operation != "sub" or not isinstance(rest.operands[0], Constant):
        return None
    whole = rest.operands[1]
    is_amount = (
        whole is amount
        or (amount.operation == "slice" and amount.operands == (whole, 0))
        or (whole.operation == "zero_extend" and whole.operands[0] is amount)
    )
    return (right.operands[0], amount) if is_amount and rest.operands[0].value == right.width else None


def returns(graph: FunctionGraph) -> str:
    """The LLVM type of what a function returns."""
    kinds = [f"i{component.width}" for component in graph.components]
    return kinds[0] if len(kinds) == 1 else "{ " + ", ".join(kinds) + " }"


def function_text(graph: FunctionGraph, functions: dict[str, Any], suffix: str = "") -> Function:
    """The LLVM function of a pseudocode function, named as it with ``suffix``."""
    names = {parameter: f"%p{number}" for number, parameter in enumerate(graph.parameters)}
    given = ", ".join(f"i{parameter.width} {name}" for parameter, name in names.items())
    out = Function(graph.name + suffix, f"fastcc {returns(graph)}", given, attributes="nounwind memory(none)")
    values = Values(out, names.get, functions)
    results = [(f"i{component.width}", values.of(component)) for component in graph.components]
    if len(results) == 1:
        out.ret(*results[0])
        return out
    aggregate, kind = "poison", returns(graph)
    for number, (part, value) in enumerate(results):
        aggregate = out.value(f"insertvalue {kind} {aggregate}, {part} {value}, {number}")
    out.ret(kind, aggregate)
    return out
