"""Sections 4, 5 and 8: models against baselines, the curves of the newest cut-off, demand predicted and actual."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from crm_pipeline.reports import measures, plots, words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.summary import model_vs_baselines
from crm_pipeline.reports.view import Cell, Column, Draw, Table, customers, texts

_STATUS = {
    "promoted": "Promoted: it won over the cut-offs and takes over.",
    "kept": "Kept: nothing beat the champion in use.",
    "fixed": "Fixed by rule: there are too few independent blocks of time to choose among models, so nothing was chosen.",
    "unjudged": "Unjudged: no outcome has matured yet, so this model was never tested.",
    "abstained": "Abstained: no model is good enough to be used; nobody is scored by it.",
}
_STATUS_TONES = {"promoted": "good", "kept": "good", "fixed": "warn", "unjudged": "warn", "abstained": "bad"}
_SHOWN_METRICS = 4


def comparison_view(data: ReportData, draw: Draw) -> list[dict[str, Any]]:
    """Return section 4, per task: decision, figure per main metric, table of all cut-offs, model cards."""
    return [_comparison(data, draw, task) for task in data.tasks]


def _comparison(data: ReportData, draw: Draw, task: str) -> dict[str, Any]:
    evaluation = data.evaluation.get(task, pd.DataFrame())
    table = model_vs_baselines(evaluation)
    champion = data.champion(task)
    metrics = [c.removesuffix("_mean") for c in table.columns if c.endswith("_mean")]
    lead = [m for m in (("wape", "spearman") if words.is_amount(task) else ("auc", "brier")) if m in metrics]
    figures = []
    for metric in lead:
        said = words.measure(metric)
        figures.append(
            draw(
                plots.model_comparison(evaluation, metric, champion, synthetic=data.synthetic),
                f"{said.label} of {len(table)} models and baselines, one panel per cut-off; {_best_words(table, metric)}. All values are in the table below.",
                f"{said.label} ({said.says}), one panel per cut-off. Blue: the champion; grey: other estimators; hollow: baselines. Bars: 95 % "
                f"intervals over customers, within this period. Rows: customers eligible at the cut-off whose outcome is known.",
                wide=True,
            )
        )
    return {
        "task": task,
        "decision": _decision(data, task),
        "figures": figures,
        "table": _comparison_table(data, task, table, metrics, champion),
        "cards": _cards(data, task, champion),
        "baselines": bool(len(table) and (table["kind"] == "baseline").any()),
    }


def _best_words(table: pd.DataFrame, metric: str) -> str:
    known = table.dropna(subset=[metric])
    if known.empty:
        return "none measured at the newest"
    said = words.measure(metric)
    at = known[metric].idxmin() if said.better == "low" else known[metric].idxmax()
    return f"best at the newest is {words.model_name(known.loc[at, 'model'])} with {words.number(known.loc[at, metric], said.decimals)}"


def _decision(data: ReportData, task: str) -> dict[str, Any] | None:
    frame = data.champions
    if "task" not in frame.columns or not (frame["task"] == task).any():
        return None
    row = frame[frame["task"] == task].iloc[0]
    status = "" if words.missing(row.get("status")) else str(row["status"])
    champion = data.champion(task)
    blocks = row.get("blocks")
    return {
        "name": words.model_name(champion) if champion else "no model",
        "status": Cell(status or "not stated", _STATUS_TONES.get(status, "quiet"), chip=True),
        "meaning": _STATUS.get(status, ""),
        "reason": "" if words.missing(row.get("reason")) else str(row["reason"]),
        "blocks": "" if words.missing(blocks) else words.plural(int(blocks), "independent block") + " of time",
        "version": "" if words.missing(row.get("model_version")) else str(row["model_version"]),
    }


def _comparison_table(
    data: ReportData, task: str, table: pd.DataFrame, metrics: list[str], champion: str | None
) -> Table | None:
    if table.empty:
        return None
    shown = metrics[:_SHOWN_METRICS]
    columns = [Column("Model"), Column("Kind"), Column("Cut-offs", True)]
    for metric in shown:
        said = words.measure(metric)
        columns += [Column(said.label, True, said.says), Column("mean", True, f"mean {said.label} over the cut-offs")]
    best = {m: _best_row(table, m) for m in shown}
    rows: list[list[Cell | str]] = []
    for at, row in table.iterrows():
        name = Cell(
            words.model_name(row["model"]) + (" (champion)" if row["model"] == champion else ""),
            "strong" if row["model"] == champion else "",
        )
        line: list[Cell | str] = [name, str(row["kind"]), words.number(row["cutoffs"])]
        for metric in shown:
            decimals = words.measure(metric).decimals
            text = words.interval(row[metric], row[f"{metric}_low"], row[f"{metric}_high"], decimals)
            line += [
                Cell(text, "strong" if at == best[metric] else ""),
                Cell(words.number(row[f"{metric}_mean"], decimals), "quiet"),
            ]
        rows.append(line)
    rows_judged = table["n"].max()
    return Table(
        f"{task.capitalize()}: models and baselines at the newest cut-off, {words.period(table['cutoff'].iloc[0], data.grain)}"
        f"{'' if words.missing(rows_judged) else f', on {customers(int(rows_judged))}'}, with 95 % intervals within this period; beside each the mean "
        f"over all cut-offs judged. Best first; the best of a column is bold.",
        columns,
        rows,
        ""
        if len(metrics) <= _SHOWN_METRICS
        else "Also recorded: " + words.listing([words.measure(m).label for m in metrics[_SHOWN_METRICS:]]) + ".",
    )


def _best_row(table: pd.DataFrame, metric: str) -> Any:
    better, values = words.measure(metric).better, table[metric].dropna()
    if values.empty or not better:
        return None
    return {"high": values.idxmax, "low": values.idxmin, "one": (values - 1).abs().idxmin}[better]()


def _cards(data: ReportData, task: str, champion: str | None) -> Table | None:
    frame = data.cards
    if "task" not in frame.columns or not (frame["task"] == task).any():
        return None
    own = frame[frame["task"] == task]
    rows: list[list[Cell | str]] = []
    for row in own.to_dict("records"):
        name = str(row.get("estimator", ""))
        numbers = [words.number(row.get(c)) for c in ("rows", "customers", "cutoffs", "events")]
        status = str(row.get("status", ""))
        chip = Cell(status, "good" if status == "fitted" else "warn", chip=True)
        reason = "" if words.missing(row.get("reason")) else str(row["reason"])
        rows.append(
            [
                Cell(words.model_name(name), "strong" if name == champion else ""),
                chip,
                *numbers,
                _count(row.get("features")),
                reason or _parameters(row.get("parameters")),
            ]
        )
    columns = [
        Column("Estimator"),
        Column("Status"),
        Column("Rows", True),
        Column("Customers", True),
        Column("Cut-offs", True),
    ]
    columns += [
        Column("Events", True, "rows in which the outcome happened"),
        Column("Features", True),
        Column("Settings, or why not fitted"),
    ]
    return Table(
        f"{task.capitalize()}: what the models of this period were fitted on. Rows: customer × cut-off with a known outcome.",
        columns,
        rows,
    )


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value else value


def _count(features: Any) -> str:
    found = None if isinstance(features, float) else _json(features)
    return words.number(len(found)) if found is not None and found is not pd.NA else words.DASH


def _parameters(parameters: Any) -> str:
    found = None if isinstance(parameters, float) else _json(parameters)
    return (
        ", ".join(f"{k} {v}" for k, v in found.items() if not isinstance(v, dict | list))
        if isinstance(found, dict)
        else ""
    )


def curves_view(data: ReportData, draw: Draw) -> list[dict[str, Any]]:
    """Return section 5: ROC, precision-recall, lift and gain, calibration of every binary task."""
    return [_curves(data, draw, task) for task in data.tasks if not words.is_amount(task)]


def _curves(data: ReportData, draw: Draw, task: str) -> dict[str, Any]:
    rows = plots.newest(data.predictions.get(task, pd.DataFrame()))
    known = rows[rows["outcome"].notna()] if "outcome" in rows.columns else rows.iloc[:0]
    if known.empty:
        return {"task": task, "figures": [], "rows": ""}
    champion, synthetic = data.champion(task), data.synthetic
    rate = float(pd.to_numeric(known["outcome"]).mean())
    about = f"{customers(len(known))} eligible at the end of {words.period(known['cutoff'].iloc[0], data.grain)}, of whom {words.percent(rate, 1)} lapsed"
    models = plots.models_of(known, champion)
    lead = models[0] if models else ""
    y, p = measures.paired(known["outcome"], known[lead]) if lead else (known["outcome"].to_numpy()[:0],) * 2
    share, gain = measures.gain_points(y, p)
    found = words.percent(float(pd.Series(gain)[pd.Series(share) <= 0.2].max())) if len(share) else words.DASH
    name = words.model_name(lead) if lead else "no model"
    figures = [
        draw(
            plots.roc(known, champion, synthetic=synthetic),
            f"ROC curves; {name} has AUC {words.number(measures.auc(y, p) if len(y) else None, 3)}.",
            "How well the ranking separates those who lapsed from those who stayed: the further to the upper left, the better.",
        ),
        draw(
            plots.precision_recall(known, champion, synthetic=synthetic),
            f"Precision-recall curves; {name} has average precision {words.number(measures.pr_points(y, p)[2] if len(y) else None, 3)}, base rate {words.percent(rate, 1)}.",
            "When so many are named that a given share of the lapsed is found (recall), how many of those named really lapse (precision).",
        ),
        draw(
            plots.lift_gain(known, champion, synthetic=synthetic),
            f"Cumulative gain and lift; calling the riskiest fifth by {name} reaches {found} of those who lapsed.",
            "Left: calling the riskiest first, the share of the lapsed that is reached. Right: how many times more of them than by calling at random.",
            wide=True,
        ),
        draw(
            plots.calibration(known, champion, synthetic=synthetic),
            f"Calibration in ten groups; {name} predicts {words.percent(p.mean() if len(p) else None, 1)} on average, {words.percent(rate, 1)} happened. {_outside(y, p)}",
            "Predicted probability against what happened, in ten groups of equal size. Inside the band the difference is no more than chance. "
            + _outside(y, p),
        ),
    ]
    return {"task": task, "figures": figures, "rows": about, "champion": name}


def _outside(y: Any, p: Any) -> str:
    bins = measures.calibration_bins(y, p)
    out = int(((bins["actual"] < bins["low"]) | (bins["actual"] > bins["high"])).sum()) if len(bins) else 0
    return f"{out} of {len(bins)} groups lie outside the band." if len(bins) else ""


def demand_view(data: ReportData, draw: Draw) -> list[dict[str, Any]]:
    """Return section 8: every amount task by decile, and the totals of all its models."""
    return [_demand(data, draw, task) for task in data.tasks if words.is_amount(task)]


def _demand(data: ReportData, draw: Draw, task: str) -> dict[str, Any]:
    rows = plots.newest(data.predictions.get(task, pd.DataFrame()))
    known = rows[rows["outcome"].notna()] if "outcome" in rows.columns else rows.iloc[:0]
    models = plots.models_of(known, data.champion(task))
    if known.empty or not models:
        return {"task": task, "figure": None, "table": None}
    y, p = measures.paired(known["outcome"], known[models[0]])
    about = f"{customers(len(known))} eligible at the end of {words.period(known['cutoff'].iloc[0], data.grain)}"
    deciles = measures.amount_deciles(y, p)
    top = (
        float(deciles["actual"].iloc[-1] * deciles["n"].iloc[-1] / y.sum())
        if len(deciles) and y.sum() > 0
        else float("nan")
    )
    figure = draw(
        plots.demand_deciles(known, data.champion(task), currency=data.currency, synthetic=data.synthetic),
        f"Mean predicted and actual spend in ten groups by {words.model_name(models[0])}; the top group holds {words.percent(top)} of all that was spent.",
        f"Mean spend per customer in the {data.horizon} {data.grain}s after the cut-off, predicted and actual, in ten groups of equal size by the prediction. "
        f"The top tenth brought {words.percent(top)} of all spend. Rows: {about}.",
        wide=True,
    )
    lines: list[list[Cell | str]] = []
    for model in models:
        y, p = measures.paired(known["outcome"], known[model])
        ratio = measures.total_ratio(y, p)
        tone = (
            ""
            if words.missing(ratio)
            else "good"
            if abs(ratio - 1) <= 0.10
            else "warn"
            if abs(ratio - 1) <= 0.25
            else "bad"
        )
        name = Cell(
            words.model_name(model) + (" (champion)" if model == data.champion(task) else ""),
            "strong" if model == data.champion(task) else "",
        )
        off = words.DASH if words.missing(ratio) else ("+" if ratio > 1 else "") + words.percent(ratio - 1)
        lines.append(
            [
                name,
                words.money(p.sum(), data.currency),
                words.money(y.sum(), data.currency),
                Cell(off, tone, chip=bool(tone)),
            ]
        )
    columns = [Column("Model"), Column("Predicted total", True), Column("Actual total", True), Column("Off by", True)]
    caption = f"{task.capitalize()}: totals at the newest cut-off. Rows: {about}, with a prediction by that model."
    return {"task": task, "figure": figure, "table": Table(caption, columns, lines)}
