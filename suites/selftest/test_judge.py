"""From a case to a verdict, with worker processes and a stand-in for the reference: the interpreter without faults."""

from __future__ import annotations

import msgspec
import pytest

from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.case import Case
from assay64.harness.cases.outcome import Difference, Permitted, VerdictKind
from assay64.harness.cases.state import State
from assay64.harness.errors import UsageError
from assay64.harness.judge.deviations import Deviation
from assay64.harness.judge.execute import Executor
from assay64.harness.judge.judge import Judge
from assay64.suites.selftest.judge_backends import CRASH, HANG, MODULE, Tiny, add, adds, movz, str_

WRONG_CARRY, ROGUE = f"{MODULE}:WrongCarry", f"{MODULE}:Rogue"
CARRIES = Case(code=(adds(0, 1, 2),), states=(State.of(x1=-1, x2=1),))
KNOWN = Deviation(
    id="adds-carry",
    title="no carry",
    reason="truncated",
    evidence="ab020020:x1=-1,x2=1",
    instructions=("ADDS",),
    fields=("nzcv",),
)


class Reference:
    """Supplies the interpreter's outcome, and counts how often it is asked."""

    def __init__(self) -> None:
        self.executor = Executor(Tiny())
        self.asked = 0

    def __call__(self, case: Case) -> tuple[Permitted, ...]:
        self.asked += 1
        if case.name == "fault":
            raise ZeroDivisionError("in the specification")
        if case.name == "lacks":
            raise Unsupported("no FEAT_SME")
        return (Permitted(outcome=self.executor.execute(case)),)


@pytest.fixture
def reference() -> Reference:
    return Reference()


def test_a_wrong_flag_is_a_mismatch_and_a_right_backend_matches(reference):
    with Judge(reference=reference) as judge:
        verdict = judge.judge(CARRIES, WRONG_CARRY)
        assert verdict.kind is VerdictKind.MISMATCH
        assert verdict.differences == (Difference("nzcv", ".ZC.", ".Z..", "C differs"),)
        assert judge.judge(CARRIES, f"{MODULE}:Tiny").kind is VerdictKind.MATCH
    assert reference.asked == 1  # the second backend was held against the same permitted outcomes


def test_a_crash_and_a_hang_leave_all_other_verdicts(reference):
    cases = [Case(code=(add(0, 1, 2),), states=(State.of(x1=n),)) for n in range(100)]
    cases[10] = Case(code=(CRASH,))
    cases[80] = Case(code=(HANG,))
    with Judge(reference=reference, timeout_s=0.5) as judge:
        verdicts = list(judge.judge_many(cases, ROGUE))
    assert [case for case, _ in verdicts] == cases
    kinds = [verdict.kind for _, verdict in verdicts]
    assert (kinds.pop(80), kinds.pop(10)) == (VerdictKind.HANG, VerdictKind.CRASH)
    assert kinds == [VerdictKind.MATCH] * 98
    assert verdicts[10][1].detail == "SIGSEGV: tiny: assertion failed: code_buffer != 0"
    assert verdicts[80][1].detail == "no end within 0.5 s; the budget was 1000 instructions"


def test_a_failing_sequence_shrinks_to_the_instruction(reference):
    code = (movz(5, 9), movz(6, 7), adds(0, 1, 2), add(3, 5, 6), str_(3, 31))
    case = Case(code=code, states=(State.of(**{f"x{n}": (1 << 64) - n for n in range(1, 31)}),))
    with Judge(reference=reference) as judge:
        verdict = judge.judge(case, WRONG_CARRY)
        small = judge.shrink(case, verdict, WRONG_CARRY)
        assert judge.judge(small, WRONG_CARRY).kind is VerdictKind.MISMATCH
        cut = judge.diverging(case, WRONG_CARRY)
    assert small.code == (adds(0, 1, 2),)
    assert {name for name, _ in small.states[0].registers()} == {"x1", "x2"}
    assert cut is not None
    assert cut.code == code[:3]


def test_a_known_deviation_explains_the_sequence_that_it_begins(reference):
    known = {WRONG_CARRY: (KNOWN,)}
    sequence = msgspec.structs.replace(CARRIES, code=(movz(5, 1), adds(0, 1, 2), add(4, 5, 5)))
    own = msgspec.structs.replace(sequence, permitted=reference(sequence))
    with Judge(reference=reference, deviations=known) as judge:
        for case in (CARRIES, own, sequence):
            verdict = judge.judge(case, WRONG_CARRY)
            assert (verdict.kind, verdict.deviation) == (VerdictKind.KNOWN_DEVIATION, "adds-carry")
        assert "diverges first" in verdict.detail
        assert judge.shrink(sequence, verdict, WRONG_CARRY).code == (adds(0, 1, 2),)


def test_what_the_reference_cannot_say_is_never_a_match(reference):
    with Judge(reference=reference) as judge:
        fault = judge.judge(msgspec.structs.replace(CARRIES, name="fault"), WRONG_CARRY)
        lacks = judge.judge(msgspec.structs.replace(CARRIES, name="lacks"), WRONG_CARRY)
    assert (fault.kind, fault.detail) == (VerdictKind.ERROR, "the reference: ZeroDivisionError: in the specification")
    assert (lacks.kind, lacks.detail) == (VerdictKind.UNSUPPORTED, "the reference: no FEAT_SME")


def test_a_case_with_its_own_outcomes_needs_no_reference(reference):
    outcome = Executor(Tiny()).execute(CARRIES)
    case = msgspec.structs.replace(CARRIES, permitted=(Permitted(outcome=outcome),))
    with Judge(reference=reference) as judge:
        assert judge.judge(case, f"{MODULE}:Tiny").kind is VerdictKind.MATCH
        assert judge.judge(case, WRONG_CARRY).kind is VerdictKind.MISMATCH
    assert reference.asked == 0


def test_what_the_backend_lacks_is_unsupported(reference):
    with Judge(reference=reference) as judge:
        verdict = judge.judge(msgspec.structs.replace(CARRIES, requires=("FEAT_SVE",)), WRONG_CARRY)
        declined = judge.judge(Case(code=(0xD65F03C0,)), WRONG_CARRY)
        assert judge.capabilities(WRONG_CARRY).name == "tiny"
    assert (verdict.kind, verdict.detail) == (VerdictKind.UNSUPPORTED, "tiny does not have FEAT_SVE")
    assert declined.kind is VerdictKind.MATCH  # the stand-in declines it as well


def test_a_misspelt_backend_ends_before_the_first_case(reference):
    with Judge(reference=reference) as judge, pytest.raises(UsageError, match="did you mean dynarmic"):
        next(judge.judge_many([CARRIES], "dynramic"))


def test_the_real_reference_finds_the_wrong_carry():
    with Judge() as judge:
        assert judge.judge(CARRIES, f"{MODULE}:Tiny").kind is VerdictKind.MATCH
        assert [d.field for d in judge.judge(CARRIES, WRONG_CARRY).differences] == ["nzcv"]
