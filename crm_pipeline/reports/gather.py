"""Gathers what the page of a period says from the tables of the lake. What it shows and how lies in the sections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.modeling.fairness import beyond
from crm_pipeline.modeling.level import level_from_json
from crm_pipeline.modeling.tasks import chosen as chosen_tasks
from crm_pipeline.periods import Calendar
from crm_pipeline.reports import reading
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

LAZY = ("lapsed", "since", "scores", "features", *TEXTS, *CALLS)
"""Inputs that are counted where they lie, or of which a part is read."""

BY_CUSTOMER = ("predictions_", "scored_")
"""Begin the names of inputs of a task with a row per customer."""


def gather(
    tables: Mapping[str, ibis.Table | None],
    source: SourceState,
    settings: Settings,
    period: str,
    shape: Shape | None = None,
    overlay: Callable[[pd.DataFrame], pd.DataFrame] = lambda scores: scores,
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
    overlay : callable
        Puts over the scores what is known of customers since: consent.
    """
    calendar = Calendar(settings.grain, source.timezone)
    tasks = [task for task in chosen_tasks(settings) if f"champion_{task}" in tables]  # nothing is paid in some sources
    frames = {
        name: pd.DataFrame() if table is None else _read(name, table)
        for name, table in tables.items()
        if name not in LAZY and not name.startswith(BY_CUSTOMER)
    }
    scores = _scores(tables.get("scores"), overlay)
    judged = {t: _predictions(tables.get(f"predictions_{t}")) for t in tasks}
    heard, queue = (tables.get(name) for name in CALLS)
    now, earlier, newest = _features(tables.get("features"), str(calendar.end_date(period)))
    known, unit = catalogue(source.inputs, shape or settings), float(settings.money_unit)
    champions = pd.concat([frames[f"champion_{t}"] for t in tasks], ignore_index=True)
    fairness = {t: frames[f"fairness_{t}"] for t in tasks if f"fairness_{t}" in frames}
    return ReportData(
        source=source.name,
        period=period,
        as_of=calendar.end_date(period),
        horizon_end=calendar.end_date(calendar.shift(period, settings.horizon)),
        currency=source.currency,
        scores=scores,
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
        predictions={t: rows for t, (rows, _) in judged.items()},
        judged={t: customers for t, (_, customers) in judged.items()},
        leaderboards={t: frames[f"leaders_{t}"] for t in tasks},
        levels={
            t: level_from_json(frames[f"level_{t}"]["level"].iloc[0]).sentence for t in tasks if f"level_{t}" in frames
        },
        champions=champions,
        cards=pd.concat([f for name, f in frames.items() if name.startswith("card_")], ignore_index=True),
        features=_amounts(now[0], known, unit),
        previous_features=_amounts(earlier[0], known, unit),
        eligible=(earlier[1], now[1]),
        previous_period=calendar.shift(calendar.key(date.fromisoformat(newest)), -1) if newest else None,
        descriptions={f.name: f.description for f in known},
        reasons={t: theme_shares(_factors(tables.get(f"scored_{t}"))) for t in tasks},
        refits={t: frames[f"refits_{t}"] for t in tasks if f"refits_{t}" in frames},
        dependence={t: _in_major_units(frames[f"partial_{t}"], known, unit) for t in tasks if f"partial_{t}" in frames},
        calls=gather_calls(heard, queue, period, calendar) if heard is not None and queue is not None else None,
        texts=_texts(tables, scores, period, calendar),
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
    return points.assign(at=points["at"].where(~points["feature"].isin(_money(known)), points["at"] * money_unit))


def _amounts(features: pd.DataFrame, known: Iterable[Feature], money_unit: float) -> pd.DataFrame:
    """Return features with those that are money in major units."""
    return features.assign(**{name: features[name] * money_unit for name in _money(known) if name in features})


def _money(known: Iterable[Feature]) -> list[str]:
    return [feature.name for feature in known if feature.unit == "money units"]


def _texts(
    tables: Mapping[str, ibis.Table | None], scores: pd.DataFrame, period: str, calendar: Calendar
) -> Texts | None:
    known = {name: t for name, t in tables.items() if t is not None and name in TEXTS}
    return gather_texts(known, scores, period, calendar) if set(TEXTS) <= known.keys() else None


def _scores(table: ibis.Table | None, overlay: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """Return what is counted of all customers, and the reasons of those who are listed."""
    return pd.DataFrame() if table is None else reading.with_reasons(table, overlay(reading.scored(table)))


def _predictions(table: ibis.Table | None) -> tuple[pd.DataFrame, int]:
    return (pd.DataFrame(), 0) if table is None else reading.predictions_of(table)


def _factors(table: ibis.Table | None) -> pd.DataFrame:
    return pd.DataFrame() if table is None else reading.factors_of(table)


def _features(
    table: ibis.Table | None, as_of: str
) -> tuple[tuple[pd.DataFrame, int], tuple[pd.DataFrame, int], str | None]:
    """Return features, and of how many customers, of the period and of the newest before it (the last, where it has none), and its day."""
    nothing = pd.DataFrame(), 0
    if table is None:
        return nothing, nothing, None
    newest = max((day for day in reading.days_of(table) if day != as_of), default=None)
    earlier = nothing if newest is None else reading.features_of(table, newest)
    return reading.features_of(table, as_of), earlier, newest


def _comebacks(tables: Mapping[str, ibis.Table | None], cutoff: str, horizon: int) -> pd.DataFrame:
    """Count how many of those who had lapsed h periods ago ordered since."""
    lapsed, since = tables.get("lapsed"), tables.get("since")
    if lapsed is None or since is None:
        return pd.DataFrame()
    gone = lapsed.filter(lapsed.churned == 1).select("customer_id")
    buyers = since.filter(since.n_orders > 0).select("customer_id").distinct()
    total, back = int(gone.count().execute()), int(gone.semi_join(buyers, "customer_id").count().execute())
    return pd.DataFrame([{"cutoff": cutoff, "lapsed": total, "returned": back, "periods": horizon}] if total else [])
