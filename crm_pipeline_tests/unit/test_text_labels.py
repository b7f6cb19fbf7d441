"""A labelled file: read as people write them, or refused in one sentence with its line; nothing left out without a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.errors import UsageError
from crm_pipeline.text.labels import UNKNOWN, parse, slugs, trainable, written

ROWS = "text,intent\nwhere is it,delivery\nsend it back,return\n"


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode(),
        b"\xef\xbb\xbf" + ROWS.encode(),
        ROWS.encode("utf-16"),
        ROWS.replace(",", ";").encode(),
        ROWS.replace(",", "\t").encode(),
        ROWS.replace("\n", "\r\n").encode(),
        b"Utterance,Category\n" + ROWS.split("\n", 1)[1].encode(),
        b"id;Label;Body\n1;delivery;where is it\n\n2; return ;send it back\n",
    ],
)
def test_files_as_people_write_them(content: bytes) -> None:
    found = parse(content, "a.csv")
    assert found.texts == ["where is it", "send it back"]
    assert found.intents == ["delivery", "return"]
    assert found.notes == []


def test_latin_1_quotes_and_lines() -> None:
    content = 'text,intent\n"Rückgabe, ""bitte""\nschnell",return\nx,y\n'.encode("latin-1")
    found = parse(content, "a.csv")
    assert found.texts == ['Rückgabe, "bitte"\nschnell', "x"]
    assert found.lines == [2, 4]


def test_columns_can_be_named_and_sentiment_is_brought_into_three_words() -> None:
    found = parse(
        b"a,b,text,polarity,lang\nhi,greet,no,+1,EN\nbye,leave,no,awful,\n", "a.csv", text_column="A", label_column="b"
    )
    assert (found.texts, found.intents) == (["hi", "bye"], ["greet", "leave"])
    assert (found.sentiments, found.languages) == (["positive", None], ["en", None])
    assert found.notes == [
        "a.csv, column polarity: 1 value that is none of positive, neutral, negative left out, the first in line 3 ('awful')."
    ]


@pytest.mark.parametrize("label", ["oos", "OOS", "unknown", "Out of scope", "out_of_scope", "out-of-scope", "", " "])
def test_a_label_can_say_that_a_text_is_none_of_the_intents(label: str) -> None:
    assert parse(f"text,intent\nhello there,{label}\n".encode(), "a.csv").intents == [UNKNOWN]


def test_what_is_left_out_or_odd_is_said_with_its_line() -> None:
    content = "text,intent\na,x\n,x\n\u200b,x\na,x\na,y\nb,y\n".encode()
    found = parse(content, "a.csv")
    assert found.texts == ["a", "a", "b"]
    assert found.notes == [
        "a.csv, column text: 2 empty texts left out, the first in line 3.",
        "a.csv: 1 repetition of a text with its intent left out, the first in line 5.",
        "a.csv: 1 text with several intents, kept with each; the first in lines 2 (x) and 6 (y).",
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "a.csv, line 1: no column with the text (such as text, body, message); it has none"),
        (b"foo,bar\n1,2\n", "it has foo, bar: name it with --text-column"),
        (b"text,bar\n1,2\n", "no column with the intent (such as intent, label, category)"),
        (b"text,intent\na,b\nhello, you,greet\n", "line 3: 3 columns where the header has 2"),
        (b'text,intent\na,b\n"hello,greet\n', "line 3: a quotation mark is not closed"),
        (b'text,intent\n"hello" you,greet\n', "line 2: a quotation mark is not closed or not doubled"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_file_and_line(content: bytes, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(content, "a.csv")
    assert says in str(refused.value)
    assert str(refused.value).startswith("a.csv, line ")
    assert "\n" not in str(refused.value)


def test_columns_that_are_named_must_be_there() -> None:
    with pytest.raises(UsageError, match="no column 'msg'"):
        parse(ROWS.encode(), "a.csv", text_column="msg")


def test_an_intent_with_one_example_is_left_out_and_said() -> None:
    rows = [("text", "intent"), *((f"text {i}", "ab"[i % 2]) for i in range(12)), ("alone", "c"), ("nothing", "oos")]
    found = trainable(parse("\n".join(map(",".join, rows)).encode(), "a.csv"))
    assert set(found.intents) == {"a", "b", UNKNOWN}
    assert found.notes == ["a.csv: 1 intent with a single example left out (c; the first in line 14)."]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([(f"t{i}", "a") for i in range(20)], "1 intent with at least two different texts"),
        ([(f"t{i}", "oos") for i in range(20)], "0 intents"),
        ([(f"t{i}", "ab"[i % 2]) for i in range(6)], "6 texts to learn from: at least 10"),
    ],
)
def test_too_little_to_learn_from_is_refused(rows: list[tuple[str, str]], says: str) -> None:
    content = "\n".join(map(",".join, [("text", "intent"), *rows])).encode()
    with pytest.raises(UsageError, match=r"^a\.csv has") as refused:
        trainable(parse(content, "a.csv"))
    assert says in str(refused.value)


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).map(lambda text: f"x{text}y")


@given(st.lists(st.tuples(TEXTS, st.sampled_from(["a", "b c", "Ü", UNKNOWN])), min_size=1, unique=True))
def test_what_is_written_is_read_again_as_it_was(rows: list[tuple[str, str]]) -> None:
    from dataclasses import replace

    texts, intents = map(list, zip(*rows, strict=True))
    empty = parse(b"text,intent\n", "a.csv")
    nulls: list[str | None] = [None] * len(rows)
    found = replace(empty, texts=texts, intents=intents, sentiments=nulls, languages=nulls, lines=[0] * len(rows))
    again = parse(written(found).encode(), "a.csv")
    assert (again.texts, again.intents) == (texts, intents)


@given(st.lists(st.text()))
def test_slugs_are_unique_names_whatever_the_labels_and_their_order(labels: list[str]) -> None:
    made = slugs(labels)
    assert len(set(made.values())) == len(set(labels))
    assert all(name.isidentifier() and name.isascii() and name == name.lower() for name in made.values())
    assert made == slugs(reversed(labels))


@given(st.binary())
def test_no_bytes_end_in_anything_but_examples_or_a_sentence(content: bytes) -> None:
    for head in (b"", b"text,intent\n"):
        try:
            found = parse(head + content, "a.csv")
        except UsageError:
            continue
        assert len(found.texts) == len(found.intents) == len(found.lines)
