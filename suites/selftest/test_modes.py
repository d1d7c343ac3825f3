"""Execution modes: they agree where nothing is wrong, and a backend that is wrong in one of them is found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay64.harness.backends.reference import BACKEND
from assay64.harness.cases.authoring import asm
from assay64.harness.cases.case import Case, Run
from assay64.harness.cases.sequences import Sequences
from assay64.harness.cases.state import State
from assay64.harness.judge import modes
from assay64.harness.judge.execute import Executor
from assay64.harness.judge.expected import Oracle
from assay64.harness.judge.shard import Settings, Shard
from assay64.harness.judge.triage import Failure
from assay64.harness.record.records import CheckRecord

FAKES = Path(__file__).with_name("mode_fakes.py")
EVERYWHERE = {modes.CACHED, modes.COLD, modes.STEPPED, modes.MIDDLE, modes.PAGE_END}


def variants(case: Case) -> dict[str, modes.Variant]:
    return {one.mode: one for one in modes.variants(case, Oracle().permitted(case)[0], BACKEND.capabilities())}


def code(text: str, **registers: int) -> Case:
    return Case(code=asm(text), states=(State.of(**registers),), actions=(Run(budget=256),))


def test_a_single_instruction_has_every_mode_but_that_of_two_pages() -> None:
    assert set(variants(code("add x0, x1, x2"))) == EVERYWHERE


def test_a_sequence_ends_at_the_end_of_the_last_page_and_begins_before_another() -> None:
    found = variants(code("add x0, x1, x2\nadd x0, x0, x2\nadd x0, x0, x2\nadd x0, x0, x2"))
    assert found[modes.PAGE_END].case.end % 0x1_0000 == 0
    across = found[modes.ACROSS_PAGES].case
    assert across.code_address % 0x1000 == 0xFF8
    assert across.end % 0x1000 == 8


def test_a_loop_is_stepped_as_often_as_it_runs() -> None:
    looping = code("sub x0, x0, #1\ncbnz x0, . - 4", x0=3)
    stepped = variants(looping)[modes.STEPPED].case
    assert len(stepped.actions) >= 6
    outcome = Executor(BACKEND).execute(stepped)
    assert modes.agree(looping, Executor(BACKEND).execute(looping), variants(looping)[modes.STEPPED], outcome)


@pytest.mark.parametrize("text", ["svc #1", "add x0, x0, #1\nbrk #2", "add x0, x0, #1\n.inst 0", "ldr x0, [x1]"])
def test_an_exception_is_the_same_step_by_step(text: str) -> None:
    case = code(text)
    variant = variants(case)[modes.STEPPED]
    executor = Executor(BACKEND)
    assert modes.agree(case, executor.execute(case), variant, executor.execute(variant.case))


def test_a_run_that_leaves_its_code_is_not_padded() -> None:
    assert set(variants(code("br x1", x1=0x1000_0100))) == {modes.CACHED, modes.COLD}


def test_other_scripts_have_no_modes() -> None:
    case = code("add x0, x1, x2")
    assert list(modes.variants(case, Oracle().permitted(case)[0], BACKEND.capabilities()))
    twice = Case(code=case.code, actions=(Run(), Run()))
    assert list(modes.variants(twice, Oracle().permitted(twice)[0], BACKEND.capabilities())) == []


def test_the_reference_agrees_with_itself_in_every_mode_or_its_permitted_outcomes_say_why() -> None:
    executor, oracle, compared = Executor(BACKEND), Oracle(), 0
    for case in Sequences(4, states=1, shared=frozenset()).cases(40):
        permitted = oracle.permitted(case)
        for variant in modes.variants(case, permitted[0], BACKEND.capabilities()):
            outcome = executor.execute(variant.case)
            if len(permitted) == 1 and variant.mode not in modes.ELSEWHERE and not permitted[0].unknown.registers:
                assert modes.agree(case, executor.execute(case), variant, outcome), variant.mode
                compared += 1
    assert compared > 100


def test_a_difference_is_no_agreement() -> None:
    case = code("add x0, x1, x2", x1=1)
    other = code("add x0, x1, x2", x1=2)
    executor = Executor(BACKEND)
    variant = modes.Variant(modes.CACHED, other)
    assert not modes.agree(case, executor.execute(case), variant, executor.execute(other))


class Journal:
    def __init__(self) -> None:
        self.records: list[CheckRecord] = []

    def check(self, record: CheckRecord, number: int | None = None) -> None:
        self.records.append(record)


def found_by(fake: str, journal: Journal | None = None, **settings: Any) -> list[Failure]:
    options = Settings(seed=1, backends=(f"{FAKES}:{fake}",), directory="", cases=24, only=("EOR",), **settings)
    shard = Shard(options, 0, journal or Journal())
    try:
        return [failure for report in shard.run(lambda: False) for failure in report.failures]
    finally:
        shard.close()


def test_a_wrong_single_step_is_a_finding_of_its_mode() -> None:
    journal = Journal()
    found = found_by("WRONG_STEP", journal, lengths=(1,))
    assert found
    assert {failure.modes for failure in found} == {(modes.STEPPED,)}
    noted = [record for record in journal.records if record.group == "Execution modes"]
    assert len(noted) >= len(found)
    assert all(modes.STEPPED in record.cause for record in noted)


def test_what_goes_wrong_in_cached_code_alone_is_a_finding_of_modes() -> None:
    found = found_by("WRONG_CACHED", lengths=(1,))
    assert found
    assert all(failure.modes for failure in found)
    assert not any(modes.COLD in failure.modes for failure in found)


def test_without_modes_nothing_is_found() -> None:
    assert found_by("WRONG_STEP", lengths=(1,), modes=False) == []
