"""Groups failures by cause, so that ten thousand read as twelve lines. It judges nothing and prints nothing.

A group is an instruction, or the instructions that share a wrong function of the pseudocode, with one symptom.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from assay64.harness.cases.case import Case
from assay64.harness.cases.outcome import Verdict, VerdictKind
from assay64.harness.judge.culprit import Failing, Passing, Unit, cluster, suspicious
from assay64.harness.judge.instructions import Instruction, instruction, only_word, role
from assay64.harness.judge.spectra import Place
from assay64.harness.judge.symptoms import Symptom, symptom

# Addresses, process numbers and line numbers in a message make no other cause.
NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\b\d{3,}\b")
SPECTRA = 8  # of one instruction and symptom; more would say nothing new
USUAL = 0.6  # of a group's failures have the symptom that it is called by
REFERENCE = "reference"
SEQUENCE = "a sequence of instructions"


class Cause(msgspec.Struct, frozen=True):
    """What failures of one instruction on one backend have in common.

    ``instruction`` is the definition's name in the specification; ``what`` the differing fields with registers as
    operands (``X[Rd]``), changed exits as ``undefined -> svc``, or how the backend crashed.
    """

    backend: str
    kind: VerdictKind
    instruction: str
    what: tuple[str, ...]
    deviation: str = ""


def blamed(case: Case) -> int | None:
    """The instruction that a failure of ``case`` is about when nothing better is known: the only one, or the last."""
    only = only_word(case)
    return only if only is not None else case.code[-1] if case.code else None


def cause_of(backend: str, verdict: Verdict, word: int | None) -> Cause:
    what: set[str] = set()
    for difference in verdict.differences:
        if difference.field.startswith("exit") and "." not in difference.field:
            what.add(f"{difference.field} {difference.expected.split()[0]} -> {difference.got.split()[0]}")
        else:
            what.add(difference.field if word is None else role(difference.field, word))
    if verdict.kind in (VerdictKind.CRASH, VerdictKind.ERROR, VerdictKind.UNSUPPORTED):
        what.add(NUMBERS.sub("N", verdict.detail))
    name = "" if word is None else instruction(word).name
    # After a wrong exit everything else differs too, and by chance.
    exits = {text for text in what if text.startswith("exit")}
    return Cause(backend, verdict.kind, name, tuple(sorted(exits or what)), verdict.deviation)


def size(case: Case) -> tuple[int, int, int]:
    """How large a case is to read: instructions, live registers, digits."""
    registers = [value for state in case.states for _, value in state.registers()]
    return len(case.code), len(registers), sum(len(f"{value:x}") for value in registers)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One failure, as far as it could be reduced. ``backends`` fail alike; ``number`` is the case's in its campaign.

    ``modes`` are the execution modes in which it shows, when it does not in all. ``votes`` says of other backends what
    they make of the case: ``agrees with the reference``, ``differs otherwise``, ``does not run it``.
    """

    backends: tuple[str, ...]
    case: Case
    verdict: Verdict
    number: int
    modes: tuple[str, ...] = ()
    votes: dict[str, str] = {}


def vote(verdict: Verdict) -> str:
    """What a backend makes of a case on which another fails: see Failure."""
    match verdict.kind:
        case VerdictKind.MATCH:
            return "agrees with the reference"
        case VerdictKind.UNSUPPORTED:
            return "does not run it"
        case VerdictKind.KNOWN_DEVIATION:
            return "is known to deviate"
        case _:
            return "differs otherwise"


class Kind(msgspec.Struct, frozen=True, order=True):
    """What failures must have in common to be counted together before any of them is looked at more closely."""

    backends: tuple[str, ...]
    verdict: str
    unit: Unit
    symptom: str
    family: str
    modes: tuple[str, ...]


@dataclass
class Group:
    """Failures with one cause. ``smallest`` is the smallest case of them, ``first`` the number of the first.

    ``place`` is where the specification, or the backend's counterpart of it, is most likely wrong.
    """

    backends: tuple[str, ...]
    symptom: str
    modes: tuple[str, ...]
    place: Place | None
    shared: bool
    smallest: Failure
    count: int
    first: int
    units: tuple[Unit, ...]
    votes: dict[str, Counter[str]]
    members: list[Failure]

    @property
    def about(self) -> Instruction | None:
        word = blamed(self.smallest.case)
        return None if word is None or len(self.smallest.case.code) > 1 else instruction(word)

    @property
    def title(self) -> str:
        """``ADDS (shifted register): flags C``, ``FADD, FMUL and 12 more: vector NaN``."""
        names = list(dict.fromkeys(mnemonic for _, mnemonic in self.units))
        about = self.about
        if about is not None and len(names) == 1 and len({definition for definition, _ in self.units}) == 1:
            name = about.title
        else:
            name = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        where = f" ({' and '.join(self.modes)} only)" if self.modes else ""
        return f"{name}: {self.symptom}{where}"

    @property
    def function(self) -> str:
        """The function of ``place`` without its file."""
        name, _ = self.place if self.place is not None else ("", 0)
        return name.partition(" (")[0]

    @property
    def culprit(self) -> str:
        """Who is likely wrong: the reference when several backends agree against it, else the backend."""
        return self.backends[0] if len(self.backends) == 1 else REFERENCE


class Triage:
    """Takes failures, and what passed, and gives groups. ``spectrum`` says which places a case runs through."""

    def __init__(self, spectrum: Callable[[Case], frozenset[Place]] | None = None) -> None:
        self._spectrum = spectrum
        self._failures: dict[Kind, list[Failure]] = {}
        self._counts = Counter[Kind]()
        self._votes: dict[Kind, dict[str, Counter[str]]] = {}
        self._passed: dict[str, Counter[Unit]] = {}
        self._samples: dict[Unit, list[Case]] = {}
        self._changes: dict[Unit, set[str]] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, failure: Failure) -> Kind:
        """Take one failure and keep it: callers that have many of a kind ``count`` the rest."""
        kind = kind_of(failure)
        self._failures.setdefault(kind, []).append(failure)
        self._counts[kind] += 1
        votes = self._votes.setdefault(kind, {})
        for backend, vote in failure.votes.items():
            votes.setdefault(backend, Counter())[vote] += 1
        return kind

    def count(self, kind: Kind, more: int = 1) -> None:
        self._counts[kind] += more

    def passed(self, backend: str, unit: Unit, count: int) -> None:
        self._passed.setdefault(backend, Counter())[unit] += count

    def sample(self, case: Case, changes: Iterable[str]) -> None:
        """A case of one instruction that passed, and the kinds of state that it changed."""
        unit = unit_of(case)
        self._samples.setdefault(unit, []).append(case)
        self._changes.setdefault(unit, set()).update(changes)

    def groups(self) -> list[Group]:
        """By the place that they share, places with the most failures first; within a place likewise."""
        found = list[Group]()
        families: dict[tuple[object, ...], list[Kind]] = {}
        spectra = self._passing_spectra() if self._counts else {}
        for kind in sorted(self._counts):
            families.setdefault((kind.backends, kind.verdict, kind.modes, kind.family), []).append(kind)
        for kinds in families.values():
            items = {id(item): (item, kind) for kind in kinds for item in [self._failing(kind)]}
            what = kinds[0].family.partition(" ")[0]
            counts = self._passed.get(kinds[0].backends[0], Counter())
            passing = {
                unit: Passing(count, spectra.get(unit, ()), self._changes.get(unit, set()))
                for unit, count in counts.items()
            }
            for place, members in cluster([item for item, _ in items.values()], passing, what):
                own = [items[id(item)][1] for item in members]
                found.append(self._group(own, place or suspicious(members, passing), shared=place is not None))
        weights = Counter[str]()
        for group in found:
            weights[group.function] += group.count
        return sorted(found, key=lambda group: (-weights[group.function], group.function, -group.count, group.title))

    def _passing_spectra(self) -> dict[Unit, list[frozenset[Place]]]:
        if self._spectrum is None:
            return {}
        spectrum = self._spectrum
        return {unit: [spectrum(case) for case in cases[:SPECTRA]] for unit, cases in self._samples.items()}

    def _failing(self, kind: Kind) -> Failing:
        failures = sorted(self._failures[kind], key=lambda one: size(one.case))[:SPECTRA]
        spectra = [] if self._spectrum is None else [self._spectrum(one.case) for one in failures]
        return Failing(kind.unit, self._counts[kind], spectra)

    def _group(self, kinds: list[Kind], place: Place | None, *, shared: bool) -> Group:
        members = [failure for kind in kinds for failure in self._failures[kind]]
        symptoms = Counter[str]()
        votes: dict[str, Counter[str]] = {}
        for kind in kinds:
            symptoms[kind.symptom] += self._counts[kind]
            for backend, counted in self._votes[kind].items():
                votes.setdefault(backend, Counter()).update(counted)
        usual, times = symptoms.most_common(1)[0]
        if times < USUAL * symptoms.total():
            usual = f"{kinds[0].family.partition(' ')[0]}: several"
        return Group(
            backends=kinds[0].backends,
            symptom=usual,
            modes=kinds[0].modes,
            place=place,
            shared=shared,
            smallest=min(members, key=lambda one: (size(one.case), one.number)),
            count=sum(self._counts[kind] for kind in kinds),
            first=min(one.number for one in members),
            units=tuple(dict.fromkeys(kind.unit for kind in kinds)),
            votes=votes,
            members=members,
        )


def kind_of(failure: Failure) -> Kind:
    word = only_word(failure.case)
    seen = symptom(failure.verdict, word)
    detail = NUMBERS.sub("N", seen.pattern)
    seen = Symptom(seen.kind, detail)
    return Kind(
        failure.backends, str(failure.verdict.kind), unit_of(failure.case), str(seen), seen.family, failure.modes
    )


def unit_of(case: Case) -> Unit:
    """The definition and mnemonic that a case is about; those of a sequence are together ``a sequence``."""
    word = only_word(case)
    if word is None:
        return SEQUENCE, SEQUENCE
    about = instruction(word)
    return about.name, about.mnemonic


def kinds_changed(names: Mapping[str, object]) -> Iterator[str]:
    """The kinds of state (see symptoms.py) of registers by name."""
    for name in names:
        if name[:1] == "v" and name[1:].isdecimal():
            yield "vector"
        elif name[:1] == "x" and name[1:].isdecimal():
            yield from ("register", "base")
        elif name in ("nzcv", "fpsr"):
            yield {"nzcv": "flags", "fpsr": "FPSR"}[name]
