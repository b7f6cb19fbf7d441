"""Reading what was published: the scored customer table and one customer's story. Nothing is computed anew here."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from crm_pipeline.contracts.outputs import CUSTOMERS
from crm_pipeline.engine import Engine
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.lake import Lake
from crm_pipeline.modeling.tasks import tasks
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import load_settings
from crm_pipeline.sources.state import SourceState, read_state

TABLE = "scores/customers"
CONSENT = "snapshot/customers"
CONTACTING = ("call", "personal offer", "win-back mail")
"""Recommended actions that need consent to marketing."""

DAYS = (*(c.name for c in CUSTOMERS if c.type == "date32"), "last_order_at")
"""What is a day: always, or (the last) where the source has no times of day."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Scores:
    """The scored table of one period, with current consent applied (consent is read when acting)."""

    source: SourceState
    period: str
    label: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class Story:
    """What is known of one customer."""

    source: SourceState
    row: pd.Series
    factors: dict[str, dict[str, float]] = field(default_factory=dict)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    features: pd.Series = field(default_factory=pd.Series)


def open_scores(home: Path, as_of: str | None = None) -> Scores:
    """Read the scored table of a period, the latest by default.

    Raises
    ------
    UsageError, CrmError
        When the home does not exist, has no scores, or not of that period.
    """
    lake, source = _open(home)
    calendar = Calendar(load_settings(home).grain, source.timezone)
    known = lake.partitions(TABLE)
    if not known:
        raise CrmError(f"{home} has no scores yet: run `crm-pipeline run --home {home}` first.")
    period = calendar.parse(as_of) if as_of else known[-1]
    if period not in known:
        raise UsageError(
            f"{home} has no scores of {calendar.label(period)}; it has {', '.join(calendar.label(k) for k in known[-6:])}."
        )
    frame = with_days(lake.table(TABLE, [period]).execute())
    # by value at risk; where there is no value, by risk
    order = frame.value_at_risk.fillna(frame.churn_probability.fillna(0) - 2).to_numpy()
    frame = (
        frame.assign(_order=order)
        .sort_values(["_order", "customer_id"], ascending=[False, True])
        .drop(columns="_order")
    )
    return Scores(source, period, calendar.label(period), with_consent(lake, frame).reset_index(drop=True))


def with_consent(lake: Lake, frame: pd.DataFrame) -> pd.DataFrame:
    """Overlay the consent as the source last gave it: whoever refuses marketing is not contactable. Consent is read when acting."""
    if lake.manifest(CONSENT, "current") is None:
        return frame
    now = lake.table(CONSENT, ["current"])
    if "consent_marketing" not in now.columns:
        return frame
    refused = set(now.filter(now.consent_marketing == False).customer_id.execute())  # noqa: E712 - an Ibis expression
    hit = frame.customer_id.isin(refused)
    contacting = hit & frame.recommended_action.isin(CONTACTING)
    return frame.assign(
        recommended_action=frame.recommended_action.where(~contacting, "do not contact (no consent)"),
        contactable=frame.contactable.where(~hit, False),
        not_contactable_reason=frame.not_contactable_reason.where(~hit, "no consent to marketing (as last read)"),
    )


def with_days(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with dates for the days in it: those of the contract, and orders none of which has a time of day."""
    days = [name for name in DAYS[:-1] if name in frame]
    if "last_order_at" in frame:
        ordered = frame.last_order_at.dropna()
        days += ["last_order_at"] if (ordered == ordered.dt.normalize()).all() else []
    return frame.assign(**{name: frame[name].dt.date.astype(object).where(frame[name].notna(), None) for name in days})


def write_scores(scores: Scores, form: str, to: Path | None) -> None:
    """Write the table as csv, parquet or json, to a file or to standard output.

    The CSV survives a spreadsheet: ids are text, dates ISO, and text that begins like a formula gets an apostrophe.
    """
    frame = scores.frame
    target: Any = to or sys.stdout
    try:
        if form == "parquet":
            frame.to_parquet(target, index=False)
        elif form == "json":
            # pandas would write a date as an instant
            days = {c: frame[c].map(str, na_action="ignore") for c in DAYS if c in frame and frame[c].dtype == object}
            frame.assign(**days).to_json(target, orient="records", date_format="iso", indent=1)
        else:
            safe_for_spreadsheets(frame).to_csv(target, index=False, date_format="%Y-%m-%dT%H:%M:%S")
    except OSError as error:
        raise CrmError(f"{to} cannot be written: {error.strerror or error}.") from error


def safe_for_spreadsheets(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with text that a spreadsheet would take for a formula made harmless."""
    out = frame.copy()
    for name in out.columns:
        if isinstance(out[name].dtype, pd.StringDtype) or out[name].dtype == object:
            text = out[name].astype("string")
            risky = text.str.startswith(FORMULA, na=False)
            out[name] = text.where(~risky, "'" + text)
    return out


def explain_customer(home: Path, customer: str, as_of: str | None = None) -> Story:
    """Return one customer's scores, factors and history of published scores.

    Raises
    ------
    UsageError
        When the table of that period has no such customer.
    """
    import json

    scores = open_scores(home, as_of)
    lake, source = _open(home)
    found = scores.frame[scores.frame.customer_id == customer]
    if found.empty:
        near = ", ".join(scores.frame.customer_id.head(3))
        raise UsageError(f"No customer '{customer}' in the scores of {scores.label}; ids look like {near}.")
    factors = {}
    for task in tasks():
        if lake.manifest(f"scores/{task}", scores.period):
            table = lake.table(f"scores/{task}", [scores.period])
            text = table.filter(table.customer_id == customer).factors.execute()
            if len(text) and isinstance(text.iloc[0], str):
                factors[task] = json.loads(text.iloc[0])
    past = [p for p in lake.partitions(TABLE) if p <= scores.period]
    table = lake.table(TABLE, past)
    columns = [
        "as_of",
        "status",
        "churn_probability",
        "churn_percentile",
        "expected_spend",
        "value_at_risk",
        "reason_1",
    ]
    history = table.filter(table.customer_id == customer).select(*columns).order_by("as_of").execute()
    features = pd.Series(dtype=float)
    if lake.manifest("features/customers", scores.period):
        table = lake.table("features/customers", [scores.period])
        rows = table.filter(table.customer_id == customer).execute()
        features = rows.iloc[0].drop(["customer_id", "as_of"]) if len(rows) else features
    return Story(source, found.iloc[0], factors, with_days(history), features)


def _open(home: Path) -> tuple[Lake, SourceState]:
    if not Path(home).is_dir():
        raise UsageError(f"There is no home {home}: give --home, or make one with `crm-pipeline run`.")
    source = read_state(home)
    if source is None:
        raise CrmError(f"{home} has no scores yet: run `crm-pipeline run --home {home}` first.")
    settings = load_settings(home)
    return Lake(home, Engine("1GB", settings.threads, Path(home) / "lake" / ".spill")), source
