"""What a group of features is worth: the same estimator with and without it, judged at every cut-off. Nothing is chosen here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.evaluation import foretold
from crm_pipeline.modeling.level import Level
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import Abstained, fit

ALL = "all features"
ASKED = 100_000
"""Customers of a cut-off at most by whom two fits are compared, the same for both."""

COLUMNS = ("left_out", "estimator", "cutoff", "metric", "with_features", "without_features", "n")


class Worth(NamedTuple):
    """What a group of features is worth over cut-offs: by how much the loss is higher without it.

    Attributes
    ----------
    mean : float
        Mean difference over the cut-offs; above 0 the features help.
    low, high : float
        Its 95 % interval: Student's t over the cut-offs, which are whole blocks of h periods; nan with fewer than two.
    blocks : int
    """

    mean: float
    low: float
    high: float
    blocks: int

    @property
    def shown(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.blocks > 1 and (self.low > 0 or self.high < 0)


def alone_and_together(groups: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return what is to be left out so that each group of features, and each few of them, stands alone: named by the groups."""
    return {
        " and ".join(some): [feature for name in some for feature in groups[name]]
        for n in range(1, len(groups))
        for some in combinations(groups, n)
    }


def ablate(
    task: str,
    left_out: Mapping[str, Sequence[str]],
    training: pd.DataFrame,
    customers: Customers,
    outcomes: pd.DataFrame,
    *,
    cutoff: str,
    level: Level | None,
    horizon: int,
    seed: int,
    threads: int,
    money_unit: float,
) -> pd.DataFrame:
    """Judge the task's plain estimator (`Task.ablated`) with all features and without some, at one cut-off.

    Parameters
    ----------
    task : str
    left_out : mapping of str to sequence of str
        What to call them, and the features that one fit does without; each is held against the fit with all.
    training : DataFrame
        ``training/<task>`` of the cut-off.
    customers : Customers
        ``features/customers`` of the cut-off.
    outcomes : DataFrame
        What happened in the h periods since.

    Returns
    -------
    DataFrame
        left_out, estimator, cutoff, metric (the task's loss and those it shows), with_features, without_features, n. Without
        rows for a fit that could not be made; empty where the one with all could not, or the outcomes cannot be judged.
    """
    of = the_task(task)
    rows = {name: training.drop(columns=[c for c in out if c in training]) for name, out in left_out.items()}
    tried = {
        name: fit(task, of.ablated, table, horizon=horizon, seed=seed, threads=threads, money_unit=money_unit)
        for name, table in {ALL: training, **rows}.items()
    }
    models = {name: model for name, model in tried.items() if not isinstance(model, Abstained)}
    if ALL not in models:
        return pd.DataFrame(columns=[*COLUMNS])
    said = foretold(
        task, models, customers, outcomes, training,
        cutoff=cutoff, level=level, horizon=horizon, money_unit=money_unit, most=ASKED, threads=threads,
    )  # fmt: skip
    said = said[said["outcome"].notna()]
    outcome = said["outcome"].to_numpy("float64")
    if not of.judgeable(outcome):
        return pd.DataFrame(columns=[*COLUMNS])
    one = np.ones((1, len(outcome)))
    measured = {name: of.measure(outcome, said[name].to_numpy("float64"), one, 0.5) for name in models}
    metrics = [m for m in dict.fromkeys((of.loss, *of.shown)) if m in measured[ALL]]
    when = said["cutoff"].iloc[0]
    return pd.DataFrame(
        [
            (name, of.ablated, when, m, float(measured[ALL][m][0]), float(measured[name][m][0]), len(said))
            for name in models
            if name != ALL
            for m in metrics
        ],
        columns=[*COLUMNS],
    )


def worth(rows: pd.DataFrame, metric: str) -> Worth:
    """Return what the features are worth over all cut-offs of `ablate`'s rows of them, in a metric that is better when lower."""
    from scipy import stats

    own = rows[rows["metric"] == metric]
    gaps = (own["without_features"] - own["with_features"]).to_numpy("float64")
    blocks = len(gaps)
    mean = float(gaps.mean()) if blocks else float("nan")
    if blocks < 2:
        return Worth(mean, float("nan"), float("nan"), blocks)
    reach = float(stats.t.ppf(0.975, blocks - 1) * gaps.std(ddof=1) / np.sqrt(blocks))
    return Worth(mean, mean - reach, mean + reach, blocks)
