"""Arithmetic that LLVM would leave to a library: division and square root of wide integers, digit by digit."""

from __future__ import annotations

from assay64.reference.engines.native.emitter import Function


def helper(name: str, width: int) -> Function:
    """``udiv_<width>`` or ``isqrt_<width>``."""
    return _udiv(width) if name.startswith("udiv") else _isqrt(width)


def _udiv(width: int) -> Function:
    """Unsigned division, rounded towards zero; by zero gives zero."""
    kind, wide = f"i{width}", f"i{width + 1}"
    f = Function(f"udiv_{width}", kind, f"{kind} %a, {kind} %b", attributes="nounwind memory(none)")
    with f.when(f.compare("eq", kind, "%b", 0)):
        f.ret(kind, 0)
    divisor = f.cast("zext", kind, "%b", wide)
    zeros = f.intrinsic(f"llvm.ctlz.{kind}", kind, f"{kind}, i1", f"{kind} %a, i1 false")
    rest, quotient = f.variable(wide, 0), f.variable(kind, 0)
    position = f.variable(kind, f.binary("sub", kind, width, zeros))
    with f.forever() as (_, after):
        count = f.load(kind, position)
        go = f.label()
        f.branch(f.compare("ne", kind, count, 0), go, after)
        f.place(go)
        place = f.binary("sub", kind, count, 1)
        f.store(kind, place, position)
        bit = f.binary("and", kind, f.binary("lshr", kind, "%a", place), 1)
        shifted = f.binary("or", wide, f.binary("shl", wide, f.load(wide, rest), 1), f.cast("zext", kind, bit, wide))
        fits = f.compare("uge", wide, shifted, divisor)
        f.store(wide, f.select(fits, wide, f.binary("sub", wide, shifted, divisor), shifted), rest)
        digit = f.cast("zext", "i1", fits, kind)
        f.store(kind, f.binary("or", kind, f.binary("shl", kind, f.load(kind, quotient), 1), digit), quotient)
    f.ret(kind, f.load(kind, quotient))
    return f


def _isqrt(width: int) -> Function:
    """The square root, rounded towards zero: two bits of the radicand for each of the root."""
    kind = f"i{width}"
    f = Function(f"isqrt_{width}", kind, f"{kind} %a", attributes="nounwind memory(none)")
    rest, root = f.variable(kind, "%a"), f.variable(kind, 0)
    bit = f.variable(kind, 1 << ((width - 1) & ~1))
    with f.forever() as (_, after):
        place = f.load(kind, bit)
        go = f.label()
        f.branch(f.compare("ne", kind, place, 0), go, after)
        f.place(go)
        tried = f.binary("add", kind, f.load(kind, root), place)
        fits = f.compare("uge", kind, f.load(kind, rest), tried)
        f.store(kind, f.select(fits, kind, f.binary("sub", kind, f.load(kind, rest), tried), f.load(kind, rest)), rest)
        half = f.binary("lshr", kind, f.load(kind, root), 1)
        f.store(kind, f.select(fits, kind, f.binary("add", kind, half, place), half), root)
        f.store(kind, f.binary("lshr", kind, place, 2), bit)
    f.ret(kind, f.load(kind, root))
    return f
