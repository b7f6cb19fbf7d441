"""The words of a period by segment: in all, by language, and by the customers' country. How words are counted is in `words`."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.text.words import words

SEGMENTS = ("language", "country")


def words_of_segments(messages: pa.Table, start: datetime) -> pa.Table:
    """List the words of a period's messages in all and by segment, beside the period before.

    Parameters
    ----------
    messages : Table
        Of the period and the one before: customer_id, event_at, words and stems (separated by blanks), and those of `SEGMENTS`
        that are known.
    start : datetime
        When the period began (UTC-naive).

    Returns
    -------
    Table
        As `words.words`; ``segment`` is ``all``, or such as ``language: de``.
    """
    read = messages.select(["customer_id", "event_at"])
    for name in ("words", "stems"):
        read = read.append_column(name, _listed(messages.column(name)))
    ours = pc.greater_equal(messages.column("event_at"), pa.scalar(start, messages.schema.field("event_at").type))
    listed: list[pa.Table] = []
    for of in (name for name in SEGMENTS if name in messages.column_names):
        told = pc.binary_join_element_wise(f"{of}: ", messages.column(of).cast(pa.string()), "")
        rows = read.append_column("segment", told)
        found = words(rows.filter(ours), rows.filter(pc.invert(ours)))
        listed.append(found if not listed else found.filter(pc.is_valid(found.column("segment"))))
    table = pa.concat_tables(listed)
    at = table.schema.get_field_index("segment")
    return table.set_column(at, "segment", pc.fill_null(table.column("segment"), "all"))


def _listed(joined: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return words separated by blanks as lists; nothing is no word."""
    split = pc.split_pattern(joined, " ").cast(pa.list_(pa.string()))
    return pc.if_else(pc.equal(joined, ""), pa.scalar([], split.type), split)
