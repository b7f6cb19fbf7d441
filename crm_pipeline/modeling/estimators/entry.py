"""What one estimator says of itself. The registry that collects them is the package's `__init__`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Context:
    """What a builder may depend on.

    Attributes
    ----------
    columns : list of str
        Usable features of the training table.
    seed, threads : int
        For learners that draw or run in parallel.
    money_unit : float
        Major units in one unit of the money features.
    members : mapping of str to fitted learner
        Models already fitted on the same rows, for estimators made of others.
    """

    columns: list[str]
    seed: int
    threads: int
    money_unit: float
    members: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One estimator of one task.

    Attributes
    ----------
    task, name, description
        The description is for the asset's docstring and the report.
    complexity : int
        Rank of simplicity: among equals the lower wins.
    build : callable
        Context → unfitted learner of `crm_pipeline.modeling.learners`, or a sentence on what is missing.
    rows, events : int
        Least training rows, and least rows of the rarer label (buyers for demand).
    members : tuple of str
        Estimators it is made of.
    """

    task: str
    name: str
    description: str
    complexity: int
    build: Callable[[Context], Any]
    rows: int = 300
    events: int = 50
    members: tuple[str, ...] = ()
