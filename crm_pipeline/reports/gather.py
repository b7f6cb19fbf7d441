"""Gathers what the page of a period says from the tables of the lake. What it shows and how lies in the sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.modeling.fairness import beyond
from crm_pipeline.modeling.level import level_from_json
from crm_pipeline.modeling.tasks import chosen as chosen_tasks
from crm_pipeline.periods import Calendar
from crm_pipeline.reports.calls import gather_calls
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.summary import of_nobody, refusals, row_quality, theme_shares
from crm_pipeline.reports.texts import Texts, gather_texts
from crm_pipeline.settings import Settings
from crm_pipeline.sources.state import SourceState
from crm_pipeline.transforms.features.catalogue import catalogue

TEXTS = ("texts", "bodies", "words", "topics", "message_topics")
"""Inputs that a source with messages has."""

if TYPE_CHECKING:
    import ibis

    from crm_pipeline.transforms.features.feature import Feature, Shape

CALLS = ("heard", "queue")
"""Inputs that a source with recordings has."""

LAZY = ("lapsed", "since", *TEXTS, *CALLS)
"""Inputs that are counted where they lie."""


def gather(
    tables: Mapping[str, ibis.Table | None],
    source: SourceState,
    settings: Settings,
    period: str,
    shape: Shape | None = None,
) -> ReportData:
    """Return what the report of a period is made of.

    Parameters
    ----------
    tables : mapping of str to lazy table or None
        ``scores``, ``segments``, ``features`` (of this and earlier periods), ``counts``; per task ``evaluation_``, ``predictions_``,
        ``champion_``, ``scored_``, ``record_<task>``, ``intervals_<task>``, ``refits_<task>``,
        ``partial_<task>``, ``ablation_<task>``, ``fairness_<task>``,
        ``leaders_<task>`` and ``card_<task>_<estimator>``; with churn ``lapsed`` and ``since``; with messages those of
        `reports.texts.gather_texts`.
    shape : Shape or None
        What the features depend on; None: the settings alone.
    """
    calendar = Calendar(settings.grain, source.timezone)
    tasks = [task for task in chosen_tasks(settings) if f"champion_{task}" in tables]  # nothing is paid in some sources
    frames = {
        name: pd.DataFrame() if table is None else _read(name, table)
        for name, table in tables.items()
        if name not in LAZY
    }
    heard, queue = (tables.get(name) for name in CALLS)
    now, earlier = _by_period(frames["features"], str(calendar.end_date(period)))
    known = catalogue(source.inputs, shape or settings)
    newest = str(earlier["as_of"].iloc[0])[:10] if len(earlier) else None
    champions = pd.concat([frames[f"champion_{t}"] for t in tasks], ignore_index=True)
    fairness = {t: frames[f"fairness_{t}"] for t in tasks if f"fairness_{t}" in frames}
    return ReportData(
        source=source.name,
        period=period,
        as_of=calendar.end_date(period),
        horizon_end=calendar.end_date(calendar.shift(period, settings.horizon)),
        currency=source.currency,
        scores=frames["scores"],
        segments=frames["segments"],
        synthetic=source.synthetic,
        timezone=source.timezone,
        grain=settings.grain,
        horizon=settings.horizon,
        eligibility=settings.eligibility,
        track_record={t: frames[f"record_{t}"] for t in tasks},
        quality=row_quality(frames["counts"], [n for n in source.tables if CANONICAL[n].main_time]),
        of_nobody=of_nobody(frames["counts"]),
        refusals=refusals(frames["counts"]),
        absent_tables=tuple(name for name in CANONICAL if name not in source.tables),
        evaluation={t: frames[f"evaluation_{t}"] for t in tasks},
        ablations={t: frames[f"ablation_{t}"] for t in tasks if f"ablation_{t}" in frames},
        intervals={t: frames[f"intervals_{t}"] for t in tasks if f"intervals_{t}" in frames},
        fairness=fairness,
        unequal=_unequal(fairness, champions, settings.fairness_max_gap),
        predictions={t: frames[f"predictions_{t}"] for t in tasks},
        leaderboards={t: frames[f"leaders_{t}"] for t in tasks},
        levels={
            t: level_from_json(frames[f"level_{t}"]["level"].iloc[0]).sentence for t in tasks if f"level_{t}" in frames
        },
        champions=champions,
        cards=pd.concat([f for name, f in frames.items() if name.startswith("card_")], ignore_index=True),
        features=now,
        previous_features=earlier,
        previous_period=calendar.shift(calendar.key(date.fromisoformat(newest)), -1) if newest else None,
        descriptions={f.name: f.description for f in known},
        reasons={t: theme_shares(frames[f"scored_{t}"]) for t in tasks},
        refits={t: frames[f"refits_{t}"] for t in tasks if f"refits_{t}" in frames},
        dependence={
            t: _in_major_units(frames[f"partial_{t}"], known, float(settings.money_unit))
            for t in tasks
            if f"partial_{t}" in frames
        },
        calls=gather_calls(heard, queue, period, calendar) if heard is not None and queue is not None else None,
        texts=_texts(tables, frames["scores"], period, calendar),
        comebacks=_comebacks(tables, calendar.shift(period, -2 * settings.horizon), settings.horizon),
    )


def _read(name: str, table: ibis.Table) -> pd.DataFrame:
    """Return a table's rows; a track record of years without the columns that the page does not show."""
    return (table.drop("customer_id", "model") if name.startswith("record_") else table).execute()


def _unequal(fairness: Mapping[str, pd.DataFrame], champions: pd.DataFrame, most: float | None) -> dict[str, list[str]]:
    """Return what the setting ``fairness_max_gap`` has against the champions."""
    if most is None or champions.empty:
        return {}
    reigning = champions.set_index("task")["champion"]
    found = {task: beyond(rows, reigning.get(task), most) for task, rows in fairness.items()}
    return {task: lines for task, lines in found.items() if lines}


def _in_major_units(points: pd.DataFrame, known: Iterable[Feature], money_unit: float) -> pd.DataFrame:
    """Return partial dependence with the values of money features in major units."""
    if points.empty:
        return points
    money = {f.name for f in known if f.unit == "money units"}
    return points.assign(at=points["at"].where(~points["feature"].isin(money), points["at"] * money_unit))


def _texts(
    tables: Mapping[str, ibis.Table | None], scores: pd.DataFrame, period: str, calendar: Calendar
) -> Texts | None:
    known = {name: t for name, t in tables.items() if t is not None and name in TEXTS}
    return gather_texts(known, scores, period, calendar) if set(TEXTS) <= known.keys() else None


def _by_period(features: pd.DataFrame, as_of: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the features of the period, and those of the newest period before it (all, where there is none)."""
    if features.empty:
        return features, features
    days = features["as_of"].map(lambda day: str(day)[:10])
    earlier = days[days != as_of]
    return features[days == as_of], features[days == max(earlier)] if len(earlier) else features.iloc[:0]


def _comebacks(tables: Mapping[str, ibis.Table | None], cutoff: str, horizon: int) -> pd.DataFrame:
    """Count how many of those who had lapsed h periods ago ordered since."""
    lapsed, since = tables.get("lapsed"), tables.get("since")
    if lapsed is None or since is None:
        return pd.DataFrame()
    gone = lapsed.filter(lapsed.churned == 1).select("customer_id")
    buyers = since.filter(since.n_orders > 0).select("customer_id").distinct()
    total, back = int(gone.count().execute()), int(gone.semi_join(buyers, "customer_id").count().execute())
    return pd.DataFrame([{"cutoff": cutoff, "lapsed": total, "returned": back, "periods": horizon}] if total else [])
