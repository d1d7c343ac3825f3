"""Makes a failing case small: fewer instructions, registers and bytes, plainer values, and still the same failure.

It asks a predicate and knows neither backends nor why a case fails. Delta debugging is Zeller and Hildebrandt's (IEEE
TSE 28(2), 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from assay64.harness.cases.case import CODE_ADDRESS, CODE_REGION, Case, Environment, Run
from assay64.harness.cases.memory import fill_bytes
from assay64.harness.cases.outcome import Verdict, VerdictKind
from assay64.harness.cases.state import State, locate
from assay64.harness.errors import UsageError
from assay64.harness.judge.instructions import NOP, only_word, role
from assay64.harness.judge.symptoms import symptom

BUDGET = 400
Item = TypeVar("Item")


class _Spent(Exception):
    """The budget of attempts is used up."""


def shrink(case: Case, still_fails: Callable[[Case], bool], budget: int = BUDGET) -> Case:
    """A smaller case for which ``still_fails`` holds as it does for ``case``, after at most ``budget`` questions.

    A case that brings its own permitted outcomes is returned as it is: they hold for it alone.
    """
    if case.permitted is not None:
        return case
    search = _Search(case, still_fails, budget)
    try:
        before = None
        while before != search.case:
            before = search.case
            search.instructions()
            search.registers()
            search.surroundings()
            search.pointers()
            search.memory()
            search.values()
    except _Spent:
        pass
    return search.case


def same_failure(verdict: Verdict, case: Case, judge: Callable[[Case], Verdict]) -> Callable[[Case], bool]:
    """A predicate for ``shrink``: the kind of verdict stays, and for a mismatch also what differs.

    A single instruction keeps its failure when the same fields of it differ, whatever the registers' numbers, and in
    the same manner (symptoms.py). Of a longer sequence the smaller case must show no field that the larger did not.
    """
    word = only_word(case)
    family = symptom(verdict, word).family

    def fields(one: Verdict, of: int | None) -> set[str]:
        return {role(d.field, of) if of is not None else _kind_of(d.field) for d in one.differences}

    wanted = fields(verdict, word)

    def holds(smaller: Case) -> bool:
        found = judge(smaller)
        if found.kind is not verdict.kind or found.deviation != verdict.deviation:
            return False
        if verdict.kind is not VerdictKind.MISMATCH:
            return True
        if word is not None:
            return (
                only_word(smaller) == word and fields(found, word) == wanted and symptom(found, word).family == family
            )
        return bool(found.differences) and fields(found, None) <= wanted

    return holds


def _kind_of(field: str) -> str:
    name = field.rpartition(".")[2]
    return "register" if name[:1] in "xv" and name[1:].isdecimal() else "memory" if name.startswith("memory") else name


class _Search:
    """The smallest failing case so far, and the steps that look for a smaller."""

    def __init__(self, case: Case, still_fails: Callable[[Case], bool], budget: int) -> None:
        self.case = case
        self._still_fails = still_fails
        self._left = budget
        self._asked: set[bytes] = set()

    def attempt(self, **changes: Any) -> bool:
        """Take the case with ``changes`` if it fails too."""
        try:
            smaller = msgspec.structs.replace(self.case, **changes)
        except (ValueError, UsageError):
            return False
        key = msgspec.json.encode(smaller)
        if smaller == self.case or key in self._asked:
            return False
        if not self._left:
            raise _Spent
        self._left -= 1
        self._asked.add(key)
        if not self._still_fails(smaller):
            return False
        self.case = smaller
        return True

    def instructions(self) -> None:
        self._fewer(lambda: self.case.code, lambda kept: self.attempt(code=tuple(kept)), at_least=1)
        # A branch may need its distance: then a NOP keeps the place.
        for index in range(len(self.case.code) - 1, -1, -1):
            code = self.case.code
            if index < len(code) and code[index] != NOP:
                self.attempt(code=(*code[:index], NOP, *code[index + 1 :]))

    def registers(self) -> None:
        for vcpu in range(len(self.case.states)):

            def live(vcpu: int = vcpu) -> list[tuple[str, int]]:
                return list(self.case.states[vcpu].registers())

            self._fewer(live, lambda kept, vcpu=vcpu: self._set(vcpu, dict(kept)), at_least=0)

    def surroundings(self) -> None:
        """The default environment or fewer features of the CPU model, the default budget and place of the code."""
        self.attempt(environment=Environment(), requires=())
        base, *added = self.case.environment.model.split("+")

        def keep(kept: list[str]) -> bool:
            environment = msgspec.structs.replace(self.case.environment, model="+".join((base, *kept)))
            requires = tuple(feature for feature in self.case.requires if feature in kept)
            return self.attempt(environment=environment, requires=requires)

        if added:
            self._fewer(lambda: self.case.environment.model.split("+")[1:], keep, at_least=0)
        if len(self.case.actions) == 1 and isinstance(self.case.actions[0], Run):
            self.attempt(actions=(Run(),))
        self.attempt(code_address=CODE_ADDRESS)

    def pointers(self) -> None:
        """What reads its own code, or the words around it, reads the middle of filled data instead."""
        for index, region in enumerate(self.case.regions):
            if region.permissions != "rw":
                continue
            filled = msgspec.structs.replace(region, fill=1 if region.fill is None else region.fill)
            regions = (*self.case.regions[:index], filled, *self.case.regions[index + 1 :])
            for vcpu, state in enumerate(self.case.states):
                for name, value in list(state.registers()):
                    if 0 <= value - CODE_REGION[0] < CODE_REGION[1]:
                        middle = region.address + region.size // 2 + value % 16
                        self._set(vcpu, {**dict(self.case.states[vcpu].registers()), name: middle}, regions=regions)

    def memory(self) -> None:
        for index in range(len(self.case.regions)):
            region = self.case.regions[index]
            for change in ({"fill": None, "contents": ()}, {"fill": None}, {"contents": ()}):
                if (region.fill is not None or region.contents) and self._region(index, **change):
                    break
            self._fewer(
                lambda index=index: self.case.regions[index].contents,
                lambda kept, index=index: self._region(index, contents=tuple(kept)),
                at_least=0,
            )
            if self.case.regions[index].fill is not None:
                self._fewer_bytes(index)

    def _fewer_bytes(self, index: int) -> None:
        """The few bytes that are read, as contents, in the place of a whole region that is filled."""
        region = self.case.regions[index]
        assert region.fill is not None
        data = bytearray(fill_bytes(region.fill, region.size))
        for offset, text in region.contents:
            data[offset : offset + len(text) // 2] = bytes.fromhex(text)

        def keep(low: int, high: int) -> bool:
            return self._region(index, fill=None, contents=((low, data[low:high].hex()),))

        low, high = 0, region.size
        if not keep(low, high):
            return
        # What lies before the first byte that matters, and then behind the last, can go.
        for is_low in (True, False):
            good, bad = (low, high) if is_low else (high, low)
            while abs(good - bad) > 1:
                middle = (good + bad) // 2
                if keep(middle, high) if is_low else keep(low, middle):
                    good = middle
                else:
                    bad = middle
            low, high = (good, high) if is_low else (low, good)

    def _region(self, index: int, **changes: Any) -> bool:
        regions = self.case.regions
        smaller = msgspec.structs.replace(regions[index], **changes)
        return self.attempt(regions=(*regions[:index], smaller, *regions[index + 1 :]))

    def values(self) -> None:
        for vcpu in range(len(self.case.states)):
            for name, _ in list(self.case.states[vcpu].registers()):
                mask = locate(name)[3]
                for plainer in (1, mask):
                    if self._value(vcpu, name) == plainer or self._try(vcpu, name, plainer):
                        break
                else:
                    self._fewer_bits(vcpu, name)

    def _fewer_bits(self, vcpu: int, name: str) -> None:
        width = locate(name)[3].bit_length() // 2
        while width:
            for low in range(0, locate(name)[3].bit_length(), width):
                value = self._value(vcpu, name)
                part = ((1 << width) - 1) << low
                if value & part:
                    self._try(vcpu, name, value & ~part)
            width //= 2

    def _value(self, vcpu: int, name: str) -> int:
        return dict(self.case.states[vcpu].registers()).get(name, 0)

    def _try(self, vcpu: int, name: str, value: int) -> bool:
        return self._set(vcpu, {**dict(self.case.states[vcpu].registers()), name: value})

    def _set(self, vcpu: int, registers: dict[str, int], **more: Any) -> bool:
        try:
            state = State.of(**registers)
        except (ValueError, UsageError):
            return False
        return self.attempt(states=(*self.case.states[:vcpu], state, *self.case.states[vcpu + 1 :]), **more)

    def _fewer(self, items: Callable[[], Sequence[Item]], keep: Callable[[list[Item]], bool], *, at_least: int) -> None:
        """Leave out as much as possible: everything, then halves, then quarters, down to single items."""
        size = len(items())
        while size:
            for start in _from_the_end(len(items()), size):
                present = list(items())
                kept = present[:start] + present[start + size :]
                if at_least <= len(kept) < len(present):
                    keep(kept)
            size = min(size - 1, len(items())) if size <= 2 else (size + 1) // 2


def _from_the_end(length: int, size: int) -> Iterator[int]:
    """Where pieces of ``size`` start, last first: what comes later more often follows from what came before."""
    return iter(range((length - 1) // size * size, -1, -size)) if length else iter(())
