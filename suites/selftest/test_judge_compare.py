"""Comparison under masks and choices, and what is said about a difference. Nothing is executed here."""

from __future__ import annotations

import msgspec
import pytest

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import DATA_REGION, STACK_POINTER, Case, Observe
from assay64.harness.cases.outcome import (
    Access,
    Difference,
    Exit,
    ExitKind,
    Fault,
    MemoryChange,
    Outcome,
    Permitted,
    Unknown,
    Verdict,
    VerdictKind,
)
from assay64.harness.cases.state import State
from assay64.harness.judge.compare import compare

BACKEND = Capabilities(name="b", version="1")
DATA = DATA_REGION[0]
CASE = Case(code=(0xAB020020,), states=(State.of(x1=-1, x2=1),))
ABORT = Exit(kind=ExitKind.DATA_ABORT, access=Access.READ, fault=Fault.TRANSLATION, address=0x5000)


def outcome(exit_: Exit | ExitKind = ExitKind.UNTIL, /, memory=(), **registers: int) -> Outcome:
    exit_ = exit_ if isinstance(exit_, Exit) else Exit(kind=exit_)
    state = State.of(**{"sp": STACK_POINTER, "pc": CASE.end, **registers})
    return Outcome(exits=(exit_,), states=(state,), memory=tuple(MemoryChange(*change) for change in memory))


def judge(
    *permitted: Outcome | Permitted, got: Outcome, case: Case = CASE, capabilities: Capabilities = BACKEND
) -> Verdict:
    sets = tuple(one if isinstance(one, Permitted) else Permitted(outcome=one) for one in permitted)
    return compare(case, sets, got, capabilities)


def only_difference(*permitted: Outcome | Permitted, got: Outcome, **more) -> Difference:
    verdict = judge(*permitted, got=got, **more)
    assert verdict.kind is VerdictKind.MISMATCH
    assert len(verdict.differences) == 1, verdict.differences
    return verdict.differences[0]


def test_equal_outcomes_match():
    assert judge(outcome(x0=1), got=outcome(x0=1)) == Verdict(kind=VerdictKind.MATCH)


@pytest.mark.parametrize(
    ("expected", "got", "difference"),
    [
        ({"nzcv": 6}, {"nzcv": 4}, Difference("nzcv", ".ZC.", ".Z..", "C differs")),
        ({"nzcv": 9}, {"nzcv": 4}, Difference("nzcv", "N..V", ".Z..", "N, Z and V differ")),
        ({"x0": 0xFFFF_0000_1234}, {"x0": 0}, Difference("x0", "0xffff_0000_1234", "0x0")),
        ({"x3": 1 << 63}, {}, Difference("x3", "0x8000_0000_0000_0000", "0x0", "bit 63 differs")),
        ({"x3": 3 << 62}, {}, Difference("x3", "0xc000_0000_0000_0000", "0x0", "the lower 32 bits agree")),
        ({"v7": 3 << 64}, {}, Difference("v7", "0x3_0000_0000_0000_0000", "0x0", "the lower 64 bits agree")),
        ({"fpsr": 0x10}, {"fpsr": 0x11}, Difference("fpsr", "0x10", "0x11", "IOC differs")),
        ({"fpcr": 3 << 22}, {}, Difference("fpcr", "0xc0_0000", "0x0", "RMode differs")),
        ({}, {"btype": 1}, Difference("btype", "0x0", "0x1", "bit 0 differs")),
        ({}, {"tpidr_el0": 6}, Difference("tpidr_el0", "0x0", "0x6")),
        ({}, {"pc": CASE.end + 12}, Difference("pc", "0x1000_0004", "0x1000_0010")),
        ({}, {"sp": STACK_POINTER + 0x30}, Difference("sp", "0x2000_8000", "0x2000_8030")),
    ],
)
def test_every_register_is_compared_and_its_difference_named(expected, got, difference):
    assert only_difference(outcome(**expected), got=outcome(**got)) == difference


def test_every_general_and_vector_register_is_compared():
    for name in [*(f"x{n}" for n in range(31)), *(f"v{n}" for n in range(32))]:
        assert only_difference(outcome(), got=outcome(ExitKind.UNTIL, (), **{name: 6})).field == name


def test_unknown_bits_are_not_compared_and_known_ones_are():
    permitted = Permitted(outcome=outcome(x1=0xF0), unknown=Unknown(registers=({"x1": 0x0F, "nzcv": 3},)))
    assert judge(permitted, got=outcome(x1=0xF7, nzcv=2)).kind is VerdictKind.MATCH
    assert only_difference(permitted, got=outcome(x1=0x77)).field == "x1"
    assert only_difference(permitted, got=outcome(x1=0xF0, nzcv=4)).field == "nzcv"


def test_what_the_case_ignores_is_not_compared():
    case = msgspec.structs.replace(CASE, observe=Observe(ignore=("x3", "memory", "exit.address")))
    got = outcome(msgspec.structs.replace(ABORT, address=0x6000), memory=[(DATA, "01")], x3=1)
    assert judge(outcome(ABORT), got=got, case=case).kind is VerdictKind.MATCH
    assert only_difference(outcome(ABORT), got=outcome(ABORT, x4=1), case=case).field == "x4"


def test_any_permitted_outcome_matches_and_the_nearest_explains():
    writes, does_nothing = outcome(x0=1, x1=2, x2=3), outcome()
    undefined = outcome(ExitKind.UNDEFINED, pc=CASE.code_address)
    for one in (writes, does_nothing, undefined):
        assert judge(writes, does_nothing, undefined, got=one).kind is VerdictKind.MATCH
    difference = only_difference(undefined, does_nothing, writes, got=outcome(x0=1, x1=2, x2=7))
    assert (difference.field, difference.expected) == ("x2", "0x3")


def test_exits_differ_in_kind_immediate_access_address_and_fault():
    svc = Exit(kind=ExitKind.SVC, immediate=1)
    assert only_difference(outcome(svc), got=outcome(ExitKind.BRK)) == Difference("exit", "svc #0x1", "brk #0x0")
    other = msgspec.structs.replace(svc, immediate=2)
    assert only_difference(outcome(svc), got=outcome(other)) == Difference("exit.immediate", "0x1", "0x2")
    for field, value in (("access", Access.WRITE), ("address", 0x5008), ("fault", Fault.PERMISSION)):
        got = outcome(msgspec.structs.replace(ABORT, **{field: value}))
        assert only_difference(outcome(ABORT), got=got).field == f"exit.{field}"
        unknown = Permitted(outcome=outcome(ABORT), unknown=Unknown(exit_fields=(frozenset({field}),)))
        assert judge(unknown, got=got).kind is VerdictKind.MATCH


def test_a_fault_kind_that_is_not_reported_is_not_compared():
    silent = Capabilities(name="b", version="1", reports_fault_kind=False)
    got = outcome(msgspec.structs.replace(ABORT, fault=Fault.PERMISSION))
    assert judge(outcome(ABORT), got=got, capabilities=silent).kind is VerdictKind.MATCH
    assert (
        judge(outcome(ABORT), got=outcome(msgspec.structs.replace(ABORT, fault=Fault.UNKNOWN))).kind
        is VerdictKind.MATCH
    )


def test_memory_is_compared_byte_by_byte_against_the_initial_contents():
    expected = outcome(memory=[(DATA, "0102"), (DATA + 2, "03")])
    assert judge(expected, got=outcome(memory=[(DATA, "010203")])).kind is VerdictKind.MATCH
    # A byte that is written with the value that it had is no change.
    assert judge(outcome(memory=[(DATA, "01000000")]), got=outcome(memory=[(DATA, "01")])).kind is VerdictKind.MATCH
    assert only_difference(expected, got=outcome(memory=[(DATA, "01ff03")])) == Difference(
        "memory 0x2000_0001", "02", "ff"
    )
    assert only_difference(expected, got=outcome()).remark == "was not written"
    stray = only_difference(outcome(), got=outcome(memory=[(DATA + 0x1000, "aabb")]))
    assert stray == Difference("memory 0x2000_1000", "00 00", "aa bb", "was not to be written")


def test_unknown_memory_is_not_compared():
    permitted = Permitted(outcome=outcome(), unknown=Unknown(memory=((DATA, 8),)))
    assert judge(permitted, got=outcome(memory=[(DATA + 7, "01")])).kind is VerdictKind.MATCH
    assert only_difference(permitted, got=outcome(memory=[(DATA + 7, "0102")])).field == "memory 0x2000_0008"
    anything = Permitted(outcome=outcome(), unknown=Unknown(all_memory=True))
    assert judge(anything, got=outcome(memory=[(DATA + 99, "01")])).kind is VerdictKind.MATCH


def test_declined_is_undefined_where_that_is_permitted_and_unsupported_elsewhere():
    at_start = {"pc": CASE.code_address}
    undefined, declined = outcome(ExitKind.UNDEFINED, **at_start), outcome(ExitKind.DECLINED, **at_start)
    assert judge(undefined, got=declined) == Verdict(kind=VerdictKind.MATCH, indistinct=True)
    verdict = judge(outcome(x0=1), got=declined)
    assert verdict == Verdict(kind=VerdictKind.UNSUPPORTED, detail="the backend declined the instruction")
    assert only_difference(undefined, got=outcome(ExitKind.DECLINED, x5=6, **at_start)).field == "x5"


def test_declining_a_word_that_is_undefined_hides_no_wrong_course():
    astray = outcome(ExitKind.DECLINED, pc=CASE.code_address + 0x100)  # zeros, which are UDF
    assert only_exit_of(judge(outcome(), got=astray)) == ("until", "undefined")


def test_declining_an_earlier_instruction_than_the_undefined_one_is_unsupported():
    code = (0x8B020020, 0x0000_0000)  # add x0, x1, x2; udf #0
    case = Case(code=code, states=(State(),))
    undefined = outcome(ExitKind.UNDEFINED, pc=CASE.code_address + 4)
    declined = outcome(ExitKind.DECLINED, pc=CASE.code_address)
    verdict = compare(case, (Permitted(outcome=undefined),), declined, BACKEND)
    assert verdict.kind is VerdictKind.UNSUPPORTED


def only_exit_of(verdict: Verdict) -> tuple[str, str]:
    assert verdict.kind is VerdictKind.MISMATCH
    return next((d.expected, d.got) for d in verdict.differences if d.field == "exit")


def test_unpredictable_is_undefined_only_where_arm_leaves_a_choice():
    at_start = {"pc": CASE.code_address}
    unpredictable = outcome(ExitKind.UNPREDICTABLE, **at_start)
    assert judge(outcome(ExitKind.UNDEFINED, **at_start), got=unpredictable).kind is VerdictKind.MATCH
    assert judge(outcome(), outcome(ExitKind.UNDEFINED, **at_start), got=unpredictable).kind is VerdictKind.MATCH
    verdict = judge(outcome(), got=unpredictable)
    assert (verdict.kind, verdict.differences[0]) == (
        VerdictKind.MISMATCH,
        Difference("exit", "until", "unpredictable"),
    )


def test_an_inexact_budget_is_unsupported_where_it_matters():
    inexact = Capabilities(name="b", version="1", exact_budget=False)
    spent = outcome(ExitKind.BUDGET)
    assert judge(spent, got=spent, capabilities=inexact).kind is VerdictKind.UNSUPPORTED
    assert judge(outcome(), got=outcome(), capabilities=inexact).kind is VerdictKind.MATCH


def test_several_vcpus_and_actions_are_told_apart():
    two = Case(code=CASE.code, states=(State(), State()))
    states = (State.of(sp=STACK_POINTER, pc=two.end), State.of(sp=STACK_POINTER, pc=two.end, x9=2))
    expected = Outcome(exits=(Exit(kind=ExitKind.SVC), Exit(kind=ExitKind.UNTIL)), states=states)
    got = Outcome(exits=(Exit(kind=ExitKind.SVC), Exit(kind=ExitKind.BUDGET)), states=(states[0], states[0]))
    verdict = compare(two, (Permitted(outcome=expected),), got, BACKEND)
    assert [difference.field for difference in verdict.differences] == ["exit1", "cpu1.x9"]
    fewer = Outcome(exits=expected.exits[:1], states=states[:1])
    fields = [d.field for d in compare(two, (Permitted(outcome=expected),), fewer, BACKEND).differences]
    assert fields == ["exits", "states"]
