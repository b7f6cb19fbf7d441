"""What one estimator says of itself before it is imported, and what it may depend on when it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_pipeline.periods import Grain


@dataclass(frozen=True)
class Context:
    """What a builder may depend on.

    Attributes
    ----------
    columns : list of str
        Usable features of the training table.
    seed, threads : int
        For learners that draw or run in parallel; one thread where there are so few rows that more do not pay.
    money_unit : float
        Major units in one unit of the money features.
    members : mapping of str to fitted learner
        Models already fitted on the same rows, for estimators made of others.
    trials, horizon, grain
        Candidates of a search over blocks of time, for learners that have one, and what keeps these apart.
    cores : int
        Threads there are, for learners to whom more pay with any number of rows.
    """

    columns: list[str]
    seed: int
    threads: int
    money_unit: float
    members: Mapping[str, Any] = field(default_factory=dict)
    trials: int = 0
    horizon: int = 0
    grain: Grain = "month"
    cores: int = 1


@dataclass(frozen=True)
class Entry:
    """One estimator of one task.

    Attributes
    ----------
    task, name, description
        The description is for the asset's docstring and the report.
    complexity : int
        Rank of simplicity: among equals the lower wins.
    learner : str
        Its class, a `learner.Learner`, as ``module:Class``.
    rows, events : int
        Least training rows, and least rows of the rarer label (buyers for demand).
    others : int
        Least rows without an event, for a learner of amounts that learns apart who has one.
    members : tuple of str
        Estimators it is made of, in the order in which its class takes them.
    tuned : bool
        Whether it searches its parameters, where there are enough blocks of time.
    kind : str
        Of what make it is, shown in the Dagster UI.
    """

    task: str
    name: str
    description: str
    complexity: int
    learner: str
    rows: int = 300
    events: int = 50
    others: int = 0
    members: tuple[str, ...] = ()
    kind: str = "scikitlearn"
    tuned: bool = False

    @property
    def module(self) -> str:
        """The module of its class."""
        return self.learner.partition(":")[0]
