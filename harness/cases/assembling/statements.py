"""Splits assembly text into statements and settles everything that depends on an address before any assembler sees it.

Each statement becomes a *template*: one instruction in a normalised spelling whose PC-relative target, if it has one,
is replaced by `.` (this instruction). The target itself is kept as a number and goes into the word afterwards, in
pc_relative.py. A template therefore means the same on every assembler and at every address, can be a key of the
committed table, and cannot smuggle in a directive. This file must not know any assembler.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assay64.harness.errors import UsageError

ADDRESS_MASK = 0xFFFF_FFFF_FFFF_FFFF
SHOWN_CHARACTERS = 200
WORD_DIRECTIVES = frozenset({".word", ".long", ".inst"})

_LABEL = re.compile(r"\s*([A-Za-z_$][\w.$]*|\.[A-Za-z_$][\w.$]*|\d+)\s*:")
_RAW_WORD = re.compile(r"0x[0-9a-fA-F]{8}")
_NUMBER = re.compile(r"(?<![\w.])(-?)\s*(0x[0-9a-f]+|0b[01]+|\d+)(?![\w.])")
_INTEGER = re.compile(r"[+-]?\s*(?:0x[0-9a-f]+|0b[01]+|0|[1-9]\d*)", re.IGNORECASE)
_TARGET = re.compile(r"(?P<base>\.|\d+[fb]|[A-Za-z_.$][\w.$]*)(?P<rest>(?:\s*[+-]\s*(?:0x[0-9a-fA-F]+|0b[01]+|\d+))*)")
_TEMPLATE = re.compile(r"[a-z][a-z0-9_.]*(?: [-a-z0-9_.,#\[\]{}!/ ]+)?")

# Mnemonic -> number of operands, of which the last is the PC-relative target.
_TARGET_OPERANDS = {"b": 1, "bl": 1, "cbz": 2, "cbnz": 2, "tbz": 3, "tbnz": 3, "adr": 2, "adrp": 2}
_LITERAL_LOADS = frozenset({"ldr", "ldrsw", "prfm"})
CONDITIONS = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv")
_CONDITION_NAMES = frozenset(CONDITIONS) | {"cs", "cc"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One instruction, or one directive that gives words.

    `template` is None for a directive, whose `words` are final. `target` is the absolute address of a PC-relative
    operand, or None. `absolute` tells a target written as a number from one that was a label or `.`.
    """

    line: int
    text: str
    address: int
    template: str | None
    words: tuple[int, ...] = ()
    target: int | None = None
    absolute: bool = False


def fail(line: int, text: str, reason: str) -> UsageError:
    """The one shape of every message about assembly text."""
    return UsageError(f"line {line}: '{_shown(text)}': {_shown(reason)}")


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


@dataclass(slots=True)
class _Source:
    line: int
    text: str
    address: int


def parse(text: str, address: int) -> list[Statement]:
    """The statements of a text at an address. UsageError names the line, the statement and the reason."""
    if address % 4 or not 0 <= address <= ADDRESS_MASK:
        raise UsageError(f"code cannot be assembled at {address:#x}: A64 code lies at a multiple of 4, below 2**64")
    sources: list[_Source] = []
    labels: dict[str, int] = {}
    numeric: dict[str, list[int]] = {}
    here = address
    for line, part in _parts(text):
        while match := _LABEL.match(part):
            name = match[1]
            if name.isdigit():
                numeric.setdefault(str(int(name)), []).append(here)
            elif name in labels:
                raise fail(line, part.strip(), f"the label {name} is defined twice")
            else:
                labels[name] = here
            part = part[match.end() :]
        part = part.strip()
        if part:
            sources.append(_Source(line, part, here))
            here += 4 * _count_words(part)
    return [_statement(source, labels, numeric) for source in sources]


def _parts(text: str) -> Iterator[tuple[int, str]]:
    for line, content in enumerate(text.splitlines(), 1):
        for part in content.split("//", 1)[0].split(";"):
            if part.strip():
                yield line, part


def _count_words(part: str) -> int:
    mnemonic, _, operands = part.partition(" ")
    return operands.count(",") + 1 if mnemonic.lower() in WORD_DIRECTIVES else 1


def _statement(source: _Source, labels: dict[str, int], numeric: dict[str, list[int]]) -> Statement:
    line, text, address = source.line, source.text, source.address
    if _RAW_WORD.fullmatch(text):
        return Statement(line, text, address, None, (int(text, 16),))
    mnemonic, _, rest = " ".join(text.split()).partition(" ")
    mnemonic = mnemonic.lower()
    if mnemonic in WORD_DIRECTIVES:
        return Statement(line, text, address, None, tuple(_word(line, text, item) for item in rest.split(",")))
    if mnemonic.startswith("."):
        raise fail(line, text, f"the directive {mnemonic} is not supported; .word and .inst are")
    if re.fullmatch(r"(0x)?[0-9a-f]+", mnemonic) and mnemonic[0].isdigit():
        raise fail(line, text, "a raw word is written as 0x and 8 hexadecimal digits")
    operands = [operand.strip() for operand in _split_operands(rest)]
    target, absolute = None, False
    if _takes_target(mnemonic, operands):
        target, absolute = _resolve(source, operands[-1], labels, numeric)
        if absolute and mnemonic == "adrp" and target & 0xFFF:
            raise fail(line, text, f"ADRP forms the address of a page: {target:#x} is not a multiple of 4096")
        operands[-1] = "."
    return Statement(line, text, address, _template(line, text, mnemonic, operands), (), target, absolute)


def _word(line: int, text: str, item: str) -> int:
    item = item.strip()
    if not _INTEGER.fullmatch(item):
        raise fail(line, text, f"'{item}' is not a number; a word is a number below 2**32")
    value = int(item.replace(" ", ""), 0)
    if not -(1 << 31) <= value < 1 << 32:
        raise fail(line, text, f"{item} does not fit in a word of 32 bits")
    return value & 0xFFFF_FFFF


def _split_operands(text: str) -> list[str]:
    """Splits at commas outside of brackets and braces."""
    operands: list[str] = []
    depth, start = 0, 0
    for position, character in enumerate(text):
        depth += (character in "[{") - (character in "]}")
        if character == "," and depth == 0:
            operands.append(text[start:position])
            start = position + 1
    return [*operands, text[start:]] if text.strip() else []


def split_operands(text: str) -> list[str]:
    """The operands of a normalised statement, split at commas outside of brackets and braces."""
    return [operand.strip() for operand in _split_operands(text)]


def _takes_target(mnemonic: str, operands: list[str]) -> bool:
    if not operands or operands[-1].startswith(("[", "=")):
        return False
    if mnemonic in _LITERAL_LOADS:
        return len(operands) == 2
    if mnemonic in _TARGET_OPERANDS:
        return len(operands) == _TARGET_OPERANDS[mnemonic]
    condition = mnemonic[3:] if mnemonic.startswith("bc.") else mnemonic[1:].lstrip(".")
    return mnemonic.startswith("b") and condition in _CONDITION_NAMES and len(operands) == 1


def _resolve(source: _Source, operand: str, labels: dict[str, int], numeric: dict[str, list[int]]) -> tuple[int, bool]:
    """The address that an operand names, and whether it was written as a plain number."""
    number = operand.removeprefix("#").strip()
    if _INTEGER.fullmatch(number):
        value = int(number.replace(" ", ""), 0)
        if not 0 <= value <= ADDRESS_MASK:
            raise fail(
                source.line,
                source.text,
                f"a number here is an absolute address; for a distance from this instruction write "
                f". {'-' if value < 0 else '+'} {abs(value)}",
            )
        return value, True
    match = _TARGET.fullmatch(operand)
    if not match:
        raise fail(source.line, source.text, f"'{operand}' is not a target: write a label, . + 8, or an address")
    base = match["base"]
    if base == ".":
        value = source.address
    elif base[0].isdigit():
        places = numeric.get(str(int(base[:-1])), [])
        # A local label may stand on the same address as its use: then it lies backwards, as in `1: b 1b`.
        candidates = [p for p in places if (p > source.address if base[-1] == "f" else p <= source.address)]
        if not candidates:
            raise fail(source.line, source.text, f"there is no label {base[:-1]} in that direction")
        value = min(candidates) if base[-1] == "f" else max(candidates)
    elif base in labels:
        value = labels[base]
    else:
        raise fail(source.line, source.text, f"the label {base} is not defined")
    for sign, digits in re.findall(r"([+-])\s*(\w+)", match["rest"]):
        value += int(sign + _digits(source.line, source.text, digits), 0)
    return value & ADDRESS_MASK, False


def _digits(line: int, text: str, digits: str) -> str:
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        raise fail(line, text, f"{digits}: a number must not begin with 0 (decimal, or octal?)")
    return digits


def _template(line: int, text: str, mnemonic: str, operands: list[str]) -> str:
    # `svc 1` and `svc #1` are one statement.
    marked = ["#" + operand if _INTEGER.fullmatch(operand) else operand for operand in operands]
    joined = re.sub(r"\s+", " ", ", ".join(marked).lower())
    joined = re.sub(r"\s*,\s*", ", ", joined)
    joined = re.sub(r"([\[{#])\s+|\s+([\]}!])", r"\1\2", joined)
    if "=" in joined:
        raise fail(line, text, "there is no literal pool: put the value in a .word and load it through a label")

    def number(match: re.Match[str]) -> str:
        value = int(_digits(line, text, match[2]), 0)
        return match[1] + (str(value) if value < 10 else hex(value))

    template = f"{mnemonic} {_NUMBER.sub(number, joined)}".strip()
    if not _TEMPLATE.fullmatch(template):
        bad = next((c for c in template if not re.match(r"[-a-z0-9_.,#\[\]{}!/ ]", c)), None)
        raise fail(line, text, f"'{bad}' is not understood here" if bad else "this is not an instruction")
    return template
