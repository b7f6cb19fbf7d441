"""How well models of how voices sound do on labelled recordings that they were not fitted on: figures, confusions, speakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm_pipeline.audio.emotion import AVERAGE, LEAST, EmotionModel, Unheard, figures, fit, unheard
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


Given = tuple[Stretches, Sequence[str], Sequence[str]]
"""Stretches, and the label and the speaker of each."""


def compared(
    kinds: Sequence[str], learn: Given, seed: int, by_speaker: bool, probe: Given | None = None
) -> dict[str, tuple[EmotionModel, Judgement]]:
    """Return a model of each kind, and of two their average, each judged on the same.

    Parameters
    ----------
    kinds : sequence of str
        One or two of `crm_pipeline.audio.emotion.KINDS`.
    learn : Given
    seed : int
    by_speaker : bool
    probe : Given, optional
        To judge on; without, the speakers of ``learn`` are left out in turn.
    """
    found = {kind: unheard(*learn, seed, by_speaker, kind) for kind in kinds}
    models = {kind: fit(*learn, seed, by_speaker, one) for kind, one in found.items()}
    if len(kinds) > 1:
        one, other = kinds
        found[AVERAGE] = found[one].together(found[other])
        models[AVERAGE] = models[one].together(models[other], found[AVERAGE])
    return {
        name: (model, judge(model, *probe) if probe else judge_unheard(found[name], learn[2]))
        for name, model in models.items()
    }


def best(found: Mapping[str, tuple[EmotionModel, Judgement]]) -> str:
    """Return the name of the model with the least log loss on speakers it never heard; of equals the first."""
    return min(found, key=lambda name: found[name][0].measured["log_loss"])


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
    found = Unheard(model.labels, truth, np.zeros(len(truth), int), probabilities, model.temperatures)
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
