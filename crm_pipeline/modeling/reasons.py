"""Attributions put in words that a CRM analyst reads, with the customer's own numbers. What they sum is in `explain`.

Everything is whole columns (Arrow), never one row at a time: a million customers take seconds.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.modeling.calibration import expit
from crm_pipeline.modeling.explain import BASE, LEVEL, NOTICEABLE
from crm_pipeline.modeling.phrases import PHRASES, Facts, Text, otherwise
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.tasks.base import AGAINST
from crm_pipeline.modeling.tasks.probability import ProbabilityTask
from crm_pipeline.periods import Grain
from crm_pipeline.transforms.scores import HIGH, MEDIUM

Strings: TypeAlias = "pa.Array | pa.ChunkedArray"

REASONS = 3


def top_reasons(
    task: str,
    themes: pd.DataFrame,
    features: pd.DataFrame,
    *,
    horizon: int = 3,
    year: int = 12,
    grain: Grain = "month",
    money_unit: float = 0.0001,
    currency: str = "",
) -> pd.DataFrame:
    """Return the three strongest reasons of every customer.

    Parameters
    ----------
    task : str
    themes : DataFrame
        From `explain.theme_contributions`; ``base`` and ``level`` are the same for all and no reason.
    features : DataFrame
        The same rows of ``features/customers``.
    horizon, year : int
        Periods ahead, and periods in a year.
    grain : {"month", "week"}
    money_unit : float
        Major units in one money unit.
    currency : str
        Code written before amounts.

    Returns
    -------
    DataFrame
        ``reason_1..3``, strongest first by absolute contribution; null where no theme moves the
        score by `NOTICEABLE`. A reason ends in what it does beside the average customer, whom ``base`` and ``level``
        speak of: ``… (raises the risk against the average customer)``. Where a probability is high (2/3) and every
        reason lowers it, or low (below 1/3) and every reason raises it, the average customer's is the first reason.
    """
    names = [c for c in themes.columns if c not in (BASE, LEVEL)]
    values = themes[names].to_numpy("float64")
    ranked = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :REASONS]
    theme_of = np.full((len(themes), REASONS), -1)
    theme_of[:, : ranked.shape[1]] = np.where(np.abs(np.take_along_axis(values, ranked, 1)) >= NOTICEABLE, ranked, -1)
    texts = np.full(theme_of.shape, None, dtype=object)
    facts = Facts(features, horizon, year, grain, money_unit, currency)
    for number, name in enumerate(names):
        rows, position = np.nonzero(theme_of == number)
        if len(rows):
            raises = values[rows, number] > 0
            texts[rows, position] = _sentences(task, name, facts.of(rows), raises)
    if the_task(task).kind == ProbabilityTask.kind:
        _base_rate_first(task, texts, themes, values, theme_of)
    columns = {f"reason_{i + 1}": texts[:, i] for i in range(REASONS)}
    return pd.DataFrame(columns, index=themes.index).astype("str")


def factors_json(themes: pd.DataFrame) -> pd.Series:
    """Return each row's theme contributions, base and level as JSON text, rounded to four decimals."""
    parts: list[Text] = []
    for i, name in enumerate(themes.columns):
        numbers = np.round(themes[name].to_numpy("float64"), 4) + 0.0
        parts += [f'{", " if i else "{"}"{name}": ', pc.cast(pa.array(numbers), pa.string())]
    whole = bool(len(themes.columns) and len(themes))
    text = pc.binary_join_element_wise(*parts, "}", "") if whole else pa.array(["{}"] * len(themes), pa.string())
    return pd.Series(text.to_numpy(zero_copy_only=False), index=themes.index, name="factors", dtype="str")


def _base_rate_first(
    task: str, texts: np.ndarray, themes: pd.DataFrame, values: np.ndarray, theme_of: np.ndarray
) -> None:
    """Put the average customer's probability before reasons all of which speak against the score; changes ``texts``."""
    base = themes[[c for c in (BASE, LEVEL) if c in themes]].to_numpy("float64").sum(axis=1)
    score = base + values.sum(axis=1)
    said = theme_of >= 0
    raises = np.take_along_axis(values, np.maximum(theme_of, 0), 1) > 0
    high, low = score >= np.log(HIGH / (1 - HIGH)), score < np.log(MEDIUM / (1 - MEDIUM))
    against = np.where(high[:, None], ~raises, raises)
    rows = np.flatnonzero((high | low) & said.any(axis=1) & (against | ~said).all(axis=1))
    texts[rows, 1:] = texts[rows, :-1]
    share = np.rint(expit(base[rows]) * 100).astype(int)
    texts[rows, 0] = [f"the average customer's {the_task(task).effect} is {number} %" for number in share]


def _sentences(task: str, theme: str, facts: Facts, raises: np.ndarray) -> np.ndarray:
    of = the_task(task)
    worse = raises if of.raises_is_worse else ~raises
    phrase = PHRASES.get(theme, otherwise)(facts, worse)
    beside = f"the {of.effect}{AGAINST}"
    effect = pc.if_else(pa.array(raises), f" (raises {beside})", f" (lowers {beside})")
    return pc.binary_join_element_wise(phrase, effect, "").to_numpy(zero_copy_only=False)
