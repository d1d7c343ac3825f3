"""The sentences that suites are written with: what they turn into, and the slips that they catch."""

from dataclasses import dataclass, field

import pytest

from assay64.harness.cases import authoring as a
from assay64.harness.cases.authoring import CODE, DATA, MAX64, SP, case, expect, given, permit, unknown
from assay64.harness.cases.case import Case, Environment, Region, Run
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault, MemoryChange
from assay64.harness.cases.state import General, Simd, State, System
from assay64.harness.errors import UsageError

ADDS = "adds x0, x1, x2"
ABORT = ExitKind.INSTRUCTION_ABORT


def only(checkable):
    (permitted,) = checkable.case.permitted
    return permitted


def test_what_is_given_and_expected():
    checkable = case(ADDS, given(x1=MAX64, x2=1, N=1, v3=5), expect(x0=0, Z=1, C=1))
    assert checkable.case.code == (0xAB020020,)
    assert checkable.case.states == (State.of(x1=MAX64, x2=1, nzcv=8, v3=5),)
    outcome = only(checkable).outcome
    assert outcome.exits == (Exit(kind=ExitKind.UNTIL),)
    assert outcome.memory == ()
    general = General(x={1: MAX64, 2: 1}, sp=SP, pc=CODE + 4, nzcv=0b1110)
    assert outcome.states == (State(blocks=(general, Simd(v={3: 5}), System(mode=0))),)


def test_without_expectation_the_reference_supplies():
    assert case(ADDS, given(x1=1)).case.permitted is None


def test_each_flag_stays_unless_it_is_named():
    outcome = only(case(ADDS, given(nzcv=0b1111), expect(Z=0))).outcome
    assert outcome.states[0].general.nzcv == 0b1011
    outcome = only(case(ADDS, given(nzcv=0b1111), expect(nzcv=0))).outcome
    assert outcome.states[0].general.nzcv == 0


def test_register_that_becomes_zero():
    assert only(case("mov x1, xzr", given(x1=7), expect(x1=0))).outcome.states[0].general.x == {}


@pytest.mark.parametrize(
    ("code", "ending", "exit_", "pc"),
    [
        ("svc #5", a.svc(5), Exit(kind=ExitKind.SVC, immediate=5), CODE + 4),
        ("nop\nbrk #1", a.brk(1), Exit(kind=ExitKind.BRK, immediate=1), CODE + 4),
        ("udf #0", a.undefined(), Exit(kind=ExitKind.UNDEFINED), CODE),
        (
            "br x0",
            a.instruction_abort(0x40),
            Exit(kind=ExitKind.INSTRUCTION_ABORT, access=Access.FETCH, address=0x40),
            0x40,
        ),
        ("ldr x0, [sp]", a.sp_alignment(), Exit(kind=ExitKind.SP_ALIGNMENT), CODE),
    ],
)
def test_exits_and_the_preferred_return_address(code, ending, exit_, pc):
    outcome = only(case(code, expect(exit=ending))).outcome
    assert outcome.exits == (exit_,)
    assert outcome.states[0].general.pc == pc


def test_pc_must_be_said_where_it_does_not_follow():
    for ending in (a.budget(), a.pc_alignment()):
        with pytest.raises(UsageError, match="give pc="):
            case("b .", expect(exit=ending))
    assert only(case("b .", expect(exit=a.budget(), pc=CODE), budget=3)).outcome.states[0].general.pc == CODE


def test_until_is_where_the_run_ends():
    checkable = case("b . + 8\nnop\nnop", expect(), until=CODE + 8)
    assert only(checkable).outcome.states[0].general.pc == CODE + 8
    assert checkable.case.actions == (Run(until=CODE + 8),)


def test_a_fault_that_is_not_named_is_not_compared():
    load = "ldr x0, [x1]"
    permitted = only(case(load, expect(exit=a.data_abort(0, "read"))))
    assert permitted.unknown.exit_fields == (frozenset({"fault"}),)
    permitted = only(case(load, expect(exit=a.data_abort(0, "read", "translation"))))
    assert permitted.unknown.exit_fields == ()
    assert permitted.outcome.exits[0].fault is Fault.TRANSLATION


def test_memory_and_fill():
    checkable = case(
        "str x0, [x1]",
        given(x1=DATA, memory={DATA: 5, DATA + 8: [1, -1], DATA + 32: b"\x01"}, fill=9),
        expect(memory={DATA: a.word(-2)}),
    )
    region = checkable.case.regions[1]
    assert region.fill == 9
    assert region.contents == ((0, "0500000000000000"), (8, "01" + "00" * 7 + "ff" * 8), (32, "01"))
    assert only(checkable).outcome.memory == (MemoryChange(DATA, "feffffff"),)
    assert (a.byte(-1), a.halfword(1), a.quadword(1)) == (b"\xff", b"\x01\x00", b"\x01" + bytes(15))


def test_added_regions_replace_what_they_overlap():
    device = Region(address=0x3000_0000, size=0x1_0000)
    read_only = Region(address=DATA, size=0x1_0000, permissions="r")
    regions = case(ADDS, regions=[device]).case.regions
    assert len(regions) == 3
    regions = case(ADDS, given(memory={0x3000_0008: 1}), regions=[device, read_only]).case.regions
    assert [region.permissions for region in regions] == ["rx", "rw", "r"]
    assert regions[1].contents == ((8, "01" + "00" * 7),)


def test_unknown_parts_become_masks():
    permitted = only(case(ADDS, expect(unknown("x0", "C", "Z"), unknown(x2=0xFF), a.memory_unknown(DATA, 4))))
    assert permitted.unknown.registers == ({"x0": MAX64, "nzcv": 0b0110, "x2": 0xFF},)
    assert permitted.unknown.memory == ((DATA, 4),)


def test_several_permitted_outcomes():
    checkable = case("ldr x1, [x1], #8", given(x1=DATA), permit(expect(x1=0), expect(exit=a.undefined())))
    assert [p.outcome.exits[0].kind for p in checkable.case.permitted or ()] == [ExitKind.UNTIL, ExitKind.UNDEFINED]


def test_several_vcpus():
    checkable = case(ADDS, given(x1=1), given(x1=2), a.on_each_vcpu(expect(x0=1), expect(x0=2)))
    outcome = only(checkable).outcome
    assert [state.general.x for state in outcome.states] == [{0: 1, 1: 1}, {0: 2, 1: 2}]


def test_el1_is_expected_to_stay_at_el1():
    checkable = case(ADDS, expect(), environment=Environment(exception_level=1))
    assert only(checkable).outcome.states[0].system.mode == 5


def test_words_and_another_address():
    assert case(0xD503201F).case == Case(code=(0xD503201F,))
    assert case([1, 2], address=CODE + 0x40).case.code_address == CODE + 0x40
    assert a.asm("b . + 8", CODE) == (0x14000002,)


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda: given(w1=3), r"w1 is the lower half of x1"),
        (lambda: given(x31=3), "no register is called 'x31'"),
        (lambda: given(N=2), "a flag is 0 or 1"),
        (lambda: given(N=1, nzcv=3), "one by one"),
        (lambda: case(ADDS, given(x1=1 << 64)), "does not fit"),
        (lambda: case(ADDS, expect(x1=-(1 << 64))), "does not fit"),
        (lambda: case(ADDS, given(memory={0: 1})), "lies in no region"),
        (lambda: given(memory={DATA: 1 << 64}), "does not fit into 8 bytes"),
        (lambda: case(ADDS, expect(), expect()), "several permitted outcomes are permit"),
        (lambda: case("adsd x0, x1"), "adsd"),
        (lambda: case(1 << 32), "32 bits"),
        (lambda: case(ADDS, address=CODE + 2), "multiple of 4"),
        (lambda: expect(exit=a.svc(1), exits=[a.svc(1)]), "not both"),
        (lambda: a.data_abort(0, "reading"), "accesses are"),
        (lambda: unknown("w3"), "no register is called"),
        (lambda: unknown(nzcv=16), "no such bits"),
        (lambda: case(ADDS, a.on_each_vcpu(expect(), expect())), "2 vCPUs are expected, 1 given"),
    ],
)
def test_slips_are_named(write, complaint):
    with pytest.raises(UsageError, match=complaint):
        write()


@dataclass
class Listener:
    heard: list[Case] = field(default_factory=list)

    def check(self, case):
        self.heard.append(case)


def test_check_hands_over_the_plain_case():
    listener, checkable = Listener(), case(ADDS, expect())
    checkable.check(listener)
    assert listener.heard == [checkable.case]
