"""Whether reasons survive a refit: the same estimator learned twice from customers drawn with replacement. Nothing is chosen here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.estimators.rows import sampled
from crm_pipeline.modeling.explain import BASE, LEVEL, NOTICEABLE, theme_contributions
from crm_pipeline.modeling.preprocessing import comparable_cutoffs, in_learning_order, usable_features
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import Abstained, Model

MOST_LEARNED = 15_000
"""Training rows at most from which customers are drawn. Refits on fewer rows agree less, so a cap flatters nobody: on Online Retail as
of 2011-04 the first theme of churn agreed to 0.76-0.88 with 3,000 rows, to 0.89-0.93 with all 12,734."""

LEAST_EVENTS = 20
"""Events, and rows without one, that a drawn table must have."""

MOST_TOLD = 2_000
"""Customers at most whose reasons are compared."""

BAR = 0.75
"""Agreement of the first theme from which reasons are said to survive a refit."""


class Agreement(NamedTuple):
    """How far the reasons of two refits agree.

    Attributes
    ----------
    first : float
        Share of the customers of whom both name the same first theme, among those of whom either names one.
    clear : float
        The same among the half of them whose first theme leads the second by most.
    two : float
        Mean share of the two strongest themes that both name.
    rank : float
        Mean over the customers of Spearman's correlation of the themes' contributions.
    customers : int
        Customers compared.
    """

    first: float
    clear: float
    two: float
    rank: float
    customers: int


def refits(
    task: str,
    model: Model,
    training: pd.DataFrame,
    *,
    horizon: int,
    seed: int,
    money_unit: float,
    most: int = MOST_LEARNED,
) -> tuple[list[Model] | Abstained, int]:
    """Fit a model anew twice, each time on the rows of customers drawn with replacement; with its members, where it has any.

    Parameters
    ----------
    task : str
    model : fitted model
        It is left as it is.
    training : DataFrame
        ``training/<task>`` as the model learned from it; of more than ``most`` rows those of a fixed sample of customers.

    Returns
    -------
    list of models, or Abstained
    int
        Rows from which customers were drawn.
    """
    from sklearn.base import clone

    of = the_task(task)
    rows = in_learning_order(training[training["cutoff"].isin(comparable_cutoffs(training, horizon))])
    columns, _ = usable_features(rows)
    rows = rows.iloc[sampled(rows.set_index(["cutoff", "customer_id"]), most)]
    found: list[Model] = []
    for again in range(2):
        drawn = resampled(rows, np.random.default_rng([seed, again]))
        events = of.events(drawn)
        if min(events, len(drawn) - events) < LEAST_EVENTS:
            few = f"{events:,} of {len(drawn):,} drawn training rows are events: too few of them, or of the others, to learn from again."
            return Abstained(few), len(rows)
        labels = of.actual(drawn, money_unit)
        found.append(clone(model).fit(drawn[columns].set_index([drawn["cutoff"], drawn["customer_id"]]), labels))
    return found, len(rows)


def resampled(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Return the rows of as many customers as there are, drawn with replacement; who is drawn twice counts twice.

    Rows of one customer hang together, so customers are drawn and not rows (the cluster bootstrap: Davison & Hinkley 1997, 3.8).
    """
    codes, customers = pd.factorize(rows["customer_id"], sort=True)
    times = np.bincount(random.integers(0, len(customers), len(customers)), minlength=len(customers))
    return rows.iloc[np.repeat(np.arange(len(rows)), times[codes])]


def agreement(one: pd.DataFrame, other: pd.DataFrame) -> Agreement:
    """Compare the theme contributions of two models of the same customers (from `explain.theme_contributions`)."""
    names = sorted((set(one) | set(other)) - {BASE, LEVEL})
    a, b = (table.reindex(columns=names, fill_value=0.0).to_numpy("float64") for table in (one, other))
    named = np.maximum(np.abs(a).max(axis=1, initial=0), np.abs(b).max(axis=1, initial=0)) >= NOTICEABLE
    a, b = a[named], b[named]
    if not len(a) or len(names) < 2:
        nan = float("nan")
        return Agreement(nan, nan, nan, nan, len(a))
    same = first_theme(a) == first_theme(b)
    lead = np.diff(np.sort(np.abs(a), axis=1)[:, -2:], axis=1)[:, 0]
    strongest = [np.argsort(-np.abs(table), axis=1, kind="stable")[:, :2] for table in (a, b)]
    both = (strongest[0][:, :, None] == strongest[1][:, None, :]).any(axis=2).mean()
    clear = same[lead >= np.median(lead)]
    return Agreement(float(same.mean()), float(clear.mean()), float(both), _rank(a, b), len(a))


def first_theme(values: np.ndarray) -> np.ndarray:
    """Return which theme is the first reason of each row (n,), -1 where none is noticeable; as `reasons.top_reasons` has it."""
    strongest = np.abs(values)
    return np.where(strongest.max(axis=1) >= NOTICEABLE, strongest.argmax(axis=1), -1)


def _rank(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean over the rows of Spearman's correlation of two tables."""
    ranks = [pd.DataFrame(table).rank(axis=1).to_numpy() for table in (a, b)]
    x, y = (table - table.mean(axis=1, keepdims=True) for table in ranks)
    norm = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    known = norm > 0
    return float(((x * y).sum(axis=1)[known] / norm[known]).mean()) if known.any() else float("nan")


def told_themes(model: Model, features: pd.DataFrame, themes: Mapping[str, str]) -> pd.DataFrame:
    """Return the contributions of the themes that a model finds in customers (without base and level, which are no reasons)."""
    terms, _ = model.attributions(features)
    return theme_contributions(pd.DataFrame(terms, columns=list(model.columns_), index=features.index), themes)


def measured(
    task: str,
    model: Model,
    training: pd.DataFrame,
    customers: Customers,
    themes: Mapping[str, str],
    *,
    horizon: int,
    seed: int,
    money_unit: float,
) -> dict[str, Any]:
    """Return how far the reasons agree that two refits of a model (`refits`) give of at most `MOST_TOLD` of the customers.

    Parameters
    ----------
    customers : Customers
        ``features/customers`` of the period.
    themes : mapping of feature to theme
        From the catalogue of features.

    Returns
    -------
    dict
        The measured columns of `contracts.explanations.REASONS`.
    """
    models, rows = refits(task, model, training, horizon=horizon, seed=seed, money_unit=money_unit)
    if isinstance(models, Abstained):
        return {"status": "abstained", "reason": models.reason, "first": None, "rows": rows}
    told = customers.sample(MOST_TOLD)
    found = agreement(*(told_themes(each, told, themes) for each in models))
    if not found.customers:
        return {"status": "abstained", "reason": "No theme moves a score noticeably.", "first": None, "rows": rows}
    return {"status": "measured", "reason": None, "rows": rows, **found._asdict()}
