"""Ends a failing case behind the instruction that diverges first, in time: what is known of that instruction explains
the failure, wherever it stands in a sequence or in a loop.

It asks a judge and knows no known deviations.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from assay64.harness.backends.reference import ReferenceBackend, ReferenceInstance
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Action, Case, Environment, Run, Step
from assay64.harness.cases.outcome import Difference, Exit, ExitKind, Permitted, Verdict
from assay64.harness.judge.execute import Executor
from assay64.reference.engines.outcomes import PathChooser, every_outcome

MOST = 512  # instructions of a run that is cut from place to place
WAYS = 8  # that it may take


class Asked(Protocol):
    """What is needed of ``judge.Judge``."""

    def fails(self, case: Case, backend: str) -> bool: ...

    def expected(self, case: Case) -> tuple[Permitted, ...] | Verdict: ...

    def capabilities(self, backend: str) -> Capabilities: ...

    def diverging(self, case: Case, backend: str) -> Case | None: ...


class Cut(NamedTuple):
    """``case`` ends with ``word``, which diverges; what precedes it is judged right."""

    case: Case
    word: int


def first_divergence(case: Case, backend: str, judge: Asked) -> Iterator[Cut]:
    """``case`` ended behind the instruction that diverges first: by its place in the code, then by time.

    Nothing for cases that bring their own permitted outcomes and for scripts of more than runs and steps.
    """
    if case.permitted is not None or len(case.states) != 1 or not case.code:
        return
    if len(case.actions) > 1:
        if all(isinstance(action, Run | Step) for action in case.actions):
            yield from _in_time(
                case, len(case.actions), lambda count: _acting(case, case.actions[:count]), backend, judge
            )
        return
    cut = judge.diverging(case, backend)
    run = next(iter(case.actions), None)
    if cut is None or not isinstance(run, Run):
        return
    yield Cut(cut, cut.code[-1])
    # A branch back makes the same place pass and then fail: count instructions instead.
    if judge.capabilities(backend).exact_budget:
        yield from _in_time(case, run.budget, lambda count: _acting(case, [_counted(run, count)]), backend, judge)
    else:
        for chain in _chains(case, run):
            yield from _in_time(case, len(chain), lambda count, of=chain: _acting(case, of[:count]), backend, judge)


def of_the_last(differences: Sequence[Difference], exits: int) -> tuple[Difference, ...]:
    """``differences`` of a case with ``exits`` exits, as those of a case that has the last of them alone. A step that
    ends is a budget that is used up.
    """
    last = f"exit{exits - 1}" if exits > 1 else "exit"

    def of_one(one: Difference) -> Difference:
        if one.field == last:
            expected, got = ("budget" if text == "step" else text for text in (one.expected, one.got))
            return msgspec.structs.replace(one, field="exit", expected=expected, got=got)
        if one.field.startswith(f"{last}."):
            return msgspec.structs.replace(one, field="exit" + one.field.removeprefix(last))
        return one

    return tuple(map(of_one, differences))


def _in_time(case: Case, longest: int, after: Callable[[int], Case], backend: str, judge: Asked) -> Iterator[Cut]:
    """``after(n)``, which makes n steps, for the smallest n that fails."""
    if not longest or not judge.fails(after(longest), backend):
        return
    right, wrong = 0, longest
    while wrong - right > 1:
        middle = (right + wrong) // 2
        if judge.fails(after(middle), backend):
            wrong = middle
        else:
            right = middle
    for where in _places(after(right), judge) if right else [case.states[0].general.pc or case.code_address]:
        index, within = divmod(where - case.code_address, 4)
        if not within and 0 <= index < len(case.code):
            yield Cut(after(wrong), case.code[index])


def _places(case: Case, judge: Asked) -> Sequence[int]:
    """Where ``case`` may end."""
    last = case.actions[-1]
    if isinstance(last, Run) and last.until is not None:
        return [last.until]
    expected = judge.expected(case)
    if isinstance(expected, Verdict):
        return []
    counters = (one.outcome.states[0].general.pc for one in expected)
    return list(dict.fromkeys(case.end if counter is None else counter for counter in counters))


def _acting(case: Case, actions: Sequence[Action]) -> Case:
    return msgspec.structs.replace(case, actions=tuple(actions))


def _counted(run: Run, budget: int) -> Run:
    return msgspec.structs.replace(run, budget=budget)


def _chains(case: Case, run: Run) -> Iterator[Sequence[Run]]:
    """Runs from one instruction to the next, for a backend that cannot count them: one chain for each way that Arm
    permits.
    """
    whole, seen = _acting(case, [_counted(run, min(run.budget, MOST))]), set[tuple[int, ...]]()
    for places, _ in itertools.islice(every_outcome(lambda chooser: _trace(whole, chooser)), WAYS):
        if places not in seen:
            seen.add(places)
            yield [msgspec.structs.replace(run, until=end) for end in places[1:]]


def _trace(case: Case, chooser: PathChooser) -> tuple[int, ...]:
    tracing = _Tracing(chooser)
    Executor(tracing, kept_instances=0).execute(case)
    return tuple(tracing.places)


class _Tracing(ReferenceBackend):
    """The reference, noting the address of every instruction that it begins, and at last where the next one would be.

    The next one of an instruction that takes an exception is the one behind it.
    """

    def __init__(self, chooser: PathChooser) -> None:
        self.places, self._chooser = list[int](), chooser

    def create(self, environment: Environment, vcpus: int = 1) -> ReferenceInstance:
        return _TracingInstance(environment, vcpus, self._chooser, self.places)


class _TracingInstance(ReferenceInstance):
    def __init__(self, environment: Environment, vcpus: int, chooser: PathChooser, places: list[int]) -> None:
        super().__init__(environment, vcpus, chooser)
        self._places = places

    def run(self, vcpu: int, budget: int, until: int | None) -> Exit:
        self._places.append(self._pc(vcpu))
        found = Exit(kind=ExitKind.BUDGET)
        for _ in range(budget):
            if self._places[-1] == until:
                return Exit(kind=ExitKind.UNTIL)
            found = super().run(vcpu, 1, until)
            if found.kind is not ExitKind.BUDGET:
                self._places.append(self._places[-1] + 4)
                break
            self._places.append(self._pc(vcpu))
        return found

    def _pc(self, vcpu: int) -> int:
        return int(self.machine.elements[vcpu].registers["PC"][0])
