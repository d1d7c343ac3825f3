"""Machine as a value: snapshots, elements that share memory, counters and hooks, clear errors, bounded memory."""

from __future__ import annotations

import itertools
import random
import resource
from collections import Counter

import pytest

from assay64.harness.bench.programs import load
from assay64.reference import Machine, TableSizes, decode
from assay64.suites.selftest._lockstep import CPU, MachineLane, Start
from assay64.suites.selftest._random_programs import random_program
from assay64.suites.selftest.test_machine import CODE, DATA, ENGINES, LOOP, NOP, SVC, machine, put

# --- snapshots


def trace(made: Machine, seed: int) -> list[tuple[str, object]]:
    """Where a machine is after every few instructions, to the exception that ends it, and its memory then."""
    rng, found = random.Random(seed), []
    while True:
        stop = made.run(rng.randint(1, 60))
        state = made.snapshot()
        found.append((str(stop), str([one.registers for one in state.elements])))
        if stop.exception:
            return [*found, ("memory", dict(state.contents)), ("executed", state.elements[0].executed)]


@pytest.mark.parametrize("aliased", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_one_snapshot_gives_one_trace(seed, aliased):
    """Again in the machine that it was taken of, after that has changed everything; and in others of either engine."""
    start = random_program(seed, synchronised=True, aliased=aliased)
    lanes = {engine: MachineLane(engine, start) for engine in ENGINES}
    for lane in lanes.values():
        lane.machine.run(300)
    snapshots = {engine: lane.machine.snapshot() for engine, lane in lanes.items()}
    traces = {engine: trace(lane.machine, seed) for engine, lane in lanes.items()}
    assert traces["native"] == traces["golden"]
    for taken, engine in itertools.product(ENGINES, ENGINES):
        lane = lanes[engine]
        lane.machine.restore(snapshots[taken])
        assert trace(lane.machine, seed) == traces["golden"]
        fresh = Machine(CPU, engine=engine)
        fresh.restore(snapshots[taken])
        assert trace(fresh, seed) == traces["golden"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_snapshot_has_the_memory_map_monitors_and_points(engine):
    made = machine(engine, 0xC85F_7C43, 0xC805_7C43, SVC)  # ldxr x3, [x2]; stxr w5, x3, [x2]
    made.breakpoints.add(CODE + 4)
    made.watch(DATA + 64, 4, "r")
    assert made.run().reason == "breakpoint"
    taken = made.snapshot()
    made.unmap(DATA + 0x1000, 0x1000)
    made.protect(DATA, 0x1000, "r")
    made.map(0x20_0000, 0x1000, "rw")
    made.unwatch(DATA + 64, 4, "r")
    made.breakpoints.clear()
    made.set("X", 5, 9)
    assert type(made.run().exception).__name__ == "DataAbort"
    made.restore(taken)
    assert made.breakpoints == {CODE + 4}
    assert [(one.address, one.size) for one in made.watchpoints] == [(DATA + 64, 4)]
    made.read(DATA + 0x1000, 1)
    with pytest.raises(KeyError):
        made.read(0x20_0000, 1)
    made.breakpoints.clear()
    made.run()
    assert made.get("X", 5) == 0  # the monitor was restored: the store passed


def test_a_restored_machine_shares_no_memory_with_the_one_it_came_from():
    first = machine("golden", *LOOP)
    second = Machine(CPU)
    second.restore(first.snapshot())
    second.write(DATA, b"x")
    first.write(DATA + 1, b"y")
    assert (first.read(DATA, 2), second.read(DATA, 2)) == (b"\0y", b"x\0")


def test_snapshots_share_the_pages_that_have_not_changed():
    made = machine("native", *LOOP)
    made.map(0x100_0000, 0x100_0000, "rw")
    one = made.snapshot()
    made.write(DATA, b"x")
    two = made.snapshot()
    assert [place for place in one.contents if one.contents[place] is not two.contents[place]] == [(1, 0)]


def test_a_snapshot_of_another_machine_is_refused():
    taken = machine("golden", NOP).snapshot()
    for other in (Machine("cortex-a57"), Machine(CPU, elements=2)):
        with pytest.raises(ValueError, match="the snapshot is of a machine apple-m2 with 1 elements"):
            other.restore(taken)


# --- several elements

ADD_ATOMICALLY = (
    0xC85F_7C43,  # ldxr x3, [x2]
    0x9100_0463,  # add x3, x3, #1
    0xC805_7C43,  # stxr w5, x3, [x2]
    0x3500_0005 | -3 << 5 & 0xFF_FFE0,  # cbnz w5, CODE
    0xD100_0400,  # sub x0, x0, #1
    0xB500_0000 | -5 << 5 & 0xFF_FFE0,  # cbnz x0, CODE
    SVC,
)


def interleaved(engine: str, seed: int, count: int = 3) -> tuple[Machine, list[tuple[int, str]]]:
    made = machine(engine, *ADD_ATOMICALLY, elements=count)
    for element in range(count):
        made.set("X", 0, 40, element=element)
    rng, running, ended = random.Random(seed), list(range(count)), []

    def schedule():
        while running:
            yield rng.choice(running), rng.randint(1, 5)

    turns = schedule()
    while (stopped := made.run_interleaved(turns)) is not None:
        ended.append((stopped[0], str(stopped[1])))
        running.remove(stopped[0])
    return made, ended


@pytest.mark.parametrize("seed", range(4))
def test_elements_by_turns_meet_as_the_schedule_says(seed):
    """A counter that three elements increase with exclusives: none is lost, and both engines go the same way."""
    native, golden = interleaved("native", seed), interleaved("golden", seed)
    assert native[1] == golden[1]
    assert interleaved("native", seed)[1] == native[1]
    states = [made.snapshot() for made, _ in (native, golden)]
    assert str(states[0].elements) == str(states[1].elements)
    assert states[0].contents == states[1].contents
    assert int.from_bytes(native[0].read(DATA, 8), "little") == 120
    executed = [element.executed for element in states[0].elements]
    assert max(executed) > 40 * 6  # somebody's store did not pass


@pytest.mark.parametrize("seed", range(4))
def test_elements_that_rewrite_each_others_code_go_the_same_way_under_both_engines(seed):
    """Random programs that rewrite themselves, three elements in one program, each from its own registers."""
    found = []
    for engine in ENGINES:
        start, rng = random_program(seed, synchronised=True), random.Random(seed)
        made = Machine(CPU, engine=engine, elements=3)
        for segment in start.segments:
            made.map(segment.address, segment.size, segment.permissions)
            made.write(segment.address, segment.data)
        for element in range(3):
            for index, value in start.x.items():
                made.set("X", index, value ^ (element if index < 19 else 0), element=element)
            made.set("PC", 0, start.pc, element=element)
            made.set("SP_EL0", 0, start.sp, element=element)
        running, ended = [0, 1, 2], []
        for _ in range(400):
            if not running:
                break
            stopped = made.run_interleaved((rng.choice(running), rng.randint(1, 25)) for _ in range(5))
            if stopped is not None:
                running.remove(stopped[0])
            state = made.snapshot()
            ended.append((str(stopped), str(state.elements), state.contents))
        found.append(ended)
    assert found[0] == found[1]
    assert len(found[0]) > 10


@pytest.mark.parametrize("engine", ENGINES)
def test_a_store_of_one_element_to_code_is_seen_by_another(engine):
    made = machine(engine, 0xB900_0043, 0x1400_0000, elements=2)  # str w3, [x2]; b .
    made.set("X", 2, CODE + 0x100)
    made.set("X", 3, 0x9100_0800)  # add x0, x0, #2
    put(made, CODE + 0x100, 0x9100_0400, 0x17FF_FFFF)  # add x0, x0, #1; b CODE + 0x100
    made.set("PC", 0, CODE + 0x100, element=1)
    assert made.run_interleaved([(1, 10), (0, 1), (1, 10)]) is None
    assert made.get("X", 0, element=1) == 5 + 10


@pytest.mark.parametrize("engine", ENGINES)
def test_an_event_of_one_element_is_seen_by_another(engine):
    made = machine(engine, 0xD503_209F, 0xD503_205F, SVC, elements=2)  # sev; wfe
    made.run(1)
    assert made.get("EventRegister", element=1) == 1
    made.set("PC", 0, CODE + 4, element=1)
    assert made.run(1, element=1).reason == "budget"
    assert made.get("EventRegister", element=1) == 0


# --- counters and hooks


def test_counters_say_what_was_executed():
    counted = []
    for engine in ENGINES:
        made = machine(engine, *LOOP)
        made.set("X", 1, 1000)
        made.start_counting()
        made.run(1500)
        made.run()
        counts = made.counts()
        assert counts.instructions == {
            "add_sub_immediate": 1000,
            "add_sub_shifted_register": 1000,
            "branch_conditional": 1000,
            "svc": 1,
        }
        assert (counts.branches, counts.exceptions, counts.total) == (999, {"SupervisorCall": 1}, 3001)
        counted.append(counts)
        made.stop_counting()
        with pytest.raises(ValueError, match="nothing is counted"):
            made.counts()
    assert counted[0].record_hit_rate == 1 - 4 / 3001


@pytest.mark.parametrize("way", ["run", "step", "breakpoint"])
def test_counters_of_random_programs_are_those_of_golden(way):
    for seed in range(6):
        start = random_program(seed, synchronised=bool(seed % 2))
        found = []
        for engine in ENGINES:
            made = MachineLane(engine, start).machine
            made.start_counting()
            if way == "breakpoint":
                made.breakpoints.add(start.pc + 0x40)
            rng, stop = random.Random(seed), None
            while stop is None or stop.exception is None:
                stop = made.step() if way != "run" else made.run(rng.randint(1, 3000))
                if way == "breakpoint" and stop.exception is None:
                    stop = made.run(rng.randint(1, 500))
            counts = made.counts()
            found.append((counts.instructions, counts.branches, counts.exceptions))
        assert found[0] == found[1]


def test_counters_of_accesses_and_hit_rates():
    made = machine("native", 0xF840_8443, 0xF900_0083, *LOOP[:2], 0x54FF_FF81, SVC)  # ldr x3, [x2], #8; str x3, [x4]
    golden = machine("golden", 0xF840_8443, 0xF900_0083, *LOOP[:2], 0x54FF_FF81, SVC)
    for one in (made, golden):
        one.set("X", 1, 0x400)
        one.set("X", 4, DATA)
        one.start_counting()
        one.run()
    counts, expected = made.counts(), golden.counts()
    assert (counts.reads, counts.writes, counts.branches) == (0x400, 0x400, 0x3FF)
    assert (expected.reads, expected.writes, expected.branches) == (0x400, 0x400, 0x3FF)
    assert (counts.read_misses, counts.write_misses) == (2, 1)
    assert counts.read_hit_rate == 1 - 2 / 0x400
    assert counts.groups["loads_and_stores"] == 0x800


def name_of(word: int) -> str:
    decoded = decode(word)
    assert decoded is not None
    return decoded.definition.name


@pytest.mark.parametrize("engine", ENGINES)
def test_hooks_are_told_and_change_nothing(engine):
    start = random_program(5, synchronised=False)
    plain, hooked = MachineLane(engine, start).machine, MachineLane(engine, start).machine
    seen, accesses, exceptions = Counter(), [], []
    hooked.hook(
        instruction=lambda element, address, word: seen.update([name_of(word)]),
        access=lambda element, address, size, write: accesses.append((address, size, write)),
        exception=lambda element, exception: exceptions.append(type(exception).__name__),
    )
    plain.start_counting()
    hooked.start_counting()
    assert str(plain.run()) == str(hooked.run())
    one, two = plain.snapshot(), hooked.snapshot()
    assert (str(one.elements), one.contents) == (str(two.elements), two.contents)
    assert dict(seen) == plain.counts().instructions == hooked.counts().instructions
    assert sum(write for _, _, write in accesses) == plain.counts().writes
    assert exceptions == ["SupervisorCall"]
    hooked.hook()
    hooked.set("PC", 0, start.pc)
    told = sum(seen.values())
    hooked.run(10)
    assert sum(seen.values()) == told


# --- errors


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda m: Machine("cortex-a99"), "no CPU model is called 'cortex-a99': there are"),
        (lambda m: Machine(engine="jit"), "no engine is called 'jit'"),
        (lambda m: Machine(elements=0), "at least one element"),
        (lambda m: Machine(sizes=TableSizes(code_pages=0)), "code_pages is 0: a table has room"),
        (lambda m: Machine(sizes=TableSizes(tlb_entries=48)), "tlb_entries is 48: it has to be a power of two"),
        (lambda m: Machine(sizes=TableSizes(jump_entries=1)), "jump_entries is 1: it has to be a power of two, from 2"),
        (lambda m: m.map(0x123, 0x1000, "r"), "whole pages"),
        (lambda m: m.map(1 << 64, 0x1000, "r"), "addresses have 64 bits"),
        (lambda m: m.map(0x40_0000, 0x1000, "rq"), "letters of rwx"),
        (lambda m: m.protect(DATA + 1, 0x1000, "r"), "protect 0x80001, 0x1000: whole pages"),
        (lambda m: m.protect(DATA, 0x1000, "rz"), "letters of rwx"),
        (lambda m: m.unmap(DATA, 0x800), "unmap 0x80000, 0x800: whole pages"),
        (lambda m: m.get("Q", 3), "registers are X, XSP, R"),
        (lambda m: m.get("X", 32), "there are 32"),
        (lambda m: m.set("V", 0, 1 << 128), "128"),
        (lambda m: m.run(element=3), "element 3: the machine has 1"),
        (lambda m: m.watch(DATA, 4, "x"), "a watchpoint is"),
        (lambda m: m.watch(DATA, 0), "a watchpoint is"),
        (lambda m: m.counts(), "nothing is counted"),
    ],
)
def test_wrong_use_is_one_clear_line(wrong, says):
    for engine in ENGINES:
        with pytest.raises(ValueError, match=says) as raised:
            wrong(machine(engine, NOP))
        assert "\n" not in str(raised.value)


# --- bounded memory


def rss_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_code_larger_than_the_table_runs_right_and_the_table_stays():
    """Forty pages of code through a table of four: ten times over, in a loop that calls each page."""
    pages = 40
    made = Machine(CPU, sizes=TableSizes(code_pages=4))
    made.map(CODE, 0x1000 * pages, "rx")
    for page in range(pages):
        at = CODE + 0x1000 * page
        # add x0, x0, #1; then to the next page, through the last word of this one now and then
        put(made, at, 0x9100_0400, 0x1400_0000 | 0x3FF - (page % 3 == 0))
        put(made, at + 0x1000 - 4, NOP)
    last = CODE + 0x1000 * (pages - 1) + 4
    put(made, last, 0xD100_0421, 0xB400_0041, 0x1400_0000 | (CODE - last - 8) // 4 & 0x3FF_FFFF, SVC)  # x1 -= 1; again
    made.set("PC", 0, CODE)
    made.set("X", 1, 10)
    size = made.statistics().bytes
    assert type(made.run().exception).__name__ == "SupervisorCall"
    assert made.get("X", 0) == 10 * pages
    assert made.statistics().fetch_misses >= 10 * pages
    assert made.statistics().bytes == size


def test_the_size_of_each_table_is_a_parameter():
    """A page every 64 KiB: the TLB of 2 entries knows one of them at a time, that of 4096 all."""
    least, large = TableSizes(tlb_entries=2, jump_entries=2), TableSizes(tlb_entries=4096, jump_entries=65536)
    misses = list[int]()
    for sizes in (least, large):
        made = Machine(CPU, sizes=sizes)
        made.map(CODE, 0x1000, "rx")
        # ldr x2, [x0]; ldr x2, [x3]; subs x1, x1, #1; b.ne
        put(made, CODE, 0xF940_0002, 0xF940_0062, 0xF100_0421, 0x54FF_FFA1, SVC)
        for register, value in enumerate((DATA, 1000, 0, DATA + 0x1_0000)):
            made.set("X", register, value)
        made.map(DATA, 0x1000, "r")
        made.map(DATA + 0x1_0000, 0x1000, "r")
        made.set("PC", 0, CODE)
        assert type(made.run().exception).__name__ == "SupervisorCall"
        misses.append(made.statistics().read_misses)
        assert made.tables()["software TLBs"] == 3 * 16 * sizes.tlb_entries
        assert made.tables()["jump cache"] == 16 * sizes.jump_entries
    assert misses == [2000, 2]


def test_a_long_run_takes_no_more_memory():
    made = machine("native", *LOOP)
    made.set("X", 1, 1 << 63)
    made.run(10_000_000)
    before = rss_kib()
    assert made.run(300_000_000).reason == "budget"
    assert rss_kib() - before < 1024


@pytest.mark.nightly
def test_ten_billion_instructions_of_a_program_take_no_more_memory():
    program = load("dhrystone_mix")
    made = MachineLane("native", Start.of(program, 1 << 40, program.entry.size)).machine
    made.run(100_000_000)
    tables, before = made.tables(), rss_kib()
    assert made.run(10_000_000_000).reason == "budget"
    assert made.statistics().instructions == 10_100_000_000
    assert made.tables() == tables
    assert rss_kib() - before < 1024


def test_code_that_writes_itself_and_memory_that_is_mapped_anew_take_no_more_memory():
    made = machine("native", 0xB900_0085, 0x9100_0400, 0xF100_0421, 0x54FF_FFA1, SVC)  # str w5, [x4]; add; subs; b.ne
    made.set("X", 4, CODE + 4)
    made.set("X", 5, 0x9100_0400)
    before = 0
    for turn in range(400):
        made.set("PC", 0, CODE)
        made.set("X", 1, 1000)
        made.map(DATA, 0x4_0000, "rw")
        assert type(made.run().exception).__name__ == "SupervisorCall"
        made.write(DATA, b"x" * 0x4_0000)
        made.unmap(DATA, 0x4_0000)
        if turn == 99:
            before = rss_kib()
    assert made.get("X", 0) == 400_000
    assert made.statistics().invalidated >= 400_000
    assert rss_kib() - before < 4096  # 75 MiB were mapped meanwhile
