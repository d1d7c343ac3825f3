"""Control of the backends `qemu-user` and `native`: changed code, breakpoints, budgets, stops, instances, deaths.

Everything here runs on whichever of the two is here; what QEMU does otherwise than Arm is not asserted.
"""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from assay64.harness.backends.contract import BackendDied
from assay64.harness.backends.runner import NATIVE, QEMU_USER, arena
from assay64.harness.backends.runner.host import features_of
from assay64.harness.backends.runner.instance import RunnerInstance
from assay64.harness.backends.runner.program import ARENA
from assay64.harness.cases.case import DATA_REGION, Case, Environment
from assay64.harness.cases.layout import STATE_DTYPE
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.harness.cases.state import State
from assay64.harness.judge.frames import Crashed, Ran
from assay64.harness.judge.pool import Worker
from assay64.suites.selftest._guest import (
    ADD_X0,
    BRANCH_SELF,
    CODE,
    DATA,
    DATA_END,
    LDR,
    LDXR,
    NOP,
    STR,
    STXR,
    Guest,
)

BACKEND = NATIVE if NATIVE.available() is None else QEMU_USER
pytestmark = pytest.mark.skipif(BACKEND.available() is not None, reason=str(BACKEND.available()))

ALL_ONES = (1 << 64) - 1


@pytest.fixture
def guest():
    guest = Guest(BACKEND.create(Environment()))
    yield guest
    guest.instance.close()


def test_code_is_never_stale(guest):
    for value in range(1, 200):
        assert guest.run(0xD2800000 | value << 5, NOP).kind is ExitKind.UNTIL
        assert guest.x(0) == value
        guest.put([0xD2800000 | value + 1 << 5], CODE + 4)
        guest.load(pc=CODE + 4)
        guest.instance.run(0, 10, CODE + 8)
        assert guest.x(0) == value + 1


def test_more_changes_of_code_than_the_runner_is_told_of_one_by_one(guest):
    guest.run(*[ADD_X0] * 1000, budget=2000)
    assert guest.x(0) == 1000
    for index in range(0, 1000, 2):
        guest.put([NOP], CODE + 4 * index)
    guest.load()
    assert guest.instance.run(0, 2000, CODE + 4000).kind is ExitKind.UNTIL
    assert guest.x(0) == 500


def test_breakpoints_stop_before_their_instruction(guest):
    guest.put([ADD_X0, ADD_X0, ADD_X0])
    guest.instance.set_breakpoint(CODE + 4)
    guest.load()
    assert guest.instance.run(0, 10, guest.end).kind is ExitKind.BREAKPOINT
    assert (guest.pc, guest.x(0)) == (CODE + 4, 1)
    assert guest.instance.run(0, 10, guest.end).kind is ExitKind.BREAKPOINT, "a run that begins there"
    guest.instance.clear_breakpoint(CODE + 4)
    assert guest.instance.run(0, 10, guest.end).kind is ExitKind.UNTIL
    assert guest.x(0) == 3


def test_an_endless_loop_ends_as_its_budget_spent(guest):
    assert guest.run(ADD_X0, 0x17FFFFFF, budget=50).kind is ExitKind.BUDGET
    assert guest.pc in (CODE, CODE + 4)
    assert guest.x(0) >= 50
    assert guest.run(ADD_X0).kind is ExitKind.UNTIL, "what stopped it does not reach the next run"


def test_stop_ends_a_run_in_progress_and_one_to_come(guest):
    timer = threading.Timer(0.05, guest.instance.stop, (0,))
    timer.start()
    begun = time.monotonic()
    assert guest.run(BRANCH_SELF, budget=1 << 40).kind is ExitKind.STOPPED
    assert 0.04 < time.monotonic() - begun < 20
    timer.join()
    assert guest.run(ADD_X0).kind is ExitKind.UNTIL
    guest.put([ADD_X0])
    guest.load()
    guest.instance.stop(0)
    assert guest.instance.run(0, 10, guest.end).kind is ExitKind.STOPPED
    assert guest.x(0) == 0
    guest.instance.stop(0)
    guest.load()
    assert guest.instance.run(0, 10, guest.end).kind is ExitKind.UNTIL, "loading a state forgets it"


def test_the_exclusive_monitor_starts_open(guest):
    assert guest.run(STXR, x0=9, x1=DATA).kind is ExitKind.UNTIL
    assert (guest.x(3), guest.doubleword(0)) == (1, 0)
    assert any(guest.run(LDXR, STXR, x1=DATA).kind is ExitKind.UNTIL and guest.x(3) == 0 for _ in range(20))
    guest.run(LDXR, x1=DATA)
    guest.run(STXR, x0=9, x1=DATA)
    assert guest.x(3) == 1, "loading a state opens it"


def test_two_instances_have_nothing_in_common():
    one, other = (Guest(BACKEND.create(Environment())) for _ in range(2))
    one.put([ADD_X0])
    other.put([STR])
    one.load(x0=10, tpidr_el0=1)
    other.load(x0=20, x1=DATA, tpidr_el0=2)
    assert one.instance.run(0, 10, one.end).kind is ExitKind.UNTIL
    assert other.instance.run(0, 10, other.end).kind is ExitKind.UNTIL
    assert (one.x(0), other.x(0)) == (11, 20)
    assert (int(one.state()["tpidr_el0"]), int(other.state()["tpidr_el0"])) == (1, 2)
    assert (one.doubleword(0), other.doubleword(0)) == (0, 20)
    one.instance.close()
    assert other.run(ADD_X0).kind is ExitKind.UNTIL
    other.instance.close()


def test_the_death_of_the_process_is_told(guest):
    timer = threading.Timer(0.05, os.kill, (guest.instance.runner.process_id, signal.SIGKILL))
    timer.start()
    with pytest.raises(BackendDied, match="SIGKILL") as died:
        guest.run(BRANCH_SELF, budget=1 << 40)
    assert died.value.status == -signal.SIGKILL
    timer.join()
    with pytest.raises(BackendDied):
        guest.run(ADD_X0)


def test_closing_ends_the_process():
    instance = BACKEND.create(Environment())
    assert isinstance(instance, RunnerInstance)
    process = instance.runner.process_id
    instance.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_features_come_from_the_auxiliary_vector():
    assert features_of({16: 1 << 3 | 1 << 8, 26: 1 << 17}) == {"FEAT_AES", "FEAT_LSE", "FEAT_BTI"}
    assert features_of({16: 1 << 9}) == frozenset(), "FP16 has two bits"
    declared = BACKEND.capabilities().features
    guest = Guest(BACKEND.create(Environment(model="max")))
    for feature, word in (("FEAT_LSE", 0xB8200020), ("FEAT_DotProd", 0x0E829420), ("FEAT_I8MM", 0x4E82A420)):
        kind = guest.run(word, x1=DATA).kind
        assert kind is (ExitKind.UNTIL if feature in declared else ExitKind.UNDEFINED), feature
    guest.instance.close()


def test_accesses_at_the_end_of_memory(guest):
    assert guest.run(STR, x0=ALL_ONES, x1=DATA_END - 8).kind is ExitKind.UNTIL
    assert guest.doubleword(DATA_REGION[1] - 8) == ALL_ONES
    assert guest.run(LDR, x1=DATA_END).kind is ExitKind.DATA_ABORT
    assert STATE_DTYPE.itemsize == 944, "runner.s has this number"


def test_semihosting_does_not_reach_the_host(guest):
    """HLT #0xf000 with X0=0x18 would end the emulator: it is stopped in front of it. A processor has it UNDEFINED."""
    found = guest.run(NOP, 0xD45E0000, x0=0x18)
    assert found == (Exit(kind=ExitKind.UNDEFINED) if BACKEND is NATIVE else Exit(kind=ExitKind.HLT, immediate=0xF000))
    assert guest.pc == CODE + 4


def test_a_guest_that_ruins_the_runner_is_a_crash_and_costs_its_own_case_only():
    """It writes a wild address into the runner's own memory: where final states are put."""
    ruin = Case(code=(STR,), states=(State.of(x0=8, x1=ARENA + 8 * arena.FINAL),))
    fine = Case(code=(ADD_X0,), states=(State.of(x0=1),))
    with Worker(BACKEND.name) as worker:
        first, second, third = worker.run([fine, ruin, fine])
        assert isinstance(second, Crashed)
        assert second.signal == "SIGSEGV"
        assert second.alone
        for result in (first, third):
            assert isinstance(result, Ran)
            assert result.outcome.states[0].general.x[0] == 2
