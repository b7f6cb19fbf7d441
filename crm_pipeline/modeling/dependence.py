"""Partial dependence: what a model says on average when one feature is set to one value for everybody. It shows the model, not causes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from crm_pipeline.modeling.estimators.rows import sampled
from crm_pipeline.modeling.level import Level
from crm_pipeline.modeling.prediction import level_shift
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import Model

MOST = 500
"""Customers at most over whom the mean is taken."""

TOP = 5
"""Features shown: those with the largest mean absolute contribution."""

POINTS = 10
"""Values of a feature at most: quantiles from the 5th to the 95th percent of the customers."""

ALIKE = 0.8
"""Rank correlation from which two features move together: setting one alone then makes customers that hardly exist."""

COLUMNS = ("feature", "rank", "contribution", "point", "at", "said", "alike", "correlation")


def dependence(
    task: str,
    model: Model,
    features: pd.DataFrame,
    themes: Mapping[str, str],
    *,
    level: Level | None,
    money_unit: float,
    top: int = TOP,
) -> pd.DataFrame:
    """Return the partial dependence (Friedman 2001, 8.2) of a model's answer on its strongest features.

    Parameters
    ----------
    task : str
    model : fitted model
    features : DataFrame
        ``features/customers`` of a period: all who are scored.
    themes : mapping of feature to theme
        From the catalogue of features.
    level : Level or None
        As the scores have it.

    Returns
    -------
    DataFrame
        `COLUMNS` and theme: per feature (rank 1 has the largest mean absolute contribution) and point the value set, the mean answer,
        and the feature of the model that goes most with it, with Spearman's correlation, where that is at least `ALIKE`. A feature
        that is the same for nearly all has no points and no rank.
    """
    columns = list(model.columns_)
    raw = model.raw(features)
    shift = level_shift(task, model, raw, level, money_unit=money_unit)
    rows = features.iloc[sampled(features.set_index("customer_id"), MOST)].copy()
    values = rows[columns].apply(pd.to_numeric).astype("float64")
    terms, _ = model.attributions(rows)
    strength = np.abs(terms).mean(axis=0) if len(rows) else np.zeros(len(columns))
    order = [j for j in np.argsort(-strength, kind="stable") if strength[j] > 0]
    grids = {columns[j]: (float(strength[j]), grid(values[columns[j]].to_numpy())) for j in order}
    shown = {name: found for name, found in grids.items() if len(found[1]) > 1}
    ranks = values.rank()
    table = []
    for rank, (name, (weight, at)) in enumerate(list(shown.items())[:top], start=1):
        partner, rho = _goes_with(ranks, name)
        said = _means(task, model, rows.assign(**{name: values[name]}), name, at, shift, level)
        table += [(name, rank, weight, i, x, y, partner, rho) for i, (x, y) in enumerate(zip(at, said, strict=True))]
    found = pd.DataFrame(table, columns=[*COLUMNS])
    return found.assign(theme=[themes.get(name, "other") for name in found["feature"]])


def grid(values: np.ndarray) -> np.ndarray:
    """Return the distinct values of a feature at `POINTS` quantiles between the 5th and the 95th percent, missing ones left out."""
    known = values[np.isfinite(values)]
    if not len(known):
        return known
    return np.unique(np.quantile(known, np.linspace(0.05, 0.95, POINTS), method="inverted_cdf"))


def _means(
    task: str, model: Model, rows: pd.DataFrame, name: str, at: np.ndarray, shift: float, level: Level | None
) -> np.ndarray:
    """Return the mean answer over the rows with the feature set to each value; one prediction of all of them together."""
    many = pd.concat([rows] * len(at), ignore_index=True)
    many[name] = np.repeat(at, len(rows))
    raw, of = model.raw(many), the_task(task)
    said = of.say(model, many, raw, raw + shift, level)[of.answer].to_numpy("float64")
    return said.reshape(len(at), len(rows)).mean(axis=1)


def _goes_with(ranks: pd.DataFrame, name: str) -> tuple[str | None, float]:
    """Return the feature whose ranks go most with those of ``name``, and the correlation; none below `ALIKE`."""
    others = ranks.drop(columns=name)
    others = others.loc[:, others.min() < others.max()]
    if others.empty:
        return None, float("nan")
    found = others.corrwith(ranks[name])
    strongest = found.abs().idxmax()
    return (str(strongest), float(found[strongest])) if abs(found[strongest]) >= ALIKE else (None, float("nan"))
