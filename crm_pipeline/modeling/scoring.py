"""One period's scores of one task: predictions, factors, reasons and provenance of every eligible customer. No fitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.conformal import Bands, with_intervals
from crm_pipeline.modeling.explain import contributions, theme_contributions
from crm_pipeline.modeling.level import Level
from crm_pipeline.modeling.prediction import predict
from crm_pipeline.modeling.reasons import factors_json, top_reasons
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.periods import Grain


@dataclass(frozen=True)
class Release:
    """What is the same for all score rows of a task and period."""

    task: str
    as_of: date
    horizon_end: date
    label_definition: str
    model: str
    model_version: str
    run_id: str
    currency: str
    money_unit: float
    horizon: int
    year: int
    grain: Grain


def score(
    model: Any,
    features: pd.DataFrame,
    release: Release,
    level: Level | None,
    themes: Mapping[str, str],
    bands: Bands | None = None,
) -> pd.DataFrame:
    """Return one score row per row of ``features`` (all eligible customers of the period), after `contracts.outputs.score_columns`.

    ``themes`` maps feature to theme; ``bands`` are the model's intervals as earlier cut-offs calibrated them, None: its own. The
    rows are in the order of ``features``.
    """
    of = the_task(release.task)
    said = predict(release.task, model, features, level=level, money_unit=release.money_unit)
    said = (
        said.assign(interval_basis=of.interval_basis or None)
        if bands is None
        else with_intervals(said, of.answer, bands)
    )
    terms = contributions(release.task, model, features, level=level, money_unit=release.money_unit)
    by_theme = theme_contributions(terms, themes)
    frame = pd.concat(
        [
            _constant(features, release, "scored", None),
            said,
            top_reasons(
                release.task,
                by_theme,
                features,
                horizon=release.horizon,
                year=release.year,
                grain=release.grain,
                money_unit=release.money_unit,
                currency=release.currency,
            ),
        ],
        axis=1,
    )
    frame["percentile"] = frame[of.answer].rank(pct=True, method="average") * 100
    frame["factors"] = factors_json(by_theme)
    frame["features_hash"] = row_hashes(features)
    return frame


def abstain(features: pd.DataFrame, release: Release, reason: str) -> pd.DataFrame:
    """Return score rows without a score, that say why."""
    frame = _constant(features, release, "abstained", reason)
    frame["features_hash"] = row_hashes(features)
    return frame


def _constant(features: pd.DataFrame, release: Release, status: str, reason: str | None) -> pd.DataFrame:
    frame = features[["customer_id"]].copy()
    same = asdict(release)
    for name in ("task", "as_of", "horizon_end", "label_definition", "model", "model_version", "run_id"):
        frame[name] = same[name]
    frame["status"] = status
    frame["status_reason"] = reason
    return frame


def row_hashes(features: pd.DataFrame) -> pd.Series:
    """Return a hash of each customer's features as 16 hexadecimal digits; the same for equal values."""
    numbers = pd.util.hash_pandas_object(features, index=False).to_numpy()
    return pd.Series(np.char.mod("%016x", numbers.astype(np.uint64)), index=features.index)
