"""Code for campaigns: deterministic, it ends, its memory accesses stay inside, and it is what was asked for."""

from __future__ import annotations

from collections import Counter

import pytest

from assay64.harness.backends.reference import BACKEND
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.cases.sequences import BASE, BRANCHES, COUNTERS, KEPT, MAX_LENGTH, Sequences
from assay64.harness.errors import UsageError
from assay64.harness.judge.execute import Executor
from assay64.reference import decode

LONG = Sequences(11, lengths=(16, 32, 64), states=1, shared=frozenset())


def name(word: int) -> str:
    decoded = decode(word)
    return decoded.definition.name if decoded is not None else ""


def test_a_case_is_a_function_of_seed_and_number() -> None:
    drawn = list(Sequences(5).cases(30, start=7))
    assert drawn == [Sequences(5).case(number) for number in range(7, 37)]
    assert drawn != list(Sequences(6).cases(30, start=7))


def test_the_states_of_a_piece_share_their_code() -> None:
    piece = Sequences(5, states=4).piece(3)
    assert len({case.code for case in piece}) == 1
    assert len({str(case.states) for case in piece}) == 4


def test_sequences_end_and_mostly_run_through() -> None:
    executor = Executor(BACKEND)
    exits = Counter(executor.execute(case).exits[0].kind for case in LONG.cases(60))
    assert ExitKind.BUDGET not in exits
    assert exits[ExitKind.UNTIL] >= 30, exits


def test_sequences_have_branches_and_loops_within_themselves() -> None:
    forward = backward = 0
    for case in LONG.cases(60):
        for index, word in enumerate(case.code):
            if name(word) not in BRANCHES or name(word) == "branch_register":
                continue
            width, low = {"branch_immediate": (26, 0), "test_and_branch": (14, 5)}.get(name(word), (19, 5))
            offset = word >> low & (1 << width) - 1
            offset -= (offset >> width - 1) << width
            assert 0 <= index + offset <= len(case.code), f"{word:#x} at {index} of {len(case.code)}"
            forward, backward = forward + (offset > 0), backward + (offset < 0)
    assert forward > 50
    assert backward > 10


def test_nothing_but_the_loops_writes_their_counters() -> None:
    for case in LONG.cases(40):
        for word in case.code:
            decoded = decode(word)
            assert decoded is not None
            if decoded.definition.is_simd or word & 0xFF00_0000 == 0xD100_0000:
                continue
            written = {int(value) for field, value in decoded.operands.items() if field in ("Rd", "Rt", "Rt2", "Rs")}
            if name(word) not in ("compare_and_branch", "test_and_branch"):
                assert not written & {*COUNTERS, BASE}, f"{word:#x}"
            assert not written & KEPT or name(word) in BRANCHES | {"add_sub_immediate"}, f"{word:#x}"


def test_every_mnemonic_comes_in_turn() -> None:
    sequences = Sequences(1, only=("ADD*", "SUB*"), lengths=(1,), states=1)
    seen = {decoded.title for case in sequences.cases(160) if (decoded := decode(case.code[0])) is not None}
    assert {"ADD (immediate)", "SUBS (shifted register)", "ADDS (extended register)", "ADDHN", "SUBHN2"} <= seen


def test_weights_change_what_is_drawn() -> None:
    def share(weights: dict[str, float]) -> float:
        cases = list(Sequences(1, lengths=(1,), states=1, weights=weights).cases(300))
        return sum(name(case.code[0]).startswith("atomic") for case in cases) / len(cases)

    assert share({"FEAT_LSE": 20.0}) > 3 * share({})
    assert share({"FEAT_LSE": 0.0}) == 0


def test_exclusives_come_in_pairs_on_one_address() -> None:
    pairs = 0
    for case in Sequences(2, lengths=(4,), states=1, shared=frozenset()).cases(300):
        first, last = case.code[-2:] if len(case.code) > 1 else (0, 0)
        if name(last).startswith("store_exclusive") and name(first).startswith("load_exclusive"):
            pairs += (first >> 5 & 31, first >> 30) == (last >> 5 & 31, last >> 30)
    assert pairs > 10


@pytest.mark.parametrize("lengths", [(), (0,), (MAX_LENGTH + 1,)])
def test_impossible_lengths_are_refused(lengths: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="1 to 64"):
        Sequences(1, lengths=lengths)


def test_features_that_leave_nothing_are_a_clear_error() -> None:
    with pytest.raises(UsageError, match="no instruction to draw"):
        Sequences(1, only=("CAS*",), lengths=(1,), features=frozenset()).piece(0)
