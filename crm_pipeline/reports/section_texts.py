"""The section *What customers write*: what about, how it moves, complaints worth reading first, what it is worth to the scores."""

from __future__ import annotations

from typing import Any

import pandas as pd

from crm_pipeline.contracts.texts import MASKED_KINDS
from crm_pipeline.modeling.ablation import Worth, worth
from crm_pipeline.modeling.tasks import task as the_task
from crm_pipeline.reports import plots_texts, words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.texts import LONGEST, Texts
from crm_pipeline.reports.view import Cell, Column, Draw, Table

_MOST_WORDS = 12


def texts_view(data: ReportData, draw: Draw) -> dict[str, Any] | None:
    """Return the section; None where the source has no messages."""
    found = data.texts
    if found is None:
        return None
    counts = found.counts
    now, _ = plots_texts.now_and_before(counts, data.period)
    figures = plots_texts.figures(counts, data.period, data.grain, data.synthetic)
    total, negative = (int(now[c].sum()) if len(now) else 0 for c in ("n", "n_negative"))
    return {
        "total": total,
        "negative": negative,
        "unknown": _unknown(now, total),
        "masked": [f"{MASKED_KINDS[kind]} {words.number(n)}" for kind, n in found.masked.items() if n],
        "over_time": draw(
            figures["messages"],
            f"Messages by {data.grain}; {words.number(total)} in the last, {words.number(negative)} of them negative.",
            f"Messages from customers by {data.grain}, and how they felt on average. Rows: messages of the last year.",
        ),
        "intents": draw(
            figures["intents"],
            "Share of each intent in the period's messages.",
            f"What the messages of this {data.grain} were about, beside the {data.grain} before. Rows: {words.number(total)} messages.",
        ),
        "topics": _topics(found.topics),
        "trends": _trends(found.words),
        "complaints": _complaints(data, found),
        "worth": [_worth(task, rows[rows["left_out"] == "texts"]) for task, rows in sorted(data.ablations.items())],
    }


def _unknown(now: pd.DataFrame, total: int) -> str:
    unknown = int(now.loc[now["intent"] == "unknown", "n"].sum()) if len(now) else 0
    return words.percent(unknown / total) if total else ""


def _topics(topics: pd.DataFrame) -> Table | None:
    if topics.empty:
        return None
    most = float(topics["n"].max()) or 1.0
    rows: list[list[Cell | str]] = [
        [
            str(r["label"]),
            Cell(words.number(r["n"]), bar=float(r["n"]) / most),
            words.number(r["sentiment"], 2),
            words.number(r["stability"], 2),
        ]
        for r in topics.to_dict("records")
    ]
    columns = [
        Column("Topic", hint="its heaviest words"),
        Column("Messages", True),
        Column("Sentiment", True, "mean, from -1 to 1"),
        Column("Stability", True, "how like itself the topic is when fitted again on other halves: 1 is the same"),
    ]
    return Table(
        "Topics, found without labels: words that stand together. Rows: messages from customers.", columns, rows
    )


def _trends(found: pd.DataFrame) -> Table | None:
    if found.empty:
        return None
    rising = found[(found["segment"] == "all") & (found["trend"] == "rising") & (found["kind"] != "collocation")]
    rising = rising.sort_values(["trend_z", "term"], ascending=[False, True]).head(_MOST_WORDS)
    if rising.empty:
        return None
    rows: list[list[Cell | str]] = [
        [
            Cell(str(r["term"]), "strong"),
            words.number(r["n"]),
            words.number(r["n_customers"]),
            f"{words.percent(r['previous_share'], 1)} → {words.percent(r['share'], 1)}",
            words.number(r["trend_z"], 1),
        ]
        for r in rising.to_dict("records")
    ]
    columns = [
        Column("Words"),
        Column("Messages", True),
        Column("Customers", True),
        Column("Share of customers", True, "of those who wrote: the period before → this one"),
        Column(
            "Standard errors", True, "log-odds against the period before over their standard error (Monroe et al. 2008)"
        ),
    ]
    return Table("Words that more customers used than in the period before.", columns, rows)


def _complaints(data: ReportData, found: Texts) -> Table | None:
    if found.complaints.empty:
        return None
    rows: list[list[Cell | str]] = [
        [
            Cell(str(r["customer_id"]), "strong"),
            words.money(r["value_at_risk"], data.currency),
            words.percent(r["churn_probability"]),
            Cell(words.local_day(r["event_at"], data.timezone), "fixed"),
            words.DASH if words.missing(r["intent"]) else str(r["intent"]),
            words.number(r["sentiment"], 2),
            _cut(r["body"]),
        ]
        for r in found.complaints.to_dict("records")
    ]
    columns = [
        Column("Customer"),
        Column("Value at risk", True),
        Column("Lapse", True),
        Column("Written"),
        Column("About"),
        Column("Sentiment", True, "from -1 to 1"),
        Column("Message", hint="personal data are masked"),
    ]
    return Table("Complaints worth reading first: the most value at risk, one message a customer.", columns, rows)


def _cut(body: object) -> str:
    text = "" if words.missing(body) else " ".join(str(body).split())
    return text if len(text) <= LONGEST else text[:LONGEST].rstrip() + " …"


def _worth(task: str, rows: pd.DataFrame) -> str:
    """Say in one sentence what the messages' features are worth to a task."""
    loss = the_task(task).loss
    found = worth(rows, loss) if len(rows) else Worth(float("nan"), float("nan"), float("nan"), 0)
    name = words.measure(loss).label.lower()
    if not found.blocks:
        return f"{task.capitalize()}: what messages add is not known yet, no cut-off can be judged."
    base = f"{task.capitalize()}: without what messages tell, {name} is {words.number(found.mean, 4)} higher"
    if found.blocks < 2:
        return f"{base} at the one cut-off there is; nothing can be said from one."
    over = f"in the mean of {found.blocks} cut-offs (95 % interval {words.span(found.low, found.high, 4)})"
    if not found.shown:
        return f"{base} {over}: the interval holds 0, so that no contribution is shown."
    return f"{base} {over}: {'they help' if found.mean > 0 else 'they do harm'}."
