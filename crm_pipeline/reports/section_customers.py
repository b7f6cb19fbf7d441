"""Sections 2, 3 and 9: the quality of the data, who was scored and who not, and whom to call first."""

from __future__ import annotations

from typing import Any

import pandas as pd

from crm_pipeline.reports import words
from crm_pipeline.reports.call_lists import WHY, CallList, call_lists, reasons_told
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.view import Cell, Column, Table, customers, texts

_STATUS_TONES = {"scored": "good", "extrapolated": "warn", "abstained": "quiet"}
_MOST_REASONS = 12
_COUNTED = ("label_definition", "churn_bucket", "value_tier", "churn_probability", "customer_value", "expected_spend",
            "value_at_risk")  # fmt: skip
FACTS = (
    "Facts up to the end of this period, by table. A row that tells of several (a message that was sent and answered) counts for each; "
    "`crm-pipeline check` counts the rows."
)


def quality_view(data: ReportData) -> dict[str, Any]:
    """Return the tables of section 2: facts, kept and refused per source table, and the reasons."""
    frame = data.quality
    rows: list[list[Cell | str]] = []
    for table, total, clean, refused, kept in zip(
        texts(frame, "table"),
        *(texts(frame, c, 0) for c in ("rows", "clean", "refused")),
        texts(frame, "conserved", True),
        strict=True,
    ):
        share = refused / total if total else 0.0
        rows.append(
            [
                str(table),
                words.number(total),
                words.number(clean),
                words.number(refused),
                Cell(words.percent(share, 2), "warn" if share > 0.05 else ""),
                Cell("yes", "good", chip=True) if kept else Cell("no: rows are missing", "bad", chip=True),
            ]
        )
    columns = [Column("Table"), Column("Facts read", True), Column("Kept", True), Column("Refused", True)]
    columns += [
        Column("Refused share", True),
        Column("Nothing lost", hint="facts read = kept + refused, per source file"),
    ]
    return {
        "table": Table(FACTS, columns, rows) if rows else None,
        "undated": [f"{words.number(count)} rows of {table}" for table, count in data.undated.items()],
        "nobody": [f"{words.number(count)} of {table}" for table, count in data.of_nobody.items()],
        "reasons": _refusals(data.refusals),
        "absent": list(data.absent_tables),
        "total": int(sum(texts(frame, "rows", 0))),
        "refused": int(sum(texts(frame, "refused", 0))),
        "lost": [
            str(t) for t, kept in zip(texts(frame, "table"), texts(frame, "conserved", True), strict=True) if not kept
        ],
    }


def _refusals(frame: pd.DataFrame) -> Table | None:
    if frame.empty:
        return None
    ordered = frame.sort_values("rows", ascending=False, kind="stable")
    most = float(ordered["rows"].max()) or 1.0
    rows: list[list[Cell | str]] = [
        [str(t), str(r), Cell(words.number(n), bar=float(n) / most)]
        for t, r, n in zip(texts(ordered, "table"), texts(ordered, "reason"), texts(ordered, "rows", 0), strict=True)
    ]
    note = f"{len(rows) - _MOST_REASONS} rarer reasons are not shown." if len(rows) > _MOST_REASONS else ""
    columns = [Column("Table"), Column("Reason"), Column("Facts", True)]
    return Table(
        "Why facts were refused, most frequent first. A fact can have several reasons.",
        columns,
        rows[:_MOST_REASONS],
        note,
    )


def scored_view(data: ReportData) -> dict[str, Any]:
    """Return the tables of section 3: status with reasons, risk buckets and value tiers."""
    scores = data.scores
    status = _filled(scores, "status", "not stated")
    scored = scores.loc[status.isin(["scored", "extrapolated"]), [c for c in _COUNTED if c in scores.columns]]
    definitions = [str(d) for d in scored["label_definition"].dropna().unique()] if "label_definition" in scored else []
    return {
        "known": len(scores),
        "scored": len(scored),
        "status": _status(scores, status),
        "buckets": _groups(
            data,
            scored,
            "churn_bucket",
            "churn_probability",
            "Risk bucket",
            "Scored customers by risk bucket, riskiest first.",
        ),
        "tiers": _groups(
            data,
            scored,
            "value_tier",
            "customer_value",
            "Value tier",
            "Scored customers by value tier, most valuable first.",
        ),
        "definitions": definitions[:3],
        "comebacks": _comebacks(data),
        "totals": _totals(data, scored),
    }


def _filled(frame: pd.DataFrame, column: str, default: str) -> pd.Series:
    if column not in frame.columns:
        return pd.Series(default, index=frame.index, dtype=object)
    return frame[column].astype(object).where(frame[column].notna(), default)


def _status(scores: pd.DataFrame, status: pd.Series) -> Table | None:
    if scores.empty:
        return None
    reasons = _filled(scores, "status_reason", "")
    counts = pd.DataFrame({"status": status, "reason": reasons}).value_counts().reset_index(name="count")
    counts["order"] = counts["status"].map({"scored": 0, "extrapolated": 1}).fillna(2)
    counts = counts.sort_values(["order", "count"], ascending=[True, False], kind="stable")
    shown, rest = counts.head(_MOST_REASONS), counts.iloc[_MOST_REASONS:]
    rows: list[list[Cell | str]] = [
        [
            Cell(str(s), _STATUS_TONES.get(str(s), "quiet"), chip=True),
            str(r) or Cell("no remark", "quiet"),
            words.number(n),
            Cell(words.percent(n / len(scores), 1), bar=n / len(scores)),
        ]
        for s, r, n in zip(shown["status"], shown["reason"], shown["count"], strict=True)
    ]
    note = f"{len(rest)} rarer reasons with {customers(int(rest['count'].sum()))} are not shown." if len(rest) else ""
    columns = [Column("Status"), Column("Reason"), Column("Customers", True), Column("Share", True)]
    return Table("All known customers, by whether they were scored, and why not.", columns, rows, note)


def _groups(data: ReportData, scored: pd.DataFrame, by: str, order: str, label: str, caption: str) -> Table | None:
    if by not in scored.columns or not scored[by].notna().any():
        return None
    numbers = scored.assign(
        **{
            c: pd.to_numeric(scored[c], errors="coerce") if c in scored else float("nan")
            for c in {order, "churn_probability", "expected_spend", "value_at_risk"}
        }
    )
    grouped = numbers.groupby(by, observed=True)
    table = pd.DataFrame(
        {
            "customers": grouped.size(),
            "probability": grouped["churn_probability"].mean(),
            "spend": grouped["expected_spend"].sum(min_count=1),
            "risk": grouped["value_at_risk"].sum(min_count=1),
            "order": grouped[order].mean(),
        }
    ).sort_values("order", ascending=False)
    rows: list[list[Cell | str]] = [
        [
            str(name),
            Cell(words.number(row["customers"]), bar=row["customers"] / len(scored)),
            words.percent(row["probability"], 1),
            words.money(row["spend"], data.currency),
            words.money(row["risk"], data.currency),
        ]
        for name, row in table.iterrows()
    ]
    columns = [
        Column(label),
        Column("Customers", True),
        Column("Mean probability", True),
        Column("Expected spend", True),
        Column("Value at risk", True),
    ]
    return Table(caption, columns, rows)


def _totals(data: ReportData, scored: pd.DataFrame) -> list[tuple[str, str]]:
    found = []
    if "churn_probability" in scored and scored["churn_probability"].notna().any():
        expected = pd.to_numeric(scored["churn_probability"], errors="coerce").sum()
        found.append((words.number(expected), "expected to lapse (sum of the probabilities)"))
    if "expected_spend" in scored and scored["expected_spend"].notna().any():
        found.append(
            (
                words.money(pd.to_numeric(scored["expected_spend"], errors="coerce").sum(), data.currency),
                "expected spend in the horizon",
            )
        )
    if "value_at_risk" in scored and scored["value_at_risk"].notna().any():
        found.append(
            (words.money(pd.to_numeric(scored["value_at_risk"], errors="coerce").sum(), data.currency), "value at risk")
        )
    return found


def _comebacks(data: ReportData) -> list[str]:
    frame = data.comebacks
    sentences = []
    for cutoff, lapsed, returned, watched in zip(
        *(texts(frame, c, 0) for c in ("cutoff", "lapsed", "returned", "periods")), strict=True
    ):
        if lapsed:
            who = f"{customers(int(lapsed))} of {words.period(cutoff, data.grain)} who lapsed"
            when = f"the next {words.plural(int(watched), data.grain)}"
            sentences.append(f"Of the {who}, {words.percent(returned / lapsed)} ordered again within {when}.")
    return sentences


def call_view(data: ReportData, n: int = 10) -> dict[str, Any]:
    """Return the tables of section 9, and how many customers could not be considered."""
    churn = data.decision("churn")
    by_value = churn is not None and bool(churn.no_use)
    lists = [one for one in call_lists(data.scores, n, by_value=by_value) if len(one.rows) or one.nobody]
    return {
        "lists": [
            (f"{one.title}. {one.nobody}", None) if one.nobody else ("", _call_table(one, data, by_value))
            for one in lists
        ],
        "blocked": _blocked(data.scores) if lists else 0,
    }


def _call_table(one: CallList, data: ReportData, by_value: bool) -> Table:
    rows: list[list[Cell | str]] = []
    for row in one.rows.to_dict("records"):
        action = "" if words.missing(row.get("recommended_action")) else str(row["recommended_action"])
        basis = "" if words.missing(row.get("action_basis")) or not action else f" ({row['action_basis']})"
        of_churn = [words.percent(row.get("churn_probability")), words.percent(row.get("still_active"))]
        told = [reasons_told(row) or words.DASH, action + basis or words.DASH]
        rows.append(
            [
                Cell(str(row["customer_id"]), "strong"),
                words.money(row[one.amount], data.currency),
                *([] if by_value else of_churn),
                words.money(row.get("expected_spend"), data.currency),
                Cell(words.day(row.get("last_order_at")), "fixed"),
                *([] if by_value else told),
            ]
        )
    columns = [Column("Customer"), Column(one.label.capitalize(), True)]
    columns += [] if by_value else [Column("Lapse", True), Column("Still active", True, hint="by the purchase process")]
    columns += [Column("Expected spend", True), Column("Last order")]
    columns += [] if by_value else [Column(WHY.capitalize()), Column("What to do")]
    among = "Among customers scored, not known to be out of reach and in no control group."
    return Table(f"{one.title}. {one.told} {among}", columns, rows)


def _blocked(scores: pd.DataFrame) -> int:
    if "contactable" not in scores.columns:
        return 0
    known = scores["status"].isin(["scored", "extrapolated"]) if "status" in scores.columns else True
    return int((scores["contactable"].eq(False).fillna(False).astype(bool) & known).sum())
