"""The short tables that the report and the command line share: model against baselines, themes, row quality.

Data frames in, data frames out; formatting is for whoever prints them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from crm_pipeline.contracts.core import NOBODY
from crm_pipeline.modeling.explain import BASE, LEVEL
from crm_pipeline.reports.words import MEASURES, is_amount, metric_key, model_id

PRIMARY = {"binary": "auc", "amount": "wape"}


def model_vs_baselines(evaluation: pd.DataFrame, blocks: Sequence[str] = ()) -> pd.DataFrame:
    """Put the newest cut-off beside the mean over the blocks of the decision, one row per model.

    Parameters
    ----------
    evaluation : DataFrame
        Rows of ``evaluation/<task>``, one or several cut-offs: task, model, kind, cutoff, metric, value, low, high, n.
    blocks : sequence of str
        Keys of the cut-offs on which the decision rests (`Decision.cutoffs`); none: all cut-offs there are.

    Returns
    -------
    DataFrame
        task, model (baselines prefixed ``baseline_``), kind, cutoff (the newest of the task), n, cutoffs (of these blocks,
        on how many the model was judged), then per metric ``<metric>``, ``<metric>_low``, ``<metric>_high`` (newest cut-off),
        ``<metric>_mean`` (over the blocks) and ``<metric>_reach`` (half its 95 % interval over them). Best first by AUC (binary) or
        WAPE (amounts) at the newest cut-off.
    """
    head = ["task", "model", "kind", "cutoff", "n", "cutoffs"]
    if evaluation.empty:
        return pd.DataFrame(columns=head)
    rows = normalised(evaluation)
    parts = []
    for task, own in rows.groupby("task", sort=False):
        newest = own["cutoff"].max()
        table = own.groupby("model", sort=False)["kind"].first().to_frame()
        table.insert(0, "task", task)
        table["cutoff"] = newest
        current = own[own["cutoff"] == newest]
        table["n"] = current.groupby("model")["n"].max()
        counted = own[own["cutoff"].map(lambda day: str(day)[:10]).isin(blocks)] if len(blocks) else own
        table["cutoffs"] = counted.groupby("model")["cutoff"].nunique().reindex(table.index, fill_value=0)
        metrics = sorted(own["metric"].unique(), key=_metric_order)
        for metric in metrics:
            now = current[current["metric"] == metric].drop_duplicates("model").set_index("model")
            table[metric] = now["value"]
            table[f"{metric}_low"] = now["low"]
            table[f"{metric}_high"] = now["high"]
            by_model = counted[counted["metric"] == metric].groupby("model")["value"]
            table[f"{metric}_mean"], table[f"{metric}_reach"] = by_model.mean(), by_model.agg(half_interval)
        parts.append(_best_first(table.reset_index(), str(task), metrics))
    result = pd.concat(parts, ignore_index=True)
    return result[head + [c for c in result.columns if c not in head]]


def contact_line(frame: pd.DataFrame, champion: str | None, threshold: float | None) -> str:
    """Say from which probability a contact pays, and what it would have gained at the newest cut-off; empty where costs are not set.

    Parameters
    ----------
    frame : DataFrame
        From `model_vs_baselines`.
    champion : str or None
    threshold : float or None
        `Contact.threshold` by the settings contact_cost and saved_value.
    """
    own = frame[frame["model"] == champion] if "profit" in frame else frame.iloc[:0]
    if threshold is None or own.empty:
        return ""
    row = own.iloc[0]
    return (
        f"A contact pays from a probability of {threshold:.0%} (contact_cost / saved_value). At the newest cut-off '{champion}' would have "
        f"gained {row['profit']:.2f} a customer by it, contacting everyone {row['profit_everyone']:.2f}; the best threshold, known "
        f"afterwards, was {row['best_threshold']:.0%}."
    )


def half_interval(values: pd.Series) -> float:
    """Return half the 95 % interval of a mean over blocks of time, by Student's t; nan of fewer than two."""
    from scipy import stats

    known = values.dropna()
    return float(stats.t.ppf(0.975, len(known) - 1) * known.sem()) if len(known) > 1 else float("nan")


def normalised(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Return evaluation rows with every column of the contract, canonical metric names, model ids and float values."""
    rows = evaluation.copy()
    for column, default in (("task", ""), ("kind", "estimator"), ("low", np.nan), ("high", np.nan), ("n", np.nan)):
        if column not in rows.columns:
            rows[column] = default
    rows["metric"] = rows["metric"].map(metric_key)
    rows["model"] = [model_id(model, kind) for model, kind in zip(rows["model"], rows["kind"], strict=True)]
    for column in ("value", "low", "high", "n"):
        rows[column] = pd.to_numeric(rows[column], errors="coerce").astype(float)
    return rows


SHARED = 20_000
"""Customers whose factors are summed to the shares of themes, at most."""


def theme_shares(scores: pd.DataFrame) -> pd.DataFrame:
    """Sum the reasons of all scores into shares per theme; base and level, the same for everybody, are no reasons.

    Parameters
    ----------
    scores : DataFrame
        ``scores/<task>``, of at most `SHARED` customers: ``factors`` is JSON, theme to additive attribution.

    Returns
    -------
    DataFrame
        theme, share (of the sum of absolute attributions), raises and lowers (that share split by sign), strongest
        (share of customers whose largest absolute attribution it is), customers (read); the largest share first.
    """
    columns = ["theme", "share", "raises", "lowers", "strongest", "customers"]
    if "factors" not in scores.columns:
        return pd.DataFrame(columns=columns)
    texts = scores["factors"].dropna()
    factors = pd.DataFrame([_factors(t) for t in texts]).apply(pd.to_numeric, errors="coerce").fillna(0.0)
    factors = factors.drop(columns=[c for c in (BASE, LEVEL) if c in factors])
    total = float(factors.abs().to_numpy().sum()) if factors.size else 0.0
    if not total:
        return pd.DataFrame(columns=columns)
    strongest = factors.abs().idxmax(axis=1).value_counts(normalize=True)
    result = pd.DataFrame(
        {
            "theme": factors.columns,
            "share": factors.abs().sum().to_numpy() / total,
            "raises": factors.clip(lower=0).sum().to_numpy() / total,
            "lowers": -factors.clip(upper=0).sum().to_numpy() / total,
            "strongest": strongest.reindex(factors.columns).fillna(0.0).to_numpy(),
            "customers": len(factors),
        }
    )
    return result.sort_values(["share", "theme"], ascending=[False, True], ignore_index=True)


def _factors(text: Any) -> dict[str, Any]:
    return dict(json.loads(text)) if isinstance(text, str) else dict(text)


def _metric_order(metric: str) -> tuple[int, str]:
    known = list(MEASURES)
    return (known.index(metric), "") if metric in MEASURES else (len(known), metric)


def _best_first(table: pd.DataFrame, task: str, metrics: list[str]) -> pd.DataFrame:
    primary = PRIMARY["amount" if is_amount(task) else "binary"]
    primary = primary if primary in metrics else metrics[0]
    ascending = primary in MEASURES and MEASURES[primary].better == "low"
    return table.sort_values([primary, "model"], ascending=[ascending, True], na_position="last", ignore_index=True)


def row_quality(counts: pd.DataFrame, tables: Sequence[str]) -> pd.DataFrame:
    """Return what was read, kept and refused of each table: table, rows, clean, refused, conserved.

    Parameters
    ----------
    counts : DataFrame
        ``quality/rows`` of all periods so far.
    tables : sequence of str
        The source's tables, in the order in which to show them.
    """
    by_file = counts.pivot_table(
        index=["source_table", "source_file"], columns="fate", values="rows", aggfunc="sum", fill_value=0
    ).reindex(columns=["read", "clean", "refused"], fill_value=0)
    whole = (by_file["read"] == by_file["clean"] + by_file["refused"]).groupby("source_table").all()
    sums = by_file.groupby("source_table").sum().reindex(list(tables), fill_value=0).astype("int64")
    return pd.DataFrame(
        {
            "table": list(tables),
            "rows": sums["read"].to_numpy(),
            "clean": sums["clean"].to_numpy(),
            "refused": sums["refused"].to_numpy(),
            "conserved": whole.reindex(list(tables), fill_value=True).to_numpy(bool),
        }
    )


def of_nobody(counts: pd.DataFrame) -> dict[str, int]:
    """Return how many rows of each table are kept although they name no customer; from ``quality/rows`` of all periods so far."""
    kept = counts[(counts["fate"] == "clean") & (counts["reasons"] == NOBODY)]
    return {str(table): int(rows) for table, rows in kept.groupby("source_table")["rows"].sum().items()}


def refusals(counts: pd.DataFrame) -> pd.DataFrame:
    """Return why rows were refused: table, reason, rows; from ``quality/rows`` of all periods so far."""
    refused = counts[counts["fate"] == "refused"]
    summed = refused.groupby(["source_table", "reasons"], as_index=False)["rows"].sum()
    return summed.rename(columns={"source_table": "table", "reasons": "reason"})[["table", "reason", "rows"]]
