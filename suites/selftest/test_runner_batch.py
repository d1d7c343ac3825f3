"""Batches on the runner program: what they give is what single runs give, in chunks and with endless loops."""

from __future__ import annotations

import os
import random
import signal
import threading

import numpy as np
import pytest

from assay64.harness.backends.contract import BackendDied, BatchInstance
from assay64.harness.backends.runner import NATIVE, QEMU_USER, arena
from assay64.harness.backends.runner.instructions import READS_TPIDRRO
from assay64.harness.cases.case import CODE_REGION, DATA_REGION, Environment
from assay64.harness.cases.layout import EXECUTED_UNKNOWN, STATE_DTYPE, Batch, new_state, unpack_exit
from assay64.harness.cases.memory import HostMemory, fill_bytes
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.errors import UsageError
from assay64.suites.selftest._guest import ADD_X0, BRANCH_SELF, CODE, DATA, LDR, NOP, STR, STR_PRE, SVC, Guest

BACKEND = NATIVE if NATIVE.available() is None else QEMU_USER
pytestmark = pytest.mark.skipif(BACKEND.available() is not None, reason=str(BACKEND.available()))

# str x0, [x1]; ldr x0, [x1]; str q0, [x1]; stp x0, x2, [x1]; ldr x0, [x1], #8; strb w0, [x1]; brk #7; udf; b . + 8
KNOWN = (
    ADD_X0,
    STR,
    LDR,
    STR_PRE,
    SVC | 9 << 5,
    0x3D800020,
    0xA9000820,
    0xF8408420,
    0x39000020,
    0xD42000E0,
    0,
    0x14000002,
)
PROGRESS_BYTES = 4096


@pytest.fixture
def instance():
    instance = BACKEND.create(Environment())
    yield instance
    instance.close()


def batch_of(code, *, fill=None, budget=100, **fields):
    rows = np.array(code, np.uint32)
    initial = new_state(len(rows))
    initial["pc"], initial["sp"] = CODE, DATA + 0x8000
    for name, values in fields.items():
        initial[name] = values
    return Batch(
        code=rows,
        code_words=np.full(len(rows), rows.shape[1], np.uint32),
        code_address=CODE,
        initial=initial,
        budget=budget,
        fill=fill,
    )


def random_batch(count, seed, words=3):
    source = random.Random(seed)
    batch = batch_of([[source.choice(KNOWN) for _ in range(words)] for _ in range(count)], fill=5)
    addresses = [[DATA + source.randrange(-16, DATA_REGION[1] * 5 // 4) for _ in range(31)] for _ in range(count)]
    batch.initial["x"] = np.array(addresses)
    batch.code_words[:] = [source.randint(1, words) for _ in range(count)]
    return batch


def run(instance, batch):
    progress = HostMemory(PROGRESS_BYTES)
    instance.run_batch(batch, progress)
    assert batch.done == len(batch) == int(progress.words()[0])
    return batch


def test_a_batch_gives_what_single_runs_give(instance):
    batch = run(instance, random_batch(300, 1))
    guest = Guest(BACKEND.create(Environment()))
    pristine = np.frombuffer(fill_bytes(5, DATA_REGION[1]), np.uint64)
    kinds = set()
    for index in range(len(batch)):
        guest.code.bytes[:] = 0
        guest.data.words()[:] = pristine
        guest.instance.notify_code(*CODE_REGION)
        guest.put(batch.code[index, : batch.code_words[index]].tolist())
        guest.instance.set_state(0, batch.initial[index : index + 1].reshape(()))
        ended = guest.instance.run(0, batch.budget, guest.end)
        kinds.add(ended.kind)
        assert unpack_exit(batch.exits[index]) == ended, f"case {index}"
        assert int(batch.exits[index]["executed"]) == EXECUTED_UNKNOWN
        assert guest.state().tobytes() == batch.final[index].tobytes(), f"case {index}"
        changes = batch.changes[: batch.n_changes]
        mine = {int(one["address"]): int(one["value"]) for one in changes[changes["case"] == index]}
        places = np.flatnonzero(guest.data.words() != pristine)
        assert mine == {DATA + 8 * int(place): int(guest.data.words()[place]) for place in places}, f"case {index}"
    guest.instance.close()
    assert kinds == {ExitKind.UNTIL, ExitKind.SVC, ExitKind.BRK, ExitKind.UNDEFINED, ExitKind.DATA_ABORT}


def test_more_cases_than_the_arena_holds(instance):
    room = arena.INITIAL_STATES[1] // STATE_DTYPE.itemsize
    count = 2 * room + 7
    batch = run(
        instance,
        batch_of([[STR]] * count, x=np.arange(count)[:, None] * np.array([1] + [0] * 30) + DATA * (np.arange(31) == 1)),
    )
    assert [int(one["value"]) for one in batch.changes[: batch.n_changes]] == list(range(1, count))
    assert batch.changes["case"][: batch.n_changes].tolist() == list(range(1, count))
    assert set(batch.exits["kind"].tolist()) == {1 + 1}, "all until"


def test_more_changes_than_the_arena_holds(instance):
    """A loop that writes the whole data region: str x0, [x1], #8; sub x2, x2, #1; cbnz x2, . - 8."""
    words = DATA_REGION[1] // 8
    x = np.zeros((12, 31), np.uint64)
    x[:, 0], x[:, 1], x[:, 2] = np.arange(1, 13), DATA, words
    batch = run(instance, batch_of([[0xF8008420, 0xD1000442, 0xB5FFFFC2]] * 12, x=x, budget=100_000))
    assert 12 * words * 24 > arena.CHANGES[1]
    assert batch.n_changes == 12 * words
    assert batch.changes["case"].tolist() == [case for case in range(12) for _ in range(words)]
    assert batch.changes["value"].tolist() == [case + 1 for case in range(12) for _ in range(words)]
    assert batch.changes["address"][:words].tolist() == list(range(DATA, DATA + DATA_REGION[1], 8))


def test_nothing_of_a_case_reaches_the_next(instance):
    batch = run(instance, batch_of([[STR], [LDR], [LDR]], fill=7, x=np.array([[1, DATA] + [0] * 29] * 3)))
    first = int(np.frombuffer(fill_bytes(7, DATA_REGION[1]), np.uint64)[0])
    assert [int(one["x"][0]) for one in batch.final] == [1, first, first]


def test_batches_follow_each_other_and_single_runs(instance):
    """Longer rows than before, shorter ones, another address: what an earlier batch left in the code does not run."""
    for words, expected in ((8, 8), (1, 1), (3, 3)):
        batch = run(instance, batch_of([[ADD_X0] * words] * 2))
        assert batch.final["x"][:, 0].tolist() == [expected] * 2
    moved = batch_of([[ADD_X0]])
    moved.code_address = CODE + 0x40
    moved.initial["pc"] = CODE
    run(instance, moved)
    assert unpack_exit(moved.exits[0]).kind is ExitKind.UNDEFINED, "nothing is left at the address of before"
    guest = Guest(instance)
    assert guest.run(ADD_X0, ADD_X0).kind is ExitKind.UNTIL
    assert guest.x(0) == 2
    assert run(instance, batch_of([[ADD_X0]])).final["x"][0, 0] == 1


def test_endless_loops_cost_their_own_cases_only(instance):
    batch = run(instance, batch_of([[ADD_X0], [BRANCH_SELF], [ADD_X0], [BRANCH_SELF], [ADD_X0]]))
    kinds = [unpack_exit(one).kind for one in batch.exits]
    assert kinds == [ExitKind.UNTIL, ExitKind.BUDGET, ExitKind.UNTIL, ExitKind.BUDGET, ExitKind.UNTIL]
    assert batch.final["x"][:, 0].tolist() == [1, 0, 1, 0, 1]


def test_what_only_a_kernel_can_set_is_declined_at_its_word(instance):
    reads = READS_TPIDRRO[0].value
    batch = run(instance, batch_of([[ADD_X0, reads]] * 2 + [[ADD_X0, NOP]], tpidrro_el0=[0, 5, 5]))
    kinds = [unpack_exit(one).kind for one in batch.exits]
    assert kinds == [ExitKind.UNTIL, ExitKind.DECLINED, ExitKind.UNTIL]
    assert batch.final["pc"].tolist() == [CODE + 8, CODE + 4, CODE + 8]
    assert batch.final["tpidrro_el0"].tolist() == [0, 5, 5]


def test_a_batch_goes_on_where_it_is_done(instance):
    batch = batch_of([[ADD_X0]] * 5)
    batch.done = 3
    run(instance, batch)
    assert batch.final["x"][:, 0].tolist() == [0, 0, 0, 1, 1]


def test_code_that_does_not_fit_is_refused(instance):
    batch = batch_of([[NOP] * 8])
    batch.code_address = sum(CODE_REGION) - 16
    with pytest.raises(UsageError, match="does not fit"):
        instance.run_batch(batch, HostMemory(PROGRESS_BYTES))


def test_the_death_of_the_process_says_in_which_case(instance):
    batch, progress = (
        batch_of([[ADD_X0]] * 2 + [[BRANCH_SELF]] + [[ADD_X0]], budget=1 << 40),
        HostMemory(PROGRESS_BYTES),
    )
    timer = threading.Timer(0.3, os.kill, (instance.runner.process_id, signal.SIGKILL))
    timer.start()
    with pytest.raises(BackendDied, match="SIGKILL"):
        instance.run_batch(batch, progress)
    assert batch.done == int(progress.words()[0]) == 2
    timer.join()


def test_it_is_a_batch_instance(instance):
    assert isinstance(instance, BatchInstance)
