"""The figures of what customers write: data frames in, matplotlib figures out. As in `plots`, no HTML and no files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from crm_pipeline.periods import Grain
from crm_pipeline.reports import theme
from crm_pipeline.reports.words import number, period

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(counts: pd.DataFrame, key: str, grain: Grain, synthetic: bool) -> dict[str, Figure]:
    """Return the figures of a period's messages by name, for page and UI; ``counts`` as `messages_over_time` takes them."""
    now, before = now_and_before(counts, key)
    return {
        "messages": messages_over_time(counts, grain=grain, synthetic=synthetic),
        "intents": intents_bars(now, before, synthetic=synthetic),
    }


def now_and_before(counts: pd.DataFrame, key: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of a period, and those of the last period before it that has any, if it has some itself."""
    if counts.empty:
        return counts, counts
    earlier = [p for p in counts["period"].unique() if p < key]
    now = counts[counts["period"] == key]
    return now, counts[counts["period"] == max(earlier)] if earlier and len(now) else counts.iloc[:0]


def messages_over_time(counts: pd.DataFrame, *, grain: Grain = "month", synthetic: bool = False) -> Figure:
    """Draw how many messages came by period, the negative and positive ones apart, and beside it their mean sentiment.

    ``counts``: period, intent, n, n_negative, n_positive, n_scored, sentiment.
    """
    figure, (left, right) = theme.blank(9.2, 3.2, columns=2, synthetic=synthetic)
    if counts.empty:
        theme.nothing(left, "No customer wrote in the last year.")
        right.set_axis_off()
        return figure
    felt = counts.assign(total=counts["sentiment"].fillna(0.0) * counts["n_scored"])
    by = felt.groupby("period")[["n", "n_negative", "n_positive", "n_scored", "total"]].sum()
    at = range(len(by))
    rest = by["n"] - by["n_negative"] - by["n_positive"]
    left.bar(at, by["n_negative"], color=theme.RAISES, label="negative")
    left.bar(at, rest, bottom=by["n_negative"], color=theme.OTHER, label="neutral or not known")
    left.bar(at, by["n_positive"], bottom=by["n_negative"] + rest, color=theme.CHAMPION, label="positive")
    left.yaxis.set_major_formatter(lambda value, _: number(value))
    left.set_ylim(0, float(by["n"].max()) * 1.25)
    theme.label(left, "Messages from customers", "", "messages")
    theme.legend(left, loc="upper left", ncols=3)
    right.plot(
        at, by["total"] / by["n_scored"].where(by["n_scored"] > 0), color=theme.CHAMPION, marker="o", linewidth=2
    )
    right.axhline(0, color=theme.MUTED, linewidth=0.8, linestyle=":")
    theme.label(right, "How they felt", "", "mean sentiment, -1 to 1")
    step = max(1, -(-len(by) // 6))
    for axis in (left, right):
        axis.set_xticks(list(at)[::step], [period(key, grain) for key in by.index[::step]])
        axis.set_xlim(-0.6, len(by) - 0.4)
        axis.grid(False, axis="x")
    return figure


def intents_bars(now: pd.DataFrame, before: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw the share of every intent in the period's messages, and a mark where it stood in the period before.

    ``now`` and ``before``: intent, n.
    """
    shares = pd.DataFrame({name: t.set_index("intent")["n"] / max(t["n"].sum(), 1) for name, t in
                           (("now", now), ("before", before)) if len(t)})  # fmt: skip
    figure, (axis,) = theme.blank(9.2, 1.0 + 0.27 * max(min(len(shares), 16), 3), synthetic=synthetic)
    if "now" not in shares:
        theme.nothing(axis, "No customer wrote in this period.")
        return figure
    shares = shares.fillna(0.0).sort_values("now").tail(16)
    at = range(len(shares))
    axis.barh(at, shares["now"], color=theme.CHAMPION, height=0.62, label="this period")
    if "before" in shares:
        axis.plot(
            shares["before"], at, linestyle="", marker="|", markersize=12, color=theme.INK, label="the period before"
        )
    axis.set_yticks(at, [theme.plain(str(name)) for name in shares.index])
    axis.grid(False, axis="y")
    theme.as_percent(axis.xaxis)
    theme.label(axis, "", "share of the messages from customers")
    theme.legend(axis, loc="lower right")
    return figure
