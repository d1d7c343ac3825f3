"""Batches: what plainly matches is a match, nothing else is, and no crash costs another case its verdict."""

import time
from typing import Any

import msgspec
import numpy as np
import pytest

from assay64.harness.backends import registry
from assay64.harness.backends.contract import BatchInstance, Unsupported
from assay64.harness.cases.batches import batch_key, batch_of, case_of, outcome_of, put_outcome, set_changes
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import CODE_ADDRESS, CODE_REGION, DATA_REGION, DEFAULT_REGIONS, Case, Run, Step
from assay64.harness.cases.layout import CHANGE_DTYPE, EXIT_KINDS, STATE_DTYPE, Batch, new_state, pack_exit
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault, MemoryChange, Verdict, VerdictKind
from assay64.harness.cases.random_cases import Generator
from assay64.harness.cases.state import State
from assay64.harness.judge import judge as judging
from assay64.harness.judge.batch import Expected, empty_like, matching
from assay64.harness.judge.frames import Crashed, Failed
from assay64.harness.judge.judge import Judge
from assay64.harness.judge.pool import Worker
from assay64.harness.judge.process import ChildProcess
from assay64.harness.record import store
from assay64.harness.record.journal import LETTERS, Journal
from assay64.harness.record.provenance import run_info
from assay64.harness.record.records import CheckRecord
from assay64.suites.selftest.judge_backends import CRASH, HANG, MODULE, NOISE, NOP, RAISE, add, movz

HAS = Capabilities(name="x", version="1", batch=True, exact_budget=True, reports_fault_kind=True)
VOLUME = f"{MODULE}:Volume"
ABORT = Exit(kind=ExitKind.DATA_ABORT, access=Access.WRITE, fault=Fault.PERMISSION, address=0x1234)


def sums(count, seed=1):
    """``add x0, x1, x2`` with random registers."""
    initial = new_state(count)
    initial["pc"] = CODE_ADDRESS
    initial["x"][:] = np.random.default_rng(seed).integers(0, 1 << 63, (count, 31), np.uint64)
    return Batch(np.full((count, 1), add(0, 1, 2), np.uint32), np.ones(count, np.uint32), CODE_ADDRESS, initial)


def right_sums(batch):
    answers = empty_like(batch)
    answers.final[:] = batch.initial
    answers.final["x"][:, 0] = batch.initial["x"][:, 1] + batch.initial["x"][:, 2]
    answers.final["pc"] = CODE_ADDRESS + 4
    answers.exits["kind"] = EXIT_KINDS.index(ExitKind.UNTIL)
    return Expected(answers, np.ones(len(batch), np.bool_))


def pair(count=600):
    """A batch and its answers, the same in everything."""
    batch = sums(count)
    expected = right_sums(batch)
    batch.final, batch.exits = expected.answers.final.copy(), expected.answers.exits.copy()
    rows = [(1, 0, 0x2000_0000, 5), (1, 0, 0x2000_0008, 6), (599, 0, 0x2000_0000, 7)]
    set_changes(batch, rows)
    set_changes(expected.answers, rows)
    return batch, expected


def test_what_is_the_same_matches():
    assert matching(*pair(), HAS).all()


@pytest.mark.parametrize("name", [name for name in STATE_DTYPE.names or () if name not in ("size", "version")])
def test_every_compared_bit_of_a_state_counts(name):
    compared = name not in ("keys", "event_register", "reserved")
    for row in (0, 255, 256, 599):
        batch, expected = pair()
        batch.final[name][row] ^= np.uint64(1 << 28)
        same = matching(batch, expected, HAS)
        assert np.flatnonzero(~same).tolist() == ([row] if compared else [])


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        (ABORT, ABORT, True),
        (ABORT, msgspec.structs.replace(ABORT, address=0x1235), False),
        (ABORT, msgspec.structs.replace(ABORT, access=Access.READ), False),
        (ABORT, msgspec.structs.replace(ABORT, fault=Fault.TRANSLATION), False),
        (ABORT, msgspec.structs.replace(ABORT, fault=Fault.UNKNOWN), True),
        (Exit(kind=ExitKind.SVC, immediate=1), Exit(kind=ExitKind.SVC, immediate=2), False),
        (Exit(kind=ExitKind.UNDEFINED), Exit(kind=ExitKind.DECLINED), False),
        (Exit(kind=ExitKind.UNTIL), Exit(kind=ExitKind.UNTIL, address=7, immediate=3), True),
    ],
)
def test_exits_count_as_far_as_their_kind_has_fields(want, got, same):
    batch, expected = pair()
    batch.exits[3], expected.answers.exits[3] = pack_exit(got, 5), pack_exit(want)
    assert matching(batch, expected, HAS).tolist() == [same or row != 3 for row in range(600)]
    if got.fault is Fault.TRANSLATION:
        untold = msgspec.structs.replace(HAS, reports_fault_kind=False)
        assert matching(batch, expected, untold).all()


def test_an_inexact_budget_never_matches_plainly():
    batch, expected = pair()
    batch.exits[3] = expected.answers.exits[3] = pack_exit(Exit(kind=ExitKind.BUDGET))
    inexact = msgspec.structs.replace(HAS, exact_budget=False)
    assert np.flatnonzero(~matching(batch, expected, inexact)).tolist() == [3]
    assert matching(batch, expected, HAS).all()


def test_an_exit_that_does_not_exist_matches_nothing():
    batch, expected = pair()
    batch.exits["kind"][3] = 4_000_000_000
    assert np.flatnonzero(~matching(batch, expected, HAS)).tolist() == [3]


@pytest.mark.parametrize(
    ("rows", "different"),
    [
        ([(1, 0, 0x2000_0000, 5), (1, 0, 0x2000_0008, 9), (599, 0, 0x2000_0000, 7)], [1]),
        ([(1, 0, 0x2000_0000, 5), (1, 0, 0x2000_0010, 6), (599, 0, 0x2000_0000, 7)], [1]),
        ([(1, 0, 0x2000_0000, 5), (599, 0, 0x2000_0000, 7)], [1]),
        ([(1, 0, 0x2000_0000, 5), (1, 0, 0x2000_0008, 6), (598, 0, 0x2000_0000, 7)], [598, 599]),
        ([(0, 0, 0x2000_0000, 5), (0, 0, 0x2000_0008, 6), (599, 0, 0x2000_0000, 8)], [0, 1, 599]),
        ([], [1, 599]),
    ],
)
def test_every_change_of_memory_counts(rows, different):
    batch, expected = pair()
    set_changes(batch, rows)
    assert np.flatnonzero(~matching(batch, expected, HAS)).tolist() == different


def test_undecided_cases_are_left_to_the_other_comparison():
    batch, expected = pair()
    expected.decided[5] = False
    assert np.flatnonzero(~matching(batch, expected, HAS)).tolist() == [5]


def test_cases_become_rows_and_cases_again():
    cases = [
        Case(code=(add(0, 1, 2),) * length, states=(State.of(x1=length, v31=-1, nzcv=5, fpcr=1 << 22, btype=1),))
        for length in (1, 3, 2)
    ]
    key = batch_key(cases[0], HAS)
    assert key is not None
    batch = batch_of(cases, key)
    assert batch.code_words.tolist() == [1, 3, 2]
    for index, case in enumerate(cases):
        again = case_of(batch, index)
        # A row says in full what a case may leave out.
        assert again.code == case.code
        state = again.states[0]
        assert (state.general.pc, state.general.sp) == (CODE_ADDRESS, DATA_REGION[0] + DATA_REGION[1] // 2)
        assert batch_of([again], key).initial.tobytes() == batch.initial[index].tobytes()


@pytest.mark.parametrize(
    "changed",
    [
        {"actions": (Step(),)},
        {"actions": (Run(), Run())},
        {"actions": (Run(until=CODE_ADDRESS),)},
        {"states": (State(), State())},
        {"regions": DEFAULT_REGIONS[:1]},
        {"regions": (DEFAULT_REGIONS[0], msgspec.structs.replace(DEFAULT_REGIONS[1], contents=((0, "00"),)))},
        {"regions": (msgspec.structs.replace(DEFAULT_REGIONS[0], fill=3), DEFAULT_REGIONS[1])},
        {"requires": ("FEAT_SVE",)},
        {"code": ()},
        {"code_address": DATA_REGION[0]},
        {"code_address": sum(CODE_REGION) - 4, "code": (0, 0), "regions": ()},
    ],
)
def test_what_is_more_than_one_plain_run_has_no_row(changed):
    case = Case(code=(add(0, 1, 2),))
    assert batch_key(case, HAS) is not None
    assert batch_key(case, msgspec.structs.replace(HAS, batch=False)) is None
    if "code_address" in changed and "regions" in changed:
        changed = changed | {
            "regions": (msgspec.structs.replace(DEFAULT_REGIONS[0], size=0x3_0000), DEFAULT_REGIONS[1])
        }
    assert batch_key(msgspec.structs.replace(case, **changed), HAS) is None


def test_outcomes_become_rows_and_outcomes_again():
    case = Case(code=(add(0, 1, 2),), regions=(DEFAULT_REGIONS[0], msgspec.structs.replace(DEFAULT_REGIONS[1], fill=3)))
    key = batch_key(case, HAS)
    assert key is not None
    with Judge() as judge:
        answers = judge.expected(case)
    assert isinstance(answers, tuple)
    (permitted,) = answers
    changed = MemoryChange(DATA_REGION[0] + 6, "00112233445566778899")
    outcome = msgspec.structs.replace(permitted.outcome, memory=(changed,), exits=(ABORT,))
    batch = batch_of([case, case], key)
    set_changes(batch, put_outcome(batch, 1, outcome))
    assert outcome_of(batch, 1) == outcome


def test_a_change_outside_of_memory_is_an_error():
    batch = sums(1)
    batch.changes, batch.n_changes = np.array([(0, 0, 0x3000_0000, 1)], CHANGE_DTYPE), 1
    with pytest.raises(ValueError, match="outside the data region"):
        outcome_of(batch, 0)


@pytest.mark.parametrize("lengths", [(1,), (1, 2, 5)])
def test_the_native_loop_gives_what_python_gives(monkeypatch, lengths):
    from assay64.harness.backends.unicorn import BACKEND, native_loop

    if BACKEND.available() or native_loop.library() is None:
        pytest.skip("needs the package unicorn and a C compiler")
    groups: dict[Any, list[Case]] = {}
    for case in Generator(12, lengths=lengths, features=frozenset()).cases(600):
        key = batch_key(case, BACKEND.capabilities())
        if key is not None and "BTI" not in key[3].model:
            groups.setdefault(key, []).append(case)
    assert sum(map(len, groups.values())) > 300
    kinds: set[int] = set()
    for key, cases in groups.items():
        native, plain = batch_of(cases, key), batch_of(cases, key)
        for batch, library in ((native, native_loop.library), (plain, lambda: None)):
            with monkeypatch.context() as patched:
                patched.setattr(native_loop, "library", library)
                instance = BACKEND.create(key[3])
                assert isinstance(instance, BatchInstance)
                instance.run_batch(batch, HostMemory(0x1000))
        assert native.final.tobytes() == plain.final.tobytes()
        assert native.exits.tobytes() == plain.exits.tobytes()
        changes = [batch.changes[: batch.n_changes].tolist() for batch in (native, plain)]
        assert changes[0] == changes[1]
        kinds.update(native.exits["kind"].tolist())
    assert len(kinds) > 3


@pytest.mark.parametrize("backend", ["unicorn", "dynarmic"])
def test_batches_give_the_verdicts_that_single_runs_give(backend, monkeypatch):
    if missing := registry.load(backend).available():
        pytest.skip(missing)
    cases = list(Generator(11, lengths=(1, 2, 3)).cases(250))
    with Judge() as judge:
        batched = list(judge.judge_many(cases, backend))
        assert sum(batch_key(case, judge.capabilities(backend)) is not None for case in cases) > 100
        monkeypatch.setattr(judging, "batch_key", lambda *_: None)
        assert list(judge.judge_many(cases, backend)) == batched
    assert {verdict.kind for _, verdict in batched} >= {VerdictKind.MATCH}


def test_nothing_of_an_earlier_batch_is_left_in_the_answers():
    with Worker(VOLUME) as worker:
        for count in (500, 100, 300):
            result = worker.run_batch(sums(count, count))
            assert not result.batch.exits["address"].any()
            assert not result.batch.exits["fault"].any()


def test_batches_are_judged_as_arrays():
    batch = sums(3000)
    batch.initial["x"][17, 1] = 7
    with Judge() as judge:
        ((same, verdicts),) = judge.judge_batches([batch], VOLUME, right_sums)
    assert same is batch
    wrong = np.flatnonzero(batch.initial["x"][:, 1] % 1000 == 7).tolist()
    assert 17 in wrong
    assert list(verdicts) == wrong
    assert {verdict.kind for verdict in verdicts.values()} == {VerdictKind.MISMATCH}
    assert verdicts[17].differences[0].field == "x0"


def test_the_reference_is_asked_case_by_case_when_it_has_no_batches():
    with Judge() as judge:
        ((_, verdicts),) = judge.judge_batches([sums(20)], VOLUME)
    assert set(verdicts) == set(np.flatnonzero(sums(20).initial["x"][:, 1] % 1000 == 7).tolist())


def test_a_case_in_between_does_not_disturb_the_batches_on_their_way():
    with Worker(VOLUME) as worker:
        found = list[int]()
        for number, result in enumerate(worker.run_batches([sums(100, seed) for seed in range(6)])):
            expected = right_sums(sums(100, number)).answers.final["x"][:, 0]
            found.append(int((result.batch.final["x"][:, 0] == expected).sum()))
            if number % 2 == 0:
                worker.execute(Case(code=(movz(0, 1),)))
    assert [count >= 98 for count in found] == [True] * 6


def test_a_crash_leaves_the_batches_behind_it_alone():
    batches = [sums(50, seed) for seed in range(4)]
    batches[1].code[7] = CRASH
    with Worker(VOLUME) as worker:
        results = [(dict(result.lost), result.batch.final["x"][:, 0].copy()) for result in worker.run_batches(batches)]
    assert [list(lost) for lost, _ in results] == [[], [7], [], []]
    assert results[1][0][7] == Crashed("SIGSEGV", "tiny: assertion failed: code_buffer != 0")
    for number, (_, x0) in enumerate(results):
        x = batches[number].initial["x"]
        right = x0 == x[:, 1] + x[:, 2] + (x[:, 1] % 1000 == 7)
        assert np.flatnonzero(~right).tolist() == ([7] if number == 1 else [])


@pytest.mark.parametrize(("word", "lost"), [(NOP, []), (CRASH, [7]), (RAISE, [7]), (NOISE, [7])])
def test_what_runs_again_in_place_begins_from_its_own_states(word, lost, monkeypatch):
    batches = [sums(50, seed) for seed in range(5)]
    batches[1].code[7] = word
    answer = ChildProcess.answer

    def late(process):
        time.sleep(0.05)  # so that the worker has run what waits, too, when something is found wrong
        return answer(process)

    monkeypatch.setattr(ChildProcess, "answer", late)
    with Worker(f"{MODULE}:InPlace") as worker:
        for number, result in enumerate(worker.run_batches(batches)):
            x = result.batch.initial["x"]
            right = result.batch.final["x"][:, 0] == x[:, 0] + x[:, 1]
            assert sorted(result.lost) == np.flatnonzero(~right).tolist() == (lost if number == 1 else [])


def test_changes_out_of_order_are_an_error_of_the_backend():
    with Worker(f"{MODULE}:Disorderly") as worker:
        result = worker.run_batch(sums(3))
    assert isinstance(result.lost[0], Failed)
    assert "out of order" in result.lost[0].reason


def test_a_backend_without_batches_says_so_and_its_cases_run_singly():
    cases = [Case(code=(add(0, 1, 2),), states=(State.of(x1=number),)) for number in range(8)]
    with Judge() as judge:
        verdicts = [verdict for _, verdict in judge.judge_many(cases, f"{MODULE}:Tiny")]
        assert {verdict.kind for verdict in verdicts} == {VerdictKind.MATCH}
        with pytest.raises(Unsupported):
            list(judge.judge_batches([sums(3)], f"{MODULE}:Tiny", right_sums))


def test_memory_and_output_have_limits():
    cases = [Case(code=(CRASH,)), Case(code=(NOISE,)), Case(code=(movz(0, 1),))]
    limits = {"timeout_s": 60.0, "memory_bytes": 512 << 20, "output_bytes": 8 << 20}
    with Worker(f"{MODULE}:Greedy", **limits) as worker:
        greedy, noisy, fine = worker.run(cases)
    assert greedy == Crashed("memory limit", "held more than 512 MiB")
    assert noisy == Crashed("output limit", "printed more than 8 MiB")
    assert type(fine).__name__ == "Ran"


def test_a_hang_is_told_with_its_budget():
    with Judge(timeout_s=0.3) as judge:
        verdict = judge.judge(Case(code=(HANG,), actions=(Run(budget=77),)), f"{MODULE}:Rogue")
    assert verdict == Verdict(kind=VerdictKind.HANG, detail="no end within 0.3 s; the budget was 77 instructions")


def judged_run(path, cases, bad=(), size=4096):
    """Judge ``cases`` sums in batches, with the words ``bad`` (row -> word) planted, and write the journal."""

    def batches():
        for start in range(0, cases, size):
            batch = sums(min(size, cases - start), seed=start)
            for row, word in bad:
                if start <= row < start + len(batch):
                    batch.code[row - start] = word
            yield batch

    start = 0
    with Judge(timeout_s=0.5) as judge, Journal(path, run_info("test", seed=1, backends=()), shard="s") as journal:
        for batch, verdicts in judge.judge_batches(batches(), VOLUME, right_sums):
            next_row = start
            for row, verdict in verdicts.items():
                journal.matched("sums", "ADD", VOLUME, start + row - next_row)
                record = CheckRecord(test="sums", group="ADD", backend=VOLUME, verdict=verdict, token=str(start + row))
                journal.check(record)
                next_row = start + row + 1
            start += len(batch)
            journal.matched("sums", "ADD", VOLUME, start - next_row)
    return path


def survives(tmp_path, cases, crashes, hangs):
    rows = np.random.default_rng(1).permutation(cases)[: crashes + hangs].tolist()
    bad = [(row, CRASH if index < crashes else HANG) for index, row in enumerate(rows)]
    hurt = store.verdicts(judged_run(tmp_path / "hurt", cases, bad))["sums", VOLUME]
    clean = store.verdicts(judged_run(tmp_path / "clean", cases))["sums", VOLUME]
    assert len(hurt) == len(clean) == cases
    assert cases // 2000 < clean.count("F") < cases // 500
    different = [row for row in range(cases) if hurt[row] != clean[row]]
    assert different == sorted(rows)
    found = {row: hurt[row] for row in rows}
    assert found == {row: "C" if word == CRASH else "H" for row, word in bad}
    kept = {int(check.token): check.verdict for check in store.read(tmp_path / "hurt").checks}
    for row, word in bad:
        assert kept[row].kind is (VerdictKind.CRASH if word == CRASH else VerdictKind.HANG)
        assert "SIGSEGV" in kept[row].detail if word == CRASH else "no end within 0.5 s" in kept[row].detail


def test_crashes_and_hangs_cost_only_their_cases(tmp_path):
    survives(tmp_path, 20_000, 10, 2)


@pytest.mark.nightly
def test_a_thousand_crashes_and_a_hundred_hangs_in_a_million_cases(tmp_path):
    survives(tmp_path, 1_000_000, 1000, 100)


def test_letters_of_the_journal_are_those_of_the_kinds_used_here():
    assert (LETTERS[VerdictKind.CRASH], LETTERS[VerdictKind.HANG]) == ("C", "H")
