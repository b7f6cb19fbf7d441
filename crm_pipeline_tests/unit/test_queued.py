"""Reading the call queue: which period, whose clock, today's consent, and safe for spreadsheets and terminals."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from crm_pipeline import cli
from crm_pipeline.contracts.outputs import conform
from crm_pipeline.contracts.plans import SERVICE
from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.lake import Lake
from crm_pipeline.queued import open_queue
from crm_pipeline.sources.state import SourceState, write_state

JUNE, JULY = "2026-06-01", "2026-07-01"
STATE = SourceState("made", "Europe/Berlin", "EUR", {"calls": ("call_id", "recording")}, JUNE, JULY, JULY)
ROWS = [
    {"rank": 2, "priority": 0.1, "customer_id": "b", "case_id": "k1", "case_opened_at": datetime(2026, 7, 1), "n_calls": 0,
     "reason": "case open for 31 days", "suggested_reply": "Your case is still open."},
    {"rank": 1, "priority": 0.9, "customer_id": "a", "call_id": "c1", "called_at": datetime(2026, 7, 1, 10, 30, 0, 5), "n_calls": 1,
     "transcript": "=cancel it", "reason": "said 'cancel' [bold]", "suggested_reply": "Sorry.", "not_contactable_reason": "opted out"},
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lake = Lake(tmp_path, DuckDBEngine("200MB", 1, tmp_path / "spill"))
    write_state(tmp_path, STATE)
    for period, rows in ((JUNE, ROWS[:1]), (JULY, ROWS)):
        table = conform(pd.DataFrame(rows), SERVICE)
        lake.publish("plans/service", period, [lake.stage(table)], inputs={}, code_version="1")
    consent = pd.DataFrame({"customer_id": ["a", "b"], "consent_marketing": [None, False]}).astype(
        {"consent_marketing": "boolean"}
    )
    lake.publish("snapshot/customers", "current", [lake.stage(consent)], inputs={}, code_version="1")
    return tmp_path


def test_the_latest_queue_by_the_clock_of_the_business_with_todays_consent(home: Path) -> None:
    found = open_queue(home)
    assert (found.label, found.matters) == ("2026-07", 2)
    assert found.frame.customer_id.tolist() == ["a", "b"], "who refuses marketing is called all the same"
    assert found.frame.called_at[0] == pd.Timestamp("2026-07-01 12:30")
    assert found.frame.not_contactable_reason.tolist() == ["opted out", "no consent to marketing (as last read)"]
    assert len(open_queue(home, top=1).frame) == 1
    assert open_queue(home, "2026-06").label == "2026-06"


def test_a_queue_that_is_not_there_is_one_sentence(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(UsageError, match=r"no call queue of 2026-05; it has 2026-06, 2026-07\.$"):
        open_queue(home, "2026-05")
    other = tmp_path_factory.mktemp("other")
    write_state(other, STATE)
    with pytest.raises(CrmError, match="no call queue yet: run `crm-pipeline run"):
        open_queue(other)
    write_state(other, replace(STATE, tables={"orders": ("order_id",)}))
    with pytest.raises(CrmError, match=r"names no recording that is there \(`audio_path` of the table calls\)"):
        open_queue(other)


def test_the_command_prints_a_table_or_a_csv_that_survives_a_spreadsheet(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([], ["--format", "csv", "--to", str(home / "queue.csv")]):
        with pytest.raises(SystemExit) as left:
            cli.main(["queue", "--home", str(home), *arguments])
        assert left.value.code == 0
    said = capsys.readouterr().out
    assert "2 open matters as of the end of 2026-07" in said
    assert "[bold]" in said, "what a customer said is no markup"
    with (home / "queue.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["transcript"] for row in rows] == ["'=cancel it", ""]
    assert rows[0]["called_at"] == "2026-07-01T12:30:00"
