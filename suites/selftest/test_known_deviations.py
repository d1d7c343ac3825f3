"""The known deviations that come with the project: each one's evidence still shows it on the backend that is here."""

from __future__ import annotations

import pytest

from assay64.harness.cases.tokens import from_token
from assay64.harness.errors import BackendUnavailable
from assay64.harness.judge.deviations import FOLDER, Deviation, load, stale_evidence
from assay64.harness.judge.judge import Judge

ENTRIES = [(path.stem, entry) for path in sorted(FOLDER.glob("*.toml")) for entry in load(path)]


@pytest.fixture(scope="module")
def judge():
    with Judge() as judge:
        yield judge


@pytest.mark.parametrize(("backend", "entry"), ENTRIES, ids=[entry.id for _, entry in ENTRIES])
def test_the_evidence_still_shows_the_deviation(judge: Judge, backend: str, entry: Deviation):
    try:
        version = judge.capabilities(backend).version
    except BackendUnavailable as missing:
        pytest.skip(str(missing))
    if not entry.applies_to(version):
        pytest.skip(f"{entry.id} is about {backend} {entry.versions}, this is {version}")
    assert stale_evidence(entry, from_token, lambda case: judge.judge(case, backend)) is None


@pytest.mark.parametrize(("backend", "entry"), ENTRIES, ids=[entry.id for _, entry in ENTRIES])
def test_an_entry_that_comes_with_the_project_names_its_rule_and_backend(backend: str, entry: Deviation):
    assert entry.rule
    assert entry.id.startswith(f"{backend}-")
