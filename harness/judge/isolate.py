"""Finds the instruction of a sequence that goes wrong, and makes it a case of its own with the state that it met.

That is most of shrinking, at the price of a bisection. It asks a judge and knows no backend.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from assay64.harness.cases.case import CODE_ADDRESS, Case, Region, Run
from assay64.harness.cases.outcome import MemoryChange, Permitted, Verdict, VerdictKind
from assay64.harness.judge.modes import RAN, executed, only_run

WRONG = (VerdictKind.MISMATCH, VerdictKind.CRASH, VerdictKind.HANG)


class Asked(Protocol):
    """What is needed of ``judge.Judge``."""

    def judge(self, case: Case, backend: str) -> Verdict: ...

    def raw(self, case: Case, backend: str) -> Verdict: ...

    def expected(self, case: Case) -> tuple[Permitted, ...] | Verdict: ...

    def diverging(self, case: Case, backend: str) -> Case | None: ...


def settle(case: Case, verdict: Verdict, backend: str, judge: Asked) -> tuple[Verdict, Case]:
    """``verdict`` of a sequence that fails, now with what is known of its instruction that fails first; and ``case``
    made small.
    """
    small = isolate(case, backend, judge)
    alone = judge.judge(small, backend)
    if alone.kind is VerdictKind.KNOWN_DEVIATION:
        return msgspec.structs.replace(verdict, kind=alone.kind, deviation=alone.deviation, detail=alone.detail), small
    if alone.kind not in WRONG:  # it does not fail every time, or where the judge looks more closely
        return judge.judge(case, backend), small
    return verdict, small


def isolate(case: Case, backend: str, judge: Asked) -> Case:
    """The first instruction of ``case`` that fails on ``backend``, alone; else the code cut behind it; else ``case``.

    ``case`` fails. What only shows in its place, such as a block translated as a whole, keeps what precedes it.
    """
    run = only_run(case)
    if run is None or len(case.code) == 1:
        return case
    found = _alone(case, run, backend, judge)
    if found is not None:
        return found
    cut = judge.diverging(case, backend)
    return cut if cut is not None and judge.judge(cut, backend).kind in WRONG else case


def _alone(case: Case, run: Run, backend: str, judge: Asked) -> Case | None:
    def after(instructions: int) -> Case:
        return msgspec.structs.replace(case, actions=(msgspec.structs.replace(run, budget=instructions),))

    right, wrong = 0, min(run.budget, executed(case) + 1)
    if judge.raw(after(wrong), backend).kind in WRONG:
        while wrong - right > 1:
            middle = (right + wrong) // 2
            if judge.raw(after(middle), backend).kind in WRONG:
                wrong = middle
            else:
                right = middle
    else:  # it shows at the end alone, or the backend counts no instructions: by place instead of by time
        cut = judge.diverging(case, backend)
        expected = None if cut is None else judge.expected(cut)
        if cut is None or expected is None or isinstance(expected, Verdict):
            return None
        right = executed(cut) - (expected[0].outcome.exits[0].kind in RAN)
    if not right:
        state, changed = case.states[0], tuple[MemoryChange, ...]()
        where = case.code_address
    else:
        expected = judge.expected(after(right))
        if isinstance(expected, Verdict) or len(expected) != 1 or expected[0].unknown.registers:
            return None
        outcome = expected[0].outcome
        state, changed = outcome.states[0], outcome.memory
        where = state.general.pc or 0
    index, within = divmod(where - case.code_address, 4)
    if within or not 0 <= index < len(case.code):
        return None
    registers = dict(state.registers())
    registers.pop("pc", None)
    registers.pop("mode", None)
    alone = msgspec.structs.replace(
        case,
        code=(case.code[index],),
        code_address=where,
        states=(type(state).of(**registers),),
        regions=tuple(_with(region, changed) for region in case.regions),
    )
    for candidate in (msgspec.structs.replace(alone, code_address=CODE_ADDRESS), alone):
        # Alone it may be a known deviation: that it is no news only shows now.
        if judge.raw(candidate, backend).kind in WRONG:
            return candidate
    return None


def _with(region: Region, changed: tuple[MemoryChange, ...]) -> Region:
    inside = tuple(
        (change.address - region.address, change.bytes)
        for change in changed
        if region.address <= change.address < region.address + region.size
    )
    return msgspec.structs.replace(region, contents=(*region.contents, *inside)) if inside else region
