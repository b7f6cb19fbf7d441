"""What the starter's models make of the sample company's messages: wordings they know, wordings held out, and decoys."""

import pandas as pd
import pytest

from crm_pipeline.text.labels import UNKNOWN
from crm_pipeline_tests.unit import texts_world

LANGUAGES = ["en", "de"]


@pytest.fixture(scope="module")
def read() -> pd.DataFrame:
    return texts_world.read()


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
