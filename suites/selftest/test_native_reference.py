"""The native engine as the judge's reference: where it decides, the oracle permits that one outcome and no other."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from assay64.harness.backends.unicorn import BACKEND
from assay64.harness.cases.batches import batch_key, batch_of
from assay64.harness.cases.layout import STATE_DTYPE
from assay64.harness.cases.random_cases import Generator
from assay64.harness.cli import invoke
from assay64.harness.errors import UsageError
from assay64.harness.judge.batch import expected_of, matching
from assay64.harness.judge.expected import Oracle
from assay64.harness.judge.native_reference import NativeReference, native_reference
from assay64.reference.engines.native import batch as native


def offsets(structure: np.dtype) -> list[tuple[str, int]]:
    return [(name, structure.fields[name][1]) for name in structure.names or ()] if structure.fields else []


def test_states_have_the_layout_of_the_abi() -> None:
    assert native.STATE_DTYPE.itemsize == STATE_DTYPE.itemsize
    assert offsets(native.STATE_DTYPE) == offsets(STATE_DTYPE)


@pytest.mark.parametrize("seed", [5, 6])
def test_what_native_decides_is_all_that_the_oracle_permits(seed: int) -> None:
    capabilities, reference, oracle = BACKEND.capabilities(), NativeReference(), Oracle()
    generator, groups = Generator(seed=seed, lengths=(1, 4)), defaultdict(list)
    for number in range(700):
        case = generator.case(number)
        groups[batch_key(case, capabilities)].append(case)
    groups.pop(None, None)
    decided = 0
    for key, cases in groups.items():
        batch = batch_of(cases, key)
        fast = reference(batch)
        slow = expected_of(batch, cases, [oracle.permitted(case) for case in cases])
        for row in np.flatnonzero(fast.decided):
            assert slow.decided[row], f"several outcomes are permitted: {[hex(word) for word in cases[row].code]}"
        same = matching(slow.answers, fast, capabilities)
        for row in np.flatnonzero(fast.decided & ~same):
            pytest.fail(f"another outcome than the oracle's: {[hex(word) for word in cases[row].code]}")
        decided += int(fast.decided.sum())
    assert decided > 500  # most cases are decided


def test_the_engine_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY64_ENGINE", "golden")
    assert native_reference() is None
    monkeypatch.setenv("ASSAY64_ENGINE", "glden")
    with pytest.raises(UsageError, match="native and golden"):
        native_reference()


def test_an_engine_that_does_not_exist_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("ASSAY64_ENGINE", "glden")
    assert invoke(["run", "random_instructions", "--backend", "unicorn"]) == 2
    assert capsys.readouterr().err == "assay64: ASSAY64_ENGINE=glden: the reference's engines are native and golden\n"
