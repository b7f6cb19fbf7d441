"""When a classifier of texts should say that it does not know: a rule learned from texts that belong to none of its classes.

The rule is a logistic regression on how the classes' decision values stand (the highest, its lead, its probability, that of the
class *unknown* where there is one) and on how many of the text's words were ever seen. Nothing of texts or intents is known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEPS = 400
"""Thresholds that are tried, at quantiles."""

COSTS = (0.01, 0.02, 0.05, 0.1)
"""Shares of all right answers given up for which the report says what it gains."""


@dataclass
class Rule:
    """Answer where ``features @ weights + intercept`` is at least ``threshold``."""

    weights: np.ndarray
    intercept: float
    threshold: float

    def confidence(self, features: np.ndarray) -> np.ndarray:
        """Return the log-odds that an answer is right (n,), features as `signs` gives them."""
        return features @ self.weights + self.intercept

    def answers(self, features: np.ndarray) -> np.ndarray:
        """Tell which rows are answered (n,); those without a known word are not."""
        return (self.confidence(features) >= self.threshold) & (features[:, 3] > 0)


@dataclass
class Trial:
    """What a classifier said of texts that it had not seen, some of which belong to none of its classes.

    Attributes
    ----------
    features : array (n, 5)
    right : array of bool (n,)
        Its likeliest class is the text's.
    outside : array of bool (n,)
        The text belongs to none of its classes.
    """

    features: np.ndarray
    right: np.ndarray
    outside: np.ndarray


def signs(decisions: np.ndarray, probabilities: np.ndarray, known: np.ndarray, none: np.ndarray | None) -> np.ndarray:
    """Return what tells whether to answer (n × 5): highest decision value, its lead, its log-odds, known words, not *unknown*."""
    two = np.sort(decisions, axis=1)[:, -2:]
    top = np.clip(probabilities.max(axis=1), 1e-6, 1 - 1e-6)
    outside = np.zeros(len(known)) if none is None else two[:, 1] - none
    return np.column_stack([two[:, 1], two[:, 1] - two[:, 0], np.log(top / (1 - top)), known, outside])


def learned(trials: list[Trial], share: float) -> Rule:
    """Return the rule that is right most often where a ``share`` of all texts is outside.

    Right is the text's class for what is inside, no answer for what is outside.
    """
    from sklearn.linear_model import LogisticRegression

    features, right, outside = (
        np.concatenate([getattr(t, name) for t in trials]) for name in ("features", "right", "outside")
    )
    if right.all() or not right.any():
        return Rule(np.zeros(features.shape[1]), 0.0, -np.inf)
    weights = np.where(outside, share / max(outside.sum(), 1), (1 - share) / max((~outside).sum(), 1)) * len(right)
    scale = features.std(axis=0)
    mean, scale = features.mean(axis=0), np.where(scale > 1e-9, scale, 1.0)
    fitted = LogisticRegression(C=1.0, max_iter=1_000).fit((features - mean) / scale, right, sample_weight=weights)
    slope = fitted.coef_[0] / scale
    rule = Rule(slope, float(fitted.intercept_[0] - mean @ slope), -np.inf)
    confidence = rule.confidence(features)
    tried = np.unique(np.quantile(confidence, np.linspace(0, 1, STEPS)))
    kept = np.array(
        [np.sum(weights * np.where(outside, confidence < one, right & (confidence >= one))) for one in tried]
    )
    rule.threshold = float(tried[kept.argmax()])
    return rule


def cross_checked(trials: list[Trial], share: float) -> dict[str, float]:
    """Return what the rule costs and gains: each trial is judged by a rule learned from the others.

    Returns
    -------
    dict
        ``accuracy`` inside without the rule; ``accuracy_kept``, an answer withheld counted as wrong; ``accuracy_answered`` of
        those answered; ``answered`` share inside; ``outside_recall``, the share outside that is not answered; and
        ``outside_recall_at_1_percent_cost`` and so on, what giving up that share of right answers would gain.
    """
    if len(trials) > 1:
        rules = [learned([t for t in trials if t is not trial], share) for trial in trials]
    else:
        rules = [learned(trials, share)]
    answered = np.concatenate([rule.answers(trial.features) for rule, trial in zip(rules, trials, strict=True)])
    distance = np.concatenate(
        [rule.confidence(trial.features) - rule.threshold for rule, trial in zip(rules, trials, strict=True)]
    )
    right, outside = (np.concatenate([getattr(t, name) for t in trials]) for name in ("right", "outside"))
    return {**judged(right, outside, answered), **_gains(distance, right, outside)}


def judged(right: np.ndarray, outside: np.ndarray, answered: np.ndarray) -> dict[str, float]:
    """Return how often answers inside are right, with and without those withheld, and how many outside are withheld."""
    inside = ~outside
    return {
        "accuracy": _mean(right[inside]),
        "accuracy_kept": _mean((right & answered)[inside]),
        "accuracy_answered": _mean(right[inside & answered]),
        "answered": _mean(answered[inside]),
        "outside_recall": _mean(~answered[outside]),
    }


def _gains(distance: np.ndarray, right: np.ndarray, outside: np.ndarray) -> dict[str, float]:
    if not right.any():
        return {}
    levels = np.quantile(distance[right & ~outside], COSTS)
    return {
        f"outside_recall_at_{cost:.0%}_cost".replace("%", "_percent"): _mean(distance[outside] < level)
        for cost, level in zip(COSTS, levels, strict=True)
    }


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
