"""How numbers, models and measures are written for a reader. No computation and no HTML here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crm_pipeline.modeling.tasks import tasks
from crm_pipeline.periods import Calendar, Grain

BASELINE = "baseline_"
DASH = "–"


@dataclass(frozen=True)
class Measure:
    """A measure as readers meet it: label, which way is better (high, low, one, or empty), decimals, what it says."""

    label: str
    better: str
    decimals: int
    says: str


MEASURES: dict[str, Measure] = {
    "auc": Measure("AUC", "high", 3, "chance that one who lapsed was ranked above one who stayed; 0.5 is a coin"),
    "brier": Measure("Brier", "low", 3, "mean squared error of the probability; lower is better"),
    "log_loss": Measure("Log loss", "low", 3, "surprise of the outcome under the probability; lower is better"),
    "average_precision": Measure("Avg. precision", "high", 3, "area under the precision-recall curve"),
    "lift_10": Measure("Lift, top 10 %", "high", 2, "events among the top tenth, in multiples of the average"),
    "calibration_slope": Measure(
        "Calibration slope", "one", 2, "1 when probabilities are neither too bold nor too shy"
    ),
    "wape": Measure("WAPE", "low", 3, "sum of absolute errors over actual total; lower is better"),
    "spearman": Measure("Spearman", "high", 3, "rank correlation of predicted and actual spend"),
    "total_ratio": Measure("Total", "one", 2, "predicted total over actual total; 1 is right"),
    "coverage": Measure(
        "Inside the 80 %", "", 3, "share of outcomes inside the interval published with the score; 0.8 is right"
    ),
    "deviance": Measure("Deviance", "low", 3, "Tweedie deviance; lower is better"),
    "mae": Measure("MAE", "low", 2, "mean absolute error; lower is better"),
    "rmse": Measure("RMSE", "low", 2, "root mean squared error; lower is better"),
    "r2": Measure("R²", "high", 3, "share of the variance of spend that is explained"),
    "gini": Measure("Gini", "high", 3, "concentration of actual spend by predicted rank, 1 is the best possible"),
    "f1": Measure("F1", "high", 3, "harmonic mean of precision and recall at the threshold"),
    "calibration_error": Measure("Calibration error", "low", 3, "mean gap of predicted and actual share in ten groups"),
    "calibration_error_floor": Measure("its noise floor", "", 3, "calibration error that a right model has by chance"),
    "decile_error": Measure("Decile error", "low", 3, "sum of the gaps of ten groups by prediction over actual total"),
    "mse": Measure("MSE", "low", 0, "mean squared error; lower is better"),
    "bias": Measure("Bias", "", 3, "predicted total over actual total, less 1"),
    "profit": Measure(
        "Profit",
        "high",
        2,
        "gain per customer if all are contacted whose probability is at least contact cost over saved value",
    ),
    "profit_everyone": Measure("Profit of contacting everyone", "", 2, "gain per customer if all are contacted"),
    "best_profit": Measure(
        "Best profit, afterwards", "high", 2, "gain per customer at the threshold best for these outcomes"
    ),
    "best_threshold": Measure("Best threshold, afterwards", "", 3, "probability from which contacts gained the most"),
}
BOUNDS = {
    **dict.fromkeys(("auc", "brier", "average_precision", "coverage", "f1", "calibration_error"), (0.0, 1.0)),
    **dict.fromkeys(("spearman", "gini"), (-1.0, 1.0)),
    **dict.fromkeys(
        ("log_loss", "wape", "total_ratio", "deviance", "mae", "rmse", "mse", "lift_10", "decile_error"),
        (0.0, math.inf),
    ),
    "r2": (-math.inf, 1.0),
}
"""Least and most that a measure can be: an interval by Student's t over few blocks knows nothing of it."""

ALIASES = {
    "roc_auc": "auc",
    "ap": "average_precision",
    "pr_auc": "average_precision",
    "logloss": "log_loss",
    "lift_at_10": "lift_10",
    "lift_top_10": "lift_10",
    "lift_top_decile": "lift_10",
    "total": "total_ratio",
    "tweedie_deviance": "deviance",
}

_MODELS = {
    "logistic": "Logistic on splines",
    "random_forest": "Random forest",
    "svm": "Support vector machine",
    "neural_network": "Neural network",
    "recurrent_network": "Recurrent network",
    "svr": "Support vector regression",
    "gradient_boosting": "Gradient boosting",
    "purchase_process": "Purchase process",
    "average": "Average of three",
    "linear": "Linear regression",
    "decision_tree": "Decision tree",
    "two_part": "Two-part",
}
_BASELINES = {
    "recency": "Recency rule",
    "rfm": "RFM rule",
    "purchase_process": "Purchase process alone",
    "last_season": "Last season",
    "last_spend": "Same as last time",
    "zero": "Nobody buys",
    "mean": "Everybody the mean",
}


def is_amount(task: str) -> bool:
    """Whether the task predicts an amount rather than a probability."""
    known = tasks().get(task)
    return known is not None and known.kind == "amount"


def metric_key(metric: str) -> str:
    """Return the measure's key in `MEASURES`, or the name itself in lower case where it is not known."""
    key = str(metric).strip().lower().replace("-", "_").replace(" ", "_")
    return ALIASES.get(key, key)


def measure(metric: str) -> Measure:
    """Return how a metric is written; one that is not known keeps its name and has no better direction."""
    key = metric_key(metric)
    return MEASURES.get(key) or Measure(key.replace("_", " ").capitalize(), "", 3, "")


def model_id(model: str, kind: str | None = None) -> str:
    """Return the name a model has as a prediction column: baselines are prefixed ``baseline_``."""
    name = str(model)
    return BASELINE + name if kind == "baseline" and not name.startswith(BASELINE) else name


def model_name(model: str) -> str:
    """Return a model's name for readers."""
    if model.startswith(BASELINE):
        bare = model.removeprefix(BASELINE)
        return _BASELINES.get(bare, bare.replace("_", " ").capitalize())
    return _MODELS.get(model, model.replace("_", " ").capitalize())


def missing(value: Any) -> bool:
    """Whether a scalar is None, NaN, NaT, NA or empty text."""
    return value is None or value == "" or bool(pd.isna(value))


def number(value: Any, decimals: int = 0) -> str:
    """Write a number with thousands separators, or a dash where there is none."""
    if missing(value) or not math.isfinite(float(value)):
        return DASH
    text = f"{float(value):,.{decimals}f}"
    return text.removeprefix("-") if not float(text.replace(",", "")) else text.replace("-", "\N{MINUS SIGN}")


def percent(value: Any, decimals: int = 0) -> str:
    """Write a share of 1 as a percentage."""
    return DASH if missing(value) else number(float(value) * 100, decimals) + " %"


def money(value: Any, currency: str) -> str:
    """Write an amount in major units with its currency; pence only below 100."""
    text = number(value, 2 if not missing(value) and abs(float(value)) < 100 else 0)
    return text if text == DASH or not currency else f"{currency} {text}"


def span_around(mean: float, reach: float, metric: str) -> str:
    """Write the interval of a mean of a measure, no wider than what the measure can be."""
    least, most = BOUNDS.get(metric, (-math.inf, math.inf))
    return span(max(mean - reach, least), min(mean + reach, most), measure(metric).decimals)


def span(low: Any, high: Any, decimals: int) -> str:
    """Write an interval: ``0.759 to 0.791``."""
    return f"{number(low, decimals)} to {number(high, decimals)}"


def day(value: Any) -> str:
    """Write a date or instant as an ISO date."""
    return DASH if missing(value) else str(pd.Timestamp(value).date())


def local_day(value: Any, timezone: str) -> str:
    """Write the day on which a UTC instant fell in a time zone."""
    if missing(value):
        return DASH
    instant = pd.Timestamp(value)
    return day((instant.tz_localize("UTC") if instant.tzinfo is None else instant).tz_convert(timezone))


def period(key: Any, grain: Grain) -> str:
    """Write a period key as people do: ``2011-08``, or ``2011-W33`` for a week."""
    return DASH if missing(key) else Calendar(grain).label(str(pd.Timestamp(key).date()))


def plural(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: ``1 customer``, ``2 customers``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def listing(parts: list[str]) -> str:
    """Join with commas and a last 'and'."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + f" and {parts[-1]}" if parts else ""
