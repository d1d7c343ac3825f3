"""Batches on the Unicorn backend give what single runs give.

The words are written out with their assembly beside them, so that these tests need no assembler.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from assay64.harness.backends.contract import BatchInstance
from assay64.harness.backends.unicorn import BACKEND, native_loop
from assay64.harness.cases.case import (
    CODE_ADDRESS,
    DATA_REGION,
    STACK_POINTER,
    Environment,
)
from assay64.harness.cases.layout import Batch, new_state, unpack_exit
from assay64.harness.cases.memory import HostMemory, fill_bytes
from assay64.harness.cases.outcome import ExitKind
from assay64.suites.selftest._unicorn_guest import DATA, NOP, RET_TO_X1, SVC_0, UNMAPPED, Guest, movz

pytestmark = pytest.mark.skipif(BACKEND.available() is not None, reason=str(BACKEND.available()))


def integer_words(generator, count):
    """Random words: integer arithmetic, loads and stores in every addressing mode, and some traps."""
    patterns = (
        (0x11000000, 0xFFFFFF | 3 << 29 | 1 << 31),  # add/sub (immediate)
        (0x0B000000, 0x3FFFFF | 7 << 29 | 3 << 22),  # add/sub (shifted register)
        (0x0A000000, 0x3FFFFF | 7 << 29 | 7 << 21),  # logical (shifted register)
        (0x12000000, 0x7FFFFF | 3 << 29 | 1 << 31),  # logical (immediate)
        (0x12800000, 0x7FFFFF | 3 << 29 | 1 << 31),  # move wide
        (0x13000000, 0x7FFFFF | 3 << 29 | 1 << 31),  # bitfield
        (0x1A800000, 0x1FFFFF | 3 << 29 | 1 << 31),  # conditional select
        (0x1AC00000, 0x1FFFFF | 1 << 31),  # data-processing (2 source)
        (0x1B000000, 0x1FFFFF | 1 << 31),  # multiply-add
        (0x38000000, 0x1FFFFF | 3 << 30 | 3 << 22),  # load/store, every mode of addressing by registers
        (0x39000000, 0xFFFFFF | 3 << 30),  # load/store (unsigned immediate)
        (0x28000000, 0x1FFFFFF | 3 << 30),  # load/store pair
        (0xD4000001, 0xFFFF << 5),  # svc
        (0xD4200000, 0xFFFF << 5),  # brk
        (0xD61F0000, 31 << 5),  # br
    )
    words = []
    for _ in range(count):
        fixed, free = generator.choice(patterns)
        words.append(fixed | generator.getrandbits(32) & free)
    return words


def run_batch(batch, progress=None):
    instance = BACKEND.create(Environment(model="max"))
    assert isinstance(instance, BatchInstance)
    instance.run_batch(batch, progress or HostMemory(0x1000))


def batch_of(generator, cases, width):
    code = np.array([integer_words(generator, width) for _ in range(cases)], np.uint32)
    count = np.array([generator.randint(1, width) for _ in range(cases)], np.uint32)
    initial = new_state(cases)
    for record in initial:
        for register in range(31):
            record["x"][register] = generator.choice(
                (DATA + generator.randrange(0x10000), generator.getrandbits(64), generator.randrange(64), CODE_ADDRESS)
            )
        record["sp"], record["pc"] = STACK_POINTER + 16 * generator.randrange(64), CODE_ADDRESS
        record["pstate"] = generator.getrandbits(4) << 28
    return Batch(code, count, CODE_ADDRESS, initial, budget=50, fill=7)


@pytest.mark.parametrize("width", [1, 4])
def test_a_batch_gives_what_single_runs_give(width):
    batch = batch_of(random.Random(640 + width), 500, width)
    progress = HostMemory(0x1000)
    run_batch(batch, progress)
    assert (batch.done, int(progress.words()[0])) == (500, 500)
    pristine = fill_bytes(7, DATA_REGION[1])
    kinds, changes = set(), list(batch.changes[: batch.n_changes])
    for case in range(500):
        guest = Guest()
        guest.data.bytes[:] = np.frombuffer(pristine, np.uint8)
        guest.write(*batch.code[case, : batch.code_words[case]].tolist())
        guest.instance.set_state(0, batch.initial[case])
        ended = guest.go(50)
        final = new_state()
        guest.instance.get_state(0, final)
        assert unpack_exit(batch.exits[case]) == ended
        assert batch.final[case].tobytes() == final.tobytes()
        words, original = guest.data.words(), np.frombuffer(pristine, np.uint64)
        expected = [(case, 0, DATA + 8 * int(place), int(words[place])) for place in np.flatnonzero(words != original)]
        assert [tuple(change.tolist()) for change in changes[: len(expected)]] == expected
        del changes[: len(expected)]
        kinds.add(ended.kind)
        guest.instance.close()
    assert not changes
    assert {ExitKind.UNTIL, ExitKind.SVC, ExitKind.BRK, ExitKind.UNDEFINED, ExitKind.DATA_ABORT} <= kinds


@pytest.mark.parametrize("native", [True, False])
def test_a_batch_in_place_gives_the_same(native, monkeypatch):
    if not native:
        monkeypatch.setattr(native_loop, "library", lambda: None)
    apart, within = (batch_of(random.Random(7), 300, 2) for _ in range(2))
    within.final = within.initial
    run_batch(apart, HostMemory(0x1000))
    run_batch(within, HostMemory(0x1000))
    assert within.final.tobytes() == apart.final.tobytes()
    assert within.exits.tobytes() == apart.exits.tobytes()
    assert within.changes[: within.n_changes].tobytes() == apart.changes[: apart.n_changes].tobytes()
    assert len(set(within.exits["kind"].tolist())) > 3


def test_a_batch_counts_the_instructions_that_completed():
    words = [
        ([NOP, NOP, NOP], 3),
        ([NOP, SVC_0, NOP], 1),
        ([NOP, NOP, 0], 2),
        ([0x14000000, NOP, NOP], 50),  # b .
        ([NOP, 0xF9400020, NOP], 1),  # ldr x0, [x1] from nowhere
        ([NOP, 0xF9000020, NOP], 1),  # str x0, [x1] to nowhere
        ([NOP, 0xD50B7421, NOP], 1),  # dc zva, x1
        ([NOP, RET_TO_X1, NOP], 2),  # to nowhere
        ([NOP, 0xD503207F, NOP], 2),  # wfi
    ]
    initial = new_state(len(words))
    initial["pc"], initial["x"][:, 1] = CODE_ADDRESS, UNMAPPED
    code, lengths = np.array([row for row, _ in words], np.uint32), np.full(len(words), 3, np.uint32)
    batch = Batch(code, lengths, CODE_ADDRESS, initial, budget=50)
    run_batch(batch)
    assert batch.exits["executed"].tolist() == [executed for _, executed in words]


def test_a_batch_runs_again_what_does_not_process_data_to_its_end():
    right = [movz(0, 7), 0x91000400, 0x91000400]  # add x0, x0, #1, twice
    wrong = [movz(0, 7), 0x1AC0FC00, 0x91000400]  # an unallocated encoding of data processing
    rows = [right, wrong, wrong, right, right, wrong, right]
    initial = new_state(len(rows))
    initial["pc"], initial["x"][:, 5] = CODE_ADDRESS, np.arange(len(rows))
    for budget, ended, executed in ((50, ExitKind.UNTIL, 3), (2, ExitKind.BUDGET, 2)):
        lengths = np.full(len(rows), 3, np.uint32)
        batch = Batch(np.array(rows, np.uint32), lengths, CODE_ADDRESS, initial, budget=budget)
        run_batch(batch)
        for case, row in enumerate(rows):
            expected = (ended, executed, 7 + executed - 1) if row is right else (ExitKind.UNDEFINED, 1, 7)
            found = unpack_exit(batch.exits[case]).kind, batch.exits["executed"][case], batch.final["x"][case, 0]
            assert found == expected
            assert batch.final["x"][case, 5] == case


def test_a_batch_goes_on_where_it_was_and_restores_memory_between_cases():
    cases = 40
    code = np.zeros((cases, 2), np.uint32)
    code[:] = (0xF9400022, 0xF9000020)  # ldr x2, [x1]; str x0, [x1]
    initial = new_state(cases)
    initial["pc"], initial["x"][:, 0], initial["x"][:, 1] = CODE_ADDRESS, np.arange(cases) + 1, DATA + 0x8000
    batch = Batch(code, np.full(cases, 2, np.uint32), CODE_ADDRESS, initial)
    batch.done = 10
    run_batch(batch)
    assert not batch.final["x"][:, 2].any()
    assert batch.changes[: batch.n_changes].tolist() == [
        (case, 0, DATA + 0x8000, case + 1) for case in range(10, cases)
    ]
    assert batch.final["pc"][:10].tolist() == [0] * 10


def test_a_batch_leaves_nothing_of_an_earlier_case_behind_the_code():
    code = np.array([[NOP, NOP, SVC_0], [0x14000002, 0, 0]], np.uint32)  # the second case: b .+8, over its own end
    initial = new_state(2)
    initial["pc"] = CODE_ADDRESS
    batch = Batch(code, np.array([3, 1], np.uint32), CODE_ADDRESS, initial)
    run_batch(batch)
    assert [unpack_exit(row).kind for row in batch.exits] == [ExitKind.SVC, ExitKind.UNDEFINED]


def test_a_batch_starts_every_case_with_the_exclusive_monitor_open():
    code = np.array([[0xC85F7C20, NOP], [0xC8027C20, NOP]], np.uint32)  # ldxr x0, [x1]; then stxr w2, x0, [x1]
    initial = new_state(2)
    initial["pc"], initial["x"][:, 1] = CODE_ADDRESS, DATA
    batch = Batch(code, np.full(2, 2, np.uint32), CODE_ADDRESS, initial)
    run_batch(batch)
    assert batch.final["x"][:, 2].tolist() == [0, 1]


def test_more_translations_than_the_buffer_holds_do_no_harm():
    cases = 2000
    code = np.zeros((cases, 64), np.uint32)
    code[:] = 0x38000000 | 1 << 5 | 0x400000  # ldurb w0, [x1]: bulky translations
    code[:, 63] = [movz(3, number) for number in range(cases)]
    initial = new_state(cases)
    initial["pc"], initial["x"][:, 1] = CODE_ADDRESS, DATA
    batch = Batch(code, np.full(cases, 64, np.uint32), CODE_ADDRESS, initial)
    run_batch(batch)
    assert batch.final["x"][:, 3].tolist() == list(range(cases))


def test_the_cpu_model_is_that_of_the_environment():
    ldadd = 0xF8200022  # ldadd x0, x2, [x1]
    kinds = [Guest(Environment(model=cpu)).run(ldadd, x1=DATA).kind for cpu in ("cortex-a57", "max")]
    assert kinds == [ExitKind.UNDEFINED, ExitKind.UNTIL]
