"""The contract check of features: one executed probe for each FEAT_*, compared with what the backend declares.

The probes are data (feature_probes.toml). A feature that a backend declares and does not have is a failure; one that it
has and does not declare is reported.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec

from assay64.harness.backends.contract import Backend, Unsupported
from assay64.harness.cases.case import Environment
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.judge.contract_machine import Machine, Undeclared, Wrong

PROBES = Path(__file__).parent / "feature_probes.toml"
REFUSALS = frozenset({ExitKind.UNDEFINED, ExitKind.DECLINED, ExitKind.TRAP, ExitKind.UNPREDICTABLE})


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"together": "with"}):
    """One feature's probe; feature_probes.toml describes the keys."""

    feature: str
    assembly: str
    baseline: bool = False
    words: tuple[int, ...]
    together: tuple[str, ...] = ()
    given: dict[str, int] = {}
    memory: str = ""
    expect: dict[str, int] = {}
    changed: dict[str, int] = {}
    memory_after: str = ""
    exit: ExitKind = ExitKind.UNTIL
    sctlr_el1: int = 0


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    probe: tuple[Probe, ...]
    unprobed: dict[str, str]


@cache
def _file() -> _File:
    return msgspec.convert(tomllib.loads(PROBES.read_text(encoding="utf-8")), _File)


def probes() -> tuple[Probe, ...]:
    return _file().probe


def unprobed() -> dict[str, str]:
    """The features that nothing at EL0 can show, with the reason."""
    return _file().unprobed


def features(backend: Backend, probe: Probe) -> str | None:
    """What the backend's declaration of one feature is worth: the detail of a check, or None: absent, as declared."""
    declared = probe.feature in backend.capabilities().features
    try:
        problem = _problem(backend, probe)
    except Unsupported as lacking:
        problem = f"unsupported: {lacking}"
    if declared and problem:
        raise Wrong(f"declared; `{probe.assembly}`: {problem}")
    if not declared and not problem and not probe.baseline:
        raise Undeclared(f"`{probe.assembly}` does what it must")
    return probe.assembly if not problem else None


def _problem(backend: Backend, probe: Probe) -> str:
    """What keeps the probe from showing the feature; empty when it shows it."""
    plain = Environment()
    environment = Environment(
        model="+".join([plain.model, probe.feature, *probe.together]), sctlr_el1=plain.sctlr_el1 | probe.sctlr_el1
    )
    with Machine(backend, environment) as machine:
        before, after = bytes.fromhex(probe.memory), bytes.fromhex(probe.memory_after)
        machine.data.bytes[: len(before)] = list(before)
        found = machine.run(*probe.words, **probe.given)
        if found.kind is not probe.exit:
            absent = "not implemented" if found.kind in REFUSALS else "another exit than expected"
            return f"{absent} (it ends with {found})"
        state = machine.get()
        for name, value in probe.expect.items():
            if state.get(name, 0) != value:
                return f"{name} is {state.get(name, 0):#x}, not {value:#x}"
        for name, value in probe.changed.items():
            if state.get(name, 0) == value:
                return f"{name} is still {value:#x}"
        if machine.data.bytes[: len(after)].tobytes() != after:
            return f"memory holds {machine.data.bytes[: len(after)].tobytes().hex()}, not {probe.memory_after}"
    return ""


def checks() -> dict[str, Callable[[Backend], str | None]]:
    """The checks of all features, by the features' names."""

    def check(probe: Probe) -> Callable[[Backend], str | None]:
        def has_feature(backend: Backend) -> str | None:
            return features(backend, probe)

        has_feature.__doc__ = f"{probe.feature} is there if declared"
        return has_feature

    return {probe.feature: check(probe) for probe in probes()}
