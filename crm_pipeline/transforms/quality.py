"""How many rows of a period were read, kept and refused, for what reasons, and whether that adds up. The rows themselves do not
belong here."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
from ibis.expr.types import Table

from crm_pipeline.contracts.core import REPEATED


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
        for fate, rows in (("read", _read(raw)), ("clean", clean), ("refused", rejects)):
            reasons = rows.reasons if fate == "refused" else nothing
            each = rows.select("source_file", reasons=reasons)
            each = each.group_by("source_file", "reasons").aggregate(rows=each.count())
            counts.append(
                each.select("source_file", "reasons", "rows", source_table=ibis.literal(name), fate=ibis.literal(fate))
            )
    return ibis.union(*counts).select("source_table", "source_file", "fate", "reasons", "rows")


def unaccounted(raw: Table, clean: Table, rejects: Table) -> list[str]:
    """Return the source files of which rows were lost or made between reading and publishing, a sentence each; one query.

    Every row that was read is either clean or refused.
    """
    fates = {"read": _read(raw), "clean": clean, "refused": rejects}
    ones = [
        rows.select("source_file", **{name: ibis.literal(int(name == fate), "int64") for name in fates})
        for fate, rows in fates.items()
    ]
    each = ibis.union(*ones).group_by("source_file").aggregate(**{name: ibis._[name].sum() for name in fates})
    broken = each.filter(each["read"] != each["clean"] + each["refused"]).order_by("source_file")
    return [
        f"of {row['source_file']} {row['read']} rows were read, but {row['clean']} are clean and {row['refused']} refused"
        for row in broken.to_pyarrow().to_pylist()
    ]


def _read(raw: Table) -> Table:
    """Return the rows that were read: a marker row of the source sync points at a row and is none itself."""
    return raw.filter(raw["event"] != REPEATED)
