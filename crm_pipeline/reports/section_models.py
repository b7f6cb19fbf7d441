"""Section 4: models against baselines, cut-off by cut-off, the champion decision, what the models were fitted on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_pipeline.modeling.ablation import alone_and_together, worth
from crm_pipeline.modeling.decision import TONES, Decision
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.reports import plots, words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.section_leaderboard import leaderboard_table
from crm_pipeline.reports.summary import model_vs_baselines
from crm_pipeline.reports.view import Cell, Column, Draw, Drawing, Table, customers

_SHOWN_METRICS = 4


def comparison_view(data: ReportData, draw: Draw) -> list[dict[str, Any]]:
    """Return section 4, per task: decision, figure per main metric, table of all cut-offs, model cards."""
    return [_comparison(data, draw, task) for task in data.tasks]


def _comparison(data: ReportData, draw: Draw, task: str) -> dict[str, Any]:
    evaluation = data.evaluation.get(task, pd.DataFrame())
    decision, champion = data.decision(task), data.champion(task)
    table = model_vs_baselines(evaluation, decision.cutoffs if decision is not None else ())
    metrics = [c.removesuffix("_mean") for c in table.columns if c.endswith("_mean")]
    lead = [m for m in (("wape", "spearman") if words.is_amount(task) else ("auc", "brier")) if m in metrics]
    figures = [_comparison_figure(data, draw, table, evaluation, metric, champion) for metric in lead]
    return {
        "task": task,
        "decision": _decision(data, task),
        "level": data.levels.get(task, ""),
        "figures": figures,
        "table": comparison_table(data, task, table, metrics, champion),
        "leaderboard": leaderboard_table(data, task),
        "leaderboard_file": data.leaderboard_files.get(task, ""),
        "cards": _cards(data, task, champion),
        "intervals": _intervals(data, task, champion),
        "sources": _sources(task, data.ablations.get(task, pd.DataFrame())),
        "baselines": bool(len(table) and (table["kind"] == "baseline").any()),
    }


def _sources(task: str, rows: pd.DataFrame) -> Table | None:
    """Return what tables, texts and audio give, each alone and together; None where there are tables alone."""
    if rows.empty:
        return None
    loss = the_task(task).loss
    own = rows[rows["metric"] == loss]
    named = {name for left_out in own["left_out"] for name in left_out.split(" and ")}
    groups = [name for name in ("tables", "texts", "audio") if name in named]
    every = own.drop_duplicates("cutoff")["with_features"]
    lines: list[list[Cell | str]] = [[Cell(" and ".join(groups), "strong"), words.number(every.mean(), 4), words.DASH]]
    for left_out in alone_and_together({name: [] for name in groups}):
        kept = [name for name in groups if name not in left_out.split(" and ")]
        these = own[own["left_out"] == left_out]
        if these.empty:
            lines.append([" and ".join(kept), words.DASH, "too little is known to learn from"])
            continue
        found = worth(these, loss)
        gap = (
            f"{words.number(found.mean, 4)} ({words.span(found.low, found.high, 4)})"
            if found.blocks > 1
            else words.number(found.mean, 4)
        )
        lines.append([" and ".join(kept), words.number(these["without_features"].mean(), 4), gap])
    measure = words.measure(loss)
    columns = [
        Column("Learned from"),
        Column(measure.label, True, f"{measure.says}; mean over the cut-offs"),
        Column(
            "More than with all",
            True,
            "mean difference over the cut-offs, in brackets its 95 % interval (Student's t over cut-offs)",
        ),
    ]
    n = own["cutoff"].nunique()
    what = f"What tables, texts and audio give, each alone and together: the task's plain estimator ({own['estimator'].iloc[0]})"
    return Table(
        f"{what}, judged at {n} cut-off{'s' if n != 1 else ''}. An interval that holds 0 shows no difference.",
        columns,
        lines,
    )


def _intervals(data: ReportData, task: str, champion: str | None) -> Table | None:
    """Return how many outcomes lay in the 80 % intervals of every model and baseline; None where no cut-off has judged any."""
    rows = data.intervals.get(task, pd.DataFrame())
    if rows.empty:
        return None
    table = rows.pivot_table(index=["model", "kind"], columns="metric", values="value").reset_index()
    spread = rows[rows["metric"] == "coverage"].groupby("model")["value"].agg(["min", "max", "count"])
    lines: list[list[Cell | str]] = []
    for row in table.sort_values(["kind", "model"], ascending=[False, True]).to_dict("records"):
        least, most, cutoffs = spread.loc[row["model"], ["min", "max", "count"]]
        mine = row["model"] == champion
        below = f"{'champion' if mine else row['kind']}, {words.plural(int(cutoffs), 'cut-off')}"
        line: list[Cell | str] = [Cell(words.model_name(row["model"]), "strong" if mine else "", below=below)]
        line.append(Cell(words.percent(row["coverage"]), below=f"{words.percent(least)} to {words.percent(most)}"))
        line += [words.percent(row.get(f"coverage_{who}")) for who in ("buyers", "non_buyers")]
        lines.append([*line, words.money(row["width"], data.currency)])
    columns = [
        Column("Model"),
        Column(
            "Inside",
            True,
            "share of the customers whose outcome lay in the interval: mean over the cut-offs, least and most",
        ),
        Column("of buyers", True, "of those who bought in the horizon"),
        Column("of the others", True, "of those who bought nothing"),
        Column("Mean width", True, "upper less lower end; narrower is better where as many lie inside"),
    ]
    return Table(
        f"{task.capitalize()}: its 80 % intervals, of every cut-off that an earlier one had calibrated. The claim rests on the mean over "
        "the cut-offs and its range. Where four in five of like customers buy nothing the interval is 0 to 0.",
        columns,
        lines,
    )


def _comparison_figure(
    data: ReportData, draw: Draw, table: pd.DataFrame, evaluation: pd.DataFrame, metric: str, champion: str | None
) -> Drawing:
    said = words.measure(metric)
    return draw(
        plots.model_comparison(evaluation, metric, champion, grain=data.grain, synthetic=data.synthetic),
        f"{said.label} of {len(table)} models and baselines, one panel per cut-off; {_best_words(table, metric)}. "
        "The table below holds the values of the newest cut-off and the means.",
        f"{said.label} ({said.says}), one panel per cut-off. Best at the newest on top. Blue: the champion; grey: other "
        "estimators; hollow: baselines. Bars: 95 % intervals over customers, within this period. Rows: customers eligible at the cut-off "
        "whose outcome is known.",
        wide=True,
    )


def _best_words(table: pd.DataFrame, metric: str) -> str:
    known = table.dropna(subset=[metric])
    if known.empty:
        return "none measured at the newest"
    said = words.measure(metric)
    best = known.loc[known[metric].idxmin() if said.better == "low" else known[metric].idxmax()]
    return f"best at the newest is {words.model_name(best['model'])} with {words.number(best[metric], said.decimals)}"


def _decision(data: ReportData, task: str) -> dict[str, Any] | None:
    found = data.decision(task)
    if found is None:
        return None
    return {
        "name": words.model_name(found.champion) if found.champion else "no model",
        "status": Cell(found.status.replace("_", " ") or "not stated", TONES.get(found.status, "bad"), chip=True),
        "meaning": found.meaning,
        "reason": found.reason,
        "no_use": found.no_use,
        "since": found.since,
        "page": data.card_pages.get(task, ""),
        "version": found.model_version,
    }


def comparison_table(
    data: ReportData, task: str, table: pd.DataFrame, metrics: list[str], champion: str | None
) -> Table | None:
    """Return models and baselines at the newest cut-off with their intervals, and their means over the blocks of the decision."""
    if table.empty:
        return None
    shown = metrics[:_SHOWN_METRICS] + [m for m in metrics[_SHOWN_METRICS:] if m == "profit"]
    columns = [Column("Model")]
    for metric in shown:
        said = words.measure(metric)
        how = f"mean {said.label} over the blocks of the decision, below its 95 % interval over them (Student's t)"
        columns += [Column(said.label, True, said.says), Column("mean", True, how)]
    best = {m: _best_row(table, m) for m in shown}
    rows = [_comparison_row(row, shown, champion, [m for m in shown if best[m] == at]) for at, row in table.iterrows()]
    judged = table["n"].max()
    on = "" if words.missing(judged) else f", on {customers(int(judged))}"
    others = [words.measure(m).label for m in metrics if m not in shown]
    decision = data.decision(task)
    over = (
        f"the {words.plural(decision.blocks, 'block')} of the decision"
        if decision and decision.blocks
        else "all cut-offs"
    )
    return Table(
        f"{task.capitalize()}: models and baselines at the newest cut-off, the end of "
        f"{words.period(table['cutoff'].iloc[0], data.grain)}{on}. Below each value its 95 % interval within this "
        f"period, beside it the mean over {over} with its interval over them, on which a claim rests. Best first, by the first "
        "measure; the best of a column is bold.",
        columns,
        rows,
        " ".join(_note(data, decision, others)),
    )


def _note(data: ReportData, decision: Decision | None, others: list[str]) -> list[str]:
    """Say which cut-offs the decision rests on, and what is recorded and not shown."""
    counted = [words.period(cutoff, data.grain) for cutoff in decision.cutoffs] if decision is not None else []
    rests = [f"The decision rests on what followed the end of {words.listing(counted)}."] if counted else []
    return rests + ([f"Also recorded: {words.listing(others)}."] if others else [])


def _comparison_row(row: pd.Series, metrics: list[str], champion: str | None, best: list[str]) -> list[Cell | str]:
    mine = row["model"] == champion
    kind = "champion" if mine else str(row["kind"])
    below = f"{kind}, {words.plural(int(row['cutoffs']), 'block')}"
    line: list[Cell | str] = [Cell(words.model_name(row["model"]), "strong" if mine else "", below=below)]
    for metric in metrics:
        low, high = row[f"{metric}_low"], row[f"{metric}_high"]
        decimals = words.measure(metric).decimals
        span = "" if words.missing(low) or words.missing(high) else words.span(low, high, decimals)
        line.append(Cell(words.number(row[metric], decimals), "strong" if metric in best else "", below=span))
        mean, reach = row[f"{metric}_mean"], row[f"{metric}_reach"]
        over = "" if words.missing(reach) else words.span_around(mean, reach, metric)
        line.append(Cell(words.number(mean, decimals), "quiet", below=over))
    return line


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
        name = _text(row, "estimator")
        numbers = [words.number(row.get(c)) for c in ("rows", "customers", "cutoffs", "events")]
        status = _text(row, "status") or "not stated"
        chip = Cell(status, "good" if status == "fitted" else "warn", chip=True)
        reason = _text(row, "reason")
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
        f"{task.capitalize()}: what the models of this period were fitted on. A row is a customer at a cut-off whose "
        "outcome is known.",
        columns,
        rows,
    )


def _text(row: Mapping[Any, Any] | pd.Series, column: str) -> str:
    value = row.get(column)
    return "" if words.missing(value) else str(value)


def _json(value: Any) -> Any:
    """Return what a JSON column holds: parsed text, or a list or mapping as it is; None for everything else."""
    if isinstance(value, str) and value:
        return json.loads(value)
    return value if isinstance(value, list | dict) else None


def _count(features: Any) -> str:
    found = _json(features)
    return words.DASH if found is None else words.number(len(found))


def _parameters(parameters: Any) -> str:
    found = _json(parameters)
    return ", ".join(f"{k} {v}" for k, v in found.items() if not isinstance(v, dict | list)) if found else ""
