"""Judging predictions against outcomes: metrics with intervals over customers. Nothing is chosen here (see `promotion`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.modeling.baselines import PREFIX, baseline_predictions
from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.level import Level
from crm_pipeline.modeling.metrics import Contact, profit_metrics
from crm_pipeline.modeling.prediction import of_sample, raw_scores, said_of
from crm_pipeline.modeling.tasks import Task
from crm_pipeline.modeling.tasks import task as the_task

COLUMNS = ["task", "model", "kind", "cutoff", "metric", "value", "low", "high", "n"]
REPLICATES = 200
JUDGED = 1_000_000
"""Customers of a cut-off who are judged: of more, a fixed sample of so many. An AUC's standard error is then about 0.0005, far below
what differs from one block of time to the next."""

SAMPLE = 10_000
"""Customers in the bootstrap; above that its half widths are scaled by sqrt(SAMPLE / n)."""


class Rule(NamedTuple):
    """From which probability a customer counts as leaving, and what a contact costs and saves, where that is known."""

    threshold: float
    contact: Contact | None = None


def foretold(
    task: str,
    models: Mapping[str, Any],
    customers: Customers,
    outcomes: pd.DataFrame,
    training: pd.DataFrame,
    *,
    cutoff: str,
    level: Level | None,
    horizon: int,
    money_unit: float,
    most: int = JUDGED,
    threads: int = 1,
) -> pd.DataFrame:
    """Return what the models and baselines of a cut-off said of each customer, beside what happened.

    Parameters
    ----------
    task : str
    models : mapping of name to fitted model
    customers : Customers
        ``features/customers`` of the cut-off.
    outcomes : DataFrame
        ``outcomes/<task>`` that became known h periods later.
    training : DataFrame
        What the models of the cut-off learned from; the baselines know no more.
    most : int
        Of more customers than that, a fixed sample is asked.
    threads : int
        Models that speak at once; what they say is the same.

    Returns
    -------
    DataFrame
        ``customer_id, cutoff, outcome``, a column per model and one per baseline.
    """
    of, everybody, customers = the_task(task), customers, customers.at_most(most)
    level = of_sample(level, customers, everybody)
    known = customers.only(of.looked_at(customers.columns, horizon))
    happened = outcomes.set_index("customer_id").reindex(known["customer_id"])
    said = known[["customer_id"]].assign(cutoff=date.fromisoformat(cutoff), outcome=of.actual(happened, money_unit))
    for name, raw in raw_scores(models, customers, threads).items():
        found = said_of(task, models[name], known, raw, level, money_unit=money_unit)
        said[name] = found[of.answer].to_numpy("float64")
    rules = baseline_predictions(task, training, known, horizon=horizon, money_unit=money_unit)
    return pd.concat([said, rules.astype("float64")], axis=1)


def evaluate(
    task: str,
    predictions: pd.DataFrame,
    cutoff: Any = None,
    *,
    threshold: float = 0.5,
    contact: Contact | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Judge every model's predictions at one cut-off.

    Parameters
    ----------
    task : str
    predictions : DataFrame
        ``customer_id, cutoff, outcome`` and one column per model, baselines prefixed ``baseline_``; amounts in major units.
    cutoff : date-like, optional
        The cut-off judged; None takes the column's.
    threshold : float
        Probability from which a customer counts as leaving, for accuracy, precision, recall and F1.
    contact : Contact, optional
        What a contact costs and saves: gives that threshold, and the profit; of a task that contacts avert.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        `COLUMNS`: value on all rows, and its 95 % interval over customers (within this period): value ± 1.96 bootstrap
        standard errors from 200 resamplings (Poisson weights) of at most 10,000 customers, scaled to all; ``lift``
        and ``gain`` at 1, 5, 10 and 20 %. ``calibration_error_floor`` is what noise alone gives; it has no interval.
        Empty where the outcomes cannot be judged (none, or of a yes-or-no task only one kind).
    """
    models = [c for c in predictions.columns if c not in ("customer_id", "cutoff", "as_of", "outcome")]
    rows = predictions[predictions["outcome"].notna()]
    outcome = rows["outcome"].to_numpy("float64")
    one = the_task(task)
    if not one.judgeable(outcome):
        return pd.DataFrame(columns=COLUMNS)
    when = rows["cutoff"].iloc[0] if cutoff is None else cutoff
    generator = np.random.default_rng(seed)
    picked = np.sort(generator.permutation(len(rows))[:SAMPLE])
    weights = generator.poisson(1.0, (REPLICATES, len(picked))).astype("float32")
    rule = Rule(contact.threshold, contact) if contact and one.averted else Rule(threshold)
    parts = [_judge(one, model, outcome, rows[model].to_numpy("float64"), picked, weights, rule) for model in models]
    table = pd.concat(parts, ignore_index=True)
    table["task"], table["cutoff"], table["n"] = task, pd.Timestamp(when).date(), len(rows)
    return table[COLUMNS]


def _judge(
    task: Task,
    model: str,
    outcome: np.ndarray,
    said: np.ndarray,
    picked: np.ndarray,
    weights: np.ndarray,
    rule: Rule,
) -> pd.DataFrame:
    points = _measure(task, outcome, said, np.ones((1, len(outcome))), rule)
    spread = _measure(task, outcome[picked].astype("float32"), said[picked].astype("float32"), weights, rule)
    scale = 1.959964 * np.sqrt(len(picked) / len(outcome))
    found = []
    for name, value in points.items():
        reach = scale * float(np.nanstd(spread[name])) if np.isfinite(spread[name]).any() else np.nan
        found.append((name, float(value[0]), float(value[0]) - reach, float(value[0]) + reach))
    found += task.further(outcome, said)
    table = pd.DataFrame(found, columns=["metric", "value", "low", "high"])
    baseline = model.startswith(PREFIX)
    table.insert(0, "kind", "baseline" if baseline else "estimator")
    table.insert(0, "model", model)
    return table


def _measure(task: Task, y: np.ndarray, said: np.ndarray, weights: np.ndarray, rule: Rule) -> dict[str, np.ndarray]:
    found = task.measure(y, said, weights, rule.threshold)
    return found if rule.contact is None else found | profit_metrics(y, said, weights, rule.contact)
