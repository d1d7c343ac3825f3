"""The host's FPU as a side of a comparison: its operations in each rounding mode, with the flags that it raises.

Where the host is no Arm it differs from Arm by definition in these, and in nothing else:

- which NaN comes out (x86: the first operand's; its default NaN is negative). That it is a NaN is compared.
- zero times infinity plus a quiet NaN is invalid for Arm and not for x86.
- a result is tiny for Arm before it is rounded, for x86 after: Underflow differs where an inexact result is rounded up
  to the smallest normal number.
- a conversion to integers out of range: Arm saturates and raises Invalid alone. The host's part here is the rounding to
  an integral number; range and saturation are compared with the definition.

Flushing to zero is not compared: x86 flushes results that are tiny after rounding, and reports that as an underflow.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from assay64.reference.bits import Constant
from assay64.reference.engines.graph import FunctionGraph
from assay64.reference.engines.native.emitter import Function
from assay64.reference.engines.native.values import returns
from assay64.reference.pseudocode.floating_point import (
    FixedToFP,
    FPAdd,
    FPConvert,
    FPDiv,
    FPMul,
    FPMulAdd,
    FPRoundInt,
    FPSqrt,
    FPSub,
    FPToFixed,
)
from assay64.reference.pseudocode.floating_point.values import FORMATS, Format
from assay64.suites.selftest._drawn_numbers import (
    NUMBER32,
    NUMBER64,
    RMODE_ALONE,
    WORD32,
    WORD64,
    Comparison,
    Excuse,
    Operation,
    Side,
    exact,
    result_width,
)

IS_ARM = platform.machine() in ("aarch64", "arm64")
IS_X86 = platform.machine() in ("x86_64", "AMD64")
IOC, UFC, IXC = 1, 8, 16
_TIES_AWAY = 4
_ALL_EXCEPTIONS = 0x1F if IS_ARM else 0x3D
_KINDS = {32: "float", 64: "double"}
_ROUNDED, _STRICT = 'metadata !"round.dynamic"', 'metadata !"fpexcept.strict"'

# Emits the operation on values of LLVM's types: its result and, unless the FPU has them, its exceptions.
Emit = Callable[["HostFunction"], tuple[str, str]]


class HostFunction:
    """``@host``: an operation of the FPU in the rounding mode of FPCR.RMode, its flags as FPSR has them."""

    def __init__(self, widths: Sequence[int], width: int) -> None:
        given = ", ".join(f"i{width} %p{number}" for number, width in enumerate(widths))
        self.out = Function("host", f"{{ i{width}, i8 }}", given, attributes="nounwind strictfp noinline")
        self.width, self._widths = width, widths
        declared = self.out.declared
        declared |= {
            "declare i32 @fesetround(i32)",
            "declare i32 @feclearexcept(i32)",
            "declare i32 @fetestexcept(i32)",
        }

    def number(self, index: int) -> str:
        width = self._widths[index]
        return self.out.cast("bitcast", f"i{width}", f"%p{index}", _KINDS[width])

    def constrained(self, name: str, width: int, *values: str, source: str = "", target: str = "") -> str:
        """A constrained intrinsic: of values of one format, or from one type to another."""
        kind = _KINDS.get(width, "")
        types = {"float": "f32", "double": "f64", "i64": "i64"}
        if source:
            suffix, result, kinds = f"{types[target]}.{types[source]}", target, [source]
        else:
            suffix, result, kinds = f"f{width}", kind, [kind] * len(values)
        rounds = name not in ("fpext", "round", "fptosi")
        extra = [_ROUNDED, _STRICT] if rounds else [_STRICT]
        given = ", ".join([f"{k} {value}" for k, value in zip(kinds, values, strict=True)] + extra)
        function = f"llvm.experimental.constrained.{name}.{suffix}"
        self.out.declared.add(f"declare {result} @{function}({', '.join(kinds + ['metadata'] * len(extra))})")
        return self.out.value(f"call {result} @{function}({given}) strictfp")

    def compared(self, condition: str, width: int, one: str, other: str) -> str:
        """A comparison that raises nothing but for signaling NaNs."""
        kind, name = _KINDS[width], f"llvm.experimental.constrained.fcmp.f{width}"
        self.out.declared.add(f"declare i1 @{name}({kind}, {kind}, metadata, metadata)")
        given = f'{kind} {one}, {kind} {other}, metadata !"{condition}", {_STRICT}'
        return self.out.value(f"call i1 @{name}({given}) strictfp")

    def emit(self, emit: Emit, fpcr: str, mode: int | None) -> Function:
        out = self.out
        rmode = f"{mode}" if mode is not None else out.binary("lshr", "i64", fpcr, 22)
        rmode = out.cast("trunc", "i64", out.binary("and", "i64", rmode, 3), "i32")
        if IS_ARM:
            native = out.binary("shl", "i32", rmode, 22)
        else:  # up and down are the other way round
            swapped = out.binary("or", "i32", out.binary("lshr", "i32", rmode, 1), out.binary("shl", "i32", rmode, 1))
            native = out.binary("shl", "i32", out.binary("and", "i32", swapped, 3), 10)
        out.line(f"call i32 @fesetround(i32 {native}) strictfp")
        out.line(f"call i32 @feclearexcept(i32 {_ALL_EXCEPTIONS}) strictfp")
        result, exceptions = emit(self)
        raised = out.value(f"call i32 @fetestexcept(i32 {_ALL_EXCEPTIONS}) strictfp")
        out.line("call i32 @fesetround(i32 0) strictfp")
        if not IS_ARM:
            high = out.binary("and", "i32", out.binary("lshr", "i32", raised, 1), 0x1E)
            raised = out.binary("or", "i32", high, out.binary("and", "i32", raised, 1))
        raised = out.cast("trunc", "i32", raised, "i8")
        kind = f"{{ i{self.width}, i8 }}"
        pair = out.value(f"insertvalue {kind} poison, i{self.width} {result}, 0")
        out.ret(kind, out.value(f"insertvalue {kind} {pair}, i8 {exceptions or raised}, 1"))
        return out


def _arithmetic(name: str, *order: int) -> Emit:
    """An operation of IEEE 754 on the parameters in this order."""

    def emit(host: HostFunction) -> tuple[str, str]:
        result = host.constrained(name, host.width, *(host.number(index) for index in order))
        return host.out.cast("bitcast", _KINDS[host.width], result, f"i{host.width}"), ""

    return emit


def _resize(host: HostFunction) -> tuple[str, str]:
    target, source = _KINDS[host.width], _KINDS[96 - host.width]
    name = "fpext" if host.width == 64 else "fptrunc"
    result = host.constrained(name, 0, host.number(0), source=source, target=target)
    return host.out.cast("bitcast", target, result, f"i{host.width}"), ""


_ARITHMETIC: dict[Callable[..., object], Emit] = {
    FPAdd: _arithmetic("fadd", 0, 1),
    FPSub: _arithmetic("fsub", 0, 1),
    FPMul: _arithmetic("fmul", 0, 1),
    FPDiv: _arithmetic("fdiv", 0, 1),
    FPSqrt: _arithmetic("sqrt", 0),
    FPMulAdd: _arithmetic("fma", 1, 2, 0),
    FPConvert: _resize,
}


def _integral(host: HostFunction, width: int, mode: int | None) -> tuple[str, str, str]:
    """The operand, it rounded to an integer, and whether they differ."""
    a = host.number(0)
    rounded = host.constrained("round" if mode == _TIES_AWAY else "rint", width, a)
    return a, rounded, host.compared("une", width, rounded, a)


def _signaling(host: HostFunction, width: int) -> str:
    """Invalid, as exceptions, for a signaling NaN."""
    out, kind, fraction = host.out, f"i{width}", FORMATS[width].fraction
    magnitude = out.binary("and", kind, "%p0", (1 << width - 1) - 1)
    infinity, quiet = FORMATS[width].largest_exponent << fraction, 1 << fraction - 1
    nan = out.compare("ugt", kind, magnitude, infinity)
    return out.cast(
        "zext", "i1", out.binary("and", "i1", nan, out.compare("ult", kind, magnitude, infinity + quiet)), "i8"
    )


def _round_int(mode: int | None, exact: bool) -> Emit:
    def emit(host: HostFunction) -> tuple[str, str]:
        out, width = host.out, host.width
        _, rounded, inexact = _integral(host, width, mode)
        exceptions = ""
        if (
            not exact or mode == _TIES_AWAY
        ):  # x86 has no instruction that rounds ties away; the FPU signals all the same
            differ = out.select(inexact, "i8", IXC if exact else 0, 0)
            signaling = _signaling(host, width)
            ordered = host.compared("uno", width, rounded, rounded)
            exceptions = out.select(ordered, "i8", signaling, differ)
        return out.cast("bitcast", _KINDS[width], rounded, f"i{width}"), exceptions

    return emit


def _to_fixed(source: int, unsigned: bool, mode: int) -> Emit:
    def emit(host: HostFunction) -> tuple[str, str]:
        out, width, kind = host.out, host.width, _KINDS[source]
        _, rounded, inexact = _integral(host, source, mode)
        low = 0.0 if unsigned else -(2.0 ** (width - 1))
        high = 2.0**width if unsigned else 2.0 ** (width - 1)
        below = host.compared("olt", source, rounded, _literal(low))
        above = host.compared("oge", source, rounded, _literal(high))
        nan = host.compared("uno", source, rounded, rounded)
        outside = out.binary("or", "i1", out.binary("or", "i1", below, above), nan)
        inside = out.value(f"select i1 {outside}, {kind} 0.0, {kind} {rounded}")
        # What is 2**63 or more is converted less 2**63.
        large = host.compared("oge", source, inside, _literal(2.0**63))
        less = out.value(f"select i1 {large}, {kind} {_literal(2.0**63)}, {kind} 0.0")
        word = host.constrained("fptosi", 0, host.constrained("fsub", source, inside, less), source=kind, target="i64")
        word = out.binary("xor", "i64", word, out.select(large, "i64", 1 << 63, 0))
        word = out.cast("trunc", "i64", word, "i32") if width == 32 else word
        smallest, largest = (0, (1 << width) - 1) if unsigned else (1 << width - 1, (1 << width - 1) - 1)
        saturated = out.select(below, f"i{width}", smallest, out.select(above, f"i{width}", largest, 0))
        exceptions = out.select(outside, "i8", IOC, out.select(inexact, "i8", IXC, 0))
        return out.select(outside, f"i{width}", saturated, word), exceptions

    return emit


def _from_fixed(source: int, unsigned: bool) -> Emit:
    def emit(host: HostFunction) -> tuple[str, str]:
        out, kind = host.out, _KINDS[host.width]
        word = "%p0" if source == 64 else out.cast("zext" if unsigned else "sext", "i32", "%p0", "i64")
        large = out.compare("slt", "i64", word, 0) if unsigned else "false"
        # The FPU has signed words: half of a larger one, its lowest bit kept as a sticky one, and that doubled.
        half = out.binary("or", "i64", out.binary("lshr", "i64", word, 1), out.binary("and", "i64", word, 1))
        given = out.select(large, "i64", half, word)
        result = host.constrained("sitofp", 0, given, source="i64", target=kind)
        factor = out.value(f"select i1 {large}, {kind} 2.0, {kind} 1.0")
        scaled = host.constrained("fmul", host.width, result, factor)
        return out.cast("bitcast", kind, scaled, f"i{host.width}"), ""

    return emit


def _literal(value: float) -> str:
    return f"{value:.1f}"


def _emitter(operation: Operation) -> tuple[Emit, int | None]:
    """How the FPU does an operation, and the rounding mode that it has whatever FPCR says."""
    function, arguments = operation.function, operation.arguments
    width = {NUMBER32: 32, WORD32: 32, NUMBER64: 64, WORD64: 64}[arguments[0]]
    mode = operation.rounding.value if isinstance(operation.rounding, Constant) else None
    if function is FPRoundInt:
        return _round_int(mode, arguments[3]), mode
    if function is FPToFixed:
        return _to_fixed(width, arguments[2], mode), mode
    if function is FixedToFP:
        return _from_fixed(width, arguments[2]), mode
    return _ARITHMETIC[function], mode


def host_comparison(operation: Operation) -> Comparison:
    """The exact function of the specification against the host. The operation's FPCR is to have RMode alone."""
    graph = operation.graph()
    emit, mode = _emitter(operation)
    host = HostFunction([p.width for p in graph.parameters], result_width(graph))
    function = host.emit(emit, f"%p{operation.kinds.index(RMODE_ALONE)}", mode)
    return Comparison(operation, exact(graph), _call(graph), [graph], [function], _excuse(operation))


def _call(graph: FunctionGraph) -> Side:
    """A call of ``@host`` with the parameters of the function that it stands for."""

    def emit(f: Function, operands: Sequence[str]) -> tuple[str, str]:
        kind = returns(graph)
        given = ", ".join(f"i{p.width} {operand}" for p, operand in zip(graph.parameters, operands, strict=True))
        returned = f.value(f"call {kind} @host({given})")
        return f.value(f"extractvalue {kind} {returned}, 0"), f.value(f"extractvalue {kind} {returned}, 1")

    return emit


def _excuse(operation: Operation) -> Excuse | None:
    """What a host that is no Arm does otherwise, as the first lines of this file name it."""
    if IS_ARM or operation.function is FPToFixed:
        return None
    width = result_width(operation.graph())
    form, is_fused = FORMATS[width], operation.function is FPMulAdd
    kind, infinity = f"i{width}", form.largest_exponent << form.fraction

    def emit(f: Function, operands: Sequence[str], ours: tuple[str, str], theirs: tuple[str, str]) -> str:
        magnitudes = [f.binary("and", kind, result, (1 << width - 1) - 1) for result in (ours[0], theirs[0])]
        nans = f.binary("and", "i1", *(f.compare("ugt", kind, magnitude, infinity) for magnitude in magnitudes))
        differing = f.binary("xor", "i8", ours[1], theirs[1])
        ignored = "0"
        if is_fused:
            invalid = f.binary("and", "i1", _zero_by_infinity(f, form, operands), f.compare("eq", "i8", theirs[1], 0))
            ignored = f.select(invalid, "i8", IOC, 0)
        same_nan = f.binary("and", "i1", nans, f.compare("eq", "i8", differing, ignored))
        smallest = f.compare("eq", kind, magnitudes[0], 1 << form.fraction)
        equal = f.compare("eq", kind, ours[0], theirs[0])
        tiny = f.binary("and", "i1", f.compare("eq", "i8", differing, UFC), f.compare("eq", "i8", ours[1], UFC | IXC))
        rounded_up = f.binary("and", "i1", f.binary("and", "i1", smallest, equal), tiny)
        return f.binary("or", "i1", same_nan, rounded_up)

    return emit


def _zero_by_infinity(f: Function, form: Format, operands: Sequence[str]) -> str:
    """Whether the factors, which follow the addend, are zero and infinity."""
    kind, infinity = f"i{form.width}", form.largest_exponent << form.fraction
    one, other = (f.binary("and", kind, operand, (1 << form.width - 1) - 1) for operand in operands[1:3])
    sides = (
        f.binary("and", "i1", f.compare("eq", kind, zero, 0), f.compare("eq", kind, large, infinity))
        for zero, large in ((one, other), (other, one))
    )
    return f.binary("or", "i1", *sides)
