"""What is understood of each message of a period: counts, stems, sentiment, intent, what was masked. Learning is in its models."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.contracts.texts import MASKED_KINDS, MESSAGES
from crm_pipeline.text.language import detect
from crm_pipeline.text.tokens import process

if TYPE_CHECKING:
    from crm_pipeline.text.intents import IntentModel
    from crm_pipeline.text.sentiment import SentimentModel

ROWS = 100_000
"""Messages that are read at once: what memory the texts take depends on this, not on the period."""

TYPES = {
    "text": pa.string(),
    "timestamp": pa.timestamp("us"),
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "float64": pa.float64(),
}
SCHEMA = pa.schema([(c.name, TYPES[c.type]) for c in MESSAGES])


def understand(messages: pa.Table, intents: IntentModel | None, sentiment: SentimentModel) -> pa.Table:
    """Return what is understood of each message, in the order given: the columns of `contracts.texts.MESSAGES`.

    Parameters
    ----------
    messages : Table
        message_id, customer_id, event_at, body (masked), inbound (bool), and language, where the source declares it.
    intents : IntentModel or None
        None: every intent is null.
    sentiment : SentimentModel

    Intent and sentiment are told of what customers wrote; they are null of what was written to them.
    """
    parts = [_understood(batch, intents, sentiment) for batch in pa.Table.from_batches(
        messages.to_batches(ROWS), messages.schema).to_batches(ROWS)]  # fmt: skip
    return pa.Table.from_batches(parts, SCHEMA)


def _understood(batch: pa.RecordBatch, intents: IntentModel | None, sentiment: SentimentModel) -> pa.RecordBatch:
    bodies = batch.column("body").cast(pa.string())
    declared = batch.column("language") if "language" in batch.schema.names else None
    languages = detect(bodies, declared)
    read = process(bodies, languages).combine_chunks()
    inbound = batch.column("inbound")
    mine = np.flatnonzero(inbound.to_numpy(zero_copy_only=False))
    texts = bodies.take(pa.array(mine)).to_pylist()
    felt = np.full(len(bodies), np.nan)
    felt[mine] = sentiment.score(texts, languages.take(pa.array(mine)).to_pylist())
    about, likely = np.full(len(bodies), None, object), np.full(len(bodies), np.nan)
    if intents is not None:
        said = intents.predict(texts)
        about[mine], likely[mine] = said["intent"].to_numpy(object), said["probability"].to_numpy("float64")
    columns = {
        "language": languages,
        "n_sentences": read["n_sentences"],
        "n_tokens": read["n_tokens"],
        "words": pc.binary_join(read["words"], " "),
        "stems": pc.binary_join(read["stems"], " "),
        "sentiment": pa.array(np.round(felt, 4), from_pandas=True),
        "intent": pa.array(about, pa.string()),
        "intent_probability": pa.array(np.round(likely, 6), from_pandas=True),
        **{f"masked_{kind}": pc.count_substring(bodies, f"[{kind}]") for kind in MASKED_KINDS},
    }
    arrays = [columns.get(field.name) for field in SCHEMA]
    given = [batch.column(field.name) if array is None else array for field, array in zip(SCHEMA, arrays, strict=True)]
    flat = [a.combine_chunks() if isinstance(a, pa.ChunkedArray) else a for a in given]
    return pa.record_batch([a.cast(f.type) for a, f in zip(flat, SCHEMA, strict=True)], schema=SCHEMA)
