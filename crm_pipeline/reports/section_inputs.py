"""Sections 6 and 7: the reasons behind all scores, and how the inputs drifted."""

from __future__ import annotations

from typing import Any

import pandas as pd

from crm_pipeline.reports import drift, plots, words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.section_explanations import depends, survives
from crm_pipeline.reports.summary import SHARED
from crm_pipeline.reports.view import Cell, Column, Draw, Table, customers

_MOST = 15
_NAMED = 5
_SCORES = {"churn": "churn_probability", "demand": "expected_spend"}
_STATE_TONES = {"steady": "good", "watch": "warn", "shifted": "bad"}


def reasons_view(data: ReportData, draw: Draw) -> list[dict[str, Any]]:
    """Return section 6, per task with reasons: a figure and a table of themes."""
    return [_reasons(data, draw, task) for task in data.tasks]


def _reasons(data: ReportData, draw: Draw, task: str) -> dict[str, Any]:
    themes = data.reasons.get(task, pd.DataFrame())
    if themes.empty:
        return {"task": task, "figure": None, "table": None, "survives": "", "dependence": None, "features": None}
    filled = themes.reindex(columns=["theme", "share", "raises", "lowers", "strongest", "customers"]).fillna(
        {"raises": 0.0, "lowers": 0.0}
    )
    read = filled["customers"].max()
    sample = "" if words.missing(read) or read < SHARED else ", a fixed sample"
    about = "scored customers" if words.missing(read) else f"{customers(int(read))} scored in this period{sample}"
    first = filled.iloc[0]
    figure = draw(
        plots.reasons_bars(filled, synthetic=data.synthetic),
        f"Themes of the {task} scores; the largest is {first['theme']} with {words.percent(first['share'])}.",
        f"What moved the {task} scores: the share of each theme in the sum of all attributions, split by whether it "
        f"raised or lowered the score. Rows: {about}.",
    )
    rows: list[list[Cell | str]] = [
        [str(r["theme"]), words.percent(r["share"]), words.percent(r["strongest"])] for r in filled.to_dict("records")
    ]
    columns = [
        Column("Theme"),
        Column("Share of attributions", True),
        Column("Strongest theme for", True, "share of customers"),
    ]
    dependence, features = depends(data, draw, task)
    return {
        "task": task,
        "figure": figure,
        "survives": survives(data, task),
        "dependence": dependence,
        "features": features,
        "table": Table(f"{task.capitalize()}: themes behind the scores. Rows: {about}.", columns, rows),
    }


def drift_view(data: ReportData, draw: Draw) -> dict[str, Any]:
    """Return section 7: the features that moved most since the last features there are."""
    compared = drift.feature_drift(data.previous_features, data.features)
    found, new = compared[compared["state"] != drift.NEW], compared.loc[compared["state"] == drift.NEW, "feature"]
    before = words.period(data.previous_period, data.grain) if data.previous_period else "the period before"
    now = words.period(data.period, data.grain)
    if found.empty:
        return {
            "figure": None,
            "table": None,
            "before": before,
            "now": now,
            "counts": {},
            "together": "",
            "new": _new(new, before),
            "scores": None,
        }
    counts = {state: int((found["state"] == state).sum()) for state in _STATE_TONES}
    read = len(data.previous_features), len(data.features)
    before_now = [max(pair) for pair in zip(read, data.eligible, strict=True)]
    shown, first = min(_MOST, len(found)), found.iloc[0]
    earlier, later = (customers(n) for n in before_now)
    about = f"{earlier} eligible at the end of {before}, {later} at the end of {now}"
    figure = draw(
        plots.drift_bars(found, _MOST, synthetic=data.synthetic),
        f"Population stability index of {shown} features; the largest is {first['feature']} with "
        f"{words.number(first['psi'], 3)}.",
        f"Population stability index of the {shown} features that moved most. Rows: {about}"
        f"{f' (a fixed sample of at most {drift.SAMPLE:,} of each)' if max(before_now) > drift.SAMPLE else ''}.",
    )
    rows: list[list[Cell | str]] = [_row(data, r) for r in found.head(_MOST).to_dict("records")]
    columns = [
        Column("Feature"),
        Column("PSI", True),
        Column("by chance", True, "19 in 20 unchanged samples stay under this"),
        Column("State"),
    ]
    columns += [
        Column("Median", True, f"{before} → {now}"),
        Column("Unknown", True, f"share of nulls, {before} → {now}"),
    ]
    note = f"{len(found) - _MOST} more features moved less." if len(found) > _MOST else ""
    table = Table(f"Features that moved most from {before} to {now}. Rows: {about}.", columns, rows, note)
    return {
        "figure": figure,
        "table": table,
        "before": before,
        "now": now,
        "counts": counts,
        "together": _together(data, before, now),
        "new": _new(new, before),
        "scores": _scores(data, now),
    }


def _new(features: pd.Series, before: str) -> str:
    """Say which features are known only now; empty where none are."""
    if features.empty:
        return ""
    more, one = len(features) - _NAMED, len(features) == 1
    names = words.listing([*features.sort_values().head(_NAMED), *([f"{more} more"] if more > 0 else [])])
    return (
        f"Not compared: {words.plural(len(features), 'feature')} that {'was' if one else 'were'} unknown of everybody at the end of "
        f"{before}, where the data did not reach as far back as {'it looks' if one else 'they look'} ({names}). "
        "That is no drift of customers."
    )


def _together(data: ReportData, before: str, now: str) -> str:
    """Say whether all features together tell the customers of two periods apart."""
    found, chance = drift.two_sample(data.previous_features, data.features)
    if words.missing(found):
        return ""
    told = "more than by chance" if found > chance else "no more than by chance"
    return (
        f"All features together tell a customer of {now} from one of {before} {told}: AUC {words.number(found, 3)} of a "
        f"cross-validated classifier; 0.5 is a coin, and two samples of the same customers stay under {words.number(chance, 3)} "
        "19 times in 20. Features that move by themselves (age in the data, purchase process), or were not known yet, are left out."
    )


def _scores(data: ReportData, now: str) -> Table | None:
    """Return how the scores moved since the newest published ones whose outcome is known; None where there are none."""
    rows: list[list[Cell | str]] = []
    for task in data.tasks:
        record, column = data.track_record.get(task, pd.DataFrame()), _SCORES.get(task, "")
        if record.empty or column not in data.scores:
            continue
        published = record[(record["edition"] == "published") & record["predicted"].notna()]
        current = data.scores[column].dropna().to_numpy(float)
        if published.empty or not len(current):
            continue
        earlier = published.loc[published["cutoff"] == published["cutoff"].max(), "predicted"].to_numpy(float)
        value, bins = drift.psi(earlier, current)
        chance = drift.by_chance(bins, len(earlier), len(current))
        state = drift.state(value, chance)
        when = words.period(published["cutoff"].max(), data.grain)
        means = f"{words.number(earlier.mean(), 3)} → {words.number(current.mean(), 3)}"
        rows.append([task.capitalize(), when, words.number(value, 3), Cell(words.number(chance, 3), "quiet"),
                     Cell(state, _STATE_TONES[state], chip=True), means])  # fmt: skip
    columns = [Column("Scores"), Column("Published for"), Column("PSI", True), Column("by chance", True), Column("State"),
               Column("Mean", True, f"then → {now}")]  # fmt: skip
    caption = f"Scores of {now} beside the newest published ones whose outcome is known; restated ones do not count."
    return Table(caption, columns, rows) if rows else None


def _row(data: ReportData, row: dict[str, Any]) -> list[Cell | str]:
    says = data.descriptions.get(row["feature"], "")
    median = f"{_short(row['median_before'])} → {_short(row['median_now'])}"
    nulls = f"{words.percent(row['null_before'])} → {words.percent(row['null_now'])}"
    name = f"{row['feature']}: {says}" if says else str(row["feature"])
    state = Cell(row["state"], _STATE_TONES[row["state"]], chip=True)
    return [name, words.number(row["psi"], 3), Cell(words.number(row["by_chance"], 3), "quiet"), state, median, nulls]


def _short(value: float) -> str:
    return words.number(
        value, 0 if not words.missing(value) and (abs(value) >= 100 or float(value).is_integer()) else 2
    )
