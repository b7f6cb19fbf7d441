"""Sections 5 and 8: the newest cut-off in detail, as curves for yes-or-no tasks and as deciles and totals for amounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling import metrics
from crm_pipeline.reports import measures, plots, words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.view import Cell, Column, Draw, Drawing, Table, customers


@dataclass(frozen=True)
class Judged:
    """Predictions of the newest cut-off with a known outcome, and the pairs of the model brought forward."""

    task: str
    rows: pd.DataFrame
    champion: str | None
    models: list[str]
    y: np.ndarray
    p: np.ndarray

    @property
    def name(self) -> str:
        """Name of the model brought forward."""
        return words.model_name(self.models[0])


def _judged(data: ReportData, task: str) -> Judged | None:
    """Return the rows to draw, or None where no model has a prediction with a known outcome."""
    rows = plots.newest(data.predictions.get(task, pd.DataFrame()))
    if "outcome" not in rows.columns:
        return None
    rows, champion = rows[rows["outcome"].notna()], data.champion(task)
    models = plots.models_of(rows, champion)
    models = [m for m in models if rows[m].notna().any()]
    if not models:
        return None
    return Judged(task, rows, champion, models, *measures.paired(rows["outcome"], rows[models[0]]))


def curves_view(data: ReportData, draw: Draw) -> list[dict[str, Any]]:
    """Return section 5: ROC, precision-recall, lift and gain, calibration of every yes-or-no task."""
    return [_curves(data, draw, task) for task in data.tasks if not words.is_amount(task)]


def _curves(data: ReportData, draw: Draw, task: str) -> dict[str, Any]:
    judged = _judged(data, task)
    if judged is None:
        return {"task": task, "figures": [], "rows": "", "champion": ""}
    lapsed = words.percent(float(judged.rows["outcome"].astype(float).mean()), 1)
    return {
        "task": task,
        "figures": [*_ranking_figures(data, draw, judged), _calibration_figure(data, draw, judged)],
        "rows": f"{_about(data, judged)}, of whom {lapsed} lapsed",
        "champion": judged.name,
    }


def _about(data: ReportData, judged: Judged) -> str:
    cutoff = judged.rows["cutoff"].iloc[0] if "cutoff" in judged.rows.columns else None
    known, read = data.judged.get(judged.task, 0), len(judged.rows)
    who = customers(read) if read >= known else f"{read:,} of {customers(known)}"
    return f"{who} eligible at the end of {words.period(cutoff, data.grain)}"


def _ranking_figures(data: ReportData, draw: Draw, judged: Judged) -> list[Drawing]:
    rows, champion, synthetic = judged.rows, judged.champion, data.synthetic
    fifth = words.percent(measures.reached(judged.y, judged.p, 0.2))
    average = metrics.plain(metrics.average_precision, judged.y, judged.p)
    area = words.number(metrics.plain(metrics.auc, judged.y, judged.p), 3)
    return [
        draw(
            plots.roc(rows, champion, synthetic=synthetic),
            f"ROC curves; {judged.name} has AUC {area}.",
            "How well the ranking separates those who lapsed from those who stayed: the nearer to the upper left corner, "
            "the better.",
        ),
        draw(
            plots.precision_recall(rows, champion, synthetic=synthetic),
            f"Precision-recall curves; {judged.name} has average precision {words.number(average, 3)}.",
            "When so many are named that a given share of the lapsed is found (recall), how many of those named really "
            "lapse (precision).",
        ),
        draw(
            plots.lift_gain(rows, champion, synthetic=synthetic),
            f"Cumulative gain and lift; calling the riskiest fifth by {judged.name} reaches {fifth} of those who lapsed.",
            "Calling the riskiest first. Left: the share of the lapsed that is reached. Right: how many times more of "
            "them than by calling at random.",
            wide=True,
        ),
    ]


def _calibration_figure(data: ReportData, draw: Draw, judged: Judged) -> Drawing:
    bins = measures.calibration_bins(judged.y, judged.p)
    outside = int(((bins["actual"] < bins["low"]) | (bins["actual"] > bins["high"])).sum())
    found = f"{outside} of {len(bins)} groups of {judged.name} lie outside the band"
    said, happened = (words.percent(float(a.mean()), 1) if len(a) else words.DASH for a in (judged.p, judged.y))
    return draw(
        plots.calibration(judged.rows, judged.champion, synthetic=data.synthetic),
        f"Calibration in ten groups; {judged.name} says {said} on average, {happened} lapsed; {found}.",
        "Left: predicted probability against what happened, in ten groups of equal size; inside the band the difference "
        "is no more than chance. Right: how many customers got which probability, and how many of them lapsed. "
        f"On average {said} was said, {happened} happened; {found}.",
        wide=True,
    )


def demand_view(data: ReportData, draw: Draw) -> list[dict[str, Any]]:
    """Return section 8: every amount task by decile, and the totals of all its models."""
    return [_demand(data, draw, task) for task in data.tasks if words.is_amount(task)]


def _demand(data: ReportData, draw: Draw, task: str) -> dict[str, Any]:
    judged = _judged(data, task)
    if judged is None:
        return {"task": task, "figure": None, "table": None}
    deciles, total = measures.amount_deciles(judged.y, judged.p), float(judged.y.sum())
    top = words.percent(deciles["actual"].iloc[-1] * deciles["n"].iloc[-1] / total if total > 0 else None)
    figure = draw(
        plots.demand_deciles(judged.rows, judged.champion, currency=data.currency, synthetic=data.synthetic),
        f"Mean predicted and actual spend in ten groups by {judged.name}; the top group brought {top} of all spend.",
        f"Mean spend per customer in the {data.horizon} {data.grain}s after the cut-off, predicted and actual, in ten "
        f"groups of equal size by the prediction. The top tenth brought {top} of all spend. "
        f"Rows: {_about(data, judged)}.",
        wide=True,
    )
    return {"task": task, "figure": figure, "table": _totals(data, task, judged)}


def _totals(data: ReportData, task: str, judged: Judged) -> Table:
    lines: list[list[Cell | str]] = []
    for model in judged.models:
        y, p = measures.paired(judged.rows["outcome"], judged.rows[model])
        ratio = metrics.plain(metrics.total_ratio, y, p)
        gap = abs(ratio - 1)
        tone = "" if words.missing(ratio) else "good" if gap <= 0.10 else "warn" if gap <= 0.25 else "bad"
        off = words.DASH if words.missing(ratio) else ("+" if ratio > 1 else "") + words.percent(ratio - 1)
        mine = model == judged.champion
        name = Cell(words.model_name(model), "strong" if mine else "", below="champion" if mine else "")
        amounts = [words.money(total, data.currency) for total in (p.sum(), y.sum())]
        lines.append([name, *amounts, Cell(off, tone, chip=bool(tone))])
    columns = [Column("Model"), Column("Predicted total", True), Column("Actual total", True), Column("Off by", True)]
    caption = f"{task.capitalize()}: totals at the newest cut-off. Rows: {_about(data, judged)}, if that model spoke."
    return Table(caption, columns, lines)
