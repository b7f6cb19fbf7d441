"""Reading what was published: the scored customer table and one customer's story. Nothing is computed anew here."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from crm_pipeline.contracts.actions import CONTACTING, NO_CONSENT
from crm_pipeline.contracts.outputs import CUSTOMERS
from crm_pipeline.engine import DuckDBEngine
from crm_pipeline.errors import CrmError, UsageError
from crm_pipeline.lake import Lake, Manifest, open_storage
from crm_pipeline.modeling.tasks import tasks
from crm_pipeline.periods import Calendar, Grain
from crm_pipeline.provenance.generations import Past, generation, moment
from crm_pipeline.settings import load_settings
from crm_pipeline.sources.state import SourceState, read_state

TABLE = "scores/customers"
FEATURES = "features/customers"
CONSENT = "snapshot/customers"
WITHOUT_CONSENT = "no consent to marketing (as last read)"

DAYS = (*(c.name for c in CUSTOMERS if c.type == "date32"), "last_order_at")
"""What is a day: always, or (the last) where the source has no times of day."""

HISTORY = ["as_of", "status", "churn_probability", "churn_percentile", "expected_spend", "value_at_risk", "reason_1"]
"""What of earlier scores is shown."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Opened:
    """A home that is read: its lake, its source and its periods."""

    lake: Lake
    source: SourceState
    calendar: Calendar


@dataclass(frozen=True)
class Scores:
    """The scored table of one period, with current consent applied (consent is read when acting).

    ``edition`` says which generation it is and when it was published, where one was asked for.
    """

    source: SourceState
    period: str
    label: str
    frame: pd.DataFrame
    manifest: Manifest
    edition: str = ""


@dataclass(frozen=True)
class Story:
    """What is known of one customer."""

    source: SourceState
    row: pd.Series
    factors: dict[str, dict[str, float]] = field(default_factory=dict)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    features: pd.Series = field(default_factory=pd.Series)
    edition: str = ""
    grain: Grain = "month"
    manifest: Manifest | None = None


def open_scores(home: Path, as_of: str | None = None, wanted: str | None = None) -> Scores:
    """Read the scored table of a period, the latest by default; as it is, or a generation of it (`generation`).

    Raises
    ------
    UsageError, CrmError
        When the home does not exist, has no scores, not of that period, or does not keep that generation.
    """
    opened = open_home(home)
    lake, calendar = opened.lake, opened.calendar
    period = scored_period(opened, as_of)
    manifest = generation(lake, calendar, TABLE, period, wanted) if wanted else lake.snapshot(TABLE, [period])[0]
    frame = with_days(lake.read([manifest]).execute())
    # by value at risk; where there is no value, by risk
    order = frame.value_at_risk.fillna(frame.churn_probability.fillna(0) - 2).to_numpy()
    frame = (
        frame.assign(_order=order)
        .sort_values(["_order", "customer_id"], ascending=[False, True])
        .drop(columns="_order")
    )
    frame = with_consent(lake, frame).reset_index(drop=True)
    edition = f"generation {manifest.generation}, published {moment(manifest, calendar.timezone)}" if wanted else ""
    return Scores(opened.source, period, calendar.label(period), frame, manifest, edition)


def scored_period(opened: Opened, as_of: str | None, table: str = TABLE) -> str:
    """Return the scored period that a person names, the latest by default.

    Raises
    ------
    UsageError, CrmError
        When there are no scores, or none of that period.
    """
    lake, calendar = opened.lake, opened.calendar
    known = lake.partitions(table)
    if not known and table != TABLE:
        task = table.partition("/")[2]
        raise CrmError(f"{lake.home} has no {task} scores: switch the task on in crm.yaml and run `crm-pipeline run`.")
    if not known:
        raise CrmError(f"{lake.home} has no scores yet: run `crm-pipeline run --home {lake.home}` first.")
    period = calendar.parse(as_of) if as_of else known[-1]
    if period not in known:
        raise UsageError(
            f"{lake.home} has no scores of {calendar.label(period)}; "
            f"it has {', '.join(calendar.label(k) for k in known[-6:])}."
        )
    return period


def with_consent(lake: Lake, frame: pd.DataFrame) -> pd.DataFrame:
    """Overlay the consent as the source last gave it: whoever refuses marketing is not contactable. Consent is read when acting."""
    refused = refusing(lake)
    if not refused:
        return frame
    hit = frame.customer_id.isin(refused)
    contacting = hit & frame.recommended_action.isin(CONTACTING)
    return frame.assign(
        recommended_action=_written(frame.recommended_action, contacting, NO_CONSENT),
        contactable=frame.contactable.where(~hit, False),
        not_contactable_reason=_written(frame.not_contactable_reason, hit, WITHOUT_CONSENT),
    )


def _written(texts: pd.Series, hit: pd.Series, text: str) -> pd.Series:
    """Write a text over those that are hit, also where texts are categories."""
    if isinstance(texts.dtype, pd.CategoricalDtype) and text not in texts.cat.categories:
        texts = texts.cat.add_categories([text])
    return texts.where(~hit, text)


def refusing(lake: Lake) -> set[str]:
    """Return the customers who refuse marketing, as the source last said."""
    if lake.manifest(CONSENT, "current") is None:
        return set()
    now = lake.table(CONSENT, ["current"])
    if "consent_marketing" not in now.columns:
        return set()
    return set(now.filter(now.consent_marketing == False).customer_id.execute())  # noqa: E712 - an Ibis expression


def with_days(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with dates for the days in it: those of the contract, and orders none of which has a time of day."""
    days = [name for name in DAYS[:-1] if name in frame]
    if "last_order_at" in frame:
        ordered = frame.last_order_at.dropna()
        days += ["last_order_at"] if (ordered == ordered.dt.normalize()).all() else []
    return frame.assign(**{name: frame[name].dt.date.astype(object).where(frame[name].notna(), None) for name in days})


def write_scores(scores: Scores, form: str, to: Path | None) -> None:
    """Write the scored table as `write_frame` does."""
    write_frame(scores.frame, form, to)


def write_frame(frame: pd.DataFrame, form: str, to: Path | None) -> None:
    """Write a table as csv, parquet or json, to a file or to standard output.

    The CSV survives a spreadsheet: ids are text, dates ISO, and text that begins like a formula gets an apostrophe.
    """
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
    except BrokenPipeError:
        if to is not None:
            raise
        # whoever read the output has enough, as `| head` does; Python flushes once more as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise CrmError(f"{to or 'The output'} cannot be written: {error.strerror or error}.") from error


def safe_for_spreadsheets(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with text that a spreadsheet would take for a formula made harmless."""
    out = frame.copy()
    for name in out.columns:
        if isinstance(out[name].dtype, pd.StringDtype) or out[name].dtype == object:
            text = out[name].astype("string")
            risky = text.str.startswith(FORMULA, na=False)
            out[name] = text.where(~risky, "'" + text)
    return out


def explain_customer(home: Path, customer: str, as_of: str | None = None, wanted: str | None = None) -> Story:
    """Return one customer's scores, factors and history of published scores; as they are, or as of a generation.

    Raises
    ------
    UsageError
        When the table of that period has no such customer, or that generation is not kept.
    """
    scores, opened = open_scores(home, as_of, wanted), open_home(home)
    lake, past = opened.lake, Past(opened.lake)
    found = scores.frame[scores.frame.customer_id == customer]
    if found.empty:
        near = ", ".join(scores.frame.customer_id.head(3))
        raise UsageError(f"No customer '{customer}' in the scores of {scores.label}; ids look like {near}.")
    factors, features = {}, pd.Series(dtype=float)
    for task in tasks():
        for answer in past.pinned(scores.manifest, f"scores/{task}"):
            rows = rows_of(lake, [answer], customer)
            if len(rows) and isinstance(rows.factors.iloc[0], str):
                factors[task] = json.loads(rows.factors.iloc[0])
            rows = rows_of(lake, past.pinned(answer, FEATURES), customer)
            features = rows.iloc[0].drop(["customer_id", "as_of"]) if len(rows) else features
    before = [p for p in lake.partitions(TABLE) if p < scores.period]
    known = _known_then(opened, before, scores.manifest) if wanted else lake.snapshot(TABLE, before)
    history = rows_of(lake, [*known, scores.manifest], customer)[HISTORY].sort_values("as_of", ignore_index=True)
    return Story(
        opened.source, found.iloc[0], factors, with_days(history), features, scores.edition, opened.calendar.grain, scores.manifest
    )  # fmt: skip


def rows_of(lake: Lake, manifests: list[Manifest], customer: str) -> pd.DataFrame:
    """Return the rows of a customer in partitions of one asset; empty where there is none to read."""
    if not manifests:
        return pd.DataFrame()
    table = lake.read(manifests)
    return table.filter(table.customer_id == customer).execute()


def _known_then(opened: Opened, periods: list[str], manifest: Manifest) -> list[Manifest]:
    """Return the scores of periods as they stood when a generation was published."""
    found = []
    for period in periods:
        editions = opened.lake.editions(TABLE, period, opened.calendar.grain)
        found += [m for m in editions if m.published_at <= manifest.published_at][-1:]
    return found


def open_home(home: Path) -> Opened:
    """Open a home to read it; nothing is made where there is none.

    Raises
    ------
    UsageError, CrmError
        When it does not exist, or no source was read into it yet.
    """
    if not Path(home).is_dir():
        raise UsageError(f"There is no home {home}: give --home, or make one with `crm-pipeline run`.")
    source = read_state(home)
    if source is None:
        raise CrmError(f"{home} has no scores yet: run `crm-pipeline run --home {home}` first.")
    settings = load_settings(home)
    engine = DuckDBEngine("1GB", settings.threads, Path(home) / "lake" / ".spill")
    lake = Lake(home, engine, storage=open_storage(home, settings))
    return Opened(lake, source, Calendar(settings.grain, source.timezone))
