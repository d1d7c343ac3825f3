"""``assay64 replay``: a case again, from its token or a case file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay64.harness.cli.options import Backends, Json, chosen_backends, is_file, print_json
from assay64.harness.errors import UsageError

if TYPE_CHECKING:
    from assay64.harness.cases.case import Case
    from assay64.harness.cases.outcome import Verdict
    from assay64.harness.judge.judge import Judge


def replay(
    source: Annotated[str, typer.Argument(metavar="TOKEN|FILE", help="A replay token, or a case file (JSON).")],
    backend: Backends = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--emit",
            metavar="FORM",
            help="Do not run it: print it as a reproducer. FORM is case (our case file), linux (C and assembly for "
            "arm64 Linux), dynarmic (a Catch2 test), unicorn-c, unicorn-python, or litmus (for herd7).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a case again, from its replay token or a case file.

    Exit code 1 when it fails on a backend, 0 when it matches, is a known deviation, or is unsupported.
    """
    if form is not None:
        typer.echo(_emitted(form, _cases(source)), nl=False)
        return
    from assay64.harness.judge.zygote import zygote

    failed = False
    data: list[dict[str, Any]] = []
    # Before what follows is imported: the workers import meanwhile.
    with zygote() as shared:
        from assay64.harness.cases.tokens import to_token
        from assay64.harness.judge.judge import Judge
        from assay64.harness.report.failure import is_failure
        from assay64.harness.report.jsonout import verdict_data

        cases = _cases(source)
        names = chosen_backends(backend)
        with Judge(zygote=shared) as judge:
            judge.begin(names)
            for case in cases:
                for name, verdict, _ in judge.judge_on(case, names):
                    failed |= is_failure(verdict)
                    data.append({"backend": name, "token": to_token(case), "verdict": verdict_data(verdict)})
                    if not as_json:
                        typer.echo(_text(case, name, verdict, judge))
    if as_json:
        print_json(data)
    raise typer.Exit(1 if failed else 0)


def _text(case: Case, name: str, verdict: Verdict, judge: Judge) -> str:
    from assay64.harness.cases.tokens import to_token
    from assay64.harness.report.failure import failure_report, is_failure

    token = to_token(case)
    if is_failure(verdict):
        return failure_report(case, verdict, backend=name, token=token)
    if verdict.deviation:
        entry = next(one for one in judge.deviations(name) if one.id == verdict.deviation)
        known = f"{entry.id}: {entry.title}. {entry.reason.strip()}"
        return failure_report(case, verdict, backend=name, token=token, known=known)
    detail = f": {verdict.detail}" if verdict.detail else ""
    return f"{name}: {verdict.kind}{detail}   {token}"


def _emitted(form: str, cases: tuple[Case, ...]) -> str:
    """The one case as a reproducer, with what Arm permits."""
    from assay64.harness.cases.emitting import emit, prepared
    from assay64.harness.cases.outcome import Verdict
    from assay64.harness.cases.tokens import to_token
    from assay64.harness.judge.judge import Judge

    if len(cases) != 1:
        raise UsageError(f"--emit prints one case, and the file has {len(cases)}")
    case = prepared(form, cases[0])
    with Judge() as judge:
        permitted = judge.expected(case)
    if isinstance(permitted, Verdict):
        raise UsageError(f"--emit: what Arm permits is not known: {permitted.detail}")
    return emit(form, case, permitted, to_token(cases[0]))


def _cases(source: str) -> tuple[Case, ...]:
    from assay64.harness.cases.files import read_cases
    from assay64.harness.cases.tokens import from_token

    if is_file(source):
        return read_cases(Path(source))
    try:
        return (from_token(source),)
    except UsageError as error:
        if "/" in source:
            raise UsageError(f"{source!r} is neither a file nor a replay token") from error
        raise
