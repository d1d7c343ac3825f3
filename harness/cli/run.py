"""``assay64 run``: the conformance suites on backends. It starts pytest, waits, and prints what the records say."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay64.harness.cli.compare import DEFAULT_FAIL_ON, FailOn, compare_and_print
from assay64.harness.cli.options import Backends, Json, available_backends, chosen_backends, parse_number, print_json
from assay64.harness.errors import AssayError, UsageError

if TYPE_CHECKING:
    from assay64.harness.cases.capabilities import Capabilities
    from assay64.harness.record.records import BackendInfo, Records, RunInfo

SELFTEST = "selftest"
DEFAULT_SEED = 1
POLL_S = 0.25
STOP_TIMEOUT_S = 20.0
MAX_JOBS = 8
LOG = "pytest.log"
# pytest's exit codes: tests failed; nothing was collected.
PASSED, FAILED, DIED, NOTHING = 0, 1, 3, 5
LOG_LINES_SHOWN = 20
# The suites are run with this and nothing of the caller's own pytest configuration.
INI = "[pytest]\naddopts = --import-mode=importlib --strict-markers -m 'not nightly'\nxfail_strict = true\n"


def run(
    suites: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SUITE]...", help="Suites by name or path. Default: all. `-k` selects inside of them."),
    ] = None,
    backend: Backends = None,
    select: Annotated[
        str | None, typer.Option("-k", metavar="EXPRESSION", help="Only tests whose names match, as pytest's -k.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "-j", "--jobs", min=1, metavar="N", help="Processes at work. Default: one per processor, at most 8."
        ),
    ] = None,
    seed: Annotated[str, typer.Option("--seed", metavar="N", help="Seed of everything that is drawn at random.")] = str(
        DEFAULT_SEED
    ),
    cases: Annotated[
        int | None, typer.Option("--cases", min=1, metavar="N", help="Random cases for each random test.")
    ] = None,
    row_cases: Annotated[
        int | None,
        typer.Option("--row-cases", min=1, metavar="N", help="Random states for each row of the specification."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Keep the records of every case in this directory.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that --report names.")] = False,
    junitxml: Annotated[
        Path | None,
        typer.Option("--junitxml", metavar="FILE", help="Write JUnit XML, with the replay tokens as properties."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="RUN", help="Compare with this run, and fail by --fail-on alone."),
    ] = None,
    fail_on: FailOn = DEFAULT_FAIL_ON,
    as_json: Json = False,
) -> None:
    """Run the conformance suites on backends and print verdicts, failures by cause and known deviations.

    Exit code 0 when every case matches or is a known deviation, 1 for failures, 2 for wrong usage, 3 when one that
    --backend names is not available. With --baseline: 1 when a reason of --fail-on is given.
    """
    from assay64.harness.judge.native_reference import prepare
    from assay64.harness.record import store
    from assay64.harness.record.comparing import parse_policy
    from assay64.harness.record.records import FAILING

    number = parse_number(seed, "--seed")
    if baseline is not None:
        # Before the work of an hour, not after it.
        parse_policy(fail_on)
        store.read(baseline)
        if report is not None and report.resolve() in (baseline.resolve(), baseline.resolve().parent):
            raise UsageError(f"--report {report} would write over the run that --baseline names")
    if report is not None:
        store.check_new(report, overwrite=overwrite)
    paths = find_suites(suites or [])
    names = chosen_backends(backend)
    if not names:
        raise UsageError("no backend can run here; `assay64 doctor` says what is missing and how to get it")
    capabilities = {name: _capabilities(name) for name in names}
    if any(one.batch for one in capabilities.values()):
        prepare()
    with tempfile.TemporaryDirectory(prefix="assay64-run-") as scratch:
        directory = Path(scratch) if report is None else report
        store.begin(directory, _info(capabilities, number, suites or [], select, cases, row_cases), store.new_shard())
        command = _command(
            paths, names, directory, Path(scratch), select, jobs or _processors(), number, cases, row_cases, junitxml
        )
        try:
            code = _pytest(command, directory, names, show=not as_json)
        except KeyboardInterrupt:
            store.finish(directory, complete=False)
            _print(store.read(directory), directory / LOG, PASSED, as_json=as_json, whole=False)
            raise
        store.finish(directory)
        records = store.read(directory)
        if not records.tallies and not records.errors():
            raise _nothing_ran(code, directory / LOG, select)
        if code == FAILED and not (records.count(FAILING) or records.errors()):
            code = DIED
        whole = select is None and not suites
        if not as_json or baseline is None:
            _print(records, directory / LOG, code, as_json=as_json, whole=whole)
        failed = bool(records.count(FAILING) or records.errors() or code not in (PASSED, FAILED))
        if baseline is not None:
            worse = compare_and_print(baseline, directory, fail_on, as_json=as_json)
            failed = bool(worse) or code not in (PASSED, FAILED)
    if report is not None and not as_json:
        typer.echo(f"Records: {report}")
    raise typer.Exit(1 if failed else 0)


def _processors() -> int:
    return min(os.cpu_count() or 1, MAX_JOBS)


def find_suites(wanted: Iterable[str]) -> list[Path]:
    """The files and directories of suites, by their names or paths. UsageError for an unknown name."""
    import assay64.suites

    root = Path(assay64.suites.__file__ or "").resolve().parent
    modules = sorted(path for path in root.rglob("test_*.py") if SELFTEST not in path.relative_to(root).parts)
    if not wanted:
        return modules
    known: dict[str, list[Path]] = {}
    for path in modules:
        parts = path.relative_to(root).with_suffix("").parts
        stem = parts[-1].removeprefix("test_")
        for name in dict.fromkeys([*parts[:-1], stem, "/".join([*parts[:-1], stem])]):
            known.setdefault(name, []).append(path)
    found: list[Path] = []
    for name in wanted:
        key = name.replace("-", "_").removesuffix(".py").removeprefix("test_")
        if key in known:
            found += known[key]
        elif Path(name).exists():
            found.append(Path(name).resolve())
        else:
            close = difflib.get_close_matches(key, known, 3)
            hint = f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(sorted(known))}"
            raise UsageError(f"no suite is called {name!r}{hint}")
    return list(dict.fromkeys(found))


def _info(
    capabilities: dict[str, Capabilities],
    seed: int,
    suites: list[str],
    select: str | None,
    cases: int | None,
    row_cases: int | None,
) -> RunInfo:
    from assay64.harness.record.provenance import run_info
    from assay64.harness.record.records import BackendInfo

    backends = [BackendInfo(name=name, version=one.version) for name, one in capabilities.items()]
    absent = [
        BackendInfo(name=name, missing=missing)
        for name, missing in available_backends()
        if missing is not None and name not in capabilities
    ]
    options = {
        name: str(value)
        for name, value in (("-k", select), ("--cases", cases), ("--row-cases", row_cases))
        if value is not None
    }
    return run_info("run", seed=seed, backends=[*backends, *absent], suites=suites, options=options)


def _capabilities(name: str) -> Capabilities:
    from assay64.harness.judge.pool import Worker

    # In a worker, because asking may load native code.
    with Worker(name) as worker:
        return worker.capabilities


def _command(
    paths: list[Path],
    names: list[str],
    directory: Path,
    scratch: Path,
    select: str | None,
    jobs: int,
    seed: int,
    cases: int | None,
    row_cases: int | None,
    junitxml: Path | None,
) -> list[str]:
    import assay64.suites

    ini = scratch / "pytest.ini"
    ini.write_text(INI, "utf-8")
    root = Path(assay64.suites.__file__ or "").resolve().parent
    return [
        *(sys.executable, "-m", "pytest", "-c", str(ini), f"--rootdir={root}", "-p", "no:cacheprovider", "-q"),
        *(f"--backend={name}" for name in names),
        *(f"--assay-records={directory.resolve()}", f"--assay-seed={seed}"),
        *((f"--assay-cases={cases}",) if cases is not None else ()),
        *((f"--assay-row-cases={row_cases}",) if row_cases is not None else ()),
        *(("-k", select) if select is not None else ()),
        *(("-n", str(jobs)) if jobs > 1 else ()),
        *((f"--junitxml={junitxml.resolve()}",) if junitxml is not None else ()),
        *map(str, paths),
    ]


def _pytest(command: list[str], directory: Path, names: list[str], *, show: bool) -> int:
    """Run pytest to its end, with progress on stderr; its own output goes to the log."""
    from rich.console import Console

    from assay64.harness.record import store
    from assay64.harness.report.live import LiveProgress

    console = Console(stderr=True, quiet=not show)
    # A caller's own options for pytest are not meant for the suites.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    with (directory / LOG).open("wb") as log, LiveProgress(console, names) as live:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while child.poll() is None:
                time.sleep(POLL_S)
                live.update(store.progress(directory))
        except KeyboardInterrupt:
            # It has got the same signal, and ends its workers and journals in order.
            try:
                child.wait(STOP_TIMEOUT_S)
            except (KeyboardInterrupt, subprocess.TimeoutExpired):
                child.kill()
                child.wait()
            raise
        return child.returncode


def _nothing_ran(code: int, log: Path, select: str | None) -> AssayError:
    if code == NOTHING:
        return UsageError(f"no test matches -k {select!r}" if select is not None else "the suites hold no test to run")
    if select is not None and (wrong := _wrong_expression(select)):
        return UsageError(f"-k {select!r}: {wrong}")
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    telling = next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "no output")
    return UsageError(f"the suites could not be run (pytest's exit code {code}): {telling}")


def _wrong_expression(select: str) -> str | None:
    """What pytest says of an expression that it cannot read: under xdist it fails without a word."""
    with tempfile.TemporaryDirectory(prefix="assay64-") as empty:
        command = [sys.executable, "-m", "pytest", "-c", os.devnull, "-p", "no:xdist", "-k", select, empty]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return next((line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")), None)


def _print(records: Records, log: Path, code: int, *, as_json: bool, whole: bool) -> None:
    from assay64.harness.judge import deviations
    from assay64.harness.record.records import FAILING
    from assay64.harness.report.jsonout import run_data
    from assay64.harness.report.styled import print_report
    from assay64.harness.report.terminal import run_report

    failed = bool(records.count(FAILING) or records.errors() or code not in (PASSED, FAILED))
    ran = [one for one in records.info.backends if not one.missing]
    known = {one.name: deviations.for_backend(one.name) for one in ran}
    titles = {entry.id: entry.title for entries in known.values() for entry in entries}
    if as_json:
        print_json(run_data(records, titles, int(failed)))
        return
    fixed = _fixed(records, ran) if whole else []
    print_report(lambda width: run_report(records, titles, fixed, width=width))
    if code not in (PASSED, FAILED):
        tail = log.read_text("utf-8", "replace").splitlines()[-LOG_LINES_SHOWN:]
        typer.echo("\n".join([f"pytest ended early (exit code {code}):", *(f"  {line}" for line in tail)]))


def _fixed(records: Records, ran: Iterable[BackendInfo]) -> list[tuple[str, str]]:
    """(backend, identifier) of the known deviations that no case met, and that their own evidence does not show."""
    from assay64.harness.cases.tokens import from_token
    from assay64.harness.judge import deviations
    from assay64.harness.judge.judge import Judge

    found: list[tuple[str, str]] = []
    with Judge() as judge:
        for one in ran:
            occurred = {check.cause for check in records.deviations() if check.backend == one.name}
            found += [
                (one.name, entry.id)
                for entry in deviations.unused(deviations.for_backend(one.name), occurred, one.version)
                if deviations.stale_evidence(entry, from_token, lambda case, name=one.name: judge.judge(case, name))
            ]
    return found
