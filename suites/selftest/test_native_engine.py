"""The native engine gives what golden gives: every definition, from thousands of random states."""

from __future__ import annotations

import os

import pytest

from assay64.reference import definitions
from assay64.reference.encoding import Definition
from assay64.reference.engines.accesses import MonitoredAccess
from assay64.suites.selftest import _differential as differential
from assay64.suites.selftest._differential import DATA, differences

STATES, NIGHTLY_STATES = 2048, 100_000


@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition.name)
def test_native_does_what_golden_does(definition: Definition) -> None:
    found = list(differences(definition, STATES))
    assert found == [], f"{len(found)} of {STATES}; the first: {found[0]}"


@pytest.mark.nightly
@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition.name)
def test_native_does_what_golden_does_at_length(definition: Definition) -> None:
    """The seed is new each night; a failure names it. ASSAY64_STATES is another number of states."""
    seed = int.from_bytes(os.urandom(4), "little")
    states = int(os.environ.get("ASSAY64_STATES", NIGHTLY_STATES))
    found = list(differences(definition, states, seed))
    assert found == [], f"seed {seed}, {len(found)} of {states}; the first: {found[0]}"


@pytest.mark.parametrize("part", ["x", "v", "flag", "sp", "memory", "monitor", "exception", "executed"])
def test_one_wrong_bit_is_seen(monkeypatch, part):
    """The engine under test made wrong in one state of 2048."""
    states = 0
    (pair,) = [definition for definition in definitions() if definition.name == "load_store_pair"]
    real = differential._step

    def step(engine):
        nonlocal states
        ended = real(engine)
        if hasattr(engine, "context"):
            states += 1
            if states == 1000:
                return _spoil(engine, part, ended)
        return ended

    monkeypatch.setattr(differential, "_step", step)
    (found,) = differences(pair, STATES)
    assert len(found.what) == 1
    assert found.number == 999


def _spoil(engine, part, ended):
    match part:
        case "x":
            engine.write("X", 30, engine.read("X", 30) ^ 1 << 63)
        case "v":
            engine.write("V", 31, engine.read("V", 31) ^ 1 << 127)
        case "flag":
            engine.write("PSTATE.DIT", 0, engine.read("PSTATE.DIT") ^ 1)
        case "sp":
            engine.write("XSP", 31, engine.read("XSP", 31) ^ 1)
        case "memory":
            page = engine.golden.space.page(DATA)
            page.buffer[page.offset] ^= 1
        case "monitor":
            engine.set_monitor(None if engine.monitor() else MonitoredAccess(DATA, 4))
        case "exception":
            return "Undefined", ""
        case _:
            engine._set("executed", engine.executed + 1)
    return ended
