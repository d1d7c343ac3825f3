"""Compares two floating-point functions over many operands in generated code: it draws, calls both, and stops at the
first difference. Ten million cases take a second, where Python would take minutes.

The operands are a function of the seed. They crowd where floating point is hard: exponents at the ends of formats and
of the ranges that fast paths and conversions have, operands that cancel, quotients, roots and sums that are nearly
representable or half-way, sparse and full fractions, denormals, infinities, NaNs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from assay64.reference.bits import Bits, Constant
from assay64.reference.engines.calls import function_graph
from assay64.reference.engines.graph import FunctionGraph, Interner, Stage
from assay64.reference.engines.native.build import compile_module, load
from assay64.reference.engines.native.emitter import UNLIKELY, Function
from assay64.reference.engines.native.floating_point import EXACT
from assay64.reference.engines.native.program import functions_of, module
from assay64.reference.engines.native.values import returns
from assay64.reference.pseudocode.floating_point.values import FORMATS, Format

MASK64 = (1 << 64) - 1
# A parameter is drawn as a number or an integer of so many bits, as FPCR or an FPCR that has RMode alone, or it is the
# rounding mode of the FPCR that was drawn.
NUMBER32, NUMBER64, WORD32, WORD64 = "number32", "number64", "word32", "word64"
FPCR, RMODE_ALONE, MODE = "fpcr", "rmode", "mode"
_WIDTHS = {NUMBER32: 32, NUMBER64: 64, WORD32: 32, WORD64: 64, FPCR: 64, RMODE_ALONE: 64, MODE: 3}
_DRAWN_FROM = {FPCR: "draw_fpcr", RMODE_ALONE: "draw_rmode", WORD32: "draw_word", WORD64: "draw_word"}
_NUMBERS = {NUMBER32, NUMBER64}
_FPCR_BITS = 0b11111 << 22 | 1 << 19  # AHP, DN, FZ, RMode, FZ16
_OPERANDS = 4


@dataclass(frozen=True)
class Operation:
    """A function of the pseudocode and what it is called with: the names above are drawn.

    ``near_product``: the first of these parameters is often changed to a number near the product of the two others.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    near_product: tuple[int, int, int] | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(argument for argument in self.arguments if isinstance(argument, str))

    @property
    def rounding(self) -> Any:
        """The argument that is a rounding mode: MODE, or a constant."""
        return next((a for a in self.arguments if a is MODE or (isinstance(a, Constant) and a.width == 3)), None)

    def graph(self) -> FunctionGraph:
        interner, kinds = Interner(), list[str]()

        def parameter(argument: Any) -> Any:
            if not isinstance(argument, str):
                return argument
            kinds.append(argument)
            return interner.node("parameter", _WIDTHS[argument], (len(kinds) - 1,), Stage.EXECUTE)

        made = function_graph(getattr(self.function, "__wrapped__"), tuple(map(parameter, self.arguments)), {})  # noqa: B009
        assert made is not None, self.name
        return made


class Difference(NamedTuple):
    """The first case on which the two differ."""

    case: int
    operands: tuple[int, ...]
    one: tuple[int, int]
    other: tuple[int, int]

    def __str__(self) -> str:
        given = ", ".join(f"{operand:#x}" for operand in self.operands)
        (one, flags1), (other, flags2) = self.one, self.other
        return f"case {self.case}: ({given}) gives {one:#x} {flags1:#04x}, and {other:#x} {flags2:#04x}"


# What a side emits: from the operands to its result and exceptions.
Side = Callable[[Function, Sequence[str]], tuple[str, str]]
# Whether a difference is by definition: from the operands and both outcomes to i1.
Excuse = Callable[[Function, Sequence[str], tuple[str, str], tuple[str, str]], str]


class Comparison:
    """Two sides compiled into one loop. ``functions`` are those that they call, by FunctionGraph or ready-made."""

    def __init__(
        self,
        operation: Operation,
        one: Side,
        other: Side,
        graphs: Sequence[FunctionGraph] = (),
        more: Sequence[Function] = (),
        excuse: Excuse | None = None,
    ) -> None:
        self._operation = operation
        done, fast = functions_of({graph.name: graph for graph in graphs})
        self.has_fast_path = bool(fast)
        widths = {_WIDTHS[kind] for kind in operation.kinds if kind in _NUMBERS}
        out = [
            _splitmix(),
            _pattern(),
            _neighbour(),
            *(_draw_number(FORMATS[width]) for width in widths),
            _draw_word(),
            _draw_fpcr(),
            _draw_rmode(),
            _loop(operation, one, other, excuse),
            *done.values(),
            *more,
        ]
        text = module([(f.name, f.text(), f.declared) for f in out], {}, fast).text
        self._code = load([compile_module(text, 2)])
        kinds = ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p
        self._compare = ctypes.CFUNCTYPE(*kinds)(self._code.get_function_address("compare"))

    def run(self, seed: int, count: int) -> tuple[Difference | None, int]:
        """The first difference of ``count`` cases, and how many were excused before it."""
        block = (ctypes.c_uint64 * (_OPERANDS + 6))()
        block[_OPERANDS + 5] = seed & MASK64
        case = self._compare(count, ctypes.addressof(block))
        excused = block[_OPERANDS + 4]
        if case == count:
            return None, excused
        operands = tuple(block[: len(self._operation.kinds)])
        one, other = block[_OPERANDS : _OPERANDS + 2], block[_OPERANDS + 2 : _OPERANDS + 4]
        return Difference(case, operands, (one[0], one[1]), (other[0], other[1])), excused


def call(name: str, graph: FunctionGraph) -> Side:
    """A call of a function that is made of a FunctionGraph, under this name."""

    def emit(out: Function, operands: Sequence[str]) -> tuple[str, str]:
        given = ", ".join(f"i{p.width} {operand}" for p, operand in zip(graph.parameters, operands, strict=True))
        kind = returns(graph)
        returned = out.value(f"call fastcc {kind} @{name}({given})")
        return out.value(f"extractvalue {kind} {returned}, 0"), out.value(f"extractvalue {kind} {returned}, 1")

    return emit


def exact(graph: FunctionGraph) -> Side:
    """The function as the specification has it, without a fast path."""
    fast = functions_of({graph.name: graph})[1]
    return call(graph.name + EXACT if graph.name in fast else graph.name, graph)


def result_width(graph: FunctionGraph) -> int:
    result: Bits = graph.components[0]
    return result.width


# --- the loop


def _loop(operation: Operation, one: Side, other: Side, excuse: Excuse | None) -> Function:
    f = Function("compare", "i64", "i64 %count, ptr %block")
    state = f.offset("%block", 8 * (_OPERANDS + 5))
    excused = f.offset("%block", 8 * (_OPERANDS + 4))
    f.store("i64", 0, excused)
    width = result_width(operation.graph())
    with f.count_up("%count") as (case, _):
        operands = _drawn(f, operation, state)
        first, second = one(f, operands), other(f, operands)
        values = f.compare("eq", f"i{width}", first[0], second[0])
        same = f.binary("and", "i1", values, f.compare("eq", "i8", first[1], second[1]))
        with f.when(f.binary("xor", "i1", same, "true"), UNLIKELY):
            allowed = excuse(f, operands, first, second) if excuse else "false"
            after = f.label()
            counted, reported = f.label(), f.label()
            f.branch(allowed, counted, reported)
            f.place(counted)
            f.store("i64", f.binary("add", "i64", f.load("i64", excused), 1), excused)
            f.jump(after)
            f.place(reported)
            for number, (kind, operand) in enumerate(zip(operation.kinds, operands, strict=True)):
                f.store("i64", _extended(f, _WIDTHS[kind], operand), f.offset("%block", 8 * number))
            for number, (result, exceptions) in enumerate((first, second)):
                place = 8 * (_OPERANDS + 2 * number)
                f.store("i64", _extended(f, width, result), f.offset("%block", place))
                f.store("i64", f.cast("zext", "i8", exceptions, "i64"), f.offset("%block", place + 8))
            f.ret("i64", case)
            f.place(after)
    f.ret("i64", "%count")
    return f


def _extended(f: Function, width: int, value: str) -> str:
    return f.cast("zext", f"i{width}", value, "i64") if width < 64 else value


def _drawn(f: Function, operation: Operation, state: str) -> list[str]:
    operands, near, fpcr = list[str](), "0", "0"
    for kind in operation.kinds:
        width = _WIDTHS[kind]
        if kind == MODE:
            value = f.binary("and", "i64", f.binary("lshr", "i64", fpcr, 22), 3)
        elif kind in _NUMBERS:
            value = near = f.call("i64", f"@draw_number{width}", f"ptr {state}, i64 {near}")
        else:
            value = f.call("i64", f"@{_DRAWN_FROM[kind]}", f"ptr {state}")
            fpcr = value if kind in (FPCR, RMODE_ALONE) else fpcr
        operands.append(f.cast("trunc", "i64", value, f"i{width}") if width < 64 else value)
    if operation.near_product is not None:
        place, *factors = operation.near_product
        width = _WIDTHS[operation.kinds[place]]
        operands[place] = _near_product(f, width, [operands[n] for n in (place, *factors)], state)
    return operands


def _near_product(f: Function, width: int, operands: Sequence[str], state: str) -> str:
    """In one of two cases a number around the product of the second and third operand, else the first."""
    drawn, *factors = operands
    kind = "float" if width == 32 else "double"
    product = f.binary("fmul", kind, *(f.cast("bitcast", f"i{width}", factor, kind) for factor in factors))
    random = f.call("i64", "@splitmix", f"ptr {state}")
    pattern = _extended(f, width, f.cast("bitcast", kind, product, f"i{width}"))
    near = f.call("i64", "@neighbour", f"i64 {pattern}, i64 {f.binary('lshr', 'i64', random, 8)}, i64 {width - 1}")
    near = f.cast("trunc", "i64", near, f"i{width}") if width < 64 else near
    return f.select(f.cast("trunc", "i64", random, "i1"), f"i{width}", near, drawn)


# --- drawing


def _splitmix() -> Function:
    """Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014."""
    f = Function("splitmix", "i64", "ptr %state", linkage="internal")
    z = f.binary("add", "i64", f.load("i64", "%state"), 0x9E3779B97F4A7C15)
    f.store("i64", z, "%state")
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = f.binary("mul", "i64", f.binary("xor", "i64", z, f.binary("lshr", "i64", z, shift)), factor)
    f.ret("i64", f.binary("xor", "i64", z, f.binary("lshr", "i64", z, 31)))
    return f


def _pattern() -> Function:
    """64 bits: random, few ones, few zeros, none, all, one, or random above zeros; then perhaps one more or less."""
    f = Function("pattern", "i64", "ptr %state", linkage="internal")
    choice, one, other, third = (f.call("i64", "@splitmix", "ptr %state") for _ in range(4))
    few = f.binary("and", "i64", f.binary("and", "i64", one, other), third)
    place = f.binary("and", "i64", other, 63)
    options = (
        one,
        few,
        f.binary("xor", "i64", few, -1),
        "0",
        "-1",
        f.binary("shl", "i64", 1, place),
        f.binary("shl", "i64", one, place),
        f.binary("shl", "i64", few, place),
    )
    value = one
    for number, option in enumerate(options):
        chosen = f.compare("eq", "i64", f.binary("and", "i64", choice, 15), number)
        value = f.select(chosen, "i64", option, value)
    change = f.binary("and", "i64", f.binary("lshr", "i64", choice, 8), 7)
    more, less = f.compare("eq", "i64", change, 0), f.compare("eq", "i64", change, 1)
    change = f.binary("sub", "i64", f.cast("zext", "i1", more, "i64"), f.cast("zext", "i1", less, "i64"))
    f.ret("i64", f.binary("add", "i64", value, change))
    return f


def _neighbour() -> Function:
    """A pattern up to seven steps away, with either sign, which is the bit of this number."""
    f = Function("neighbour", "i64", "i64 %pattern, i64 %random, i64 %sign", linkage="internal")
    step = f.binary("sub", "i64", f.binary("and", "i64", "%random", 7), 3)
    few = f.compare("eq", "i64", f.binary("and", "i64", "%random", 8), 0)
    moved = f.binary("add", "i64", "%pattern", f.select(few, "i64", f.binary("ashr", "i64", step, 1), step))
    sign = f.binary("and", "i64", f.binary("lshr", "i64", "%random", 4), 1)
    f.ret("i64", f.binary("xor", "i64", moved, f.binary("shl", "i64", sign, "%sign")))
    return f


def _exponents(form: Format) -> list[int]:
    """64 biased exponents at which something changes: in this format, the narrower ones, integers, and fast paths."""
    bias, fraction, largest = form.bias, form.fraction, form.largest_exponent
    points = [0, 1, 2, largest, largest - 1, largest - 2, largest - 3, bias, bias - 1, bias + 1]
    points += [fraction + step for step in range(8)]
    points += [bias + step for step in (-fraction, -fraction - 1, fraction, fraction + 1, fraction + 2)]
    points += [bias + step for step in (29, 30, 31, 32, 61, 62, 63, 64, 65)]
    points += [bias + step for step in (-149, -150, -127, -126, -125, 126, 127, 128, -25, -24, -15, -14, 15, 16)]
    kept = [point for point in points if 0 <= point <= largest]
    return (kept * 3)[:64]


def _draw_number(form: Format) -> Function:
    """A number; ``near`` is the one drawn before."""
    bias, fraction, largest = form.bias, form.fraction, form.largest_exponent
    f = Function(f"draw_number{form.width}", "i64", "ptr %state, i64 %near", linkage="internal")
    choice, random = f.call("i64", "@splitmix", "ptr %state"), f.call("i64", "@splitmix", "ptr %state")
    before = f.binary("and", "i64", f.binary("lshr", "i64", "%near", fraction), largest)
    step = f.binary("sub", "i64", f.binary("and", "i64", f.binary("lshr", "i64", random, 32), 127), 63)
    small = f.binary("ashr", "i64", step, 3)
    # What the exponents of two operands add up to where a product or a quotient leaves the format or a fast path.
    sums = [2, bias, bias + 1, bias - fraction, bias + fraction + 4, bias + largest, 2 * bias, bias + largest - 1]
    exponent = random
    listed = _table(f, _exponents(form), f.binary("and", "i64", random, 63))
    total = _table(f, sums, f.binary("and", "i64", random, 7))
    options = (
        listed,
        f.binary("add", "i64", before, step),
        f.binary("add", "i64", before, small),
        f.binary("add", "i64", f.binary("sub", "i64", total, before), small),
        f.binary("add", "i64", f.binary("add", "i64", before, bias), f.binary("sub", "i64", small, total)),
    )
    for number, option in enumerate(options):
        chosen = f.compare("eq", "i64", f.binary("and", "i64", choice, 7), number)
        exponent = f.select(chosen, "i64", option, exponent)
    field = f.binary("shl", "i64", f.binary("and", "i64", exponent, largest), fraction)
    rest = f.binary("and", "i64", f.call("i64", "@pattern", "ptr %state"), (1 << fraction) - 1)
    sign = f.binary("shl", "i64", f.binary("and", "i64", f.binary("lshr", "i64", choice, 8), 1), form.width - 1)
    made = f.binary("or", "i64", f.binary("or", "i64", field, rest), sign)
    near = f.call("i64", "@neighbour", f"i64 %near, i64 {random}, i64 {form.width - 1}")
    is_near = f.compare("eq", "i64", f.binary("and", "i64", f.binary("lshr", "i64", choice, 16), 15), 0)
    f.ret("i64", f.binary("and", "i64", f.select(is_near, "i64", near, made), (1 << form.width) - 1))
    return f


def _table(f: Function, values: Sequence[int], index: str) -> str:
    text = ", ".join(f"i16 {value}" for value in values)
    name = f"{f.name}_table{len(values)}"
    f.declared.add(f"@{name} = internal constant [{len(values)} x i16] [{text}]")
    place = f.value(f"getelementptr i16, ptr @{name}, i64 {index}")
    return f.cast("zext", "i16", f.load("i16", place), "i64")


def _draw_word() -> Function:
    f = Function("draw_word", "i64", "ptr %state", linkage="internal")
    value, choice = f.call("i64", "@pattern", "ptr %state"), f.call("i64", "@splitmix", "ptr %state")
    less = f.binary("lshr", "i64", value, f.binary("and", "i64", choice, 63))
    shorter = f.select(f.compare("ult", "i64", f.binary("and", "i64", choice, 1 << 20), 1), "i64", value, less)
    negative = f.compare("ne", "i64", f.binary("and", "i64", choice, 1 << 21), 0)
    f.ret("i64", f.select(negative, "i64", f.binary("sub", "i64", 0, shorter), shorter))
    return f


def _draw_fpcr() -> Function:
    """Zero in half the cases, else random in the bits that matter, or in all."""
    f = Function("draw_fpcr", "i64", "ptr %state", linkage="internal")
    value, choice = f.call("i64", "@splitmix", "ptr %state"), f.call("i64", "@splitmix", "ptr %state")
    some = f.select(f.cast("trunc", "i64", f.binary("lshr", "i64", choice, 1), "i1"), "i64", -1, _FPCR_BITS)
    f.ret("i64", f.select(f.cast("trunc", "i64", choice, "i1"), "i64", 0, f.binary("and", "i64", value, some)))
    return f


def _draw_rmode() -> Function:
    f = Function("draw_rmode", "i64", "ptr %state", linkage="internal")
    f.ret("i64", f.binary("and", "i64", f.call("i64", "@splitmix", "ptr %state"), 0b11 << 22))
    return f
