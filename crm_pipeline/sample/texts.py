"""Draws what the made-up messages mean, and writes them: topic, tone, wording, planted personal data. No tables, no files.

A message's tone comes from a number ``shown``: the sender's dissatisfaction times ``effect``, plus noise of one
standard deviation.
With ``effect`` 0 the texts say nothing about the sender; decoy topics never do.
"""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.sample import wordings
from crm_pipeline.sample.columns import ids, join, words
from crm_pipeline.sample.process import SATISFACTION_SD
from crm_pipeline.sample.wordings import DECOYS, LANGUAGES, PERSONAL, SERVICE, TONES

SLOPE, FAREWELL = 2.5, 6.0
NEGATIVE, POSITIVE, LEAVING = 0.7, -0.8, 1.6
DECOY_SHARE, PRAISE_SHARE, HELD_OUT_SHARE = 0.45, 0.3, 0.12
PERSONAL_SHARE, NUMBER_SHARE, SIGNED_SHARE, NO_LANGUAGE_SHARE = 0.2, 0.25, 0.25, 0.08

CASE_TOPICS = ("delivery", "damaged", "wrong item")
SERVICE_TOPICS = ("delivery", "product", "invoice", "account", "prices")
DECOY_TOPICS = tuple(DECOYS)
TOPICS = (*SERVICE, *DECOYS)
LEAVING_TONE = TONES.index("leaving")
TALK, CASE, FAREWELL_KIND, REPLY = 0, 1, 2, 3

# Numbers that belong to nobody: the issuers' and banks' published examples.
CARDS = ("4111 1111 1111 1111", "5555555555554444", "3782 822463 10005", "6011-1111-1111-1117")
IBANS = ("DE89 3704 0044 0532 0130 00", "AT611904300234573201", "CH93 0076 2011 6238 5295 7", "de89370400440532013000")
SUBJECTS_DE = (
    "Lieferung",
    "Beschädigt",
    "Falscher Artikel",
    "Produkt",
    "Rechnung",
    "Konto",
    "Preise",
    "Lob",
    "Parken",
    "Wetter",
    "Rundbrief",
    "Öffnungszeiten",
    "Stellen",
)  # in the order of TOPICS


@dataclass(frozen=True)
class Meant:
    """What each message means, before it has words: indices into TOPICS and TONES."""

    kind: np.ndarray
    topic: np.ndarray
    decoy: np.ndarray
    shown: np.ndarray
    tone: np.ndarray


def mean(
    kind: np.ndarray, mood: np.ndarray, case_category: np.ndarray, effect: float, rng: np.random.Generator
) -> Meant:
    """Draw what the messages mean.

    Parameters
    ----------
    kind : ndarray of int
        TALK, CASE, FAREWELL_KIND (a complaint after leaving) or REPLY (the company's own).
    mood : ndarray of float
        The sender's satisfaction at that moment.
    case_category : ndarray of int
        Index into CASE_TOPICS where kind is CASE.
    effect : float
        How much the texts show of the mood; 0 for nothing.
    """
    m = len(kind)
    decoy = (kind == TALK) & (rng.random(m) < DECOY_SHARE)
    drawn = rng.integers(0, 5, m)
    service = np.array([TOPICS.index(t) for t in SERVICE_TOPICS])[drawn]
    other = np.array([TOPICS.index(t) for t in DECOY_TOPICS])[drawn]
    case = np.array([TOPICS.index(t) for t in CASE_TOPICS])[np.clip(case_category, 0, None)]
    topic = np.where(decoy, other, np.where(kind == CASE, case, service))
    meant = np.where(kind == FAREWELL_KIND, FAREWELL, SLOPE * -mood / SATISFACTION_SD)
    shown = rng.standard_normal(m) + effect * np.where(decoy, 0.0, meant)
    tone = np.where(shown > NEGATIVE, 2, np.where(shown < POSITIVE, 0, 1))
    tone = np.where((shown > LEAVING) & ~decoy & (rng.random(m) < 0.5), LEAVING_TONE, tone)
    praise = (kind == TALK) & ~decoy & (tone == 0) & (rng.random(m) < PRAISE_SHARE)
    topic = np.where(praise, TOPICS.index("praise"), topic)
    return Meant(kind, topic, decoy, shown, tone)


def write(
    meant: Meant, german: np.ndarray, senders: pa.Table, rng: np.random.Generator
) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
    """Find the words.

    Parameters
    ----------
    meant : Meant
    german : ndarray of bool
        Whether the sender writes German.
    senders : Table
        Per message its sender's ``customer_id, name, email, phone``.

    Returns
    -------
    (columns, truth)
        ``body, subject, language``; and for the truth ``topic, decoy, shown, tone``, ``intent`` (the topic, ``leaving``
        where the message says so, ``other`` for decoys), ``wording`` and ``held_out``, ``personal_kind, personal_value``,
        ``signed`` (the name under it) and ``kept_number`` (a business number, to be kept by masking).
    """
    m, language = len(german), german.astype(np.int64)
    ours = meant.kind == REPLY
    held_out = ~ours & ~meant.decoy & (rng.random(m) < HELD_OUT_SHARE)
    core, wording = _cores(meant.topic, language, held_out, rng)
    feeling = _feelings(meant.tone, language, held_out, rng)
    planted, kind, value = _personal(language, senders, ours, rng)
    number, kept = _business_number(language, ours, rng)
    signed = ~ours & (rng.random(m) < SIGNED_SHARE)
    name = pc.if_else(pa.array(signed), _column(senders, "name"), None)
    body = join(
        _by_language(wordings.GREETINGS, language, rng), " ", core, number, " ", feeling, planted, " ",
        _by_language(wordings.CLOSINGS, language, rng), pc.fill_null(join(", ", name), ""),
    )  # fmt: skip
    subject = pc.if_else(
        pa.array(german),
        words(SUBJECTS_DE, meant.topic),
        words([t.capitalize() for t in TOPICS], meant.topic),
    )
    answered = words(("Your message", "Ihre Nachricht"), language)
    written = {
        "body": pc.if_else(pa.array(ours), _by_language(wordings.REPLIES, language, rng), body),
        "subject": pc.if_else(pa.array(ours), answered, subject),
        "language": words(LANGUAGES, np.where(rng.random(m) < NO_LANGUAGE_SHARE, -1, language)),
    }
    intent = np.where(meant.tone == LEAVING_TONE, len(TOPICS), np.where(meant.decoy, len(TOPICS) + 1, meant.topic))
    return written, {
        "topic": words(TOPICS, meant.topic),
        "decoy": pa.array(meant.decoy),
        "shown": pa.array(meant.shown, mask=ours),
        "tone": words(TONES, np.where(ours, -1, meant.tone)),
        "intent": words([*TOPICS, "leaving", "other"], np.where(ours, -1, intent)),
        "language": words(LANGUAGES, language),
        "wording": pc.if_else(pa.array(ours), None, wording),
        "held_out": pa.array(held_out),
        "personal_kind": kind,
        "personal_value": value,
        "signed": name,
        "kept_number": kept,
    }


def _column(table: pa.Table, name: str) -> pa.Array:
    return table[name].combine_chunks()


def _by_language(choices: Mapping[str, Sequence[str]], language: np.ndarray, rng: np.random.Generator) -> pa.Array:
    return _pick([choices[code] for code in LANGUAGES], language, rng)[0]


def _cores(
    topic: np.ndarray, language: np.ndarray, held_out: np.ndarray, rng: np.random.Generator
) -> tuple[pa.Array, pa.Array]:
    """Return the sentences that say what a message is about, and the ids of their wordings."""
    known = {**SERVICE, **DECOYS}
    held = {**wordings.SERVICE_HELD_OUT, **DECOYS}
    groups = [source[name][code] for source in (known, held) for name in TOPICS for code in LANGUAGES]
    group = (held_out * len(TOPICS) + topic) * len(LANGUAGES) + language
    sentence, number = _pick(groups, group, rng)
    labels = [f"{name}-{code}-{part}" for part in ("open", "held") for name in TOPICS for code in LANGUAGES]
    return _fill(sentence, language, rng), join(words(labels, group), ids("", number, 1))


def _feelings(tone: np.ndarray, language: np.ndarray, held_out: np.ndarray, rng: np.random.Generator) -> pa.Array:
    sources = (wordings.FEELINGS, wordings.FEELINGS_HELD_OUT)
    groups = [source[name][code] for source in sources for name in TONES for code in LANGUAGES]
    return _pick(groups, (held_out * len(TONES) + tone) * len(LANGUAGES) + language, rng)[0]


def _personal(
    language: np.ndarray, senders: pa.Table, ours: np.ndarray, rng: np.random.Generator
) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return sentences that hold personal data (mostly none), its kind and its value."""
    m, kinds = len(language), list(PERSONAL)
    kind = np.where(~ours & (rng.random(m) < PERSONAL_SHARE), rng.integers(0, len(kinds), m), -1)
    customer = _column(senders, "customer_id")
    values = [
        _column(senders, "email"),
        _column(senders, "phone"),
        words(CARDS, rng.integers(0, len(CARDS), m)),
        words(IBANS, rng.integers(0, len(IBANS), m)),
        join("https://shop.example.com/orders?customer=", customer),
        _column(senders, "name"),
    ]
    value = pc.choose(pa.array(np.maximum(kind, 0)), *values)
    value = pc.if_else(pa.array(kind >= 0), value, None)
    groups = [PERSONAL[name][code] for name in kinds for code in LANGUAGES]
    sentence, _ = _pick(groups, np.maximum(kind, 0) * len(LANGUAGES) + language, rng)
    return _with_value(sentence, value), words(kinds, kind), value


def _business_number(language: np.ndarray, ours: np.ndarray, rng: np.random.Generator) -> tuple[pa.Array, pa.Array]:
    """Return sentences that hold an order or invoice number (mostly none), and the number."""
    m = len(language)
    number, form = rng.integers(1, 10_000_000, m), rng.integers(0, 3, m)
    value = pc.choose(pa.array(form), ids("O", number, 8), ids("0151", number, 7), ids("2026-", number, 8))
    value = pc.if_else(pa.array(~ours & (rng.random(m) < NUMBER_SHARE)), value, None)
    return _with_value(_by_language(wordings.BUSINESS_NUMBERS, language, rng), value), value


def _with_value(sentence: pa.Array, value: pa.Array) -> pa.Array:
    parts = pc.split_pattern(sentence, "{value}")
    whole = join(" ", pc.list_element(parts, 0), value, pc.list_element(parts, 1))
    return pc.fill_null(whole, "")


def _fill(sentence: pa.Array, language: np.ndarray, rng: np.random.Generator) -> pa.Array:
    """Fill the slots; a sentence has each slot once at most."""
    for slot, choices in wordings.SLOTS.items():
        drawn = _by_language(choices, language, rng)
        parts = pc.split_pattern(sentence, "{" + slot + "}", max_splits=1)
        has_slot = pc.greater(pc.list_value_length(parts), 1)
        last = pc.if_else(has_slot, pc.subtract(pc.list_value_length(parts), 1), 0)
        before = pc.list_element(parts, 0)
        after = pc.list_flatten(parts).take(pc.add(parts.offsets[:-1], last))
        sentence = pc.if_else(has_slot, join(before, drawn, after), sentence)
    return sentence


def _pick(groups: Sequence[Sequence[str]], group: np.ndarray, rng: np.random.Generator) -> tuple[pa.Array, np.ndarray]:
    """Return one sentence of each row's group, and which of the group it is."""
    sizes = np.array([len(g) for g in groups])
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    number = (rng.random(len(group)) * sizes[group]).astype(np.int64)
    return words([sentence for g in groups for sentence in g], first[group] + number), number
