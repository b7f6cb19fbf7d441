"""How demand by category did: what was named and forecast at a cut-off beside what was bought. Nothing is divided here (`categories`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling.categories import REST
from crm_pipeline.modeling.evaluation import COLUMNS

RULES = ("next_best", "baseline_favourite", "baseline_popular")


def judge_categories(said: pd.DataFrame, before: pd.DataFrame, since: pd.DataFrame, cutoff: str) -> pd.DataFrame:
    """Judge the category named first, and the forecast of the shares, beside rules.

    Parameters
    ----------
    said : DataFrame
        ``scores/categories`` of the cut-off.
    before, since : DataFrame
        customer_id, category, spend: ``activity/categories`` of the year up to the cut-off, and of the h periods after it.
    cutoff : str
        Key of the cut-off.

    Returns
    -------
    DataFrame
        Rows of an evaluation. Of ``next_best``, ``baseline_favourite`` (what the customer spent most on in that year) and
        ``baseline_popular`` (what everybody did): ``hit``, the share of those who bought and had been scored whose biggest category
        was the named one, and ``bought``, the share who bought anything of it; 95 % intervals over customers, within this period. Of
        ``next_best`` and ``baseline_last_year``: ``shares_off``, half the sum of the gaps between foretold and actual shares of spend.
    """
    known = set(said["category"])
    spent = _by_category(since, known)
    spent = spent[spent["customer_id"].isin(set(said["customer_id"]))]
    if spent.empty:
        return pd.DataFrame(columns=COLUMNS)
    buyers, biggest = spent["customer_id"].unique(), _biggest(spent)
    pairs = pd.MultiIndex.from_frame(spent[["customer_id", "category"]])
    year = _by_category(before, known)
    popular = year.groupby("category")["spend"].sum().sort_values(kind="stable").index[-1] if len(year) else REST
    named = {
        "next_best": said[said["rank"] == 1].set_index("customer_id")["category"].reindex(buyers),
        "baseline_favourite": _biggest(year).reindex(buyers).fillna(popular),
        "baseline_popular": pd.Series(popular, index=buyers),
    }
    found = []
    for model in RULES:
        chosen = named[model].fillna("")
        hit = chosen.to_numpy() == biggest.reindex(buyers).to_numpy()
        found += list(_share(model, "hit", hit))
        found += list(_share(model, "bought", pd.MultiIndex.from_arrays([buyers, chosen.to_numpy()]).isin(pairs)))
    actual = _shares(spent.groupby("category")["spend"].sum())
    for model, foretold in {
        "next_best": said.groupby("category")["expected_spend"].sum(),
        "baseline_last_year": _of_year(year),
    }.items():
        off = float(_shares(foretold).sub(actual, fill_value=0.0).abs().sum() / 2)
        found.append({"model": model, "metric": "shares_off", "value": off, "low": np.nan, "high": np.nan})
    table = pd.DataFrame(found).assign(task="categories", cutoff=date.fromisoformat(cutoff), n=len(buyers))
    table["kind"] = np.where(table["model"].str.startswith("baseline_"), "baseline", "estimator")
    return table[COLUMNS]


def _by_category(history: pd.DataFrame, known: set[str]) -> pd.DataFrame:
    """Return spend above 0 by customer and category; categories that were not told apart are together."""
    category = history["category"].where(history["category"].isin(known), REST)
    rows = history.assign(category=category).groupby(["customer_id", "category"], as_index=False)["spend"].sum()
    return rows[rows["spend"] > 0]


def _biggest(rows: pd.DataFrame) -> pd.Series:
    """Return each customer's category with most spend; of equals the first by name."""
    ordered = rows.sort_values(["spend", "category"], ascending=[False, True], kind="stable")
    return ordered.drop_duplicates("customer_id").set_index("customer_id")["category"]


def _of_year(year: pd.DataFrame) -> pd.Series:
    return year.groupby("category")["spend"].sum()


def _shares(spend: pd.Series) -> pd.Series:
    return spend / spend.sum() if spend.sum() else spend


def _share(model: str, metric: str, held: np.ndarray) -> Iterator[dict[str, Any]]:
    value = float(np.mean(held))
    reach = 1.959964 * float(np.sqrt(value * (1 - value) / len(held)))
    yield {"model": model, "metric": metric, "value": value, "low": value - reach, "high": value + reach}
