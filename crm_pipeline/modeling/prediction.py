"""What a fitted model says of customers: probabilities, amounts with intervals, and the level applied. No fitting."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from crm_pipeline.engine import in_order
from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.level import Level
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import Model

MONEY_UNIT = 0.0001


def level_shift(
    task: str, model: Model, raw: np.ndarray, level: Level | None, *, money_unit: float = MONEY_UNIT
) -> float:
    """Return what the level adds to every raw score; ``raw`` must be the scores of all customers of the period."""
    return the_task(task).shift(model, raw, level, money_unit)


def of_sample(level: Level | None, some: Customers, customers: Customers) -> Level | None:
    """Return the level of some of the customers whose level is known."""
    return level if level is None or some is customers else level.of_share(len(some) / len(customers))


def raw_scores(models: Mapping[str, Model], customers: Customers, threads: int = 1) -> dict[str, np.ndarray]:
    """Return the raw score of every customer (n,) by every model; each batch of customers is read once for all of them."""
    parts: dict[str, list[np.ndarray]] = {name: [np.empty(0)] for name in models}
    asked = ((name, batch) for batch in customers.batches() for name in models)
    for name, raw in in_order(lambda one: (one[0], models[one[0]].raw(one[1])), asked, threads):
        parts[name].append(raw)
    return {name: np.concatenate(found) for name, found in parts.items()}


def predict(
    task: str, model: Model, features: pd.DataFrame, *, level: Level | None = None, money_unit: float = MONEY_UNIT
) -> pd.DataFrame:
    """Return the predictions of one period, one row per row of ``features``, with its index.

    Parameters
    ----------
    task : str
    model : fitted model
    features : DataFrame
        All eligible customers of the period (amounts are reconciled to a total over them).
    level : Level, optional
        From `seasonal_level`; None leaves the level of the training cut-offs.
    money_unit : float
        Major units in one money unit.

    Returns
    -------
    DataFrame
        The task's answers, the ranked one first, and ``low``, ``high``: an 80 % interval (see `Task.say`).
    """
    raw = model.raw(features)
    return said_of(task, model, features, raw, level, money_unit=money_unit)


def said_of(
    task: str, model: Model, known: pd.DataFrame, raw: np.ndarray, level: Level | None, *, money_unit: float
) -> pd.DataFrame:
    """Return what raw scores say of all customers of a period, as `predict` does; ``known`` has what `Task.looked_at` names of them."""
    moved = raw + level_shift(task, model, raw, level, money_unit=money_unit)
    return the_task(task).say(model, known, raw, moved, level)
