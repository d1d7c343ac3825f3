"""The pytest plug-in: what plain pytest shows of checks, and that it leaves other projects' tests alone."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import assay64.suites
from assay64.harness.cases.authoring import case, expect, given
from assay64.harness.cases.outcome import Difference, Verdict, VerdictKind
from assay64.harness.cases.tokens import from_token, to_token
from assay64.harness.check_context import CheckFailed, Context
from assay64.harness.plugin import MARKERS
from assay64.harness.under_test import BackendUnderTest

FAKES = Path(__file__).with_name("fakes.py")
IMPORTS = "from assay64.harness.cases.authoring import case, expect, given\n"


@pytest.fixture
def plain_pytest(tmp_path):
    """Run plain pytest on a test file; its exit code and output."""

    def run(source, *arguments):
        path = tmp_path / "test_made_up.py"
        path.write_text(source)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rA",
            "-p",
            "no:cacheprovider",
            "--color=no",
            str(path),
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_failed_check_is_the_report_and_nothing_else(plain_pytest):
    source = IMPORTS + "def test_it(backend):\n    case('adds x0, x1, x2', given(x1=1)).check(backend)\n"
    code, out = plain_pytest(source, "--backend", f"{FAKES}:WRONG_CARRY")
    assert code == 1
    assert "FAIL adds x0, x1, x2   0xab020020" in out
    assert "  replay   assay64 replay 'ab020020:" in out
    assert "Traceback" not in out
    assert "def test_it" not in out


def test_each_backend_has_its_own_run_of_a_test(plain_pytest):
    source = IMPORTS + "def test_it(backend):\n    case('nop', expect()).check(backend)\n"
    code, out = plain_pytest(source, "--backend", "reference", "--backend", f"{FAKES}:BOASTING")
    assert code == 0
    assert "PASSED test_made_up.py::test_it[reference]" in out
    assert "2 passed" in out


@pytest.mark.parametrize("option", ["--assay-cases", "--assay-row-cases"])
def test_nothing_can_be_drawn_no_times(plain_pytest, option):
    code, out = plain_pytest(IMPORTS + "def test_it(backend):\n    pass\n", "--backend", "reference", option, "0")
    assert code == 4
    assert "0: at least 1 is drawn" in out
    assert "INTERNALERROR" not in out


def test_unsupported_is_skipped_and_a_failure_after_it_still_fails(plain_pytest):
    unsupported = "    case('nop', expect(), requires=['FEAT_NONE']).check(backend)\n"
    wrong = "    case('nop', expect(x0=1)).check(backend)\n"
    source = IMPORTS + f"def test_one(backend):\n{unsupported}\ndef test_two(backend):\n{unsupported}{wrong}"
    code, out = plain_pytest(source, "--backend", "reference")
    assert code == 1
    assert "1 failed, 1 skipped" in out
    assert "unsupported: reference does not have FEAT_NONE" in out


def test_random_tests_follow_seed_and_number_of_cases(plain_pytest):
    source = """
from hypothesis import given, strategies
seen = []
@given(strategies.integers(0, 1 << 64))
def test_draw(backend, number):
    seen.append(number)
def test_seen(backend):
    print("SEEN", len(seen), hash(tuple(seen)))
"""
    outs = [
        plain_pytest(source, "--backend", "reference", "--assay-seed", seed, "--assay-cases", "7")[1]
        for seed in ("5", "5", "6")
    ]
    lines = [next(line for line in out.splitlines() if line.startswith("SEEN")) for out in outs]
    assert lines[0].startswith("SEEN 7 ")
    assert lines[0] == lines[1] != lines[2]


def test_a_misspelt_backend_is_a_usage_error(plain_pytest):
    code, out = plain_pytest("def test_it(backend): pass\n", "--backend", "unicron")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "did you mean unicorn?" in out
    assert "Traceback" not in out


def test_other_projects_keep_their_own_backend_fixture(plain_pytest):
    source = """
import pytest
@pytest.fixture
def backend():
    return "mine"
def test_it(backend):
    assert backend == "mine"
"""
    code, out = plain_pytest(source)
    assert code == 0
    assert "PASSED test_made_up.py::test_it\n" in out


def test_the_plug_in_loads_nothing_heavy():
    heavy = {"numpy", "msgspec", "unicorn", "capstone", "hypothesis"}
    source = f"import sys, assay64.harness.plugin; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


WRONG = Verdict(kind=VerdictKind.MISMATCH, differences=(Difference("nzcv", ".Z..", ".ZC.", "C differs"),))
MATCH = Verdict(kind=VerdictKind.MATCH)


class Judge:
    """Says what it is told: ``with_expectation`` of a case that brings its own, else ``plain``."""

    def __init__(self, with_expectation, plain):
        self.with_expectation, self.plain, self.shrunk = with_expectation, plain, 0

    def judge(self, case, backend):
        return self.plain if case.permitted is None else self.with_expectation

    def judge_many(self, cases, backend):
        return ((case, self.judge(case, backend)) for case in cases)

    def diverging(self, case, backend):
        return None

    def shrink(self, case, verdict, backend, budget=0):
        self.shrunk += 1
        return case


class Sink(list[Any]):
    def check(self, record):
        self.append(record)

    def matched(self, test, group, backend):
        self.append((test, group, backend))


def checked(judge):
    sink = Sink()
    context = Context("test_it", "group")
    return BackendUnderTest("b", judge, context, sink, seed="1"), sink, context


ADDS = case("adds x0, x1, x2", given(x1=-1, x2=1), expect(x0=0, Z=1), name="a name")


def test_token_of_a_failure_that_only_the_suite_sees_carries_the_expectation():
    judge = Judge(WRONG, MATCH)
    backend, sink, context = checked(judge)
    with pytest.raises(CheckFailed, match=r"expected \(suite\)"):
        ADDS.check(backend)
    (record,) = sink
    assert from_token(record.token).permitted == ADDS.case.permitted
    assert context.tokens == [record.token]
    assert judge.shrunk == 0


def test_token_of_a_failure_that_the_reference_sees_is_short():
    judge = Judge(WRONG, WRONG)
    backend, sink, _ = checked(judge)
    for _ in range(3):
        with pytest.raises(CheckFailed, match=r"expected \(reference\)"):
            ADDS.check(backend)
    assert {record.token for record in sink} == {"ab020020:x1=-1,x2=1"}
    assert {record.cause for record in sink} == {"ADDS (shifted register): nzcv"}
    assert judge.shrunk == 1


@pytest.mark.parametrize("kind", [VerdictKind.KNOWN_DEVIATION, VerdictKind.UNSUPPORTED])
def test_what_is_no_failure_is_recorded(kind):
    verdict = Verdict(kind=kind, detail="why", deviation="known-one" if kind is VerdictKind.KNOWN_DEVIATION else "")
    backend, sink, context = checked(Judge(verdict, verdict))
    ADDS.check(backend)
    (record,) = sink
    assert (record.verdict, record.test, record.group) == (verdict, "test_it", "group")
    assert record.token == to_token(from_token("ab020020:x1=-1,x2=1"))
    assert context.unsupported == (["why"] if kind is VerdictKind.UNSUPPORTED else [])
    assert context.tokens == ([record.token] if kind is VerdictKind.KNOWN_DEVIATION else [])


def test_a_match_is_counted():
    backend, sink, context = checked(Judge(MATCH, MATCH))
    ADDS.check(backend)
    assert sink == [("test_it", "group", "b")]
    assert not context.tokens


@pytest.mark.parametrize("kind", [VerdictKind.MISMATCH, VerdictKind.CRASH, VerdictKind.HANG, VerdictKind.ERROR])
def test_every_failing_kind_fails(kind):
    verdict = Verdict(kind=kind, detail="why", differences=WRONG.differences if kind is VerdictKind.MISMATCH else ())
    backend, sink, _ = checked(Judge(verdict, verdict))
    with pytest.raises(CheckFailed, match="ab020020"):
        ADDS.check(backend)
    assert [record.verdict.kind for record in sink] == [kind]


def test_many_cases_are_all_judged_before_the_test_fails():
    plain = from_token("ab020020:x1=-1,x2=1")
    backend, sink, _ = checked(Judge(WRONG, MATCH))
    assert backend.check_many([plain] * 3) == 3
    with pytest.raises(CheckFailed, match="2 of 4 cases failed on b"):
        backend.check_many([plain, ADDS.case, ADDS.case, plain])
    assert len(sink) == 7


def junit(path):
    """The test cases in a JUnit file of our own making."""
    return ElementTree.parse(path).findall(".//testcase")  # noqa: S314


@pytest.fixture
def installed_suites(tmp_path):
    """Run the installed suites from a folder that has nothing to do with them; exit code and output."""

    def run(package, *arguments):
        command = [sys.executable, "-m", "pytest", "--pyargs", package, "-q", "--color=no", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_suites_run_installed_from_any_folder_in_parallel_with_markers_and_names(installed_suites, tmp_path):
    code, out = installed_suites(
        "assay64.suites.loads_and_stores",
        *("--backend", "reference", "--backend", "unicorn", "-n", "4", "-m", "exclusives and not random"),
        *("-k", "load_exclusive or pair", "--junitxml", "out.xml", "--strict-markers"),
    )
    assert code == 0, out
    tests = junit(tmp_path / "out.xml")
    assert len(tests) > 20
    assert {test.get("name", "").partition("[")[2].split("-")[0].rstrip("]") for test in tests} == {
        "reference",
        "unicorn",
    }
    assert all("test_exclusive" in test.get("classname", "") for test in tests)


def test_the_installed_suites_hold_no_selftest(installed_suites):
    code, out = installed_suites("assay64.suites", "--backend", "reference", "--collect-only", "-m", "atomics")
    assert code == 0, out
    assert "selftest" not in out
    assert "test_atomic" in out


def test_every_marker_is_used_and_every_mark_is_registered():
    folder = Path(assay64.suites.__file__ or "").parent
    sources = [path.read_text("utf-8") for path in folder.rglob("test_*.py") if "selftest" not in path.parts]
    used = {name for source in sources for name in re.findall(r"pytest\.mark\.(\w+)", source)}
    assert used - {"parametrize", "skipif"} <= set(MARKERS)
    assert set(MARKERS) - {"nightly", "shared"} <= used


def test_nightly_tests_of_backends_are_left_out_unless_they_are_selected(plain_pytest):
    source = (
        "import pytest\n@pytest.mark.nightly\ndef test_long(backend): pass\n"
        "def test_short(backend): pass\n@pytest.mark.nightly\ndef test_of_others(): pass\n"
    )
    assert "2 passed, 1 deselected" in plain_pytest(source, "--backend", "reference")[1]
    assert "2 passed, 1 deselected" in plain_pytest(source, "--backend", "reference", "-m", "nightly")[1]


def test_failures_have_their_replay_tokens_in_junit_and_run_again_with_lf(plain_pytest, tmp_path):
    source = IMPORTS + (
        "def test_wrong(backend):\n    case('adds x0, x1, x2', given(x1=1)).check(backend)\n\n"
        "def test_right(backend):\n    case('nop', expect()).check(backend)\n"
    )
    more = ("--backend", f"{FAKES}:WRONG_CARRY", "--junitxml", str(tmp_path / "out.xml"), "-p", "cacheprovider")
    # Under tox pytest's cache is in the environment's folder, where others write too.
    more += ("-o", f"cache_dir={tmp_path / 'cache'}")
    code, _ = plain_pytest(source, *more)
    assert code == 1
    tests = {test.get("name", "").split("[")[0]: test for test in junit(tmp_path / "out.xml")}
    (token,) = [one.get("value", "") for one in tests["test_wrong"].iter("property") if one.get("name") == "replay"]
    assert from_token(token).code == (0xAB020020,)
    assert not list(tests["test_right"].iter("property"))
    code, out = plain_pytest(source, *more, "--lf")
    assert code == 1
    assert "1 failed" in out
    assert "test_right" not in out


@pytest.mark.parametrize(("options", "drawn"), [((), 100), (("--assay-profile", "quick"), 10)])
def test_a_profile_says_how_much_is_drawn(plain_pytest, options, drawn):
    source = (
        "from hypothesis import given, strategies\nseen = []\n"
        "@given(strategies.integers(0, 1 << 64))\ndef test_draw(backend, number):\n    seen.append(number)\n"
        "def test_seen(backend, assay_cases):\n    print('SEEN', len(seen), assay_cases)\n"
    )
    _, out = plain_pytest(source, "--backend", "reference", *options)
    assert f"SEEN {drawn} {drawn}" in out
    _, out = plain_pytest(source, "--backend", "reference", *options, "--assay-cases", "3")
    assert "SEEN 3 3" in out
