"""The doctor: each thing that can be wrong with a home is named, with its mend; a sound home has none; nothing is written."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from crm_pipeline import doctor
from crm_pipeline.doctor import Finding, disk_found, is_wrong, schema_found, source_found, versions_found
from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.errors import CrmError
from crm_pipeline.lake import Lake, at_work, inspect_lake, publish_views, repair_links, sign_of_life
from crm_pipeline.sources.state import SourceState, write_state

MAY, JUNE = "2026-05-01", "2026-06-01"
KEY = ("clean/orders", MAY)


def publish(lake: Lake, rows: list[int], partition: str = MAY) -> None:
    staged = lake.stage(pd.DataFrame({"n": rows}))
    lake.publish("clean/orders", partition, [staged], inputs={}, code_version="1")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A home with two months, one of them published twice, and its source."""
    lake = Lake(tmp_path / "home", DuckDBEngine("200MB", 1, tmp_path / "spill"))
    source = tmp_path / "source.yaml"
    source.write_text("name: shop\n")
    write_state(
        lake.home, SourceState("shop", "UTC", "EUR", {}, MAY, JUNE, JUNE, path=str(source), files=str(tmp_path))
    )
    publish(lake, [1, 2])
    publish(lake, [1, 2, 3])
    publish(lake, [4], JUNE)
    publish_views(lake)
    return lake


def tree(home: Path) -> dict[str, bytes]:
    return {str(p.relative_to(home)): p.read_bytes() if p.is_file() else b"" for p in home.rglob("*")}


def found(lake: Lake) -> list[Finding]:
    """What the doctor finds, without what depends on the machine's disk and packages; nothing may be written meanwhile."""
    before = tree(lake.home)
    findings = doctor.examine(lake.home)
    assert tree(lake.home) == before
    return [f for f in findings if "are free on the disk" not in f.what]


def test_a_sound_home_has_nothing_wrong(lake: Lake) -> None:
    assert found(lake) == []
    assert not is_wrong([Finding("note", "", "")])


def test_a_copied_home_whose_links_became_files_is_sound(lake: Lake) -> None:
    """Views name absolute paths: `run` and `ui` write them anew."""
    copied = Lake(Path(shutil.copytree(lake.home, lake.home.parent / "copy")), lake.engine)
    assert [f.what[:23] for f in found(copied)] == ["1 view of crm.duckdb is"]
    assert inspect_lake(copied).links == []


def test_a_folder_that_is_no_home_is_said(tmp_path: Path) -> None:
    (only,) = [f for f in doctor.examine(tmp_path) if f.severity == "error"]
    assert "nothing was ever run" in only.what
    assert "crm-pipeline run --source DIR" in only.mend
    assert list(tmp_path.iterdir()) == []


def _lose_current(lake: Lake) -> None:
    manifest = lake.manifest(*KEY)
    assert manifest is not None
    (lake.root / manifest.files[0].path).unlink()


def _lose_past(lake: Lake) -> None:
    (lake.root / lake.history(*KEY)[0].files[0].path).unlink()


def _old_link(lake: Lake) -> None:
    link = lake.root / "clean/orders" / f"period={MAY}" / "part.parquet"
    link.unlink()
    shutil.copy(lake.root / lake.history(*KEY)[0].files[0].path, link)


def _stray_link(lake: Lake) -> None:
    folder = lake.root / "clean/orders/period=2026-07-01"
    folder.mkdir()
    (folder / "part.parquet").write_bytes(b"x")


def _damage_manifest(lake: Lake) -> None:
    (lake.root / ".manifests/clean/orders" / f"{MAY}.json").write_text('{"asset": "clean/orders"')


def _manifest_of_a_later_version(lake: Lake) -> None:
    path = lake.root / ".manifests/clean/orders" / f"{MAY}.json"
    path.write_text(path.read_text().replace('{"asset"', '{"new_in_2030":1,"asset"', 1))


def _old_views(lake: Lake) -> None:
    publish(lake, [5], JUNE)


def _no_views(lake: Lake) -> None:
    (lake.home / "crm.duckdb").unlink()


def _damaged_views(lake: Lake) -> None:
    (lake.home / "crm.duckdb").write_bytes(b"no database" * 1000)


def _move_source(lake: Lake) -> None:
    (lake.home.parent / "source.yaml").unlink()


def _lose_state(lake: Lake) -> None:
    (lake.root / "source.json").unlink()


def _damage_state(lake: Lake) -> None:
    (lake.root / "source.json").write_text("{")


def _damage_index(lake: Lake) -> None:
    (lake.root / "source-index.json").write_text("{")


def _other_grain(lake: Lake) -> None:
    (lake.home / "crm.yaml").write_text("grain: week\n")
    state = SourceState("shop", "UTC", "EUR", {}, MAY, JUNE, JUNE, path=str(lake.home), grain="month")
    write_state(lake.home, state)


def _damage_mlflow(lake: Lake) -> None:
    (lake.home / "mlflow.db").write_bytes(b"no database" * 1000)


def _orphan(lake: Lake) -> None:
    (lake.root / ".data/clean/orders" / MAY / "nobody.parquet").write_bytes(b"x")


def _staging_of_the_dead(lake: Lake) -> None:
    folder = lake.root / ".staging" / f"{'0' * 32}-1"
    folder.mkdir()
    (folder / "half.parquet").write_bytes(b"x")


@pytest.mark.parametrize(
    ("harm", "severity", "says", "mend"),
    [
        (
            _lose_current,
            "error",
            f"clean/orders of {MAY} is published, but its file is gone",
            f"run --home {{home}} --through {MAY}",
        ),
        (_lose_past, "note", f"1 file is gone of earlier generations of clean/orders of {MAY}", "backup"),
        (_old_link, "warning", f"1 partition is not what .* shows, first clean/orders/{MAY}", "run"),
        (_stray_link, "warning", "1 file for outsiders is .*period=2026-07-01", "Delete them"),
        (
            _damage_manifest,
            "error",
            f"{MAY}.json is no manifest that this version can read",
            f"newest of {{home}}/lake/.history/clean/orders/{MAY} over",
        ),
        (_manifest_of_a_later_version, "error", f"{MAY}.json is no manifest", "Upgrade"),
        (_old_views, "warning", r"1 view of crm.duckdb .* first clean\.orders", "run"),
        (_no_views, "warning", "1 view of crm.duckdb", "run"),
        (_damaged_views, "error", "crm.duckdb of .* cannot be read", "Mend or restore"),
        (_move_source, "error", "source.yaml of 'shop' is not at .* any more", "--source DIR"),
        (_lose_state, "error", "source.json is gone", "--source DIR"),
        (_damage_state, "error", "source.json is damaged .* remove it", "doctor --home"),
        (_damage_index, "error", "source-index.json is damaged .* remove it", "doctor --home"),
        (_other_grain, "warning", "last run by the month, its settings say week", "grain: month"),
        (_damage_mlflow, "error", "mlflow.db of .* cannot be read", "Mend or restore"),
    ],
)
def test_what_is_wrong_is_named_with_its_mend(
    lake: Lake, harm: Callable[[Lake], None], severity: str, says: str, mend: str
) -> None:
    harm(lake)
    wrong = [f for f in found(lake) if re.search(says, f.what)]
    assert [f.severity for f in wrong] == [severity], found(lake)
    assert mend.replace("{home}", str(lake.home)) in wrong[0].mend
    assert is_wrong(wrong) == (severity != "note")


@pytest.mark.parametrize(("harm", "says"), [(_orphan, "nobody.parquet"), (_staging_of_the_dead, "half.parquet")])
def test_what_the_next_run_removes_is_a_note_and_only_while_nobody_works(
    lake: Lake, harm: Callable[[Lake], None], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    harm(lake)
    assert at_work(lake.home) == 1, "this process has published"
    assert found(lake) == []
    monkeypatch.setattr(doctor, "at_work", lambda _: 0)
    (note,) = [f for f in found(lake) if says in f.what]
    assert note.severity == "note"


def test_the_staging_of_a_living_process_is_no_leftover(lake: Lake) -> None:
    lake.stage(pd.DataFrame({"n": [1]}))
    assert inspect_lake(lake).leftovers == []
    assert at_work(lake.home.parent / "elsewhere") == 0
    assert sign_of_life(lake.home)


@pytest.mark.parametrize(
    ("free", "severity"), [(10**6, "error"), (256 * 2**20 + 2 * 10**9 + 1, "warning"), (10**13, None)]
)
def test_free_space_is_held_against_a_partition_and_against_a_rebuild(
    lake: Lake, free: int, severity: str | None
) -> None:
    manifests = list(inspect_lake(lake).current.values()) * 4
    assert [f.severity for f in disk_found(lake.home, free, manifests, lambda _: 10**9)] == [severity] * bool(severity)


@pytest.mark.parametrize(
    ("required", "have", "says"),
    [
        (["duckdb>=2.0,<3"], "2.0.1", []),
        (["duckdb>=2.0,<3"], "1.4.0", ["duckdb is 1.4.0"]),
        (["duckdb>=2.0,<3"], None, ["duckdb is not installed"]),
        (['ruff>=1; extra == "dev"', 'tomli; python_version < "3"'], None, []),
    ],
)
def test_packages_are_held_against_what_is_required_of_them(
    required: list[str], have: str | None, says: list[str]
) -> None:
    findings = versions_found(required, lambda _: have, ">=3.11")
    assert [f.what.split(",")[0] for f in findings] == says
    (python,) = versions_found([], lambda _: None, ">=4")
    assert python.what.startswith("Python is 3.")


@pytest.mark.parametrize(
    ("written", "newer"), [("acf3f17fdcc7", False), ("f5a4f2784254", False), ("ffff00001111", True)]
)
def test_a_database_of_a_newer_mlflow_is_said(tmp_path: Path, written: str, newer: bool) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as con:
        con.execute("CREATE TABLE alembic_version (version_num)")
        con.execute("INSERT INTO alembic_version VALUES (?)", (written,))
    assert [f.severity for f in schema_found(tmp_path / "mlflow.db", "mlflow")] == ["error"] * newer


def test_a_model_card_without_its_model_and_a_run_left_running_are_said(lake: Lake) -> None:
    staged = lake.stage(pd.DataFrame({"n": [1], "model_uri": ["models:/m-1"]}))
    lake.publish("models/churn/logistic", MAY, [staged], inputs={}, code_version="1")
    publish_views(lake)
    with sqlite3.connect(lake.home / "mlflow.db") as con:
        con.execute("CREATE TABLE runs (run_uuid, status)")
        con.execute("CREATE TABLE tags (key, value, run_uuid)")
        con.execute("CREATE TABLE logged_models (model_id)")
        con.executemany(
            "INSERT INTO runs VALUES (?, ?)", [("a", "RUNNING"), ("b", "RUNNING"), ("c", "RUNNING"), ("d", "FINISHED")]
        )
        alive = [("crm.process", sign_of_life(lake.home), "a"), ("crm.process", "0" * 32, "b"), ("other", "x", "c")]
        con.executemany("INSERT INTO tags VALUES (?, ?, ?)", alive)
    said = [f.what for f in found(lake)]
    assert any("1 of 1 models" in text and f"models/churn/logistic of {MAY}" in text for text in said), said
    assert any("2 MLflow runs are RUNNING though their process has ended" in text for text in said), said


def test_a_source_that_is_where_it_was_is_no_finding(lake: Lake) -> None:
    assert list(source_found(lake.home)) == []


def test_a_partition_whose_file_is_gone_counts_as_not_built_and_gets_a_new_file(lake: Lake) -> None:
    """Equal content keeps the files it has: not where they are gone; generations count on."""
    _lose_current(lake)
    assert lake.manifest(*KEY) is None
    assert set(lake.index()) == {("clean/orders", JUNE)}
    repair_links(lake)
    with pytest.raises(CrmError, match="build it first"):
        lake.table("clean/orders", [MAY])
    publish(lake, [1, 2, 3])
    assert sorted(lake.table("clean/orders", [MAY]).n.execute()) == [1, 2, 3]
    assert [m.generation for m in lake.history(*KEY)] == [1, 2, 3]


def test_the_newest_of_the_history_is_the_manifest(lake: Lake) -> None:
    """As the mend of a damaged manifest says."""
    path = lake.root / ".manifests/clean/orders" / f"{MAY}.json"
    kept = path.read_text()
    assert sorted((lake.root / ".history/clean/orders" / MAY).glob("*.json"))[-1].read_text() == kept


def test_a_home_that_is_read_only_is_not_called_damaged(tmp_path, monkeypatch):
    def shut():
        raise sqlite3.OperationalError("unable to open database file")

    assert "cannot be read" in doctor.looked("runs.db", tmp_path, shut)[0].what
    monkeypatch.setattr(os, "access", lambda *_: False)
    [found] = doctor.looked("runs.db", tmp_path, shut)
    assert "cannot be written (read-only, or not permitted), so runs.db cannot be looked at" in found.what
    assert found.mend.startswith("Mend its rights")
