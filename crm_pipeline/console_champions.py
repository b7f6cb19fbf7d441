"""What the terminal shows of `champion`, with Rich. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from crm_pipeline.console import cell, out

if TYPE_CHECKING:
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
