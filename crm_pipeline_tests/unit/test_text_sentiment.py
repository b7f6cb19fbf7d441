"""Sentiment: the lexicon as VADER says it, faster; a classifier where there are labels; null where nothing is known."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.text.sentiment import SentimentModel, fit, lexicon
from crm_pipeline.text.vader import analyzer, compound
from crm_pipeline_tests.unit.test_text_intents import STRANGE

WORDS = [
    "good",
    "Terrible!",
    "not",
    "very",
    "GREAT",
    "card",
    "the",
    "but",
    "sad",
    ":)",
    "😀",
    "kind",
    "of",
    "no",
    "problem",
    "(awful)",
    "isn't",
    "never",
    "so",
    "this",
    "without",
    "doubt",
    "least",
    "at",
    "hardly",
    "uber",
    "ok",
    "no!",
    "nor",
    "bomb",
    "bad",
    "ass",
    "NOT",
    "love??",
    "É",
    ":-(",
]


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_a_sentence_scores_as_vader_says(sentence: str) -> None:
    assert compound(sentence) == analyzer().whole.polarity_scores(sentence)["compound"]
    if not any(mark in sentence for mark in "!?"):
        assert lexicon([sentence])[0] == pytest.approx(compound(sentence), abs=1e-3)


def test_the_lexicon_alone_knows_english_and_says_nothing_of_others() -> None:
    model = SentimentModel()
    texts = [
        "I love this, thank you!",
        "This is terrible and I am angry.",
        "Wo ist mein Paket?",
        "The card.",
        "",
        None,
        "I love this, thank you!",
    ]
    said = model.score(texts, ["en", None, "de", "en", "en", None, "fr"])
    assert said[0] > 0.6
    assert said[1] < -0.6
    assert said[3] == 0
    assert np.isnan(said[[2, 4, 5, 6]]).all()
    assert model.score(texts)[6] == said[0]
    assert len(model.score([])) == 0


def test_sentences_add_up() -> None:
    one, two, mixed = lexicon(["This is good.", "This is good. This is good.", "This is good. This is terrible."])
    assert 0 < one < two < 1
    assert mixed < one


def labelled(count: int, seed: int) -> tuple[list[str], list[str], list[str]]:
    rng = np.random.default_rng(seed)
    words = {
        "positive": ["danke", "super", "prima", "klasse"],
        "negative": ["kaputt", "mangelhaft", "enttäuscht", "frechheit"],
        "neutral": ["frage", "auskunft", "adresse", "termin"],
    }
    kinds = [str(kind) for kind in rng.choice(list(words), count)]
    fill = ["das", "ist", "mein", "paket", "heute", "bitte"]
    texts = [" ".join(rng.permutation([*rng.choice(words[kind], 2), *rng.choice(fill, 4)])) for kind in kinds]
    return texts, kinds, ["de"] * count


def test_labels_teach_a_language_that_the_lexicon_does_not_know() -> None:
    model = fit(*labelled(200, 1))
    texts, kinds, languages = labelled(100, 2)
    said, kind = model.score(texts, languages), np.array(kinds)
    assert said[kind == "positive"].min() > said[kind == "neutral"].mean() > said[kind == "negative"].max()
    assert model.measured["accuracy"] > 0.95
    assert model.measured["log_loss"] < 0.5
    assert np.isnan(model.score(["merci beaucoup"], ["fr"])[0])
    assert model.score(["I love this, thank you!"], ["en"])[0] == pytest.approx(lexicon(["I love this, thank you!"])[0])


def test_where_labels_and_lexicon_meet_both_are_used() -> None:
    rng = np.random.default_rng(3)
    base = {"positive": "I love it, thanks", "negative": "I hate it, terrible", "neutral": "the parcel is at"}
    kinds = [str(k) for k in rng.choice(list(base), 90)]
    model = fit([f"{base[kind]} {i}" for i, kind in enumerate(kinds)], kinds)
    assert model.measured["lexicon_accuracy"] == 1
    good, bad = model.score(
        ["wonderful, excellent, splendid", "awful, disgusting, horrible"]
    )  # words that no label taught
    assert good > 0.2
    assert bad < -0.2


@pytest.mark.parametrize(("count", "kind"), [(0, None), (20, None), (60, "positive")])
def test_too_few_labels_leave_the_lexicon_alone_and_say_why(count: int, kind: str | None) -> None:
    texts, kinds, languages = labelled(count, 4)
    model = fit(texts, [kind or one for one in kinds], languages)
    assert model.vectors is None
    assert "are needed" in model.reason
    assert model.score(["I love this"], ["en"])[0] > 0.5


def test_two_kinds_are_enough_and_texts_without_a_label_are_not_learned_from() -> None:
    texts, kinds, languages = labelled(150, 5)
    model = fit(texts, [kind if kind != "neutral" else None for kind in kinds], languages)
    assert model.labels == ["negative", "positive"]
    assert model.measured["texts"] == sum(kind != "neutral" for kind in kinds)
    assert model.score(["danke prima", "kaputt mangelhaft"], ["de", "de"]) @ [1, -1] > 0.6


def test_same_input_and_seed_same_scores_and_it_comes_back_from_skops() -> None:
    from skops.io import dumps, get_untrusted_types, loads

    texts, _, languages = labelled(50, 6)
    models = [fit(*labelled(100, 7)) for _ in range(2)]
    digests = {hashlib.sha256(model.score(texts, languages).tobytes()).hexdigest() for model in models}
    assert len(digests) == 1
    stored = dumps(models[0])
    again = loads(stored, trusted=get_untrusted_types(data=stored))
    np.testing.assert_array_equal(again.score(texts, languages), models[0].score(texts, languages))


def test_strange_texts_fail_nowhere() -> None:
    for model in (SentimentModel(), fit(*labelled(60, 8))):
        said = model.score([*STRANGE, None])
        assert len(said) == len(STRANGE) + 1
        assert np.isnan(said[[0, 1, -1]]).all()
        assert np.nanmax(np.abs(said)) <= 1
    assert SentimentModel().score(["😀😀🎉"])[0] > 0.3


@pytest.mark.parametrize("text", ["+1", "4711", "?!", "[email] [phone]", "\u200b\ufeff", "[name], 12.5"])
def test_what_says_nothing_has_no_sentiment(text: str) -> None:
    assert np.isnan(fit(*labelled(60, 8)).score([text])[0])
