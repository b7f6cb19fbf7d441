"""What the starter's models make of the sample company's messages: wordings they know, wordings held out, and decoys."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crm_pipeline.sample import texts
from crm_pipeline.sample.starter import starter
from crm_pipeline.text import intents, sentiment
from crm_pipeline.text.labels import UNKNOWN, parse, trainable
from crm_pipeline.text.masking import mask

LANGUAGES = ["en", "de"]
M = 6_000


@pytest.fixture(scope="module")
def read() -> pd.DataFrame:
    """Messages of the sample company's own making with their truth, masked, and what the starter's models say of them."""
    rng = np.random.default_rng(5)
    talk = np.full(M, texts.TALK)
    meant = texts.mean(talk, 0.5 * rng.standard_normal(M), np.zeros(M, int), 0.5, rng)
    who = {"customer_id": "C1", "name": "Mia Berger", "email": "mia@example.com", "phone": "+49 30 901820"}
    senders = pa.table({name: pa.array([value] * M) for name, value in who.items()})
    written, truth = texts.write(meant, rng.random(M) < 0.4, senders, rng)
    bodies = mask(written["body"], names=senders["name"].combine_chunks()).texts.to_pylist()
    found = trainable(parse(starter().encode(), "starter"))
    told = intents.fit(found.texts, found.intents, 1).predict(bodies)
    feels = sentiment.fit(found.texts, found.sentiments, found.languages, 1)
    rows = pd.DataFrame({name: truth[name].to_pylist() for name in ("intent", "tone", "language", "decoy", "held_out")})
    rows["score"] = feels.score(bodies, rows["language"].tolist())
    rows["told"], rows["likeliest"] = told["intent"].to_numpy(object), told["likeliest"].to_numpy(object)
    return rows


@pytest.mark.parametrize("language", LANGUAGES)
def test_intents_of_known_and_of_held_out_wordings_are_recognised(read, language):
    own = read[(read["language"] == language) & ~read["decoy"]]
    known, held = own[~own["held_out"]], own[own["held_out"]]
    assert len(held) > 100
    assert (known["told"] == known["intent"]).mean() > 0.9
    right = (held["told"] == held["intent"]).mean()
    often = held["intent"].value_counts(normalize=True).iloc[0]
    by_intent = (held["likeliest"] == held["intent"]).groupby(held["intent"]).mean()
    assert right > 0.35, by_intent
    assert by_intent.mean() > 3 / len(by_intent), (often, by_intent)


@pytest.mark.parametrize("language", LANGUAGES)
def test_most_decoys_are_unknown_although_none_was_labelled(read, language):
    own = read[(read["language"] == language) & ~read["held_out"]]
    decoys, others = own[own["decoy"]], own[~own["decoy"]]
    assert set(decoys["intent"]) == {"other"}
    assert (decoys["told"] == UNKNOWN).mean() > 0.6
    assert (others["told"] == UNKNOWN).mean() < 0.1


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentiment_of_held_out_wordings_is_in_the_order_of_their_tone(read, language):
    own = read[(read["language"] == language) & ~read["decoy"]]
    negative, positive = own["tone"].isin(["negative", "leaving"]), own["tone"] == "positive"
    for held_out, bar in ((False, 0.95), (True, 0.75)):
        rows = own["held_out"] == held_out
        assert (own["score"][rows & negative] < 0).mean() > bar
        assert (own["score"][rows & positive] > 0).mean() > bar
        assert own["score"][rows & positive].mean() > own["score"][rows & (own["tone"] == "neutral")].mean()
