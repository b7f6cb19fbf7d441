"""The leaderboard of section 4: all models and baselines over the blocks of the decision. Nothing is computed here."""

from __future__ import annotations

from typing import Any

import pandas as pd

from crm_pipeline.modeling.leaderboard import MEAN
from crm_pipeline.reports import words
from crm_pipeline.reports.data import ReportData
from crm_pipeline.reports.view import Cell, Column, Table


def leaderboard_table(data: ReportData, task: str) -> Table | None:
    """Return all models of a task, the least mean loss first; None where nothing was judged."""
    found = data.leaderboards.get(task, pd.DataFrame())
    if found.empty:
        return None
    loss = words.measure(found["loss"].iloc[0])
    shown = [c for c in found.columns if c.startswith(MEAN) and c not in (MEAN + found["loss"].iloc[0], "mean_loss")]
    per_block = "below: in how many blocks it has less loss"
    columns = [
        Column("", True, "rank by mean loss"),
        Column("Model"),
        Column(loss.label, True, f"{loss.says}; mean over the blocks"),
        Column("Blocks won", True, "blocks in which no other has less loss"),
        Column("Less the champion's", True, f"mean paired difference ± one block standard error; {per_block}"),
        Column("Less the best baseline's", True, f"mean paired difference ± one block standard error; {per_block}"),
        *(Column(words.measure(c.removeprefix(MEAN)).label, True, "mean over the blocks") for c in shown),
    ]
    blocks = int(found["blocks"].max())
    caption = (
        f"Leaderboard: every model and baseline over the {words.plural(blocks, 'block')} of the decision, least mean "
        f"{loss.label.lower()} first. A difference below 0 is better; ± is one block standard error, and a difference within it is none."
    )
    few = "" if blocks > 1 else "One block has no standard error: a difference over it may be the season's."
    return Table(caption, columns, [_row(row, shown) for row in found.to_dict("records")], few)


def _row(row: dict[Any, Any], shown: list[str]) -> list[Cell | str]:
    role = "" if words.missing(row["role"]) else str(row["role"])
    below = role or str(row["kind"])
    mine = role == "champion"
    return [
        words.number(row["rank"]),
        Cell(words.model_name(row["model"]), "strong" if mine else "", below=below),
        words.number(row["mean_loss"], 4),
        f"{words.number(row['wins'])} of {words.number(row['blocks'])}",
        _difference(row, "champion"),
        _difference(row, "baseline"),
        *(words.number(row[c], words.measure(c.removeprefix(MEAN)).decimals) for c in shown),
    ]


def _difference(row: dict[Any, Any], other: str) -> Cell | str:
    gap, error, ahead = row[f"against_{other}"], row[f"against_{other}_error"], row[f"ahead_of_{other}"]
    if words.missing(gap) or (words.missing(error) and not gap):
        return words.DASH
    reach = "" if words.missing(error) else f" ± {words.number(error, 4)}"
    return Cell(f"{words.number(gap, 4)}{reach}", below=f"{words.number(ahead)} of {words.number(row['blocks'])}")
