"""What a group of features is worth: the same estimator with and without it, judged at every cut-off. Nothing is chosen here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.modeling.evaluation import foretold
from crm_pipeline.modeling.level import Level
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import Abstained, fit

WITH, WITHOUT = "with", "without"


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


def ablate(
    task: str,
    left_out: Sequence[str],
    training: pd.DataFrame,
    features: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    cutoff: str,
    level: Level | None,
    horizon: int,
    seed: int,
    threads: int,
    money_unit: float,
) -> pd.DataFrame:
    """Judge the task's plain estimator (`Task.ablated`) with and without some features, at one cut-off.

    Parameters
    ----------
    task : str
    left_out : sequence of str
        The features that one of the two does without.
    training : DataFrame
        ``training/<task>`` of the cut-off.
    features, outcomes : DataFrame
        ``features/customers`` of the cut-off, and what happened in the h periods since.

    Returns
    -------
    DataFrame
        estimator, cutoff, metric (the task's loss and those it shows), with_features, without_features, n. Empty
        where either could not be fitted, or the outcomes cannot be judged.
    """
    of = the_task(task)
    columns = ["estimator", "cutoff", "metric", "with_features", "without_features", "n"]
    rows = {WITH: training, WITHOUT: training.drop(columns=[c for c in left_out if c in training.columns])}
    models = {
        name: fit(task, of.ablated, table, horizon=horizon, seed=seed, threads=threads, money_unit=money_unit)
        for name, table in rows.items()
    }
    if any(isinstance(model, Abstained) for model in models.values()):
        return pd.DataFrame(columns=columns)
    said = foretold(
        task, models, features, outcomes, training, cutoff=cutoff, level=level, horizon=horizon, money_unit=money_unit
    )
    said = said[said["outcome"].notna()]
    outcome = said["outcome"].to_numpy("float64")
    if not of.judgeable(outcome):
        return pd.DataFrame(columns=columns)
    one = np.ones((1, len(outcome)))
    measured = {name: of.measure(outcome, said[name].to_numpy("float64"), one, 0.5) for name in models}
    metrics = [m for m in dict.fromkeys((of.loss, *of.shown)) if m in measured[WITH]]
    return pd.DataFrame(
        [
            (
                of.ablated,
                said["cutoff"].iloc[0],
                m,
                float(measured[WITH][m][0]),
                float(measured[WITHOUT][m][0]),
                len(said),
            )
            for m in metrics
        ],
        columns=columns,
    )


def worth(rows: pd.DataFrame, metric: str) -> Worth:
    """Return what the features are worth over all cut-offs of `ablate`'s rows, in a metric that is better when lower."""
    from scipy import stats

    own = rows[rows["metric"] == metric]
    gaps = (own["without_features"] - own["with_features"]).to_numpy("float64")
    blocks = len(gaps)
    mean = float(gaps.mean()) if blocks else float("nan")
    if blocks < 2:
        return Worth(mean, float("nan"), float("nan"), blocks)
    reach = float(stats.t.ppf(0.975, blocks - 1) * gaps.std(ddof=1) / np.sqrt(blocks))
    return Worth(mean, mean - reach, mean + reach, blocks)
