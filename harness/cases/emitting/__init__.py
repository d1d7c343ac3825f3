"""A case as a reproducer in the language of those who have to look at it: C, Python, a unit test, a litmus test.

Each form holds the code, the state and what Arm permits, and says by its exit status or its assertions whether what ran
is permitted. It needs nothing of assay64. What a form cannot express is one clear line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from assay64.harness.cases.case import Case
from assay64.harness.cases.emitting import dynarmic, linux, litmus, unicorn_c, unicorn_python
from assay64.harness.cases.emitting.scenario import Unfit, scenario, with_word_at_end, without_fill
from assay64.harness.cases.files import dump_case
from assay64.harness.cases.outcome import Permitted
from assay64.harness.errors import UsageError

__all__ = ["FORMS", "emit", "prepared"]

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
# What stands where the code ends, and can be read there as any other memory.
_AT_END = {"linux": linux.AT_END, "dynarmic": dynarmic.AT_END}


def prepared(form: str, case: Case) -> Case:
    """The case as ``form`` runs it, which is to be asked what it comes to: a program's memory is little, and has an
    instruction at its end. A case that says what is permitted stays as it is.
    """
    if form not in FORMS:
        raise UsageError(f"no form is called {form!r}: there are {', '.join(FORMS)}")
    if form == "case" or case.permitted is not None:
        return case
    return with_word_at_end(without_fill(case), _AT_END[form]) if form in _AT_END else without_fill(case)


def emit(form: str, case: Case, permitted: Sequence[Permitted], token: str) -> str:
    """``case``, as it was ``prepared``, in ``form``; ``permitted`` is what Arm allows, ``token`` is in its heading.

    Raises UsageError for a case that the form cannot express.
    """
    try:
        if form == "case":
            return dump_case(case) + "\n"
        if form == "litmus":
            return litmus.write(case, permitted, token)
        return _WRITERS[form](scenario(case, permitted, token))
    except Unfit as reason:
        raise UsageError(f"the form {form} cannot express this case: {reason}") from None
