"""The Dynarmic adapter under control: until, budget, step, debugging, stopping, several vCPUs, and changing code."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from assay64.harness.backends.dynarmic import BACKEND
from assay64.harness.backends.library import LibraryError
from assay64.harness.cases.case import Environment
from assay64.harness.cases.layout import new_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.suites.selftest._guest import (
    ADD_X0,
    ALL_ONES,
    BR_X1,
    BRANCH_SELF,
    CLREX,
    CODE,
    DATA,
    LDR,
    LDXR,
    RET,
    STR,
    STXR,
    SVC,
    UNMAPPED,
    Guest,
)

if reason := BACKEND.available():
    pytest.skip(reason, allow_module_level=True)


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


@pytest.mark.parametrize("budget", [*range(80, 190, 5), *range(190, 352, 9)])
def test_budget_is_exact_where_calls_unwind(guest: Guest, budget: int) -> None:
    """Eight nested calls and forty instructions after each return: more than one check of the budget may miss."""
    depth, after = 8, 40
    words: list[int] = []
    for level in range(depth):
        # mov x(10+level), x30; bl the next function; add x0, x0, #1 ...; mov x30, x(10+level); ret
        words += [
            0xAA1E03E0 | 10 + level,
            0x94000000 | after + 3,
            *[ADD_X0] * after,
            0xAA0003FE | 10 + level << 16,
            RET,
        ]
    guest.put([*words, RET])
    last = CODE + 0x1000
    guest.load(x30=last)
    assert guest.instance.run(0, 1000, last).kind is ExitKind.UNTIL  # now everything is translated and linked
    ends: list[bytes] = []
    for stepped in (False, True):
        guest.load(x30=last)
        if stepped:
            for _ in range(budget):
                guest.instance.step(0)
        else:
            assert guest.instance.run(0, budget, last).kind is ExitKind.BUDGET
            assert guest.instance.executed(0) == budget
        ends.append(guest.state().tobytes())
    assert ends[0] == ends[1]


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
def test_watchpoint(
    guest: Guest, watched: int, size: int, access: str, word: int, address: int, hit: int | None
) -> None:
    guest.instance.set_watchpoint(watched, size, access)
    ended = guest.run(ADD_X0, word, x0=0x76, x1=address)
    if hit is None:
        assert ended.kind is ExitKind.UNTIL
        return
    kind = Access.READ if word == LDR else Access.WRITE
    assert ended == Exit(kind=ExitKind.WATCHPOINT, access=kind, address=hit)
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
