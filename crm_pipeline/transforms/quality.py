"""How many rows of a period were read, kept and refused, for what reasons. The rows themselves do not belong here."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
from ibis.expr.types import StringValue, Table

from crm_pipeline.contracts.core import NOBODY
from crm_pipeline.transforms.columns import read_rows, whole


def count_rows(layers: Mapping[str, tuple[Table, Table, Table]]) -> Table:
    """Count a period's rows, table by table and source file by source file.

    Parameters
    ----------
    layers : mapping of table name to (raw, clean, rejects)

    Returns
    -------
    Table
        source_table, source_file, fate ("read", "clean", "refused"), reasons (of the refused, and `NOBODY` of the kept
        that name no customer), rows. Where in its file a row stands is not in it: a file sorted anew gives the same counts.
    """
    counts = []
    for name, (raw, clean, rejects) in layers.items():
        for fate, rows in (("read", read_rows(raw)), ("clean", clean), ("refused", rejects)):
            each = rows.select("source_file", reasons=_reasons(rows, fate), n_=rows.n_ if fate == "read" else 1)
            each = each.group_by("source_file", "reasons").aggregate(rows=whole(each.n_.sum()))
            counts.append(
                each.select("source_file", "reasons", "rows", source_table=ibis.literal(name), fate=ibis.literal(fate))
            )
    return ibis.union(*counts).select("source_table", "source_file", "fate", "reasons", "rows")


def _reasons(rows: Table, fate: str) -> StringValue:
    if fate == "refused":
        return rows.reasons
    if fate == "clean" and "customer_id" in rows.columns:
        return ibis.ifelse(rows.customer_id.isnull(), ibis.literal(NOBODY), ibis.null("string"))
    return ibis.null("string")
