"""The Dynarmic adapter's batches: what they give is what single runs give, and no word brings the process down."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from assay64.harness.backends.dynarmic import BACKEND
from assay64.harness.backends.library import LibraryBatchInstance, LibraryError, LibraryInstance
from assay64.harness.cases.case import CODE_REGION, DATA_REGION, Environment
from assay64.harness.cases.layout import Batch, new_state, unpack_exit
from assay64.harness.cases.memory import HostMemory, fill_bytes
from assay64.harness.cases.outcome import ExitKind
from assay64.suites.selftest._guest import ADD_X0, ALL_ONES, CODE, DATA, LDR, NOP, STR, STR_PRE, SVC, Guest

if reason := BACKEND.available():
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture
def guest() -> Iterator[Guest]:
    instance = BACKEND.create(Environment())
    yield Guest(instance)
    instance.close()


# ---- batches ----


def random_batch(count: int, seed: int, words: int = 3) -> Batch:
    """Random words, of which every second one is an ALU or memory instruction that executes."""
    generator = random.Random(seed)
    known = (ADD_X0, STR, LDR, STR_PRE, 0x3D800020, 0xA9000820, 0xF8008420, SVC, 0x39000020)
    code = [
        [generator.choice(known) if generator.random() < 0.7 else generator.getrandbits(32) for _ in range(words)]
        for _ in range(count)
    ]
    initial = new_state(count)
    initial["pc"], initial["sp"] = CODE, DATA + 0x8000
    initial["x"] = np.array(
        [[DATA + generator.randrange(-16, DATA_REGION[1] + 16) for _ in range(31)] for _ in range(count)]
    )
    return Batch(
        code=np.array(code, np.uint32),
        code_words=np.array([generator.randint(1, words) for _ in range(count)], np.uint32),
        code_address=CODE,
        initial=initial,
        budget=50,
        fill=5,
    )


@pytest.fixture
def batched() -> Iterator[LibraryBatchInstance]:
    instance = BACKEND.create(Environment())
    assert isinstance(instance, LibraryBatchInstance)
    yield instance
    instance.close()


def test_a_batch_gives_what_single_runs_give(batched: LibraryBatchInstance, guest: Guest) -> None:
    batch, progress = random_batch(400, 1), HostMemory(4096)
    batched.run_batch(batch, progress)
    assert (batch.done, int(progress.words()[0])) == (400, 400)
    pristine = np.frombuffer(fill_bytes(5, DATA_REGION[1]), np.uint64)
    kinds: set[ExitKind] = set()
    for index in range(400):
        guest.code.bytes[:] = 0
        guest.data.words()[:] = pristine
        guest.put(batch.code[index, : batch.code_words[index]].tolist())
        guest.instance.notify_code(*CODE_REGION)
        guest.instance.set_state(0, batch.initial[index : index + 1].reshape(()))
        ended = guest.instance.run(0, batch.budget, guest.end)
        kinds.add(ended.kind)
        assert unpack_exit(batch.exits[index]) == ended, f"case {index}"
        assert batch.final[index].tobytes() == guest.state().tobytes(), f"case {index}"
        changed = np.flatnonzero(guest.data.words() != pristine)
        rows = batch.changes[: batch.n_changes]
        rows = rows[rows["case"] == index]
        assert rows["address"].tolist() == (DATA + 8 * changed).tolist(), f"case {index}"
        assert rows["value"].tolist() == guest.data.words()[changed].tolist(), f"case {index}"
    assert {ExitKind.UNTIL, ExitKind.SVC, ExitKind.DATA_ABORT, ExitKind.DECLINED} <= kinds
    assert batch.n_changes > 200


def test_a_batch_in_place_gives_the_same(batched: LibraryBatchInstance) -> None:
    apart, within = random_batch(400, 3), random_batch(400, 3)
    within.final = within.initial
    for batch in (apart, within):
        batched.run_batch(batch, HostMemory(4096))
    assert within.final.tobytes() == apart.final.tobytes()
    assert within.exits.tobytes() == apart.exits.tobytes()
    assert within.changes[: within.n_changes].tobytes() == apart.changes[: apart.n_changes].tobytes()


def test_straight_code_is_not_looked_for_behind_its_end(batched: LibraryBatchInstance) -> None:
    """Loops, branches over the end and budgets shorter than the code end as ever, whatever the first slice was."""
    code = {
        (NOP, NOP, NOP): (ExitKind.UNTIL, 3),
        (0xF1000400, 0x54FFFFE1, NOP): (ExitKind.UNTIL, 2 * 200 + 1),  # subs x0, x0, #1; b.ne . - 4
        (0x14000003, NOP, NOP): (ExitKind.UNTIL, 1),
        (0x17FFFFFF, NOP, NOP): (ExitKind.DECLINED, 1),  # b . - 4, where zeros are
        (0x14000000, NOP, NOP): (ExitKind.BUDGET, 1000),
    }
    batch = Batch(
        code=np.array(list(code), np.uint32),
        code_words=np.full(len(code), 3, np.uint32),
        code_address=CODE,
        initial=new_state(len(code)),
        budget=1000,
    )
    batch.initial["pc"], batch.initial["x"][:, 0] = CODE, 200
    batched.run_batch(batch, HostMemory(4096))
    found = [(unpack_exit(row).kind, int(row["executed"])) for row in batch.exits]
    assert found == list(code.values())


def test_a_batch_goes_on_where_it_was(batched: LibraryBatchInstance) -> None:
    whole, rest = random_batch(50, 2), random_batch(50, 2)
    batched.run_batch(whole, HostMemory(4096))
    rest.done = 20
    progress = HostMemory(4096)
    batched.run_batch(rest, progress)
    assert (rest.done, int(progress.words()[0])) == (50, 50)
    assert rest.final[20:].tobytes() == whole.final[20:].tobytes()
    assert not rest.final[:20]["size"].any()
    assert rest.changes[: rest.n_changes].tobytes() == whole.changes[whole.changes["case"] >= 20].tobytes()


def test_more_changes_than_fit_in_one_call(batched: LibraryBatchInstance) -> None:
    # stp x0, x2, [x1], #16; sub x3, x3, #1; cbnz x3, .-8: 64 KiB of ones, in each of five cases
    count = 5
    batch = Batch(
        code=np.array([[0xA8810820, 0xD1000463, 0xB5FFFFC3]] * count, np.uint32),
        code_words=np.full(count, 3, np.uint32),
        code_address=CODE,
        initial=new_state(count),
        budget=100_000,
    )
    batch.initial["pc"] = CODE
    batch.initial["x"][:, :4] = (ALL_ONES, DATA, ALL_ONES, DATA_REGION[1] // 16)
    batched.run_batch(batch, HostMemory(4096))
    assert (batch.done, batch.n_changes) == (count, count * DATA_REGION[1] // 8)
    assert batch.changes["case"].tolist() == sorted(batch.changes["case"].tolist())


def test_a_longer_case_leaves_no_code_behind_for_a_shorter_one(batched: LibraryBatchInstance) -> None:
    batch = Batch(
        code=np.array([[NOP, NOP, ADD_X0, ADD_X0], [0x14000002, 0, 0, 0]], np.uint32),  # b .+8, over the end
        code_words=np.array([4, 1], np.uint32),
        code_address=CODE,
        initial=new_state(2),
    )
    batch.initial["pc"] = CODE
    batched.run_batch(batch, HostMemory(4096))
    assert [unpack_exit(row).kind for row in batch.exits] == [ExitKind.UNTIL, ExitKind.DECLINED]
    assert batch.final["pc"].tolist() == [CODE + 16, CODE + 8]


def test_no_word_brings_the_process_down() -> None:
    """20,000 random words and 2,000 random sequences, in a process of their own."""
    program = f"""
import numpy as np
from assay64.harness.backends.dynarmic import BACKEND
from assay64.harness.cases.case import Environment
from assay64.harness.cases.layout import Batch, new_state
from assay64.harness.cases.memory import HostMemory
generator = np.random.Generator(np.random.PCG64(2024))
instance = BACKEND.create(Environment())
for count, words in ((20_000, 1), (2_000, 16)):
    initial = new_state(count)
    initial["pc"] = {CODE}
    initial["x"] = {DATA} + generator.integers(0, 65536, (count, 31))
    code = generator.integers(0, 1 << 32, (count, words), dtype=np.uint32)
    code_words = np.full(count, words, np.uint32)
    batch = Batch(code=code, code_words=code_words, code_address={CODE}, initial=initial, fill=1)
    instance.run_batch(batch, HostMemory(4096))
    print(batch.done, len(np.unique(batch.exits["kind"])) > 3)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["20000", "True", "2000", "True"], "")


def test_closing_twice_and_using_a_closed_machine() -> None:
    instance: LibraryInstance = BACKEND.create(Environment())
    instance.close()
    instance.close()
    with pytest.raises(LibraryError, match="closed"):
        instance.step(0)
