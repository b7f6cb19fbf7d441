"""Section 1: published scores beside what happened and beside the baselines. Prose belongs in the template.

Editions are never mixed: what was published is the track record, what was restated is shown apart, as hindsight.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.metrics import auc, brier, plain, spearman, total_ratio, wape
from crm_pipeline.periods import Calendar
from crm_pipeline.reports import measures, plots, words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.view import Cell, Column, Draw, Table, customers

ISSUED = "issued"
SAMPLE = 200_000
BINARY_METRICS, AMOUNT_METRICS = ("auc", "brier"), ("wape", "spearman", "total_ratio", "coverage")
JUDGED = ("auc", "brier", "wape")
_MEASURE = {"auc": auc, "brier": brier, "spearman": spearman, "wape": wape, "total_ratio": total_ratio}
_TONES = {"ahead": "good", "level": "warn", "behind": "bad"}


@dataclass(frozen=True)
class Judged:
    """One cut-off of one edition: values per metric and model (`ISSUED` is the score), verdict and rival per metric."""

    cutoff: Any
    published_at: Any
    rows: int
    waiting: int
    unscored: int
    predicted: float
    outcome: float
    values: dict[str, dict[str, float]]
    verdicts: dict[str, tuple[str, str]]


def judge(record: pd.DataFrame, task: str) -> list[Judged]:
    """Judge every cut-off of one edition's rows, the newest first. ``record``: rows of ``track_record/<task>``."""
    if record.empty:
        return []
    return [_judge_one(cutoff, rows, task) for cutoff, rows in sorted(record.groupby("cutoff"), reverse=True)]


def track_view(data: ReportData, draw: Draw) -> list[dict[str, Any]]:
    """Return per task: its two editions as tables, figure and tally, or why there is none."""
    return [_task_view(data, draw, task) for task in data.tasks]


def _judge_one(cutoff: Any, rows: pd.DataFrame, task: str) -> Judged:
    outcome = pd.to_numeric(rows["outcome"], errors="coerce")
    predicted = pd.to_numeric(rows["predicted"], errors="coerce")
    both = outcome.notna() & predicted.notna()
    known = rows[both]
    known = known.iloc[:: max(1, -(-len(known) // SAMPLE))]
    metrics = AMOUNT_METRICS if words.is_amount(task) else BINARY_METRICS
    columns = {c: known[c] for c in known.columns if c.startswith(words.BASELINE)}
    values: dict[str, dict[str, float]] = {m: {} for m in metrics if m in _MEASURE}
    for model, column in {ISSUED: known["predicted"], **columns}.items():
        y, p = measures.paired(known["outcome"], column)
        for metric, own in values.items():
            own[model] = plain(_MEASURE[metric], y, p)
    if np.isfinite(inside := _inside(known)):
        values["coverage"] = {ISSUED: inside}
    values = {m: {k: v for k, v in own.items() if np.isfinite(v)} for m, own in values.items()}
    return Judged(
        cutoff=cutoff,
        published_at=rows["published_at"].min() if "published_at" in rows.columns else None,
        rows=int(both.sum()),
        waiting=int((outcome.isna() & predicted.notna()).sum()),
        unscored=int(predicted.isna().sum()),
        predicted=float(predicted[both].mean()) if both.any() else float("nan"),
        outcome=float(outcome[both].mean()) if both.any() else float("nan"),
        values=values,
        verdicts={m: _verdict(known, m, values[m]) for m in values if m in JUDGED},
    )


def _inside(rows: pd.DataFrame) -> float:
    """Return the share of the outcomes that lie in the interval published with the score; nan where none was."""
    if not {"low", "high"} <= set(rows.columns):
        return float("nan")
    own = rows[rows["low"].notna() & rows["high"].notna()]
    return float(own["outcome"].between(own["low"], own["high"]).mean()) if len(own) else float("nan")


def _verdict(rows: pd.DataFrame, metric: str, values: dict[str, float]) -> tuple[str, str]:
    """Return (ahead | level | behind | "", best baseline); level: within two standard errors of the paired difference."""
    baselines = {m: v for m, v in values.items() if m != ISSUED}
    if ISSUED not in values or not baselines:
        return "", ""
    best = max(baselines, key=baselines.__getitem__) if metric == "auc" else min(baselines, key=baselines.__getitem__)
    y, mine, theirs = measures.paired(rows["outcome"], rows["predicted"], rows[best])
    if metric == "auc":
        gain, error = measures.auc_difference(y, mine, theirs)
    else:
        power = 2 if metric == "brier" else 1
        gain, error = measures.mean_difference(np.abs(theirs - y) ** power, np.abs(mine - y) ** power)
    if not np.isfinite(gain) or not np.isfinite(error):
        return "", best
    return ("ahead" if gain > 2 * error else "behind" if gain < -2 * error else "level"), best


def _task_view(data: ReportData, draw: Draw, task: str) -> dict[str, Any]:
    record = data.track_record.get(task, pd.DataFrame())
    editions = []
    for edition in ("published", "restated"):
        rows = record[record["edition"] == edition] if "edition" in record.columns else record.iloc[:0]
        judged = judge(rows, task)
        if judged:
            editions.append(_edition_view(data, draw, task, edition, judged))
    why = "" if any(e["name"] == "published" for e in editions) else _why_empty(data, task)
    return {"task": task, "editions": editions, "why_empty": why}


def _why_empty(data: ReportData, task: str) -> str:
    note = data.track_record_note.get(task, "")
    if note:
        return note
    calendar = Calendar(data.grain)
    first = calendar.label(calendar.shift(data.period, data.horizon))
    return (
        f"No published {task} score has met its outcome yet. A score needs {data.horizon} more {data.grain}s to come "
        f"true: those of {calendar.label(data.period)} can be judged at the end of {first}."
    )


def _edition_view(data: ReportData, draw: Draw, task: str, edition: str, judged: list[Judged]) -> dict[str, Any]:
    matured = [j for j in judged if j.rows]
    metrics = AMOUNT_METRICS if words.is_amount(task) else BINARY_METRICS
    lead = metrics[0]
    long = pd.DataFrame(
        [(j.cutoff, model, value) for j in matured for model, value in j.values[lead].items()],
        columns=["cutoff", "model", "value"],
    )
    figure = None
    if len({*long["cutoff"]}) > 1:
        said = words.measure(lead)
        figure = draw(
            plots.track_record_lines(long, lead, grain=data.grain, synthetic=data.synthetic),
            f"{said.label} of the {edition} {task} scores and of the baselines at {len(matured)} cut-offs; "
            f"{_range(long, lead)}. The table after it holds every value.",
            f"{said.label} ({said.says}) of the {task} scores as {edition}, beside the baselines, period by period. "
            "Rows: customers with a score and a known outcome.",
            wide=True,
        )
    return {
        "name": edition,
        "tally": [_tally(matured, m) for m in metrics if m in JUDGED and any(j.verdicts[m][0] for j in matured)],
        "figure": figure,
        "table": _table(data, task, edition, judged),
        "late": sum(_late(data, j) for j in matured) if edition == "published" else 0,
        "matured": len(matured),
        "sampled": any(j.rows > SAMPLE for j in matured),
    }


def _range(long: pd.DataFrame, metric: str) -> str:
    own = long.loc[long["model"] == ISSUED, "value"]
    if own.empty:
        return "the score itself cannot be measured"
    decimals = words.measure(metric).decimals
    return f"the score from {words.number(own.min(), decimals)} to {words.number(own.max(), decimals)}"


def _tally(matured: list[Judged], metric: str) -> dict[str, Any]:
    found = [j.verdicts[metric][0] for j in matured]
    counts = {name: found.count(name) for name in _TONES}
    return {"label": words.measure(metric).label, "of": len([f for f in found if f]), **counts}


def _late(data: ReportData, judged: Judged) -> bool:
    """Whether the score was issued only after the outcome it speaks of."""
    if words.missing(judged.published_at):
        return False
    calendar = Calendar(data.grain, data.timezone)
    known: datetime = calendar.as_of(calendar.shift(str(pd.Timestamp(judged.cutoff).date()), data.horizon))
    return pd.Timestamp(judged.published_at).tz_localize(None) > pd.Timestamp(known)


def _table(data: ReportData, task: str, edition: str, judged: list[Judged]) -> Table:
    metrics = AMOUNT_METRICS if words.is_amount(task) else BINARY_METRICS
    models = list(dict.fromkeys(m for j in judged for own in j.values.values() for m in own if m != ISSUED))
    columns = [
        Column("Scored at the end of"),
        Column("Customers", True),
        Column("Said → happened", True, "mean of the scores, and of the outcomes"),
        Column("Measure"),
        Column("Score", True),
        Column("Against the best baseline"),
        *(Column(words.model_name(m), True) for m in models),
    ]
    rows: list[list[Cell | str]] = []
    for one in judged:
        rows += _lines(one, metrics, models, _first_cells(data, task, one), _issued(data, one, edition))
    what = "mean spend" if words.is_amount(task) else "share lapsed"
    return Table(
        f"{task.capitalize()} scores as {edition}: every cut-off, won or lost. Rows: customers with a score and a known "
        f"outcome (said → happened: {what}). The best value of each line is bold.",
        columns,
        rows,
    )


def _first_cells(data: ReportData, task: str, one: Judged) -> list[Cell | str]:
    write = words.number if words.is_amount(task) else functools.partial(words.percent, decimals=1)
    told = f"{write(one.predicted)} → {write(one.outcome)}"
    return [Cell(words.period(one.cutoff, data.grain), "fixed"), words.number(one.rows), told]


def _issued(data: ReportData, one: Judged, edition: str) -> Cell:
    late = ", late" if edition == "published" and _late(data, one) else ""
    text = (
        "" if words.missing(one.published_at) else f"{edition} {words.local_day(one.published_at, data.timezone)}{late}"
    )
    return Cell(text, "sub")


def _lines(
    one: Judged, metrics: tuple[str, ...], models: list[str], first: list[Cell | str], issued: Cell
) -> list[list[Cell | str]]:
    """Return a line per measure; what holds for all of them stands in the first, the day of issue in the second."""
    if not one.rows:
        waiting = f"{customers(one.waiting)} scored, outcome not yet known"
        why = waiting if one.waiting else f"{customers(one.unscored)} not scored"
        return [[*first, Cell(why, "quiet"), *[""] * (len(models) + 2)]]
    lines: list[list[Cell | str]] = []
    for at, metric in enumerate(m for m in metrics if m in one.values):
        said, own = words.measure(metric), one.values[metric]
        best = _best(own, said.better)
        score, *rest = (
            Cell(words.number(own.get(m), said.decimals), "strong" if m == best else "") for m in (ISSUED, *models)
        )
        state, _ = one.verdicts.get(metric, ("", ""))
        verdict = Cell(state, _TONES[state], chip=True) if state else ""
        lead = first if not at else [issued if at == 1 else Cell("", "sub"), *[""] * (len(first) - 1)]
        lines.append([*lead, said.label, score, verdict, *rest])
    return lines


def _best(values: dict[str, float], better: str) -> str | None:
    if not values or not better:
        return None
    keys = {
        "high": lambda m: -values[m],
        "low": lambda m: values[m],
        "one": lambda m: abs(np.log(max(values[m], 1e-9))),
    }
    return min(values, key=keys[better])
