"""Machine, as its users have it: both engines give the same, whatever is asked of them on the way."""

from __future__ import annotations

import itertools
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assay64.reference import Machine
from assay64.reference.engines.accesses import Controls
from assay64.reference.machine import DEFAULT_SCTLR
from assay64.reference.pseudocode.exceptions import InstructionAbort, SupervisorCall, Watchpoint
from assay64.suites.selftest._lockstep import CPU, MachineLane
from assay64.suites.selftest._random_programs import random_program

ENGINES = ("native", "golden")
CODE, DATA = 0x1_0000, 0x8_0000
NOP, SVC, RET = 0xD503_201F, 0xD400_0001, 0xD65F_03C0
LOOP = (
    0x9100_0400,  # add x0, x0, #1
    0xEB01_001F,  # cmp x0, x1
    0x54FF_FFC1,  # b.ne CODE
    SVC,
)


def machine(engine: str, *words: int, cpu: str = CPU, **options: Any) -> Machine:
    """Words at CODE (rwx), two pages of data (rw), X2 at the first."""
    made = Machine(cpu, engine=engine, **options)
    made.map(CODE, 0x1000, "rwx")
    made.map(DATA, 0x2000, "rw")
    put(made, CODE, *words)
    for element in range(len(made.elements)):
        made.set("PC", 0, CODE, element=element)
        made.set("X", 2, DATA, element=element)
    return made


def put(made: Machine, address: int, *words: int) -> None:
    made.write(address, b"".join(word.to_bytes(4, "little") for word in words))


@pytest.fixture(params=ENGINES)
def engine(request) -> str:
    return request.param


# --- where a run ends


def test_the_end_and_a_breakpoint_come_before_the_budget(engine):
    made = machine(engine, NOP, NOP, NOP, SVC)
    assert made.run(2, until=CODE + 8).reason == "until"
    made.breakpoints.add(CODE + 12)
    assert made.run(1).reason == "breakpoint"
    assert made.run(0).reason == "breakpoint"
    assert made.step().exception is not None


def test_the_branch_type_is_there_when_the_budget_ends_at_the_target(engine):
    made = machine(engine, 0xD61F_0060, NOP, cpu="max")  # br x3
    made.set("X", 3, CODE + 4)
    assert made.run(1).reason == "budget"
    assert made.get("PSTATE.BTYPE") == 1
    assert made.run(1).reason == "budget"
    assert made.get("PSTATE.BTYPE") == 0


@pytest.mark.parametrize("budget", [1, 5000])
def test_a_branch_takes_the_tag_off_its_target(engine, budget):
    """AArch64.BranchAddr, with the top byte ignored."""
    controls = Controls(SCTLR_EL1=DEFAULT_SCTLR, top_byte_ignore=True)
    made = machine(engine, 0xD61F_0060, 0x1400_0000, controls=controls)  # br x3; b .
    made.set("X", 3, 0x5A << 56 | CODE + 4)
    assert made.run(budget).reason == "budget"
    assert made.get("PC") == CODE + 4
    made.set("PC", 0, 0x5A << 56 | CODE)
    made.set("X", 3, 0x5A << 56 | 1 << 55)
    stop = made.run(2)
    assert isinstance(stop.exception, InstructionAbort)
    assert made.get("PC") == int(stop.exception.address) == 0xFF80_0000_0000_0000


def test_words_that_change_back_and_forth_are_decoded_anew(engine):
    """Written by the guest in one run, and by the user before the next; the same word as at first."""
    made = machine(engine, 0xB900_0085, 0x9100_0400, SVC)  # str w5, [x4]; add x0, x0, #1
    made.set("X", 4, CODE + 4)
    made.set("X", 5, 0x9100_0800)  # add x0, x0, #2
    for turn in range(3):
        made.set("PC", 0, CODE)
        made.run(2)
        assert made.get("X", 0) == 3 * turn + 2
        put(made, CODE + 4, 0x9100_0400)
        made.set("PC", 0, CODE + 4)
        made.run(1)
        assert made.get("X", 0) == 3 * turn + 3


def test_a_stop_request_of_another_thread_ends_an_endless_loop_soon(engine):
    made = machine(engine, 0x1400_0000)  # b .
    latencies: list[float] = []

    def request():
        time.sleep(0.05)
        latencies.append(time.monotonic())
        made.stop()

    for _ in range(5):
        thread = threading.Thread(target=request)
        thread.start()
        assert made.run().reason == "stopped"
        latencies[-1] = time.monotonic() - latencies[-1]
        thread.join()
        assert made.get("PC") == CODE
    assert min(latencies) < 0.5  # it takes milliseconds; the machine may be busy


def test_a_stop_request_stops_one_run_of_one_element(engine):
    made = machine(engine, NOP, NOP, SVC, elements=2)
    made.stop()
    assert made.step().reason == "budget"
    assert made.run(1, element=1).reason == "stopped"
    assert made.run(1).reason == "budget"
    made.stop()
    made.forget_stop()
    assert made.run().exception is not None


def test_an_element_is_run_by_one_thread_at_a_time(engine):
    made = machine(engine, 0x1400_0000, elements=2)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        while not made._turns.running:
            time.sleep(0.001)
        with pytest.raises(RuntimeError, match="element 0 is being run"):
            made.run(1)
        assert made.run(3, element=1).reason == "budget"
    finally:
        made.stop()
        thread.join()


def test_a_hook_cannot_run_the_machine(engine):
    made = machine(engine, NOP, elements=2)
    made.hook(instruction=lambda element, address, word: made.run(1, element=1))
    with pytest.raises(RuntimeError, match="a hook cannot run"):
        made.run(1)


def test_elements_in_threads_lose_no_increment(engine):
    """Each element adds 1 with a loop of exclusives, and 1 with LDADD, many times, while the others do."""
    turns = 20_000 if engine == "native" else 300
    made = machine(
        engine,
        0xC85F_7C43,  # ldxr x3, [x2]
        0x9100_0463,  # add x3, x3, #1
        0xC805_7C43,  # stxr w5, x3, [x2]
        0x35FF_FFA5,  # cbnz w5, -12
        0xF826_00E3,  # ldadd x6, x3, [x7]
        0xF100_0421,  # subs x1, x1, #1
        0x54FF_FF41,  # b.ne -24
        SVC,
        elements=3,
    )
    for element in range(3):
        for register, value in ((1, turns), (2, DATA), (6, 1), (7, DATA + 64)):
            made.set("X", register, value, element=element)
        made.set("PC", 0, CODE, element=element)
    with ThreadPoolExecutor(3) as pool:
        stops = list(pool.map(lambda element: made.run(element=element), range(3)))
    assert [type(stop.exception) for stop in stops] == [SupervisorCall] * 3
    found = made.read(DATA, 8) + made.read(DATA + 64, 8)
    assert found == 2 * (3 * turns).to_bytes(8, "little")


def test_a_stop_ends_the_runs_of_all_threads(engine):
    made = machine(engine, 0x1400_0000, elements=3)
    for element in (1, 2):
        made.set("PC", 0, CODE, element=element)
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(made.run, element=element) for element in range(3)]
        while len(made._turns.running) < 3:
            time.sleep(0.001)
        made.stop()
        assert {run.result().reason for run in runs} == {"stopped"}
    assert made.run(5).reason == "budget"


# --- watchpoints

LDR, STR, LDP, STP = 0xF940_0043, 0xF900_0043, 0xA940_1043, 0xA900_1043  # x3, [x2]; x3, x4, [x2]
LD4, STXR, LDXR, ZVA = 0x0C40_0040, 0xC805_7C43, 0xC85F_7C43, 0xD50B_7422
LDADD, SWPAL, STR_POST = 0xF820_0043, 0xF8E0_8043, 0xF800_8443


@pytest.mark.parametrize(
    ("word", "offset", "access", "hit", "write"),
    [
        (LDR, 0, "r", 0, False),
        (LDR, 0, "w", None, None),
        (LDR, 7, "rw", 0, False),
        (LDR, 8, "rw", None, None),
        (STR, 7, "w", 0, True),
        (STR, 0, "r", None, None),
        (STR_POST, 3, "w", 0, True),
        (LDP, 8, "r", 8, False),
        (STP, 15, "rw", 8, True),
        (LD4, 31, "r", 31, False),
        (LDADD, 4, "w", 0, True),
        (LDADD, 4, "r", 0, False),
        (SWPAL, 0, "rw", 0, False),
        (ZVA, 63, "w", 0, True),
        (ZVA, 64, "w", None, None),
        (STXR, 0, "w", None, None),  # the monitor is open: nothing is stored
    ],
)
@pytest.mark.parametrize("place", [0x100, 0xFF8], ids=["in a page", "across pages"])
def test_a_watchpoint_stops_before_the_instruction_that_meets_it(engine, word, offset, access, hit, write, place):
    if place == 0xFF8 and word in (LDADD, SWPAL, ZVA):
        place = 0x1000 if word == ZVA else 0xFF0
    made = machine(engine, NOP, word, NOP, SVC)
    made.write(DATA, bytes(range(1, 256)) * 32)
    made.set("X", 2, DATA + place)
    before = made.snapshot()
    made.watch(DATA + place + offset, 1, access)
    stop = made.run()
    if hit is None:
        assert stop.reason == "exception"
        assert made.get("PC") == CODE + 16
        return
    assert stop.reason == "watchpoint"
    assert isinstance(stop.exception, Watchpoint)
    assert (int(stop.exception.address), stop.exception.write) == (DATA + place + hit, write)
    assert made.get("PC") == CODE + 4
    after = made.snapshot()
    registers = before.elements[0].registers, after.elements[0].registers
    assert {name for name in registers[0] if str(registers[0][name]) != str(registers[1][name])} == {"PC"}
    assert before.contents == after.contents
    assert made.step().reason == "watchpoint"
    made.unwatch(DATA + place + offset, 1, access)
    assert made.run().reason == "exception"


def test_a_watchpoint_of_a_store_exclusive_that_passes(engine):
    made = machine(engine, LDXR, STXR, SVC)
    made.watch(DATA)
    stop = made.run()
    assert (stop.reason, made.get("PC")) == ("watchpoint", CODE + 4)
    made.unwatch(DATA)
    made.set("X", 5, 7)
    assert made.run().reason == "exception"
    assert made.get("X", 5) == 0  # the monitor is as it was: it passes


def test_an_abort_comes_before_a_watchpoint(engine):
    made = machine(engine, LDR, SVC)
    made.protect(DATA, 0x1000, "w")
    made.watch(DATA, 8, "rw")
    assert made.run().reason == "exception"


def test_watchpoints_in_random_programs_stop_both_engines_alike():
    stops = 0
    for seed in range(12):
        rng = random.Random(seed)
        start = random_program(seed, synchronised=True)
        lanes = [MachineLane(engine, start) for engine in ENGINES]
        watched = [
            (start.x[28] + rng.randrange(0x1000), rng.choice((8, 512, 2048)), rng.choice(("r", "w", "rw")))
            for _ in "abc"
        ]
        ended = False
        while not ended:
            for lane, watch in itertools.product(lanes, watched):
                lane.machine.watch(*watch)
            budget = rng.randint(1, 400)
            ends = [lane.machine.run(budget) for lane in lanes]
            assert str(ends[0]) == str(ends[1])
            for lane, watch in itertools.product(lanes, set(watched)):
                lane.machine.unwatch(*watch)
            if ends[0].reason == "watchpoint":
                stops += 1
                ends = [lane.machine.step() for lane in lanes]
                assert str(ends[0]) == str(ends[1])
            assert lanes[0].state() == lanes[1].state()
            assert all(lanes[0].memories[at].map[:] == lanes[1].memories[at].map[:] for at in lanes[0].memories)
            ended = ends[0].exception is not None
    assert stops > 50
