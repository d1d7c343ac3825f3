"""What is printed of a campaign over rows: coverage, rows below the target with the reason, lineages of judges."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from assay64.harness.cli import application
from assay64.harness.errors import UsageError
from assay64.harness.record import store
from assay64.harness.record.journal import Journal
from assay64.harness.record.records import RunInfo
from assay64.harness.record.rows import NO_FPCR, RowRecord, key, read
from assay64.harness.report.rows import below_target, coverage_table, lineage, lineage_table, unjudged

ADD, BFDOT = "ADD add_sub_shifted_register sf=1", "BFDOT bfloat_dot"


def record(backend: str, row: str, judged: int, **more: object) -> RowRecord:
    mnemonic, definition = row.split()[:2]
    values: dict[str, object] = {"drawn": 512, "word": 0x8B020020, "group": "data_processing_register"} | more
    return RowRecord(backend=backend, row=row, definition=definition, mnemonic=mnemonic, judged=judged, **values)  # pyright: ignore[reportArgumentType]


RECORDS = [
    record("unicorn", ADD, 512, classes={"Rn: zero": 3, "Rm: one": 2, "Rd=Rn": 9, "IXC": 1}, possible=4),
    record("qemu-user", ADD, 512),
    record("icicle", ADD, 400, unsupported={"declined": 112}),
    record("reference", ADD, 512),
    record("unicorn", BFDOT, 0, unsupported={"unicorn does not have FEAT_BF16": 512}),
]


def test_engines_of_one_family_are_one_lineage_and_the_reference_is_none() -> None:
    assert lineage("unicorn") == lineage("qemu-user") != lineage("icicle")
    assert lineage("reference") is None
    assert lineage("./libmine.so") == "./libmine.so"


def test_rows_are_counted_by_lineages_that_reached_the_target() -> None:
    text, by_number = lineage_table(RECORDS, {ADD: ADD, BFDOT: BFDOT}, 500)
    assert by_number == {1: [ADD], 0: [BFDOT]}
    assert [line.split() for line in text.splitlines()[2:]] == [["1", "QEMU", "1"], ["0", "none", "1"], ["all", "2"]]
    assert lineage_table(RECORDS, {ADD: ADD}, 400)[1] == {2: [ADD]}


def test_a_table_row_is_judged_when_all_of_its_rows_are() -> None:
    other = "ADD add_sub_shifted_register sf=0"
    assert lineage_table(RECORDS, {ADD: "ADD", other: "ADD"}, 500)[1] == {0: ["ADD"]}


def test_rows_below_the_target_have_a_reason() -> None:
    lines = [line.split() for line in below_target(RECORDS, 500).splitlines()[2:]]
    assert lines == [
        ["icicle", "1", "400..400", "declined", "ADD"],
        ["unicorn", "1", "0..0", "unicorn", "does", "not", "have", "FEAT_BF16", "BFDOT"],
    ]
    assert below_target(RECORDS[:2], 500) == ""
    assert "FEAT_BF16" in unjudged(RECORDS, {BFDOT})
    assert "FEAT_BF16" not in unjudged(RECORDS, {ADD})


def test_coverage_shows_shares_of_operand_classes() -> None:
    line = coverage_table(RECORDS[:1]).splitlines()[2].split("  ")
    assert [cell.strip() for cell in line if cell.strip()] == [
        "unicorn",
        "data processing register",
        "1",
        "1",
        "512..512",
        "50..50 %",
        "-",
        "IXC",
    ]


def written(directory: Path, seed: int = 1) -> Path:
    info = RunInfo(assay64="0", python="3", machine="m", seed=1, started="now", backends=())
    store.begin(directory, info, "shard")
    with Journal(directory / "journal-main.sqlite", info, shard="shard/main") as journal:
        journal.note("collected", {"tests": 3})
        for one in RECORDS:
            journal.note(key(one), msgspec.structs.replace(one, seeds=(seed,)))
    store.finish(directory)
    return directory


def test_records_survive_the_journal(tmp_path: Path) -> None:
    found = read(written(tmp_path / "run"))
    assert sorted(found, key=key) == sorted((msgspec.structs.replace(one, seeds=(1,)) for one in RECORDS), key=key)
    with pytest.raises(UsageError, match="no such run"):
        read(tmp_path / "nothing")


def test_runs_are_put_together_row_by_row(tmp_path: Path) -> None:
    one, other = written(tmp_path / "one"), written(tmp_path / "other", seed=2)
    assert sorted(read(one, one), key=key) == sorted(read(one), key=key)
    found = {key(record): record for record in read(one, other)}
    assert len(found) == len(RECORDS)
    twice = found[key(RECORDS[0])]
    assert (twice.judged, twice.classes["Rd=Rn"], twice.fpcr) == (1024, 18, NO_FPCR)
    assert found[key(RECORDS[4])].unsupported == {"unicorn does not have FEAT_BF16": 1024}


def test_the_command_prints_lineages(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        application(), ["spec", "coverage", "--run", str(written(tmp_path / "run")), "--model", "apple-m2"]
    )
    assert result.exit_code == 0, result.output
    assert "Rows by the lineages of engines" in result.output
    assert "icicle" in result.output
