"""Making failures small: the instruction of a sequence that goes wrong, alone; few bytes, features and registers."""

from __future__ import annotations

import msgspec

from assay64.harness.backends.reference import BACKEND
from assay64.harness.cases.authoring import asm
from assay64.harness.cases.case import CODE_ADDRESS, DEFAULT_REGIONS, Case, Environment, Run
from assay64.harness.cases.outcome import Difference, Permitted, Verdict, VerdictKind
from assay64.harness.cases.state import State
from assay64.harness.judge.execute import Executor
from assay64.harness.judge.expected import Oracle
from assay64.harness.judge.isolate import isolate
from assay64.harness.judge.modes import executed
from assay64.harness.judge.shrink import shrink

DATA = DEFAULT_REGIONS[1].address
WRONG = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference("x0", "0x1", "0x2"),))
RIGHT = Verdict(kind=VerdictKind.MATCH)


class Asked:
    """A judge for which a case fails when it executes ``bad``; ``together``: only behind another instruction."""

    def __init__(self, bad: int, *, together: bool = False) -> None:
        self.bad, self.together = bad, together
        self.oracle = Oracle()

    def judge(self, case: Case, backend: str) -> Verdict:
        place = case.code.index(self.bad) if self.bad in case.code else len(case.code)
        reached = executed(case) > place and not (self.together and place == 0)
        return WRONG if reached else RIGHT

    raw = judge

    def expected(self, case: Case) -> tuple[Permitted, ...] | Verdict:
        return self.oracle.permitted(case)

    def diverging(self, case: Case, backend: str) -> Case | None:
        return msgspec.structs.replace(case, code=case.code[: case.code.index(self.bad) + 1])


BAD = asm("eor x3, x3, x4")[0]
LINES = [*["add x3, x3, #1"] * 12, "str x3, [x2]", "eor x3, x3, x4", *["add x5, x5, #1"] * 12]
SEQUENCE = Case(code=asm("\n".join(LINES)), states=(State.of(x2=DATA + 0x100, x4=5),), actions=(Run(budget=256),))


def test_the_instruction_that_fails_stands_alone_with_the_state_that_it_met() -> None:
    alone = isolate(SEQUENCE, "", Asked(BAD))
    assert alone.code == (BAD,)
    assert alone.code_address == CODE_ADDRESS
    assert alone.states[0].general.x[3] == 12
    assert alone.regions[1].contents == ((0x100, "0c"),)
    assert Executor(BACKEND).execute(alone).states[0].general.x[3] == 12 ^ 5


def test_what_fails_only_behind_others_keeps_them() -> None:
    cut = isolate(SEQUENCE, "", Asked(BAD, together=True))
    assert cut.code == SEQUENCE.code[: SEQUENCE.code.index(BAD) + 1]


def test_in_a_loop_the_round_that_fails_is_found() -> None:
    executor = Executor(BACKEND)

    class ThirdRound(Asked):
        def judge(self, case: Case, backend: str) -> Verdict:
            counted = executor.execute(case).states[0].general.x.get(3, 0)
            return WRONG if self.bad in case.code and counted > 2 else RIGHT

        raw = judge

    step = asm("add x3, x3, #1")[0]
    looping = Case(code=asm("add x3, x3, #1\nsub x0, x0, #1\ncbnz x0, . - 8"), states=(State.of(x0=5),))
    alone = isolate(looping, "", ThirdRound(step))
    assert alone.code == (step,)
    assert alone.states[0].general.x == {0: 3, 3: 2}


def test_of_filled_memory_the_bytes_that_matter_stay() -> None:
    filled = msgspec.structs.replace(DEFAULT_REGIONS[1], fill=3)
    case = Case(code=asm("ldr x0, [x1]"), states=(State.of(x1=DATA + 0x8008),), regions=(DEFAULT_REGIONS[0], filled))
    executor = Executor(BACKEND)
    wanted = executor.execute(case).states[0].general.x[0] >> 56

    def still_fails(smaller: Case) -> bool:
        return executor.execute(smaller).states[0].general.x.get(0, 0) >> 56 == wanted

    assert wanted
    small = shrink(case, still_fails)
    assert small.regions[1].fill is None
    ((offset, data),) = small.regions[1].contents
    assert (offset, data) == (0x800F, f"{wanted:02x}")


def test_code_that_reads_the_words_around_it_reads_data_instead() -> None:
    case = Case(code=asm("nop\nnop\nnop\nldp x0, x2, [x1]"), states=(State.of(x1=CODE_ADDRESS),))
    executor = Executor(BACKEND)

    def still_fails(smaller: Case) -> bool:
        x = executor.execute(smaller).states[0].general.x
        return 0 < x.get(0, 0) != x.get(2, 0) > 0

    small = shrink(case, still_fails)
    assert small.code == asm("ldp x0, x2, [x1]")
    assert small.states[0].general.x[1] in range(DATA, DATA + 0x10000)


def test_the_features_that_do_not_matter_go() -> None:
    model = "cortex-a57+FEAT_DotProd+FEAT_FP16+FEAT_LSE"
    case = Case(
        code=asm("nop"),
        environment=Environment(model=model),
        requires=("FEAT_FP16", "FEAT_LSE"),
        actions=(Run(budget=9),),
    )
    small = shrink(case, lambda one: "FEAT_LSE" in one.environment.model)
    assert small.environment.model == "cortex-a57+FEAT_LSE"
    assert small.requires == ("FEAT_LSE",)
    assert small.actions == (Run(),)
