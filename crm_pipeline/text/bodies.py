"""Masks the raw rows of messages, before anything else of the pipeline sees what was written. What is masked is in `masking`."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.contracts.core import NAMED
from crm_pipeline.text.masking import mask

COLUMNS = ("body", "subject", "content")
"""What of a raw row was written by a person; ``content`` is the row as JSON, where something of it was unreadable."""


def masked(rows: pa.Table, regions: Sequence[str]) -> pa.Table:
    """Return the raw rows of messages with personal data masked in `COLUMNS`; all else, and the rows' order, as they are.

    Parameters
    ----------
    rows : Table
        ``raw/messages`` of a period, or what of them was refused. Its marker rows `NAMED` say how customers are called:
        their names are masked in what they wrote and in what was written to them. They are left out of the result.
    regions : sequence of str
        Countries whose national telephone numbers are looked for.
    """
    names = None
    if "event" in rows.column_names:
        marker = pc.equal(rows.column("event"), NAMED)
        called, rows = rows.filter(marker), rows.filter(pc.invert(marker))
        at = pc.index_in(rows.column("customer_id"), value_set=called.column("customer_id").combine_chunks())
        names = called.column("body").take(at).combine_chunks()
    for name in (name for name in COLUMNS if name in rows.column_names):
        at = rows.schema.get_field_index(name)
        texts = rows.column(name).combine_chunks().cast(pa.string())
        rows = rows.set_column(at, name, mask(texts, names=names, regions=regions).texts)
    return rows
