"""Case files: JSON with one case or a list of them, to be written by hand, by other programs, and by assay64.

Numbers may be integers or strings such as ``"0xffff_ffff"``; ``code`` may be a list of words or assembly text. A file
that is wrong gives one line: the file, the place in it, what is wrong. schema.py publishes the same format as a JSON
Schema.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import inspect

from assay64.harness.cases.case import Case, Environment
from assay64.harness.errors import AssayError, UsageError

MAX_FILE_BYTES = 64 << 20
MAX_MEMORY_BYTES = 1 << 30
MAX_CODE_WORDS = 1 << 16
MAX_VCPUS = 64
MAX_ACTIONS = 1 << 16
# Below, decimal is easier to read: sizes, budgets, register numbers.
SMALLEST_HEXADECIMAL = 0x1000

_NUMBER = re.compile(r"-?(0[xX][0-9a-fA-F_]+|[0-9]+)")
_MAX_NUMBER_CHARACTERS = 64


def read_cases(path: Path) -> tuple[Case, ...]:
    """The cases of a file. Raises UsageError when it cannot be read or is malformed."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB")
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None
    raw = _parse(text, str(path))
    if isinstance(raw, list):
        items = cast(list[Any], raw)
        if not items:
            raise UsageError(f"{path}: an empty list: a case file holds at least one case")
        return tuple(_build(item, str(path), f"[{index}]") for index, item in enumerate(items))
    return (_build(raw, str(path), ""),)


def write_cases(path: Path, *cases: Case) -> None:
    """Write one case, or a list of several."""
    texts = [dump_case(case) for case in cases]
    path.write_text((texts[0] if len(texts) == 1 else "[\n" + ",\n".join(texts) + "\n]") + "\n", "utf-8")


def load_case(text: str, where: str) -> Case:
    """The case that JSON ``text`` holds; ``where`` names its origin in errors (UsageError)."""
    return _build(_parse(text, where), where, "")


def dump_case(case: Case, *, compact: bool = False) -> str:
    """``case`` as JSON, addresses and large values as hexadecimal strings; ``compact`` puts it on one line."""
    raw = plain(case)
    raw["code"] = [f"{word:#010x}" for word in case.code]
    return json.dumps(raw, separators=(",", ":")) if compact else json.dumps(raw, indent=2)


def plain(value: Any, *, hexadecimal: bool = True) -> Any:
    """``value`` (of any type of this package) as JSON's types, large integers as hexadecimal strings."""

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            return {str(key): walk(item) for key, item in cast(dict[Any, Any], node).items()}
        if isinstance(node, set | frozenset):
            return sorted(map(walk, cast(set[Any], node)))
        if isinstance(node, list | tuple):
            return [walk(item) for item in cast(list[Any], node)]
        large = isinstance(node, int) and not isinstance(node, bool) and abs(node) >= SMALLEST_HEXADECIMAL
        return f"{node:#x}" if hexadecimal and large else node

    return walk(msgspec.to_builtins(value, str_keys=True, order="deterministic"))


def checked(case: Case) -> Case:
    """``case`` itself. UsageError when it asks for more than a case from outside may, or for a model there is not."""
    for what, found, most in (
        ("bytes of memory", sum(region.size for region in case.regions), MAX_MEMORY_BYTES),
        ("code words", len(case.code), MAX_CODE_WORDS),
        ("vCPUs", len(case.states), MAX_VCPUS),
        ("actions", len(case.actions), MAX_ACTIONS),
    ):
        if found > most:
            raise UsageError(f"the case has {found} {what}; at most {most} are accepted")
    try:
        msgspec.json.encode(case)
    except UnicodeEncodeError:
        raise UsageError("the case holds text that is no Unicode: half of a surrogate pair") from None
    if case.environment.model != Environment().model:
        from assay64.reference.models import model

        try:
            model(case.environment.model)
        except ValueError as error:
            raise UsageError(str(error)) from None
    return case


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{where}: not JSON that can be read: nested too deep, or a number too long") from None


def _build(raw: Any, where: str, at: str) -> Case:
    try:
        if not isinstance(raw, dict):
            raise UsageError(f"a case is a JSON object, not {_shown(raw)}")
        fields = cast(dict[str, Any], raw)
        numbers = _numbers(fields, inspect.type_info(Case), at)
        if isinstance(fields.get("code"), str):
            numbers["code"] = _assembled(fields["code"], numbers)
        return checked(msgspec.convert(numbers, Case, str_keys=True))
    except _At as error:
        raise UsageError(f"{where}: at {error.at}: {error}") from None
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        place = at + place.rstrip("`")
        raise UsageError(f"{where}: {f'at {place}: ' if place else ''}{message}") from None
    except AssayError as error:
        raise UsageError(f"{where}: {f'at {at}: ' if at else ''}{error}") from None
    except (OverflowError, ValueError) as error:
        raise UsageError(f"{where}: {f'at {at}: ' if at else ''}{error}") from None


def _assembled(text: str, fields: dict[str, Any]) -> tuple[int, ...]:
    from assay64.harness.cases.assembling import assemble

    address = fields.get("code_address", Case().code_address)
    return tuple(assemble(text, address)) if isinstance(address, int) else ()


class _At(Exception):
    """A malformed number and its place in the file."""

    def __init__(self, at: str, message: str) -> None:
        super().__init__(message)
        self.at = at


def _numbers(node: Any, kind: inspect.Type, at: str) -> Any:
    """``node`` with the strings that stand where ``kind`` has an integer turned into integers."""
    match kind:
        case inspect.IntType() if isinstance(node, str):
            return _number(node, at)
        case inspect.UnionType():
            return _numbers(node, _chosen(node, kind), at)
        case inspect.StructType() if isinstance(node, dict):
            types = {field.encode_name: field.type for field in kind.fields}
            return {
                key: _numbers(item, types.get(key, inspect.AnyType()), f"{at}.{key}")
                for key, item in cast(dict[str, Any], node).items()
            }
        case inspect.DictType() if isinstance(node, dict):
            return {
                key: _numbers(item, kind.value_type, f"{at}.{key}") for key, item in cast(dict[str, Any], node).items()
            }
        case inspect.VarTupleType() | inspect.ListType() if isinstance(node, list):
            items = cast(list[Any], node)
            return [_numbers(item, kind.item_type, f"{at}[{index}]") for index, item in enumerate(items)]
        case inspect.TupleType() if isinstance(node, list) and len(cast(list[Any], node)) == len(kind.item_types):
            pairs = zip(cast(list[Any], node), kind.item_types, strict=True)
            return [_numbers(item, one, f"{at}[{index}]") for index, (item, one) in enumerate(pairs)]
        case _:
            return cast(Any, node)


def _number(text: str, at: str) -> int:
    if len(text) > _MAX_NUMBER_CHARACTERS or not _NUMBER.fullmatch(text):
        raise _At(at, f"{_shown(text)} is no number: write 123 or '0x7b'")
    try:
        return int(text, 16 if "x" in text.lower() else 10)
    except ValueError:
        raise _At(at, f"{_shown(text)} is no number: write 123 or '0x7b'") from None


def _chosen(node: Any, union: inspect.UnionType) -> inspect.Type:
    """The member of a union that ``node`` is meant for: by its tag, or the integer where no string is allowed."""
    if isinstance(node, dict):
        for kind in union.types:
            if isinstance(kind, inspect.StructType) and kind.tag_field is not None:
                tag = cast(dict[str, Any], node).get(kind.tag_field)
                if tag == kind.tag:
                    return kind
    if isinstance(node, str) and not any(isinstance(kind, inspect.StrType) for kind in union.types):
        return next((kind for kind in union.types if isinstance(kind, inspect.IntType)), inspect.AnyType())
    if isinstance(node, list):
        sequences = (inspect.VarTupleType, inspect.ListType, inspect.TupleType)
        return next((kind for kind in union.types if isinstance(kind, sequences)), inspect.AnyType())
    return inspect.AnyType()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
