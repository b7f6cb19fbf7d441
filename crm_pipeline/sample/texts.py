"""The words of the made-up messages: topics, tones and the rule that draws them. All synthetic; no tables, no files.

A message's tone comes from a number ``shown``: the sender's dissatisfaction times ``effect``, plus noise of one
standard deviation.
With ``effect`` 0 the texts say nothing about the sender; decoy topics never do.
"""

# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# (pyarrow.compute makes its functions at import; its stubs know few of them)

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.sample.columns import join, words
from crm_pipeline.sample.process import SATISFACTION_SD

SLOPE, FAREWELL = 2.5, 6.0
NEGATIVE, POSITIVE, LEAVING = 0.7, -0.8, 1.6
DECOY_SHARE = 0.45

GREETINGS = ("Hello,", "Hi,", "Dear team,", "Good morning,", "Good afternoon,", "To whom it may concern,")
CLOSINGS = (
    "Kind regards",
    "Thanks",
    "Best wishes",
    "Please write to me at anna.beispiel@example.com.",
    "You can call me on +49 000 5550123.",
    "Sent from my phone",
)
TOPICS: dict[str, tuple[str, ...]] = {
    "delivery": (
        "I am writing about the delivery of my last order.",
        "My parcel was announced for Tuesday.",
        "This is about the shipment you confirmed last week.",
    ),
    "damaged": (
        "The box was open and one piece inside is broken.",
        "One item arrived with a crack.",
        "The handle had come off when I unpacked it.",
    ),
    "wrong item": (
        "I received another article than the one I ordered.",
        "The colour in the parcel is not the one on the invoice.",
        "There were two small ones in the box instead of the large one.",
    ),
    "product": (
        "I have a question about the set I bought from you.",
        "I have used the article for a few weeks now.",
        "This concerns the care instructions of what I bought.",
    ),
    "invoice": (
        "I am looking at the invoice of my last purchase.",
        "The amount on my statement needs a second look.",
        "Could you send me the invoice once more?",
    ),
    "account": (
        "I want to change the address in my account.",
        "I cannot find my order history after logging in.",
        "My password reset mail went to an old address.",
    ),
    "prices": (
        "I compared your prices with last year's.",
        "The voucher code did not show up in my basket.",
        "I saw the offer on your front page.",
    ),
    "parking": (
        "Is there parking for bicycles near your shop in the centre?",
        "How long can one park behind the store on Saturdays?",
        "Does the car park still take coins?",
    ),
    "weather": (
        "With all this rain I wonder when the garden season starts.",
        "What a summer, our terrace has never been so warm.",
        "The first snow fell here last night.",
    ),
    "newsletter": (
        "In which issue of the newsletter was the recipe with plums?",
        "Can I read older newsletters somewhere?",
        "Who draws the pictures in your newsletter?",
    ),
    "opening hours": (
        "Are you open on the bridge day after the holiday?",
        "Until when is the store open on Christmas Eve?",
        "Do you open on the shopping Sunday?",
    ),
    "jobs": (
        "Do you offer internships for pupils?",
        "My daughter would like to apply as a trainee.",
        "Are you looking for help in the warehouse?",
    ),
}
CASE_TOPICS = ("delivery", "damaged", "wrong item")
SERVICE_TOPICS = ("delivery", "product", "invoice", "account", "prices")
DECOY_TOPICS = ("parking", "weather", "newsletter", "opening hours", "jobs")
TONES: tuple[tuple[str, ...], ...] = (
    (
        "I am very happy with how this went, great work.",
        "Everything was perfect and quick as always.",
        "I love shopping with you, thank you so much.",
        "Your support was friendly and really helpful.",
    ),
    (
        "I would be glad to hear from you.",
        "Could you have a look at this?",
        "Please let me know what to do next.",
        "I am not sure whom to ask.",
    ),
    (
        "I am really disappointed and annoyed by now.",
        "This is the third time and it is unacceptable.",
        "Nobody answers me, the service is terrible.",
        "I am angry, this was a bad experience and a waste of money.",
    ),
    (
        "I am disappointed and will order elsewhere from now on.",
        "This is bad; please close my account and delete my data.",
        "I have had enough of this poor service, I am leaving for a competitor.",
        "If nothing happens I will cancel everything, this is awful.",
    ),
)
REPLIES = (
    "Thank you for your message. We are looking into it and will come back to you.",
    "Thank you for writing to us. Your request has been passed on to the team.",
    "We have received your message and answer within two working days.",
)
TALK, CASE, FAREWELL_KIND, REPLY = 0, 1, 2, 3


def compose(
    kind: np.ndarray, mood: np.ndarray, case_category: np.ndarray, effect: float, rng: np.random.Generator
) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
    """Write the messages.

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

    Returns
    -------
    (columns, truth)
        ``body, subject``, and ``topic, decoy, shown, tone`` for the truth.
    """
    m = len(kind)
    names = list(TOPICS)
    decoy = (kind == TALK) & (rng.random(m) < DECOY_SHARE)
    drawn = rng.integers(0, 5, m)
    service = np.array([names.index(t) for t in SERVICE_TOPICS])[drawn]
    other = np.array([names.index(t) for t in DECOY_TOPICS])[drawn]
    case = np.array([names.index(t) for t in CASE_TOPICS])[np.clip(case_category, 0, None)]
    topic = np.where(decoy, other, np.where(kind == CASE, case, service))
    meant = np.where(kind == FAREWELL_KIND, FAREWELL, SLOPE * -mood / SATISFACTION_SD)
    shown = rng.standard_normal(m) + effect * np.where(decoy, 0.0, meant)
    tone = np.where(shown > NEGATIVE, 2, np.where(shown < POSITIVE, 0, 1))
    tone = np.where((shown > LEAVING) & ~decoy & (rng.random(m) < 0.5), 3, tone)
    cores = words([s for name in names for s in TOPICS[name]], topic * 3 + rng.integers(0, 3, m))
    feelings = words([s for group in TONES for s in group], tone * 4 + rng.integers(0, 4, m))
    greeting, closing = rng.integers(0, len(GREETINGS), m), rng.integers(0, len(CLOSINGS), m)
    body = join(words(GREETINGS, greeting), " ", cores, " ", feelings, " ", words(CLOSINGS, closing))
    ours = pa.array(kind == REPLY)
    body = pc.if_else(ours, words(REPLIES, rng.integers(0, len(REPLIES), m)), body)
    subject = words([name.capitalize() for name in names], topic)
    subject = pc.if_else(ours, "Your message", subject)
    truth = {
        "topic": words(names, topic),
        "decoy": pa.array(decoy),
        "shown": pa.array(shown, mask=kind == REPLY),
        "tone": words(["positive", "neutral", "negative", "leaving"], np.where(kind == REPLY, -1, tone)),
    }
    return {"body": body, "subject": subject}, truth
