"""The track record: scores as published, and as restated, beside what happened. Measures and plots live elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from crm_pipeline.modeling.baselines import PREFIX
from crm_pipeline.modeling.tasks import task as the_task


def as_published(
    task: str,
    editions: Mapping[tuple[str, str], pd.DataFrame],
    outcomes: pd.DataFrame,
    rules: pd.DataFrame,
    *,
    money_unit: float,
) -> pd.DataFrame:
    """Join published scores with outcomes and baselines.

    Parameters
    ----------
    task : str
    editions : mapping of (edition, published_at) to DataFrame
        ``scores/<task>`` rows as published, and as restated where a backfill changed them; empty when nothing was.
    outcomes : DataFrame
        ``outcomes/<task>`` of the matured period.
    rules : DataFrame
        ``evaluation/<task>_predictions`` of it: its ``baseline_*`` columns are judged beside the scores.
    money_unit : float
        Major units in one money unit.

    Returns
    -------
    DataFrame
        customer_id, cutoff, edition, published_at, model, predicted, low, high (the interval of an amount, else null), outcome,
        baseline_*; one row per scored customer and edition. Customers without an outcome (not eligible by today's data) keep a null one.
    """
    of = the_task(task)
    value = pd.Series(of.actual(outcomes, money_unit), index=outcomes["customer_id"])
    baselines = rules.set_index("customer_id")[[c for c in rules if c.startswith(PREFIX)]]
    parts = []
    for (edition, published_at), scores in editions.items():
        if not len(outcomes):
            continue
        scored = scores[scores["status"] == "scored"].reset_index(drop=True)
        part = scored[["customer_id", "model"]].copy()
        part["predicted"] = scored[of.answer].to_numpy("float64")
        for end in ("low", "high"):
            part[end] = scored[end].to_numpy("float64") if of.conformal and end in scored else float("nan")
        part["cutoff"] = outcomes["cutoff"].iloc[0]
        part["edition"], part["published_at"] = edition, published_at
        part["outcome"] = value.reindex(part["customer_id"]).to_numpy("float64")
        part[list(baselines.columns)] = baselines.reindex(part["customer_id"]).to_numpy("float64")
        parts.append(part)
    numbers = ("predicted", "low", "high", "outcome")
    columns = ["customer_id", "cutoff", "edition", "published_at", "model", *numbers]
    if not parts:
        return pd.DataFrame({c: pd.Series(dtype="float64" if c in numbers else "object") for c in columns})
    table = pd.concat(parts, ignore_index=True)
    return table[columns + [c for c in table if c not in columns]]
