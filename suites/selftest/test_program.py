"""Backends over a pipe: the example keeps the contract and is judged rightly; programs that crash, hang, flood or write
what is no frame give verdicts and clear errors.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from assay64.harness.backends import registry
from assay64.harness.backends.contract import BackendDied
from assay64.harness.backends.program import ProgramBackend
from assay64.harness.backends.program.connection import ProtocolError, start
from assay64.harness.backends.program.protocol import HEADER, INFO, Kind
from assay64.harness.cases.tokens import from_token
from assay64.harness.cli import invoke
from assay64.harness.cli.check_backend import check
from assay64.harness.errors import BackendUnavailable, UsageError
from assay64.harness.judge.contract_checks import CHECKS
from assay64.harness.judge.contract_machine import ADD_X0, Machine
from assay64.harness.judge.judge import Judge

TOY = Path(registry.__file__).parent / "examples" / "program" / "toy.py"
COMMAND = f"exec:{sys.executable} {TOY}"
ADD = "91000420:x1=41"
# What a spoiled copy of the toy does when it is asked to run code that begins with a certain word.
SPOILED = {
    "crash": "import signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "exit": "print('the toy gives up', file=sys.stderr); os._exit(3)",
    "hang": "time.sleep(3600)",
    "flood": "[os.write(1, b'lorem ipsum ' * 4096) for _ in range(4096)]",
    "text": "os.write(1, b'assertion failed: code_buffer != 0')",
    "long": "answers.write(HEADER.pack(kind, OK, 1 << 40)); answers.flush()",
    "short": "answers.write(HEADER.pack(kind, OK, 8) + bytes(8)); answers.flush(); continue",
    "kind": "answers.write(HEADER.pack(3, OK, 0)); answers.flush(); continue",
    "exit kind": "answers.write(HEADER.pack(kind, OK, 40) + b'c' * 40); answers.flush(); continue",
    "nowhere": "answers.write(HEADER.pack(kind, OK, 64) + bytes([2]) + bytes(63)); answers.flush(); continue",
    "error": "raise ValueError('no fuel')",
}
NOP = 0xD503201F


def greeting(payload):
    """A program that answers HELLO with these bytes."""
    return f"import os; os.write(1, {HEADER.pack(Kind.HELLO, 0, len(payload)) + payload!r})"


@pytest.fixture
def spoiled(tmp_path):
    def make(how):
        code = TOY.read_text("utf-8")
        hook = f"""
            if kind == RUN and machines[number].read(machines[number].state[PC], 4) == {NOP:#x}:
                {SPOILED[how]}
        """
        where = "        try:\n            for data in"
        assert where in code
        hook = textwrap.indent(textwrap.dedent(hook).strip(), " " * 12)
        code = code.replace(where, f"        try:\n{hook}\n            for data in")
        path = tmp_path / "spoiled.py"
        path.write_text(code.replace("import json\n", "import json\nimport os\nimport time\n"), "utf-8")
        return f"exec:{sys.executable} {path}"

    return make


def test_the_example_is_short_and_needs_nothing_but_python():
    code = TOY.read_text("utf-8")
    assert len(code.splitlines()) < 200
    imported = {line.split()[1] for line in code.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names


def test_the_example_keeps_the_contract():
    results = list(check(COMMAND, 60.0))
    assert [one.name for one in results] == list(CHECKS)
    assert [one for one in results if one.status not in ("ok", "not declared")] == []


@pytest.mark.parametrize("name", ["library", "program"])
def test_an_example_is_copied_once(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke(["backends", "--example", name]) == 0
    assert {"assay64_backend.h"} < {path.name for path in (tmp_path / name).iterdir()}
    assert invoke(["backends", "--example", name]) == 2
    assert "is there already" in capsys.readouterr().err
    assert invoke(["backends", "--example", "nothing"]) == 2


def test_a_case_has_the_same_verdict_as_on_the_reference():
    with Judge() as judge:
        for token in (ADD, "f9400020:x1=0x20000000,fill=3", "f9000020:x0=77,x1=0x20000ff8", "f9400020:x1=0x30000000"):
            assert judge.judge(from_token(token), COMMAND).kind == "match", token
        assert judge.judge(from_token("8b020020:x1=1,x2=2"), COMMAND).kind == "unsupported"


def test_a_local_socket(tmp_path):
    path = tmp_path / "toy.sock"
    with subprocess.Popen([sys.executable, TOY, path]) as server:
        try:
            while not path.exists():
                assert server.poll() is None
                time.sleep(0.01)
            with Judge() as judge:
                assert judge.judge(from_token(ADD), f"socket:{path}").kind == "match"
        finally:
            server.kill()


@pytest.mark.parametrize(
    ("how", "kind", "detail"),
    [
        ("crash", "crash", "SIGSEGV"),
        ("exit", "crash", "exit status 3: the toy gives up"),
        ("text", "error", "what is no frame"),
        ("long", "error", "what is no frame"),
        ("kind", "error", "what is no frame"),
        ("flood", "error", "what is no frame"),
        ("short", "error", "answered RUN with 8 bytes"),
        ("exit kind", "error", "reported an exit that does not exist"),
        ("nowhere", "error", "memory changed at 0x0, where none is mapped"),
        ("error", "error", "no fuel"),
    ],
)
def test_what_a_program_does_wrong_costs_its_case(spoiled, how, kind, detail):
    name = spoiled(how)
    with Judge() as judge:
        cases = [from_token(ADD), from_token("d503201f:"), from_token(ADD)]
        verdicts = [verdict for _, verdict in judge.judge_many(cases, name)]
    assert [verdict.kind for verdict in verdicts] == ["match", kind, "match"]
    assert detail in verdicts[1].detail


def running() -> str:
    """The command lines of all processes."""
    if not Path("/proc/self/cmdline").exists():
        return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    found = list[str]()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(found)


def test_a_program_that_hangs_is_killed(spoiled):
    with Judge(timeout_s=2.0) as judge:
        verdicts = [v for _, v in judge.judge_many([from_token("d503201f:"), from_token(ADD)], spoiled("hang"))]
    assert [verdict.kind for verdict in verdicts] == ["hang", "match"]
    time.sleep(0.5)
    listed = running()
    assert "spoiled.py" not in listed


def test_a_death_is_reported_with_its_signal(spoiled):
    with Machine(ProgramBackend(spoiled("crash"))) as machine:
        with pytest.raises(BackendDied) as died:
            machine.run(NOP)
        assert died.value.status == -signal.SIGSEGV
        with pytest.raises(ProtocolError, match="connection is lost"):
            machine.run(ADD_X0)


def test_the_program_is_started_anew_after_its_death(spoiled):
    backend = ProgramBackend(spoiled("crash"))
    with Machine(backend) as machine, pytest.raises(BackendDied):
        machine.run(NOP)
    with Machine(backend) as machine:
        machine.run(ADD_X0, x0=1)
        assert machine.get()["x0"] == 2


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("pass", "exit status 0"),
        ("import sys; sys.exit('no licence')", "exit status 1"),
        ("print('hello, I am a backend')", "what is no frame"),
        ("import os; os.kill(os.getpid(), 6)", "SIGABRT"),
        (greeting(bytes(len(INFO))), "version 0"),
        (greeting(INFO + b"[]"), "capabilities that it answers are wrong"),
        (greeting(INFO + b'{"name": "x", "version": "1", "fixed": {"sctlr": 1}}'), "environment has no 'sctlr'"),
        (greeting(INFO + b'{"name": "x\\ny", "version": "1"}'), "one line of text each"),
        (greeting(INFO + b'{"name": "\xff", "version": "1"}'), "can't decode byte 0xff"),
    ],
)
def test_a_program_that_is_no_backend_is_not_available(tmp_path, program, complaint):
    path = tmp_path / "wrong.py"
    path.write_text(program, "utf-8")
    backend = registry.load(f"exec:{sys.executable} {path}")
    assert complaint in (backend.available() or "")


def test_what_a_program_said_before_it_ended_is_heard():
    connection = start(["/bin/sh", "-c", "echo hello, I am a backend"], "a greeter")
    assert connection._process is not None
    os.waitid(os.P_PID, connection._process.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ProtocolError, match="what is no frame"):
        connection.ask(Kind.HELLO, 0, b"")
    connection.close()


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(3600)",
        "import os, time\nwhile True: os.write(1, bytes([1])); time.sleep(0.2)",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(3600)', 'one of two'])",
    ],
    ids=["silent", "a byte now and then", "silent behind a script"],
)
def test_a_program_that_never_greets_is_not_waited_for(tmp_path, program, monkeypatch):
    monkeypatch.setattr("assay64.harness.backends.program.GREETING_TIMEOUT_S", 1.0)
    monkeypatch.setattr("assay64.harness.backends.program.connection.END_TIMEOUT_S", 0.2)
    path = tmp_path / "silent.py"
    path.write_text(program, "utf-8")
    began = time.monotonic()
    assert "has not answered within 1 s" in (registry.load(f"exec:{sys.executable} {path}").available() or "")
    assert time.monotonic() - began < 20
    listed = running()
    assert "silent.py" not in listed
    assert "one of two" not in listed  # nor what it had started


def test_mistakes_in_the_name_are_one_line(capsys):
    for name, code, complaint in (
        ("exec:", 2, "write 'exec:./prog arguments'"),
        ("exec:'./prog", 2, "cannot be read"),
        ("exec:./nothing-there", 3, "cannot be started"),
        ("socket:/nothing/there", 3, "nobody answers"),
    ):
        assert invoke(["check-backend", name]) == code
        assert complaint in capsys.readouterr().err
    with pytest.raises(UsageError):
        registry.load("socket:")
    with pytest.raises(BackendUnavailable):
        registry.load("exec:./nothing-there").capabilities()


def test_the_page_names_every_frame():
    page = Path(os.path.realpath(registry.__file__)).parents[2] / "docs" / "pipe-protocol.md"
    if not page.is_file():
        pytest.skip("the page is in a checkout alone")
    text = page.read_text("utf-8").replace("12, 13 SET_, CLEAR_BREAKPOINT", "12 SET_BREAKPOINT 13 CLEAR_BREAKPOINT")
    assert [kind.name for kind in Kind if f"{kind.value} {kind.name}" not in text] == []
