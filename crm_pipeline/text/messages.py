"""What is understood of each message of a period: counts, stems, sentiment, intent, what was masked. Learning is in its models."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.contracts.column import arrow_schema
from crm_pipeline.contracts.texts import MASKED_KINDS, MESSAGES, WRITTEN_CHANNEL
from crm_pipeline.text.language import detect
from crm_pipeline.text.processes import Work, mapped
from crm_pipeline.text.tokens import Reader
from crm_pipeline.text.vectors import Words

if TYPE_CHECKING:
    from crm_pipeline.text.intents import IntentModel
    from crm_pipeline.text.sentiment import SentimentModel

ROWS = 25_000
"""Messages that are read at once: what memory the texts take depends on this, not on the period."""

BATCH = 4_096
"""Distinct texts that the models are asked at once."""

MANY = 50_000
"""Messages from which a second process pays: it takes seconds to begin."""

SCHEMA = arrow_schema(MESSAGES)


def understand(
    messages: pa.Table, intents: IntentModel | None, sentiment: SentimentModel, processes: int = 1
) -> pa.Table:
    """Return what is understood of each message, in the order given: the columns of `contracts.texts.MESSAGES`.

    Parameters
    ----------
    messages : Table
        message_id, customer_id, event_at, body (masked), inbound (bool), and language, where the source declares it; where
        some are transcripts of calls, channel and confidence: what is unsure has so much less of a sentiment and an intent.
    intents : IntentModel or None
        None: every intent is null.
    sentiment : SentimentModel
    processes : int
        At most so many read `MANY` messages or more; the result is that of one.

    Intent and sentiment are told of what customers wrote; they are null of what was written to them.
    """
    batches = messages.combine_chunks().to_batches(ROWS)
    made = mapped(_reader, (intents, sentiment), batches, processes if len(messages) >= MANY else 1)
    return pa.Table.from_batches(made, SCHEMA)


def _reader(intents: IntentModel | None, sentiment: SentimentModel) -> Work:
    return partial(_understood, intents=intents, sentiment=sentiment, reader=Reader(), words=Words())


def _understood(
    batch: pa.RecordBatch, intents: IntentModel | None, sentiment: SentimentModel, reader: Reader, words: Words
) -> pa.RecordBatch:
    bodies = batch.column("body").cast(pa.string())
    declared = batch.column("language") if "language" in batch.schema.names else None
    languages = detect(bodies, declared)
    read = reader.process(bodies, languages).combine_chunks()
    mine = np.flatnonzero(batch.column("inbound").to_numpy(zero_copy_only=False))
    felt, likely = np.full((2, len(bodies)), np.nan)
    about = np.full(len(bodies), None, object)
    if len(mine):
        written = pa.array(mine)
        felt[mine], about[mine], likely[mine] = _told(
            bodies.take(written), languages.take(written), intents, sentiment, words
        )
    channel: pa.Array = pa.repeat(WRITTEN_CHANNEL, len(batch))
    sure: pa.Array = pa.nulls(len(batch), pa.float64())
    if "confidence" in batch.schema.names:
        channel, sure = batch.column("channel"), batch.column("confidence")
        weight = sure.fill_null(1.0).to_numpy(zero_copy_only=False)
        felt, likely = felt * weight, likely * weight
    columns = {
        "channel": channel,
        "confidence": sure,
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


def _told(
    texts: pa.Array, languages: pa.Array, intents: IntentModel | None, sentiment: SentimentModel, words: Words
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sentiment, intent and its probability of each text; a text in a language is read once for all of them."""
    pairs = pd.MultiIndex.from_arrays([texts.fill_null("").to_pylist(), languages.fill_null("").to_pylist()])
    places, distinct = pairs.factorize()
    text, language = (distinct.get_level_values(level).to_numpy(object) for level in (0, 1))
    felt, about, likely = np.zeros(len(text)), np.full(len(text), None, object), np.full(len(text), np.nan)
    for start in range(0, len(text), BATCH):
        part = slice(start, start + BATCH)
        read = words.read(text[part])
        felt[part] = sentiment.of(text[part], language[part].astype(str), read)
        if intents is not None:
            said = intents.said(read)
            about[part], likely[part] = said["intent"].to_numpy(object), said["probability"].to_numpy("float64")
    return felt[places], about[places], likely[places]
