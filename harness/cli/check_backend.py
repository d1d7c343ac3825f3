"""``assay64 check-backend``: is a backend what the contract asks for and what it declares? It survives its crashes."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from assay64.harness.cli.options import Json, chosen_backends, print_json

if TYPE_CHECKING:
    from assay64.harness.judge.contract_checks import CheckResult

CHECK_TIMEOUT_S = 60.0
CRASHED, HUNG = "crashed", "hung"


def check_backend(
    name: Annotated[
        str, typer.Argument(metavar="BACKEND", help="An installed backend, ./libmine.so, or package.module:NAME.")
    ],
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Time that one check may take.")
    ] = CHECK_TIMEOUT_S,
    as_json: Json = False,
) -> None:
    """Check a backend against the contract, and what it declares against what it does.

    Exit code 1 when a check fails. Whether instructions do what Arm says is for `assay64 run`.
    """
    chosen_backends([name])
    results = list(check(name, timeout_s))
    failed = [one for one in results if one.status in ("failed", CRASHED, HUNG)]
    if as_json:
        print_json(
            [{"name": one.name, "check": one.title, "status": one.status, "detail": one.detail} for one in results]
        )
    else:
        from tabulate import tabulate

        rows = [[one.status, one.title, one.detail] for one in _shown(results)]
        typer.echo(tabulate(rows, headers=["", name, ""], tablefmt="simple", disable_numparse=True))
        counts = f"{len(results) - len(failed)} of {len(results)} checks are not failures"
        undeclared = sum(one.status == "undeclared" for one in results)
        more = f" {undeclared} things that it can do are not declared." if undeclared else ""
        typer.echo(f"\n{counts}.{more}" if failed else f"\n{name} keeps the contract: {len(results)} checks.{more}")
    raise typer.Exit(1 if failed else 0)


def _shown(results: list[CheckResult]) -> Iterator[CheckResult]:
    """The results, with the features that are as declared in two lines."""
    from assay64.harness.judge.contract_checks import NOT_DECLARED, OK, CheckResult

    expected = {OK: "these features are there, as declared", NOT_DECLARED: "these features are not"}
    features = {status: [one for one in results if _is_feature(one) and one.status == status] for status in expected}
    for one in results:
        if not (_is_feature(one) and one.status in expected):
            yield one
    for status, title in expected.items():
        names = ", ".join(one.name.removeprefix("FEAT_") for one in features[status])
        yield CheckResult(
            name="features", title=title, status=status, detail="\n".join(textwrap.wrap(names, 60)) or "none"
        )


def _is_feature(result: CheckResult) -> bool:
    return result.name.startswith("FEAT_")


def check(name: str, timeout_s: float) -> Iterator[CheckResult]:
    """The results of all checks, each with the verdict crashed or hung when the backend did not survive it."""
    from assay64.harness.judge.contract_checks import CHECKS

    remaining = list(CHECKS)
    while remaining:
        for result in _check_until_lost(name, remaining, timeout_s):
            remaining.remove(result.name)
            yield result


def _check_until_lost(name: str, checks: list[str], timeout_s: float) -> Iterator[CheckResult]:
    """Run ``checks`` in one process, to the end or to the first that it does not survive; at least one result."""
    import msgspec

    from assay64.harness.judge.contract_checks import CheckResult, title

    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "assay64.harness.judge.contract_checks", name, *checks]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said)
        current = checks[0]
        try:
            for line in _lines(child, timeout_s):
                if line.startswith(b'"'):
                    current = msgspec.json.decode(line, type=str)
                else:
                    yield msgspec.json.decode(line, type=CheckResult)
                    current = ""
            status = child.wait(timeout_s)
            said.seek(0)
            last = (said.read().decode(errors="replace").strip().splitlines() or [""])[-1]
            if status == 0 and not current:
                return
            current = current or next(iter(checks))
            how = signal.Signals(-status).name if status < 0 else f"the process ended with exit status {status}"
            yield CheckResult(name=current, title=title(current), status=CRASHED, detail=f"{how} {last}".strip()[:200])
        except TimeoutError:
            yield CheckResult(name=current, title=title(current), status=HUNG, detail=f"no end within {timeout_s:g} s")
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()


def _lines(child: subprocess.Popen[bytes], timeout_s: float) -> Iterator[bytes]:
    """Complete lines of the child's output. TimeoutError when none comes for ``timeout_s``."""
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector, child.stdout as stream:
        selector.register(stream, selectors.EVENT_READ)
        rest, last = b"", time.monotonic()
        while True:
            if not selector.select(timeout_s):
                raise TimeoutError
            data = os.read(stream.fileno(), 1 << 16)
            if not data:
                return
            *complete, rest = (rest + data).split(b"\n")
            yield from complete
            if time.monotonic() - last > timeout_s and not complete:
                raise TimeoutError
            last = time.monotonic()
