"""The prediction tasks: what is asked, of whom, and how an answer is judged. No learning belongs here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

KEYS = ("customer_id", "cutoff", "as_of")
"""Columns of a training table that identify a row."""

LABELS = ("churned", "spend", "orders")
"""Columns of a training table that are outcomes."""

SEASONS_BACK = 2
"""How many years back the level looks for the season."""

NEVER_FEATURES = ("gender", "birth_year", "age", "country", "region")
"""Personal attributes that no model of ours reads."""


@dataclass(frozen=True)
class Task:
    """One question asked of every eligible customer.

    Attributes
    ----------
    name : str
        Key of the assets: `training/<name>`, `scores/<name>`.
    kind : {"binary", "regression"}
        Binary answers are probabilities, regression answers are means in major money units.
    labels : tuple of str
        Label columns of the training table, the judged one first.
    question : str
        The label definition with ``{h}`` for the horizon in words; `definition` fills it in.
    fixed : str
        The estimator that is the model as long as history is too short to choose one.
    instead : tuple of str
        Which estimator stands in where that one could not be fitted: the first of these that was.
    loss : str
        The metric of `evaluation` by which estimators are compared; lower is better.
    baselines : tuple of str
        Rules judged beside every estimator.
    not_behind : mapping of str to str
        Metric → the baseline whose mean of it over the cut-offs a promoted model must not exceed.
    within : mapping of str to float
        Metric → how far from zero its mean over the cut-offs may lie for a promoted model.
    """

    name: str
    kind: Literal["binary", "regression"]
    labels: tuple[str, ...]
    question: str
    fixed: str
    instead: tuple[str, ...]
    loss: str
    baselines: tuple[str, ...]
    not_behind: Mapping[str, str] = field(default_factory=dict)
    within: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The judged label column."""
        return self.labels[0]

    def definition(self, horizon: int, grain: str = "month") -> str:
        """Return the label definition as one sentence, for the score rows."""
        return self.question.format(h=f"{horizon} {grain}{'s' if horizon != 1 else ''}")


CHURN = Task(
    name="churn",
    kind="binary",
    labels=("churned",),
    question="No order with a positive amount in the {h} after as_of, by a customer who ordered in the year before.",
    fixed="average",
    instead=("purchase_process",),
    loss="log_loss",
    baselines=("recency", "rfm", "purchase_process", "last_season"),
)

DEMAND = Task(
    name="demand",
    kind="regression",
    labels=("spend", "orders"),
    question="Gross value of the orders in the {h} after as_of, among customers with an order in the year before.",
    fixed="average",
    instead=("two_part", "purchase_process"),
    loss="deviance",
    baselines=("zero", "last_spend", "last_season", "purchase_process"),
    not_behind={"wape": "last_spend"},
    within={"bias": 0.25},
)

TASKS: dict[str, Task] = {task.name: task for task in (CHURN, DEMAND)}
