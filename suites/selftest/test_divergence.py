"""The instruction that diverges first, found in time: also in a loop, of a backend that counts no instructions, where
Arm leaves a choice, and in a script of steps.
"""

from __future__ import annotations

import msgspec
import pytest

from assay64.harness.backends.reference import BACKEND
from assay64.harness.cases.authoring import asm
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import DEFAULT_REGIONS, Case, Run, Step
from assay64.harness.cases.outcome import Difference, Permitted, Verdict
from assay64.harness.cases.state import State
from assay64.harness.judge.divergence import first_divergence, of_the_last
from assay64.harness.judge.execute import Executor
from assay64.harness.judge.expected import Oracle

# The third round's ADD is wrong; of four.
LOOP = asm("back: add x3, x3, #1\n eor x5, x5, x3\n subs x4, x4, #1\n b.ne back")
CASE = Case(code=LOOP, states=(State.of(x4=4),))


class Asked:
    """A judge for which a case fails that brings x3 to 3 in one of the ways that Arm permits."""

    def __init__(self, *, exact_budget: bool = True) -> None:
        self._capabilities = Capabilities(name="asked", version="1", exact_budget=exact_budget)
        self._oracle = Oracle()

    def fails(self, case: Case, backend: str) -> bool:
        return any(one.outcome.states[0].general.x.get(3, 0) >= 3 for one in self._oracle.permitted(case))

    def expected(self, case: Case) -> tuple[Permitted, ...] | Verdict:
        return self._oracle.permitted(case)

    def capabilities(self, backend: str) -> Capabilities:
        return self._capabilities

    def diverging(self, case: Case, backend: str) -> Case | None:
        return case


def rounds(case: Case) -> tuple[int, int]:
    """x3 and x4 after ``case``: how many rounds began and how many are left."""
    registers = Executor(BACKEND).execute(case).states[0].general.x
    return registers.get(3, 0), registers.get(4, 0)


@pytest.mark.parametrize("exact_budget", [True, False])
def test_in_a_loop_the_round_that_fails_is_found(exact_budget: bool) -> None:
    by_place, in_time = first_divergence(CASE, "", Asked(exact_budget=exact_budget))
    assert by_place.word == LOOP[-1]
    assert in_time.word == LOOP[0]
    assert rounds(in_time.case) == (3, 2)
    assert len(in_time.case.actions) == (1 if exact_budget else 9)


def test_in_steps_the_one_that_fails_is_found() -> None:
    (cut,) = first_divergence(msgspec.structs.replace(CASE, actions=(Step(),) * 16), "", Asked())
    assert cut.word == LOOP[0]
    assert cut.case.actions == (Step(),) * 9


def test_every_way_that_arm_permits_is_followed() -> None:
    # Without a reservation STXR to an address that is not aligned may take the fault, or say that it has not stored.
    code = asm("stxr w9, x8, [x2]\n back: add x3, x3, #1\n subs x4, x4, #1\n b.ne back")
    case = Case(code=code, states=(State.of(x2=DEFAULT_REGIONS[1].address + 1, x4=4),))
    found = list(first_divergence(case, "", Asked(exact_budget=False)))
    assert len(Oracle().permitted(case)) > 1
    assert found[-1].word == code[1]
    assert len(found[-1].case.actions) == 8


def test_nothing_is_cut_from_a_case_that_brings_its_outcomes_or_never_fails() -> None:
    brings = msgspec.structs.replace(CASE, permitted=Oracle().permitted(CASE))
    assert list(first_divergence(brings, "", Asked())) == []
    right = msgspec.structs.replace(CASE, states=(State.of(x4=2),))
    assert len(list(first_divergence(right, "", Asked(exact_budget=False)))) == 1  # what ``diverging`` gives
    run = msgspec.structs.replace(CASE, actions=(Run(), Step()))
    assert len(list(first_divergence(run, "", Asked()))) == 1


def test_the_last_of_several_exits_reads_as_the_only_one() -> None:
    found = of_the_last([Difference(name, "a", "b") for name in ("exit2", "exit2.address", "exit1", "exits", "x1")], 3)
    assert [one.field for one in found] == ["exit", "exit.address", "exit1", "exits", "x1"]
    assert of_the_last([Difference("exit", "svc", "step")], 1) == (Difference("exit", "svc", "budget"),)
