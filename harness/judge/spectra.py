"""Which of Arm's pseudocode an instruction runs through: the functions and lines that golden executes for a case.

Failures that share a cause share the function that is wrong, or whose counterpart in the backend is; which function
that is, the ones that pass tell (spectrum-based fault localisation; Abreu et al., TAICPART 2007): see culprit.py.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import assay64.reference
from assay64.harness.cases.case import Case

# Not resolved: an editable install is reached through links, and code objects say the path by which they were found.
_ROOT = Path(assay64.reference.__file__ or "").parent
_FOLDERS = tuple(str(_ROOT / folder) for folder in ("pseudocode", "spec"))
# What every instruction runs through says nothing.
_PLUMBING = ("pseudocode/processor.py", "pseudocode/state.py", "pseudocode/exceptions.py")

Place = tuple[str, int]  # "FPRoundBase (reference/pseudocode/...py)" or so, and a line in it; 0: the function itself


def spectrum(case: Case, execute: Callable[[Case], object]) -> frozenset[Place]:
    """The places of the specification that ``execute`` (an oracle) runs through for ``case``."""
    found = set[Place]()

    def in_line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            found.add((named(frame.f_code) or "", frame.f_lineno))
        return in_line

    def on_call(frame: FrameType, event: str, _: Any) -> Any:
        name = named(frame.f_code)
        if name is None:
            return None
        found.add((name, 0))
        return in_line

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        # A case that the reference cannot run to its end has run through something, too.
        with contextlib.suppress(Exception):
            execute(case)
    finally:
        sys.settrace(before)
    return frozenset(found)


@cache
def named(code: CodeType) -> str | None:
    """``FPRound (reference/pseudocode/floating_point/rounding.py)`` for code of the specification; None for other."""
    if not code.co_filename.startswith(_FOLDERS):
        return None
    path = Path(code.co_filename).relative_to(_ROOT.parent)
    if str(path).endswith(_PLUMBING):
        return None
    # A comprehension or an inner function is part of the one around it.
    name = code.co_qualname.partition(".<locals>")[0]
    return None if name.startswith("<") else f"{name} ({path.as_posix()})"


def is_shared(place: Place) -> bool:
    """Whether it is a function of the pseudocode, and not an instruction's own definition."""
    return "/pseudocode/" in place[0]
