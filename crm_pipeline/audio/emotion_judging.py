"""How well a model of how voices sound does on labelled recordings that it was not fitted on: figures, confusions, speakers. No fitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_pipeline.audio.emotion import LEAST, EmotionModel, Unheard, figures
from crm_pipeline.audio.emotion_stretches import Stretches


@dataclass(frozen=True)
class Judgement:
    """What was found.

    Attributes
    ----------
    recordings, unlearned : int
        Judged; those of labels that the model was never shown, which are left out.
    metrics : dict
        `crm_pipeline.audio.emotion.figures` of the likeliest label, ``answered`` (the share of which something is said) and
        ``accuracy_answered``.
    confusions : DataFrame
        ``emotion``, ``likeliest``, ``recordings``: how often which label was taken for which, the right ones too.
    speakers : DataFrame
        ``speaker``, ``recordings``, ``accuracy``, ``uar``, the worst first.
    """

    recordings: int
    unlearned: int
    metrics: dict[str, float]
    confusions: pd.DataFrame
    speakers: pd.DataFrame


def judge_unheard(found: Unheard, speakers: Sequence[str]) -> Judgement:
    """Return how well speakers are told by models that never heard them."""
    return _judged(found, np.asarray(speakers), found.probabilities.max(axis=1) >= LEAST, 0)


def judge(model: EmotionModel, stretches: Stretches, labels: Sequence[str], speakers: Sequence[str]) -> Judgement:
    """Return how well the model does on labelled recordings."""
    named, spoken = np.asarray(labels, object), np.asarray(speakers, object)
    learned = np.isin(named.astype(str), model.labels)
    kept = stretches.only(learned)
    truth = np.searchsorted(model.labels, named[learned].astype(str))
    answered = (model.predict(kept, spoken[learned].tolist())["reason"] == "").to_numpy(bool)
    probabilities = model.probabilities(kept, spoken[learned].tolist())
    found = Unheard(model.labels, truth, np.zeros(len(truth), int), probabilities, model.temperature)
    return _judged(found, spoken[learned], answered, int((~learned).sum()))


def _judged(found: Unheard, speakers: np.ndarray, answered: np.ndarray, unlearned: int) -> Judgement:
    said = found.probabilities.argmax(axis=1)
    rows = pd.DataFrame({"speaker": speakers, "truth": found.truth, "right": said == found.truth})
    metrics = figures(found) | {"answered": float(answered.mean())}
    if answered.any():
        metrics["accuracy_answered"] = float(rows["right"][answered].mean())
    names = np.array(found.labels, object)
    confusions = pd.DataFrame({"emotion": names[found.truth], "likeliest": names[said]}).value_counts().sort_index()
    recalls = rows.groupby(["speaker", "truth"])["right"].mean().groupby("speaker").mean()
    by_speaker = rows.groupby("speaker")["right"].agg(recordings="size", accuracy="mean").assign(uar=recalls)
    return Judgement(
        len(rows),
        unlearned,
        metrics,
        confusions.rename("recordings").reset_index(),
        by_speaker.sort_values(["uar", "recordings"], kind="stable").reset_index(),
    )
