"""The command line: one module per command. It only wires; it must not judge, compare or run cases itself.

The modules of commands import what is heavy when they run, so that ``--help`` and mistakes answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, cast

import typer

import assay64
from assay64.harness.engine_choice import chosen_engine
from assay64.harness.errors import AssayError, BackendUnavailable
from assay64.reference.errors import EngineUnavailable

USAGE = 2
INTERRUPTED = 130

# Where each command is, in the order of the help text: a function, or a group of commands.
COMMANDS = {
    "run": "run:run",
    "fuzz": "fuzz:fuzz",
    "diff": "diff:diff",
    "replay": "replay:replay",
    "compare": "compare:compare",
    "report": "report:report",
    "backends": "backends:backends",
    "check-backend": "check_backend:check_backend",
    "doctor": "doctor:doctor",
    "spec": "spec:app",
    "bench": "bench:app",
}


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"assay64 {assay64.__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Says whether an ARM64 execution backend runs A64 code as the Arm architecture demands, and how fast."""


def application(command: str | None = None) -> typer.Typer:
    """The command line. When ``command`` is one, it holds that one alone: making the others ready takes longer than
    running a case.
    """
    app = typer.Typer(
        name="assay64",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: 0 all as expected, 1 failures, 2 wrong usage or input, 3 a named backend is not available.",
    )
    app.callback()(root)
    for name in [command] if command in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        found = getattr(import_module(f"{__name__}.{module}"), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


# typer brings its own click, or uses the installed one, depending on its version: the class is found through what it
# exports.
_ClickException = cast("type[Exception]", typer.BadParameter.__mro__[2])


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command `assay64`: exits with the command's code, and says a user's mistake in one line."""
    # numpy starts threads for linear algebra, of which there is none here; they would spin while it is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(invoke(arguments))


def invoke(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    command = typer.main.get_command(application(given[0] if given else None))
    try:
        chosen_engine()  # a misspelt one is said before any work
        code = command.main(args=given, prog_name="assay64", standalone_mode=False)
        if code == INTERRUPTED:  # what typer makes of a KeyboardInterrupt
            _complain("interrupted")
        return code if isinstance(code, int) else 0
    except AssayError as error:
        _complain(str(error))
        return error.exit_code
    except EngineUnavailable as error:
        _complain(str(error))
        return BackendUnavailable.exit_code
    except _ClickException as error:
        return _explain(error)
    except (typer.Abort, KeyboardInterrupt):
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output, such as `head`, has enough.
        sys.stderr.close()
        return 0


def _explain(error: Any) -> int:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if message:
        where = f" (see {context.command_path} --help)" if context is not None else ""
        _complain(f"{' '.join(message.split())}{where}")
    elif context is not None:
        typer.echo(context.get_help(), err=True)
    return USAGE


def _complain(text: str) -> None:
    typer.echo(f"assay64: {' '.join(text.split())}", err=True)
