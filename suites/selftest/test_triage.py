"""Triage: what differences look like, and which instructions fail for the same reason."""

from __future__ import annotations

import pytest

from assay64.harness.cases.case import Case
from assay64.harness.cases.outcome import Difference, Verdict, VerdictKind
from assay64.harness.judge.culprit import Failing, Passing, cluster, suspicious
from assay64.harness.judge.expected import Oracle
from assay64.harness.judge.spectra import spectrum
from assay64.harness.judge.symptoms import Values, pattern, symptom
from assay64.suites.selftest.judge_backends import adds

FADD_S = 0x1E222820  # fadd s0, s1, s2
ABORT_TO_SVC = "exit: data_abort read (alignment) -> svc"
LDR_POST = 0xF8408420  # ldr x0, [x1], #8
LDXP = 0xC87F0840  # ldxp x0, x2, [x2]


@pytest.mark.parametrize(
    ("expected", "got", "width", "wanted"),
    [
        (5, 6, 64, "by one"),
        (1 << 63, 0, 64, "sign"),
        (0x1_0000_0001, 0x0000_0001, 64, "upper half"),
        (0x7F, 0x12, 64, "saturation"),
        (0x1234, 0, 64, "zero"),
        (0x0102_0304_0506_0708, 0x0807_0605_0403_0201, 64, "order"),
        (0x1234_5678_0000_1111, 0x9ABC_DEF0_1357_2468, 64, "value"),
    ],
)
def test_patterns_of_values(expected: int, got: int, width: int, wanted: str) -> None:
    assert pattern(Values(expected, got, width)) == wanted


def test_a_nan_is_one_in_the_size_of_the_result_alone() -> None:
    nan, quiet = 0x7FC0_0000, 0xFFC0_0000
    assert pattern(Values(nan, quiet, 128), 32) == "NaN"
    assert pattern(Values(nan, quiet, 128), 64) != "NaN"
    assert pattern(Values(0x3F80_7D01, 0x3F80_7D02, 128), 32) == "by one"


def mismatch(*differences: Difference) -> Verdict:
    return Verdict(kind=VerdictKind.MISMATCH, differences=differences)


@pytest.mark.parametrize(
    ("word", "difference", "wanted"),
    [
        (adds(0, 1, 2), Difference("nzcv", ".ZC.", "NZ..", "N and C differ"), "flags: NC"),
        (FADD_S, Difference("fpsr", "0x10", "0x0", "IXC differs"), "FPSR: IXC"),
        (LDR_POST, Difference("x1", "0x10", "0x8", ""), "base: value"),
        (LDXP, Difference("x2", "0x10", "0x8", ""), "register: value"),  # no write-back
        (LDR_POST, Difference("exit", "data_abort read 0x5 (alignment)", "svc #1"), ABORT_TO_SVC),
        (LDR_POST, Difference("exit.address", "0x5", "0x6", ""), "exit detail: address"),
        (FADD_S, Difference("v0", "0x7fc0_0000", "0xffc0_0000", ""), "vector: NaN"),
    ],
)  # fmt: skip
def test_symptoms(word: int, difference: Difference, wanted: str) -> None:
    assert str(symptom(mismatch(difference), word)) == wanted


def test_what_follows_from_a_wrong_exit_is_not_the_symptom() -> None:
    verdict = mismatch(Difference("x0", "0x1", "0x2"), Difference("exit", "undefined", "until"))
    assert symptom(verdict, LDR_POST).kind == "exit"


SHARED, OTHER, OWN_A, OWN_B = (("shared (p.py)", 0), ("other (p.py)", 0), ("a (s.py)", 0), ("b (s.py)", 0))
ELSEWHERE, FURTHER = ("b (t.py)", 0), ("c (u.py)", 0)


def failing(name: str, count: int, *places: tuple[str, int]) -> Failing:
    return Failing((name, name.upper()), count, [frozenset(places)] * 3)


def passing(count: int, *places: tuple[str, int]) -> Passing:
    return Passing(count, [frozenset(places)] * 3, {"register"})


def test_instructions_that_share_a_wrong_function_are_one_cluster() -> None:
    items = [failing("a", 10, SHARED, OTHER, OWN_A), failing("b", 10, SHARED, OTHER, OWN_B)]
    others = {("c", "C"): passing(100, OTHER), ("a", "A"): passing(5, SHARED, OTHER, OWN_A)}
    ((place, members),) = cluster(items, others, "register")
    assert place == SHARED
    assert members == items


def test_instructions_that_share_only_what_others_pass_through_are_two() -> None:
    items = [failing("a", 10, OTHER, OWN_A), failing("b", 10, OTHER, OWN_B)]
    others = {(name, name.upper()): passing(100, OTHER) for name in "cdef"}
    found = cluster(items, others, "register")
    assert [place for place, _ in found] == [None, None]
    assert suspicious([items[0]], others) == OWN_A


def test_two_instructions_of_different_files_may_share_a_function_by_chance_and_three_do_not() -> None:
    two = [failing("a", 10, SHARED, OWN_A), failing("b", 10, SHARED, ELSEWHERE)]
    assert [place for place, _ in cluster(two, {}, "register")] == [None, None]
    three = [*two, failing("c", 10, SHARED, FURTHER)]
    assert [place for place, _ in cluster(three, {}, "register")] == [SHARED]


def test_an_instruction_that_never_changes_what_differs_is_no_evidence() -> None:
    items = [failing("a", 10, SHARED, OWN_A), failing("b", 10, SHARED, OWN_B)]
    silent = {(name, name.upper()): Passing(100, [frozenset({SHARED})], {"register"}) for name in "cdef"}
    assert [place for place, _ in cluster(items, silent, "flags")] == [SHARED]


def test_a_spectrum_names_the_functions_that_an_instruction_runs_through() -> None:
    places = {name.partition(" (")[0] for name, _ in spectrum(Case(code=(adds(0, 1, 2),)), Oracle().permitted)}
    assert {"AddWithCarry", "add_sub_shifted_register", "ShiftReg"} <= places
    assert "FPAdd" not in places
