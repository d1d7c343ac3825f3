"""Errors of the reference that a user can cause and must understand: one line each."""

from __future__ import annotations


class EngineUnavailable(RuntimeError):
    """An engine cannot run here; the text says why, and what can be done."""
