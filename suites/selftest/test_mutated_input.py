"""Whatever a file, a token or a worker says: it is read, or refused in one clear line. Never a traceback, never a hang.

Valid inputs are mutated at random. In the nightly run there are 10,000 of each kind.
"""

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from assay64.harness.cases import files, tokens
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Alias, Case, Environment, Map, Protect, Region, Run, Schedule, WriteMemory
from assay64.harness.cases.layout import CHANGE_DTYPE, new_state
from assay64.harness.cases.outcome import (
    Exit,
    ExitKind,
    MemoryChange,
    Outcome,
    Permitted,
    Unknown,
    Verdict,
    VerdictKind,
)
from assay64.harness.cases.random_cases import Generator
from assay64.harness.cases.state import State
from assay64.harness.cli import invoke
from assay64.harness.errors import UsageError
from assay64.harness.judge import deviations, frames
from assay64.harness.judge.arena import Slot
from assay64.harness.judge.judge import Judge
from assay64.harness.judge.pool import Worker
from assay64.harness.judge.process import ChildProcess, Limits, Lost
from assay64.harness.record import store
from assay64.harness.record.journal import Journal
from assay64.harness.record.provenance import run_info
from assay64.harness.record.records import BackendInfo, CheckRecord, TestRecord
from assay64.suites.selftest._mutations import COUNTS, mutations, refused_or_read


def some_cases():
    region = Region(address=0x3000_0000, size=0x1_0000, backing="a", contents=((8, "0011"),))
    actions = (
        *(Run(budget=5), WriteMemory(address=0x2000_0000, bytes="00"), Schedule(turns=((0, 5), (0, 2)))),
        *(Protect(address=0x2000_0000, size=4096, permissions="r"), Map(region=region)),
        Alias(address=0x2000_0000, size=4096, at=0x4000_0000),
    )
    outcome = Outcome(exits=(Exit(kind=ExitKind.SVC, immediate=3),), states=(State.of(x0=1),))
    permitted = Permitted(outcome=outcome, unknown=Unknown(registers=({"x0": 5},), memory=((0x2000_0000, 4),)))
    return [
        *Generator(3).cases(12),
        Case(code=(0xAB020020,), states=(State.of(x1=-1, x2=1, v3=-1, nzcv=5),)),
        Case(code=(1, 2), actions=actions, environment=Environment(page_size=0x4000)),
        Case(name="näme", code=(0xD4000001,), permitted=(permitted,), requires=("FEAT_LSE",)),
    ]


@pytest.mark.parametrize("count", COUNTS)
def test_case_files(tmp_path, count):
    seeds = [files.dump_case(case).encode() for case in some_cases()]
    seeds.append(b'{"code": "adds x0, x1, x2; ret", "states": [{"blocks": [{"type": "general", "x": {"1": "-1"}}]}]}')
    path = tmp_path / "case.json"

    def read(data):
        path.write_bytes(data)
        for case in files.read_cases(path):
            # What was read can be written, as a case file and as a token.
            assert files.load_case(files.dump_case(case), "again") == case
            assert tokens.from_token(tokens.to_token(case)) == case

    known = [refused_or_read(read, seed) for seed in seeds[:-1]]
    assert all(known)
    results = [refused_or_read(read, data) for data in mutations(seeds, count)]
    assert 0 < sum(results) < count


@pytest.mark.parametrize("count", COUNTS)
def test_tokens(count):
    seeds = [tokens.to_token(case).encode() for case in some_cases()]

    def read(data):
        case = tokens.from_token(data.decode("utf-8", "surrogateescape"))
        assert tokens.from_token(tokens.to_token(case)) == case

    assert all(refused_or_read(read, seed) for seed in seeds)
    results = [refused_or_read(read, data) for data in mutations(seeds, count)]
    assert 0 < sum(results) < count


@pytest.mark.parametrize("count", COUNTS)
def test_files_of_known_deviations(tmp_path, count):
    seeds = [path.read_bytes()[:6000] for path in sorted(deviations.FOLDER.glob("*.toml"))]
    seeds = [seed[: seed.rfind(b"[[deviation]]")] for seed in seeds if seed.count(b"[[deviation]]") > 1]
    path = tmp_path / "mine.toml"

    def read(data):
        path.write_bytes(data)
        deviations.load(path)

    assert all(refused_or_read(read, seed) for seed in seeds)
    results = [refused_or_read(read, data) for data in mutations(seeds, count)]
    assert 0 < sum(results) < count


def a_journal(path):
    backends = [BackendInfo(name="unicorn", version="2"), BackendInfo(name="x", missing="y")]
    info = run_info("run", seed=1, backends=backends)
    token = tokens.to_token(Case(code=(1,)))
    wrong = Verdict(kind=VerdictKind.MISMATCH, detail="d")
    with Journal(path, info, shard="s") as journal:
        for number in range(40):
            journal.matched(f"t{number % 5}", "G", "unicorn", 7)
            journal.check(CheckRecord(test="t", group="G", backend="unicorn", verdict=wrong, token=token, cause="c"))
        journal.test(TestRecord(test="t", outcome="failed", error="boom"))
        journal.note("collected", {"tests": 5})
    return path.read_bytes()


@pytest.mark.parametrize("count", COUNTS)
def test_journals(tmp_path, count, capsys):
    seeds = [a_journal(tmp_path / "seed")]
    path, good = tmp_path / "journal.sqlite", tmp_path / "good"
    good.write_bytes(seeds[0])
    numbers = iter(range(count + 2))

    def read(data):
        for suffix in store.SIDE_FILES:
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        path.write_bytes(data)
        store.read(path)
        store.verdicts(path)
        store.notes(path, msgspec.Raw)
        if next(numbers) % 20 == 0:
            for command in (["report", str(path)], ["compare", str(good), str(path)], ["report", str(path), "--json"]):
                assert invoke(command) in (0, 1, 2)
            capsys.readouterr()

    assert refused_or_read(read, seeds[0])
    results = [refused_or_read(read, data) for data in mutations(seeds, count)]
    assert 0 < sum(results) < count


def outcome_of(case):
    memory = (MemoryChange(0x2000_0000, "0011"),)
    return Outcome(exits=(Exit(kind=ExitKind.UNTIL),) * len(case.actions), states=case.states, memory=memory)


class FakeServer:
    """Instead of a fork server: the child is a few bytes in a pipe, and has ended already."""

    def __init__(self, data):
        self.data, self.control = data, self

    def start(self, descriptors):
        os.set_blocking(descriptors[1], False)
        os.write(descriptors[1], self.data[:60_000])
        return os.getpid()

    def status(self, child):
        return 0

    def wait(self, child, timeout_s):
        return 0


@pytest.mark.parametrize("count", COUNTS)
def test_answers_of_a_worker(count):
    cases = some_cases()
    changes = np.zeros(2, CHANGE_DTYPE)
    seeds = [
        *(frames.message(frames.Done(frames.Ran(outcome_of(case)))) for case in cases),
        frames.message(frames.Done(frames.Lacks("nothing"))) + frames.message(frames.Done(frames.Failed("x"))),
        frames.message(frames.Hello(Capabilities(name="x", version="1"))) + frames.message(frames.Refused("no")),
        frames.message(frames.BatchDone(2)) + frames.frame(changes.tobytes()),
        frames.message(frames.BatchRefused("no", failed=True)) + frames.frame(new_state().tobytes()),
    ]
    limits = Limits(timeout_s=5, memory_bytes=0, output_bytes=1 << 20)
    slots = [Slot()]

    def read(data):
        child = ChildProcess(FakeServer(data), slots, limits)
        try:
            while True:
                answer = child.answer()
                if isinstance(answer, frames.Done) and isinstance(answer.result, frames.Ran):
                    _ = str(answer.result.outcome)
        except Lost as lost:
            raise UsageError(str(lost.result)) from None
        finally:
            child.close()

    results = [refused_or_read(read, data) for data in mutations(seeds, count)]
    slots[0].close()
    assert not any(results)  # every stream ends, and its end is told


@pytest.mark.parametrize("count", COUNTS)
def test_outcomes_that_no_machine_can_have(count, monkeypatch):
    case = some_cases()[0]
    seeds = [frames.message(frames.Done(frames.Ran(outcome_of(case))))[frames.LENGTH.size :]]
    monkeypatch.setattr(Worker, "capabilities", Capabilities(name="x", version="1"))
    with Judge() as judge:

        def read(data):
            try:
                answer = frames.read_answer(data)
            except (msgspec.DecodeError, UnicodeError):
                return
            if isinstance(answer, frames.Done):
                monkeypatch.setattr(Worker, "send", lambda *_: None)
                monkeypatch.setattr(Worker, "collect", lambda *_: iter([answer.result]))
                monkeypatch.setattr(Worker, "execute", lambda *_: answer.result)
                judge.judge(case, "x")

        for data in mutations(seeds, count):
            refused_or_read(read, data)
