"""Which kinds of customers there are: RFM quintiles and k-means over recency, frequency, spend and tenure. Names are in `segment_names`.

Rows are customers with an order. The clustering is of the period alone; its centres are matched with those of the period before, so
that a segment keeps its name.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.modeling.purchase_process.features import customer_rank
from crm_pipeline.modeling.segment_names import Yardsticks, name_segments

MEASURES = ("recency_days", "order_days", "spend_per_day", "tenure_days")
"""What customers are grouped by, each as the logarithm of one more, standardised over the sample."""

RFM = {"recency": "recency_days", "frequency": "order_days", "monetary": "spend"}
KS = (4, 5, 6, 7, 8)
"""Numbers of segments that are tried: fewer tell a team little, more can not be told apart in words."""

CUSTOMERS, SAMPLE, SILHOUETTE = 200, 20_000, 2_000
"""Fewest customers with an order; most that are clustered, and most whose silhouette chooses k (fixed samples)."""

TIE = 0.02
"""Mean silhouettes that differ by less are alike: the fewer segments win."""

SPREAD = 0.5
"""Least standard deviation of a logarithm that a measure is divided by: customers who differ by less than a factor of 1.6 are alike
in it. Else a cohort, all of one quarter, falls apart by weeks."""

STARTS = 4
NEAR = 1.0
"""Distance in standard deviations (root mean square over the measures) up to which a centre is matched with one of the period before."""


@dataclass(frozen=True)
class Segments:
    """Fitted segments; every array is a list, so that the whole is kept as JSON.

    Attributes
    ----------
    names : list of str
        Of each centre.
    centres : list of list of float
        k × `MEASURES`, logarithms.
    mean, scale : list of float
        By which the logarithms were standardised; a scale is at least `SPREAD`.
    edges : dict of str to list of float
        Quintiles of each part of `RFM`.
    silhouettes : dict of str to float
        Number of segments to the mean silhouette over the sample.
    customers : int
        Clustered.
    """

    names: list[str]
    centres: list[list[float]]
    mean: list[float]
    scale: list[float]
    edges: dict[str, list[float]]
    silhouettes: dict[str, float] = field(default_factory=dict)
    customers: int = 0

    @property
    def k(self) -> int:
        """How many there are."""
        return len(self.names)

    def assign(self, measures: pd.DataFrame) -> np.ndarray:
        """Return the nearest centre (n,) of customers with an order."""
        x, centres = self._standard(_logs(measures)), self._standard(np.array(self.centres))
        distance = np.stack([((x - centre) ** 2).sum(axis=1) for centre in centres], axis=1)
        return np.asarray(distance.argmin(axis=1))

    def _standard(self, logs: np.ndarray) -> np.ndarray:
        return (logs - np.array(self.mean)) / np.array(self.scale)

    def to_json(self) -> str:
        """Return it as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Segments:
        """Return what `to_json` told."""
        return cls(**json.loads(text))


def measures_of(lifetime: pd.DataFrame, as_of_day: int, money_unit: float) -> pd.DataFrame:
    """Return customer_id, `MEASURES` and spend (major units) of every customer with an order, by customer_id.

    Parameters
    ----------
    lifetime : DataFrame
        customer_id, first_day and last_day (days since the epoch), order_days, spend (money units).
    as_of_day : int
        First day after the period, days since the epoch.
    money_unit : float
    """
    known = lifetime[(lifetime["order_days"] > 0) & (lifetime["spend"] > 0)].sort_values(
        "customer_id", ignore_index=True
    )
    days, spend = known["order_days"].to_numpy("float64"), known["spend"].to_numpy("float64") * money_unit
    return pd.DataFrame(
        {
            "customer_id": known["customer_id"],
            "recency_days": as_of_day - known["last_day"].to_numpy("float64"),
            "order_days": days,
            "spend_per_day": spend / np.maximum(days, 1.0),
            "tenure_days": as_of_day - known["first_day"].to_numpy("float64"),
            "spend": spend,
        }
    )


def _logs(measures: pd.DataFrame) -> np.ndarray:
    return np.log1p(measures[list(MEASURES)].to_numpy("float64"))


def fit_segments(
    measures: pd.DataFrame, yard: Yardsticks, seed: int, previous: Segments | None = None
) -> Segments | str:
    """Fit the segments of a period on a fixed sample of its customers, whatever the order of rows; a sentence where they are too few.

    Parameters
    ----------
    measures : DataFrame
        As `measures_of` returns them.
    yard : Yardsticks
        Days by which the names go.
    seed : int
    previous : Segments or None
        Of the period before: its names go to the nearest centres, as long as they fit.
    """
    if len(measures) < CUSTOMERS:
        return f"{len(measures):,} customers with an order, at least {CUSTOMERS} are needed to find segments."
    rank = np.argsort(customer_rank(measures["customer_id"], seed), kind="stable")
    sample = measures.iloc[rank[:SAMPLE]]
    logs = _logs(sample)
    mean, scale = logs.mean(axis=0), logs.std(axis=0)
    if (scale < 1e-9).all():
        return "All customers are alike in recency, frequency, spend and tenure: there are no segments."
    scale = np.maximum(scale, SPREAD)
    found = _clusterings((logs - mean) / scale, seed)
    if not found:
        return (
            f"Fewer than {KS[0] + 1} kinds of customers by recency, frequency, spend and tenure: there are no segments."
        )
    best = max(quality for quality, _ in found.values())
    k = min(k for k, (quality, _) in found.items() if quality >= best - TIE)
    centres = found[k][1] * scale + mean
    matched = match(centres, scale, previous)
    before = [previous.names[m] if previous is not None and m is not None else None for m in matched]
    edges = {part: np.quantile(sample[c], [0.2, 0.4, 0.6, 0.8]).tolist() for part, c in RFM.items()}
    typical = float(sample["spend_per_day"].median())
    return Segments(
        names=name_segments(
            [dict(zip(MEASURES, row, strict=True)) for row in np.expm1(centres)], yard, typical, before
        ),
        centres=centres.tolist(),
        mean=mean.tolist(),
        scale=scale.tolist(),
        edges=edges,
        silhouettes={str(n): round(quality, 4) for n, (quality, _) in found.items()},
        customers=len(sample),
    )


def _clusterings(x: np.ndarray, seed: int) -> dict[int, tuple[float, np.ndarray]]:
    """Return number of segments → mean silhouette over the first rows, and centres sorted by the first measure."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    found, kinds = {}, len(np.unique(x, axis=0))
    with threadpool_limits(limits=1):  # sums over threads would be added in the order in which these end
        for k in (k for k in KS if k < kinds):
            model = KMeans(k, n_init=STARTS, random_state=seed).fit(x)
            some = model.labels_[:SILHOUETTE]
            if len(np.unique(some)) == k < len(some):
                order = np.lexsort(model.cluster_centers_.T[::-1])
                found[k] = (float(silhouette_score(x[:SILHOUETTE], some)), model.cluster_centers_[order])
    return found


def match(centres: np.ndarray, scale: np.ndarray, previous: Segments | None) -> list[int | None]:
    """Return which centre of the period before each centre (k × measures, logarithms) continues; None for a new one.

    The assignment of the least total squared distance (Kuhn 1955, "The Hungarian method"), without pairs further apart
    than `NEAR`: these all count alike, so that a centre far from everything does not move the others.
    """
    from scipy.optimize import linear_sum_assignment

    found: list[int | None] = [None] * len(centres)
    if previous is not None:
        gaps = (((centres[:, None, :] - np.array(previous.centres)[None, :, :]) / scale) ** 2).mean(axis=2)
        for new, old in zip(*linear_sum_assignment(np.minimum(gaps, NEAR**2)), strict=True):
            found[new] = int(old) if gaps[new, old] <= NEAR**2 else None
    return found


def agreement(one: pd.Series, other: pd.Series) -> float:
    """Return the adjusted Rand index of two groupings of the customers in both (Hubert & Arabie 1985); nan without any.

    Each is a centre by customer_id.
    """
    from sklearn.metrics import adjusted_rand_score

    joined = pd.concat([one, other], axis=1, join="inner")
    return float(adjusted_rand_score(joined.iloc[:, 0], joined.iloc[:, 1])) if len(joined) else float("nan")


class Stability(NamedTuple):
    """Adjusted Rand indices between a period and the one before; nan where there is none.

    Attributes
    ----------
    customers : float
        Of the segments of those known in both, as each period saw them: customers move, and so do centres.
    refit : float
        Of this period's customers by its own centres and by those of the period before: what the refit alone changed.
    """

    customers: float
    refit: float


def fit_beside_before(
    now: pd.DataFrame, before: pd.DataFrame, yard: Yardsticks, seed: int
) -> tuple[Segments | str, Stability]:
    """Fit the segments of a period, named after those of the period before, and say how stable they are.

    ``now`` and ``before`` are the measures of both periods; the one before is fitted as if nothing had been before it.
    """
    previous = fit_segments(before, yard, seed)
    if isinstance(previous, str):
        return fit_segments(now, yard, seed), Stability(float("nan"), float("nan"))
    model = fit_segments(now, yard, seed, previous)
    if isinstance(model, str):
        return model, Stability(float("nan"), float("nan"))

    def of(segments: Segments, rows: pd.DataFrame) -> pd.Series:
        return pd.Series(segments.assign(rows), index=rows["customer_id"])

    ours = of(model, now)
    return model, Stability(agreement(ours, of(previous, before)), agreement(ours, of(previous, now)))


def segments_of_customers(everyone: pd.Series, measures: pd.DataFrame, model: Segments | str) -> pd.DataFrame:
    """Return customer_id, status, status_reason, segment, recency, frequency, monetary of every known customer.

    ``everyone`` are the ids, in the order of the result; ``model`` is what `fit_segments` returned. Recency, frequency and monetary
    are quintiles, 5 the most recent, the most purchase days, the highest spend.
    """
    rows = pd.DataFrame({"customer_id": everyone.to_numpy()})
    if isinstance(model, str):
        return rows.assign(status="abstained", status_reason=model)
    at = model.assign(measures)
    told: dict[str, Any] = {"customer_id": measures["customer_id"], "segment": np.array(model.names)[at]}
    for part, column in RFM.items():
        code = np.searchsorted(model.edges[part], measures[column], side="left") + 1
        told[part] = 6 - code if part == "recency" else code
    rows = rows.merge(pd.DataFrame(told), on="customer_id", how="left", validate="one_to_one")
    there = rows["segment"].notna()
    rows["status"] = np.where(there, "scored", "abstained")
    rows["status_reason"] = pd.Series("never ordered with a positive amount", index=rows.index).mask(there)
    return rows.astype(dict.fromkeys(RFM, "Int64"))
