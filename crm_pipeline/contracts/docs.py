"""The documentation of the canonical tables, made from their contracts. The contracts themselves do not belong here."""

from __future__ import annotations

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.core import ARROW_NAMES, Column, TableContract

HEADER = """# The canonical tables

Made from `crm_pipeline/contracts/canonical.py` by `make docs`; do not edit.
A `source.yaml` maps its files onto these tables. All but `orders` (or `order_lines`) are optional. Times are kept in
UTC; money as whole money units (setting `money_unit`). Every table may carry `recorded_at`.
"""


def tables_markdown() -> str:
    """Return the documentation of all canonical tables as Markdown."""
    return "\n".join([HEADER, *(table_markdown(table) for table in CANONICAL.values())])


def table_markdown(table: TableContract) -> str:
    """Return one table's documentation as Markdown."""
    lines = [f"## {table.name}", "", table.description, ""]
    if table.main_time:
        lines += [f"Events: {', '.join(f'`{e}`' for e in table.events)}.", ""]
    lines += ["| column | type | | what it says | unit |", "|---|---|---|---|---|"]
    lines += [
        f"| `{c.name}` | {ARROW_NAMES[c.kind]} | {_marks(c)} | {c.description} | {c.unit} |"
        for c in table.source_columns
    ]
    return "\n".join([*lines, "", table.rules_markdown(), ""])


def _marks(column: Column) -> str:
    marks = {
        "required": column.required,
        "personal": column.personal,
        "snapshot": column.overwritten,
    }
    return ", ".join(name for name, holds in marks.items() if holds)
