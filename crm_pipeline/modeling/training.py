"""Fitting one estimator on one training table: checks at the door, facts the model remembers. No files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from crm_pipeline.contracts.outputs import CARD
from crm_pipeline.modeling.estimators import Context, Entry, entry
from crm_pipeline.modeling.preprocessing import comparable_cutoffs, in_learning_order, usable_features
from crm_pipeline.modeling.tasks import Task
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.periods import Grain

if TYPE_CHECKING:
    from crm_pipeline.modeling.estimators.learner import Learner

Model: TypeAlias = Any
"""A fitted `crm_pipeline.modeling.estimators.learner.Learner`, with its ``facts_``."""

PARALLEL_ROWS = 50_000
"""Below so many training rows a learner is faster on one thread than on several."""


@dataclass(frozen=True)
class Abstained:
    """No model: ``reason`` is one sentence that says what is missing."""

    reason: str


def fit(
    task: str,
    estimator: str,
    training: pd.DataFrame,
    *,
    horizon: int,
    seed: int,
    threads: int,
    money_unit: float = 0.0001,
    members: Mapping[str, Model | Abstained] | None = None,
    trials: int = 0,
    grain: Grain = "month",
) -> Model | Abstained:
    """Fit one estimator; the same rows, seed and threads give the same model whatever the order of the rows.

    Parameters
    ----------
    task, estimator : str
        As in `tasks.tasks` and `estimators.names`.
    training : DataFrame
        One row per customer and cut-off: ``customer_id, cutoff``, the task's labels (``spend`` in money units),
        features. Other columns are ignored when they are not numeric.
    horizon : int
        Periods the labels look ahead; kept with the model.
    seed, threads : int
        For learners that draw or run in parallel.
    money_unit : float
        Major units in one money unit; amounts are learned and predicted in major units.
    members : mapping of str to fitted model, optional
        Models of the same task fitted on the same rows; what an average needs and does not find here is fitted.
    trials : int
        Candidates of a search of its parameters, for an estimator that has one (`Entry.tuned`); 0: none.
    grain : {"month", "week"}
        Of the cut-offs.

    Returns
    -------
    model or Abstained
        The model keeps what it was trained on in ``facts_`` (`describe` makes a card of it).

    Raises
    ------
    UsageError
        If the task has no such estimator.
    """
    one, of = entry(task, estimator), the_task(task)
    rows = in_learning_order(training[training["cutoff"].isin(comparable_cutoffs(training, horizon))])
    cores, threads = threads, threads if len(rows) >= PARALLEL_ROWS else 1
    short = _too_little(of, one, rows)
    if short:
        return Abstained(short)
    columns, left_out = usable_features(rows)
    if not columns:
        return Abstained("No feature can be used: every one is missing, constant or not numeric.")
    made = _members(
        one, rows, members or {}, {"horizon": horizon, "seed": seed, "threads": threads, "money_unit": money_unit}
    )
    if isinstance(made, Abstained):
        return made
    learner: type[Learner] = resolve_name(one.learner)
    model: Any = learner.build(Context(columns, seed, threads, money_unit, made, trials, horizon, grain, cores))
    if isinstance(model, str):
        return Abstained(f"{estimator} was not fitted: {model}.")
    labels = of.actual(rows, money_unit)
    model.fit(rows[columns].set_index([rows["cutoff"], rows["customer_id"]]), labels)
    model.facts_ = {"estimator": estimator, "horizon": horizon, "left_out": left_out, **_facts(of, model, rows, labels)}
    return model


def describe(model: Model | Abstained) -> dict[str, Any]:
    """Return what a model's card says: status, reason, rows, customers, cutoffs, events, features, parameters."""
    if isinstance(model, Abstained):
        empty = {"rows": 0, "customers": 0, "cutoffs": 0, "events": 0, "features": [], "parameters": {}, "left_out": {}}
        return {"status": "abstained", "reason": model.reason, **empty}
    facts = model.facts_
    return {
        "status": "fitted",
        "reason": f"Fitted on {facts['rows']:,} rows, {facts['customers']:,} customers.",
        "rows": facts["rows"],
        "customers": facts["customers"],
        "cutoffs": len(facts["cutoffs"]),
        "events": facts["events"],
        "features": list(model.columns_),
        "parameters": _parameters(model),
        "left_out": facts["left_out"],
    }


def card_rows(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a card as the one row of its table: what has structure as JSON text."""
    known = {column.name for column in CARD}
    listed = {name: json.dumps(card[name], default=str) for name in ("features", "parameters")}
    return [{name: value for name, value in {**card, **listed}.items() if name in known}]


def _parameters(model: Model) -> dict[str, Any]:
    """Return the plain parameters of a learner and of those it is made of, as ``Class.parameter``."""
    found: dict[str, Any] = {}
    for name, value in model.get_params(deep=False).items():
        parts = value if isinstance(value, list) else [value]
        inner = [part for part in parts if hasattr(part, "get_params")]
        for part in inner:
            found |= _parameters(part)
        if not inner:
            found[f"{type(model).__name__}.{name}"] = value
    told = getattr(model, "tuning_", {})
    return found | {f"{type(model).__name__}.{name}": value for name, value in told.items()}


def _members(one: Entry, rows: pd.DataFrame, given: Mapping[str, Model | Abstained], options: dict[str, Any]) -> Any:
    made: dict[str, Model] = {}
    for name in one.members:
        member = given[name] if name in given else fit(one.task, name, rows, **options)
        if isinstance(member, Abstained):
            return Abstained(f"{one.name} needs {name}, which abstained: {member.reason}")
        made[name] = member
    return made


def _too_little(task: Task, one: Entry, rows: pd.DataFrame) -> str:
    missing = [column.name for column in task.labels if column.name not in rows.columns]
    if missing:
        return f"The training table has no column '{missing[0]}'."
    if len(rows) < one.rows:
        return f"{len(rows):,} training rows, at least {one.rows:,} are needed: more customers or more periods."
    events = task.events(rows)
    if events < one.events:
        return task.too_few(events, one.events)
    others = len(rows) - events
    if others < one.others:
        return f"{others:,} rows without an order, at least {one.others:,} are needed to learn who buys: nearly everybody ordered."
    return ""


def _facts(task: Task, model: Model, rows: pd.DataFrame, labels: np.ndarray) -> dict[str, Any]:
    """Return what the model remembers of its training: how much there was, and the level around it."""
    return {
        "task": task.name,
        "rows": len(rows),
        "customers": int(rows["customer_id"].nunique()),
        "cutoffs": sorted({str(pd.Timestamp(c).date()) for c in rows["cutoff"].unique()}),
        "events": task.events(rows),
        **task.facts(model, rows, labels),
    }
