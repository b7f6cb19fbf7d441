"""How well a classifier of intents does on labelled texts that it was not fitted on: figures and confusions. No fitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_pipeline.text.intents import IntentModel, calibration_error
from crm_pipeline.text.labels import UNKNOWN
from crm_pipeline.text.unknown import judged


@dataclass(frozen=True)
class Judgement:
    """What was found.

    Attributes
    ----------
    rows, outside, unlearned : int
        Texts; those that belong to no intent; those of an intent that the model was never shown (whatever it says is wrong).
    metrics : dict
        ``accuracy`` and ``macro_f1`` of the likeliest intent and ``calibration_error`` of its probability, over the texts that
        have an intent; ``accuracy_kept``, ``accuracy_answered``, ``answered`` and ``outside_recall`` as in
        `crm_pipeline.text.unknown.judged`. What cannot be told is left out.
    confusions : DataFrame
        ``intent``, ``likeliest``, ``texts``: how often which intent was taken for which, the most frequent first.
    """

    rows: int
    outside: int
    unlearned: int
    metrics: dict[str, float]
    confusions: pd.DataFrame


def judge(model: IntentModel, texts: Sequence[str], labels: Sequence[str]) -> Judgement:
    """Return how well the model does on labelled texts; the label `UNKNOWN` says that a text belongs to no intent."""
    truth, said = np.array(labels, dtype=object), model.predict(texts)
    likeliest, probability = said["likeliest"].to_numpy(object), said["probability"].to_numpy()
    outside, right = truth == UNKNOWN, likeliest == truth
    inside = ~outside
    metrics = judged(right, outside, said["intent"].to_numpy(object) != UNKNOWN)
    if inside.any():
        metrics["macro_f1"] = _macro_f1(truth[inside], likeliest[inside])
        metrics["calibration_error"] = calibration_error(probability[inside], right[inside])
    wrong = pd.DataFrame({"intent": truth, "likeliest": likeliest})[inside & ~right]
    confusions = wrong.groupby(["intent", "likeliest"], as_index=False).size().rename(columns={"size": "texts"})
    confusions = confusions.sort_values(
        ["texts", "intent", "likeliest"], ascending=[False, True, True], ignore_index=True
    )
    unlearned = int((inside & ~np.isin(truth.astype(str), model.labels)).sum())
    known = {name: value for name, value in metrics.items() if not np.isnan(value)}
    return Judgement(len(truth), int(outside.sum()), unlearned, known, confusions)


def _macro_f1(truth: np.ndarray, said: np.ndarray) -> float:
    """Return the mean over the true labels of F1: twice the hits over all that were it or were called it."""
    labels, were = np.unique(truth.astype(str), return_counts=True)
    hits, called = (
        pd.Series(which).value_counts().reindex(labels, fill_value=0).to_numpy()
        for which in (truth[truth == said], said)
    )
    return float((2 * hits / (were + called)).mean())
