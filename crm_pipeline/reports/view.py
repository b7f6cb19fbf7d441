"""The pieces a template prints: tables, cells, figures. They hold finished text; no data frames beyond this point."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.theme import svg
from crm_pipeline.reports.words import plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Cell:
    """Text with a tone (good, warn, bad, strong, quiet), as a ``chip`` or plain.

    ``bar`` (0 to 1) draws a bar behind it; ``below`` is a second, smaller line.
    """

    text: str
    tone: str = ""
    chip: bool = False
    bar: float | None = None
    below: str = ""


@dataclass(frozen=True)
class Column:
    """A table's column: ``numeric`` aligns right, ``hint`` explains the label."""

    label: str
    numeric: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its caption (what it shows, on which rows); ``note`` stands below it."""

    caption: str
    columns: list[Column]
    rows: list[list[Cell | str]]
    note: str = ""


@dataclass(frozen=True)
class Drawing:
    """A figure as inline SVG, with the text for those who do not see it and the caption for all."""

    svg: str
    alt: str
    caption: str
    wide: bool = False


@dataclass
class Draw:
    """Turns matplotlib figures into drawings, numbering them through the page."""

    data: ReportData
    count: int = field(default=0, init=False)

    def __call__(self, figure: Figure, alt: str, caption: str, *, wide: bool = False) -> Drawing:
        """Return the drawing; ids inside the SVG are unique on the page."""
        self.count += 1
        return Drawing(svg(figure, f"f{self.count}"), alt, f"Figure {self.count}. {caption}", wide)


def texts(frame: pd.DataFrame, column: str, default: Any = "") -> list[Any]:
    """Return a column as a list, ``default`` for what is missing, also where the column is absent."""
    if column not in frame.columns:
        return [default] * len(frame)
    return [default if pd.isna(v) else v for v in frame[column]]


def customers(count: int) -> str:
    """Write a number of customers."""
    return plural(count, "customer")
