"""A case as a reproducer in the language of those who have to look at it: C, Python, a unit test, a litmus test.

Each form holds the code, the state and what Arm permits, and says by its exit status or its assertions whether what ran
is permitted. It needs nothing of assay64. What a form cannot express is one clear line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from assay64.harness.cases.case import Case
from assay64.harness.cases.emitting import dynarmic, linux, litmus, unicorn_c, unicorn_python
from assay64.harness.cases.emitting.scenario import Unfit, scenario, without_fill
from assay64.harness.cases.files import dump_case
from assay64.harness.cases.outcome import Permitted
from assay64.harness.errors import UsageError

__all__ = ["FORMS", "emit", "without_fill"]

# Form -> what it is
FORMS: Mapping[str, str] = {
    "case": "assay64's case file (JSON)",
    "linux": "C with assembly for arm64 Linux: cc -static repro.c && ./a.out",
    "dynarmic": "a Catch2 TEST_CASE for Dynarmic's tests/A64",
    "unicorn-c": "a C program for Unicorn: cc repro.c -lunicorn && ./a.out",
    "unicorn-python": "a Python script for Unicorn",
    "litmus": "a litmus test for herd7",
}
_WRITERS: Mapping[str, Callable[..., str]] = {
    "linux": linux.write,
    "dynarmic": dynarmic.write,
    "unicorn-c": unicorn_c.write,
    "unicorn-python": unicorn_python.write,
}


def emit(form: str, case: Case, permitted: Sequence[Permitted], token: str) -> str:
    """``case`` in ``form``; ``permitted`` is what Arm allows, ``token`` is named in its heading.

    Raises UsageError for a form that does not exist, and for a case that it cannot express.
    """
    if form not in FORMS:
        raise UsageError(f"no form is called {form!r}: there are {', '.join(FORMS)}")
    try:
        if form == "case":
            return dump_case(case) + "\n"
        if form == "litmus":
            return litmus.write(case, permitted, token)
        return _WRITERS[form](scenario(case, permitted, token))
    except Unfit as reason:
        raise UsageError(f"the form {form} cannot express this case: {reason}") from None
