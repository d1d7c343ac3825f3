"""The pytest plugin: what the suites need under plain pytest. Knows the harness; must not know single suites.

It gives every test that asks for ``backend`` one run per backend, fails a test with the failure report alone, counts a
test with an unsupported case as skipped, and writes a record of every check when ``--assay-records`` names a directory.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from assay64.harness.check_context import CheckFailed, Context
from assay64.harness.engine_choice import chosen_engine
from assay64.harness.errors import AssayError

if TYPE_CHECKING:
    from assay64.harness.record.journal import Journal
    from assay64.harness.under_test import BackendUnderTest

DEFAULT_SEED = 1
# How much is drawn at random: cases of each random test, states of each row of the specification.
PROFILES = {"quick": (10, 1), "default": (100, 2), "thorough": (1000, 20)}
MARKERS = {
    "atomics": "atomic memory operations and compare-and-swap",
    "crypto": "AES, SHA, SM3 and SM4",
    "exclusives": "load-exclusive, store-exclusive and their monitor",
    "faults": "aborts, alignment, page crossings and instruction fetch",
    "fp": "floating point, scalar and vector",
    "ordering": "load-acquire, store-release and the RCpc instructions",
    "pac": "pointer authentication",
    "random": "drawn at random; how much is drawn says --assay-profile",
    "simd": "Advanced SIMD",
    "system": "system registers and instructions, barriers, hints, exception generation",
    "undefined": "words that are UNDEFINED",
    "nightly": "takes minutes; left out unless it is selected with -m nightly",
    "shared": "compares with external data that the environment names",
}
FAILED_CHECK = "assay64.failed_check"
REPLAY = "replay"

_context = pytest.StashKey[Context]()
_records: pytest.StashKey[Journal | None] = pytest.StashKey()
_own_run = pytest.StashKey[bool]()


def _number(text: str) -> int:
    return int(text, 0)


def _amount_drawn(text: str) -> int:
    amount = int(text, 0)
    if amount < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1 is drawn")
    return amount


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("assay64", "conformance of ARM64 execution backends")
    group.addoption(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="backend to check, may be repeated (default: every backend that is available here)",
    )
    group.addoption(
        "--assay-seed",
        type=_number,
        default=DEFAULT_SEED,
        metavar="N",
        help=f"seed of everything that is drawn at random (default: {DEFAULT_SEED})",
    )
    group.addoption(
        "--assay-profile",
        choices=tuple(PROFILES),
        default="default",
        help="how much is drawn at random: "
        + ", ".join(f"{name} {cases} cases and {rows} for each row" for name, (cases, rows) in PROFILES.items()),
    )
    group.addoption(
        "--assay-cases",
        type=_amount_drawn,
        metavar="N",
        help="how many random cases each random test draws (default: what the profile says)",
    )
    group.addoption(
        "--assay-row-cases",
        type=_amount_drawn,
        metavar="N",
        help="how many random states each row of the specification gets (default: what the profile says)",
    )
    group.addoption("--assay-records", metavar="DIR", help="directory for the records of every check")


def pytest_configure(config: pytest.Config) -> None:
    for name, text in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {text}")
    config.stash[_context] = Context()
    config.stash[_records] = None
    directory = config.getoption("assay_records")
    if directory is not None:
        from assay64.harness.record import store

        try:
            if not _is_worker(config):
                _begin_run(config, Path(directory))
                config.pluginmanager.register(_TestRecords(store.part(Path(directory), "tests")), "assay64-records")
            config.stash[_records] = store.part(Path(directory), _worker(config))
        except AssayError as error:
            raise pytest.UsageError(f"--assay-records: {error}") from None
    if config.getoption("backend") and not _is_worker(config):
        # Here a mistake is one line; during collection it would be an error in every test.
        _chosen_backends(config)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    # xdist may end a worker as soon as its session is finished.
    if _is_worker(session.config) and (journal := session.config.stash.get(_records, None)) is not None:
        journal.close()
        session.config.stash[_records] = None


def pytest_unconfigure(config: pytest.Config) -> None:
    if (journal := config.stash.get(_records, None)) is not None:
        journal.close()
        if config.stash.get(_own_run, False):
            from assay64.harness.record import store

            store.finish(journal.path.parent)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let Hypothesis draw for tests of a backend as the options say; no other test is touched.

    Where no configuration of the project is read, nightly tests are left out here.
    """
    if not config.getoption("markexpr"):
        left_out = [item for item in items if _is_ours(item) and item.get_closest_marker("nightly")]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]
    functions: dict[int, Callable[..., object]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and _is_ours(item) and getattr(item.obj, "is_hypothesis_test", False):
            functions[id(item.obj)] = item.obj
    if not functions:
        return
    from hypothesis import HealthCheck, Phase, seed, settings

    drawn = settings(
        max_examples=_amount(config, "assay_cases"),
        # No shrinking and no database: the judge shrinks, and a run depends on its seed alone.
        phases=(Phase.explicit, Phase.generate),
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    for test in functions.values():
        seed(config.getoption("assay_seed"))(test)
        # A test that has settings of its own keeps them.
        if not getattr(test, "_hypothesis_internal_settings_applied", False):
            drawn(test)


def _is_ours(item: pytest.Item) -> bool:
    return "assay64_backend" in getattr(item, "fixturenames", ())


def _amount(config: pytest.Config, option: str) -> int:
    """What --assay-cases or --assay-row-cases says, or else the profile."""
    given = config.getoption(option)
    cases, row_cases = PROFILES[cast(str, config.getoption("assay_profile"))]
    return cast(int, given) if given is not None else cases if option == "assay_cases" else row_cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # By the name of our own fixture, so that another project's fixture called `backend` is left alone.
    if "assay64_backend" in metafunc.fixturenames:
        metafunc.parametrize("assay64_backend", _chosen_backends(metafunc.config), scope="session")


def _begin_run(config: pytest.Config, directory: Path) -> None:
    """Whoever started pytest may have begun the run; plain pytest begins it here."""
    from assay64.harness.record import store
    from assay64.harness.record.provenance import run_info
    from assay64.harness.record.records import BackendInfo

    if not store.is_waiting(directory):
        config.stash[_own_run] = True
        backends = [BackendInfo(name=name) for name in _chosen_backends(config)]
        info = run_info("pytest", seed=cast(int, config.getoption("assay_seed")), backends=backends)
        store.begin(directory, info, store.new_shard())


def _chosen_backends(config: pytest.Config) -> list[str]:
    from assay64.harness.backends import registry

    wanted = list(dict.fromkeys(cast(list[str], config.getoption("backend"))))
    try:
        chosen_engine()
        if not wanted:
            return [name for name in registry.names() if registry.load(name).available() is None]
        for name in wanted:
            missing = registry.load(name).available()
            if missing is not None:
                raise pytest.UsageError(f"--backend {name}: {missing}")
    except AssayError as error:
        raise pytest.UsageError(str(error)) from None
    return wanted


@pytest.fixture(scope="session")
def assay64_judge() -> Iterator[Any]:
    """The judge of this process, with its worker processes."""
    with import_module("assay64.harness.judge.judge").Judge() as judge:
        yield judge


@pytest.fixture(scope="session")
def backend(assay64_backend: str, assay64_judge: Any, pytestconfig: pytest.Config) -> BackendUnderTest:
    """The backend under test; a test that asks for it runs once for each."""
    from assay64.harness.under_test import BackendUnderTest

    return BackendUnderTest(
        assay64_backend,
        assay64_judge,
        pytestconfig.stash[_context],
        pytestconfig.stash[_records],
        seed=f"{pytestconfig.getoption('assay_seed'):x}",
    )


@pytest.fixture(scope="session")
def assay_seed(pytestconfig: pytest.Config) -> int:
    """The seed for everything that a suite draws at random."""
    return cast(int, pytestconfig.getoption("assay_seed"))


@pytest.fixture(scope="session")
def assay_cases(pytestconfig: pytest.Config) -> int:
    """How many random cases a test should draw."""
    return _amount(pytestconfig, "assay_cases")


@pytest.fixture(scope="session")
def assay_row_cases(pytestconfig: pytest.Config) -> int:
    """How many random states a test should give each row of the specification."""
    return _amount(pytestconfig, "assay_row_cases")


def group_title(item: pytest.Item) -> str:
    """The instruction class that a test belongs to: the first line of its module's docstring, or the module's name."""
    module = getattr(item, "module", None)
    lines = (getattr(module, "__doc__", None) or "").strip().splitlines()
    title = lines[0].partition(": ")[0].strip().rstrip(".") if lines else ""
    return title or item.path.stem.removeprefix("test_")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[_context].enter(item.nodeid, group_title(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    result = yield
    reasons = dict.fromkeys(item.config.stash[_context].unsupported)
    if reasons:
        pytest.skip(f"unsupported: {'; '.join(reasons)}")
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        tokens = [(REPLAY, token) for token in item.config.stash[_context].tokens]
        report.user_properties += tokens
        # JUnit takes a test's properties from the report of its teardown, which is made of these.
        item.user_properties += tokens
        failures = _failed_checks(call.excinfo.value) if call.excinfo is not None else []
        if failures:
            report.longrepr = "\n\n".join(map(str, failures))
            report.user_properties.append((FAILED_CHECK, "yes"))
    return report


def _failed_checks(error: BaseException) -> list[CheckFailed]:
    """``error`` as failed checks; empty when any part of it is something else."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        parts = [_failed_checks(part) for part in group.exceptions]
        return [one for part in parts for one in part] if all(parts) else []
    return [error] if isinstance(error, CheckFailed) else []


class _TestRecords:
    """Writes what became of every test, for whoever started pytest. Lives in the process that collects the reports."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._seconds: dict[str, float] = {}
        self._ended: dict[str, tuple[str, str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.items:
            self._total(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._total(len(ids))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write(report.nodeid, "error", str(report.longrepr), 0.0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration
        outcome, error = self._ended.get(report.nodeid, ("passed", ""))
        if report.failed:
            checked = (FAILED_CHECK, "yes") in report.user_properties
            outcome, error = "failed", error if checked else f"{error}\n{report.longreprtext}".strip()
        elif report.skipped and outcome == "passed":
            outcome = "skipped"
        self._ended[report.nodeid] = outcome, error
        # A worker process that died reports the test that it was in, and no teardown.
        if report.when == "teardown" or getattr(report, "when", "") == "???":
            self._finish(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        for test in list(self._ended):
            self._finish(test)
        self._journal.close()

    def _finish(self, test: str) -> None:
        outcome, error = self._ended.pop(test)
        self._write(test, outcome, error, self._seconds.pop(test, 0.0))

    def _write(self, test: str, outcome: str, error: str, seconds: float) -> None:
        from assay64.harness.record.records import TestRecord

        self._journal.test(TestRecord(test=test, outcome=outcome, error=error, seconds=round(seconds, 3)))

    def _total(self, count: int) -> None:
        self._journal.note("collected", {"tests": count})


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _worker(config: pytest.Config) -> str:
    return getattr(config, "workerinput", {"workerid": "main"})["workerid"]
