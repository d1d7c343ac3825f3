"""What a running test and its checks tell each other. Light: pytest loads it with the plug-in in every project."""

from __future__ import annotations

from dataclasses import dataclass, field


class CheckFailed(AssertionError):
    """One or more cases ended as Arm does not permit; the text is the report."""


@dataclass
class Context:
    """The test that is running: pytest's node and the instruction class, and what its checks came to so far.

    ``unsupported`` are the reasons of unsupported cases; ``tokens`` replay the failures and known deviations.
    """

    test: str = ""
    group: str = ""
    unsupported: list[str] = field(default_factory=list[str])
    tokens: list[str] = field(default_factory=list[str])

    def enter(self, test: str, group: str) -> None:
        self.test, self.group = test, group
        self.unsupported.clear()
        self.tokens.clear()
