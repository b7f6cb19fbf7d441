"""Reading the scored table: which period, in which order, with today's consent, and safe for spreadsheets."""

from __future__ import annotations

import io
import json
import os
import re
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pytest

from crm_pipeline.contracts.outputs import CUSTOMERS, conform, score_columns
from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.lake import Lake, Manifest, collect_garbage
from crm_pipeline.modeling.tasks import task
from crm_pipeline.scored import explain_customer, open_scores, safe_for_spreadsheets, with_consent, write_scores
from crm_pipeline.sources.state import SourceState, write_state

JANUARY, FEBRUARY = "2024-01-01", "2024-02-01"


def scored(period: str, risk: float) -> pd.DataFrame:
    rows = [
        {"customer_id": "007", "value_at_risk": 1.0, "status": "scored", "contactable": True},
        {"customer_id": "b", "value_at_risk": None, "status": "abstained", "contactable": None},
        {"customer_id": "=a", "value_at_risk": 50.0, "status": "scored", "contactable": True, "reason_1": "+1 order"},
        {"customer_id": "a2", "value_at_risk": 50.0, "status": "scored", "contactable": False,
         "not_contactable_reason": "opted out"},
    ]  # fmt: skip
    month = int(period[5:7])
    frame = pd.DataFrame(rows).assign(
        as_of=date(2024, month + 1, 1), churn_probability=risk, last_order_at=datetime(2024, 1, 5, 10, 30)
    )
    return conform(frame, CUSTOMERS)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lake = Lake(tmp_path, DuckDBEngine("200MB", 1, tmp_path / "spill"))
    write_state(
        tmp_path, SourceState("made", "Europe/Berlin", "EUR", {"orders": ("order_id",)}, JANUARY, FEBRUARY, FEBRUARY)
    )
    publish(lake, "scores/customers", JANUARY, scored(JANUARY, 0.2))
    score_february(lake, risk=0.4, recency=0.5, run="run-one-of-them")
    return tmp_path


def publish(lake: Lake, asset: str, partition: str, frame: object, run: str = "", *read: Manifest) -> Manifest:
    pins = {f"{m.asset}@{m.partition}": m.content_hash for m in read}
    return lake.publish(asset, partition, [lake.stage(frame)], inputs=pins, code_version="1", run_id=run)


def score_february(lake: Lake, risk: float, recency: float, run: str) -> None:
    features = pd.DataFrame([{"customer_id": "007", "as_of": date(2024, 3, 1), "recency_days": 10 * recency}])
    known = publish(lake, "features/customers", FEBRUARY, features, run)
    factors = pd.DataFrame([{"customer_id": "007", "factors": json.dumps({"recency": recency})}])
    columns = score_columns(task("churn").answers)
    answer = publish(lake, "scores/churn", FEBRUARY, conform(factors, columns), run, known)
    publish(lake, "scores/customers", FEBRUARY, scored(FEBRUARY, risk), run, answer)


def test_the_latest_period_and_most_at_risk_first(home: Path) -> None:
    found = open_scores(home)
    assert (found.period, found.label) == (FEBRUARY, "2024-02")
    assert list(found.frame.customer_id) == ["=a", "a2", "007", "b"]
    assert list(found.frame.columns) == [c.name for c in CUSTOMERS]


def test_an_earlier_period(home: Path) -> None:
    assert set(open_scores(home, "2024-01").frame.churn_probability) == {0.2}


@pytest.mark.parametrize("period", ["2023-12", "2024-03", "soon"])
def test_a_period_that_is_not_there(home: Path, period: str) -> None:
    with pytest.raises(UsageError, match=period):
        open_scores(home, period)


def test_a_home_without_scores(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no home"):
        open_scores(tmp_path / "nowhere")
    with pytest.raises(CrmError, match="no scores yet"):
        open_scores(tmp_path)
    write_state(tmp_path, SourceState("made", "UTC", "EUR", {}, JANUARY, JANUARY, JANUARY))
    with pytest.raises(CrmError, match="no scores yet"):
        open_scores(tmp_path)


def test_asking_leaves_a_strange_folder_alone(tmp_path: Path) -> None:
    with pytest.raises(CrmError):
        open_scores(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_consent_is_todays_and_changes_nothing_else(home: Path) -> None:
    lake = Lake(home, DuckDBEngine("200MB", 1, home / "spill"))
    consent = pd.DataFrame({"customer_id": ["=a", "007", "b"], "consent_marketing": [False, True, None]})
    publish(lake, "snapshot/customers", "current", consent.astype({"consent_marketing": "boolean"}))
    frame = open_scores(home).frame.set_index("customer_id")
    assert not frame.loc["=a", "contactable"]
    assert "consent" in frame.loc["=a", "not_contactable_reason"]
    assert frame.loc["007", "contactable"]
    assert frame.loc["a2", "not_contactable_reason"] == "opted out"
    assert pd.isna(frame.loc["b", "contactable"])
    plain = open_scores(home).frame.assign(contactable=True, not_contactable_reason="", recommended_action="call")
    texts = ["not_contactable_reason", "recommended_action"]
    overlaid = with_consent(lake, plain.astype(dict.fromkeys(texts, "category"))).astype(dict.fromkeys(texts, "str"))
    pd.testing.assert_frame_equal(overlaid, with_consent(lake, plain.astype(dict.fromkeys(texts, "str"))))


def test_a_snapshot_without_consent_is_no_refusal(home: Path) -> None:
    lake = Lake(home, DuckDBEngine("200MB", 1, home / "spill"))
    publish(lake, "snapshot/customers", "current", pd.DataFrame({"customer_id": ["=a"], "segment": ["gold"]}))
    assert open_scores(home).frame.set_index("customer_id").loc["=a", "contactable"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_become_text(start: str) -> None:
    frame = pd.DataFrame({"name": [f"{start}1+1", "plain", None], "amount": [-1.5, 2.0, None]})
    safe = safe_for_spreadsheets(frame)
    assert safe.name[0] == f"'{start}1+1"
    assert safe.name[1] == "plain"
    assert pd.isna(safe.name[2])
    assert safe.amount.equals(frame.amount), "numbers stay numbers"
    assert frame.name[0] == f"{start}1+1", "the frame given is not changed"


def test_the_csv(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scores(open_scores(home), "csv", None)
    text = capsys.readouterr().out
    lines = pd.read_csv(io.StringIO(text), dtype=str)
    assert list(lines.customer_id) == ["'=a", "a2", "007", "b"]
    assert lines.reason_1[0] == "'+1 order"
    assert lines.as_of[0] == "2024-03-01"
    assert lines.last_order_at[0] == "2024-01-05T10:30:00"


def test_a_source_without_times_of_day_shows_dates(home: Path, tmp_path: Path) -> None:
    lake = Lake(home, DuckDBEngine("200MB", 1, home / "spill"))
    frame = scored(FEBRUARY, 0.4).to_pandas().assign(last_order_at=datetime(2024, 1, 5))
    frame.loc[1, "last_order_at"] = None
    publish(lake, "scores/customers", FEBRUARY, conform(frame, CUSTOMERS))
    found = open_scores(home)
    assert found.frame.last_order_at.tolist() == [date(2024, 1, 5)] * 3 + [None]
    for form in ("csv", "json", "parquet"):
        write_scores(found, form, tmp_path / form)
    assert pd.read_csv(tmp_path / "csv", dtype=str).last_order_at[0] == "2024-01-05"
    assert [row["last_order_at"] for row in json.loads((tmp_path / "json").read_text())] == ["2024-01-05"] * 3 + [None]
    assert pd.read_parquet(tmp_path / "parquet").last_order_at[0] == date(2024, 1, 5)
    assert explain_customer(home, "007").row.last_order_at == date(2024, 1, 5)


def test_json_and_parquet_keep_what_the_table_says(home: Path, tmp_path: Path) -> None:
    found = open_scores(home)
    for form in ("json", "parquet"):
        write_scores(found, form, tmp_path / form)
    listed = json.loads((tmp_path / "json").read_text())
    assert [row["customer_id"] for row in listed] == ["=a", "a2", "007", "b"]
    assert listed[0]["as_of"] == "2024-03-01"
    assert listed[0]["last_order_at"][:16] == "2024-01-05T10:30"
    assert pd.read_parquet(tmp_path / "parquet").customer_id.tolist() == ["=a", "a2", "007", "b"]


def test_a_file_that_cannot_be_written(home: Path, tmp_path: Path) -> None:
    for form in ("csv", "json", "parquet"):
        with pytest.raises(CrmError, match="cannot be written"):
            write_scores(open_scores(home), form, tmp_path / "no" / "such" / "folder.csv")


def test_one_customers_story(home: Path) -> None:
    story = explain_customer(home, "007")
    assert story.row.churn_probability == 0.4
    assert story.factors == {"churn": {"recency": 0.5}}
    assert list(story.history.churn_probability) == [0.2, 0.4]
    assert len(explain_customer(home, "007", "2024-01").history) == 1


@pytest.fixture
def fixed(home: Path) -> Path:
    """The home after a second run scored both periods anew, and differently."""
    lake = Lake(home, DuckDBEngine("200MB", 1, home / "spill"))
    publish(lake, "scores/customers", JANUARY, scored(JANUARY, 0.3))
    score_february(lake, risk=0.9, recency=2.0, run="run-two-of-them")
    return home


@pytest.mark.parametrize("named", ["1", "first", "run-one-of-them", "run-one-"])
def test_the_table_as_it_was_published(fixed: Path, named: str) -> None:
    found = open_scores(fixed, "2024-02", named)
    assert set(found.frame.churn_probability) == {0.4}
    assert found.edition.startswith("generation 1, published 20")
    assert set(open_scores(fixed).frame.churn_probability) == {0.9}
    assert open_scores(fixed).edition == ""


def test_a_customers_story_as_it_was_published(fixed: Path) -> None:
    story = explain_customer(fixed, "007", wanted="1")
    assert story.row.churn_probability == 0.4
    assert story.factors == {"churn": {"recency": 0.5}}
    assert story.features.recency_days == 5.0
    assert list(story.history.churn_probability) == [0.2, 0.4]
    now = explain_customer(fixed, "007")
    assert (now.factors, list(now.history.churn_probability)) == ({"churn": {"recency": 2.0}}, [0.3, 0.9])


@pytest.mark.parametrize("named", ["3", "last", "run-thr", "run-three-of-them"])
def test_a_generation_that_is_not_kept_is_told_which_are(fixed: Path, named: str) -> None:
    with pytest.raises(UsageError) as error:
        open_scores(fixed, None, named)
    assert re.fullmatch(
        r"(Generation 3|What run '[-a-z]+' published) of scores/customers of 2024-02 is not kept; kept are generations "
        r"1 \(published [-0-9]+ [0-9:]+, run run-one-\) and 2 \(published [-0-9]+ [0-9:]+, run run-two-\)\.",
        str(error.value),
    )


def test_the_first_that_was_collected_is_not_the_second(fixed: Path) -> None:
    collect_garbage(Lake(fixed, DuckDBEngine("200MB", 1, fixed / "spill")), keep_days=-1)
    with pytest.raises(UsageError, match=r"What was published first .* is not kept; kept is generation 2 \("):
        open_scores(fixed, None, "first")


def test_an_unknown_customer_is_told_what_ids_look_like(home: Path) -> None:
    with pytest.raises(UsageError, match=r"No customer '7'.*ids look like =a"):
        explain_customer(home, "7")


def test_whoever_reads_the_output_may_stop(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `crm-pipeline scores --format csv | head` does; a file that cannot be written is still told."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as output:
        monkeypatch.setattr("sys.stdout", output)
        write_scores(open_scores(home), "csv", None)
        output.write("what comes after goes nowhere")
    with pytest.raises(CrmError, match="nowhere"):
        write_scores(open_scores(home), "csv", home / "nowhere" / "scores.csv")
