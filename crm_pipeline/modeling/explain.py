"""Why a model says what it says: additive attributions per feature, summed to themes. Words are made in `reasons`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.modeling.training import Model

BASE = "base"
LEVEL = "level"

NOTICEABLE = 0.05
"""Themes that move the raw score by less than this are no reasons."""


def contributions(model: Model, features: pd.DataFrame, shift: float = 0.0) -> pd.DataFrame:
    """Return the additive attributions of every row: one column per feature, and ``base`` and ``level``.

    A row's sum is the raw score with its level: log-odds for churn, log of the mean amount for demand. Splines and the
    purchase process are exact; trees use XGBoost's approximate contributions. ``shift`` is what the level adds
    (`prediction.level_shift`), the same for all customers of a period.
    """
    terms, base = model.attributions(features)
    table = pd.DataFrame(terms, columns=list(model.columns_), index=features.index)
    table[BASE], table[LEVEL] = base, shift
    return table


def told_as(task: str, themes: Mapping[str, str]) -> dict[str, str]:
    """Return the theme under which each feature is told in reasons of a task: its own, or the one it is joined to (`Task.joined`)."""
    joined = the_task(task).joined
    return {feature: joined.get(theme, theme) for feature, theme in themes.items()}


def theme_contributions(table: pd.DataFrame, themes: Mapping[str, str]) -> pd.DataFrame:
    """Sum attributions by theme.

    Parameters
    ----------
    table : DataFrame
        From `contributions`.
    themes : mapping of feature to theme
        From the catalogue of features by `told_as`; a feature without one counts as ``other``.

    Returns
    -------
    DataFrame
        One column per theme that occurs, in alphabetical order, then ``base`` and ``level``.
    """
    owner = [c if c in (BASE, LEVEL) else themes.get(c, "other") for c in table.columns]
    order = sorted(set(owner) - {BASE, LEVEL}) + [c for c in (BASE, LEVEL) if c in owner]
    values = table.to_numpy("float64")
    picked = np.array([[1.0 if own == theme else 0.0 for theme in order] for own in owner])
    return pd.DataFrame(values @ picked, columns=order, index=table.index)
