"""The language of a message: the source's word first, the model's where it is sure, nothing where it is not."""

import csv
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.text import language

DATA = Path(os.environ.get("CRM_REAL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
TOLD = {
    "en": "My parcel has not arrived and nobody answers the phone, please help me.",
    "de": "Mein Paket ist noch nicht angekommen und niemand geht ans Telefon.",
    "fr": "Je n'ai toujours pas reçu mon colis et personne ne répond au téléphone.",
    "es": "Todavía no he recibido mi paquete y nadie contesta al teléfono.",
    "it": "Non ho ancora ricevuto il mio pacco e nessuno risponde al telefono.",
    "pl": "Nie otrzymałem jeszcze mojej paczki i nikt nie odbiera telefonu.",
    "ru": "Моя посылка до сих пор не пришла, и никто не отвечает по телефону.",
    "zh": "我的包裹还没有到，也没有人接电话，请帮助我。",
}


@pytest.fixture(scope="module")
def reference():
    """py3langid's own identifier, for the languages of ISO 639-1, with probabilities."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    made = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    made.set_languages({label for label in made.labels if label in language.CODES})
    return made


def test_plain_sentences_are_told():
    assert language.detect(list(TOLD.values())).to_pylist() == list(TOLD)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(st.one_of(st.text(max_size=60), st.sampled_from(list(TOLD.values()))), min_size=1, max_size=6))
def test_a_batch_says_what_py3langid_says_of_each_text(reference, texts):
    best, likely = language._model().probabilities([language._bytes(text) for text in texts])
    for text, number, probability in zip(texts, best, likely, strict=True):
        code, expected = reference.classify(text)
        if probability:
            assert probability == pytest.approx(expected, abs=2e-3)
            assert language._model().codes[number] == code or expected < 0.52
        else:
            assert expected < 0.02


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text(max_size=40), st.sampled_from(list(TOLD.values()))), max_size=8),
    st.integers(1, 5),
)
def test_batches_of_any_size_tell_the_same(texts, size):
    whole = language.detect(texts).to_pylist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language, "ROWS", size)
        assert language.detect(texts).to_pylist() == whole
    assert whole == [language.detect([text]).to_pylist()[0] for text in texts]


def test_what_is_too_short_or_no_language_is_left_open():
    texts = [None, "", "ok", "12345 678", "😀😀😀", "[email] [phone] [name]", "\x00\x01", "=1+1"]
    assert language.detect(texts).to_pylist() == [None] * len(texts)


def test_the_source_is_believed_where_it_names_a_language():
    said = ["EN", "de-AT", "Français", "nb", "xx", "", None]
    text = TOLD["en"]
    assert language.detect([text] * 7, said).to_pylist() == ["en", "de", "fr", "no", "en", "en", "en"]
    assert language.detect([None, text], pa.array(["de", None])).to_pylist() == ["de", "en"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("en_US.UTF-8", "en"),
        (" English (UK) ", "en"),
        ("ger", "de"),
        ("zh-Hans", "zh"),
        ("und", None),
        ("unknown", None),
    ],
)
def test_a_language_is_written_in_many_ways(said, code):
    assert language.normalised(said) == code


def test_what_masking_left_does_not_decide():
    assert language.detect(["[email] [email] [phone] " + TOLD["de"]]).to_pylist() == ["de"]


def test_strange_text_does_no_harm():
    texts = ["a" * 2**20, "." * 2**20, "שלום, ההזמנה שלי לא הגיעה ואני מחכה", "<p>" * 300_000, TOLD["fr"] * 20_000]
    found = language.detect(texts).to_pylist()
    assert found[2] == "he"
    assert found[4] == "fr"


def test_no_messages_have_no_languages():
    assert language.detect([]).type == pa.string()
    assert len(language.detect(pa.chunked_array([], pa.large_string()))) == 0


def test_the_questions_to_a_bank_are_english():
    path = DATA / "banking77" / "test.csv"
    if not path.exists():
        pytest.skip(f"real data absent: no {path} (set CRM_REAL_DATA to its folder)")
    with path.open(encoding="utf-8", newline="") as lines:
        found = language.detect([row["text"] for row in csv.DictReader(lines)]).to_pylist()
    assert set(found) <= {"en", None}
    assert found.count("en") / len(found) > 0.97
