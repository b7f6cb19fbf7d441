"""Losses of models beside each other, block of time by block: who is ahead, and by how much in words. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from crm_pipeline.modeling.baselines import PREFIX
from crm_pipeline.periods import Calendar, Grain
from crm_pipeline.settings import BLOCKS_TO_CHOOSE


def with_a_year(evaluation: pd.DataFrame, whole_from: str) -> pd.DataFrame:
    """Return the rows of cut-offs from ``whole_from`` on, or all where there are none."""
    late = np.array([str(c)[:10] >= whole_from for c in evaluation["cutoff"]], dtype=bool) if len(evaluation) else None
    return evaluation if late is None or not late.any() else evaluation[late]


def by_cutoff(evaluation: pd.DataFrame, metric: str, horizon: int | None, grain: Grain) -> pd.DataFrame:
    """Return cut-off × model values of a metric over non-overlapping cut-offs, taken backwards from the newest."""
    rows = evaluation[evaluation["metric"] == metric] if len(evaluation) else evaluation
    if not len(rows):
        return pd.DataFrame()
    rows = rows.assign(cutoff=[str(c)[:10] for c in rows["cutoff"]])
    table = rows.pivot_table(index="cutoff", columns="model", values="value", aggfunc="last")
    calendar = Calendar(grain)
    kept: list[str] = []
    for cutoff in sorted(table.index, reverse=True):
        if not kept or horizon is None or calendar.distance(cutoff, kept[-1]) >= horizon:
            kept.append(cutoff)
    return table.loc[sorted(kept)]


def by_chance(evaluation: pd.DataFrame, chance: Mapping[str, float], cutoffs: Collection[str]) -> set[str]:
    """Return the models of which an interval, over the blocks together, holds the value that a metric has by chance."""
    if not len(evaluation) or "low" not in evaluation:
        return set()
    rows = evaluation[evaluation["cutoff"].astype(str).str[:10].isin(list(cutoffs))].dropna(subset=["value", "low"])
    rows = rows[rows["metric"].isin(list(chance))]
    if rows.empty:
        return set()
    rows = rows.assign(square=(rows["value"] - rows["low"]) ** 2)
    found = rows.groupby(["metric", "model"]).agg(
        mean=("value", "mean"), square=("square", "sum"), blocks=("value", "size")
    )
    floor = (
        found["mean"] - np.sqrt(found["square"]) / found["blocks"]
    )  # blocks do not overlap: their errors are independent
    at_chance = floor <= found.index.get_level_values("metric").map(chance)
    return set(found.index[at_chance].get_level_values("model"))


def baselines(losses: pd.DataFrame, model: str = "") -> list[str]:
    """Return the baselines that were judged, without one that is the model itself under the same name."""
    judged = [m for m in losses.columns if m.startswith(PREFIX) and losses[m].notna().any()]
    itself = PREFIX + model
    if itself in judged and np.allclose(losses[itself], losses[model], rtol=0, atol=1e-9, equal_nan=True):
        judged.remove(itself)
    return judged


def ahead(gaps: pd.Series) -> bool:
    """Tell whether a model is ahead by its paired loss differences (negative is ahead), cut-off by cut-off."""
    wins, count = int((gaps < 0).sum()), int(gaps.notna().sum())
    return wins * 2 > count or (wins * 2 == count and float(gaps.mean()) < 0)


def beats(gaps: pd.Series) -> bool:
    """Tell whether a challenger beats who reigns by paired loss differences: beyond one block standard error where that is known."""
    if len(gaps) < BLOCKS_TO_CHOOSE:
        return ahead(gaps)
    return float(gaps.mean()) < -float(gaps.std(ddof=1)) / np.sqrt(len(gaps))


def lead(losses: pd.DataFrame, model: str) -> str:
    """Say by how much a model leads the baseline closest to it."""
    judged = baselines(losses, model)
    if not judged:
        return "had no baseline to beat"
    closest = max(judged, key=lambda b: float((losses[model] - losses[b]).mean()))
    return f"beats every baseline, the closest being {plain(losses, model, closest)}"


def plain(losses: pd.DataFrame, model: str, baseline: str) -> str:
    """Name a baseline, and by how much a model differs from it."""
    return f"'{baseline.removeprefix(PREFIX)}' ({difference((losses[model] - losses[baseline]).dropna())})"


def difference(gaps: pd.Series) -> str:
    """Say paired differences of the loss in words."""
    if not len(gaps):
        return "not compared over these blocks"
    return f"mean difference of the loss {gaps.mean():+.4f}, better in {(gaps < 0).sum()} of {blocks(len(gaps))}"


def blocks(count: int) -> str:
    """Say how many blocks."""
    return f"{count} block{'' if count == 1 else 's'}"
