"""The model card of a champion: one HTML page of what it was made from, how it was judged, and what it is not for. No files, no lake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_pipeline.modeling.decision import TONES, Decision
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.tasks.base import NEVER_FEATURES
from crm_pipeline.reports import theme, words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.section_explanations import survives
from crm_pipeline.reports.section_fairness import measured
from crm_pipeline.reports.section_models import comparison_table
from crm_pipeline.reports.summary import model_vs_baselines
from crm_pipeline.reports.view import Cell, Column, Table

NOT_MEASURED = "Not measured yet: how selection, errors and calibration differ between groups of people is not known."
NOT_READ = (
    f"No model reads {words.listing([n.replace('_', ' ') for n in NEVER_FEATURES])}; it can still mirror them through what it reads. "
    "A group chosen more often is no proof of unfairness: where something happens to one group more often, a right model says so."
)


def render_card(data: ReportData, task: str, *, contact: str, versions: Mapping[str, str]) -> str:
    """Return the card of a task's champion as one HTML page that needs no other file.

    Parameters
    ----------
    data : ReportData
        Of the period; what it lacks is said to be missing.
    task : str
        One with a decision.
    contact : str
        Who answers for the model.
    versions : mapping of name to version
        Of the program, the interpreter and the libraries.
    """
    from crm_pipeline.reports.report import page

    decision = data.decision(task)
    if decision is None:
        raise ValueError(f"nothing was decided on {task}")
    period, groups = words.period(data.period, data.grain), measured(data, decision)
    return page(
        "model_card.html.j2",
        {
            "data": data,
            "running": f"{data.source}: model card {task} {period}",
            "period": period,
            "as_of": words.day(data.as_of),
            "synthetic": data.synthetic,
            "colors": {name: color for color, name in theme.VARIABLES.items()},
            "task": task,
            "decision": decision,
            "name": words.model_name(decision.champion) if decision.champion else "no model",
            "status": Cell(decision.status.replace("_", " "), TONES.get(decision.status, "bad"), chip=True),
            "question": the_task(task).definition(data.horizon, data.grain),
            "learned": _learned(data, decision),
            "blocks": words.listing([words.period(cutoff, data.grain) for cutoff in decision.cutoffs]),
            "metrics": _metrics(data, decision),
            "losses": _losses(decision) if decision.mean_loss else None,
            "limits": [*the_task(task).not_for, *_limits(data, decision)],
            "groups": groups,
            "fairness": " ".join([*([] if groups else [NOT_MEASURED]), NOT_READ]),
            "survives": survives(data, task),
            "contact": contact,
            "versions": {**_model_versions(data, decision), **versions},
        },
    )


def _card_row(data: ReportData, decision: Decision) -> dict[str, Any]:
    if "estimator" not in data.cards.columns:
        return {}
    own = data.cards[(data.cards["task"] == decision.task) & (data.cards["estimator"] == decision.champion)]
    return own.iloc[0].to_dict() if len(own) else {}


def _learned(data: ReportData, decision: Decision) -> list[tuple[str, str]]:
    """Return what the champion learned from: figure and what it counts."""
    row = _card_row(data, decision)
    features = row.get("features")
    counts = [
        (words.number(row.get(c)), c.replace("cutoffs", "cut-offs")) for c in ("rows", "customers", "cutoffs", "events")
    ]
    named = [(words.number(len(json.loads(features))), "features")] if isinstance(features, str) and features else []
    return [(value, what) for value, what in counts if value != words.DASH] + named


def _metrics(data: ReportData, decision: Decision) -> Table | None:
    """Return the champion, the runner-up and the baselines beside each other, with their intervals."""
    table = model_vs_baselines(data.evaluation.get(decision.task, pd.DataFrame()), decision.cutoffs)
    if table.empty:
        return None
    shown = table["model"].isin([decision.champion, decision.runner_up]) | (table["kind"] == "baseline")
    metrics = [c.removesuffix("_mean") for c in table.columns if c.endswith("_mean")]
    return comparison_table(data, decision.task, table[shown].reset_index(drop=True), metrics, decision.champion)


def _losses(decision: Decision) -> Table:
    """Return the paired differences of the loss over the blocks: what the decision rests on."""
    rows: list[list[Cell | str]] = []
    for row in decision.compared().to_dict("records"):
        name = words.model_id(row["model"], "baseline" if row["role"] == "baseline" else None)
        mine = row["role"] == "champion"
        figures = [words.number(row[c], 4) for c in ("mean_loss", "difference", "block_error")]
        rows.append([Cell(words.model_name(name), "strong" if mine else "", below=row["role"]), *figures])
    measure = words.measure(decision.loss)
    columns = [
        Column("Model"),
        Column(measure.label, True, f"{measure.says}; mean over the blocks"),
        Column("More than the champion", True, "mean paired difference over the blocks"),
        Column("Block standard error", True, "of that difference, over blocks: what a claim rests on"),
    ]
    return Table(f"Mean loss over {words.plural(decision.blocks, 'block')} of time, least first.", columns, rows)


def _limits(data: ReportData, decision: Decision) -> list[str]:
    """Return what the evidence itself does not reach."""
    found = [*([decision.no_use] if decision.no_use else []), *data.unequal.get(decision.task, ())]
    judged = words.plural(decision.blocks, "independent block") + " of time"
    found.append(f"Judged over {judged}: how it does in other seasons or another market is not known.")
    found.append(
        f"It speaks of customers with an order in the last {data.eligibility} {data.grain}s alone; others have no score of it."
    )
    return [*found, "Made-up data: it must not be used on real customers."] if data.synthetic else found


def _model_versions(data: ReportData, decision: Decision) -> dict[str, str]:
    row = _card_row(data, decision)
    named = {"model": decision.model_version, "MLflow run": row.get("run_id"), "MLflow model": row.get("model_uri")}
    return {name: str(value) for name, value in named.items() if not words.missing(value)}
