"""What a difference looks like, as short words: the part of triage that reads values.

The same bug gives many values and few symptoms: a register off by one, a wrong upper half, a NaN where Arm has another.
It knows differences and instructions, and neither cases nor backends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from assay64.harness.cases.outcome import Difference, Verdict, VerdictKind
from assay64.harness.judge.instructions import floating_point_bits, role, writes_back

NAN, NUMBER = "NaN", "value"
# Of several things that differ the first says most: the others follow from it.
ORDER = ("exit", "exit detail", "memory", "register", "base", "vector", "pc", "flags", "FPSR", "FPCR", "state")
_LANES = (64, 32, 16, 8)


class Symptom(NamedTuple):
    """``kind`` is what differs, ``pattern`` how.

    Patterns of one class may be one bug: ``is_nan`` and exits are told apart from numbers.
    """

    kind: str
    pattern: str

    @property
    def family(self) -> str:
        """What symptoms of one cause share: its kind and, for values, whether they are NaNs."""
        if self.kind in ("register", "vector", "memory", "base"):
            return f"{self.kind} {NAN if self.pattern == NAN else NUMBER}"
        return f"{self.kind} {self.pattern}"

    def __str__(self) -> str:
        return f"{self.kind}: {self.pattern}" if self.pattern else self.kind


def symptom(verdict: Verdict, word: int | None) -> Symptom:
    """The symptom that says most of a verdict's differences; how the backend ended, for a crash or a hang."""
    if verdict.kind is not VerdictKind.MISMATCH:
        return Symptom(str(verdict.kind), verdict.detail)
    kinds: dict[str, list[Difference]] = {}
    for one in verdict.differences:
        kinds.setdefault(_kind(one.field, word), []).append(one)
    kind = next((kind for kind in ORDER if kind in kinds), "state")
    found = kinds.get(kind, [])
    float_bits = None if word is None else floating_point_bits(word)
    match kind:
        case "exit":
            first = found[0]
            return Symptom(kind, f"{_exit(first.expected)} -> {_exit(first.got)}")
        case "exit detail" | "state":
            return Symptom(kind, ", ".join(sorted({one.field.rpartition(".")[2].split()[0] for one in found})))
        case "flags":
            different = zip(found[0].expected, found[0].got, strict=True)
            letters = [("N", "Z", "C", "V")[index] for index, (one, other) in enumerate(different) if one != other]
            return Symptom(kind, "".join(letters))
        case "FPSR" | "FPCR":
            return Symptom(kind, found[0].remark.removesuffix(" differs").removesuffix(" differ"))
        case "memory":
            return Symptom(kind, found[0].remark or _pattern_of_bytes(found))
        case "register" | "vector" | "base":
            return Symptom(kind, _common([pattern(_number(one), float_bits) for one in found]))
        case _:
            return Symptom(kind, "")


class Values(NamedTuple):
    """Two values of ``width`` bits that should be equal."""

    expected: int
    got: int
    width: int


def pattern(values: Values, float_bits: int | None = None) -> str:
    """How two different values differ: the most telling of a few patterns, ``value`` for none.

    ``float_bits`` is the size of the floating-point numbers in them, None for integers.
    """
    expected, got, width = values
    different = expected ^ got
    if not different:
        return NUMBER
    if float_bits is not None and float_bits <= width:
        # Neighbours are two numbers: alternative half precision has no NaNs.
        lanes = [(one, other) for one, other in _differing(values, float_bits) if abs(one - other) > 1]
        if any(_is_nan(one, float_bits) or _is_nan(other, float_bits) for one, other in lanes):
            return NAN
    if any(all(one ^ other == 1 << size - 1 for one, other in _differing(values, size)) for size in _LANES):
        return "sign"
    if width > 32 and not different & (1 << width // 2) - 1:
        return "upper half"
    for size in _LANES:
        lanes = list(_differing(values, size))
        top = (1 << size) - 1
        if all((one - other) & top in (1, top) for one, other in lanes):
            return "by one"
        if size < 64 and all({one, other} & {top, top >> 1, top // 2 + 1} for one, other in lanes):
            return "saturation"
        if all(one ^ other == top for one, other in lanes) and size > 8:
            return "inverted"
        if all((one + other) & top == 0 for one, other in lanes) and size > 8:
            return "negated"
    if not got or not expected:
        return "zero"
    size_bytes = width // 8
    if sorted(expected.to_bytes(size_bytes, "little")) == sorted(got.to_bytes(size_bytes, "little")):
        return "order"
    return NUMBER


def _differing(values: Values, size: int) -> list[tuple[int, int]]:
    top = (1 << size) - 1
    lanes = [(values.expected >> low & top, values.got >> low & top) for low in range(0, values.width, size)]
    return [(one, other) for one, other in lanes if one != other]


def _is_nan(value: int, size: int) -> bool:
    fraction_bits = {16: 10, 32: 23, 64: 52}[size]
    exponent = (1 << size - 1 - fraction_bits) - 1
    return value >> fraction_bits & exponent == exponent and value & (1 << fraction_bits) - 1 != 0


def _kind(field: str, word: int | None) -> str:
    name = field.rpartition(".")[2]
    if field.startswith("exit"):
        return "exit" if "." not in field else "exit detail"
    if name.startswith("memory"):
        return "memory"
    if name[:1] == "v" and name[1:].isdecimal():
        return "vector"
    if name == "sp" or (name[:1] == "x" and name[1:].isdecimal()):
        if word is None or not writes_back(word):
            return "register"
        return "base" if name == "sp" or role(name, word) == "X[Rn]" else "register"
    return {"pc": "pc", "nzcv": "flags", "fpsr": "FPSR", "fpcr": "FPCR"}.get(name, "state")


def _exit(text: str) -> str:
    """An exit without its numbers: ``data_abort read (translation)``."""
    return " ".join(part for part in text.split() if not part.startswith(("0x", "#")))


def _number(difference: Difference) -> Values:
    width = 128 if difference.field.rpartition(".")[2][:1] == "v" else 64
    return Values(int(difference.expected, 0), int(difference.got, 0), width)


def _pattern_of_bytes(found: Sequence[Difference]) -> str:
    patterns = list[str]()
    for one in found:
        if "?" in one.expected + one.got or "..." in one.expected + one.got or "more" in one.got:
            return NUMBER
        expected, got = bytes.fromhex(one.expected), bytes.fromhex(one.got)
        width = next(size for size in (8, 16, 32, 64, 128) if 8 * len(expected) <= size)
        values = Values(int.from_bytes(expected, "little"), int.from_bytes(got, "little"), width)
        patterns.append(pattern(values))
    return _common(patterns)


def _common(patterns: Sequence[str]) -> str:
    return patterns[0] if len(set(patterns)) == 1 else NAN if NAN in patterns else NUMBER
