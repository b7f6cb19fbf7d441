"""Reads for the page what has a row per customer: the columns that are counted, and samples of what is drawn. No sections here.

A page is made in the memory of one process, however many customers there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crm_pipeline.modeling.customers import Customers
from crm_pipeline.reports import call_lists, drift
from crm_pipeline.reports.summary import SHARED

if TYPE_CHECKING:
    from ibis.expr.types import Table

JUDGED = 1_000_000
"""Customers of a cut-off at most whose predictions are drawn; their metrics are of all."""

REASONS = ("reason_1", "reason_2", "reason_3")
SHOWN = (
    "status",
    "status_reason",
    "label_definition",
    "churn_bucket",
    "value_tier",
    "segment",
    "value_status",
    *(name for name in call_lists.COLUMNS if name not in REASONS),
    "contactable",
    "not_contactable_reason",
    "in_control_group",
    "orders_12m",
)
"""Columns of ``scores/customers`` that the page counts or lists, beside the reasons of those it lists."""


def scored(table: Table) -> pd.DataFrame:
    """Return `SHOWN` of all customers of ``scores/customers``: texts but the id as categories, amounts as floats."""
    import pyarrow as pa

    amounts = {name: table[name].cast("float64") for name, kind in table.schema().items() if kind.is_decimal()}
    found = Customers(table.mutate(**amounts).select(*(name for name in table.columns if name in SHOWN)))
    texts = [name for name, kind in found.table.schema().items() if kind.is_string() and name != "customer_id"]
    parts = []
    for batch in found.batches():
        part = pa.Table.from_pandas(batch, preserve_index=False)
        for name in texts:
            part = part.set_column(part.column_names.index(name), name, part.column(name).dictionary_encode())
        # copied: a single column that is shared with DuckDB keeps its whole batch alive, texts and all
        parts.append(part.take(np.arange(len(part))))
    if not parts:
        return found.only(SHOWN)
    whole = pa.concat_tables(parts).unify_dictionaries()
    del parts  # each column is given up as it becomes one of pandas
    frame: pd.DataFrame = whole.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def with_reasons(table: Table, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores with the reasons of the customers whom a list may show; of others they are null."""
    lists = [one for by_value in (False, True) for one in call_lists.call_lists(scores, by_value=by_value)]
    listed = sorted({str(customer) for one in lists for customer in one.rows.get("customer_id", ())})
    told = [name for name in REASONS if name in table.columns]
    rows = table.filter(table.customer_id.isin(listed)).select("customer_id", *told).execute().set_index("customer_id")
    at = scores.index[scores["customer_id"].isin(listed)]
    known = rows.reindex(scores.loc[at, "customer_id"]).set_axis(at)
    return scores.assign(**{name: known[name].reindex(scores.index).astype("str") for name in told})


def features_of(table: Table, as_of: str) -> tuple[pd.DataFrame, int]:
    """Return the features of at most `drift.SAMPLE` customers on one day, and how many there are."""
    found = Customers(table.filter(table.as_of.cast("string") == as_of))
    return found.sample(drift.SAMPLE), len(found)


def days_of(table: Table) -> list[str]:
    """Return the days (as_of) of which there are features, in order."""
    days = table.select("as_of").distinct().execute()["as_of"]
    return sorted(str(day)[:10] for day in days)


def predictions_of(table: Table) -> tuple[pd.DataFrame, int]:
    """Return the predictions of at most `JUDGED` customers of one cut-off, and how many there are."""
    found = Customers(table)
    return found.sample(JUDGED), len(found)


def factors_of(table: Table) -> pd.DataFrame:
    """Return the ``factors`` of at most `summary.SHARED` customers of ``scores/<task>``."""
    if "factors" not in table.columns:
        return pd.DataFrame()
    return Customers(table.select("customer_id", "factors").drop_null("factors")).sample(SHARED)
