"""Replay tokens: a case as one word that survives a shell, a log and a chat: ``ab020020:x1=-1,x2=1``.

``WORDS[@ADDRESS]:NAME=VALUE,...`` holds one vCPU and one run over the default regions, and a region of 64 KiB for code
elsewhere; WORDS are 8 hexadecimal digits each, joined by dots. Everything else is ``case:`` with the case's JSON,
compressed, in base64url. Reading is total: what is no token is a UsageError. It must not know who prints tokens.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import zlib
from collections.abc import Iterator
from urllib.parse import quote, unquote

import msgspec

from assay64.harness.cases import files
from assay64.harness.cases.case import CODE_ADDRESS, DEFAULT_REGIONS, REGION_ALIGNMENT, Case, Environment, Region, Run
from assay64.harness.cases.state import State, locate
from assay64.harness.errors import UsageError

MAX_TOKEN_CHARACTERS = 1 << 20
MAX_CASE_BYTES = 16 << 20
FLAG_LETTERS = "NZCV"
WHOLE_CASE = "case:"
# Negative numbers are easier to read up to here; below, only two's complement shows which bits are set.
SMALLEST_NEGATIVE = -0x1000


def to_token(case: Case) -> str:
    """The shortest token of ``case``; ``from_token`` gives an equal case back."""
    short = _short(case)
    if short is not None:
        # Not every case that has a readable form has one that is read back equal, or at all.
        with contextlib.suppress(UsageError):
            if from_token(short) == case:
                return short
    compressed = zlib.compress(files.dump_case(case, compact=True).encode(), 9)
    return WHOLE_CASE + base64.urlsafe_b64encode(compressed).decode().rstrip("=")


def from_token(text: str) -> Case:
    """The case that a token stands for. Raises UsageError, in one line, for everything that is no token."""
    text = text.strip()
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise UsageError(f"this token has {len(text)} characters; the longest have {MAX_TOKEN_CHARACTERS}")
    if text.startswith(WHOLE_CASE):
        return _read_whole(text[len(WHOLE_CASE) :])
    return _read_short(text)


def _short(case: Case) -> str | None:
    """The readable form, or None where it cannot hold the case. It may leave something out: the caller compares."""
    if not case.code or len(case.states) != 1 or len(case.actions) != 1 or not isinstance(case.actions[0], Run):
        return None
    code = ".".join(f"{word:08x}" for word in case.code)
    where = "" if case.code_address == CODE_ADDRESS else f"@{case.code_address:x}"
    assignments = ",".join(f"{name}={value}" for name, value in _assignments(case, case.actions[0]))
    return f"{code}{where}:{assignments}"


def _assignments(case: Case, run: Run) -> Iterator[tuple[str, str]]:
    for name, value in case.states[0].registers():
        yield name, _flags(value) if name == "nzcv" else _number(value, locate(name)[3])
    for region in case.regions:
        if region.fill is not None and region.address == DEFAULT_REGIONS[1].address:
            yield "fill", _number(region.fill, 0)
        for offset, data in region.contents:
            yield f"mem.{region.address + offset:x}", data
    if run.budget != Run().budget:
        yield "budget", str(run.budget)
    if run.until is not None:
        yield "until", f"{run.until:#x}"
    if case.environment.model != Environment().model:
        yield "model", quote(case.environment.model, safe="+")
    if case.requires:
        yield "requires", "+".join(quote(feature, safe="") for feature in case.requires)
    if case.name:
        yield "name", quote(case.name, safe="")


def _number(value: int, mask: int) -> str:
    if mask.bit_length() >= 64 and value - mask - 1 >= SMALLEST_NEGATIVE:
        return str(value - mask - 1)
    return str(value) if 0 <= value < 10 else f"{value:#x}"


def _flags(value: int) -> str:
    return "".join(letter for bit, letter in zip((8, 4, 2, 1), FLAG_LETTERS, strict=True) if value & bit)


def _read_short(text: str) -> Case:
    shown = text if len(text) <= 60 else text[:57] + "..."
    head, colon, tail = text.partition(":")
    match = re.fullmatch(r"([0-9a-fA-F]{8}(?:\.[0-9a-fA-F]{8})*)(?:@(?:0x)?([0-9a-fA-F]{1,16}))?", head)
    if match is None:
        raise UsageError(
            f"{shown!r} is no replay token: it begins with A64 words of 8 hexadecimal digits joined by dots, "
            f"as in 'ab020020:x1=-1,x2=1', or with 'case:'"
        )
    code = tuple(int(word, 16) for word in match[1].split("."))
    address = int(match[2], 16) if match[2] else CODE_ADDRESS
    registers: dict[str, int] = {}
    contents: list[tuple[int, str]] = []
    others: dict[str, str] = {}
    for part in tail.split(",") if colon and tail else ():
        name, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"token {shown!r}: {part[:40]!r} is not NAME=VALUE")
        if name.startswith("mem."):
            contents.append((_parse(name[4:], f"address of {name[:40]!r}", shown, base=16), value))
            continue
        if name in registers or name in others:
            raise UsageError(f"token {shown!r}: {name} is given twice")
        if name in ("fill", "budget", "until", "model", "requires", "name"):
            others[name] = value
        elif name == "nzcv" and value and not set(value) - set(FLAG_LETTERS):
            registers[name] = sum(8 >> FLAG_LETTERS.index(letter) for letter in set(value))
        else:
            registers[name] = _parse(value, f"value of {name[:40]!r}", shown)
    number = {name: _parse(others[name], name, shown) for name in ("fill", "budget", "until") if name in others}
    try:
        return files.checked(
            Case(
                name=unquote(others.get("name", "")),
                code=code,
                code_address=address,
                states=(State.of(**registers),),
                regions=_regions(contents, number.get("fill"), address),
                actions=(Run(budget=number.get("budget", Run().budget), until=number.get("until")),),
                environment=Environment(model=unquote(others["model"])) if "model" in others else Environment(),
                requires=tuple(map(unquote, others["requires"].split("+"))) if "requires" in others else (),
            )
        )
    except (UsageError, ValueError) as error:
        raise UsageError(f"token {shown!r}: {error}") from None


def _regions(contents: list[tuple[int, str]], fill: int | None, code_address: int) -> tuple[Region, ...]:
    """The default regions with ``contents`` and ``fill``, and one more for code that lies outside of them."""
    regions: list[Region] = []
    for region in DEFAULT_REGIONS:
        inside = tuple(
            (address - region.address, data)
            for address, data in contents
            if region.address <= address < region.address + region.size
        )
        seed = fill if region is DEFAULT_REGIONS[1] else None
        regions.append(msgspec.structs.replace(region, contents=inside, fill=seed))
    if sum(len(region.contents) for region in regions) != len(contents):
        raise UsageError("mem. names an address outside the default code and data regions")
    if not any(region.address <= code_address < region.address + region.size for region in regions):
        start = code_address - code_address % REGION_ALIGNMENT
        regions.append(Region(address=start, size=REGION_ALIGNMENT, permissions="rx"))
    return tuple(regions)


def _parse(text: str, what: str, shown: str, *, base: int = 0) -> int:
    if not re.fullmatch(r"-?(0x[0-9a-fA-F_]{1,64}|[0-9]{1,40})" if base == 0 else r"(0x)?[0-9a-fA-F]{1,16}", text):
        raise UsageError(f"token {shown!r}: the {what} is no number: {text[:40]!r}")
    try:
        # base 0 would refuse a decimal number with leading zeros
        return int(text, 10 if base == 0 and "x" not in text else base or 16)
    except ValueError:
        raise UsageError(f"token {shown!r}: the {what} is no number: {text[:40]!r}") from None


def _read_whole(text: str) -> Case:
    try:
        compressed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(compressed, MAX_CASE_BYTES)
        if unpacker.unconsumed_tail:
            raise UsageError(f"the case in this token is longer than {MAX_CASE_BYTES} bytes")
        if not unpacker.eof:
            raise UsageError("the token is cut off: its end is missing")
        return files.load_case(data.decode(), "token")
    except (binascii.Error, zlib.error, UnicodeDecodeError, ValueError):
        raise UsageError(
            "the token is damaged: what follows 'case:' is not the compressed case that assay64 prints"
        ) from None
