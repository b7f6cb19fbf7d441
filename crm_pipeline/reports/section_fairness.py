"""The section of fairness: how a champion's choices and errors differ between groups of people. Nothing is measured here."""

from __future__ import annotations

from typing import Any

import pandas as pd

from crm_pipeline.modeling.decision import Decision
from crm_pipeline.modeling.fairness import BETWEEN, EVERYONE, LEAST, OTHERS, UNKNOWN, of_model
from crm_pipeline.modeling.mitigation import PREFIX as TRIED
from crm_pipeline.modeling.tasks import COMPARED
from crm_pipeline.reports import words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.view import Cell, Column, Table

YES_OR_NO = {
    "observed": Column("It happened", True, "share of the group of which it came true"),
    "selection_rate": Column("Chosen", True, "share of the group that the model chooses: the selection rate"),
    "false_positive_rate": Column("False alarms", True, "of those to whom it did not happen, the share chosen"),
    "false_negative_rate": Column("Missed", True, "of those to whom it happened, the share not chosen"),
    "precision": Column("Right when chosen", True, "of those chosen, the share to whom it happened"),
    "calibration": Column(
        "Said minus happened", True, "mean probability minus the share to whom it happened, in points"
    ),
}
AMOUNT = {
    "observed": Column("Mean actual", True, "mean of the amounts"),
    "predicted": Column("Mean predicted", True, "mean of what was foretold"),
    "total_ratio": Column(
        "Predicted over actual", True, "1 is right; below, the group is expected to buy less than it did"
    ),
    "selection_rate": Column(
        "In the top fifth", True, "share of the group among the fifth with the highest predictions"
    ),
}
GAPS = {
    "selection_rate": "the share chosen",
    "false_positive_rate": "false alarms",
    "false_negative_rate": "the share missed",
    "calibration": "said minus happened",
    "total_ratio": "predicted over actual",
}

OF_CHOICES = ("selection_rate", "false_positive_rate", "false_negative_rate")
"""The gaps that say nothing where all or none are chosen."""


def fairness_view(data: ReportData) -> list[dict[str, Any]]:
    """Return per task the champion's tables, one an attribute, with sentences; or why there are none."""
    return [_task_view(data, task) for task in data.tasks if task in data.fairness]


def measured(data: ReportData, decision: Decision) -> dict[str, Any] | None:
    """Return what is known of a champion's fairness; None where nothing was measured."""
    found = of_model(data.fairness.get(decision.task, pd.DataFrame()), decision.champion)
    if found.empty:
        return None
    amount = words.is_amount(decision.task)
    attributes = [a for a in COMPARED if a in set(found["attribute"])]
    return {
        "judged": _judged(data, decision, found.dropna(subset="chosen_from"), amount),
        "tables": [_table(data, found[found["attribute"] == a], a, amount) for a in attributes],
        "gaps": [_gap(found[found["attribute"] == a], a) for a in attributes],
        "beyond": list(data.unequal.get(decision.task, ())),
        "mitigated": _mitigated(data, found),
    }


def _task_view(data: ReportData, task: str) -> dict[str, Any]:
    decision = data.decision(task)
    found = measured(data, decision) if decision is not None and decision.champion else None
    why_not = "Not measured: no outcome has matured for the champion, or too few customers are of known groups."
    return {"task": task, "found": found, "why_not": why_not}


def _judged(data: ReportData, decision: Decision, found: pd.DataFrame, amount: bool) -> str:
    """Say which rows the figures are of, and who counts as chosen."""
    edge = found["chosen_from"].iloc[0]
    who = (
        f"the fifth with the highest predictions, from {words.money(edge, data.currency)}"
        if amount
        else f"whoever has a probability of {words.percent(edge)} or more"
    )
    name = words.model_name(str(decision.champion))
    return (
        f"{name} as it was fitted at the end of {words.period(found['cutoff'].iloc[0], data.grain)}, held against what happened in the "
        f"{words.plural(data.horizon, data.grain)} after. Chosen is {who}."
    )


def _table(data: ReportData, found: pd.DataFrame, attribute: str, amount: bool) -> Table:
    measures = AMOUNT if amount else YES_OR_NO
    mine = found[~found["group"].isin([BETWEEN, EVERYONE]) & ~found["metric"].str.startswith(TRIED)]
    rows: list[list[Cell | str]] = []
    for group in mine["group"].drop_duplicates():
        own = mine[mine["group"] == group].set_index("metric")
        count = int(own["n"].iloc[0])
        few = bool(own["value"].isna().all())
        below = f"fewer than {LEAST}: not judged" if few else ""
        name = {UNKNOWN: "not known", OTHERS: "smaller groups together"}.get(group, group)
        cells = [_cell(data, own.loc[metric], metric, amount) if not few else Cell("") for metric in measures]
        rows.append(
            [Cell(name, "quiet" if few or group in (UNKNOWN, OTHERS) else "", below=below), words.number(count), *cells]
        )
    return Table(
        f"By {attribute}. Below each figure its 95 % interval, within this period.",
        [Column(attribute.capitalize()), Column("Customers", True), *measures.values()],
        rows,
    )


def _cell(data: ReportData, row: Any, metric: str, amount: bool) -> Cell:
    value, low, high = row["value"], row["low"], row["high"]
    if words.missing(value):
        return Cell(words.DASH)
    if metric == "total_ratio":
        return Cell(words.number(value, 2), below=words.span(low, high, 2))
    if amount and metric != "selection_rate":
        return Cell(words.money(value, data.currency), below=words.span(low, high, 0 if value >= 100 else 2))
    sign = "+" if metric == "calibration" and round(100 * value) > 0 else ""
    unit = "" if metric == "calibration" else " %"
    return Cell(f"{sign}{words.number(100 * value)}{unit}", below=words.span(100 * low, 100 * high, 0))


def _gap(found: pd.DataFrame, attribute: str) -> str:
    """Say how far apart the groups lie at most, and whether that can be chance."""
    between = found[found["group"] == BETWEEN].set_index("metric")
    if between.empty or words.missing(between.loc["selection_rate", "value"]):
        return f"By {attribute} there are not two groups of {LEAST} or more."
    rates = found[(found["metric"] == "selection_rate") & ~found["group"].isin([BETWEEN, UNKNOWN])].dropna(
        subset="value"
    )
    lowest, highest = rates["value"].min(), rates["value"].max()
    nothing = {0.0: "nobody was chosen in any group", 1.0: "everybody was chosen in every group"}.get(highest)
    of_choices = nothing is not None and lowest == highest
    told = [_apart(m, between.loc[m]) for m in GAPS if m in between.index and not (of_choices and m in OF_CHOICES)]
    parts = "; ".join(part for part in told if part)
    if of_choices:
        return f"By {attribute} {nothing}, so the choices leave nothing to compare{f': {parts}' if parts else ''}."
    if lowest == highest:
        return f"By {attribute} (all groups equally often chosen): {parts}."
    most, least = (rates.loc[at, "group"] for at in (rates["value"].idxmax(), rates["value"].idxmin()))
    return f"By {attribute} ({most} most often chosen, {least} least): {parts}."


def _apart(metric: str, row: Any) -> str:
    if words.missing(row["value"]):
        return ""
    scale, decimals, unit = (1, 2, "") if metric == "total_ratio" else (100, 0, " points")
    value, low, high = (words.number(scale * row[c], decimals) for c in ("value", "low", "high"))
    sure = f"surely, {low} to {high}" if row["low"] > 0 else f"which can be chance, 0 to {high}"
    differ = "differ" if metric == "false_positive_rate" else "differs"
    return f"{GAPS[metric]} {differ} by {value}{unit} ({sure})"


def _mitigated(data: ReportData, found: pd.DataFrame) -> str:
    """Say what thresholds by group would have given and cost; nothing where none were tried."""
    tried = found.loc[found["group"] == EVERYONE, "attribute"].unique()
    if not len(tried):
        return ""
    own = found[found["attribute"] == tried[0]]
    between, whole = (own[own["group"] == group].set_index("metric")["value"] for group in (BETWEEN, EVERYONE))
    points = {
        "selection_rate": "the share chosen",
        "false_positive_rate": "false alarms",
        "false_negative_rate": "the missed",
    }
    told = []
    for metric, what in points.items():
        if {metric, TRIED + metric} <= set(between.index):
            after, before = (words.number(100 * between[name]) for name in (TRIED + metric, metric))
            told.append(f"{what}: {after} points between groups instead of {before}")
    cost = [
        f"{what} {write(whole[TRIED + metric])} instead of {write(whole[metric])}"
        for metric, what, write in (
            ("selection_rate", "chosen of all", lambda v: words.percent(v, 1)),
            ("accuracy", "right choices", lambda v: words.percent(v, 1)),
            ("profit", "profit per customer", lambda v: words.money(v, data.currency)),
        )
        if metric in whole.index
    ]
    return (
        f"Thresholds by {tried[0]}, set at the cut-off before and judged here, would have given: {'; '.join(told)}. "
        f"What it would have cost: {'; '.join(cost)}. They are the most accurate under the constraint, whatever a contact costs, and draw "
        "lots between two thresholds of a group; scores and lists do not follow them."
    )
