"""The figure of partial dependence: a data frame in, a matplotlib figure out. As in `plots`, no HTML and no files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from crm_pipeline.reports import theme
from crm_pipeline.reports.words import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PERCENT = "probability"
"""Unit of an answer whose axis is in percent."""


def dependence_lines(points: pd.DataFrame, unit: str, *, synthetic: bool = False) -> Figure:
    """Draw what the model says on average as one feature takes one value for everybody, a small plot per feature.

    The values are quantiles of the customers and stand equally far apart. ``points``: feature, rank, point, at, said.
    """
    parts = [own for _, own in points.groupby("rank", sort=True)]
    figure, axes = theme.blank(9.2, 2.6, columns=max(len(parts), 1), share_y=True, synthetic=synthetic)
    if not parts:
        theme.nothing(axes[0], "Nothing was measured.")
        return figure
    for axis, own in zip(axes, parts, strict=True):
        values = own["at"].to_numpy("float64")
        axis.plot(range(len(own)), own["said"], color=theme.CHAMPION, marker="o", markersize=3, linewidth=1.8)
        shown = sorted({0, (len(own) - 1) // 2, len(own) - 1})
        axis.set_xticks(shown, [short(values[i]) for i in shown])
        axis.set_xlim(-0.5, len(own) - 0.5)
        theme.label(axis, "", str(own["feature"].iloc[0]))
    if unit == PERCENT:
        theme.as_percent(axes[0].yaxis)
    else:
        axes[0].yaxis.set_major_formatter(lambda value, _: number(value))
    axes[0].set_ylabel("the model says", fontsize=9, color=theme.MUTED)
    return figure


def short(value: float) -> str:
    """Write a feature's value: two decimals below ten, none above."""
    return number(value, 0 if float(value).is_integer() or abs(value) >= 10 else 2)
