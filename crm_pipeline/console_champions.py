"""What the terminal shows of `champion`, with Rich. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from crm_pipeline.console import cell, out

if TYPE_CHECKING:
    import pandas as pd

    from crm_pipeline.champions import Reign


def show_champions(reigns: Iterable[Reign]) -> None:
    """Print of each task who reigns, since when and why, and beside it the runner-up and the baselines."""
    for reign in reigns:
        found = reign.decision
        if found.no_use:
            out.print(Text.assemble(("warning ", "yellow"), found.no_use), soft_wrap=True)
        since = f", since {found.since}" if found.since else ""
        out.print(
            f"[bold]{escape(found.task)}[/]: {escape(found.champion or 'no model')}{since} (as of the end of {reign.label})",
            soft_wrap=True,
        )
        out.print(f"Status      {escape(found.meaning)}", soft_wrap=True)
        out.print(f"Why         {escape(found.reason)}", soft_wrap=True)
        blocks = f"what followed the end of {', '.join(reign.blocks)}" if reign.blocks else "nothing yet"
        out.print(f"Judged on   {blocks}", soft_wrap=True)
        if found.champion:
            out.print(f"Model       {found.model_version}, trained on what was known before {found.trained_as_of}")
        if found.mean_loss:
            out.print(_compared(reign))


def show_leaderboards(found: Mapping[str, pd.DataFrame]) -> None:
    """Print of each task all its models and baselines, the least mean loss first."""
    for task, frame in found.items():
        if frame.empty:
            out.print(f"[bold]{escape(task)}[/]: no outcome has judged a model yet.")
            continue
        loss, blocks = frame["loss"].iloc[0].replace("_", " "), int(frame["blocks"].max())
        title = f"{task}: every model over {blocks} block{'' if blocks == 1 else 's'} of time; a difference below 0 is better"
        table = Table("", "model", title=title, title_justify="left")
        metrics = [
            c for c in frame if c.startswith("mean_") and c not in ("mean_loss", f"mean_{frame['loss'].iloc[0]}")
        ]
        headings = (loss, "won", "less the champion's", "less the best baseline's")
        for heading in (*headings, *(c.removeprefix("mean_").replace("_", " ") for c in metrics)):
            table.add_column(heading, justify="right")
        for row in frame.to_dict("records"):
            name = str(row["model"]).replace("baseline_", "baseline: ").replace("_", " ")
            own = (cell(float(row["mean_loss"])), f"{row['wins']}/{row['blocks']}")
            against = (_gap(row, other) for other in ("champion", "baseline"))
            rank = "" if isnan(row["rank"]) else f"{row['rank']:.0f}"
            table.add_row(
                rank, name, *own, *against, *(cell(float(row[c])) for c in metrics), style=_style(row["role"])
            )
        out.print(table)


def _style(role: object) -> str | None:
    return "bold" if role == "champion" else None


def _gap(row: Mapping[Hashable, Any], other: str) -> str:
    """Write a paired difference and its block standard error; nothing for a model beside itself."""
    gap, error = (float(row[f"against_{other}{end}"]) for end in ("", "_error"))
    return "" if not gap else f"{gap:+.4f}" if isnan(error) else f"{gap:+.4f} ± {error:.4f}"


def _compared(reign: Reign) -> Table:
    loss = reign.decision.loss.replace("_", " ")
    table = Table("", "model", title=f"Mean {loss} over the blocks; less is better", title_justify="left")
    for heading in (loss, "more than the champion", "block standard error"):
        table.add_column(heading, justify="right")
    for row in reign.decision.compared().to_dict("records"):
        style = "bold" if row["role"] == "champion" else None
        figures = (
            cell(float(row[name])) for name in ("mean_loss", "difference", "block_error") if row[name] is not None
        )
        table.add_row(row["role"], row["model"].replace("_", " "), *figures, style=style)
    return table
