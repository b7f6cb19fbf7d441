"""How selection, errors and calibration differ between groups of people, and how sure that is. Nothing is chosen or mended here.

No model reads the attributes (`NEVER_FEATURES`): they are joined to what was said afterwards, as they were known at the cut-off.
"""

from __future__ import annotations

from datetime import date
from itertools import combinations
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd

from crm_pipeline.contracts.outputs import FAIRNESS
from crm_pipeline.modeling.baselines import PREFIX
from crm_pipeline.modeling.tasks import COMPARED
from crm_pipeline.modeling.tasks import task as the_task

LEAST = 30
"""Customers of a group from which on figures of it are shown."""

GROUPS = 12
"""Groups of an attribute that are shown by name, the largest; the others are pooled."""

SAMPLE = 100_000
"""Customers of a cut-off that are compared."""

TOP = 0.2
"""Of an amount, the share with the highest predictions counts as chosen."""

UNKNOWN, OTHERS, BETWEEN, EVERYONE = "(unknown)", "(all others)", "(between groups)", "(everyone)"
_LAST = (OTHERS, UNKNOWN)
_FROM_AGE = (0, 25, 35, 45, 55, 65)
_BANDS = ("under 25", "25 to 34", "35 to 44", "45 to 54", "55 to 64", "65 and over")
_AGES = (5, 115)
"""Ages outside are taken for a birth year that is wrong: unknown."""

COLUMNS = [column.name for column in FAIRNESS]


class Cutoff(NamedTuple):
    """What was said at one cut-off beside what happened, who was known then, and the end of its period."""

    predictions: pd.DataFrame
    known: pd.DataFrame
    as_of: date


def at_cutoff(predictions: pd.DataFrame, known: pd.DataFrame, cutoff: str, as_of: date) -> Cutoff:
    """Return the rows of one cut-off among those of several: ``known`` has ``as_of_period`` beside the attributes."""
    said, people = (
        rows[rows[column].astype(str).str[:10] == cutoff]
        for rows, column in ((predictions, "cutoff"), (known, "as_of_period"))
    )
    return Cutoff(said, people, as_of)


class Rates(NamedTuple):
    """A measure by group and model (g × m): its value, its count of rows (of a share), or its standard error (of a mean)."""

    value: np.ndarray
    rows: np.ndarray
    error: np.ndarray | None = None

    def ends(self, z: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of the interval of ``z`` standard errors: Wilson's of a share, else the normal one."""
        if self.error is not None:
            return self.value - z * self.error, self.value + z * self.error
        rows = np.where(self.rows > 0, self.rows, np.nan)
        scale = 1 + z**2 / rows
        middle = (self.value + z**2 / (2 * rows)) / scale
        reach = z / scale * np.sqrt(self.value * (1 - self.value) / rows + z**2 / (4 * rows**2))
        return middle - reach, middle + reach


class Groups:
    """The customers of one cut-off by one attribute: the names of the groups in the order shown, and sums over them."""

    def __init__(self, labels: pd.Series):
        order = {name: place for place, name in enumerate((*_BANDS, *_LAST))}
        self.names = sorted(labels.unique(), key=lambda name: (name in _LAST, order.get(name, -1), name))
        self.codes = pd.Categorical(labels, categories=self.names).codes
        self._order = np.argsort(self.codes, kind="stable")
        self._starts = np.flatnonzero(np.r_[True, np.diff(self.codes[self._order]) != 0])
        self.size = self.sums(np.ones((len(labels), 1)))
        self.few = self.size[:, 0] < LEAST
        self.compared = ~self.few & np.array([name != UNKNOWN for name in self.names])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sums of ``values`` (n × m) over the rows of each group (g × m)."""
        return np.add.reduceat(values[self._order].astype("float64"), self._starts, axis=0)

    def mean(self, values: np.ndarray) -> Rates:
        """Return the mean of each group, with its standard error."""
        mean = self.sums(values) / self.size
        spread = self.sums((values - mean[self.codes]) ** 2) / np.maximum(self.size - 1, 1)
        return Rates(mean, self.size, np.where(self.size > 1, np.sqrt(spread / self.size), np.nan))


def compare(
    task: str, predictions: pd.DataFrame, known: pd.DataFrame, *, as_of: date, threshold: float = 0.5
) -> pd.DataFrame:
    """Compare the groups of every attribute under every model of one cut-off.

    Parameters
    ----------
    task : str
    predictions : DataFrame
        ``customer_id, cutoff, outcome`` and one column per model; baselines (prefixed ``baseline_``) are not compared.
    known : DataFrame
        customer_id, and of `COMPARED` the columns there are, as known at the cut-off.
    as_of : date
        The end of the cut-off period: ages are those of its year.
    threshold : float
        Probability from which a customer is chosen. Of an amount, the top fifth is.

    Returns
    -------
    DataFrame
        `COLUMNS`. Of each group the share chosen (``selection_rate``), ``false_positive_rate``, ``false_negative_rate``,
        ``precision``, ``observed``, ``predicted``, and ``calibration`` (mean predicted minus observed; of amounts
        ``total_ratio``, predicted over observed), each with a 95 % interval over customers, within this period: Wilson's (1927) of
        a share. Of a group of fewer than `LEAST` only the number is told. The group `BETWEEN` is the largest difference
        between two groups, those of unknown attribute apart: its interval holds for all pairs at once (Newcombe 1998, method
        10, by Bonferroni), so that its lower end is 0 where no pair surely differs.
    """
    rows = judged(predictions)
    models = models_of(rows)
    y, p = rows["outcome"].to_numpy("float64"), rows[models].to_numpy("float64")
    if not models or not the_task(task).judgeable(y):
        return pd.DataFrame(columns=COLUMNS)
    yes_or_no = the_task(task).kind == "probability"
    edges = np.full(len(models), threshold) if yes_or_no else _top(p)
    chosen, happened = p >= edges, y[:, None] > 0
    found = [pd.DataFrame(columns=COLUMNS)]
    for attribute, labels in labels_of(rows["customer_id"], known, as_of).items():
        groups = Groups(labels)
        measures = selection(groups, happened, chosen) if yes_or_no else {"selection_rate": _chosen(groups, chosen)}
        measures |= _calibration(groups, y[:, None], p, yes_or_no)
        found.append(table(measures, groups, happened, models).assign(attribute=attribute))
    whole = pd.concat(found[1:] or found, ignore_index=True)
    whole["chosen_from"] = whole["model"].map(dict(zip(models, edges, strict=True))).astype("float64")
    return whole.assign(task=task, cutoff=rows["cutoff"].iloc[0])[COLUMNS]


def of_model(fairness: pd.DataFrame, model: str | None) -> pd.DataFrame:
    """Return the rows of one model at the newest of the cut-offs it was judged at."""
    own = fairness[fairness["model"] == model] if len(fairness) else fairness
    return own[own["cutoff"].astype(str) == own["cutoff"].astype(str).max()] if len(own) else own


def judged(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose outcome is known, in the order of customers: figures do not depend on the source's."""
    return predictions[predictions["outcome"].notna()].sort_values("customer_id", ignore_index=True)


def models_of(predictions: pd.DataFrame) -> list[str]:
    """Return the columns that are what a fitted model said of everyone; of several cut-offs read at once one may lack a model."""
    keys = ("customer_id", "cutoff", "outcome")
    return [c for c in predictions if c not in keys and not c.startswith(PREFIX) and predictions[c].notna().all()]


def labels_of(customers: pd.Series, known: pd.DataFrame, as_of: date) -> dict[str, pd.Series]:
    """Return the group of each customer by attribute; one whose customers are all of one group is left out.

    The `GROUPS` largest groups of at least `LEAST` customers keep their names; the others are pooled.
    """
    theirs = known.drop_duplicates("customer_id").set_index("customer_id").reindex(customers)
    found = {}
    for attribute, column in COMPARED.items():
        if column not in theirs:
            continue
        named = age_bands(theirs[column], as_of) if attribute == "age" else theirs[column].astype("object")
        named = named.where(named.notna(), UNKNOWN).astype(str).reset_index(drop=True)
        counts = named[named != UNKNOWN].value_counts()
        if len(counts) < 2:
            continue
        kept = sorted(counts[counts >= LEAST].items(), key=lambda item: (-item[1], item[0]))[:GROUPS]
        found[attribute] = named.where(named.isin([name for name, _ in kept] + [UNKNOWN]), OTHERS)
    return found


def age_bands(birth_years: pd.Series, as_of: date) -> pd.Series:
    """Return the age band that a customer reaches in the year of ``as_of``; None where the year is missing or cannot be."""
    ages = as_of.year - pd.to_numeric(birth_years, errors="coerce").to_numpy("float64", na_value=np.nan)
    possible = (ages >= _AGES[0]) & (ages <= _AGES[1])
    bands = np.array(_BANDS, dtype=object)[np.digitize(np.where(possible, ages, 0), _FROM_AGE[1:])]
    return pd.Series(bands, index=birth_years.index).where(possible)


def _top(p: np.ndarray) -> np.ndarray:
    """Return the prediction of each model from which a customer is among its top fifth; ties at that edge are in."""
    place = max(int(np.ceil(TOP * len(p))), 1)
    return -np.partition(-p, place - 1, axis=0)[place - 1]


def selection(groups: Groups, happened: np.ndarray, chosen: np.ndarray) -> dict[str, Rates]:
    """Return how many of each group are chosen, and how often that is wrong: ``happened`` is n × 1, ``chosen`` n × m."""
    picked, hits, events = groups.sums(chosen), groups.sums(chosen & happened), groups.sums(happened)
    return {
        "selection_rate": _share(picked, groups.size),
        "false_positive_rate": _share(picked - hits, groups.size - events),
        "false_negative_rate": _share(events - hits, events),
        "precision": _share(hits, picked),
    }


def _chosen(groups: Groups, chosen: np.ndarray) -> Rates:
    return _share(groups.sums(chosen), groups.size)


def _calibration(groups: Groups, y: np.ndarray, p: np.ndarray, yes_or_no: bool) -> dict[str, Rates]:
    """Return what was said and what happened in the mean of each group, and how the two differ."""
    actual, said, rest = np.repeat(y, p.shape[1], axis=1), groups.mean(p), groups.mean(p - y)
    was = groups.mean(actual)
    if yes_or_no:
        return {"observed": Rates(was.value, groups.size), "predicted": said, "calibration": rest}
    base = np.where(was.value > 0, was.value, np.nan)
    ratio = said.value / base
    around = groups.mean(p - ratio[groups.codes] * actual).error  # the delta method for a ratio of two means
    return {"observed": was, "predicted": said, "total_ratio": Rates(ratio, groups.size, around / base)}


def _share(count: np.ndarray, of: np.ndarray) -> Rates:
    of = np.broadcast_to(of, count.shape)
    return Rates(count / np.where(of > 0, of, np.nan), of)


# -- tables ------------------------------------------------------------------------------------------------------------


def table(measures: dict[str, Rates], groups: Groups, happened: np.ndarray, models: list[str]) -> pd.DataFrame:
    """Return measures by group, and the largest differences between groups, as rows: model, group, metric, value, …"""
    events = groups.sums(happened)[:, 0]
    parts, listed = [], []
    for metric, rates in measures.items():
        three = np.array([rates.value, *rates.ends(_z(1))])
        parts.append(np.where(groups.few[:, None], np.nan, three).reshape(3, -1))
        listed += [(group, metric, at) for at, group in enumerate(groups.names)]
        if groups.compared.sum() > 1 and metric not in ("observed", "predicted"):
            parts.append(gap(rates, groups.compared))
            listed.append((BETWEEN, metric, -1))
            if metric == "selection_rate":
                parts.append(_ratio(rates.value[groups.compared]))
                listed.append((BETWEEN, "selection_rate_ratio", -1))
    size = np.r_[groups.size[:, 0], groups.size[groups.compared, 0].sum()]
    yes = np.r_[np.where(groups.few, np.nan, events), events[groups.compared].sum()]
    value, low, high = np.concatenate(parts, axis=1)
    where = np.repeat([at for _, _, at in listed], len(models))
    return pd.DataFrame(
        {
            "model": np.tile(np.array(models, dtype=object), len(listed)),
            "group": np.repeat(np.array([group for group, _, _ in listed], dtype=object), len(models)),
            "metric": np.repeat(np.array([metric for _, metric, _ in listed], dtype=object), len(models)),
            "value": value,
            "low": low,
            "high": high,
            "n": size[where].astype("int64"),
            "events": pd.array(yes[where], dtype="Float64").astype("Int64"),
        }
    )


def gap(rates: Rates, compared: np.ndarray) -> np.ndarray:
    """Return the largest difference between two of the groups and the ends of its interval for all pairs at once (3 × m)."""
    pairs = np.array(list(combinations(np.flatnonzero(compared), 2)))
    low, high = rates.ends(_z(len(pairs)))
    one, two = pairs.T
    value = rates.value
    apart = value[one] - value[two]
    below = apart - np.hypot(value[one] - low[one], high[two] - value[two])
    above = apart + np.hypot(high[one] - value[one], value[two] - low[two])
    three = np.array([np.abs(apart), np.maximum(np.maximum(below, -above), 0), np.maximum(above, -below)])
    largest = np.where(np.isnan(three), -np.inf, three).max(axis=1)
    return np.where(np.isfinite(largest), largest, np.nan)


def _ratio(picked: np.ndarray) -> np.ndarray:
    """Return the smallest share over the largest, by model (3 × m, without an interval)."""
    most = picked.max(axis=0)
    nothing = np.full_like(most, np.nan)
    return np.array([picked.min(axis=0) / np.where(most > 0, most, np.nan), nothing, nothing])


def _z(comparisons: int) -> float:
    return NormalDist().inv_cdf(1 - 0.025 / comparisons)


# -- the gate ----------------------------------------------------------------------------------------------------------


def beyond(fairness: pd.DataFrame, model: str | None, most: float) -> list[str]:
    """Return a sentence for each attribute by which a model surely chooses one group more often than a setting allows.

    ``fairness`` are rows of `compare`; of several cut-offs the newest counts. Surely: the lower end of the interval of the largest
    difference of the share chosen is above ``most``.
    """
    return [f"It {row.told}." for row in _unequal(of_model(fairness, model), most).itertuples()]


def barred(fairness: pd.DataFrame, most: float) -> dict[str, dict[str, str]]:
    """Return cut-off → model → why it may not be promoted by what was seen at that cut-off, as the end of a sentence."""
    found: dict[str, dict[str, str]] = {}
    for row in _unequal(fairness, most).itertuples():
        models = found.setdefault(str(row.cutoff)[:10], {})
        models[row.model] = f"{models[row.model]} and {row.told}" if row.model in models else row.told
    return found


def _unequal(fairness: pd.DataFrame, most: float) -> pd.DataFrame:
    if fairness.empty:
        return pd.DataFrame(columns=[*COLUMNS, "told"])
    over = fairness[
        (fairness["group"] == BETWEEN) & (fairness["metric"] == "selection_rate") & (fairness["low"] > most)
    ]
    told = [
        f"chooses unequally by {row.attribute} (between groups the share chosen differs by {100 * row.value:.0f} points, surely "
        f"by {100 * row.low:.0f}; fairness_max_gap allows {100 * most:.0f})"
        for row in over.itertuples()
    ]
    return over.assign(told=told).sort_values(["cutoff", "model", "attribute"], key=lambda column: column.astype(str))
