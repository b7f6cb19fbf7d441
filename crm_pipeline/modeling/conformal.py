"""Intervals of amounts, split-conformal and adapted over periods: calibrated on earlier cut-offs alone. No model and no file here.

What models said of customers at earlier cut-offs (``evaluation/<task>_predictions``: out of sample, outcomes known) is
grouped into bands of like predictions (Mondrian: Vovk, Gammerman & Shafer 2005, section 4.5). In a band the interval is the
shortest that holds the asked share of actual over predicted, ⌈(n + 1) · share⌉ of its n rows (split-conformal: Lei et al. 2018;
shortest: Chernozhukov, Wüthrich & Zhu 2021). Where many buy nothing it begins at 0; where most do, it is 0 to 0.

The share asked for follows the coverage seen (adaptive conformal inference: Gibbs & Candès 2021, equation 2):

    asked(t + 1) = asked(t) + STEP · (NOMINAL - coverage(t)),   asked(1) = NOMINAL

from block to block of h periods, so that coverage(t) is known before t + 1 is said. Who got 0 to 0 is left out of
coverage(t): no share changes that. All of it is a function of the blocks read, so that a rebuild equals a backfill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.modeling.baselines import PREFIX

NOMINAL = 0.8
STEP = 0.25
"""Of adaptation: a quarter of a miss is made up for at the next cut-off. There are few blocks, and a season turns from one to the next."""

LIMITS = (0.5, 0.98)
"""Between which the share asked for stays."""

BANDS, ROWS = 10, 100
"""Most bands, and fewest rows in one; with fewer rows in all nothing is calibrated."""

LEAST = 0.001
"""A prediction counts as this share of the mean amount at least, for the ratio of actual over predicted."""

SAMPLE = 50_000
"""Most customers of a cut-off that intervals are calibrated and judged on (a fixed sample)."""

KEYS = ("customer_id", "cutoff", "outcome")


class Bands(NamedTuple):
    """Intervals by predicted amount.

    Attributes
    ----------
    above : ndarray (g,)
        Predicted amount from which each band goes, ascending; the first is the least that a prediction counts as.
    ratios : ndarray (g, 3)
        Low, median and high, as multiples of the predicted amount.
    asked : float
        Share of the rows that low to high holds.
    rows, cutoffs : int
        What they were calibrated on.
    """

    above: np.ndarray
    ratios: np.ndarray
    asked: float
    rows: int
    cutoffs: int

    def of(self, predicted: np.ndarray) -> np.ndarray:
        """Return low, median and high (n, 3) of predicted amounts (n,)."""
        held = np.maximum(predicted, self.above[0])
        return self.ratios[np.searchsorted(self.above[1:], held, side="right")] * held[:, None]


def calibrate(predicted: np.ndarray, actual: np.ndarray, asked: float = NOMINAL, cutoffs: int = 1) -> Bands | None:
    """Return the intervals that hold a share of the rows in each band; None with fewer than `ROWS` rows, or nothing bought."""
    if len(actual) < ROWS or not actual.sum() > 0:
        return None
    held = np.maximum(predicted, LEAST * actual.mean())
    count = min(BANDS, len(held) // ROWS)
    edges = np.unique(np.quantile(held, np.linspace(0, 1, count + 1)[1:-1], method="higher"))
    edges = edges[edges > held.min()]
    band, ratio = np.searchsorted(edges, held, side="right"), actual / held
    ratios = np.array([_shortest(np.sort(ratio[band == b]), asked) for b in range(len(edges) + 1)])
    return Bands(np.r_[LEAST * actual.mean(), edges], ratios, asked, len(held), cutoffs)


def _shortest(ratios: np.ndarray, asked: float) -> tuple[float, float, float]:
    """Return low, median and high of sorted ratios; of equally short intervals the lowest."""
    k = min(int(np.ceil((len(ratios) + 1) * asked)), len(ratios))
    at = int(np.argmin(ratios[k - 1 :] - ratios[: len(ratios) - k + 1]))
    low, high = ratios[at], ratios[at + k - 1]
    return low, float(np.clip(np.median(ratios), low, high)), high


class Judged(NamedTuple):
    """Intervals beside what happened: the position of the block they were judged on, its outcomes, low and high."""

    block: int
    actual: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """Whether each outcome lies between low and high, both included."""
        return (self.low <= self.actual) & (self.actual <= self.high)


def adapt(blocks: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[Bands | None, list[Judged]]:
    """Return the intervals for what comes next, and what those of each block before the last ones were worth.

    Parameters
    ----------
    blocks : sequence of (predicted, actual)
        Oldest first, each known when the next one was predicted; amounts in major units, without missing values.
    """
    asked, judged = NOMINAL, []
    for at in range(1, len(blocks)):
        bands = calibrate(*_pooled(blocks[:at]), asked, at)
        if bands is None:
            continue
        predicted, actual = blocks[at]
        low, _, high = bands.of(predicted).T
        judged.append(Judged(at, actual, low, high))
        moves = high > 0
        if moves.any():
            asked = float(np.clip(asked + STEP * (NOMINAL - judged[-1].inside[moves].mean()), *LIMITS))
    return calibrate(*_pooled(blocks), asked, len(blocks)), judged


def _pooled(blocks: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    if not blocks:
        return np.empty(0), np.empty(0)
    predicted, actual = zip(*blocks, strict=True)
    return np.concatenate(predicted), np.concatenate(actual)


def intervals(task: str, predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Calibrate the intervals of every model and baseline, and judge those of the cut-offs read.

    Parameters
    ----------
    task : str
    predictions : DataFrame
        ``evaluation/<task>_predictions`` of cut-offs h periods apart; a model that said nothing at one of them is null there.

    Returns
    -------
    tuple of DataFrame
        ``intervals/<task>``, one row per model and band, and ``evaluation/<task>_intervals``, rows of an evaluation:
        ``coverage`` (also of buyers and of non-buyers) and ``width`` per model and cut-off that an earlier one calibrated, with 95 %
        intervals over customers, within that period.
    """
    rows = predictions[predictions["outcome"].notna()].sort_values(["cutoff", "customer_id"], ignore_index=True)
    bands, found = [], []
    for model in sorted(set(rows.columns) - set(KEYS)):
        own = rows[rows[model].notna()]
        cutoffs = sorted(own["cutoff"].unique())
        blocks = [own[own["cutoff"] == c] for c in cutoffs]
        made, judged = adapt([(b[model].to_numpy("float64"), b["outcome"].to_numpy("float64")) for b in blocks])
        same = {"task": task, "model": model}
        if made is not None:
            bands.append(_bands_frame(made).assign(**same))
        kind = "baseline" if model.startswith(PREFIX) else "estimator"
        found += [
            same | {"kind": kind, "cutoff": pd.Timestamp(cutoffs[one.block]).date(), "n": len(one.actual)} | row
            for one in judged
            for row in coverage(one)
        ]
    return pd.concat(bands, ignore_index=True) if bands else pd.DataFrame(), pd.DataFrame(found)


def coverage(judged: Judged) -> Iterator[dict[str, Any]]:
    """Yield metric, value, low and high: of all, buyers, non-buyers the share inside, and the mean width (major units)."""
    bought = judged.actual > 0
    parts = {"coverage": bought | True, "coverage_buyers": bought, "coverage_non_buyers": ~bought}
    measured = {name: judged.inside[part].astype(float) for name, part in parts.items()}
    for name, values in (measured | {"width": judged.high - judged.low}).items():
        mean = float(values.mean()) if len(values) else float("nan")
        reach = 1.959964 * float(values.std()) / np.sqrt(len(values)) if len(values) else float("nan")
        yield {"metric": name, "value": mean, "low": mean - reach, "high": mean + reach}


def _bands_frame(bands: Bands) -> pd.DataFrame:
    low, median, high = bands.ratios.T
    return pd.DataFrame(
        {
            "band": np.arange(1, len(low) + 1),
            "above": bands.above,
            "low": low,
            "median": median,
            "high": high,
            "asked": bands.asked,
            "rows": bands.rows,
            "cutoffs": bands.cutoffs,
        }
    )


def bands_of(frame: pd.DataFrame, model: str) -> Bands | None:
    """Read a model's intervals from ``intervals/<task>``; None where it has none."""
    own = frame[frame["model"] == model].sort_values("band") if len(frame) else frame
    if not len(own):
        return None
    first, ratios = own.iloc[0], own[["low", "median", "high"]].to_numpy("float64")
    return Bands(
        own["above"].to_numpy("float64"), ratios, float(first["asked"]), int(first["rows"]), int(first["cutoffs"])
    )


def with_intervals(said: pd.DataFrame, answer: str, bands: Bands) -> pd.DataFrame:
    """Return predictions with ``low``, ``median`` and ``high`` as calibrated, and with ``interval_basis``, which says so."""
    low, median, high = bands.of(said[answer].to_numpy("float64")).T
    many = f"{bands.cutoffs} earlier cut-off{'s' if bands.cutoffs > 1 else ''}"
    basis = f"calibrated on {bands.rows:,} customers at {many}"
    return said.assign(low=low, median=median, high=high, interval_basis=basis)
