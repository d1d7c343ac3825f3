"""The check of the contract: the built-in backends keep it, with nothing undeclared; features are probed both ways."""

from __future__ import annotations

import re

import pytest

from assay64.harness.backends import registry
from assay64.harness.backends.unicorn.instance import UnicornInstance
from assay64.harness.cases.disassembling import disassemble
from assay64.harness.cli.check_backend import check
from assay64.harness.judge.contract_checks import CHECKS, perform
from assay64.harness.judge.contract_features import probes, unprobed
from assay64.harness.judge.contract_machine import LOAD
from assay64.reference import model, model_names
from assay64.reference.models import feature_names
from assay64.suites.selftest.fakes import Backend

BUILT_IN = ["reference", "unicorn", "dynarmic", "icicle", "qemu-user", "native"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_backends_keep_the_contract_and_declare_what_they_can_do(name):
    missing = registry.load(name).available()
    if missing:
        pytest.skip(missing)
    results = list(check(name, 60.0))
    assert [one.name for one in results] == list(CHECKS)
    assert [one for one in results if one.status not in ("ok", "not declared")] == []


def test_every_feature_of_the_specification_has_a_probe_or_a_reason_why_not():
    known = frozenset[str]().union(*(model(name).features for name in model_names()))
    probed = {probe.feature for probe in probes()}
    assert known - probed - set(unprobed()) == set()
    assert not probed & set(unprobed())
    assert len(probed) == len(probes())


@pytest.mark.parametrize("probe", probes(), ids=lambda probe: probe.feature)
def test_the_words_of_a_probe_are_its_assembly(probe):
    assert probe.feature in feature_names()  # a backend may declare it: it can be asked for
    lines = [line.strip() for line in probe.assembly.split(";")]
    assert len(lines) == len(probe.words)
    for line, word in zip(lines, probe.words, strict=True):
        # Capstone has no names for the newest operands of SYS.
        assert re.split(r"\s", disassemble(word))[0] in (line.split()[0], "sys" if line[:3] in ("dc ", "cfp") else "")


@pytest.mark.parametrize(
    ("spoiled", "status"),
    [
        (Backend("boasting", "", features=frozenset({"FEAT_RNG"})), "failed"),
        (Backend("modest", "", features=frozenset()), "undeclared"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_features_are_compared_in_both_directions(spoiled, status):
    (result,) = perform(spoiled, ["FEAT_RNG" if status == "failed" else "FEAT_LSE"])
    assert result.status == status


def test_a_wrong_monitor_is_found():
    from assay64.harness.cases.capabilities import ExclusiveMonitor

    (result,) = perform(Backend("by_value", "", exclusive_monitor=ExclusiveMonitor.VALUE), ["has_exclusives"])
    assert result.status == "undeclared"


def test_a_setting_that_is_fixed_in_secret_is_found():
    class Stubborn(Backend):
        def create(self, environment, vcpus=1):
            from assay64.harness.backends.contract import Unsupported

            if environment.dc_zva_size != 64:
                raise Unsupported("64 bytes")
            return super().create(environment, vcpus)

    (result,) = perform(Stubborn("stubborn", ""), ["accepts_other_settings"])
    assert (result.status, "dc_zva_size" in result.detail) == ("failed", True)


def unlisted(batch):
    batch.n_changes -= 1


def touched(batch):
    batch.final["x"][5, 9] ^= 1


def left_behind(batch):
    if batch.code[0, 0] == LOAD:
        batch.final["x"][0, 0] = 7


def read_late(batch):
    if batch.final is batch.initial:
        batch.exits["executed"][3] += 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (unlisted, "changes other memory in a batch than alone"),
        (touched, "leaves other registers in a batch than alone"),
        (left_behind, "leaves other registers in the next batch than alone"),
        (read_late, "where final states take the place of initial ones"),
    ],
)
def test_what_is_wrong_in_a_batch_is_found(spoil, words, monkeypatch):
    run_batch = UnicornInstance.run_batch

    def spoiled(self, batch, progress):
        run_batch(self, batch, progress)
        spoil(batch)

    monkeypatch.setattr(UnicornInstance, "run_batch", spoiled)
    (result,) = perform(registry.load("unicorn"), ["runs_batches"])
    assert result.status == "failed"
    assert result.detail.endswith(words)
