"""The section of the kinds of customers: how many there are of each, what they do, what they are worth, and how firm the groups are."""

from __future__ import annotations

from typing import Any

import pandas as pd

from crm_pipeline.reports import words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.view import Cell, Column, Table, customers

FIRM = 0.6
"""Adjusted Rand index of a refit from which most customers keep their kind."""

NUMBERS = ("orders_12m", "spend_12m", "churn_probability", "customer_value")
COLUMNS = [
    Column("Kind"),
    Column("Customers", True),
    Column("Days since the last order", True, "median"),
    Column("Orders in 12 months", True, "mean"),
    Column("Spend in 12 months", True, "mean"),
    Column("Will lapse", True, "mean probability of those who could be scored"),
    Column("Value of a year", True, "expected spend over the next year, summed over the kind"),
    Column("Share of the value", True),
]


def segments_view(data: ReportData) -> dict[str, Any]:
    """Return the table of the kinds, and the sentences about how they were found; the table is None where there are none."""
    card = data.segments.iloc[0].to_dict() if len(data.segments) else {}
    return {"table": _table(data), "found": _found(card), "why_not": _text(card.get("reason")), "value": _value(data)}


def _table(data: ReportData) -> Table | None:
    scores = data.scores
    if "segment" not in scores or not scores["segment"].notna().any():
        return None
    known = pd.DataFrame(
        {c: pd.to_numeric(scores[c], errors="coerce") if c in scores else float("nan") for c in NUMBERS}
        | {"segment": scores["segment"], "days": _days_since(data)}
    )
    known = known[known["segment"].notna()]
    grouped = known.groupby("segment", observed=True)
    kinds = grouped[["orders_12m", "spend_12m", "churn_probability"]].mean()
    kinds = kinds.assign(
        customers=grouped.size(), days=grouped["days"].median(), value=grouped["customer_value"].sum(min_count=1)
    ).sort_values("value", ascending=False, kind="stable")
    total = kinds["value"].sum()
    rows: list[list[Cell | str]] = [
        [
            str(kind),
            Cell(words.number(row["customers"]), bar=row["customers"] / len(known)),
            words.number(row["days"]),
            words.number(row["orders_12m"], 1),
            words.money(row["spend_12m"], data.currency),
            words.percent(row["churn_probability"], 0),
            words.money(row["value"], data.currency),
            words.percent(row["value"] / total, 0) if total > 0 else "",
        ]
        for kind, row in kinds.iterrows()
    ]
    return Table("Customers with an order, by kind, the most valuable first.", COLUMNS, rows)


def _days_since(data: ReportData) -> pd.Series:
    if "last_order_at" not in data.scores:
        return pd.Series(float("nan"), index=data.scores.index)
    return (pd.Timestamp(data.as_of) - pd.to_datetime(data.scores["last_order_at"])).dt.days


def _found(card: dict[str, Any]) -> list[str]:
    if not card or pd.isna(card.get("k")):
        return []
    how = (
        "The kinds were not set beforehand: customers were grouped by when they last ordered, how often, how much at a time and since "
        f"when (k-means), and {int(card['k'])} is the fewest groups that separate them about as well as any other number tried "
        f"(mean silhouette {card['silhouette']:.2f}; 1 is apart, 0 is one cloud)."
    )
    said = [how]
    if pd.notna(card.get("refit_stability")):
        firm = float(card["refit_stability"])
        verdict = "the groups are firm" if firm >= FIRM else "the groups are loose: read them as a rough order"
        said.append(
            f"Grouped by the centres of the period before, today's customers agree at {firm:.2f} (adjusted Rand index; 1 is the "
            f"same groups, 0 is chance): {verdict}."
        )
    if pd.notna(card.get("stability")):
        said.append(
            f"With the kind that customers had a period ago they agree at {float(card['stability']):.2f}: people move on "
            "as they order or fall silent."
        )
    return said


def _value(data: ReportData) -> str:
    """Say how far the value of a year can be trusted; nothing where there is none."""
    if "customer_value" not in data.scores or not data.scores["customer_value"].notna().any():
        return ""
    how = "The value of a year is expected purchase days times the spend on one, by the purchase processes and the Gamma-Gamma model"
    status = data.scores["value_status"] if "value_status" in data.scores else pd.Series(dtype="str")
    judged = int((status == "scored").sum())
    if not judged:
        return f"{how}. It is extrapolated: no outcome of a whole year has judged it yet."
    return (
        f"{how}. The values of a year ago were judged on what was spent since (evaluation/value); by that, those of "
        f"{customers(judged)} with an order in the last year have an interval. Those of the other "
        f"{int((status == 'extrapolated').sum()):,} are extrapolated."
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
