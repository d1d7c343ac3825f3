"""Execution modes: the same case run in ways that must not matter, and what to say when they do.

A JIT translates a block as a whole, alone or inside a longer one, now or long ago. The modes of a case differ in that
and in nothing that the guest sees, so their outcomes agree but for the PC's distance from the code. This module makes
the cases of the modes and compares outcomes; it runs nothing and knows no known deviations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from assay64.harness.backends.contract import Instance
from assay64.harness.backends.reference import ReferenceBackend, ReferenceInstance
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import CODE_REGION, PAGE_SIZE, AnyAction, Case, NotifyCode, Run, Step
from assay64.harness.cases.outcome import Exit, ExitKind, Outcome, Permitted
from assay64.harness.cases.sequences import BRANCHES
from assay64.harness.cases.state import General
from assay64.harness.judge.execute import Executor
from assay64.harness.judge.instructions import NOP, instruction

ONE_BLOCK = "as one block"
STEPPED = "single-stepped"
MIDDLE = "in the middle of a block"
PAGE_END = "at a page's end"
ACROSS_PAGES = "across two pages"
COLD = "translated anew"
CACHED = "run again"
UNOPTIMISED = "optimiser off"

ELSEWHERE = frozenset({PAGE_END, ACROSS_PAGES})  # the code has another address
PADDING = 8  # NOPs on either side
# Runs that end otherwise than by an exception, in whatever way the mode counts.
RAN = frozenset({ExitKind.UNTIL, ExitKind.STEP, ExitKind.BUDGET})
# Their preferred return address is behind the instruction.
AFTER = frozenset({ExitKind.SVC, ExitKind.HVC, ExitKind.SMC, ExitKind.WAIT})
MAX_STEPS = 512


@dataclass(frozen=True)
class Variant:
    """``case`` is the original in another mode, with ``before`` words in front of it.

    ``unoptimised``: on the backend without its optimiser.
    """

    mode: str
    case: Case
    unoptimised: bool = False
    before: int = 0


def variants(case: Case, permitted: Permitted, capabilities: Capabilities) -> Iterator[Variant]:
    """The modes of a case with one run, of which the reference permits ``permitted`` (any of several outcomes).

    Nothing for other scripts, and fewer modes for a run that leaves its code or spends its budget: padding would be
    executed there, and steps have no end.
    """
    run = only_run(case)
    if run is None:
        return
    yield Variant(CACHED, case)
    if "notify_code" in capabilities.actions:
        notify = NotifyCode(address=case.code_address, size=4 * len(case.code))
        yield Variant(COLD, msgspec.structs.replace(case, actions=(notify, run)))
    if capabilities.optimiser_off:
        yield Variant(UNOPTIMISED, case, unoptimised=True)
    pc, kind = permitted.outcome.states[0].general.pc, permitted.outcome.exits[0].kind
    if kind is ExitKind.BUDGET or pc is None or not case.code_address <= pc <= case.end:
        return
    steps = _steps(case, pc, kind, capabilities)
    if 0 < len(steps) <= MAX_STEPS:
        yield Variant(STEPPED, msgspec.structs.replace(case, actions=steps))
    padded = (NOP,) * PADDING
    yield Variant(
        MIDDLE,
        msgspec.structs.replace(
            case, code=(*padded, *case.code, *padded), code_address=case.code_address - 4 * PADDING
        ),
        before=PADDING,
    )
    # No page is mapped behind the region.
    end = CODE_REGION[0] + CODE_REGION[1]
    yield Variant(PAGE_END, msgspec.structs.replace(case, code_address=end - 4 * len(case.code)))
    if len(case.code) > 1:
        first = len(case.code) // 2
        yield Variant(ACROSS_PAGES, msgspec.structs.replace(case, code_address=end - PAGE_SIZE - 4 * first))


def only_run(case: Case) -> Run | None:
    """The run of a case that its modes can be made of: its only action, from the first word to the end."""
    run = case.actions[0] if len(case.actions) == 1 else None
    plain = isinstance(run, Run) and run.until is None and len(case.states) == 1 and case.permitted is None
    return run if plain and isinstance(run, Run) and case.code and case.states[0].general.pc is None else None


def agree(case: Case, outcome: Outcome, variant: Variant, other: Outcome) -> bool:
    """Whether both outcomes are the same but for where the code is and how the run was counted.

    Registers that hold an address of the code differ rightly: whoever finds two outcomes that disagree has to ask the
    reference before it says so.
    """
    if outcome == other:
        return True
    if not outcome.exits or not other.exits or outcome.memory != other.memory:
        return False
    one, two = outcome.exits[-1], other.exits[-1]
    if one != two and not (one.kind in RAN and two.kind in RAN):
        return False
    general, others = outcome.states[0].general, other.states[0].general
    if (general.x, general.sp, general.nzcv) != (others.x, others.sp, others.nzcv):
        return False
    if outcome.states[0].simd != other.states[0].simd or outcome.states[0].system != other.states[0].system:
        return False
    origin = variant.case.code_address + 4 * variant.before
    return _place(case, one, general, case.code_address) == _place(variant.case, two, others, origin)


def _place(case: Case, last: Exit, general: General, origin: int) -> int | None:
    """Where a run ended, seen from the code's first word; None for its end."""
    pc = general.pc or 0
    return None if last.kind in RAN and pc == case.end else pc - origin


def _steps(case: Case, pc: int, kind: ExitKind, capabilities: Capabilities) -> tuple[AnyAction, ...]:
    """An action for each instruction of the run, the one that takes an exception included."""
    behind = kind in RAN or kind in AFTER
    step = Step() if "step" in capabilities.actions else Run(budget=1)
    if not any(instruction(word).name in BRANCHES for word in case.code):
        return (step,) * ((pc - case.code_address) // 4 + (not behind))
    # Golden counts what it completed. A run of one instruction does nothing at the end of the code: a backend that has
    # gone another way there is not made to step beyond it.
    count = executed(case)
    return (Run(budget=1),) * (2 * count) if kind in RAN else (step,) * (count + 1)


def executed(case: Case) -> int:
    """How many instructions the reference completes."""
    counted = list[int]()

    def count(instance: Instance) -> None:
        assert isinstance(instance, ReferenceInstance)
        counted.append(instance.machine.elements[0].executed)

    Executor(ReferenceBackend(), kept_instances=0).execute(case, inspect=count)
    return counted[0]
