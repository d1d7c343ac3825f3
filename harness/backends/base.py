"""A starting point for instances in Python: every optional action answers Unsupported until a backend overrides it.

And what holds for the capabilities of every backend, whoever wrote them down.
"""

from __future__ import annotations

import msgspec

from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Environment
from assay64.harness.cases.outcome import Exit


class OptionalActions:
    """Mix in first; what the backend lacks says so by name."""

    def _lacks(self, action: str) -> Unsupported:
        return Unsupported(f"this backend has no action {action!r}")

    def protect(self, address: int, size: int, permissions: str) -> None:
        raise self._lacks("protect")

    def unmap(self, address: int, size: int) -> None:
        raise self._lacks("unmap")

    def step(self, vcpu: int) -> Exit:
        raise self._lacks("step")

    def set_breakpoint(self, address: int) -> None:
        raise self._lacks("set_breakpoint")

    def clear_breakpoint(self, address: int) -> None:
        raise self._lacks("clear_breakpoint")

    def set_watchpoint(self, address: int, size: int, access: str) -> None:
        raise self._lacks("set_watchpoint")

    def clear_watchpoint(self, address: int) -> None:
        raise self._lacks("clear_watchpoint")

    def stop(self, vcpu: int) -> None:
        raise self._lacks("stop_request")


def read_capabilities(text: bytes) -> Capabilities:
    """What a backend says of itself, from JSON. ValueError says in one line what is wrong with it."""
    try:
        found = msgspec.json.decode(text, type=Capabilities)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not (found.name.isprintable() and found.version.isprintable()):
        raise ValueError("name and version: one line of text each")
    if unknown := sorted(found.fixed.keys() - set(Environment.__struct_fields__)):
        raise ValueError(f"fixed: a case's environment has no {unknown[0]!r}")
    if found.vcpus < 1 or found.page_size < 1:
        raise ValueError("vcpus and page_size: at least 1")
    return found


def check_environment(capabilities: Capabilities, environment: Environment, vcpus: int) -> None:
    """Raise Unsupported where the environment asks for what the backend does not have or has fixed otherwise."""
    if environment.exception_level not in capabilities.exception_levels:
        raise Unsupported(f"{capabilities.name} does not run code at EL{environment.exception_level}")
    if vcpus > capabilities.vcpus:
        raise Unsupported(f"{capabilities.name} has {capabilities.vcpus} vCPU(s), the case needs {vcpus}")
    for name, value in capabilities.fixed.items():
        if getattr(environment, name) != value:
            raise Unsupported(
                f"{capabilities.name} fixes {name} at {value!r}; the case asks for {getattr(environment, name)!r}"
            )
