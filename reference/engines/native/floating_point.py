"""Floating point by the host's instructions where that is provably what the specification says, else by the exact
function.

A fast path is a prefix of the exact function: when FPCR rounds to nearest and flushes nothing, and operands and result
are in a range where no other exception than Inexact can be, the result is that of the host's operation, which IEEE 754
defines. Inexact comes from an error-free transformation, which is exact in that range (TwoSum; the residual by a fused
multiply-add; ErrFmaNearest of Boldo and Muller, "Exact and approximated error of the FMA", 2011). Nothing here depends
on the host's exception flags; its rounding mode must be to nearest and it must not flush denormals.

Ranges are given as biased exponents: f is the number of fraction bits; a residual that is a multiple of
2**(2 * e - 2 * f) is representable while that is no less than the smallest denormal, 2**(1 - bias - f).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from typing import Any, cast

from assay64.reference.bits import Constant
from assay64.reference.engines.graph import FunctionGraph, Node
from assay64.reference.engines.native.emitter import LIKELY, Function
from assay64.reference.engines.native.values import returns
from assay64.reference.pseudocode.floating_point.values import FORMATS

_ROUND_AND_FLUSH, _FLUSH = 0b111 << 22, 1 << 24  # FPCR.RMode and FZ
_INEXACT_BIT = 4
_KINDS = {32: "float", 64: "double"}
# LLVM's functions for the rounding modes of three bits, towards zero first: it is the most frequent one.
_TO_INTEGRAL = {3: "trunc", 2: "floor", 1: "ceil", 0: "roundeven", 4: "round"}
_TIES_TO_EVEN = 0
EXACT = "_exact"


def fast_path(graph: FunctionGraph) -> Function | None:
    """The function that takes the place of a pseudocode function, to be inlined; None when there is no faster one.

    The exact function is then to be named with the suffix EXACT.
    """
    emit = _FAST.get(graph.function)
    if emit is None or len(graph.components) != 2:
        return None
    prefix = _Prefix(graph)
    try:
        emit(prefix)
    except _NotFast:
        return None
    return prefix.finish()


class _NotFast(Exception):
    """These arguments have no fast path."""


class _Number:
    """A value of the host's type, and its pattern."""

    def __init__(self, out: Function, width: int, value: str, pattern: str = "") -> None:
        self.form, self.kind, self.value = FORMATS[width], _KINDS[width], value
        self.pattern = pattern or out.cast("bitcast", self.kind, value, f"i{width}")


class _Prefix:
    """The function under construction."""

    def __init__(self, graph: FunctionGraph) -> None:
        self._graph = graph
        self._names = {parameter: f"%p{number}" for number, parameter in enumerate(graph.parameters)}
        self._given = ", ".join(f"i{parameter.width} {name}" for parameter, name in self._names.items())
        attributes = "nounwind memory(none) inlinehint"
        self.out = Function(
            graph.name, f"fastcc {returns(graph)}", self._given, linkage="internal", attributes=attributes
        )
        self.width = graph.components[0].width

    def finish(self) -> Function:
        kind = returns(self._graph)
        exact = self.out.value(f"call fastcc {kind} @{self._graph.name}{EXACT}({self._given})")
        self.out.ret(kind, exact)
        return self.out

    # --- arguments

    def argument(self, name: str) -> Any:
        return self._graph.arguments.get(name)

    def is_whole(self) -> bool:
        """Whether a fixed-point number is an integer."""
        fbits = self.argument("fbits")
        return isinstance(fbits, int) and fbits == 0

    def parameter(self, name: str, widths: tuple[int, ...] = (32, 64)) -> str:
        argument = self.argument(name)
        if not isinstance(argument, Node) or argument.width not in widths:
            raise _NotFast
        return self._names[argument]

    def number(self, name: str) -> _Number:
        given = self.argument(name)
        width = given.width
        pattern = str(given.value) if isinstance(given, Constant) and width in _KINDS else self.parameter(name)
        return _Number(self.out, width, self.out.cast("bitcast", f"i{width}", pattern, _KINDS[width]), pattern)

    def controls_clear(self, mask: int) -> str:
        fpcr = self.out.binary("and", "i64", self.parameter("fpcr", (64,)), mask)
        return self.out.compare("eq", "i64", fpcr, 0)

    def each_rounding(self, modes: Collection[int]) -> Generator[int]:
        """The rounding modes that can be; what is emitted for one is executed in it."""
        given = self.argument("rounding")
        if isinstance(given, Constant):
            if given.value not in modes:
                raise _NotFast
            yield given.value
            return
        rounding = self.parameter("rounding", (3,))
        weights = LIKELY if len(modes) == 1 else ""
        for mode in modes:
            with self.out.when(self.out.compare("eq", "i3", rounding, mode), weights):
                yield mode

    # --- computation

    def computed(self, operation: str, one: _Number, other: _Number) -> _Number:
        return self.value(one, self.out.binary(operation, one.kind, one.value, other.value))

    def value(self, like: _Number, value: str) -> _Number:
        return _Number(self.out, like.form.width, value)

    def negated(self, number: _Number) -> _Number:
        return self.value(number, self.out.value(f"fneg {number.kind} {number.value}"))

    def intrinsic(self, name: str, *numbers: _Number) -> _Number:
        kind, width = numbers[0].kind, numbers[0].form.width
        given = ", ".join(f"{kind} {number.value}" for number in numbers)
        kinds = ", ".join([kind] * len(numbers))
        return self.value(numbers[0], self.out.intrinsic(f"llvm.{name}.f{width}", kind, kinds, given))

    def fused(self, one: _Number, other: _Number, addend: _Number) -> _Number:
        return self.intrinsic("fma", one, other, addend)

    def two_sum(self, a: _Number, b: _Number) -> tuple[_Number, _Number]:
        """The rounded sum and its error (Knuth)."""
        total = self.computed("fadd", a, b)
        b_part = self.computed("fsub", total, a)
        a_part = self.computed("fsub", total, b_part)
        errors = self.computed("fsub", a, a_part), self.computed("fsub", b, b_part)
        return total, self.computed("fadd", *errors)

    def resized(self, number: _Number, width: int) -> _Number:
        operation = "fpext" if width > number.form.width else "fptrunc"
        return _Number(self.out, width, self.out.cast(operation, number.kind, number.value, _KINDS[width]))

    # --- conditions

    def all_of(self, *conditions: str) -> str:
        first, *others = conditions
        for other in others:
            first = self.out.binary("and", "i1", first, other)
        return first

    def any_of(self, one: str, other: str) -> str:
        return self.out.binary("or", "i1", one, other)

    def exponent_within(self, number: _Number, low: int, high: int, *, positive: bool = False) -> str:
        """low <= biased exponent < high; ``positive``: the sign is 0."""
        out, kind, fraction = self.out, f"i{number.form.width}", number.form.fraction
        pattern = number.pattern if positive else out.binary("shl", kind, number.pattern, 1)
        shift = fraction if positive else fraction + 1
        if low:
            pattern = out.binary("sub", kind, pattern, low << shift)
        return out.compare("ult", kind, pattern, high - low << shift)

    def is_zero(self, number: _Number) -> str:
        return self.out.value(f"fcmp oeq {number.kind} {number.value}, 0.0")

    def comparison(self, relation: str, one: _Number, other: _Number) -> str:
        return self.out.value(f"fcmp {relation} {one.kind} {one.value}, {other.value}")

    def differ(self, one: _Number, other: _Number) -> str:
        return self.comparison("une", one, other)

    def not_zero(self, number: _Number) -> str:
        return self.out.value(f"fcmp une {number.kind} {number.value}, 0.0")

    # --- results

    def result_when(self, condition: str, result: str, inexact: str = "", weights: str = LIKELY) -> None:
        """Return this pattern, with Inexact or without an exception, where the condition holds."""
        out = self.out
        with out.when(condition, weights):
            exceptions = "0"
            if inexact:
                exceptions = out.binary("shl", "i8", out.cast("zext", "i1", inexact, "i8"), _INEXACT_BIT)
            kind = returns(self._graph)
            pair = out.value(f"insertvalue {kind} poison, i{self.width} {result}, 0")
            out.ret(kind, out.value(f"insertvalue {kind} {pair}, i8 {exceptions}, 1"))


# --- arithmetic


def _sum(p: _Prefix, flip: bool) -> None:
    """A result below the two largest exponents has no intermediate overflow. A denormal one is exact."""
    a, b = p.number("op1"), p.number("op2")
    total, error = p.two_sum(a, p.negated(b) if flip else b)
    inside = p.exponent_within(total, 0, total.form.largest_exponent - 1)
    p.result_when(p.all_of(inside, p.controls_clear(_ROUND_AND_FLUSH)), total.pattern, p.not_zero(error))


def _mul(p: _Prefix) -> None:
    a, b = p.number("op1"), p.number("op2")
    product = p.computed("fmul", a, b)
    residual = p.fused(a, b, p.negated(product))
    clear = p.controls_clear(_ROUND_AND_FLUSH)
    inside = p.exponent_within(product, product.form.fraction + 4, product.form.largest_exponent)
    p.result_when(p.all_of(inside, clear), product.pattern, p.not_zero(residual))
    zero = p.all_of(clear, p.is_zero(product), p.any_of(p.is_zero(a), p.is_zero(b)))
    p.result_when(zero, product.pattern, weights="")


def _div(p: _Prefix) -> None:
    a, b = p.number("op1"), p.number("op2")
    quotient = p.computed("fdiv", a, b)
    residual = p.fused(p.negated(quotient), b, a)
    clear, largest = p.controls_clear(_ROUND_AND_FLUSH), a.form.largest_exponent
    inside = p.exponent_within(quotient, 2, largest), p.exponent_within(a, a.form.fraction + 4, largest)
    p.result_when(p.all_of(*inside, clear), quotient.pattern, p.not_zero(residual))
    p.result_when(p.all_of(clear, p.is_zero(a), p.is_zero(quotient)), quotient.pattern, weights="")


def _sqrt(p: _Prefix) -> None:
    a = p.number("op")
    root = p.intrinsic("sqrt", a)
    residual = p.fused(p.negated(root), root, a)
    clear = p.controls_clear(_ROUND_AND_FLUSH)
    inside = p.exponent_within(a, a.form.fraction + 4, a.form.largest_exponent, positive=True)
    p.result_when(p.all_of(inside, clear), root.pattern, p.not_zero(residual))
    p.result_when(p.all_of(clear, p.is_zero(a)), a.pattern, weights="")


def _mul_add(p: _Prefix) -> None:
    a, b, addend = p.number("op1"), p.number("op2"), p.number("addend")
    result = p.fused(a, b, addend)
    clear, largest = p.controls_clear(_ROUND_AND_FLUSH), a.form.largest_exponent
    if a.form.width == 32:
        # In double precision the product is exact.
        wide_a, wide_b, wide_addend = (p.resized(number, 64) for number in (a, b, addend))
        total, error = p.two_sum(p.computed("fmul", wide_a, wide_b), wide_addend)
        inexact = p.any_of(p.not_zero(error), p.differ(p.resized(result, 64), total))
        p.result_when(p.all_of(p.exponent_within(result, 2, largest), clear), result.pattern, inexact)
        exact = p.out.binary("xor", "i1", inexact, "true")
        p.result_when(p.all_of(p.exponent_within(result, 0, largest), clear, exact), result.pattern, weights="")
        return
    product = p.computed("fmul", a, b)
    low = p.fused(a, b, p.negated(product))
    alpha1, alpha2 = p.two_sum(addend, low)
    beta1, beta2 = p.two_sum(product, alpha1)
    gamma = p.computed("fadd", p.computed("fsub", beta1, result), beta2)
    inexact = p.not_zero(p.computed("fadd", gamma, alpha2))
    inside = p.all_of(p.exponent_within(result, 0, largest - 2), clear)
    p.result_when(
        p.all_of(inside, p.exponent_within(product, a.form.fraction + 4, largest - 2)), result.pattern, inexact
    )
    zero = p.all_of(inside, p.is_zero(product), p.any_of(p.is_zero(a), p.is_zero(b)))
    p.result_when(zero, result.pattern, inexact, weights="")


# --- conversions


def _convert(p: _Prefix) -> None:
    a = p.number("op")
    if p.width not in _KINDS or p.width == a.form.width or p.argument("rounding") is not None:
        raise _NotFast
    result, largest = p.resized(a, p.width), FORMATS[32].largest_exponent
    if p.width == 64:
        p.result_when(p.exponent_within(a, 1, largest), result.pattern)
        p.result_when(p.is_zero(a), result.pattern, weights="")
        return
    clear, inexact = p.controls_clear(_ROUND_AND_FLUSH), p.differ(p.resized(result, 64), a)
    p.result_when(p.all_of(p.exponent_within(result, 2, largest), clear), result.pattern, inexact)
    p.result_when(p.all_of(clear, p.is_zero(a)), result.pattern, weights="")


def _round_int(p: _Prefix) -> None:
    a = p.number("op")
    inside = p.all_of(p.exponent_within(a, 0, a.form.largest_exponent), p.controls_clear(_FLUSH))
    for mode in p.each_rounding(_TO_INTEGRAL):
        rounded = p.intrinsic(_TO_INTEGRAL[mode], a)
        p.result_when(inside, rounded.pattern, p.differ(rounded, a) if p.argument("exact") else "")


def _to_fixed(p: _Prefix) -> None:
    """By the host's conversion to a signed word, of a number that is smaller by a factor of two at least."""
    if not p.is_whole() or p.width not in _KINDS:
        raise _NotFast
    a, unsigned = p.number("op"), bool(p.argument("unsigned"))
    bits_of_word = min(p.width, 63) if unsigned else p.width - 1
    inside = p.exponent_within(a, 0, a.form.bias + bits_of_word - 1, positive=unsigned)
    inside = p.all_of(inside, p.controls_clear(_FLUSH))
    for mode in p.each_rounding(_TO_INTEGRAL):
        rounded = p.intrinsic(_TO_INTEGRAL[mode], a)
        word = p.out.cast("fptosi", a.kind, rounded.value, "i64")
        word = p.out.cast("trunc", "i64", word, "i32") if p.width == 32 else word
        p.result_when(inside, word, p.differ(rounded, a))


def _from_fixed(p: _Prefix) -> None:
    out = p.out
    word, width = p.parameter("op"), cast(Node, p.argument("op")).width
    if not p.is_whole() or p.width not in _KINDS:
        raise _NotFast
    unsigned, inside = bool(p.argument("unsigned")), "true"
    if width == 32:
        word = out.cast("zext" if unsigned else "sext", "i32", word, "i64")
    else:  # as far from the largest word as no rounding goes
        moved = word if unsigned else out.binary("add", "i64", word, 1 << 62)
        inside = out.compare("ult", "i64", moved, 1 << (62 if unsigned else 63))
    for _ in p.each_rounding((_TIES_TO_EVEN,)):
        value = out.cast("sitofp", "i64", word, _KINDS[p.width])
        back = out.cast("fptosi", _KINDS[p.width], value, "i64")
        p.result_when(inside, _Number(out, p.width, value).pattern, out.compare("ne", "i64", back, word))


# --- comparisons: without NaNs nothing is raised, unless denormals are flushed


def _ordered(p: _Prefix) -> tuple[_Number, _Number, str]:
    a, b = p.number("op1"), p.number("op2")
    return a, b, p.all_of(p.comparison("ord", a, b), p.controls_clear(_FLUSH))


def _compare(p: _Prefix) -> None:
    a, b, inside = _ordered(p)
    less, equal = p.comparison("olt", a, b), p.comparison("oeq", a, b)
    flags = p.out.select(less, "i4", 0b1000, p.out.select(equal, "i4", 0b0110, 0b0010))
    p.result_when(inside, flags)


def _relation(p: _Prefix, relation: str) -> None:
    a, b, inside = _ordered(p)
    p.result_when(inside, p.comparison(relation, a, b))


def _extreme(p: _Prefix, relation: str, of_equals: str) -> None:
    """Of equal operands, which may be zeros of different signs, the one whose sign is the right one."""
    a, b, inside = _ordered(p)
    kind = f"i{p.width}"
    equals = p.out.binary(of_equals, kind, a.pattern, b.pattern)
    either = p.out.select(p.comparison(relation, a, b), kind, a.pattern, b.pattern)
    p.result_when(inside, p.out.select(p.comparison("oeq", a, b), kind, equals, either))


_FAST: Mapping[str, Callable[[_Prefix], None]] = {
    "FPAdd": lambda p: _sum(p, False),
    "FPSub": lambda p: _sum(p, True),
    "FPMul": _mul,
    "FPMulX": _mul,
    "FPDiv": _div,
    "FPSqrt": _sqrt,
    "FPMulAdd": _mul_add,
    "FPConvert": _convert,
    "FPRoundInt": _round_int,
    "FPToFixed": _to_fixed,
    "FixedToFP": _from_fixed,
    "FPCompare": _compare,
    "FPCompareEQ": lambda p: _relation(p, "oeq"),
    "FPCompareGE": lambda p: _relation(p, "oge"),
    "FPCompareGT": lambda p: _relation(p, "ogt"),
    "FPMax": lambda p: _extreme(p, "ogt", "and"),
    "FPMaxNum": lambda p: _extreme(p, "ogt", "and"),
    "FPMin": lambda p: _extreme(p, "olt", "or"),
    "FPMinNum": lambda p: _extreme(p, "olt", "or"),
}
