"""The contract of what the pipeline makes, checked before it is published: columns and types, what identifies a row, ranges.

The canonical tables have richer rules of their own (`contracts.core`). Values are not computed here.
"""

# pyright: reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false
# (Ibis gives a column of a table the widest type, which has no operators)

from __future__ import annotations

from collections.abc import Collection, Sequence

import ibis

from crm_pipeline.contracts.column import Output
from crm_pipeline.contracts.explanations import PARTIAL, SURVIVES
from crm_pipeline.contracts.leaderboards import LEADERS
from crm_pipeline.contracts.outputs import FAIR, WORTH

IBIS_TYPES = {
    "text": "string",
    "date32": "date",
    "timestamp": "timestamp(6)",
    "timestamp[us]": "timestamp(6)",
    "bool": "boolean",
}
"""Type as people read it to the type in the lake, where they differ."""

_KEYS: dict[str, tuple[str, ...]] = {
    "activity": ("customer_id",), "activity/categories": ("customer_id", "category"), "lifetime": ("customer_id",),
    "features": ("customer_id",), "outcomes": ("customer_id",), "outcomes/purchases": ("cutoff",),
    "training": ("customer_id", "as_of"), "levels": ("task",), "models": ("task",), "intervals": ("model", "band"),
    "evaluation": ("model", "cutoff", "metric"),
    "audio/calls": ("call_id", "channel"), "audio/labels": ("path", "emotion", "speaker"),
    "audio/emotion_model": ("task",), "text/messages": ("message_id",),
    "text/message_topics": ("message_id",), "text/words": ("segment", "kind", "stem"),
    "text/topics": ("topic", "term"), "text/intent_model": ("task",), "text/sentiment_model": ("task",),
    "scores": ("customer_id",), "plans": ("rank",), "track_record": ("customer_id", "edition"), "reports": ("as_of",),
    "track_record/categories": ("model", "cutoff", "metric"),
    "scores/categories": ("customer_id", "category"), "scores/category_totals": ("category",),
}  # fmt: skip


def key_of(asset: str) -> tuple[str, ...]:
    """Return the columns that identify a row of an asset the pipeline makes; empty where rows have no identity."""
    if asset.endswith("_predictions"):
        return ("customer_id",)
    if asset.endswith(LEADERS):
        return ("model",)
    if asset.endswith(WORTH):
        return ("left_out", "cutoff", "metric")
    if asset.endswith(FAIR):
        return ("model", "attribute", "group", "metric")
    if asset.endswith(SURVIVES):
        return ("task",)
    if asset.endswith(PARTIAL):
        return ("feature", "point")
    return _KEYS.get(asset) or _KEYS.get(asset.split("/")[0], ())


def audit_output(
    table: ibis.Table, columns: Sequence[Output], key: Sequence[str], optional: Sequence[Output] = ()
) -> list[str]:
    """Return what of its contract a table breaks, as sentences; empty when it keeps it. One aggregate query.

    Parameters
    ----------
    table : ibis.Table
    columns : sequence of Output
        Every column it must have, with its type. A ``probability`` lies between 0 and 1.
    key : sequence of str
        What identifies a row: never null, never repeated.
    optional : sequence of Output
        Columns that it may have; they keep the same rules.
    """
    failures = _schema_failures(table, columns, {c.name for c in columns}) + _schema_failures(table, optional, set())
    if failures:
        return failures
    probabilities = (c.name for c in (*columns, *optional) if c.unit == "probability" and c.name in table.columns)
    counted = counts(table, tuple(probabilities), tuple(key))
    if counted is None:
        return []
    row = counted.to_pyarrow().to_pylist()[0]
    return [f"{name} in {count} rows" for name, count in row.items() if count]


def counts(table: ibis.Table, probabilities: tuple[str, ...], key: tuple[str, ...]) -> ibis.Table | None:
    """Return one row of how many rows break each rule, a column a rule; None where there is no rule."""
    counted = {f"{name} is missing": table[name].isnull().sum() for name in key}
    if key:
        identity = ibis.struct([(name, table[name]) for name in key])
        counted[f"{', '.join(key)} is repeated"] = table.count() - identity.nunique()
    for name in probabilities:
        outside = (table[name] < 0) | (table[name] > 1) | table[name].isnan()
        counted[f"{name} is not between 0 and 1"] = outside.fill_null(False).sum()
    return table.aggregate(**counted) if counted else None


def rules_of_output(columns: Sequence[Output], key: Sequence[str]) -> str:
    """Return the rules as a Markdown list, for people."""
    lines = [f"- it has its {len(columns)} columns, each of its type"] if columns else []
    lines += [f"- `{', '.join(key)}` identifies a row: never missing, never repeated"] if key else []
    lines += [f"- `{c.name}`: between 0 and 1" for c in columns if c.unit == "probability"]
    return "\n".join(lines)


def _schema_failures(table: ibis.Table, columns: Sequence[Output], required: Collection[str]) -> list[str]:
    schema = table.schema()
    failures = []
    for column in columns:
        found, expected = schema.get(column.name), ibis.dtype(IBIS_TYPES.get(column.type, column.type))
        if found is None:
            failures += [f"column {column.name} is missing"] if column.name in required else []
        elif found.copy(nullable=True) != expected and not (expected.is_floating() and found.is_decimal()):
            failures.append(f"column {column.name} is {found}, not {column.type}")
    return failures
