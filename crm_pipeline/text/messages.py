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

BATCH = 2_048
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
    place, texts, spoken = _distinct(bodies, languages)
    read = reader.process(texts, spoken).combine_chunks()
    mine = np.flatnonzero(batch.column("inbound").to_numpy(zero_copy_only=False))
    felt, likely = np.full((2, len(bodies)), np.nan)
    about = np.full(len(bodies), None, object)
    if len(mine):
        asked, which = np.unique(place[mine], return_inverse=True)
        told = _told(texts.take(pa.array(asked)), spoken.take(pa.array(asked)), intents, sentiment, words)
        felt[mine], about[mine], likely[mine] = (of[which] for of in told)
    channel: pa.Array = pa.repeat(WRITTEN_CHANNEL, len(batch))
    sure: pa.Array = pa.nulls(len(batch), pa.float64())
    if "confidence" in batch.schema.names:
        channel, sure = batch.column("channel"), batch.column("confidence")
        weight = sure.fill_null(1.0).to_numpy(zero_copy_only=False)
        felt, likely = felt * weight, likely * weight
    of_texts = {
        "n_sentences": read["n_sentences"],
        "n_tokens": read["n_tokens"],
        "words": pc.binary_join(read["words"], " "),
        "stems": pc.binary_join(read["stems"], " "),
        **{f"masked_{kind}": pc.count_substring(texts, f"[{kind}]") for kind in MASKED_KINDS},
    }
    columns = {
        "channel": channel,
        "confidence": sure,
        "language": languages,
        "sentiment": pa.array(np.round(felt, 4), from_pandas=True),
        "intent": pa.array(about, pa.string()),
        "intent_probability": pa.array(np.round(likely, 6), from_pandas=True),
        **{name: column.take(pa.array(place)) for name, column in of_texts.items()},
    }
    arrays = [columns.get(field.name) for field in SCHEMA]
    given = [batch.column(field.name) if array is None else array for field, array in zip(SCHEMA, arrays, strict=True)]
    flat = [a.combine_chunks() if isinstance(a, pa.ChunkedArray) else a for a in given]
    return pa.record_batch([a.cast(f.type) for a, f in zip(flat, SCHEMA, strict=True)], schema=SCHEMA)


def _distinct(bodies: pa.Array, languages: pa.Array) -> tuple[np.ndarray, pa.Array, pa.Array]:
    """Return the place of each message among the distinct pairs of a text and a language, and those texts and languages."""
    text, language = (column.dictionary_encode("encode") for column in (bodies, languages))
    many = max(len(language.dictionary), 1)
    pairs = text.indices.to_numpy().astype(np.int64) * many + language.indices.to_numpy()
    place, distinct = pd.factorize(pairs)
    texts = text.dictionary.take(pa.array(distinct // many))
    return place, texts, language.dictionary.take(pa.array(distinct % many))


def _told(
    texts: pa.Array, languages: pa.Array, intents: IntentModel | None, sentiment: SentimentModel, words: Words
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sentiment, intent and its probability of each text in a language."""
    text, language = (np.array(column.fill_null("").to_pylist(), dtype=object) for column in (texts, languages))
    felt, about, likely = np.zeros(len(text)), np.full(len(text), None, object), np.full(len(text), np.nan)
    for start in range(0, len(text), BATCH):
        part = slice(start, start + BATCH)
        read = words.read(text[part])
        felt[part] = sentiment.of(text[part], language[part].astype(str), read)
        if intents is not None:
            said = intents.said(read)
            about[part], likely[part] = said["intent"].to_numpy(object), said["probability"].to_numpy("float64")
    return felt, about, likely
