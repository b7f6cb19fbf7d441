"""Thresholds by group, set on one cut-off and judged on the next: what they give and what they cost. Scores are left as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.fairness import (
    COLUMNS,
    EVERYONE,
    Cutoff,
    Groups,
    Rates,
    judged,
    labels_of,
    models_of,
    selection,
    table,
)
from crm_pipeline.modeling.metrics import Contact

PREFIX = "mitigated_"


def mitigate(
    task: str,
    earlier: Cutoff,
    later: Cutoff,
    *,
    attribute: str,
    constraint: str = "demographic_parity",
    threshold: float = 0.5,
    contact: Contact | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Set thresholds by group on one cut-off and judge them on the next.

    The thresholds are those of `fairlearn.postprocessing.ThresholdOptimizer` (Hardt, Price and Srebro 2016): the most accurate
    choice under the constraint. It draws lots between two thresholds of a group; the lots are fixed by ``seed``.

    Parameters
    ----------
    task : str
        Of yes or no.
    earlier, later : Cutoff
        The one whose outcomes had matured when ``later`` was foretold, and the one that is judged.
    attribute : str
    constraint : {"demographic_parity", "equalized_odds"}
    threshold : float
        Of everyone, without mitigation.
    contact : Contact, optional
        Gives the profit of both choices.

    Returns
    -------
    DataFrame
        `COLUMNS`: ``mitigated_selection_rate`` and the errors of each group and between groups; and of everyone, without and with
        mitigation, selection rate, accuracy and profit. Empty where a cut-off has fewer than two groups with both outcomes.
    """
    then, now = judged(earlier.predictions), judged(later.predictions)
    learned = labels_of(then["customer_id"], earlier.known, earlier.as_of).get(attribute)
    labels = labels_of(now["customer_id"], later.known, later.as_of).get(attribute)
    models = [m for m in models_of(now) if m in models_of(then)]
    if learned is None or labels is None or not models:
        return pd.DataFrame(columns=COLUMNS)
    usable = then["outcome"].groupby(learned).agg(["min", "max", "size"])
    able = usable.index[(usable["min"] == 0) & (usable["max"] == 1)]
    if len(able) < 2:
        return pd.DataFrame(columns=COLUMNS)
    y, p = now["outcome"].to_numpy("float64"), now[models].to_numpy("float64")
    plain, fit, apply = p >= threshold, learned.isin(able), labels.isin(able).to_numpy()
    chosen = plain.copy()  # of a group that the earlier cut-off did not have, as before
    for at, model in enumerate(models):
        optimizer = _optimizer(constraint)
        optimizer.fit(
            then.loc[fit, [model]].to_numpy(), then.loc[fit, "outcome"].to_numpy(), sensitive_features=learned[fit]
        )
        picked = optimizer.predict(p[apply][:, [at]], sensitive_features=labels[apply], random_state=seed)
        chosen[apply, at] = np.asarray(picked) > 0
    groups, happened = Groups(labels), y[:, None] > 0
    by_group = table(selection(groups, happened, chosen), groups, happened, models)
    everyone = Groups(pd.Series(EVERYONE, index=labels.index))
    whole = {
        **_worth(everyone, y, plain, contact),
        **{PREFIX + k: v for k, v in _worth(everyone, y, chosen, contact).items()},
    }
    found = pd.concat([by_group.assign(metric=PREFIX + by_group["metric"]), table(whole, everyone, happened, models)])
    told = {"task": task, "attribute": attribute, "cutoff": now["cutoff"].iloc[0], "chosen_from": np.nan}
    return found.assign(**told)[COLUMNS].reset_index(drop=True)


def _optimizer(constraint: str) -> Any:
    """Return the optimiser of thresholds on scores as they are given."""
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator

    class Scores(BaseEstimator):
        """A classifier that says the scores it is given; there is nothing to fit."""

        def fit(self, X: Any, y: Any = None) -> Any:
            """Return itself."""
            return self

        def predict(self, X: Any) -> Any:
            """Return the only column."""
            return np.asarray(X)[:, 0]

        def __sklearn_is_fitted__(self) -> bool:
            return True

    return ThresholdOptimizer(estimator=Scores(), constraints=constraint, prefit=True, predict_method="predict")


def _worth(everyone: Groups, y: np.ndarray, chosen: np.ndarray, contact: Contact | None) -> dict[str, Rates]:
    """Return of all customers together: how many are chosen, how many choices are right, what contacts gain per customer."""
    right = everyone.mean((chosen == (y[:, None] > 0)).astype("float64"))
    found = {"selection_rate": Rates(everyone.mean(chosen.astype("float64")).value, everyone.size)}
    found["accuracy"] = Rates(right.value, everyone.size)
    if contact is not None:
        found["profit"] = everyone.mean(chosen * (contact.saved * y[:, None] - contact.cost))
    return found
