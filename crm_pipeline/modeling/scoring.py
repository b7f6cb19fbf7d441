"""One period's scores of one task: predictions, factors, reasons and provenance of every eligible customer. No fitting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.conformal import Bands, with_intervals
from crm_pipeline.modeling.customers import Customers
from crm_pipeline.modeling.explain import contributions, theme_contributions
from crm_pipeline.modeling.level import Level
from crm_pipeline.modeling.prediction import level_shift
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
    customers: Customers,
    release: Release,
    level: Level | None,
    themes: Mapping[str, str],
    bands: Bands | None = None,
    threads: int = 1,
) -> Iterator[pd.DataFrame]:
    """Yield one score row per customer of the period, a batch of customers at a time, after `contracts.outputs.score_columns`.

    ``themes`` maps feature to theme; ``bands`` are the model's intervals as earlier cut-offs calibrated them, None: its own. Customers
    are read twice: what is said of one depends by its level and its percentile on all. ``threads`` batches are worked on at once.
    """
    of = the_task(release.task)
    raw = np.concatenate([np.empty(0), *customers.each(model.raw, threads)])
    shift = level_shift(release.task, model, raw, level, money_unit=release.money_unit)
    known = customers.only(of.looked_at(customers.columns, release.horizon))
    said = of.say(model, known, raw, raw + shift, level).reset_index(drop=True)
    said = (
        said.assign(interval_basis=of.interval_basis or None)
        if bands is None
        else with_intervals(said, of.answer, bands)
    )
    said["percentile"] = said[of.answer].rank(pct=True, method="average") * 100
    start = 0
    for why in customers.each(partial(_why, model, release=release, shift=shift, themes=themes), threads):
        part = said.iloc[start : start + len(why)].set_axis(why.index)
        yield pd.concat([_constant(why, release, "scored", None), part, why.drop(columns="customer_id")], axis=1)
        start += len(why)


def _why(
    model: Any, features: pd.DataFrame, *, release: Release, shift: float, themes: Mapping[str, str]
) -> pd.DataFrame:
    """Return the reasons and the factors of the scores of some customers, and the hashes of what they rest on."""
    by_theme = theme_contributions(contributions(model, features, shift), themes)
    reasons = top_reasons(
        release.task,
        by_theme,
        features,
        horizon=release.horizon,
        year=release.year,
        grain=release.grain,
        money_unit=release.money_unit,
        currency=release.currency,
    )
    frame = pd.concat([features[["customer_id"]], reasons], axis=1)
    frame["factors"] = factors_json(by_theme)
    frame["features_hash"] = row_hashes(features)
    return frame


def abstain(customers: Customers, release: Release, reason: str) -> Iterator[pd.DataFrame]:
    """Yield score rows without a score, that say why."""
    for batch in customers.batches():
        frame = _constant(batch, release, "abstained", reason)
        frame["features_hash"] = row_hashes(batch)
        yield frame


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
