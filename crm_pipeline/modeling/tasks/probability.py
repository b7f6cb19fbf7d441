"""What tasks share whose answer is a probability: labels 0/1, log-odds, calibration. The questions are in their own modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from crm_pipeline.contracts.column import Output
from crm_pipeline.modeling.tasks.base import Task

NORMAL_80 = 1.2815515655446004
"""Half width of the central 80 % of a normal distribution, in standard deviations."""


class ProbabilityTask(Task):
    """A yes-or-no question; raw scores are log-odds of yes."""

    kind: ClassVar[str] = "probability"
    drawn: ClassVar[tuple[str, ...]] = ("roc", "calibration")
    answers: ClassVar[tuple[Output, ...]] = (Output("probability", "float64", "probability of yes"),)
    unit: ClassVar[str] = "probability"
    effect: ClassVar[str] = "risk"
    raises_is_worse: ClassVar[bool] = True
    interval_basis: ClassVar[str] = "the levels that single training cut-offs showed"
    loss: ClassVar[str] = "log_loss"
    chance: ClassVar[Mapping[str, float]] = {"auc": 0.5}
    shown: ClassVar[tuple[str, ...]] = ("auc", "brier", "log_loss", "lift_10")

    def actual(self, rows: Any, money_unit: float) -> Any:
        """Return the judged label as 0.0 or 1.0."""
        return rows[self.label].to_numpy("float64", na_value=float("nan"))

    def events(self, rows: Any) -> int:
        """Return the rows of the rarer label."""
        positive = int((rows[self.label] > 0).sum())
        return min(positive, len(rows) - positive)

    def too_few(self, events: int, least: int) -> str:
        """Say that one of the outcomes is too rare."""
        return f"{events:,} rows of the rarer outcome, at least {least:,} are needed: more customers or more periods."

    def facts(self, model: Any, rows: Any, actual: Any) -> dict[str, Any]:
        """Return the base rate, and how far the level of single cut-offs lay from the model (log-odds)."""
        import numpy as np

        from crm_pipeline.modeling.calibration import offset

        if not len(rows):
            return {"rate": float("nan"), "level_spread": float("nan")}
        raw = model.raw(rows)
        groups = rows.groupby("cutoff", sort=True).indices.values()
        offsets = np.array([offset(raw[at], actual[at].mean()) for at in groups])
        spread = float(np.sqrt(np.mean(offsets**2))) if len(offsets) > 1 else float("nan")
        return {"rate": float(actual.mean()), "level_spread": spread}

    def shift(self, model: Any, raw: Any, level: Any, money_unit: float) -> float:
        """Return 0: a probability of something else than ordering follows no season of orders."""
        return 0.0

    def say(self, model: Any, features: Any, raw: Any, moved: Any, level: Any) -> Any:
        """Return ``probability``, ``low`` and ``high``: the 80 % range of levels that single training periods showed."""
        import pandas as pd

        from crm_pipeline.modeling.calibration import expit

        reach = NORMAL_80 * model.facts_["level_spread"]
        columns = {"probability": expit(moved), "low": expit(moved - reach), "high": expit(moved + reach)}
        return pd.DataFrame(columns, index=features.index)

    def judgeable(self, actual: Any) -> bool:
        """Tell whether both outcomes occurred."""
        return len(actual) > 0 and 0 < actual.mean() < 1

    def measure(self, y: Any, said: Any, weights: Any, threshold: float) -> Any:
        """Return the metrics of probabilities."""
        from crm_pipeline.modeling.metrics import probability_metrics

        return probability_metrics(y, said, weights, threshold)

    def further(self, y: Any, said: Any) -> list[tuple[str, float, float, float]]:
        """Return the calibration slope with its interval, and the calibration error that noise alone gives."""
        from crm_pipeline.modeling.metrics import calibration_floor, calibration_slope

        slope, error = calibration_slope(y, said)
        nan = float("nan")
        return [
            ("calibration_slope", slope, slope - 1.959964 * error, slope + 1.959964 * error),
            ("calibration_error_floor", calibration_floor(said), nan, nan),
        ]
