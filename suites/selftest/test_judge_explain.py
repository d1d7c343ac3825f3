"""Known deviations, shrinking and grouping: what happens to a failure after the comparison."""

from __future__ import annotations

import datetime
import random

import msgspec
import pytest

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import DEFAULT_REGIONS, Case, Region, Schedule
from assay64.harness.cases.outcome import Difference, Outcome, Permitted, Verdict, VerdictKind
from assay64.harness.cases.state import State
from assay64.harness.errors import UsageError
from assay64.harness.judge import deviations
from assay64.harness.judge.deviations import explain, load, stale_evidence, unused
from assay64.harness.judge.instructions import NOP, role
from assay64.harness.judge.shrink import same_failure, shrink
from assay64.harness.judge.triage import Failure, Triage
from assay64.suites.selftest.judge_backends import add, adds, movz, str_

UNALLOCATED = 0x0001_0000
BACKEND = Capabilities(name="tiny", version="6.4.5")
CARRY = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference("nzcv", ".ZC.", ".Z..", "C differs"),))
ENTRY = """
[[deviation]]
id = "adds-carry"
title = "ADDS never sets C"
instructions = ["ADDS*"]
words = [{ mask = 0xffff_fc00, value = 0xab02_0000 }]
fields = ["nzcv"]
reason = "The flags are computed from the truncated sum."
evidence = "ab020020:x1=-1,x2=1"
versions = ">=6.4,<6.8"
"""


@pytest.fixture
def entries(tmp_path):
    def make(text: str):
        path = tmp_path / "tiny.toml"
        path.write_text(text)
        return load(path)

    return make


def case(*code: int, **registers: int) -> Case:
    return Case(code=code, states=(State.of(**registers),))


def test_an_entry_explains_what_it_describes(entries):
    found = explain(case(adds(0, 1, 2)), CARRY, entries(ENTRY), BACKEND)
    assert (found.kind, found.deviation) == (VerdictKind.KNOWN_DEVIATION, "adds-carry")
    assert found.differences == CARRY.differences


@pytest.mark.parametrize(
    ("fpcr", "explained"), [(0x0100_0000, True), (0x0140_0000, True), (0, False), (0x40_0000, False)]
)
def test_an_entry_can_depend_on_fpcr(entries, fpcr, explained):
    found = entries(ENTRY + "fpcr = [{ mask = 0x0100_0000, value = 0x0100_0000 }]")
    verdict = explain(case(adds(0, 1, 2), fpcr=fpcr), CARRY, found, BACKEND)
    assert (verdict.kind is VerdictKind.KNOWN_DEVIATION) is explained


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("ADDS*", "ADD"), "another mnemonic"),
        (("0xab02_0000", "0xab04_0000"), "other words"),
        ((">=6.4", ">=6.5"), "another version"),
        (('["nzcv"]', '["x*"]'), "another field"),
        (('["nzcv"]', '["nzcv"]\nexpected_exit = "svc"'), "another exit"),
        (('["nzcv"]', '["nzcv"]\nexpires = 2001-01-01'), "expired"),
        (('fields = ["nzcv"]', 'verdict = "crash"'), "another kind of failure"),
    ],
)
def test_an_entry_explains_nothing_else(entries, change, why):
    text = ENTRY
    assert change[0] in text
    found = explain(case(adds(0, 1, 2)), CARRY, entries(text.replace(*change)), BACKEND)
    assert found.kind is VerdictKind.MISMATCH
    assert ("expired on 2001-01-01" in found.detail) == (why == "expired")


@pytest.mark.parametrize(
    ("more", "explained"),
    [
        ("bits = { nzcv = 0b10 }", True),
        ("bits = { nzcv = 0b101 }", False),
        ('lost = ["nzcv"]', True),
        ('expected = { nzcv = ".?C." }', True),
        ('expected = { nzcv = "N*" }', False),
        ('got = { nzcv = ".Z.." }', True),
        ('got = { nzcv = "" }', False),
        ('same = ["Rm", "Rn"]', False),
        ('same = ["Rm", "Rm"]', True),
        ('same = ["Ra", "Ra"]', False),
        ('ending = ["svc", "until"]', True),
        ('ending = "data_abort read *"', False),
    ],
)
def test_an_entry_can_depend_on_values_registers_and_the_exit(entries, more, explained):
    found = explain(case(adds(0, 1, 2)), CARRY, entries(ENTRY + more), BACKEND, endings=lambda: ["until"])
    assert (found.kind is VerdictKind.KNOWN_DEVIATION) is explained


def test_a_field_can_be_named_by_what_it_is_to_the_instruction(entries):
    upper = entries(ENTRY.replace('["nzcv"]', '["X[Rd]"]') + 'bits = { "X[Rd]" = 0xffff_ffff_0000_0000 }')
    for name, got, explained in (
        ("x7", "0x1_0000_0001", True),
        ("x7", "0x2", False),
        ("x1", "0x1_0000_0001", False),
        ("memory 0x1", "00", False),
    ):
        verdict = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference(name, "0x1", got),))
        assert bool(explain(case(adds(7, 1, 2)), verdict, upper, BACKEND).deviation) is explained
    memory = entries(ENTRY.replace('["nzcv"]', '["memory *"]') + 'bits = { "memory *" = 1 }')
    verdict = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference("memory 0x1", "00 01", "01 01"),))
    assert not explain(case(adds(7, 1, 2)), verdict, memory, BACKEND).deviation


def test_bits_can_be_excused_only_where_they_are_lost(entries):
    entry = entries(ENTRY.replace('["nzcv"]', '["fpsr", "memory *"]\nlost = ["fpsr", "memory *"]'))
    for name, expected, got, explained in (
        ("fpsr", "0x11", "0x1", True),
        ("fpsr", "0x11", "0x3", False),
        ("fpsr", "0x0", "0x10", False),
        ("memory 0x1", "01 01", "00 01", False),
    ):
        verdict = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference(name, expected, got),))
        assert bool(explain(case(adds(0, 1, 2)), verdict, entry, BACKEND).deviation) is explained


def test_every_difference_must_be_covered(entries):
    entry = entries(ENTRY)
    worse = msgspec.structs.replace(CARRY, differences=(*CARRY.differences, Difference("x0", "0x0", "0x1")))
    assert explain(case(adds(0, 1, 2)), worse, entry, BACKEND).kind is VerdictKind.MISMATCH


def test_a_sequence_is_explained_only_by_the_instruction_that_diverges(entries):
    entry = entries(ENTRY)
    sequence = case(movz(1, 1), adds(0, 1, 2))
    assert explain(sequence, CARRY, entry, BACKEND).kind is VerdictKind.MISMATCH
    assert explain(sequence, CARRY, entry, BACKEND, word=movz(1, 1)).kind is VerdictKind.MISMATCH
    assert explain(sequence, CARRY, entry, BACKEND, word=adds(0, 1, 2)).deviation == "adds-carry"
    assert explain(case(NOP, adds(0, 1, 2)), CARRY, entry, BACKEND).deviation == "adds-carry"


def test_exits_and_crashes_and_directed_cases_are_described_too(entries):
    head = '[[deviation]]\nid = "d"\ntitle = "t"\nreason = "r"\nevidence = "e"\n'
    exits = (
        head
        + 'instructions = ["unallocated"]\nexpected_exit = "undefined"\ngot_exit = "svc"\nfields = ["exit", "pc"]\n'
    )
    verdict = Verdict(
        kind=VerdictKind.MISMATCH,
        differences=(Difference("exit", "undefined", "svc #0x1"), Difference("pc", "0x0", "0x4")),
    )
    assert explain(case(UNALLOCATED), verdict, entries(exits), BACKEND).deviation == "d"
    assert explain(case(add(0, 0, 0)), verdict, entries(exits), BACKEND).deviation == ""
    for pattern, explained in (
        ('"svc #0x*"', True),
        ('"svc #0x2"', False),
        ('["brk", "svc"]', True),
        ('["brk"]', False),
    ):
        found = explain(
            case(UNALLOCATED), verdict, entries(exits.replace('got_exit = "svc"', f"got_exit = {pattern}")), BACKEND
        )
        assert bool(found.deviation) == explained
    crash = Verdict(kind=VerdictKind.CRASH, detail="SIGABRT")
    assert (
        explain(case(0), crash, entries(head + 'instructions = ["*"]\nverdict = "crash"\n'), BACKEND).deviation == "d"
    )
    directed = entries(head + 'cases = ["exclusive*"]\nfields = ["*"]\n')
    two = msgspec.structs.replace(case(movz(0, 1), adds(0, 1, 2)), name="exclusives: ABA")
    assert explain(two, CARRY, directed, BACKEND).deviation == "d"
    assert explain(msgspec.structs.replace(two, name="other"), CARRY, directed, BACKEND).deviation == ""
    script = entries(head + 'instructions = ["ADDS"]\nactions = ["schedule"]\nfields = ["nzcv"]\n')
    assert explain(two, CARRY, script, BACKEND).deviation == ""
    scheduled = msgspec.structs.replace(two, actions=(Schedule(turns=((0, 2),)),))
    assert explain(scheduled, CARRY, script, BACKEND).deviation == "d"
    assert explain(msgspec.structs.replace(scheduled, code=(movz(0, 1),)), CARRY, script, BACKEND).deviation == ""


def test_another_permitted_outcome_than_the_nearest_may_explain(entries):
    entry = entries(ENTRY)
    nearest = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference("x3", "0x1", "0x2"),))
    found = explain(case(adds(0, 1, 2)), nearest, entry, BACKEND, alternatives=(nearest.differences, CARRY.differences))
    assert (found.deviation, found.differences) == ("adds-carry", CARRY.differences)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('reason = "The flags are computed from the truncated sum."\n', ""), "reason is missing"),
        (('evidence = "ab020020:x1=-1,x2=1"', 'evidence = " "'), "evidence is empty"),
        (("fields =", "field ="), "no key is called 'field'; did you mean fields?"),
        (
            ('instructions = ["ADDS*"]\nwords = [{ mask = 0xffff_fc00, value = 0xab02_0000 }]\n', ""),
            "needs instructions",
        ),
        (("value = 0xab02_0000", "value = 0xab02_0001"), "bits outside mask"),
        ((">=6.4,<6.8", "about 6"), "no range"),
        (('fields = ["nzcv"]', 'fields = ["nzcv"]\nexpected_exit = "undefind"'), "undefind"),
        (('fields = ["nzcv"]', 'fields = ["nzcv"]\nending = "undefind"'), "undefind"),
        (('fields = ["nzcv"]', 'fields = ["nzcv"]\nbits = { "x*" = 1 }'), "x* is not among the fields"),
        (('fields = ["nzcv"]\n', ""), "needs fields"),
        (("[[deviation]]", "[[deviatoin]]"), "not deviatoin"),
        (("id =", "id"), "tiny.toml"),
        (("value = 0xab02_0000", "value = '1'"), "int"),
    ],
)
def test_a_faulty_file_is_one_clear_line(entries, change, says):
    text = ENTRY
    assert change[0] in text
    with pytest.raises(UsageError, match=r"^[^\n]+tiny\.toml[^\n]+$") as raised:
        entries(text.replace(*change))
    assert says in str(raised.value)


def test_two_entries_with_one_id_are_refused(entries):
    text = ENTRY
    with pytest.raises(UsageError, match="two entries have the id 'adds-carry'"):
        entries(text + text)


def test_what_did_not_occur_is_reported_as_unused(entries):
    found = entries(ENTRY)
    assert unused(found, (), "6.4.5") == found
    assert unused(found, ("adds-carry",), "6.4.5") == ()
    assert unused(found, (), "7.0") == ()


def test_evidence_that_shows_nothing_any_more_is_stale(entries):
    (entry,) = entries(ENTRY)
    known = msgspec.structs.replace(CARRY, kind=VerdictKind.KNOWN_DEVIATION, deviation="adds-carry")
    tokens = []

    def read(token: str) -> Case:
        tokens.append(token)
        return case(adds(0, 1, 2))

    assert stale_evidence(entry, read, lambda _: known) is None
    assert "gives match now" in (stale_evidence(entry, read, lambda _: Verdict(kind=VerdictKind.MATCH)) or "")
    assert tokens == ["ab020020:x1=-1,x2=1"] * 2


def test_an_entry_expires_after_its_day(entries):
    (entry,) = entries(ENTRY + "expires = 2030-06-30\n")
    assert not entry.expired(datetime.date(2030, 6, 30))
    assert entry.expired(datetime.date(2030, 7, 1))


def test_the_files_that_come_with_the_project_load():
    for path in deviations.FOLDER.glob("*.toml"):
        assert all(entry.reason and entry.evidence for entry in load(path)), path


def test_shrinking_leaves_one_instruction_and_plain_values():
    generator = random.Random(1)
    code = [movz(n % 8, n) for n in range(15)]
    code.insert(9, adds(0, 1, 2))
    registers = {f"x{n}": generator.getrandbits(64) | 1 << 63 for n in range(31)}
    regions = (DEFAULT_REGIONS[0], Region(address=DEFAULT_REGIONS[1].address, size=DEFAULT_REGIONS[1].size, fill=3))
    big = msgspec.structs.replace(case(*code, **registers), regions=regions)
    asked = []

    def fails(smaller: Case) -> bool:
        asked.append(smaller)
        return adds(0, 1, 2) in smaller.code and dict(smaller.states[0].registers()).get("x1", 0) >> 63 == 1

    small = shrink(big, fails)
    assert small.code == (adds(0, 1, 2),)
    assert dict(small.states[0].registers()) in ({"x1": (1 << 64) - 1}, {"x1": 1 << 63})
    assert small.regions == DEFAULT_REGIONS
    assert len(asked) < 100
    assert fails(small)


def test_shrinking_keeps_places_with_nops_where_positions_matter():
    small = shrink(case(movz(0, 1), movz(1, 1), adds(0, 1, 2)), lambda c: c.code[2:3] == (adds(0, 1, 2),))
    assert small.code == (NOP, NOP, adds(0, 1, 2))


def test_shrinking_stops_at_its_budget_and_spares_cases_with_their_own_outcomes():
    asked = []

    def fails(smaller: Case) -> bool:
        asked.append(smaller)
        return len(smaller.code) >= 30

    assert len(shrink(case(*range(60)), fails, budget=7).code) >= 30
    assert len(asked) == 7
    own = msgspec.structs.replace(case(*range(4)), permitted=(Permitted(outcome=Outcome()),))
    assert shrink(own, lambda _: True) is own


def test_shrinking_does_not_slip_to_another_failure():
    big = case(movz(1, 1), adds(0, 1, 2), x1=5)
    other = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference("exit", "until", "svc #0x0"),))
    crash = Verdict(kind=VerdictKind.CRASH, detail="SIGSEGV")
    for found in (other, crash, Verdict(kind=VerdictKind.MATCH)):
        assert not same_failure(CARRY, big, lambda _, found=found: found)(case(adds(0, 1, 2)))
    assert same_failure(CARRY, big, lambda _: CARRY)(case(adds(0, 1, 2)))


def test_registers_are_named_by_what_they_are_to_the_instruction():
    assert role("x7", adds(7, 1, 2)) == "X[Rd]"
    assert role("x1", adds(7, 1, 2)) == "X[Rn]"
    assert role("x9", adds(7, 1, 2)) == "another X register"
    assert role("cpu1.x3", str_(3, 4)) == "cpu1.X[Rt]"
    assert role("memory 0x2000_0000", str_(3, 4)) == "memory"
    assert role("exit.address", str_(3, 4)) == "exit.address"
    assert role("nzcv", adds(0, 1, 2)) == "nzcv"


def test_failures_are_grouped_by_cause_with_the_smallest_case():
    triage = Triage()

    def add_failure(backend, one, verdict, number=0):
        triage.add(Failure(backends=(backend,), case=one, verdict=verdict, number=number))

    for rd, number in ((3, 7), (5, 8), (9, 9)):
        wrong = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference(f"x{rd}", "0x1", "0x2"),))
        registers = {"x1": 1} if rd == 5 else {"x1": 1, "x2": 0xFFFF}
        add_failure("tiny", case(adds(rd, 1, 2), **registers), wrong, number)
    add_failure("tiny", case(adds(0, 1, 2)), CARRY)
    add_failure("tiny", case(adds(0, 1, 2) | 1 << 30), CARRY)  # SUBS
    aborted = Verdict(kind=VerdictKind.CRASH, detail="SIGABRT: bad pointer 0x7fff1234")
    add_failure("tiny", case(adds(3, 1, 2)), aborted)
    add_failure("tiny", case(adds(3, 1, 2)), msgspec.structs.replace(aborted, detail="SIGABRT: bad pointer 0x7fff5678"))
    exits = (Difference("exit", "svc #0x1", "until"), Difference("pc", "0x1", "0x2"))
    add_failure("other", case(adds(3, 1, 2)), Verdict(kind=VerdictKind.MISMATCH, differences=exits))
    groups = triage.groups()
    assert sorted((group.count, group.title) for group in groups) == [
        (1, "ADDS (shifted register): exit: svc -> until"),
        (2, "ADDS (shifted register): crash: SIGABRT: bad pointer N"),
        (2, "ADDS, SUBS: flags: C"),
        (3, "ADDS (shifted register): register: by one"),
    ]
    largest = groups[0]
    assert (largest.first, largest.smallest.case.code) == (7, (adds(5, 1, 2),))


def test_an_indistinct_match_is_a_known_deviation_where_an_entry_says_so(entries):
    entry = entries(
        '[[deviation]]\nid = "d"\ntitle = "t"\nreason = "r"\nevidence = "e"\n'
        'instructions = ["*"]\nverdict = "indistinct"\n'
    )
    indistinct = Verdict(kind=VerdictKind.MATCH, indistinct=True)
    found = explain(case(UNALLOCATED), indistinct, entry, BACKEND)
    assert (found.kind, found.deviation) == (VerdictKind.KNOWN_DEVIATION, "d")
    assert explain(case(UNALLOCATED), Verdict(kind=VerdictKind.MATCH), entry, BACKEND).kind is VerdictKind.MATCH


def test_a_crash_anywhere_in_a_run_is_known_by_what_it_said_and_no_other_crash(entries):
    entry = entries(
        '[[deviation]]\nid = "d"\ntitle = "t"\nreason = "r"\nevidence = "e"\ninstructions = ["ADDS*"]\n'
        'actions = ["run"]\nverdict = "crash"\nsymptom = ["crash: *bad pointer*"]\n'
    )
    code = case(adds(5, 1, 2), movz(0, 1))
    for detail, kind in (("SIGABRT: bad pointer", VerdictKind.KNOWN_DEVIATION), ("SIGSEGV", VerdictKind.CRASH)):
        assert explain(code, Verdict(kind=VerdictKind.CRASH, detail=detail), entry, BACKEND).kind is kind
