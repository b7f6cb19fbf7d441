"""What the terminal shows of `diff` and `trace`, with Rich. Nothing is computed here."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from crm_pipeline.console import cell, out
from crm_pipeline.provenance.words import told, way

if TYPE_CHECKING:
    from crm_pipeline.provenance.changes import Changes, Edition, Move
    from crm_pipeline.provenance.trace import Model, SourceRow, Trace
    from crm_pipeline.scored import Opened

COLUMNS, ROWS, HASH, WIDE = 8, 30, 12, 110
"""How many changed columns, newest rows of a customer, and letters of a hash are shown; how wide three features abreast need it."""


def show_changes(changes: Changes, opened: Opened) -> None:
    """Print what changed between two generations of the scores of a period, why, and whose numbers moved most."""
    out.print(
        f"[bold]Scores of {changes.label}[/]: {_edition(changes.after)} against {_edition(changes.before)}{_made(opened)}",
        soft_wrap=True,
    )
    out.print(
        f"Customers   {changes.changed:,} changed, {changes.same:,} the same, {changes.came:,} came, {changes.went:,} went"
    )
    columns = [f"{name} {count:,}" for name, count in list(changes.columns.items())[:COLUMNS]]
    more = len(changes.columns) - COLUMNS
    if columns:
        out.print(f"Columns     {', '.join(columns)}{f' and {more} more' if more > 0 else ''}", soft_wrap=True)
    out.print("[bold]Why[/]")
    if not changes.causes:
        out.print("  Nothing that is content differs.")
    for sentence in told(changes.causes, opened.calendar):
        out.print(f"  {escape(sentence)}", soft_wrap=True)
    for cause in [c for c in changes.causes if c.kind == "rows"][:1]:
        out.print(f"  [dim]by way of {way(cause)}[/]", soft_wrap=True)
    if len(changes.own_rows) < changes.changed and changes.own_rows:
        out.print(
            f"  {len(changes.own_rows):,} customers have changed rows of their own; "
            "the others changed with what is learned from, or compared over, all of them",
            soft_wrap=True,
        )
    for name, moves in changes.moved.items():
        if moves:
            out.print(_moves(name, moves))


def _made(opened: Opened) -> str:
    return " · synthetic data" if opened.source.synthetic else ""


def _edition(edition: Edition) -> str:
    return f"generation {edition.generation} (published {edition.published_at}, {edition.rows:,} rows)"


def _moves(name: str, moves: list[Move]) -> Table:
    table = Table("customer", title=f"{name} moved most", title_justify="left")
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right")
    table.add_column("own rows changed")
    for move in moves:
        digits = f"{move.change:+,.0f}" if abs(move.change) >= 10 else f"{move.change:+.3f}"
        table.add_row(
            escape(move.customer_id), cell(move.before), cell(move.after), digits, "yes" if move.own_rows else ""
        )
    return table


def show_trace(trace: Trace, opened: Opened) -> None:
    """Print where a score comes from, from the number to the lines of the files."""
    out.print(
        f"[bold]{trace.task} of customer {escape(trace.customer_id)}[/] as of the end of {trace.label} "
        f"(generation {trace.generation}, published {trace.published_at}){_made(opened)}",
        soft_wrap=True,
    )
    if trace.edition:
        out.print(f"As {trace.edition}, read it.")
    facts = Table(show_header=False)
    for name, value in trace.score.items():
        if name not in ("customer_id", "task", "factors"):
            facts.add_row(name, escape(cell(value)))
    out.print(facts)
    _show_model(trace.model)
    _show_features(trace.features)
    _show_pinned(trace)
    _show_rows(trace.rows)


def _show_model(model: Model) -> None:
    out.print("[bold]Model[/]")
    facts = {
        "estimator": model.estimator or "none",
        "version": model.version,
        "trained": f"as of the end of {model.trained}, on {model.rows:,} rows" if model.trained else "",
        "cut-offs": ", ".join(model.cutoffs),
        "MLflow run": model.mlflow_run,
        "model uri": model.uri,
        "chosen": model.decision,
    }
    for name, value in facts.items():
        if value:
            out.print(f"  {name:<11} {escape(value)}", soft_wrap=True)


def _show_features(features: dict[str, float]) -> None:
    table = Table(title=f"Features ({len(features)} known)", title_justify="left", show_header=False)
    pairs = [(name, f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}") for name, value in features.items()]
    beside = 3 if out.width >= WIDE else 2
    for i in range(0, len(pairs), beside):
        table.add_row(*(text for pair in pairs[i : i + beside] for text in pair))
    out.print(table)
    out.print("What they mean: docs/features.md. Money is counted in the setting money_unit (0.0001 unless set).")


def _show_pinned(trace: Trace) -> None:
    table = _narrow("Pinned partitions behind it", "asset", "partitions", "hash of the last")
    ordered = sorted(trace.pinned, key=lambda p: (p.asset, p.partition))
    for asset, group in groupby(ordered, key=lambda p: p.asset):
        listed = list(group)
        first, last = listed[0], listed[-1]
        span = f"{first.partition} … {last.partition} ({len(listed)})" if len(listed) > 1 else first.partition
        table.add_row(asset, span, last.content_hash[:HASH])
    out.print(table)
    out.print("Every partition with its hash: --json.")
    if trace.lost:
        out.print(
            f"No longer kept as they were read, so that what is behind them is not shown: {', '.join(trace.lost)}."
        )


def _show_rows(rows: list[SourceRow]) -> None:
    table = _narrow(f"The customer's own rows ({len(rows):,})", "when", "table", "what", "id", "file and line")
    shown = rows[-ROWS:]
    if any(row.refused for row in shown):
        table.add_column("refused, because")
    for row in shown:
        texts = [row.event_at, row.table, row.event, row.id, f"{row.source_file}:{row.source_line}", row.refused]
        table.add_row(*map(escape, texts[: len(table.columns)]))
    out.print(table)
    if len(rows) > ROWS:
        out.print(f"The newest {ROWS}; all of them: --json.")


def _narrow(title: str, *headings: str) -> Table:
    """Return a table without lines between, so that long names stand whole in a narrow terminal."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
