"""Topics as rows of the lake: fitted on messages to a long table, and read from it to sort messages. How is in `topics`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from crm_pipeline.text.tokens import readable
from crm_pipeline.text.topics import Topics, fit

SAMPLE = 5_000
"""Messages that topics are fitted on; more change their words little, and cost time at every period's end."""

DIGITS = 6
"""Of weights: what lies below is noise of the arithmetic."""


def topics_table(messages: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Fit topics on messages and return them as rows; none where the messages are too few.

    Parameters
    ----------
    messages : DataFrame
        message_id, words, stems (separated by blanks).
    count : int
        Topics at most.
    seed : int

    Returns
    -------
    DataFrame
        topic, label, term (a stem), weight, idf, share (of the messages with a topic), stability; terms without weight are left
        out.
    """
    columns = ["topic", "label", "term", "weight", "idf", "share", "stability"]
    messages = messages.sort_values("message_id", ignore_index=True)
    stems, surface = _listed(messages["stems"]), _listed(messages["words"])
    found = fit(stems, readable(surface, stems), count, seed)
    if not found.ids:
        return pd.DataFrame(columns=columns)
    shares = found.assign(stems)["topic"].value_counts(normalize=True)
    weights = np.round(found.parts, DIGITS)
    topic, term = np.nonzero(weights)
    ids = np.array(found.ids)[topic]
    return pd.DataFrame(
        {
            "topic": ids,
            "label": np.array(found.labels, dtype=object)[topic],
            "term": np.array(found.stems, dtype=object)[term],
            "weight": weights[topic, term],
            "idf": np.round(found.idf, DIGITS)[term],
            "share": shares.reindex(ids).fillna(0.0).to_numpy(),
            "stability": np.round(np.array(found.stability), DIGITS)[topic],
        }
    )


def assigned(messages: pd.DataFrame, topics: pd.DataFrame) -> pd.DataFrame:
    """Return message_id, topic, label and topic_weight of each message that shares a word with a topic.

    Parameters
    ----------
    messages : DataFrame
        message_id, stems.
    topics : DataFrame
        Rows of `topics_table`.
    """
    if topics.empty or messages.empty:
        return pd.DataFrame({"message_id": [], "topic": [], "label": [], "topic_weight": []})
    weights = topics.pivot(index="topic", columns="term", values="weight").fillna(0.0).sort_index().sort_index(axis=1)
    idf = topics.drop_duplicates("term").set_index("term")["idf"].reindex(weights.columns)
    known = Topics(
        stems=[str(term) for term in weights.columns],
        idf=idf.to_numpy("float64"),
        parts=weights.to_numpy("float64"),
        ids=[int(topic) for topic in weights.index],
    )
    said = known.assign(_listed(messages["stems"]))
    labels = topics.drop_duplicates("topic").set_index("topic")["label"]
    rows = pd.DataFrame({"message_id": messages["message_id"].to_numpy(), "topic": said["topic"],
                         "topic_weight": said["weight"].round(DIGITS)})  # fmt: skip
    rows = rows[rows["topic"].notna()].reset_index(drop=True)
    return rows.assign(label=rows["topic"].astype("int64").map(labels))


def _listed(joined: pd.Series) -> pa.Array:
    return pa.array([text.split() if isinstance(text, str) else [] for text in joined], pa.list_(pa.string()))
