"""Masks the raw rows of messages and calls, before anything else of the pipeline sees what was written. What is masked is in `masking`."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.contracts.core import HEARD, NAMED
from crm_pipeline.contracts.texts import WRITTEN
from crm_pipeline.text.masking import mask
from crm_pipeline.text.processes import Work, mapped

COLUMNS = (*WRITTEN.values(), "subject", "content")
"""What of a raw row was written by a person; ``content`` is the row as JSON, where something of it was unreadable."""


ROWS = 25_000
"""Rows that are masked at once."""

MANY = 100_000
"""Rows from which a second process pays."""


def masked(rows: pa.Table, regions: Sequence[str], processes: int = 1) -> pa.Table:
    """Return the raw rows of messages or calls with personal data masked in `COLUMNS`; all else, and the rows' order, as they are.

    Parameters
    ----------
    rows : Table
        ``raw/messages`` or ``raw/calls`` of a period, or what of them was refused. Its marker rows `NAMED` say how customers are called:
        their names are masked in what they wrote and in what was written to them. They are left out of the result.
    regions : sequence of str
        Countries whose national telephone numbers are looked for.
    processes : int
        At most so many mask `MANY` rows or more; the result is that of one.
    """
    names, fingerprints = pa.nulls(len(rows), pa.string()), pa.scalar(False)
    if "event" in rows.column_names:
        marker = pc.equal(rows.column("event"), NAMED)
        called, rows = rows.filter(marker), rows.filter(pc.invert(marker))
        at = pc.index_in(rows.column("customer_id"), value_set=called.column("customer_id").combine_chunks())
        names = called.column(next(c for c in COLUMNS if c in called.column_names)).take(at)
        fingerprints = pc.equal(rows.column("event"), HEARD)  # nobody wrote what stands there
    written = [name for name in COLUMNS if name in rows.column_names]
    asked = rows.select(written).append_column(NAMED, names).combine_chunks()
    batches = asked.to_batches(ROWS)
    made = pa.Table.from_batches(
        mapped(_masker, (tuple(regions),), batches, processes if len(rows) >= MANY else 1),
        pa.schema([(name, pa.string()) for name in written]),
    )
    for name in written:
        kept = pc.if_else(fingerprints, rows.column(name), made.column(name))
        rows = rows.set_column(rows.schema.get_field_index(name), name, kept)
    return rows


def _masker(regions: Sequence[str]) -> Work:
    return partial(_masked, regions=regions)


def _masked(batch: pa.RecordBatch, regions: Sequence[str]) -> pa.RecordBatch:
    names, written = batch.column(NAMED), [name for name in batch.schema.names if name != NAMED]
    made = [mask(batch.column(name), names=names, regions=regions).texts for name in written]
    return pa.record_batch(made, names=written)
