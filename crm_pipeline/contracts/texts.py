"""Columns of the text room's tables: understood messages, their words, topics, what customers wrote in a period. No values here."""

from __future__ import annotations

from collections.abc import Iterable

from crm_pipeline.contracts.column import Output
from crm_pipeline.contracts.outputs import CARD

MASKED_KINDS = {
    "email": "e-mail addresses",
    "phone": "telephone numbers",
    "card": "card numbers",
    "iban": "bank accounts (IBAN)",
    "url": "addresses of the web",
    "name": "names of persons",
}
"""Kinds of personal data that are masked, each as ``[kind]``, and what they are."""

MASKING = "crm_pipeline.text.bodies"
"""What masks; reached by its name, so that a change of it makes the messages stale and no other table."""

WRITTEN = {"messages": "body", "calls": "transcript"}
"""Tables that hold what customers wrote or said, and the column; it is masked in everything but raw."""

WRITTEN_CHANNEL, SPOKEN_CHANNEL = "message", "call"
"""Where a text of ``text/messages`` comes from."""

UNKNOWN = "unknown"
"""What a text is that belongs to no intent: in a labelled file as in a prediction."""

INTENT_COLUMN = "intent_"
"""Prefix of the column that counts the messages of an intent."""


def _columns(*rows: tuple[str, ...]) -> tuple[Output, ...]:
    return tuple(Output(*row) for row in rows)


LABELS = _columns(
    ("text", "text", "a labelled message, masked"),
    ("intent", "text", "what it is about; null of the starter's texts that stand in for a sentiment"),
    ("sentiment", "text", "negative, neutral or positive, where it was labelled"),
    ("language", "text", "its language, ISO 639-1, where it is known"),
)

MESSAGES = (
    *_columns(
        ("message_id", "text", "which message; of what was said in a call its call_id after call:"),
        ("customer_id", "text", "the customer who wrote it, or to whom it was written; null of a call of nobody known"),
        ("event_at", "timestamp", "when it was sent", "UTC"),
        ("channel", "text", "message; or call: what the customer said in one, as transcribed"),
        ("confidence", "float64", "how sure a transcript is; what is unsure weighs less. Null of what was written", "probability"),
        ("inbound", "bool", "the customer wrote it; so it is taken where the source tells no direction"),
        ("language", "text", "as declared, else as detected (ISO 639-1); null where the text is too short to tell"),
        ("n_sentences", "int64", "sentences", "sentences"),
        ("n_tokens", "int64", "tokens: words and numbers, no marks and nothing that was masked", "tokens"),
        ("words", "text", "its words that carry content, in lower case and in their order: no stop words, marks or numbers"),
        ("stems", "text", "their stems, separated by blanks as they are"),
        ("sentiment", "float64", "how it feels, from -1 (negative) to 1 (positive); null in a language that no model knows"),
        ("intent", "text", "what it is about; unknown where no intent is likely enough; null of what the company wrote"),
        ("intent_probability", "float64", "calibrated probability of the likeliest intent", "probability"),
    ),
    *(Output(f"masked_{kind}", "int64", f"{what} masked in it", what) for kind, what in MASKED_KINDS.items()),
)  # fmt: skip

MESSAGE_TOPICS = _columns(
    ("message_id", "text", "which message"),
    ("topic", "int64", "the topic that it weighs most in, by the topics of the period"),
    ("label", "text", "that topic's name"),
    ("topic_weight", "float64", "share of that topic in it", "probability"),
)

WORDS = _columns(
    ("segment", "text", "whose messages: all, or those in a language, or of customers of a country"),
    ("kind", "text", "word; bigram, trigram: stems that follow each other; collocation: bigrams more frequent than chance"),
    ("rank", "int64", "its place among those of its segment and kind"),
    ("term", "text", "the word or words, as most often written"),
    ("stem", "text", "their stems, separated by blanks"),
    ("count", "int64", "occurrences", "occurrences"),
    ("n", "int64", "messages from customers with it", "messages"),
    ("n_customers", "int64", "customers who wrote it; what fewer than three wrote is not listed", "customers"),
    ("share", "float64", "share of the customers who wrote anything", "probability"),
    ("previous_share", "float64", "the same in the period before; null where one or two wrote it", "probability"),
    ("trend_z", "float64", "how much more (above 0) than in the period before, in standard errors; small counts count little"),
    ("trend", "text", "rising or falling, where that is more than chance among all that are listed"),
    ("association", "float64", "of a collocation: Dunning's log-likelihood ratio"),
)  # fmt: skip

TOPICS = _columns(
    ("topic", "int64", "number of the topic, the heaviest first"),
    ("label", "text", "its name: its heaviest words, as most often written"),
    ("term", "text", "a stem"),
    ("weight", "float64", "how much the stem belongs to the topic"),
    ("idf", "float64", "inverse document frequency of the stem in what the topics were fitted on"),
    ("share", "float64", "share of the sampled messages that weigh most in the topic", "probability"),
    (
        "stability",
        "float64",
        "how like itself the topic is when it is fitted on other halves of the messages: 1 is the same",
    ),
)

TEXT: dict[str, tuple[Output, ...]] = {
    "labels": LABELS,
    "intent_model": CARD,
    "sentiment_model": CARD,
    "topics": TOPICS,
    "messages": MESSAGES,
    "message_topics": MESSAGE_TOPICS,
    "words": WORDS,
}
"""The tables ``text/<name>``."""

TEXTS_OF_A_CUSTOMER = _columns(
    ("customer_id", "text", "the customer"),
    ("period_start", "date32", "first day of the period"),
    ("n_in", "int64", "messages from the customer, and calls with a transcript", "messages"),
    ("n_scored", "int64", "those whose sentiment is known", "messages"),
    ("sentiment_sum", "int64", "their sentiment, added up", "thousandths"),
    ("n_negative", "int64", "complaints: messages from the customer with a negative sentiment", "messages"),
    ("n_positive", "int64", "messages from the customer with a positive sentiment", "messages"),
    ("last_negative_day", "int64", "day of the last complaint, in the business's time zone", "days since 1970-01-01"),
    ("n_answered", "int64", "messages of this and the period before that were answered in the period", "messages"),
    ("response_minutes_sum", "int64", "time until these answers, added up", "minutes"),
    ("n_unanswered", "int64", "messages of this and the period before that are without an answer at the end", "messages"),
    ("n_known", "int64", "messages from the customer whose intent is known", "messages"),
)  # fmt: skip


def activity_columns(intents: Iterable[tuple[str, str]]) -> tuple[Output, ...]:
    """Return the columns of ``activity/texts``; ``intents`` are those with a column of their own, as (slug, label)."""
    counted = (
        Output(f"{INTENT_COLUMN}{slug}", "int64", f"messages from the customer about {label}", "messages")
        for slug, label in intents
    )
    return (*TEXTS_OF_A_CUSTOMER, *counted)
