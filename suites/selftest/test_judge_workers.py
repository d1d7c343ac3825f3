"""A backend that crashes, hangs or prints costs only its case; what cannot start says why. Real child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from assay64.harness.backends import registry
from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.case import CODE_ADDRESS, Case, Environment
from assay64.harness.cases.layout import CHANGE_DTYPE, Batch, new_state, unpack_exit
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.cases.state import State
from assay64.harness.errors import BackendUnavailable, UsageError
from assay64.harness.judge.frames import Crashed, Failed, Hung, Lacks, Ran, Result
from assay64.harness.judge.pool import CHUNK, Worker
from assay64.harness.judge.zygote import zygote
from assay64.suites.selftest.judge_backends import CRASH, HANG, MODULE, NOISE, NOP, RAISE, Tiny, add, movz

ROGUE = f"{MODULE}:Rogue"


def one(word: int, **registers: int) -> Case:
    return Case(code=(word,), states=(State.of(**registers),))


def x(result: Result) -> list[int]:
    assert isinstance(result, Ran), result
    return [dict(result.outcome.states[0].registers()).get(f"x{number}", 0) for number in range(31)]


def x0(result: Result) -> int:
    return x(result)[0]


@pytest.mark.parametrize("position", [0, 5, CHUNK - 1, CHUNK, 2 * CHUNK - 1])
def test_a_crash_costs_only_its_case(position):
    cases = [one(add(0, 1, 2), x1=n, x2=1) for n in range(2 * CHUNK)]
    cases[position] = one(CRASH)
    with Worker(ROGUE) as worker:
        results = list(worker.run(cases))
    assert results.pop(position) == Crashed("SIGSEGV", "tiny: assertion failed: code_buffer != 0")
    assert [x0(result) for result in results] == [n + 1 for n in range(2 * CHUNK) if n != position]


def test_a_process_that_is_used_up_costs_no_case():
    cases = [one(add(0, 1, 2), x1=n, x2=1) for n in range(250)]
    with Worker(f"{MODULE}:Leaky") as worker:
        results = list(worker.run(cases))
        assert [x0(result) for result in results] == [n + 1 for n in range(250)]
        assert worker.restarts == 2
        done = [worker.run_batch(batch([movz(0, n + i) for i in range(40)])) for n in (1000, 2000, 3000)]
        assert worker.restarts == 3
        # What a fresh process cannot do either is the backend's failure.
        ended = worker.run_batch(batch([movz(0, n) for n in range(150)]))
    assert [result.lost for result in done] == [{}, {}, {}]
    assert [result.batch.final["x"][:, 0].tolist() for result in done] == [
        [*range(n, n + 40)] for n in (1000, 2000, 3000)
    ]
    assert len(ended.lost) == 1
    assert all(isinstance(lost, Failed) and "no mappings left" in lost.reason for lost in ended.lost.values())


def test_a_hang_costs_only_its_case():
    cases = [one(movz(0, 1)), one(HANG), one(movz(0, 2))]
    began = time.monotonic()
    with Worker(ROGUE, timeout_s=0.5) as worker:
        before, hung, after = worker.run(cases)
    assert (x0(before), hung, x0(after)) == (1, Hung(0.5), 2)
    assert 1.0 <= time.monotonic() - began < 30


def test_what_the_backend_prints_does_not_reach_the_answers():
    with Worker(ROGUE) as worker:
        results = list(worker.run([one(movz(0, 1)), one(NOISE), one(movz(0, 3))]))
    assert [type(result) for result in results] == [Ran, Ran, Ran]
    assert (x0(results[0]), x0(results[2])) == (1, 3)


def test_a_backend_with_threads_is_started_anew_instead_of_forked():
    with Worker(f"{MODULE}:Threaded", timeout_s=30) as worker:
        crashed, fine = worker.run([one(CRASH), one(movz(0, 5))])
        assert worker.restarts == 2  # the crash, and the crash alone
    assert crashed == Crashed("SIGSEGV", "tiny: assertion failed: code_buffer != 0")
    assert x0(fine) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_each_worker_finds_a_fresh_machine_that_was_made_before_the_fork():
    elsewhere = msgspec.structs.replace(one(NOP), environment=Environment(cache_line_size=32))
    with Worker(f"{MODULE}:MadeAhead") as worker:
        first, crashed, second, other = worker.run([one(NOP), one(CRASH), one(NOP), elsewhere])
    assert isinstance(crashed, Crashed)
    makers, users, given = zip(*(x(result)[1:4] for result in (first, second, other)), strict=True)
    assert makers[0] == makers[1] != users[0]
    assert makers[2] == users[2]  # the one made ahead is for the default environment
    assert len(set(users[:2])) == 2
    assert given == (0, 0, 0)


def test_a_server_that_is_killed_is_replaced():
    with Worker(ROGUE) as worker:
        assert x0(worker.execute(one(movz(0, 1)))) == 1
        assert worker._server is not None
        os.kill(worker._server._process.pid, signal.SIGKILL)
        results = [worker.execute(one(movz(0, number))) for number in (2, 3)]
    # The child ends with its server; that is told as what it is, and only once.
    assert x0(results[1]) == 3


def test_an_error_in_the_backend_is_a_result_with_its_place():
    with Worker(ROGUE) as worker:
        failed, fine = worker.run([one(RAISE), one(movz(0, 4))])
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("KeyError: 'no such register' (judge_backends.py:")
    assert x0(fine) == 4


def test_what_the_backend_lacks_is_a_result():
    with Worker(ROGUE) as worker:
        assert worker.execute(Case(code=(CRASH,), requires=("FEAT_SVE",))) == Lacks("tiny does not have FEAT_SVE")


def test_a_crash_that_needs_company_is_still_a_crash():
    cases = [one(movz(0, n)) for n in range(1, 6)]
    with Worker(f"{MODULE}:CrashesInCompany") as worker:
        results = list(worker.run(cases))
    assert results[2] == Crashed("SIGABRT", alone=False)
    assert "not when the case runs alone" in str(results[2])
    assert [x0(results[index]) for index in (0, 1, 3, 4)] == [1, 2, 4, 5]


def test_the_worker_goes_on_after_results_were_left_unread():
    with Worker(ROGUE) as worker:
        results = worker.run([one(movz(0, n)) for n in range(10)])
        next(results)
        assert x0(worker.execute(one(movz(0, 77)))) == 77


def test_a_worker_that_dies_between_cases_is_replaced_and_its_death_is_told():
    with Worker(ROGUE) as worker:
        assert x0(worker.execute(one(movz(0, 1)))) == 1
        os.kill(worker.process_id, signal.SIGKILL)
        assert worker.execute(one(movz(0, 2))) == Crashed("SIGKILL", alone=False)
        assert x0(worker.execute(one(movz(0, 3)))) == 3


def test_closing_ends_the_process():
    worker = Worker(ROGUE)
    worker.execute(one(movz(0, 1)))
    child = worker.process_id
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_hanging_worker_does_not_outlive_a_killed_harness():
    program = f"""
from assay64.harness.cases.case import Case
from assay64.harness.judge.pool import Worker
worker = Worker({ROGUE!r}, timeout_s=1000)
print(worker.process_id, flush=True)
worker.execute(Case(code=({HANG},)))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        child = int(harness.stdout.readline())
        assert _runs(child)
        harness.kill()
    until = time.monotonic() + 20
    while _runs(child):
        assert time.monotonic() < until, "the worker still runs"
        time.sleep(0.1)


def _runs(process: int) -> bool:
    """Whether the process exists and is no zombie, which nobody may be there to collect."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_values_of_128_bits_travel():
    state = State.of(v31=-1, v0=1 << 127)
    with Worker(ROGUE) as worker:
        result = worker.execute(Case(code=(movz(0, 1),), states=(state,)))
    assert isinstance(result, Ran)
    assert result.outcome.states[0].simd.v == state.simd.v


@pytest.mark.parametrize(
    ("backend", "error", "says"),
    [
        (f"{MODULE}:Absent", BackendUnavailable, "apt install libabsent-dev"),
        (f"{MODULE}:DiesAtStart", BackendUnavailable, "SIGABRT"),
        (f"{MODULE}:Tyni", UsageError, "did you mean Tiny?"),
        ("unicron", UsageError, "did you mean unicorn?"),
    ],
)
def test_a_backend_that_cannot_start_says_why_in_one_line(backend, error, says):
    with Worker(backend) as worker, pytest.raises(error, match=r"^[^\n]+$") as raised:
        worker.execute(one(movz(0, 1)))
    assert says in str(raised.value)


def batch(words: list[int]) -> Batch:
    initial = new_state(len(words))
    initial["pc"] = CODE_ADDRESS
    return Batch(
        code=np.array([[word] for word in words], np.uint32),
        code_words=np.ones(len(words), np.uint32),
        code_address=CODE_ADDRESS,
        initial=initial,
        changes=np.zeros(len(words), CHANGE_DTYPE),
    )


def test_a_batch_survives_its_crashes_and_hangs():
    words = [movz(0, n) for n in range(20)]
    words[3], words[4], words[19] = CRASH, HANG, CRASH
    with Worker(f"{MODULE}:Batched", timeout_s=0.5) as worker:
        result = worker.run_batch(batch(words))
    assert {index: str(lost).split()[0] for index, lost in result.lost.items()} == {
        3: "SIGSEGV:",
        4: "no",
        19: "SIGSEGV:",
    }
    survived = [index for index in range(20) if index not in result.lost]
    final, exits = result.batch.final, result.batch.exits
    assert [int(final["x"][index][0]) for index in survived] == survived
    assert {unpack_exit(exits[index]).kind for index in survived} == {ExitKind.UNTIL}
    assert result.batch.changes["case"].tolist() == survived
    assert result.batch.changes["value"].tolist()[:3] == [1, 2, 3]


def test_a_backend_without_batches_says_so():
    with Worker(ROGUE) as worker, pytest.raises(Unsupported, match="no batches"):
        worker.run_batch(batch([movz(0, 1)]))


def test_backends_are_found_by_name_module_and_file(tmp_path):
    assert isinstance(registry.load(f"{MODULE}:Tiny"), Tiny)
    path = tmp_path / "mine.py"
    path.write_text(f"from {MODULE} import Tiny\nBACKEND = Tiny()\nOTHER = 5\n")
    assert registry.load(f"{path}:BACKEND").name == "tiny"
    with pytest.raises(UsageError, match="is no Backend: it has no available, capabilities, create"):
        registry.load(f"{path}:OTHER")


@pytest.mark.parametrize(
    "name", ["./libmissing.so", "no/such/file.py:X", "no_such_module:X", "module:", "reference2", ""]
)
def test_a_name_that_leads_nowhere_is_a_usage_error(name):
    with pytest.raises(UsageError, match=r"^[^\n]+$"):
        registry.load(name)


def test_the_built_in_backends_are_those_of_the_entry_points(checkout):
    import tomllib

    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][registry.GROUP] == registry.BUILT_IN
    assert registry.names()[:3] == ["reference", "unicorn", "dynarmic"]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_fork_servers_of_one_zygote_are_apart():
    with zygote() as shared, Worker(ROGUE, zygote=shared) as rogue, Worker(f"{MODULE}:Tiny", zygote=shared) as tiny:
        rogue.begin()
        tiny.begin()
        crashed, fine = rogue.run([one(CRASH), one(movz(0, 5))])
        assert crashed == Crashed("SIGSEGV", "tiny: assertion failed: code_buffer != 0")
        assert x0(fine) == 5
        before = tiny.process_id
        assert rogue._server is not None
        os.kill(rogue._server._process.pid, signal.SIGKILL)
        assert x0(list(rogue.run([one(movz(0, 6)), one(movz(0, 7))]))[1]) == 7
        assert x0(tiny.execute(one(movz(0, 8)))) == 8
        assert tiny.process_id == before


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
@pytest.mark.parametrize(
    ("backend", "error", "said"),
    [
        (f"{MODULE}:Absent", BackendUnavailable, "libabsent is not installed"),
        (f"{MODULE}:DiesAtStart", BackendUnavailable, "did not start: SIGABRT"),
        (f"{MODULE}:Missing", UsageError, "has no Missing"),
    ],
)
def test_a_server_forked_from_a_zygote_says_why_it_does_not_start(
    backend: str, error: type[Exception], said: str
) -> None:
    with zygote() as shared, Worker(backend, zygote=shared) as worker, pytest.raises(error, match=said):
        worker.execute(one(movz(0, 1)))


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_without_its_zygote_a_worker_starts_by_itself():
    with zygote() as shared, Worker(ROGUE, zygote=shared) as worker:
        assert shared is not None
        shared.close()
        assert x0(worker.execute(one(movz(0, 9)))) == 9
