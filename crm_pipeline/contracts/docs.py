"""The documentation of the canonical tables and of the outputs, made from their contracts. No contract belongs here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crm_pipeline.contracts import outputs
from crm_pipeline.contracts.actions import rules_markdown
from crm_pipeline.contracts.calls import AUDIO
from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.column import Output
from crm_pipeline.contracts.core import ARROW_NAMES, Column, TableContract
from crm_pipeline.contracts.leaderboards import LEADERBOARD
from crm_pipeline.contracts.plans import PLANS
from crm_pipeline.contracts.texts import TEXT

HEADER = """# The canonical tables

Made from `crm_pipeline/contracts/canonical.py` by `make docs`; do not edit.
A `source.yaml` maps its files onto these tables. All but `orders` (or `order_lines`) are optional. Times are kept in
UTC; money as whole money units (setting `money_unit`): a mapping always gives major units, `12.97` and not `129700`. Every table may
carry `recorded_at`. What of a file is mapped to none of these columns is not used.
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


OUTPUTS = """# What comes out

Made from `crm_pipeline/contracts/outputs.py` by `make docs`; do not edit. Each table lies under `lake/<table>/period=<P>/part.parquet`
(`<P>` is the period's first day, such as `2026-06-01`) and as a view in `crm.duckdb`. Amounts are in major units of the source's
currency. A column whose inputs a source does not have is null.
"""


def outputs_markdown(answers: Mapping[str, Iterable[Output]]) -> str:
    """Return the columns of every output as Markdown; ``answers`` are the columns of their own that the tasks' scores have."""
    tables = {
        "scores/customers": outputs.CUSTOMERS,
        **{f"scores/{task}": outputs.score_columns(own) for task, own in answers.items()},
        "scores/value": outputs.VALUE,
        "scores/segments": outputs.SEGMENTS,
        "track_record/<task>": outputs.TRACK_RECORD,
        "track_record/categories": outputs.EVALUATION,
        "scores/categories": outputs.CATEGORIES,
        "scores/category_totals": outputs.CATEGORY_TOTALS,
        "evaluation/<task>": outputs.EVALUATION,
        "evaluation/<task>_predictions": outputs.PREDICTIONS,
        "evaluation/<task>_intervals": outputs.EVALUATION,
        "evaluation/<task>_leaderboard": LEADERBOARD,
        "intervals/<task>": outputs.INTERVALS,
        "models/<task>/<estimator>": outputs.CARD,
        "models/<task>/champion": outputs.CHAMPION,
        "models/segments": outputs.SEGMENT_CARD,
        "levels/<task>": outputs.LEVEL,
        **{f"text/{name}": columns for name, columns in TEXT.items()},
        **{f"audio/{name}": columns for name, columns in AUDIO.items()},
        "evaluation/<task>_ablation": outputs.ABLATION,
        "evaluation/<task>_fairness": outputs.FAIRNESS,
        "evaluation/<task>_reasons": outputs.REASONS,
        "evaluation/<task>_dependence": outputs.DEPENDENCE,
        **{f"plans/{name}": columns for name, columns in PLANS.items()},
        "quality/rows": outputs.QUALITY,
        "reports/period": outputs.REPORT,
    }
    return "\n".join([OUTPUTS, *(_output_markdown(name, columns) for name, columns in tables.items())])


def _output_markdown(name: str, columns: Iterable[Output]) -> str:
    lines = [f"## {name}", "", "| column | type | what it says | unit |", "|---|---|---|---|"]
    lines += [f"| `{c.name}` | {c.type} | {c.description} | {c.unit} |" for c in columns]
    return "\n".join([*lines, "", *([rules_markdown()] if name == "scores/customers" else [])])


def _marks(column: Column) -> str:
    marks = {
        "required": column.required,
        "personal": column.personal,
        "snapshot": column.overwritten,
    }
    return ", ".join(name for name, holds in marks.items() if holds)
