"""Drift of inputs: the population stability index, feature by feature, and a two-sample classifier. No plots, no words here."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from crm_pipeline.modeling.metrics import auc, plain

BINS = 10
SAMPLE = 50_000
ASKED = 2_000
"""Customers of a table at most that a classifier learns to tell apart."""

OF_ITS_OWN = ("mbg_", "pareto_", "tenure_")
"""Begin the names of features that move by themselves: fitted anew each period, or ageing with the data."""

WATCH, SHIFTED = 0.10, 0.25
_COLUMNS = ["feature", "psi", "by_chance", "state", "median_before", "median_now", "null_before", "null_now"]


def psi(before: np.ndarray, now: np.ndarray, bins: int = BINS) -> tuple[float, int]:
    """Return the population stability index of two samples of one feature, and the number of bins it was summed over.

    PSI = sum over bins of (now_i - before_i) * ln(now_i / before_i), the shares smoothed as
    (count + 0.5) / (n + bins / 2) so that an empty bin is finite. Bins are the quantiles of ``before``; missing values
    are a bin of their own. It is the symmetrised Kullback-Leibler divergence (Kullback & Leibler 1951) under the name
    credit scoring gave it (Siddiqi 2006, Credit Risk Scorecards).

    Parameters
    ----------
    before, now : 1-D float arrays
        Missing values are NaN. Infinite values count as the outermost bins.
    bins : int
        Quantile bins before equal edges are merged.
    """
    known = before[~np.isnan(before)]
    if len(known):
        edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
    else:
        edges = np.empty(0)
    size = len(edges) + 2
    shares = []
    for values in (before, now):
        null = np.isnan(values)
        # side="left": a value equal to an edge lies below it, so a spike (such as zero) is a bin of its own.
        counts = np.bincount(np.searchsorted(edges, values[~null], side="left"), minlength=size)
        counts[-1] = null.sum()
        shares.append(counts)
    used = (shares[0] + shares[1]) > 0
    number = int(used.sum())
    a, b = ((s[used] + 0.5) / (s.sum() + 0.5 * number) for s in shares)
    return float(np.sum((b - a) * np.log(b / a))), number


def by_chance(bins: int, rows_before: int, rows_now: int) -> float:
    """Return the PSI that two independent samples of one population stay under 19 times in 20.

    PSI is about (1/n + 1/m) chi-squared with bins - 1 degrees of freedom (Yurdakul & Naranjo 2020, Journal of Risk
    Model Validation 14(4)); the quantile after Wilson & Hilferty (1931). NaN where a sample is empty.
    """
    if not rows_before or not rows_now:
        return float("nan")
    freedom = max(bins - 1, 1)
    spread = 2 / (9 * freedom)
    return (1 / rows_before + 1 / rows_now) * freedom * (1 - spread + 1.6449 * spread**0.5) ** 3


NEW = "new"
"""State of a feature that was unknown of everybody and is known now: no customer changed, the data reached far enough back."""


def state(value: float, chance: float) -> str:
    """Return steady, watch or shifted: by the rule of thumb, and never above steady within chance."""
    return "steady" if value < max(WATCH, chance) else "watch" if value < max(SHIFTED, chance) else "shifted"


def feature_drift(before: pd.DataFrame, now: pd.DataFrame, sample: int = SAMPLE) -> pd.DataFrame:
    """Compare every numeric feature both tables have.

    Returns
    -------
    DataFrame
        feature, psi, by_chance, state (steady | watch | shifted | new), median_before, median_now, null_before, null_now;
        the largest PSI first. State by the rule of thumb of credit scoring (0.10, 0.25), and never above steady
        while the PSI is within chance. Above ``sample`` rows, every k-th row is taken.
    """
    shared = [c for c in now.columns if c in before.columns and c not in ("customer_id", "as_of", "period_start")]
    shared = [c for c in shared if pd.api.types.is_numeric_dtype(now[c]) and pd.api.types.is_numeric_dtype(before[c])]
    if not shared or before.empty or now.empty:
        return pd.DataFrame(columns=_COLUMNS)
    old, new = before[shared].iloc[_stride(len(before), sample)], now[shared].iloc[_stride(len(now), sample)]
    rows = []
    for name in shared:
        a, b = (frame[name].to_numpy(float, na_value=np.nan) for frame in (old, new))
        value, bins = psi(a, b)
        chance = by_chance(bins, len(a), len(b))
        nulls = (np.isnan(a).mean(), np.isnan(b).mean())
        found = NEW if nulls[0] == 1 > nulls[1] else state(value, chance)
        rows.append((name, value, chance, found, _median(a), _median(b), *nulls))
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return table.sort_values(["psi", "feature"], ascending=[False, True], ignore_index=True)


def shifted_from_all(befores: Iterable[pd.DataFrame], now: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the features that are shifted against every one of several earlier tables, and how many were compared.

    One earlier table alone would be the wrong yardstick: it stands in another season, and a young business grows out of it. A
    feature that is mostly missing in an earlier table is not shifted against it. No further table is looked at once no
    feature is left.

    Parameters
    ----------
    befores : iterable of DataFrame
        Earlier tables of the features, taken one after another.
    now : DataFrame

    Returns
    -------
    DataFrame, int
        As `feature_drift` against the table in which each feature differs least, the largest PSI first.
    """
    left, compared, least = list(now.columns), 0, pd.DataFrame(columns=_COLUMNS)
    for before in befores:
        found = feature_drift(before[[c for c in left if c in before.columns]], now[left])
        compared = compared or len(found)
        found = found[(found["state"] == "shifted") & (found["null_before"] < 0.5)]
        if len(least):
            both = pd.concat([least, found]).sort_values(["psi", "feature"], ignore_index=True)
            found = both[both["feature"].isin(found["feature"])].drop_duplicates("feature")
        least, left = found, list(found["feature"])
        if not left:
            break
    return least.sort_values(["psi", "feature"], ascending=[False, True], ignore_index=True), compared


def two_sample(before: pd.DataFrame, now: pd.DataFrame, sample: int = ASKED, seed: int = 0) -> tuple[float, float]:
    """Return how well a classifier tells two tables of customers apart by all features together: its AUC, and what chance gives.

    A classifier two-sample test (Lopez-Paz & Oquab 2017, ICLR, with the AUC in place of the accuracy): shallow boosting,
    cross-validated in five folds of customers, so that who stands in both tables is never known before he is asked.
    Beside it the AUC that two samples of one population stay under 19 times in 20 (variance of the Mann-Whitney statistic
    without ties, Mann & Whitney 1947). Features that move by themselves (`OF_ITS_OWN`) or are `NEW` are left out. NaN where either table
    holds fewer than 100 customers.
    """
    from xgboost import XGBClassifier

    from crm_pipeline.modeling.estimators.rows import folds, sampled

    tables = [frame.set_index("customer_id").sort_index() for frame in (before, now) if "customer_id" in frame]
    if len(tables) < 2 or min(len(table) for table in tables) < 100:
        return float("nan"), float("nan")
    shared = [c for c in tables[1].columns if c in tables[0].columns and not c.startswith(OF_ITS_OWN)]
    shared = [c for c in shared if all(pd.api.types.is_numeric_dtype(table[c]) for table in tables)]
    shared = [c for c in shared if tables[0][c].notna().any() or not tables[1][c].notna().any()]
    if not shared:
        return float("nan"), float("nan")
    parts = [table.iloc[sampled(table, sample)][shared] for table in tables]
    X = pd.concat(parts)
    y, fold = np.repeat([0, 1], [len(part) for part in parts]), folds(X, 5)
    values, said = X.to_numpy("float32", na_value=np.nan), np.zeros(len(X))
    for k in range(5):
        model = XGBClassifier(
            n_estimators=30, max_depth=3, learning_rate=0.2, tree_method="hist", n_jobs=1, random_state=seed
        )
        said[fold == k] = model.fit(values[fold != k], y[fold != k]).predict(values[fold == k], output_margin=True)
    spread = np.sqrt((len(X) + 1) / (12 * len(parts[0]) * len(parts[1])))
    return plain(auc, y.astype(float), said), float(0.5 + 1.6449 * spread)


def _stride(rows: int, sample: int) -> slice:
    return slice(None, None, max(1, -(-rows // sample)))


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
