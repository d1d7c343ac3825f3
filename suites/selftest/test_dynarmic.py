"""The Dynarmic adapter: each peculiarity of Dynarmic that it hides, and what it promises in budget, exits, faults and batches."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.dynarmic import BACKEND
from assay64.harness.backends.library import LibraryBatchInstance, LibraryError, LibraryInstance
from assay64.harness.cases.case import CODE_REGION, DATA_REGION, Environment
from assay64.harness.cases.layout import EXECUTED_UNKNOWN, Batch, new_state, unpack_exit
from assay64.harness.cases.memory import HostMemory, fill_bytes
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.suites.selftest._guest import ALL_ONES, CODE, DATA, DATA_END, Guest

if reason := BACKEND.available():
    pytest.skip(reason, allow_module_level=True)

NOP, SVC, BRANCH_SELF, BR_X1, RET = 0xD503201F, 0xD4000001, 0x14000000, 0xD61F0020, 0xD65F03C0
ADD_X0 = 0x91000400  # add x0, x0, #1
LDR, LDR_POST, STR, STR_PRE = 0xF9400020, 0xF8408420, 0xF9000020, 0xF8008C20  # x0, [x1]; [x1], #8; x0, [x1]; [x1, #8]!
LDXR, STXR, CLREX = 0xC85F7C20, 0xC8037C20, 0xD5033F5F  # x0, [x1]; w3, x0, [x1]
UNMAPPED = 0x3000_0000


@pytest.fixture
def guest() -> Iterator[Guest]:
    instance = BACKEND.create(Environment())
    yield Guest(instance)
    instance.close()


@pytest.fixture
def pair() -> Iterator[Guest]:
    """Two vCPUs on one memory."""
    instance = BACKEND.create(Environment(), vcpus=2)
    yield Guest(instance)
    instance.close()


# ---- exits and the PC that goes with them ----


@pytest.mark.parametrize(
    ("word", "kind", "immediate", "pc_offset"),
    [
        pytest.param(0xD4024681, ExitKind.SVC, 0x1234, 4, id="svc #0x1234"),
        pytest.param(0xD43579A0, ExitKind.BRK, 0xABCD, 0, id="brk #0xabcd"),
        pytest.param(0x00000007, ExitKind.DECLINED, 0, 0, id="udf #7"),
        pytest.param(0xD4000022, ExitKind.DECLINED, 0, 0, id="hvc #1"),
        pytest.param(0xD4000023, ExitKind.DECLINED, 0, 0, id="smc #1"),
        pytest.param(0xD4400020, ExitKind.DECLINED, 0, 0, id="hlt #1"),
        pytest.param(0xD69F03E0, ExitKind.DECLINED, 0, 0, id="eret"),
        pytest.param(0xD5380000, ExitKind.DECLINED, 0, 0, id="mrs x0, midr_el1"),
        pytest.param(0x2B22B420, ExitKind.UNDEFINED, 0, 0, id="adds w0, w1, w2, sxth #5 (reserved shift)"),
        pytest.param(0xA8C00800, ExitKind.UNPREDICTABLE, 0, 0, id="ldp x0, x2, [x0], #0"),
        pytest.param(0xD503207F, ExitKind.WAIT, 0, 4, id="wfi"),
        pytest.param(0xD503205F, ExitKind.WAIT, 0, 4, id="wfe"),
    ],
)
def test_exit_and_preferred_return_address(guest: Guest, word: int, kind: ExitKind, immediate: int, pc_offset: int) -> None:
    exit = guest.run(NOP, word, NOP)
    assert (exit.kind, exit.immediate, guest.pc) == (kind, immediate, CODE + 4 + pc_offset)
    guest.load(pc=CODE + 4)
    assert guest.instance.step(0) == exit
    assert guest.pc == CODE + 4 + pc_offset


@pytest.mark.parametrize("word", [0xD503201F, 0xD503203F, 0xD503209F, 0xD50320BF, 0xD503233F, 0xD5033FDF, 0xD5033F9F, CLREX])
def test_hints_and_barriers_execute(guest: Guest, word: int) -> None:
    assert guest.run(word, ADD_X0).kind is ExitKind.UNTIL
    assert (guest.x(0), guest.instance.executed(0)) == (1, 2)


def test_wfe_takes_the_event_that_sevl_left(guest: Guest) -> None:
    assert guest.run(0xD50320BF, 0xD503205F).kind is ExitKind.UNTIL  # sevl; wfe
    assert guest.state()["event_register"] == 0
    assert guest.run(0xD503205F, event_register=1).kind is ExitKind.UNTIL
    assert guest.run(0xD50320BF).kind is ExitKind.UNTIL
    assert guest.state()["event_register"] == 1


def test_sev_reaches_the_other_vcpu(pair: Guest) -> None:
    pair.run(0xD503209F)  # sev
    assert pair.state(1)["event_register"] == 1


def test_many_undecodable_words_in_a_row_are_one_exit_at_the_first(guest: Guest) -> None:
    assert guest.run(*[0] * 100).kind is ExitKind.DECLINED
    assert (guest.pc, guest.instance.executed(0)) == (CODE, 0)


# ---- data aborts ----

READ, WRITE = Access.READ, Access.WRITE


@pytest.mark.parametrize(
    ("word", "x1", "access", "address"),
    [
        pytest.param(LDR, UNMAPPED, READ, UNMAPPED, id="ldr x0, [x1]"),
        pytest.param(LDR_POST, UNMAPPED, READ, UNMAPPED, id="ldr x0, [x1], #8"),
        pytest.param(0xF8408C20, UNMAPPED - 8, READ, UNMAPPED, id="ldr x0, [x1, #8]!"),
        pytest.param(STR, UNMAPPED, WRITE, UNMAPPED, id="str x0, [x1]"),
        pytest.param(STR_PRE, UNMAPPED - 8, WRITE, UNMAPPED, id="str x0, [x1, #8]!"),
        pytest.param(0x39000020, DATA_END, WRITE, DATA_END, id="strb w0, [x1]"),
        pytest.param(LDR, DATA_END - 4, READ, DATA_END, id="ldr across the end"),
        pytest.param(LDR, DATA - 4, READ, DATA - 4, id="ldr across the beginning"),
        pytest.param(STR, DATA_END - 1, WRITE, DATA_END, id="str across the end"),
        pytest.param(STR, DATA - 7, WRITE, DATA - 7, id="str across the beginning"),
        pytest.param(0x3DC00020, DATA_END - 8, READ, DATA_END, id="ldr q0 across the end"),
        pytest.param(0x3D800020, DATA_END - 15, WRITE, DATA_END, id="str q0 across the end"),
        pytest.param(0xA9400820, UNMAPPED, READ, UNMAPPED, id="ldp x0, x2, [x1]"),
        pytest.param(0xA8C10820, DATA_END - 8, READ, DATA_END, id="ldp x0, x2, [x1], #16 across the end"),
        pytest.param(0xA9000820, UNMAPPED, WRITE, UNMAPPED, id="stp x0, x2, [x1]"),
        pytest.param(LDXR, UNMAPPED, READ, UNMAPPED, id="ldxr x0, [x1]"),
        pytest.param(0xC87F1424, UNMAPPED, READ, UNMAPPED, id="ldxp x4, x5, [x1]"),
        pytest.param(0xC85FFC20, ALL_ONES - 7, READ, ALL_ONES - 7, id="ldaxr x0, [x1] at the top"),
        pytest.param(LDR, ALL_ONES, READ, ALL_ONES, id="ldr that wraps"),
        pytest.param(LDR, 0x0100_0000_2000_0000, READ, 0x0100_0000_2000_0000, id="ldr with a tag"),
        pytest.param(0xD50B7421, UNMAPPED, WRITE, UNMAPPED, id="dc zva, x1"),
    ],
)
@pytest.mark.parametrize("stepped", [False, True], ids=["run", "step"])
def test_data_abort_is_precise(guest: Guest, word: int, x1: int, access: Access, address: int, stepped: bool) -> None:
    guest.put([ADD_X0, word, ADD_X0])
    guest.load(x0=0x11, x1=x1, x2=0x22, x3=0x33, v0=0x44, pc=CODE + 4 if stepped else CODE)
    exit = guest.instance.step(0) if stepped else guest.instance.run(0, 1000, guest.end)
    assert exit == Exit(kind=ExitKind.DATA_ABORT, access=access, fault=Fault.TRANSLATION, address=address)
    state = guest.state()
    assert [int(value) for value in state["x"][:4]] == [0x11 if stepped else 0x12, x1, 0x22, 0x33]
    assert (int(state["v"][0][0]), guest.pc) == (0x44, CODE + 4)
    assert not guest.data.bytes.any()
    assert guest.instance.executed(0) == (0 if stepped else EXECUTED_UNKNOWN)


def test_store_exclusive_that_faults_leaves_the_status_register(guest: Guest) -> None:
    guest.put([LDXR, STXR])
    guest.load(x1=DATA, x3=0x33)
    assert guest.instance.step(0).kind is ExitKind.STEP
    guest.instance.protect(DATA, 0x1000, "r")
    exit = guest.instance.run(0, 10, guest.end)
    assert exit == Exit(kind=ExitKind.DATA_ABORT, access=WRITE, fault=Fault.PERMISSION, address=DATA)
    assert (guest.x(3), guest.pc) == (0x33, CODE + 4)


@pytest.mark.parametrize(
    ("permissions", "word", "fault"),
    [("r", STR, Fault.PERMISSION), ("w", LDR, Fault.PERMISSION), ("x", LDR, Fault.PERMISSION), ("", LDR, Fault.PERMISSION)],
)
def test_permissions_are_checked_and_change(guest: Guest, permissions: str, word: int, fault: Fault) -> None:
    assert guest.run(word, x1=DATA).kind is ExitKind.UNTIL
    guest.instance.protect(DATA, 0x1000, permissions)
    assert guest.run(word, x1=DATA).fault is fault
    assert guest.run(word, x1=DATA + 0x1000).kind is ExitKind.UNTIL
    guest.instance.unmap(DATA, 0x1000)
    assert guest.run(word, x1=DATA).fault is Fault.TRANSLATION


def test_an_access_over_two_pages_that_are_apart_on_the_host(guest: Guest) -> None:
    guest.instance.map(DATA, guest.data, 0x4000, 0x1000, "rw")
    guest.instance.map(DATA + 0x1000, guest.data, 0x2000, 0x1000, "rw")
    guest.write(0x4FF8, 0x1122_3344_5566_7788)
    guest.write(0x2000, 0x99AA_BBCC_DDEE_FF00)
    assert guest.run(LDR, x1=DATA + 0xFFC).kind is ExitKind.UNTIL
    assert guest.x(0) == 0xDDEE_FF00_1122_3344
    assert guest.run(STR, x0=ALL_ONES, x1=DATA + 0xFFD).kind is ExitKind.UNTIL
    assert (guest.doubleword(0x4FF8), guest.doubleword(0x2000)) == (0xFFFF_FF44_5566_7788, 0x99AA_BBFF_FFFF_FFFF)
    assert guest.run(LDXR, STXR, x1=DATA + 0xFFC).kind is ExitKind.UNTIL
    assert guest.x(3) == 0


def test_device_memory_faults_on_unaligned_access(guest: Guest) -> None:
    guest.instance.map(DATA, guest.data, 0, 0x1000, "rw", device=True)
    assert guest.run(LDR, x1=DATA + 8).kind is ExitKind.UNTIL
    exit = guest.run(LDR, x1=DATA + 4)
    assert exit == Exit(kind=ExitKind.DATA_ABORT, access=READ, fault=Fault.ALIGNMENT, address=DATA + 4)


def test_an_alias_shows_the_same_bytes(guest: Guest) -> None:
    guest.instance.map(UNMAPPED, guest.data, 0, 0x1000, "rw")
    assert guest.run(STR, x0=0x77, x1=UNMAPPED + 16).kind is ExitKind.UNTIL
    assert guest.run(LDR, x1=DATA + 16).kind is ExitKind.UNTIL
    assert guest.x(0) == 0x77


# ---- instruction aborts and alignment of the PC ----


@pytest.mark.parametrize(
    ("target", "fault"),
    [(UNMAPPED, Fault.TRANSLATION), (DATA, Fault.PERMISSION), (1 << 55, Fault.TRANSLATION), (ALL_ONES - 3, Fault.TRANSLATION)],
)
@pytest.mark.parametrize("word", [BR_X1, 0xD63F0020], ids=["br", "blr"])
def test_branch_to_where_nothing_can_be_fetched(guest: Guest, word: int, target: int, fault: Fault) -> None:
    exit = guest.run(word, x1=target)
    assert exit == Exit(kind=ExitKind.INSTRUCTION_ABORT, access=Access.FETCH, fault=fault, address=target)
    assert (guest.pc, guest.x(30)) == (target, CODE + 4 if word != BR_X1 else 0)
    assert guest.instance.executed(0) == 1


def test_every_bit_of_a_bad_target_is_reported_each_time(guest: Guest) -> None:
    for high in (0x12, 0x34, 0x12, 0x00):
        target = high << 56 | UNMAPPED
        assert guest.run(BR_X1, x1=target).address == target


def test_falling_off_the_last_executable_page(guest: Guest) -> None:
    last = CODE_REGION[0] + CODE_REGION[1] - 8
    guest.put([ADD_X0, ADD_X0], last)
    guest.load(pc=last)
    exit = guest.instance.run(0, 100, None)
    assert (exit.kind, exit.address) == (ExitKind.INSTRUCTION_ABORT, CODE_REGION[0] + CODE_REGION[1])
    assert (guest.x(0), guest.instance.executed(0)) == (2, 2)


@pytest.mark.parametrize("low", [1, 2, 3])
def test_unaligned_pc(guest: Guest, low: int) -> None:
    assert guest.run(BR_X1, x1=CODE + low) == Exit(kind=ExitKind.PC_ALIGNMENT)
    assert guest.pc == CODE + low
    assert guest.run(BR_X1, pc=CODE + low).kind is ExitKind.PC_ALIGNMENT
    assert guest.run(BR_X1, x1=UNMAPPED + low).kind is ExitKind.PC_ALIGNMENT
    guest.load(pc=UNMAPPED + low)
    assert guest.instance.step(0).kind is ExitKind.PC_ALIGNMENT


# ---- until, budget, step ----


def test_until_needs_no_memory_and_touches_none(guest: Guest) -> None:
    guest.put([BR_X1])
    guest.load(x1=UNMAPPED)
    assert guest.instance.run(0, 10, UNMAPPED).kind is ExitKind.UNTIL
    assert (guest.pc, guest.instance.executed(0)) == (UNMAPPED, 1)
    guest.load()
    assert guest.instance.run(0, 10, CODE).kind is ExitKind.UNTIL
    assert guest.instance.executed(0) == 0


def test_until_may_move_into_and_out_of_code_that_has_run(guest: Guest) -> None:
    guest.put([ADD_X0] * 8)
    for until in (CODE + 32, CODE + 16, CODE + 20, CODE + 32, CODE + 4):
        guest.load()
        assert guest.instance.run(0, 100, until).kind is ExitKind.UNTIL
        assert (guest.x(0), guest.pc) == ((until - CODE) // 4, until)
    guest.load(pc=CODE + 4)
    assert guest.instance.step(0).kind is ExitKind.STEP  # the last `until` is no obstacle to a step


def test_svc_just_before_until(guest: Guest) -> None:
    assert guest.run(SVC) == Exit(kind=ExitKind.SVC)
    assert guest.instance.run(0, 10, guest.end).kind is ExitKind.UNTIL


@pytest.mark.parametrize("budget", [1, 2, 63, 64, 65, 66, 127, 128, 129, 130, 200, 299])
def test_budget_is_exact_in_straight_code(guest: Guest, budget: int) -> None:
    assert guest.run(*[ADD_X0] * 300, budget=budget).kind is ExitKind.BUDGET
    assert (guest.x(0), guest.pc, guest.instance.executed(0)) == (budget, CODE + 4 * budget, budget)
    assert guest.instance.run(0, 1000, guest.end).kind is ExitKind.UNTIL
    assert guest.x(0) == 300


@pytest.mark.parametrize("budget", [1, 2, 3, 64, 65, 66, 67, 68, 100, 1000, 12345, 3_000_001])
def test_budget_is_exact_in_loops(guest: Guest, budget: int) -> None:
    # add x0, x0, #1; b .+8; (skipped); b .-12: three instructions a turn
    assert guest.run(ADD_X0, 0x14000002, SVC, 0x17FFFFFD, budget=budget).kind is ExitKind.BUDGET
    assert guest.x(0) == (budget + 2) // 3
    assert guest.pc == CODE + (0, 4, 12)[budget % 3]
    assert guest.instance.executed(0) == budget


def test_budget_is_exact_through_calls_and_returns(guest: Guest) -> None:
    words = [0x94000003, ADD_X0, 0x17FFFFFE, ADD_X0, RET]  # bl .+12; add; b .-8; add; ret
    for budget in (1, 7, 64, 65, 66, 67, 68, 69, 500, 5000):
        guest.run(*words, budget=budget)
        run = guest.snapshot()
        guest.load()
        for _ in range(min(budget, 500)):
            assert guest.instance.step(0).kind is ExitKind.STEP
        if budget <= 500:
            assert guest.snapshot() == run
        else:
            assert guest.instance.executed(0) == 1
            guest.instance.run(0, budget - 500, guest.end)
            assert guest.snapshot() == run


def test_the_end_of_the_code_comes_before_the_end_of_the_budget(guest: Guest) -> None:
    assert guest.run(ADD_X0, ADD_X0, budget=2).kind is ExitKind.UNTIL


def test_a_counter_read_does_not_upset_the_budget(guest: Guest) -> None:
    assert guest.run(*[ADD_X0, 0xD53BE022] * 150, budget=250).kind is ExitKind.BUDGET  # mrs x2, cntpct_el0
    assert (guest.x(0), guest.pc, guest.instance.executed(0)) == (125, CODE + 1000, 250)


def test_blocks_of_every_length_are_cut_without_a_trace(guest: Guest) -> None:
    guest.run(*[ADD_X0] * 4000, budget=100_000)
    assert (guest.x(0), guest.pc, guest.instance.executed(0)) == (4000, guest.end, 4000)


# ---- debugging and stopping ----


def test_breakpoint_stops_before_its_instruction_until_it_is_cleared(guest: Guest) -> None:
    guest.run(*[ADD_X0] * 4)
    guest.instance.set_breakpoint(CODE + 8)
    assert guest.run(*[ADD_X0] * 4).kind is ExitKind.BREAKPOINT
    assert (guest.x(0), guest.pc) == (2, CODE + 8)
    assert guest.instance.run(0, 10, guest.end).kind is ExitKind.BREAKPOINT
    assert guest.instance.step(0).kind is ExitKind.BREAKPOINT
    guest.instance.clear_breakpoint(CODE + 8)
    assert guest.instance.run(0, 10, guest.end).kind is ExitKind.UNTIL
    assert guest.x(0) == 4
    with pytest.raises(LibraryError, match="no breakpoint there"):
        guest.instance.clear_breakpoint(CODE + 8)


@pytest.mark.parametrize(
    ("watched", "size", "access", "word", "address", "hit"),
    [
        (DATA + 8, 8, "w", STR, DATA + 8, DATA + 8),
        (DATA + 8, 8, "w", STR, DATA + 4, DATA + 8),
        (DATA + 8, 8, "rw", STR, DATA + 12, DATA + 12),
        (DATA + 8, 1, "w", STR, DATA + 1, DATA + 8),
        (DATA + 8, 8, "r", LDR, DATA + 15, DATA + 15),
        (DATA + 8, 8, "w", STR, DATA, None),
        (DATA + 8, 8, "w", STR, DATA + 16, None),
        (DATA + 8, 8, "w", LDR, DATA + 8, None),
        (DATA + 8, 8, "r", STR, DATA + 8, None),
    ],
)
def test_watchpoint(guest: Guest, watched: int, size: int, access: str, word: int, address: int, hit: int | None) -> None:
    guest.instance.set_watchpoint(watched, size, access)
    exit = guest.run(ADD_X0, word, x0=0x76, x1=address)
    if hit is None:
        assert exit.kind is ExitKind.UNTIL
        return
    kind = READ if word == LDR else WRITE
    assert exit == Exit(kind=ExitKind.WATCHPOINT, access=kind, address=hit)
    assert (guest.pc, guest.x(0)) == (CODE + 4, 0x77)
    assert not guest.data.bytes.any()
    guest.instance.clear_watchpoint(watched)
    assert guest.instance.run(0, 10, guest.end).kind is ExitKind.UNTIL


def test_stop_from_another_thread(guest: Guest) -> None:
    guest.put([BRANCH_SELF])
    guest.load()
    timer = threading.Timer(0.05, guest.instance.stop, [0])
    timer.start()
    begin = time.monotonic()
    assert guest.instance.run(0, 1 << 62, None).kind is ExitKind.STOPPED
    timer.join()
    assert time.monotonic() - begin < 5
    assert guest.instance.run(0, 1000, None).kind is ExitKind.BUDGET  # once is once


def test_a_stop_before_the_run_is_kept_and_set_state_forgets_it(guest: Guest) -> None:
    guest.put([BRANCH_SELF])
    guest.load()
    guest.instance.stop(0)
    assert guest.instance.run(0, 10, None).kind is ExitKind.STOPPED
    guest.instance.stop(0)
    guest.load()
    assert guest.instance.run(0, 10, None).kind is ExitKind.BUDGET
    assert guest.instance.executed(0) == 10


# ---- the exclusive monitor ----


def test_exclusive_pair_of_instructions(guest: Guest) -> None:
    assert guest.run(LDXR, ADD_X0, STXR, x1=DATA, x3=9).kind is ExitKind.UNTIL
    assert (guest.x(3), guest.doubleword(0)) == (0, 1)
    assert guest.run(STXR, x0=5, x1=DATA, x3=9).kind is ExitKind.UNTIL  # nothing was marked
    assert (guest.x(3), guest.doubleword(0)) == (1, 1)
    assert guest.run(LDXR, CLREX, STXR, x1=DATA).kind is ExitKind.UNTIL
    assert guest.x(3) == 1


def test_set_state_opens_the_monitor(guest: Guest) -> None:
    guest.run(LDXR, x1=DATA)
    assert guest.run(STXR, x1=DATA).kind is ExitKind.UNTIL
    assert guest.x(3) == 1


@pytest.mark.parametrize("offset", [0, 8], ids=["aligned", "not aligned to 16 bytes"])
def test_exclusive_pair_of_registers(guest: Guest, offset: int) -> None:
    guest.write(offset, 1)
    guest.write(offset + 8, 2)
    # ldxp x4, x5, [x1]; stxp w3, x0, x2, [x1]
    assert guest.run(0xC87F1424, 0xC8230820, x0=11, x1=DATA + offset, x2=22, x3=9).kind is ExitKind.UNTIL
    assert [guest.x(index) for index in (3, 4, 5)] == [0, 1, 2]
    assert (guest.doubleword(offset), guest.doubleword(offset + 8)) == (11, 22)


def test_two_vcpus_share_the_monitor_and_it_goes_by_value(pair: Guest) -> None:
    """The capability exclusive_monitor = "value": a store that brings the old value back goes unnoticed (ABA)."""
    pair.put([LDXR, STXR])
    store = CODE + 0x100
    pair.put([STR], store)
    for values, status in (((7,), 1), ((7, 0), 0)):
        pair.write(0, 0)
        pair.load(x1=DATA)
        assert pair.instance.step(0).kind is ExitKind.STEP
        for value in values:
            pair.load(1, pc=store, x0=value, x1=DATA)
            assert pair.instance.step(1).kind is ExitKind.STEP
        assert pair.instance.step(0).kind is ExitKind.STEP
        assert pair.x(3) == status


def test_two_free_running_vcpus_lose_no_increment(pair: Guest) -> None:
    # ldxr x0, [x1]; add x0, x0, #1; stxr w3, x0, [x1]; cbnz w3, .-12; sub x2, x2, #1; cbnz x2, .-20
    pair.put([LDXR, ADD_X0, STXR, 0x35FFFFA3, 0xD1000442, 0xB5FFFF62])
    turns = 20_000
    exits: list[ExitKind] = []
    for vcpu in (0, 1):
        pair.load(vcpu, x1=DATA, x2=turns)

    def run(vcpu: int) -> None:
        exits.append(pair.instance.run(vcpu, 1 << 40, CODE + 24).kind)

    threads = [threading.Thread(target=run, args=[vcpu]) for vcpu in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exits == [ExitKind.UNTIL] * 2
    assert pair.doubleword(0) == 2 * turns


# ---- registers and translations ----


def test_every_register_that_it_has_goes_in_and_comes_out(guest: Guest) -> None:
    given = new_state()
    generator = np.random.Generator(np.random.PCG64(64))
    given["x"], given["v"] = generator.integers(0, 1 << 63, 31), generator.integers(0, 1 << 63, (32, 2))
    given["sp"], given["pc"], given["pstate"] = 0x1234_5678_9ABC_DEF1, CODE, 0xA000_0000
    given["fpcr"], given["fpsr"] = 0x07C0_0000, 0x0800_009F
    given["tpidr_el0"], given["tpidrro_el0"], given["event_register"] = ALL_ONES, 0x5555, 1
    guest.instance.set_state(0, given)
    assert guest.state().tobytes() == given.tobytes()


def test_only_the_flags_of_pstate_are_kept(guest: Guest) -> None:
    given = new_state()
    given["pstate"] = 0xF300_1FC5
    guest.instance.set_state(0, given)
    assert guest.state()["pstate"] == 0xF000_0000


def test_thread_registers_and_identification(guest: Guest) -> None:
    # mrs x0, tpidr_el0; msr tpidr_el0, x1
    assert guest.run(0xD53BD040, 0xD51BD041, x1=9, tpidr_el0=8).kind is ExitKind.UNTIL
    assert (guest.x(0), int(guest.state()["tpidr_el0"])) == (8, 9)
    for word, value in ((0xD53BD060, 7), (0xD53B0020, 0x8444_C004), (0xD53B00E0, 4)):  # tpidrro_el0, ctr_el0, dczid_el0
        assert guest.run(word, tpidrro_el0=7).kind is ExitKind.UNTIL
        assert guest.x(0) == value


def test_code_that_the_harness_changed(guest: Guest) -> None:
    for immediate in range(200):
        assert guest.run(0xD2800000 | immediate << 5).kind is ExitKind.UNTIL  # movz x0, #immediate
        assert guest.x(0) == immediate


def test_code_that_the_guest_changed(guest: Guest) -> None:
    """str w0, [x1]; ic ivau, x1; isb; and the new instruction there, of which the old one had run."""
    guest.instance.protect(CODE, 0x1000, "rwx")
    words = [0xB9000020, 0xD50B7521, 0xD5033FDF, 0xD28000E5]  # ...; movz x5, #7
    assert guest.run(*words, x0=0xD28000E5, x1=CODE + 12).kind is ExitKind.UNTIL
    assert guest.x(5) == 7
    guest.load(x0=0xD2800125, x1=CODE + 12)  # movz x5, #9
    assert guest.instance.run(0, 100, guest.end).kind is ExitKind.UNTIL
    assert guest.x(5) == 9


def test_mapping_other_memory_over_code_drops_its_translation(guest: Guest) -> None:
    guest.run(ADD_X0)
    page = HostMemory(0x1000)
    page.bytes[:4] = np.array([0xD28000E5], "<u4").view(np.uint8)
    guest.instance.map(CODE, page, 0, 0x1000, "rx")
    guest.load()
    assert guest.instance.run(0, 10, CODE + 4).kind is ExitKind.UNTIL
    assert (guest.x(0), guest.x(5)) == (0, 7)
    guest.instance.protect(CODE, 0x1000, "r")
    guest.load()
    assert guest.instance.run(0, 10, CODE + 4).fault is Fault.PERMISSION
    guest.instance.unmap(CODE, 0x1000)
    guest.load()
    assert guest.instance.run(0, 10, CODE + 4).fault is Fault.TRANSLATION


def test_more_translations_than_the_code_cache_holds(guest: Guest) -> None:
    """Forgotten translations still fill the cache; a full one starts anew."""
    for number in range(3000):
        guest.run(0xD2800000 | (number & 0xFFFF) << 5, *[0x4E20D400 + (index & 31) for index in range(60)])
        assert guest.x(0) == number


# ---- what it declares ----

FEATURES = {
    "FEAT_AES": 0x4E284820,  # aese v0.16b, v1.16b
    "FEAT_PMULL": 0x0EE2E020,  # pmull v0.1q, v1.1d, v2.1d
    "FEAT_SHA1": 0x5E280820,  # sha1h s0, s1
    "FEAT_SHA256": 0x5E282820,  # sha256su0 v0.4s, v1.4s
    "FEAT_CRC32": 0x9AC25C20,  # crc32cx w0, w1, x2
    "FEAT_SHA512": 0xCEC08020,  # sha512su0 v0.2d, v1.2d
    "FEAT_SHA3": 0xCE020C20,  # eor3 v0.16b, v1.16b, v2.16b, v3.16b
    "FEAT_SM3": 0xCE420C20,  # sm3ss1 v0.4s, v1.4s, v2.4s, v3.4s
    "FEAT_SM4": 0xCEC08420,  # sm4e v0.4s, v1.4s
    "FEAT_DotProd": 0x4E829420,  # sdot v0.4s, v1.16b, v2.16b
    "FEAT_FCMA": 0x6E82E420,  # fcadd v0.4s, v1.4s, v2.4s, #90
    "FEAT_FlagM2": 0xD500405F,  # axflag
    "FEAT_LOR": 0xC8DF7C20,  # ldlar x0, [x1]
    "FEAT_LSE": 0xF8200022,  # ldadd x0, x2, [x1]
    "FEAT_LRCPC": 0xF8BFC020,  # ldapr x0, [x1]
    "FEAT_RDM": 0x6E828420,  # sqrdmlah v0.4s, v1.4s, v2.4s
    "FEAT_JSCVT": 0x1E7E0020,  # fjcvtzs w0, d1
    "FEAT_FRINTTS": 0x1E684020,  # frint32z d0, d1
    "FEAT_FlagM": 0x3A00080D,  # setf8 w0
    "FEAT_BF16": 0x6E42FC20,  # bfdot v0.4s, v1.8h, v2.8h
    "FEAT_I8MM": 0x4E82A420,  # smmla v0.4s, v1.16b, v2.16b
    "FEAT_PAuth": 0xDAC10020,  # pacia x0, x1
    "FEAT_MTE": 0x9ADF1020,  # irg x0, x1
    "FEAT_SB": 0xD50330FF,  # sb
}


@pytest.mark.parametrize(("feature", "word"), FEATURES.items())
def test_declared_features_execute_and_others_do_not(guest: Guest, feature: str, word: int) -> None:
    kind = guest.run(word, x1=DATA).kind
    if feature in BACKEND.capabilities().features:
        assert kind is ExitKind.UNTIL
    else:
        assert kind in {ExitKind.DECLINED, ExitKind.UNDEFINED}


def test_every_declared_feature_is_in_the_table() -> None:
    capabilities = BACKEND.capabilities()
    assert capabilities.features <= FEATURES.keys()
    assert not capabilities.distinguishes_undefined
    assert capabilities.version != "unknown"


@pytest.mark.parametrize(
    ("environment", "vcpus", "message"),
    [
        (Environment(exception_level=1), 1, "EL1"),
        (Environment(top_byte_ignore=True), 1, "top_byte_ignore"),
        (Environment(cpacr_el1=0), 1, "cpacr_el1"),
        (Environment(dc_zva_size=512), 1, "dc_zva_size"),
        (Environment(), 9, "8 vCPU"),
    ],
)
def test_an_environment_that_it_does_not_have(environment: Environment, vcpus: int, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        BACKEND.create(environment, vcpus)


def test_guarded_pages_are_unsupported(guest: Guest) -> None:
    with pytest.raises(Unsupported, match="FEAT_BTI"):
        guest.instance.map(DATA, guest.data, 0, 0x1000, "rx", guarded=True)


def test_wrong_calls_are_errors_with_a_reason(guest: Guest) -> None:
    with pytest.raises(LibraryError, match="whole pages"):
        guest.instance.map(DATA + 1, guest.data, 0, 0x1000, "rw")
    with pytest.raises(LibraryError, match="not mapped"):
        guest.instance.protect(UNMAPPED, 0x1000, "r")
    with pytest.raises(LibraryError, match="no vCPU 1"):
        guest.instance.run(1, 1, None)


# ---- batches ----


def random_batch(count: int, seed: int, words: int = 3) -> Batch:
    """Random words, of which every second one is an ALU or memory instruction that executes."""
    generator = random.Random(seed)
    known = (ADD_X0, STR, LDR, STR_PRE, 0x3D800020, 0xA9000820, 0xF8008420, SVC, 0x39000020)
    code = [[generator.choice(known) if generator.random() < 0.7 else generator.getrandbits(32) for _ in range(words)] for _ in range(count)]
    initial = new_state(count)
    initial["pc"], initial["sp"] = CODE, DATA + 0x8000
    initial["x"] = np.array([[DATA + generator.randrange(-16, DATA_REGION[1] + 16) for _ in range(31)] for _ in range(count)])
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
        exit = guest.instance.run(0, batch.budget, guest.end)
        kinds.add(exit.kind)
        assert unpack_exit(batch.exits[index]) == exit, f"case {index}"
        assert batch.final[index].tobytes() == guest.state().tobytes(), f"case {index}"
        changed = np.flatnonzero(guest.data.words() != pristine)
        rows = batch.changes[: batch.n_changes]
        rows = rows[rows["case"] == index]
        assert rows["address"].tolist() == (DATA + 8 * changed).tolist(), f"case {index}"
        assert rows["value"].tolist() == guest.data.words()[changed].tolist(), f"case {index}"
    assert {ExitKind.UNTIL, ExitKind.SVC, ExitKind.DATA_ABORT, ExitKind.DECLINED} <= kinds
    assert batch.n_changes > 200


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
    batch = Batch(code=generator.integers(0, 1 << 32, (count, words), dtype=np.uint32), code_words=np.full(count, words, np.uint32),
                  code_address={CODE}, initial=initial, fill=1)
    instance.run_batch(batch, HostMemory(4096))
    print(batch.done, len(np.unique(batch.exits["kind"])) > 5)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["20000", "True", "2000", "True"], "")


def test_closing_twice_and_using_a_closed_machine() -> None:
    instance: LibraryInstance = BACKEND.create(Environment())
    instance.close()
    instance.close()
    with pytest.raises(LibraryError, match="closed"):
        instance.step(0)
