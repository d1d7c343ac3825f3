"""The texts and data that people and programs read: failure reports, tables, groups, records."""

import json

import pytest

from assay64.harness.cases.authoring import DATA, MAX64, case, expect, given
from assay64.harness.cases.case import Case, Environment, Step
from assay64.harness.cases.outcome import Difference, Verdict, VerdictKind
from assay64.harness.cases.state import State
from assay64.harness.cases.tokens import to_token
from assay64.harness.record.records import BackendInfo, CheckRecord, Records, RunInfo, Tally, TestRecord
from assay64.harness.report import failure
from assay64.harness.report.failure import Described, failure_report, flags_text
from assay64.harness.report.jsonout import run_data
from assay64.harness.report.table import cell, verdict_table
from assay64.harness.report.terminal import failures, run_report

ADDS = 0xAB020020
T = to_token(Case(code=(0,)))
WRONG_CARRY = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference("nzcv", ".ZC.", ".Z..", "C differs"),))
INFO = RunInfo(
    assay64="0.1.0",
    python="3.11.7",
    machine="Linux x86_64",
    seed=7,
    started="2026-01-01T00:00:00+00:00",
    backends=(BackendInfo(name="unicorn", version="2.1.4"), BackendInfo(name="kvm", missing="no /dev/kvm")),
)


@pytest.fixture
def described(monkeypatch):
    """The reports must not change with the specification's line numbers."""

    def describe(word, address):
        return Described(word, f"insn{word & 15} at {address:#x}", "TITLE (variant)", "reference/spec/group/file.py:41")

    monkeypatch.setattr(failure, "describe", describe)


def test_a_word_is_described_from_the_specification():
    one = failure.describe(ADDS, 0)
    assert (one.text, one.title) == ("adds x0, x1, x2", "ADDS (shifted register)")
    assert one.source.startswith("reference/spec/data_processing_register/add_sub.py:")
    assert failure.describe(0xFFFF_FFFF, 0) == (0xFFFF_FFFF, ".word 0xffffffff", failure.NOT_SPECIFIED, "")


def test_failure_report_has_the_documented_shape(monkeypatch):
    one = Described(ADDS, "adds x0, x1, x2", "ADDS (shifted register)", "reference/spec/d/add_sub.py:41")
    monkeypatch.setattr(failure, "describe", lambda *_: one)
    shrunk = Case(code=(ADDS,), states=(State.of(x1=-1, x2=1),))
    first = Case(code=(ADDS,) * 7, states=(State.of(**{f"x{i}": i + 1 for i in range(31)}),))
    text = failure_report(
        shrunk, WRONG_CARRY, backend="dynarmic", token=to_token(shrunk), seed="8f3a", before_shrinking=first
    )
    assert text.splitlines() == [
        "FAIL adds x0, x1, x2   0xab020020   ADDS (shifted register)",
        "  given    x1=0xffff_ffff_ffff_ffff  x2=0x1  (others zero)",
        "  cpu      cortex-a57",
        "           expected (reference)   got (dynarmic)",
        "  nzcv     .ZC.                   .Z..             C differs",
        "  rule     reference/spec/d/add_sub.py:41",
        "  shrunk   7 -> 1 instructions, 31 -> 2 live registers   seed 8f3a",
        "  replay   assay64 replay 'ab020020:x1=-1,x2=1' --backend dynarmic",
    ]


def test_the_report_names_the_cpu_and_the_stack_pointer_that_code_uses():
    environment = Environment(model="apple-m2", cntkctl_el1=0)
    one = Case(code=(0xF8008FE0,), environment=environment, requires=("FEAT_LSE",))
    lines = failure_report(one, WRONG_CARRY, backend="x", token=T).splitlines()
    assert lines[1:3] == [
        "  given    sp=0x2000_8000  (others zero)",
        "  cpu      apple-m2  with FEAT_LSE  cntkctl_el1=0x0",
    ]


@pytest.mark.usefixtures("described")
def test_report_of_several_instructions_and_memory():
    checkable = case([1, 2], given(memory={DATA: b"\x01\x02"}, fill=3, N=1), expect())
    text = failure_report(checkable.case, WRONG_CARRY, backend="x", token=T, seed="1")
    assert text.splitlines()[:6] == [
        "FAIL 2 instructions",
        "  code     0x10000000  00000001  insn1 at 0x10000000  TITLE (variant)",
        "           0x10000004  00000002  insn2 at 0x10000004  TITLE (variant)",
        "  given    nzcv=N...  fill(0x20000000)=0x3  [0x20000000]=0102  (others zero)",
        "  cpu      cortex-a57",
        "           expected (suite)   got (x)",
    ]
    assert text.count("file.py:41") == 1
    assert "  seed     1" in text.splitlines()


@pytest.mark.usefixtures("described")
def test_report_of_a_crash_names_its_reason():
    crash = Verdict(kind=VerdictKind.CRASH, detail="SIGSEGV: bad pointer")
    text = failure_report(Case(code=(1,), actions=(Step(),)), crash, backend="b", token=T)
    assert "  given    (all zero)" in text.splitlines()
    assert "  actions  step" in text.splitlines()
    assert "  crash    SIGSEGV: bad pointer" in text.splitlines()
    assert "expected" not in text


@pytest.mark.usefixtures("described")
def test_long_states_are_wrapped():
    state = State.of(**{f"x{i}": MAX64 for i in range(31)}, **{f"v{i}": -1 for i in range(32)})
    text = failure_report(Case(code=(1,), states=(state,)), WRONG_CARRY, backend="b", token=T)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    for name in [*(f"x{i}=" for i in range(31)), *(f"v{i}=" for i in range(32))]:
        assert sum(f" {name}" in line for line in lines) == 1, name


def test_flags():
    assert [flags_text(value) for value in (0, 6, 9, 15)] == ["....", ".ZC.", "N..V", "NZCV"]


def check(kind, token=T, backend="unicorn", group="ADD", cause="", report=""):
    return CheckRecord(
        test="t", group=group, backend=backend, verdict=Verdict(kind=kind), token=token, cause=cause, report=report
    )


def some_records():
    return Records(
        info=INFO,
        tallies=[
            Tally("t", "ADD", "unicorn", VerdictKind.MATCH, "", 3),
            Tally("t", "SUB", "unicorn", VerdictKind.UNSUPPORTED, "", 1),
            Tally("t", "ADD", "unicorn", VerdictKind.MISMATCH, "ADDS: nzcv", 2),
            Tally("t", "ADD", "unicorn", VerdictKind.HANG, "B: hang", 1),
            Tally("t", "ADD", "unicorn", VerdictKind.KNOWN_DEVIATION, "undefined-words", 1),
        ],
        checks=[
            check(VerdictKind.MISMATCH, "long token", cause="ADDS: nzcv", report="LONG REPORT"),
            check(VerdictKind.MISMATCH, "short", cause="ADDS: nzcv", report="SHORT REPORT"),
            check(VerdictKind.HANG, "h", cause="B: hang", report="HANG REPORT"),
            check(VerdictKind.KNOWN_DEVIATION, "d", cause="undefined-words"),
        ],
        tests=[
            TestRecord(test="t", outcome="failed", error="line 1\nValueError: boom"),
            TestRecord(test="t", outcome="skipped"),
            TestRecord(test="checks nothing", outcome="skipped"),
        ],
    )


def test_table_counts_every_verdict():
    lines = verdict_table(some_records().tallies, ["unicorn", "kvm"]).splitlines()
    assert lines[0].split() == ["instruction", "class", "unicorn", "kvm"]
    assert "3, 1 known, 2 FAIL, 1 HANG" in lines[2]
    assert lines[2].split()[-1] == "-"
    assert lines[3].split() == ["SUB", "1", "unsupported", "-"]
    assert "3, 1 known, 1 unsupported, 2 FAIL, 1 HANG" in lines[4]
    assert cell({}) == "-"


def test_every_kind_of_verdict_has_a_word_in_the_table():
    for kind in VerdictKind:
        assert cell({kind: 5}).startswith("5")


def test_groups_show_the_smallest():
    first, *rest = failures(some_records())
    assert (first.cause, first.count, first.smallest.token) == ("ADDS: nzcv", 2, "short")
    assert [group.cause for group in rest] == ["B: hang"]


def test_run_report_names_everything_once():
    text = run_report(some_records(), {"undefined-words": "its title"}, [("unicorn", "old-one")])
    for part in (
        "assay64 0.1.0, Python 3.11.7, Linux x86_64, seed 7",
        "  unicorn 2.1.4",
        "  kvm: not available: no /dev/kvm",
        "Failures by cause (2)",
        "unicorn   ADDS: nzcv   (2 cases)\nSHORT REPORT",
        "HANG REPORT",
        "ValueError: boom",
        "  unicorn   undefined-words   (1 case)   its title\n    assay64 replay 'd' --backend unicorn",
        "unicorn: the known deviation old-one does not occur any more: fixed?",
        "8 cases, 3 failures with 2 causes, 1 case with known deviations, ",
        "1 test that could not be run to the end, 1 test that the suites skipped; seed 7.",
    ):
        assert " ".join(text.split()).count(" ".join(part.split())) == 1, part
    assert "LONG REPORT" not in text


def test_run_data_is_json():
    data = json.loads(json.dumps(run_data(some_records(), {}, 1)))
    assert data["run"]["seed"] == 7
    assert data["verdicts"]["ADD"]["unicorn"]["mismatch"] == 2
    assert data["failures"][0]["token"] == "short"  # noqa: S105 - a replay token, no password
    assert data["known_deviations"][0]["cause"] == "undefined-words"
    assert data["exit_code"] == 1
