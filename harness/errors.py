"""Errors that a user can cause and must understand: one line each, and the exit code that belongs to it."""

from __future__ import annotations


class AssayError(Exception):
    """Base of the errors that end a command with one clear line instead of a traceback."""

    exit_code = 2


class UsageError(AssayError):
    """The input is wrong: a misspelt option, a malformed case, a value out of range. Exit code 2."""


class BackendUnavailable(AssayError):
    """A backend that was asked for by name cannot run here; the text says what is missing and how to get it.

    Exit code 3.
    """

    exit_code = 3
