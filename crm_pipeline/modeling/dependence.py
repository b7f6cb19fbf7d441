"""Partial dependence: what a model says on average when one feature is set to one value for everybody. It shows the model, not causes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.level import Level
from crm_pipeline.modeling.prediction import level_shift, of_sample, raw_scores
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import Model

MOST = 500
"""Customers at most over whom the mean is taken."""

LEVELLED = 100_000
"""Customers at most by whom it is found what the level adds."""

TOP = 5
"""Features shown: those with the largest mean absolute contribution."""

POINTS = 10
"""Values of a feature at most: quantiles from the 5th to the 95th percent of the customers."""

ALIKE = 0.8
"""Rank correlation from which two features move together: setting one alone then makes customers that hardly exist."""

FLAT = 1e-9
"""Relative change of the answer under which a feature moves nothing."""

COLUMNS = ("feature", "rank", "contribution", "point", "at", "said", "alike", "correlation")


def dependence(
    task: str,
    model: Model,
    customers: Customers,
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
    customers : Customers
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
        that is the same for nearly all has no points and no rank, nor has one that moves nothing alone (the purchase process answers by
        its own probability; the parts that explain it move with that).
    """
    columns = list(model.columns_)
    some = customers.at_most(LEVELLED)
    raw, level = raw_scores({"": model}, some)[""], of_sample(level, some, customers)
    shift = level_shift(task, model, raw, level, money_unit=money_unit)
    rows = customers.sample(MOST).copy()
    values = rows[columns].apply(pd.to_numeric).astype("float64")
    terms, _ = model.attributions(rows)
    strength = np.abs(terms).mean(axis=0) if len(rows) else np.zeros(len(columns))
    ranks, table, shown = values.rank(), [], 0
    for j in np.argsort(-strength, kind="stable")[: 2 * top]:
        name, at = columns[j], grid(values.iloc[:, j].to_numpy())
        if not strength[j] > 0 or len(at) < 2 or shown == top:
            continue
        said = _means(task, model, rows.assign(**{name: values[name]}), name, at, shift, level)
        if np.ptp(said) <= FLAT * np.abs(said).max():
            continue
        partner, rho = _goes_with(ranks, name)
        shown += 1
        table += [
            (name, shown, float(strength[j]), i, x, y, partner, rho)
            for i, (x, y) in enumerate(zip(at, said, strict=True))
        ]
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
