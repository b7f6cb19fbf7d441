"""All models and baselines of a task beside each other, over the blocks of a decision. Nothing is decided here."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_pipeline.contracts.leaderboards import LEADERBOARD
from crm_pipeline.modeling import paired
from crm_pipeline.modeling.baselines import PREFIX
from crm_pipeline.modeling.decision import Decision
from crm_pipeline.modeling.tasks import task as the_task

MEAN = "mean_"
"""Begins the columns of the metrics a task shows."""


def leaderboard(task: str, evaluation: pd.DataFrame, decision: Decision) -> pd.DataFrame:
    """Return one row per model and baseline that was judged on the blocks on which a decision rests.

    Parameters
    ----------
    task : str
    evaluation : DataFrame
        Rows of ``evaluation/<task>``: model, kind, cutoff, metric, value; further cut-offs are left out.
    decision : Decision
        Names the blocks' cut-offs, the champion and the runner-up.

    Returns
    -------
    DataFrame
        The columns of `LEADERBOARD`, then ``mean_<metric>`` of every metric the task shows; least mean loss first. Who was not
        judged on every block has no rank and follows. A paired difference is the loss less that of the other on the same
        blocks; its error is the standard error of a mean over blocks, null of fewer than two.
    """
    of = the_task(task)
    columns = [column.name for column in LEADERBOARD] + [MEAN + metric for metric in of.shown]
    losses = _blocks(evaluation, of.loss, decision).dropna(axis=1, how="all")
    if losses.empty:
        return pd.DataFrame(columns=columns)
    whole = losses.columns[losses.notna().all()]
    judged = [m for m in whole if m.startswith(PREFIX)]
    rival = str(losses[judged].mean().idxmin()) if judged else None
    roles = {decision.champion: "champion", decision.runner_up: "runner-up"}
    least = losses[whole].min(axis=1)
    rows = [
        {
            "task": task,
            "model": model,
            "kind": "baseline" if model.startswith(PREFIX) else "estimator",
            "role": roles.get(model, "best baseline" if model == rival else None),
            "loss": of.loss,
            "blocks": int(own.notna().sum()),
            "mean_loss": float(own.mean()),
            "wins": int((own == least).sum()),
            **_against("champion", own, losses.get(decision.champion)),
            **_against("baseline", own, losses.get(rival)),
        }
        for model, own in losses.items()
    ]
    for metric in of.shown:
        means = _blocks(evaluation, metric, decision).mean()
        for row in rows:
            row[MEAN + metric] = float(means.get(row["model"], np.nan))
    table = pd.DataFrame(rows).assign(whole=losses.columns.isin(whole))
    table = table.sort_values(["whole", "mean_loss", "model"], ascending=[False, True, True], ignore_index=True)
    table["rank"] = table["mean_loss"].where(table["whole"]).rank(method="min").astype("Int64")
    return table[columns]


def _blocks(evaluation: pd.DataFrame, metric: str, decision: Decision) -> pd.DataFrame:
    """Return cut-off × model values of a metric at the decision's cut-offs."""
    table = paired.by_cutoff(
        evaluation, metric, None, "month"
    )  # no cut-off is left out by distance: the decision did that
    return table[table.index.isin(decision.cutoffs)]


def _against(name: str, own: pd.Series, other: pd.Series | None) -> dict[str, float | int | None]:
    """Return the paired difference to another model, its block standard error, and in how many blocks it is ahead."""
    gaps = (own - other).dropna() if other is not None else own.iloc[:0]
    several = len(gaps) > 1 and own.name != (other.name if other is not None else None)
    return {
        f"against_{name}": float(gaps.mean()) if len(gaps) else None,
        f"against_{name}_error": float(gaps.std(ddof=1) / np.sqrt(len(gaps))) if several else None,
        f"ahead_of_{name}": int((gaps < 0).sum()) if len(gaps) else None,
    }
