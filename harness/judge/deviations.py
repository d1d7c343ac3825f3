"""Known deviations: what a backend is known to do otherwise than Arm says, as data files with a reason and evidence
for each.

A verdict that an entry explains is still shown, with its token, but is no news. An entry excuses exactly what it
describes: every difference has to be covered. What differs is decided in compare.py and never here.
"""

from __future__ import annotations

import datetime
import difflib
import tomllib
from collections.abc import Callable, Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import msgspec

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Case, Environment
from assay64.harness.cases.outcome import Difference, ExitKind, Verdict, VerdictKind
from assay64.harness.errors import UsageError
from assay64.harness.judge.compare import FLAGS
from assay64.harness.judge.execute import action_name
from assay64.harness.judge.instructions import instruction, only_word, register_field, role
from assay64.harness.judge.symptoms import symptom

FOLDER = Path(__file__).parent / "deviations"
REQUIRED = ("id", "title", "reason", "evidence")
EXPLAINED = {
    "mismatch": VerdictKind.MISMATCH,
    "crash": VerdictKind.CRASH,
    "hang": VerdictKind.HANG,
    "indistinct": VerdictKind.MATCH,
}


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words w with ``w & mask == value``: instructions, or values of a 32-bit register."""

    mask: int
    value: int

    def __post_init__(self) -> None:
        if not 0 <= self.mask < 1 << 32 or self.value & ~self.mask or self.value < 0:
            raise ValueError(
                f"value {self.value:#x} has bits outside mask {self.mask:#x}, or one is wider than 32 bits"
            )

    def hold(self, word: int) -> bool:
        return word & self.mask == self.value


class Deviation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One known deviation.

    It is about an instruction: one whose definition, mnemonic or title matches a glob of ``instructions`` (``LDR*``,
    ``*``, ``unallocated``) and, if given, one of ``words``; or about directed cases whose name matches a glob of
    ``cases``. With ``actions`` (``schedule``) it is about scripts that have one of these actions and such an
    instruction anywhere in their code.

    The failure is a ``verdict`` of mismatch, crash or hang, or a match that is ``indistinct`` (the backend cannot tell
    UNDEFINED from "not implemented"). For a mismatch ``fields`` are globs that must cover every differing field;
    ``expected_exit`` and ``got_exit``, one or several, are kinds of exits, or globs of their whole text (``data_abort *
    (alignment)``), for exits that differ (and then ``exit`` must be among the fields).

    More narrow: a field can be named by what it is to the instruction (``X[Rt]``); ``same`` names registers of the
    encoding that must be one (``Rt``, ``Rn``); ``ending`` is a kind of exit, or a glob of its text, that Arm demands
    whether or not the backend has it. By fields: ``expected`` and ``got`` are globs, one or several, of the values of
    those that differ, ``bits`` the bits in which they may differ; those of ``lost`` only by bits that are not set and
    should be. ``symptom`` are globs of what symptoms.py makes of all of it (``vector: NaN``).

    ``environment`` restricts the entry to cases whose environment has these values; ``fpcr`` to those that begin with
    an FPCR f such that ``f & mask == value`` for one of several.

    ``reason`` says what the backend does and why; ``evidence`` is a replay token that shows it; ``rule`` names the
    section of the Arm ARM (DDI 0487) that the backend does not keep, and ``link`` leads to its developers' own report.
    ``versions`` limits the entry to versions of the backend (``>=6.4,<6.8``); after ``expires`` it explains nothing.
    """

    id: str
    title: str
    reason: str
    evidence: str
    instructions: tuple[str, ...] = ()
    words: tuple[Words, ...] = ()
    cases: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    verdict: str = "mismatch"
    fields: tuple[str, ...] = ()
    expected_exit: str | tuple[str, ...] = ()
    got_exit: str | tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    ending: str | tuple[str, ...] = ()
    expected: dict[str, str | tuple[str, ...]] = {}
    got: dict[str, str | tuple[str, ...]] = {}
    bits: dict[str, int] = {}
    lost: tuple[str, ...] = ()
    symptom: tuple[str, ...] = ()
    rule: str = ""
    link: str = ""
    versions: str = ""
    environment: dict[str, int | bool | str] = {}
    fpcr: tuple[Words, ...] = ()
    expires: datetime.date | None = None

    def __post_init__(self) -> None:
        for name in REQUIRED:
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is empty")
        if not (self.instructions or self.words or self.cases):
            raise ValueError("it needs instructions, words or cases: what is it about?")
        if self.verdict not in EXPLAINED:
            raise ValueError(f"verdict {self.verdict!r} is none of {', '.join(EXPLAINED)}")
        if unknown := set(self.environment) - set(Environment.__struct_fields__):
            raise ValueError(f"environment has no {', '.join(sorted(unknown))}")
        if (self.verdict == "mismatch") != bool(self.fields):
            raise ValueError("a mismatch needs fields (which may differ), every other verdict has none")
        if unnamed := {*self.expected, *self.got, *self.bits, *self.lost} - set(self.fields):
            raise ValueError(f"{', '.join(sorted(unnamed))} is not among the fields")
        for text in (*_several(self.expected_exit), *_several(self.got_exit), *_several(self.ending)):
            if text.split(" ")[0] not in list(ExitKind):
                raise ValueError(f"no exit is called {text!r}; there are {', '.join(ExitKind)}")
        if not self.versions:
            return
        # Imported for entries that name versions: few do, and one case would wait for it.
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            SpecifierSet(self.versions)
        except InvalidSpecifier:
            raise ValueError(f"versions {self.versions!r} is no range such as '>=6.4,<6.8'") from None

    def applies_to(self, version: str) -> bool:
        """Whether the backend's version is in the range. A version that cannot be read is in no range."""
        if not self.versions:
            return True
        from packaging.specifiers import SpecifierSet
        from packaging.version import InvalidVersion, Version

        try:
            return SpecifierSet(self.versions).contains(Version(version), prereleases=True)
        except InvalidVersion:
            return False

    def expired(self, today: datetime.date | None = None) -> bool:
        return self.expires is not None and self.expires < (today or datetime.datetime.now(datetime.UTC).date())


def load(path: Path) -> tuple[Deviation, ...]:
    """The entries of a file: ``[[deviation]]`` tables. Raises UsageError that names the file and the entry."""
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise UsageError(f"{path}: {error}") from error
    entries = tables.pop("deviation", [])
    if tables or not isinstance(entries, list):
        raise UsageError(
            f"{path}: it holds [[deviation]] tables and nothing else, not {', '.join(tables) or 'a value'}"
        )
    found: dict[str, Deviation] = {}
    for number, table in enumerate(cast(list[Any], entries), 1):
        entry = _entry(path, number, table)
        if entry.id in found:
            raise UsageError(f"{path}: two entries have the id {entry.id!r}")
        found[entry.id] = entry
    return tuple(found.values())


def _entry(path: Path, number: int, table: Any) -> Deviation:
    where = f"{path}: entry {number}"
    if isinstance(table, dict):
        keys = cast(dict[str, Any], table)
        where += f" ({keys['id']})" if "id" in keys else ""
        for key in keys:
            if key not in Deviation.__struct_fields__:
                close = difflib.get_close_matches(key, Deviation.__struct_fields__, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise UsageError(f"{where}: no key is called {key!r}{hint}")
        missing = [key for key in REQUIRED if key not in keys]
        if missing:
            raise UsageError(f"{where}: {', '.join(missing)} is missing")
    try:
        return msgspec.convert(table, Deviation)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}") from error


def for_backend(name: str) -> tuple[Deviation, ...]:
    """The known deviations of a built-in backend; none for others."""
    path = FOLDER / f"{name}.toml"
    return load(path) if name.replace("-", "_").isidentifier() and path.is_file() else ()


def explain(
    case: Case,
    verdict: Verdict,
    deviations: Sequence[Deviation],
    capabilities: Capabilities,
    *,
    word: int | None = None,
    alternatives: Sequence[tuple[Difference, ...]] = (),
    endings: Callable[[], Sequence[str]] = tuple,
) -> Verdict:
    """The verdict, turned into a known deviation when an entry describes all of it.

    ``word`` is the instruction that diverges; without it only a case with one instruction besides NOPs, or one that
    ``cases`` names, can be explained (judge.py cuts sequences down to the instruction that diverges). ``alternatives``
    are the differences against every permitted outcome: an entry may start from another than the nearest. ``endings``
    gives the last exits that Arm permits, as text. An entry that has expired is named in the verdict's detail and
    explains nothing.
    """
    if verdict.kind not in EXPLAINED.values() or (verdict.kind is VerdictKind.MATCH and not verdict.indistinct):
        return verdict
    word = only_word(case) if word is None else word
    against = dict.fromkeys((verdict.differences, *alternatives))
    readings = [msgspec.structs.replace(verdict, differences=differences) for differences in against]
    for entry in deviations:
        if not entry.applies_to(capabilities.version):
            continue
        reading = next((one for one in readings if _describes(entry, case, word, one, endings)), None)
        if reading is not None:
            if entry.expired():
                detail = f"known deviation {entry.id} expired on {entry.expires}"
                return msgspec.structs.replace(verdict, detail="; ".join(filter(None, (verdict.detail, detail))))
            return msgspec.structs.replace(reading, kind=VerdictKind.KNOWN_DEVIATION, deviation=entry.id)
    return verdict


def _describes(
    entry: Deviation, case: Case, word: int | None, verdict: Verdict, endings: Callable[[], Sequence[str]]
) -> bool:
    if EXPLAINED[entry.verdict] is not verdict.kind:
        return False
    if verdict.kind is VerdictKind.MATCH:
        return True  # it is about the exit, whatever the instruction
    if not _is_about(entry, case, word):
        return False
    if entry.symptom and not any(fnmatchcase(str(symptom(verdict, word)), glob) for glob in entry.symptom):
        return False
    if verdict.kind is not VerdictKind.MISMATCH:
        return True
    exits = [d for d in verdict.differences if d.field.startswith("exit") and "." not in d.field and d.field != "exits"]
    for wanted, texts in (
        (_several(entry.expected_exit), [d.expected for d in exits]),
        (_several(entry.got_exit), [d.got for d in exits]),
    ):
        if wanted and not (texts and all(_is_exit(text, wanted) for text in texts)):
            return False
    if not all(_allows(entry, difference, word) for difference in verdict.differences):
        return False
    return not entry.ending or any(_is_exit(text, _several(entry.ending)) for text in endings())


def _allows(entry: Deviation, difference: Difference, word: int | None) -> bool:
    names = {difference.field} if word is None else {difference.field, role(difference.field, word)}

    def is_named(glob: str) -> bool:
        return glob in names or fnmatchcase(difference.field, glob)

    return (
        any(map(is_named, entry.fields))
        and all(_is_value(difference.expected, value) for glob, value in entry.expected.items() if is_named(glob))
        and all(_is_value(difference.got, value) for glob, value in entry.got.items() if is_named(glob))
        and not any(_different(difference) & ~mask for glob, mask in entry.bits.items() if is_named(glob))
        and not (any(map(is_named, entry.lost)) and _gained(difference))
    )


def _different(difference: Difference) -> int:
    """The bits in which two values of a register differ; -1 for what is no number."""
    try:
        one, other = (_number(text) for text in (difference.expected, difference.got))
    except ValueError:
        return -1
    return one ^ other


def _gained(difference: Difference) -> int:
    """The bits that are set and should not be; -1 for what is no number."""
    different = _different(difference)
    return different if different < 0 else different & _number(difference.got)


def _number(text: str) -> int:
    flags = text if len(text) == len(FLAGS) and set(text) <= {*FLAGS, "."} else ""
    return int("".join("01"[letter != "."] for letter in flags), 2) if flags else int(text, 0)


def _several(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _is_value(text: str, wanted: str | tuple[str, ...]) -> bool:
    return any(fnmatchcase(text, one) for one in _several(wanted))


def _is_exit(text: str, wanted: tuple[str, ...]) -> bool:
    return any(text.split()[0] == one or fnmatchcase(text, one) for one in wanted)


def _is_about(entry: Deviation, case: Case, word: int | None) -> bool:
    if any(getattr(case.environment, name) != value for name, value in entry.environment.items()):
        return False
    if entry.fpcr and not any(words.hold(state.simd.fpcr) for words in entry.fpcr for state in case.states):
        return False
    if entry.cases:
        return any(fnmatchcase(case.name, glob) for glob in entry.cases)
    if entry.actions:
        there = {action_name(action) for action in case.actions}
        return bool(there & set(entry.actions)) and any(_is_about_word(entry, one) for one in case.code)
    return word is not None and _is_about_word(entry, word)


def _is_about_word(entry: Deviation, word: int) -> bool:
    if entry.words and not any(words.hold(word) for words in entry.words):
        return False
    if entry.same and len({register_field(word, name) for name in entry.same} | {None}) != 2:
        return False
    globs = entry.instructions
    return not globs or globs == ("*",) or any(fnmatchcase(n, glob) for glob in globs for n in instruction(word).names)


def unused(deviations: Iterable[Deviation], occurred: Collection[str], version: str) -> tuple[Deviation, ...]:
    """The entries for this version of the backend of which a run (``occurred``: their ids) saw nothing: perhaps
    fixed.
    """
    return tuple(entry for entry in deviations if entry.applies_to(version) and entry.id not in occurred)


def stale_evidence(entry: Deviation, read_token: Callable[[str], Case], judge: Callable[[Case], Verdict]) -> str | None:
    """None when replaying the entry's evidence still shows the deviation, else one line saying what it shows now."""
    verdict = judge(read_token(entry.evidence))
    if verdict.kind is VerdictKind.KNOWN_DEVIATION and verdict.deviation == entry.id:
        return None
    shown = f"known deviation {verdict.deviation}" if verdict.deviation else str(verdict.kind)
    return f"{entry.id}: its evidence {entry.evidence!r} gives {shown} now"
