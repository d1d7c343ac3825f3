"""Errors that a user can cause and must understand: one line each, and the exit code that belongs to it."""

from __future__ import annotations

import re

# What was wrong may itself be endless, and a message that quotes it all helps nobody.
LONGEST_WORD, SHOWN_OF_IT = 400, 200
_TOO_LONG = re.compile(rf"\S{{{LONGEST_WORD},}}")


class AssayError(Exception):
    """Base of the errors that end a command with one clear line instead of a traceback."""

    exit_code = 2

    def __str__(self) -> str:
        return _TOO_LONG.sub(lambda word: f"{word[0][:SHOWN_OF_IT]}...", super().__str__())


class UsageError(AssayError):
    """The input is wrong: a misspelt option, a malformed case, a value out of range. Exit code 2."""


class BackendUnavailable(AssayError):
    """A backend that was asked for by name cannot run here; the text says what is missing and how to get it.

    Exit code 3.
    """

    exit_code = 3
