"""Colours, blank figures and their way into PNG, SVG and Markdown. Nothing about customers or models here.

Figures are made with matplotlib's object-oriented interface: no pyplot, no global state left behind. In the SVG each
colour of the palette becomes a CSS variable, so that one drawing is readable on a light and on a dark page.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crm_pipeline.reports.words import BASELINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1d2430", "#5d6775", "#dfe3e8", "#fefefe"
CHAMPION, OTHER, BAND = "#0b5cad", "#b3bac4", "#c9d6e6"
GOOD, WARN, BAD = "#2b7a4b", "#a86500", "#b3261e"
RAISES = _RECENCY = "#c2571a"
_RFM, _PROCESS, _SEASON = "#2e8b7a", "#8a4fa3", "#8c7300"

# Hex colour in a drawing -> CSS variable of the page.
VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "line",
    PAPER: "paper",
    CHAMPION: "champion",
    OTHER: "other",
    BAND: "band",
    GOOD: "good",
    WARN: "warn",
    BAD: "bad",
    _RECENCY: "s1",
    _RFM: "s2",
    _PROCESS: "s3",
    _SEASON: "s4",
}
_BASELINE_STYLES = {
    "recency": (_RECENCY, (0, (5, 2)), "s"),
    "rfm": (_RFM, (0, (1, 1)), "^"),
    "purchase_process": (_PROCESS, (0, (5, 1, 1, 1)), "D"),
    "last_season": (_SEASON, (0, (3, 1)), "v"),
    "zero": (_RECENCY, (0, (5, 2)), "s"),
    "last_spend": (_RFM, (0, (1, 1)), "^"),
}
BASELINES = tuple({"color": color} for color in (_RFM, _PROCESS, _SEASON))
_MARKDOWN_BYTES = 60_000


def style_of(model: str, champion: str | None) -> dict[str, Any]:
    """Return colour, linestyle, marker, linewidth and zorder of a model, the same in every figure."""
    if model == champion:
        return {"color": CHAMPION, "linestyle": "-", "marker": "o", "linewidth": 2.2, "zorder": 5}
    if not model.startswith(BASELINE):
        return {"color": OTHER, "linestyle": "-", "marker": "o", "linewidth": 1.0, "zorder": 2}
    bare = model.removeprefix(BASELINE)
    spare = list(_BASELINE_STYLES.values())[sum(map(ord, bare)) % len(_BASELINE_STYLES)]
    color, dashes, marker = _BASELINE_STYLES.get(bare, spare)
    return {"color": color, "linestyle": dashes, "marker": marker, "linewidth": 1.4, "zorder": 3}


def blank(
    width: float = 4.9, height: float = 3.9, *, columns: int = 1, share_y: bool = False, synthetic: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure of one row of axes (sizes in inches), styled; ``synthetic`` writes so at its foot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    axes = figure.subplots(1, columns, squeeze=False, sharey=share_y)[0]
    _dress(figure, axes, synthetic)
    return figure, list(axes)


def stacked(
    width: float, height: float, heights: Sequence[float], *, synthetic: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure of axes above each other that share their x, of these relative heights; styled as `blank` is."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=list(heights))
    _dress(figure, axes, synthetic)
    return figure, list(axes)


def _dress(figure: Figure, axes: Iterable[Axes], synthetic: bool) -> None:
    for one in axes:
        one.set_facecolor("none")
        one.tick_params(colors=MUTED, labelcolor=INK, labelsize=8.5, length=0)
        one.grid(True, color=GRID, linewidth=0.8)
        one.set_axisbelow(True)
        for side, spine in one.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(OTHER)
    if synthetic:
        figure.supxlabel("synthetic data", x=0.995, ha="right", fontsize=7.5, color=WARN)


def label(axis: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Write the title (left) and the axis labels."""
    if title:
        axis.set_title(plain(title), loc="left", fontsize=10, color=INK, fontweight="bold")
    axis.set_xlabel(plain(x), fontsize=9, color=MUTED)
    axis.set_ylabel(plain(y), fontsize=9, color=MUTED)


def legend(axis: Axes, **options: Any) -> None:
    """Draw a frameless legend in the page's ink, if there is anything to name."""
    if axis.get_legend_handles_labels()[0]:
        drawn = axis.legend(fontsize=8, labelcolor=INK, facecolor=PAPER, edgecolor="none", framealpha=0.85, **options)
        drawn.get_title().set_color(INK)


def as_percent(axis: Any) -> None:
    """Write the ticks of an axis (``axes.xaxis``) as percentages."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def nothing(axis: Axes, why: str) -> None:
    """Turn an axes into one sentence: why there is nothing to draw."""
    axis.set_axis_off()
    axis.text(
        0.5, 0.5, plain(why), ha="center", va="center", wrap=True, fontsize=9, color=MUTED, transform=axis.transAxes
    )


def plain(text: str) -> str:
    """Return text that matplotlib does not read as mathematics."""
    return str(text).replace("$", r"\$")


DPI = 100
"""Of a figure, where nothing else is asked for."""


COLOURS = 64
"""Of a PNG: a third of the bytes that it has with all of them, so that a figure need not be drawn smaller to fit."""


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """Return the figure as PNG bytes of at most `COLOURS`; equal figures give equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    buffer = io.BytesIO()
    drawn.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "png")
    return buffer.getvalue()


def markdown_image(figure: Figure, alt: str = "plot", drawn: bytes | None = None) -> str:
    """Return the figure as Markdown with the PNG inside, under 60,000 characters, for an asset's metadata.

    The resolution is lowered until it fits. ``drawn`` is what `png` made of the figure, where it was drawn before.
    """
    words = re.sub(r"[\[\]()\n]", " ", alt)
    text = ""
    for dpi in (DPI, 80, 64, 50, 40, 30):
        image = drawn if drawn is not None and dpi == DPI else png(figure, dpi)
        text = f"![{words}](data:image/png;base64,{base64.b64encode(image).decode()})"
        if len(text) < _MARKDOWN_BYTES:
            break
    return text


def svg(figure: Figure, prefix: str) -> str:
    """Return the figure as an inline SVG element without size, its colours as CSS variables.

    Parameters
    ----------
    figure : Figure
    prefix : str
        Put before every id inside, so that many drawings can share a page.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    FigureCanvasSVG(figure)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, facecolor="none")
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", text, count=1)
    text = re.sub(r'(<svg [^>]*?)height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"(<svg )", r'\1aria-hidden="true" focusable="false" ', text, count=1)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = re.sub(r"font-family: [^;\"]*;?", "", text)
    text = re.sub(r"font: ([^;\"]*?)(\d+(?:\.\d+)?px) [^;\"]*", _short_font, text)
    for color, name in VARIABLES.items():
        text = text.replace(color, f"var(--{name})")
    return re.sub(r"\n\s*", "\n", text)


def _short_font(found: re.Match[str]) -> str:
    weight = "; font-weight: 600" if re.search(r"\b(bold|700|600)\b", found[1]) else ""
    return f"font-size: {found[2]}{weight}"


def finite_limits(values: Any, pad: float = 0.08) -> tuple[float, float] | None:
    """Return axis limits around the finite values, padded, or None where there are none."""
    array = np.asarray(values, dtype=float).ravel()
    array = array[np.isfinite(array)]
    if not len(array):
        return None
    low, high = float(array.min()), float(array.max())
    room = (high - low) * pad or abs(high) * pad or 1.0
    return low - room, high + room
