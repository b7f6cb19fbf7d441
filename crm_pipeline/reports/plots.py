"""The figures of report, asset metadata and MLflow: data frames in, matplotlib figures out. No HTML and no files here.

``predictions`` is always ``evaluation/<task>_predictions`` (customer_id, cutoff, outcome, one column per model);
of several cut-offs the newest is drawn. ``champion`` names the column to bring forward: the other estimators are grey,
the baselines dashed. Every function survives empty frames: the figure then says why it is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crm_pipeline.modeling import metrics
from crm_pipeline.periods import Calendar, Grain
from crm_pipeline.reports import measures, theme
from crm_pipeline.reports.summary import normalised
from crm_pipeline.reports.theme import markdown_image, png, svg
from crm_pipeline.reports.words import BASELINE, is_amount, measure, model_name, number, percent, period

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "calibration",
    "demand_deciles",
    "drift_bars",
    "lift_gain",
    "markdown_image",
    "model_comparison",
    "models_of",
    "newest",
    "png",
    "precision_recall",
    "reasons_bars",
    "roc",
    "svg",
    "track_record_lines",
]

_KEYS = ("customer_id", "cutoff", "as_of", "outcome", "task")
_NO_OUTCOME = "No predictions with a known outcome\nof both kinds at this cut-off."


def newest(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the newest cut-off."""
    if predictions.empty or "cutoff" not in predictions.columns:
        return predictions
    return predictions[predictions["cutoff"] == predictions["cutoff"].max()]


def models_of(predictions: pd.DataFrame, champion: str | None = None) -> list[str]:
    """Return the model columns, the champion first, then baselines, then the other estimators."""
    names = [c for c in predictions.columns if c not in _KEYS and pd.api.types.is_numeric_dtype(predictions[c])]
    return sorted(names, key=lambda c: (c != champion, not c.startswith(BASELINE)))


def roc(predictions: pd.DataFrame, champion: str | None = None, *, synthetic: bool = False) -> Figure:
    """Draw ROC curves: share of the lapsed found against share of the stayers named with them. AUC in the legend."""
    figure, (axis,) = theme.blank(synthetic=synthetic)

    def draw(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
        x, hit = measures.roc_points(y, p)
        return x, hit, number(metrics.plain(metrics.auc, y, p), 3) if len(x) else ""

    if _curves(axis, predictions, champion, draw):
        axis.plot([0, 1], [0, 1], color=theme.MUTED, linewidth=0.8, linestyle=":")
        axis.text(0.30, 0.26, "a coin", fontsize=8, color=theme.MUTED, rotation=37, ha="center")
        _unit_square(axis)
        theme.label(axis, "ROC", "share of those who stayed, named by mistake", "share of those who lapsed, found")
        theme.legend(axis, loc="lower right", title="AUC", title_fontsize=8)
    return figure


def precision_recall(predictions: pd.DataFrame, champion: str | None = None, *, synthetic: bool = False) -> Figure:
    """Draw precision against recall, the base rate as a dotted line, average precision in the legend."""
    figure, (axis,) = theme.blank(synthetic=synthetic)

    def draw(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
        return *measures.pr_points(y, p), number(metrics.plain(metrics.average_precision, y, p), 3)

    if _curves(axis, predictions, champion, draw):
        rate = float(newest(predictions)["outcome"].astype(float).mean())
        axis.axhline(rate, color=theme.MUTED, linewidth=0.8, linestyle=":")
        axis.text(0.01, rate, "base rate", fontsize=8, color=theme.MUTED, va="bottom")
        _unit_square(axis)
        theme.label(
            axis,
            "Precision and recall",
            "recall: share of those who lapsed, found",
            "precision: lapsed among those named",
        )
        theme.legend(axis, loc="lower left", title="average precision", title_fontsize=8, bbox_to_anchor=(0, 0))
    return figure


def lift_gain(predictions: pd.DataFrame, champion: str | None = None, *, synthetic: bool = False) -> Figure:
    """Draw cumulative gain (share of the lapsed reached) and lift against the share of customers called."""
    figure, (left, right) = theme.blank(9.2, 3.9, columns=2, synthetic=synthetic)

    def draw_gain(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
        share, gain = measures.gain_points(y, p)
        return share, gain, percent(measures.reached(y, p, 0.2)) if len(share) else ""

    def draw_lift(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
        share, gain = measures.gain_points(y, p)
        tenth = number(measures.reached(y, p, 0.1) / 0.1, 2) if len(share) else ""
        kept = share >= 0.02  # the first few customers are noise
        return share[kept], gain[kept] / share[kept], tenth

    if _curves(left, predictions, champion, draw_gain) and _curves(right, predictions, champion, draw_lift):
        left.plot([0, 1], [0, 1], color=theme.MUTED, linewidth=0.8, linestyle=":")
        _unit_square(left)
        theme.label(
            left, "Cumulative gain", "share of customers called, riskiest first", "share of those who lapsed, reached"
        )
        theme.legend(left, loc="lower right", title="reached by calling 20 %", title_fontsize=8)
        right.axhline(1.0, color=theme.MUTED, linewidth=0.8, linestyle=":")
        right.set_xlim(0, 1)
        theme.as_percent(right.xaxis)
        theme.label(right, "Lift", "share of customers called, riskiest first", "times as many lapsed as by chance")
        theme.legend(right, loc="upper right", title="lift in the top 10 %", title_fontsize=8)
    else:
        right.set_axis_off()
    return figure


def calibration(predictions: pd.DataFrame, champion: str | None = None, *, synthetic: bool = False) -> Figure:
    """Draw calibration in ten groups with the noise band of right predictions; beside it how the scores are spread."""
    figure, (left, right) = theme.blank(9.2, 3.9, columns=2, synthetic=synthetic)
    rows = newest(predictions)
    models = models_of(rows, champion) if "outcome" in rows.columns else []
    shown = [m for m in models if m == champion or m.startswith(BASELINE)] or models[:1]
    pairs = {m: measures.paired(rows["outcome"], rows[m]) for m in shown}
    pairs = {m: pair for m, pair in pairs.items() if len(pair[0])}
    if not pairs:
        theme.nothing(left, _NO_OUTCOME)
        right.set_axis_off()
        return figure
    lead = next(iter(pairs))
    seen = [
        value
        for model, pair in pairs.items()
        for value in _calibration_line(left, model, pair, champion, model == lead)
    ]
    low, high = max(0.0, min(seen) - 0.04), min(1.0, max(seen) + 0.04)
    left.plot([low, high], [low, high], color=theme.MUTED, linewidth=0.8, linestyle=":")
    left.set_xlim(low, high)
    left.set_ylim(low, high)
    _percent_both(left)
    theme.label(left, "Calibration", "predicted probability (mean of the group)", "share that lapsed")
    theme.legend(left, loc="upper left")
    _spread(right, *pairs[lead])
    theme.label(right, f"Spread of {model_name(lead)}", "predicted probability", "customers")
    theme.legend(right, loc="upper left", ncols=2, bbox_to_anchor=(0, 1.0))
    return figure


def _calibration_line(
    axis: Axes, model: str, pair: tuple[np.ndarray, ...], champion: str | None, lead: bool
) -> list[float]:
    """Draw one model's groups, with the noise band where it leads; return all values drawn."""
    bins = measures.calibration_bins(pair[0], pair[1])
    if lead:
        band: dict[str, Any] = {
            "color": theme.BAND,
            "alpha": 0.7,
            "linewidth": 0,
            "label": "noise band, 19 in 20",
            "zorder": 1,
        }
        axis.fill_between(bins["predicted"], bins["low"], bins["high"], **band)
    style = theme.style_of(model, champion)
    style |= {"linewidth": 1.6, "markersize": 6} if lead else {"linewidth": 0.9, "markersize": 4, "alpha": 0.75}
    axis.plot(bins["predicted"], bins["actual"], label=model_name(model), **style)
    return [*bins["predicted"], *bins["actual"]]


def _spread(axis: Axes, y: np.ndarray, p: np.ndarray) -> None:
    """Draw a histogram of the predictions, stacked by outcome."""
    edges = np.linspace(0, 1, 21)
    lapsed, everyone = (np.histogram(np.clip(v, 0, 1), edges)[0] for v in (p[y > 0.5], p))
    axis.bar(edges[:-1], lapsed, width=0.045, align="edge", color=theme.RAISES, label="lapsed")
    axis.bar(edges[:-1], everyone - lapsed, width=0.045, align="edge", bottom=lapsed, color=theme.OTHER, label="stayed")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, max(float(everyone.max()), 1.0) * 1.18)
    axis.grid(False, axis="x")
    theme.as_percent(axis.xaxis)
    axis.yaxis.set_major_formatter(lambda value, _: number(value))


def demand_deciles(
    predictions: pd.DataFrame, champion: str | None = None, *, currency: str = "", synthetic: bool = False
) -> Figure:
    """Draw mean predicted and actual spend by decile of the prediction, with 95 % intervals of the actual mean."""
    figure, (axis,) = theme.blank(9.2, 3.9, synthetic=synthetic)
    rows = newest(predictions)
    models = models_of(rows, champion)
    table = pd.DataFrame()
    if models and len(rows):
        outcome, said = measures.paired(rows["outcome"], rows[models[0]])
        table = measures.amount_deciles(outcome, said)
    if table.empty:
        theme.nothing(axis, "No predicted amounts with a known outcome at this cut-off.")
        return figure
    at = table["decile"].to_numpy()
    axis.bar(
        at - 0.2, table["predicted"], width=0.38, color=theme.CHAMPION, label=f"predicted ({model_name(models[0])})"
    )
    axis.bar(at + 0.2, table["actual"], width=0.38, color=theme.OTHER, label="actual, 95 % interval of the mean")
    axis.vlines(at + 0.2, table["low"], table["high"], color=theme.INK, linewidth=1.4)
    axis.grid(False, axis="x")
    axis.set_xticks(at)
    axis.yaxis.set_major_formatter(lambda value, _: number(value))
    theme.label(
        axis,
        "Demand by decile",
        "decile of the prediction (10 = most)",
        f"mean spend per customer{f', {currency}' if currency else ''}",
    )
    theme.legend(axis, loc="upper left")
    return figure


def model_comparison(
    evaluation: pd.DataFrame,
    metric: str | None = None,
    champion: str | None = None,
    *,
    cutoffs: int = 4,
    grain: Grain = "month",
    synthetic: bool = False,
) -> Figure:
    """Draw one metric of every model with its interval, one panel per cut-off (the ``cutoffs`` newest, oldest left).

    ``metric`` defaults to AUC, or WAPE for amounts. Intervals are over customers, within each period.
    """
    rows = normalised(evaluation) if len(evaluation) else pd.DataFrame()
    if metric is None:
        metric = "wape" if len(rows) and is_amount(str(rows["task"].iloc[0])) else "auc"
    rows = rows[(rows["metric"] == metric) & rows["value"].notna()] if len(rows) else rows
    shown = sorted(rows["cutoff"].unique())[-cutoffs:] if len(rows) else []
    if not shown:
        figure, (axis,) = theme.blank(synthetic=synthetic)
        theme.nothing(axis, f"No model was judged by {measure(metric).label} yet.")
        return figure
    said = measure(metric)
    last = rows[rows["cutoff"] == shown[-1]].set_index("model")["value"]
    models = sorted(rows.loc[rows["cutoff"].isin(shown), "model"].unique(), key=lambda m: (last.get(m, np.nan), m))
    models = models[::-1] if said.better == "low" else models
    width = {1: 5.4, 2: 7.2}.get(len(shown), 9.2)
    figure, axes = theme.blank(width, 1.1 + 0.32 * len(models), columns=len(shown), share_y=True, synthetic=synthetic)
    limits = theme.finite_limits(rows.loc[rows["cutoff"].isin(shown), ["value", "low", "high"]])
    for axis, cutoff in zip(axes, shown, strict=True):
        _comparison_panel(axis, rows[rows["cutoff"] == cutoff].set_index("model"), models, champion)
        axis.set_xlim(limits)
        theme.label(axis, f"end of {period(cutoff, grain)}", said.label)
    axes[0].set_yticks(range(len(models)), [model_name(m) for m in models])
    return figure


def track_record_lines(table: pd.DataFrame, metric: str, *, grain: Grain = "month", synthetic: bool = False) -> Figure:
    """Draw one measure of the scores as issued beside the baselines, cut-off by cut-off.

    ``table``: cutoff, model (``issued`` for the score, baselines prefixed), value.
    """
    figure, (axis,) = theme.blank(9.2, 3.2, synthetic=synthetic)
    known = table.dropna(subset=["value"]) if len(table) else table
    if known.empty:
        theme.nothing(axis, "No score has met its outcome yet.")
        return figure
    calendar = Calendar(grain)
    keys = {cutoff: calendar.key(pd.Timestamp(cutoff).date()) for cutoff in known["cutoff"].unique()}
    periods = calendar.range(min(keys.values()), max(keys.values()))
    for model, own in known.groupby("model", sort=False):
        at = [periods.index(keys[c]) for c in own["cutoff"]]
        name = "Score, as issued" if model == "issued" else model_name(str(model))
        axis.plot(at, own["value"], label=name, markersize=5, **theme.style_of(str(model), "issued"))
    step = max(1, -(-len(periods) // 12))
    axis.set_xticks(range(0, len(periods), step), [calendar.label(key) for key in periods[::step]])
    axis.set_xlim(-0.4, len(periods) - 0.6)
    theme.label(axis, "", "scored at the end of", measure(metric).label)
    theme.legend(axis, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def drift_bars(drift: pd.DataFrame, n: int = 15, *, synthetic: bool = False) -> Figure:
    """Draw the ``n`` largest population stability indices, with the rule-of-thumb lines at 0.10 and 0.25."""
    from crm_pipeline.reports.drift import SHIFTED, WATCH

    rows = drift.head(n).iloc[::-1]
    figure, (axis,) = theme.blank(9.2, 1.2 + 0.23 * max(len(rows), 4), synthetic=synthetic)
    if rows.empty:
        theme.nothing(axis, "No two periods of features to compare.")
        return figure
    colors = rows["state"].map({"steady": theme.OTHER, "watch": theme.WARN, "shifted": theme.BAD})
    axis.barh(range(len(rows)), rows["psi"], color=list(colors), height=0.66)
    for line, name in ((WATCH, "watch"), (SHIFTED, "shifted")):
        axis.axvline(line, color=theme.MUTED, linewidth=0.9, linestyle=":")
        axis.text(line, len(rows) - 0.35, f" {name}", fontsize=8, color=theme.MUTED, va="bottom")
    axis.set_yticks(range(len(rows)), [theme.plain(f) for f in rows["feature"]])
    axis.set_ylim(-0.6, len(rows) + 0.4)
    axis.set_xlim(0, max(SHIFTED * 1.25, float(rows["psi"].max()) * 1.08))
    axis.grid(False, axis="y")
    theme.label(axis, "", "population stability index")
    return figure


def reasons_bars(themes: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw the share of every theme in the reasons, split into what raises and what lowers the score."""
    rows = themes.iloc[::-1]
    figure, (axis,) = theme.blank(9.2, 1.0 + 0.27 * max(len(rows), 3), synthetic=synthetic)
    if rows.empty:
        theme.nothing(axis, "No score carries reasons in this period.")
        return figure
    at = range(len(rows))
    axis.barh(at, rows["raises"], color=theme.RAISES, height=0.62, label="raises the score")
    axis.barh(at, rows["lowers"], left=rows["raises"], color=theme.CHAMPION, height=0.62, label="lowers the score")
    axis.set_yticks(at, [theme.plain(str(t)) for t in rows["theme"]])
    axis.grid(False, axis="y")
    theme.as_percent(axis.xaxis)
    theme.label(axis, "", "share of all attributions")
    theme.legend(axis, loc="lower right")
    return figure


def _curves(
    axis: Axes,
    predictions: pd.DataFrame,
    champion: str | None,
    draw: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, str]],
) -> bool:
    """Draw one curve per model; False, and a sentence in the axes, where no model has any."""
    rows = newest(predictions)
    drawn, others = 0, 0
    for model in models_of(rows, champion) if "outcome" in rows.columns else []:
        x, y, figure = draw(*measures.paired(rows["outcome"], rows[model]))
        if not len(x):
            continue
        style = theme.style_of(model, champion)
        style.pop("marker")
        plain_estimator = style["color"] == theme.OTHER and champion is not None
        others += plain_estimator
        name = "other estimators" if plain_estimator else f"{figure}  {model_name(model)}"
        axis.plot(x, y, label=None if plain_estimator and others > 1 else name, **style)
        drawn += 1
    if not drawn:
        theme.nothing(axis, _NO_OUTCOME)
    return drawn > 0


def _comparison_panel(axis: Axes, rows: pd.DataFrame, models: list[str], champion: str | None) -> None:
    for at, model in enumerate(models):
        if model not in rows.index:
            continue
        row = rows.loc[model] if isinstance(rows.loc[model], pd.Series) else rows.loc[model].iloc[0]
        style = theme.style_of(model, champion)
        if pd.notna(row["low"]) and pd.notna(row["high"]):
            axis.plot(
                [row["low"], row["high"]],
                [at, at],
                color=style["color"],
                linewidth=2,
                alpha=0.55,
                solid_capstyle="round",
            )
        hollow = theme.PAPER if model.startswith(BASELINE) else style["color"]
        axis.plot(
            [row["value"]], [at], marker=style["marker"], color=style["color"], markerfacecolor=hollow, markersize=6.5
        )
    axis.set_ylim(-0.6, len(models) - 0.4)
    axis.grid(False, axis="y")


def _unit_square(axis: Axes) -> None:
    axis.set_xlim(-0.01, 1.01)
    axis.set_ylim(-0.01, 1.01)
    _percent_both(axis)


def _percent_both(axis: Axes) -> None:
    theme.as_percent(axis.xaxis)
    theme.as_percent(axis.yaxis)
