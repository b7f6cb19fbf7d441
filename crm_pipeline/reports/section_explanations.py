"""How far the reasons can be trusted, and what single features do in the model: sentences, figure and table for *Reasons overall*."""

from __future__ import annotations

import pandas as pd

from crm_pipeline.modeling.stability import BAR
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.reports import plots_explanations, words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.view import Cell, Column, Draw, Drawing, Table, customers


def survives(data: ReportData, task: str) -> str:
    """Say in one or two sentences whether a task's reasons survive a refit; nothing where it was not measured."""
    found = data.refits.get(task, pd.DataFrame())
    if found.empty:
        return ""
    row = found.iloc[0]
    if row["status"] != "measured":
        return f"Whether these reasons survive a refit was not measured. {row['reason']}"
    verdict = (
        "the first reason survives a refit."
        if row["first"] >= BAR
        else f"less than {words.percent(BAR)}, so the first reason is one of the strongest, and not surely the first of "
        f"them: of the two strongest themes {words.percent(row['two'])} are the same."
    )
    name, about = words.model_name(row["estimator"]), customers(int(row["customers"]))
    return (
        f"{name}, fitted again twice, each time on training customers drawn with replacement, names the same first theme for "
        f"{words.percent(row['first'])} of {about} ({words.percent(row['clear'])} of the half whose first theme leads clearly): {verdict}"
    )


def depends(data: ReportData, draw: Draw, task: str) -> tuple[Drawing | None, Table | None]:
    """Return the figure and the table of partial dependence of a task's champion; None where there is none."""
    points = data.dependence.get(task, pd.DataFrame())
    if points.empty:
        return None, None
    unit = the_task(task).unit
    name = words.model_name(str(points["estimator"].iloc[0]))
    one = points.drop_duplicates("rank").sort_values("rank")
    figure = draw(
        plots_explanations.dependence_lines(points, unit, synthetic=data.synthetic),
        f"Partial dependence of {name} on {words.listing(list(one['feature']))}.",
        f"{task.capitalize()}: what {name} says on average as one feature takes one value for everybody and all others stay. Values are "
        "the customers’ own, from the 5th to the 95th percent.",
    )
    columns = [
        Column("Feature"),
        Column("Theme"),
        Column("Pull", True, "mean absolute contribution, in log-odds or log amount"),
        Column("The model says", True, "at the feature’s lowest → highest value"),
        Column(
            "Goes with",
            False,
            "Spearman’s correlation of 0.8 or more: moving one alone makes customers that hardly exist",
        ),
    ]
    rows = [_row(data, points[points["rank"] == rank], unit) for rank in one["rank"]]
    return figure, Table(f"{task.capitalize()}: the features with the strongest pull in {name}.", columns, rows)


def _row(data: ReportData, own: pd.DataFrame, unit: str) -> list[Cell | str]:
    first, last = own.iloc[0], own.iloc[-1]
    says = data.descriptions.get(first["feature"], "")
    write = words.percent if unit == plots_explanations.PERCENT else lambda v: words.money(v, data.currency)
    partner = Cell(words.DASH, "quiet")
    if not words.missing(first["alike"]):
        partner = Cell(str(first["alike"]), "warn", below=words.number(first["correlation"], 2))
    said = f"{write(first['said'])} → {write(last['said'])}"
    name = f"{first['feature']}: {says}" if says else str(first["feature"])
    return [name, str(first["theme"]), words.number(first["contribution"], 2), said, partner]
