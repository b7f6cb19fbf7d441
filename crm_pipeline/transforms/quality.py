"""How many rows of a period were read, kept and refused, for what reasons. The rows themselves do not belong here."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
from ibis.expr.types import Table

from crm_pipeline.contracts.core import MARKERS


def count_rows(layers: Mapping[str, tuple[Table, Table, Table]]) -> Table:
    """Count a period's rows, table by table and source file by source file.

    Parameters
    ----------
    layers : mapping of table name to (raw, clean, rejects)

    Returns
    -------
    Table
        source_table, source_file, fate ("read", "clean", "refused"), reasons (of the refused), rows. Where in its
        file a row stands is not in it: a file sorted anew gives the same counts.
    """
    nothing = ibis.null("string")
    counts = []
    for name, (raw, clean, rejects) in layers.items():
        read = raw.filter(raw.event.notin(MARKERS))
        for fate, rows in (("read", read), ("clean", clean), ("refused", rejects)):
            reasons = rows.reasons if fate == "refused" else nothing
            each = rows.select("source_file", reasons=reasons)
            each = each.group_by("source_file", "reasons").aggregate(rows=each.count())
            counts.append(
                each.select("source_file", "reasons", "rows", source_table=ibis.literal(name), fate=ibis.literal(fate))
            )
    return ibis.union(*counts).select("source_table", "source_file", "fate", "reasons", "rows")
