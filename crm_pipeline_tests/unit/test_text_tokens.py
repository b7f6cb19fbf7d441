"""Sentences, tokens, words and stems: equal to nltk's own, message by message, whatever the text and however it is cut into batches."""

import csv
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.text import tokens, vocabulary

DATA = Path(os.environ.get("CRM_REAL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
PIECES = [
    *"aAzé1\"'`.,:;?!()[]{}<>-_*&$%#@ \n\t/“”‘’«»…—😀ß中\u0301\x00\u200f",
    "n't",
    "'s",
    "can",
    "not",
    "cannot",
    "gonna",
]
PIECES += ["'tis", "...", "--", "[email]", "[card]", "wan", "na", "Mr.", "e.g.", "''", "``", "The cards", " ", " "]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def naive(text: str) -> list[str]:
    """nltk's tokens of each sentence, a placeholder put together again."""
    from nltk.tokenize import word_tokenize

    found: list[str] = []
    for sentence in tokens.sentences(text):
        for token in word_tokenize(sentence, preserve_line=True):
            found.append(token)
            if tokens.PLACEHOLDER.fullmatch("".join(found[-3:])) and len(found[-3:]) == 3:
                found[-3:] = ["".join(found[-3:])]
    return found


def slowly(text: str, language: str | None) -> dict[str, object]:
    """One row of `process`, told word by word."""
    lower = [token.lower() for token in naive(text)]
    words = [t for t in lower if not tokens.PLACEHOLDER.fullmatch(t) and any(map(str.isalnum, t))]
    told = [found for t in words if (found := vocabulary.content(t, language))]
    return {
        "language": language,
        "n_sentences": len(tokens.sentences(text)),
        "n_tokens": len(words),
        "words": [word for word, _ in told],
        "stems": [stem for _, stem in told],
    }


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_tokens_are_those_of_nltk(text):
    assert tokens.tokens(text) == naive(text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_tokens_of_any_text_are_those_of_nltk(text):
    assert tokens.tokens(text) == naive(text)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_nothing_of_a_text_is_lost_between_its_sentences(text):
    spaced = tokens.PLACEHOLDER.sub(r" \g<0> ", text)
    assert " ".join(tokens.sentences(text)) == " ".join(spaced.split())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.sampled_from([None, "en", "de", "fr", "tl"])), max_size=8), st.integers(1, 9))
def test_a_column_says_what_its_messages_say_one_by_one_in_batches_of_any_size(rows, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "ROWS", size)
        patch.setattr(tokens, "KEPT", 3)
        found = tokens.process([text for text, _ in rows], [language for _, language in rows])
    assert found.to_pylist() == [slowly(*row) for row in rows]


def test_real_questions_are_cut_as_nltk_cuts_them():
    path = DATA / "banking77" / "test.csv"
    if not path.exists():
        pytest.skip(f"real data absent: no {path} (set CRM_REAL_DATA to its folder)")
    with path.open(encoding="utf-8", newline="") as lines:
        texts = [row["text"] for row in csv.DictReader(lines)]
    assert [tokens.tokens(text) for text in texts] == [naive(text) for text in texts]
    assert tokens.process(texts[:500]).to_pylist() == [slowly(text, None) for text in texts[:500]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It broke. Please help", ["It broke.", "Please help"]),
        ("it broke. please help!! thanks", ["it broke.", "please help!!", "thanks"]),
        (
            "Dear Mrs. Bell, I paid 2.50 at 5 p.m. on Tue. 3 May",
            ["Dear Mrs. Bell, I paid 2.50 at 5 p.m. on Tue. 3 May"],
        ),
        (
            "Cards, keys, etc. are gone. Cards etc. Also keys",
            ["Cards, keys, etc. are gone.", "Cards etc.", "Also keys"],
        ),
        ("so... it broke... Then (it burnt.) Why?", ["so... it broke...", "Then (it burnt.)", "Why?"]),
        ("Das kostet z.B. 3 Euro inkl. MwSt. und mehr.", ["Das kostet z.B. 3 Euro inkl. MwSt. und mehr."]),
        ('He said "no." ) Then left', ['He said "no." )', "Then left"]),
        ("My order no. 5 of Mar. 3 came? No. It did not", ["My order no. 5 of Mar. 3 came?", "No.", "It did not"]),
        ("Really ? ! Yes", ["Really ? !", "Yes"]),
        ("Write to [email]. Or call [phone]", ["Write to [email] .", "Or call [phone]"]),
    ],
)
def test_sentences(text, expected):
    assert tokens.sentences(text) == expected


def test_a_full_stop_inside_the_text_stands_alone():
    assert tokens.tokens("It broke. I paid 3.88") == ["It", "broke", ".", "I", "paid", "3.88"]


def test_what_masking_left_is_one_token_and_no_word():
    text = "Hi [name],my[card]([iban]) [phone]/[url].[email]"
    kinds = ["[name]", "[card]", "[iban]", "[phone]", "[url]", "[email]"]
    assert [token for token in tokens.tokens(text) if token.startswith("[")] == kinds
    row = tokens.process([text], ["en"]).to_pylist()[0]
    assert row["n_tokens"] == 2
    assert row["words"] == row["stems"] == []
    assert tokens.tokens("[Email] [e-mail]")[:3] == ["[", "Email", "]"]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " \t\n",
        "😀😀 👍🏽 ❤️",
        "\x00\x01\x1f\x7f",
        "שלום, ההזמנה שלי לא הגיעה. \u202bתודה\u202c",
        "<p>Hello <b>there</b></p><script>alert('x')</script>",
        '=HYPERLINK("x")',
        "Ignore all previous instructions.",
        "a" * 2**20,
        "." * 2**20,
        ".) " * 350_000,
        "don't ask. " * 100_000,
        "[email]" * 150_000,
        "'\"" * 500_000,
    ],
    ids=lambda text: repr(text)[:12],
)
def test_strange_text_does_no_harm(text):
    found = tokens.process(["My card broke", text, "My card broke"], None).to_pylist()
    assert found[0] == found[2]
    assert found[0]["stems"] == ["card", "broke"]
    assert len(found[1]["stems"]) == len(found[1]["words"]) <= found[1]["n_tokens"] <= len(text or "")


def test_no_messages_give_no_rows_of_the_same_columns():
    assert tokens.process([]).schema == tokens.process(pa.chunked_array([], pa.string())).schema == tokens.SCHEMA
    assert tokens.process([]).num_rows == 0


def test_arrow_and_python_say_the_same():
    texts = ["My card broke.", None, "Danke"]
    chunked = pa.chunked_array([texts[:1], texts[1:]], pa.large_string())
    assert tokens.process(chunked) == tokens.process(texts) == tokens.process(pa.array(texts))


def test_stems_are_cut_no_further_when_counted_again():
    words = ["orders", "ordered", "cards", "refund", "refunds"]
    once = tokens.process([" ".join(words)]).column("stems").to_pylist()[0]
    assert tokens.process([" ".join(once)]).column("stems").to_pylist()[0] == once


def test_a_language_has_its_own_stop_words_and_stems():
    texts = ["Die Bestellungen sind nicht angekommen", "l'addition n'est pas arrivée", "Las facturas"]
    found = tokens.process(texts, ["de", "fr", "es"]).column("stems").to_pylist()
    assert found == [["bestell", "angekomm"], ["addit", "arriv"], ["factur"]]


def test_a_word_of_a_language_without_a_stemmer_is_its_own_stem():
    assert tokens.process(["kahvaltılar hazırlandı"], ["tr"]).column("stems").to_pylist() == [
        ["kahvaltılar", "hazırlandı"]
    ]


def test_words_that_customers_order_with_are_no_stop_words():
    assert not vocabulary.stop_words("en") & {"order", "problem", "help", "amount", "bill", "value"}
    assert {"the", "not", "n't", "please"} <= vocabulary.stop_words("en")


def test_keys_and_numbers_have_no_stem():
    row = tokens.process(["order 12345 at 2.50 is " + "a1" * 30]).to_pylist()[0]
    assert (row["n_tokens"], row["stems"]) == (6, ["order"])


def test_chinese_is_cut_into_words_or_at_least_into_characters(monkeypatch):
    pytest.importorskip("jieba", reason="the extra `chinese` is not installed")
    texts = ["我的银行卡丢了。请帮忙"]
    row = tokens.process(texts, ["zh"]).to_pylist()[0]
    assert "银行卡" in row["stems"]
    assert row["n_sentences"] == 2
    monkeypatch.setattr(tokens, "_jieba", lambda: None)
    assert {"银", "卡"} <= set(tokens.process(texts, ["zh"]).column("stems").to_pylist()[0])


def test_a_stem_is_read_as_the_word_that_most_often_stood_for_it():
    found = tokens.process(["refunds and a refund", "refunds", "delayed, delays"])
    assert tokens.readable(found["words"], found["stems"]) == {"refund": "refunds", "delay": "delayed"}
    empty = tokens.process([])
    assert tokens.readable(empty["words"], empty["stems"]) == {}
