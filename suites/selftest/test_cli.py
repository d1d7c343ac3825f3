"""The commands: what they print, their data, their exit codes, and one clear line for every mistake."""

import json
from pathlib import Path

import pytest

from assay64.harness.cases.files import write_cases
from assay64.harness.cases.tokens import from_token
from assay64.harness.cli import invoke
from assay64.harness.cli.run import find_suites
from assay64.harness.judge.contract_checks import CHECKS
from assay64.harness.record import store

FAKES = Path(__file__).with_name("fakes.py")
TOKEN = "ab020020:x1=-1,x2=1"  # noqa: S105 - a replay token, no password
CRASH, HANG = "d503205f:", "d503207f:"

SUITE = '''"""ADD and SUB (shifted register): made up."""

from assay64.harness.cases.authoring import MAX64, case, expect, given
from assay64.harness.cases.case import Case
from assay64.harness.cases.state import State


def test_adds(backend):
    case("adds x0, x1, x2", given(x1=MAX64, x2=1), expect(x0=0, Z=1, C=1)).check(backend)


def test_sequence(backend):
    code = "mov x5, x6; add x7, x8, x9; eor x0, x1, x2; adds x4, x1, x2; sub x3, x4, x5"
    case(code, given(**{f"x{i}": i for i in range(1, 31)})).check(backend)


def test_crash_word(backend):
    case(0xD503205F, expect()).check(backend)


def test_needs_a_feature(backend):
    case("nop", expect(), requires=["FEAT_NONE"]).check(backend)
'''


def fake(name):
    return f"{FAKES}:{name}"


@pytest.fixture
def command(capsys):
    """Run a command line; its exit code, and what it printed."""

    def run(*arguments):
        code = invoke(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "test_made_up.py"
    path.write_text(SUITE)
    return path


def test_help_and_version(command):
    code, out, _ = command("--help")
    assert code == 0
    for name in ("run", "diff", "replay", "backends", "check-backend", "doctor", "spec"):
        assert name in out
        assert command(*name.split(), "--help")[0] == 0
    assert command("--version")[1].startswith("assay64 0.")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["rnu"], 2, "Did you mean 'run'?"),
        (["run", "--bckend", "x"], 2, "No such option: --bckend"),
        (["run", "add_sbu_immediate"], 2, "no suite is called 'add_sbu_immediate'"),
        (["run", "--seed", "many"], 2, "--seed: 'many' is no number"),
        (["run", "--backend", "unicron"], 2, "did you mean unicorn?"),
        (["run", "--backend", fake("MISSING")], 3, "libmissing.so is not installed; apt install libmissing"),
        (["diff", "adsd x0, x1, x2"], 2, "adsd"),
        (["diff", "nop", "--set", "x1"], 2, "write NAME=VALUE"),
        (["diff", "nop", "--set", "x1=ten"], 2, "'ten' is no number"),
        (["diff", "nop", "--set", "x1=0x10000000000000000"], 2, "does not fit"),
        (["diff", "nop", "--set", "w1=1"], 2, "w1 is the lower half of x1"),
        (["diff", "nop", "--set", "mem.20000000=xy"], 2, "not a row of hexadecimal bytes"),
        (["diff", TOKEN, "--set", "x1=1"], 2, "the token holds the values already"),
        (["diff", "nop", "--backend", fake("MISSING")], 3, "not available here"),
        (["replay", "zz"], 2, "no replay token"),
        (["replay", "no/such/file"], 2, "neither a file nor a replay token"),
        (["replay", "missing.json"], 2, "missing.json: No such file"),
        (["replay", TOKEN, "--backend", "unicron"], 2, "did you mean unicorn?"),
        (["check-backend", fake("NOTHING")], 2, "has no NOTHING"),
        (["check-backend", "./libnothing.so"], 2, "there is no such file"),
        (["check-backend", fake("MISSING")], 3, "libmissing.so"),
        (["spec", "show", "ADSD"], 2, "did you mean"),
        (["spec", "show", "0x123456789"], 2, "32 bits"),
        (["spec", "list", "--group", "nothing"], 2, "no group's name contains"),
        (["spec", "coverage"], 2, "--encodings FILE"),
        (["spec", "coverage", "--encodings", "/nowhere.json"], 2, "/nowhere.json is not a table of A64 encodings"),
        (["spec", "coverage", "--encodings", "/nowhere.json", "--model", "z80"], 2, "no CPU model is called 'z80'"),
    ],
)
def test_mistakes_are_one_clear_line(command, arguments, code, complaint):
    found, out, err = command(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("assay64: ")
    assert err.count("\n") == 1
    assert complaint in err


def test_malformed_case_file_is_named(command, tmp_path):
    path = tmp_path / "case.json"
    path.write_text('{"code": ["zz"]}')
    code, _, err = command("replay", str(path))
    assert (code, err) == (2, f"assay64: {path}: at .code[0]: 'zz' is no number: write 123 or '0x7b'\n")


def test_diff_side_by_side(command):
    arguments = ["diff", "adds x0, x1, x2", "--set", "x1=-1", "--set", "x2=1", "--backend", "reference"]
    code, out, _ = command(*arguments)
    assert code == 0
    assert out.startswith("adds x0, x1, x2   0xab020020   ADDS (shifted register)\n")
    assert ["nzcv", "....", ".ZC."] in [line.split() for line in out.splitlines()]
    assert f"assay64 diff '{TOKEN}'" in out
    code, out, _ = command(*arguments, "--backend", fake("WRONG_CARRY"))
    assert code == 1
    assert ["nzcv", "....", ".ZC.", ".Z..", "*"] in [line.split() for line in out.splitlines()]
    code, out, _ = command(*arguments, "--backend", fake("WRONG_CARRY"), "--json")
    data = json.loads(out)
    assert code == 1
    assert data["token"] == TOKEN
    right, wrong = data["backends"]
    assert right["verdict"]["kind"] == "match"
    assert right["changed"] == {"exit": "until", "pc": "0x1000_0004", "nzcv": ".ZC."}
    assert wrong["verdict"]["differences"][0]["field"] == "nzcv"
    assert wrong["changed"]["nzcv"] == ".Z.."


def test_diff_takes_words_tokens_memory_and_flags(command):
    settings = ["--set", "x1=0x20000000", "--set", "mem.20000000=2a", "--set", "C=1", "--json"]
    code, _, err = command("diff", "f9400020", *settings, "--set", "nzcv=Z", "--backend", "reference")
    assert code == 2
    assert "one by one" in err
    code, out, _ = command("diff", "f9400020", *settings, "--backend", "reference")
    assert json.loads(out)["backends"][0]["changed"]["x0"] == "0x2a"
    assert json.loads(out)["token"].startswith("f9400020:x1=0x20000000,nzcv=C,mem.20000000=2a")
    code, out, _ = command("diff", TOKEN, "--backend", "reference", "--json")
    assert json.loads(out)["token"] == TOKEN


def test_diff_takes_a_case_file_and_a_model(command, tmp_path):
    word = "f8200022"  # LDADD needs FEAT_LSE
    for model, ends in (("cortex-a57", "undefined"), ("cortex-a57+FEAT_LSE", "until")):
        _, out, _ = command(
            "diff", word, "-s", f"model={model}", "-s", "x1=0x20000000", "--json", "--backend", "reference"
        )
        data = json.loads(out)
        assert data["backends"][0]["outcome"]["exits"][0]["kind"] == ends
    path = tmp_path / "case.json"
    path.write_text(json.dumps(data["case"]))
    _, out, _ = command("diff", str(path), "--json", "--backend", "reference")
    assert json.loads(out)["token"] == data["token"] == f"{word}:x1=0x20000000,model=cortex-a57+FEAT_LSE"
    assert command("diff", str(path), "-s", "x1=1")[0] == 2


def test_diff_without_the_reference_shows_what_is_expected(command):
    code, out, _ = command("diff", TOKEN, "--backend", fake("WRONG_CARRY"))
    lines = [line.split() for line in out.splitlines()]
    assert code == 1
    assert ["nzcv", "....", ".ZC.", ".Z..", "*"] in lines
    assert "given        expected" in out
    assert "* differs from what is expected" in out
    _, out, _ = command("diff", "c8027c23:x1=0x20000000,x3=9", "--backend", fake("WRONG_CARRY"))
    assert "is the first of them" not in out  # without a mark a store-exclusive fails
    _, out, _ = command("diff", "c85f7c20.c8027c23:x1=0x20000000,x3=9", "--backend", fake("WRONG_CARRY"))
    assert "Arm permits 2 outcomes: expected is the first of them." in out


def test_diff_shows_a_backend_that_gives_no_outcome(command):
    code, out, _ = command("diff", CRASH[:-1], "--backend", "reference", "--backend", fake("CRASHING"))
    assert code == 1
    assert ["verdict", "match", "crash"] in [line.split() for line in out.splitlines()]
    assert "SIGSEGV" in out


def test_replay(command, tmp_path):
    assert command("replay", TOKEN, "--backend", "reference")[:2] == (0, f"reference: match   {TOKEN}\n")
    code, out, _ = command("replay", TOKEN, "--backend", fake("WRONG_CARRY"))
    assert code == 1
    assert f"assay64 replay '{TOKEN}' --backend" in out
    assert "C differs" in out
    write_cases(tmp_path / "cases.json", from_token(TOKEN), from_token("d503201f:"))
    code, out, _ = command("replay", str(tmp_path / "cases.json"), "--backend", fake("WRONG_CARRY"), "--json")
    assert code == 1
    assert [one["verdict"]["kind"] for one in json.loads(out)] == ["mismatch", "match"]


def test_backends(command):
    code, out, _ = command("backends", "--json")
    assert code == 0
    found = {one["name"]: one for one in json.loads(out)}
    assert {"reference", "unicorn", "dynarmic"} <= found.keys()
    assert found["reference"]["available"]
    assert found["reference"]["capabilities"]["actions"][0] == "alias"
    code, out, _ = command("backends")
    assert code == 0
    assert "reference  ready" in out


def results(out):
    return {one["name"]: one for one in json.loads(out)}


def test_check_backend_accepts_the_reference(command):
    code, out, _ = command("check-backend", "reference")
    assert code == 0
    assert "reference keeps the contract" in out


@pytest.mark.parametrize(
    ("backend", "failing", "detail"),
    [
        ("WRONG_BUDGET", "spends_budgets has_exclusives", "pc is 0x10000000, not 0x10000004"),
        ("BOASTING", "watches", "set_watchpoint is declared and refused"),
        ("LOSING_REGISTERS", "keeps_every_register shows_registers_to_the_guest", "v31"),
        ("CRASHING_STEP", "steps", "SIGSEGV"),
    ],
)
def test_check_backend_finds_what_is_wrong(command, backend, failing, detail):
    code, out, _ = command("check-backend", fake(backend), "--json")
    assert code == 1
    found = results(out)
    assert set(found) == set(CHECKS)
    bad = [name for name, one in found.items() if one["status"] in ("failed", "crashed", "hung")]
    assert bad == failing.split()
    assert detail in found[bad[0]]["detail"]


def test_check_backend_reports_what_is_not_declared(command):
    found = results(command("check-backend", fake("BOASTING"), "--json")[1])
    assert found["protects"]["status"] == "undeclared"


def test_check_backend_survives_a_hang(command):
    code, out, _ = command("check-backend", fake("HANGING_STEP"), "--json", "--timeout", "5")
    assert code == 1
    assert {name for name, one in results(out).items() if one["status"] == "hung"} == {"steps"}


def test_spec_coverage_lists_what_is_missing_either_way(command, tmp_path):
    def row(name, mnemonic, mask, value, feat=""):
        return {
            "name": name,
            "mnemonic": mnemonic,
            "mask": mask,
            "value": value,
            "feat": feat,
            "group": "G",
            "cls": "c",
        }

    table = tmp_path / "table.json"
    rows = [
        row("UMULH_row", "UMULH", "ffe0fc00", "9bc07c00"),
        row("other_name", "SMULL", "ffe0fc00", "9b407c00"),
        row("never_allocated", "NEVER", "ffffffff", "00010000"),
        row("LDADD_row", "LDADD", "ffe0fc00", "f8200000", "FEAT_LSE&FEAT_FP|FEAT_NONE"),
        row("absent", "ABSENT", "ffffffff", "00020000", "FEAT_NONE"),
    ]
    table.write_text(json.dumps({"encodings": rows}))
    code, out, _ = command("spec", "coverage", "--model", "apple-m2", "--encodings", str(table), "--json")
    found = json.loads(out)
    assert (code, found["rows"], found["have"], found["complete"]) == (1, 4, 2, False)
    assert {one["row"]: one["reason"] for one in found["missing"]} == {
        "other_name": "the specification decodes SMULH (multiply_high)",
        "never_allocated": "no definition",
    }
    assert {"feature": "FEAT_LSE&FEAT_FP|FEAT_NONE", "group": "G", "have": 1, "rows": 1} in found["matrix"]
    unlisted = {one["definition"] for one in found["unlisted"]}
    assert "add_sub_immediate" in unlisted
    assert "multiply_high" not in unlisted
    code, out, _ = command("spec", "coverage", "--model", "cortex-a57", "--encodings", str(table))
    assert code == 1
    assert "cortex-a57: 1 of 3 encodings" in out


def test_spec(command):
    code, out, _ = command("spec", "show", "adds")
    assert code == 0
    assert "AddWithCarry" in out
    assert "reference/spec/data_processing_register/add_sub.py:" in out
    (shown,) = json.loads(command("spec", "show", "0xab020020", "--json")[1])
    assert shown["name"] == "add_sub_shifted_register"
    assert shown["mnemonics"] == ["ADD", "ADDS", "SUB", "SUBS"]
    listed = json.loads(command("spec", "list", "--json")[1])
    assert {name: value for name, value in shown.items() if name not in ("tests", "backends")} in listed
    assert all(
        one["group"] == "reserved" for one in json.loads(command("spec", "list", "--group", "reserved", "--json")[1])
    )


def test_suites_are_found_by_name():
    every = find_suites([])
    assert every
    assert not any("selftest" in path.parts for path in every)
    group = every[0].parent.name
    assert set(find_suites([group])) == {path for path in every if path.parent.name == group}
    one = every[0].stem.removeprefix("test_")
    assert find_suites([f"{group}/{one}"]) == [every[0]]


def test_run_finds_shrinks_and_replays_a_wrong_flag(command, suite, tmp_path):
    report, junit = tmp_path / "report", tmp_path / "junit.xml"
    backend = fake("WRONG_CARRY")
    code, out, err = command(
        "run", str(suite), "--backend", backend, "--report", str(report), "--junitxml", str(junit), "--json"
    )
    assert (code, err) == (1, "")
    data = json.loads(out)
    assert data["verdicts"] == {
        "ADD and SUB (shifted register)": {backend: {"match": 1, "mismatch": 2, "unsupported": 1}}
    }
    assert {group["cause"] for group in data["failures"]} == {"ADDS (shifted register): nzcv"}
    (group,) = data["failures"]
    assert group["count"] == 2
    assert group["token"] in junit.read_text()
    assert group["token"] in {check.token for check in store.read(report).checks}
    code, out, _ = command("replay", group["token"], "--backend", backend)
    assert code == 1
    assert "C differs" in out


def test_a_run_whose_pytest_died_is_no_success(command, suite, tmp_path):
    (tmp_path / "file").write_text("")
    junit = tmp_path / "file" / "junit.xml"
    code, out, _ = command("run", str(suite), "-k", "adds", "--backend", "reference", "--junitxml", str(junit))
    assert code == 1
    assert "pytest ended early" in out
    assert "Error" in out


def test_run_shrinks_a_sequence_to_one_instruction(command, suite):
    code, out, _ = command("run", str(suite), "-k", "test_sequence", "--backend", fake("WRONG_CARRY"))
    assert code == 1
    (shrunk,) = [line for line in out.splitlines() if line.startswith("  shrunk")]
    assert shrunk.startswith("  shrunk   5 -> 1 instructions, 30 -> ")
    assert shrunk.endswith("seed 1")
    (replay,) = [line for line in out.splitlines() if line.startswith("  replay")]
    assert from_token(replay.split("'")[1]).code == (0xAB020024,)


def test_a_crash_costs_only_its_case(command, suite):
    code, out, _ = command("run", str(suite), "--backend", fake("CRASHING"), "-j", "2")
    assert code == 1
    assert "3, 1 unsupported" not in out
    assert "2, 1 unsupported, 1 CRASH" in out
    assert f"assay64 replay '{CRASH}'" in out
    assert "SIGSEGV" in out


def test_run_succeeds_and_selects(command, suite):
    code, out, _ = command("run", str(suite), "--backend", "reference", "-k", "adds")
    assert code == 0
    assert "1 cases, no failures; seed 1." in out
    code, _, err = command("run", str(suite), "--backend", "reference", "-k", "nothing_has_this_name")
    assert (code, err) == (2, "assay64: no test matches -k 'nothing_has_this_name'\n")
    code, _, err = command("run", str(suite), "--backend", "reference", "-j", "2", "-k", "flags and")
    assert (code, err.count("\n")) == (2, 1)
    assert "Wrong expression passed to '-k'" in err


def test_a_suite_that_cannot_be_imported_is_an_error_not_a_pass(command, tmp_path):
    (tmp_path / "test_broken.py").write_text("import nothing_has_this_name\n")
    code, out, _ = command("run", str(tmp_path), "--backend", "reference")
    assert code == 1
    assert "ModuleNotFoundError" in out
