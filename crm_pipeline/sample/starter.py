"""Makes the starter of labelled texts from the wordings that are not held out: ``python -m crm_pipeline.sample.starter``.

Each wording of an intent stands alone in one text, so that a fold of the texts is a fold of the wordings: what is learned on
folds (how sure an answer is, and when there is none) then holds for wordings that nobody has labelled. What stands around them,
greetings and feelings, is labelled `UNKNOWN`: it says nothing of what a message is about.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from crm_pipeline.sample import wordings
from crm_pipeline.text.labels import UNKNOWN

SEED = 14
GREETED = CLOSED = 0.5
"""Shares of the texts with a greeting, and with a closing, where a text has anything around it."""

FILE = Path(__file__).parent.parent / "text" / "starter_intents.csv"
TONES = ("positive", "neutral", "negative")
LEAVING_TEXTS, FEELING_TEXTS = 3, 4
"""Texts for each wording of leaving, and of another feeling: what else they are about, and what stands around, must not matter."""

SENTIMENT = {"praise": "positive", "damaged": "", "wrong item": ""}
"""How a bare sentence of an intent feels, where that is not neutral; people would not agree on the ones without."""


def starter() -> str:
    """Return the starter as CSV, ``text,intent,sentiment,language``; always the same."""
    rng = np.random.default_rng(SEED)
    rows = list(dict.fromkeys(_rows(rng)))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("text", "intent", "sentiment", "language"))
    writer.writerows(rows[i] for i in rng.permutation(len(rows)))
    return out.getvalue()


def _rows(rng: np.random.Generator) -> Iterator[tuple[str, str, str, str]]:
    for language in wordings.LANGUAGES:
        about = []
        for intent, by_language in wordings.SERVICE.items():
            for sentence in by_language[language]:
                about.append(_filled(sentence, language, rng))
                yield about[-1], intent, SENTIMENT.get(intent, "neutral"), language
        for feeling in wordings.FEELINGS["leaving"][language]:
            yield feeling, "leaving", "negative", language
            for i in rng.integers(len(about), size=LEAVING_TEXTS - 1):
                yield _around(f"{about[i]} {feeling}", language, rng), "leaving", "negative", language
        for tone in TONES:
            for feeling in wordings.FEELINGS[tone][language]:
                yield feeling, UNKNOWN, tone, language
                for _ in range(FEELING_TEXTS - 1):
                    yield _around(feeling, language, rng), UNKNOWN, tone, language
        for sentence in wordings.ELSEWHERE[language]:
            yield _around(sentence, language, rng), UNKNOWN, "", language


def _around(text: str, language: str, rng: np.random.Generator) -> str:
    greeting, closing = (
        by_language[language][rng.integers(len(by_language[language]))]
        for by_language in (wordings.GREETINGS, wordings.CLOSINGS)
    )
    before = f"{greeting} " if rng.random() < GREETED else ""
    return f"{before}{text}" + (f" {closing}" if rng.random() < CLOSED else "")


def _filled(sentence: str, language: str, rng: np.random.Generator) -> str:
    for slot, choices in wordings.SLOTS.items():
        sentence = sentence.replace("{" + slot + "}", choices[language][rng.integers(len(choices[language]))])
    return sentence


if __name__ == "__main__":
    FILE.write_text(starter(), encoding="utf-8")
