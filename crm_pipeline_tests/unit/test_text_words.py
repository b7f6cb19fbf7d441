"""Words, n-grams, collocations and trends: counted as one counts by hand, over customers, sure of nothing that is rare."""

import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.text import words

MESSAGE = st.tuples(
    st.sampled_from("ABCDEF"),
    st.sampled_from([None, "x", "y"]),
    st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=6),
)
MESSAGES = st.lists(MESSAGE, max_size=30)


def table(rows) -> pa.Table:
    """Messages of customer, segment and stems, each stem written as itself in capitals."""
    return pa.table(
        {
            "customer_id": pa.array([row[0] for row in rows], pa.string()),
            "segment": pa.array([row[1] for row in rows], pa.string()),
            "words": pa.array([[stem.upper() for stem in row[2]] for row in rows], pa.list_(pa.string())),
            "stems": pa.array([row[2] for row in rows], pa.list_(pa.string())),
        }
    )


def by_hand(rows, segment, length) -> dict[str, tuple[int, int, int]]:
    """Occurrences, messages and customers of each n-gram that enough customers used."""
    count, n, who = Counter(), Counter(), {}
    for customer, of, stems in rows:
        if segment in (None, of):
            grams = [" ".join(stems[at : at + length]) for at in range(len(stems) - length + 1)]
            count.update(grams)
            n.update(set(grams))
            for gram in grams:
                who.setdefault(gram, set()).add(customer)
    return {gram: (count[gram], n[gram], len(who[gram])) for gram in count if len(who[gram]) >= words.FEWEST}


@settings(max_examples=150, deadline=None)
@given(MESSAGES, MESSAGES)
def test_terms_are_counted_as_by_hand(now, before):
    found = words.words(table(now), table(before)).to_pylist()
    segments = {None} | {row[1] for row in now}
    for segment, (length, kind) in itertools.product(segments, enumerate(words.KINDS, start=1)):
        got = {
            r["stem"]: (r["count"], r["n"], r["n_customers"])
            for r in found
            if (r["segment"], r["kind"]) == (segment, kind)
        }
        assert got == by_hand(now, segment, length)
        writers = {row[0] for row in now if segment in (None, row[1])}
        for row in found:
            if (row["segment"], row["kind"]) == (segment, kind):
                assert row["share"] == pytest.approx(row["n_customers"] / len(writers))
                assert row["term"] == row["stem"].upper()


@settings(max_examples=50, deadline=None)
@given(MESSAGES, MESSAGES, st.randoms(use_true_random=False))
def test_the_order_of_the_messages_does_not_matter(now, before, random):
    once = words.words(table(now), table(before))
    random.shuffle(now)
    random.shuffle(before)
    assert words.words(table(now), table(before)) == once


def test_what_fewer_than_three_customers_used_is_not_listed():
    rows = [("A", "x", ["secret"]), ("B", "x", ["secret"]), *((c, "x", ["card"]) for c in "ABC")]
    assert set(words.words(table(rows * 100))["stem"].to_pylist()) == {"card"}


def test_what_one_or_two_used_before_is_not_told():
    now = [(f"C{i}", None, ["card"]) for i in range(5)]
    for used, share in ((0, 0.0), (1, None), (2, None), (3, 0.3)):
        before = [(f"C{i}", None, ["card" if i < used else "bill"]) for i in range(10)]
        row = next(r for r in words.words(table(now), table(before)).to_pylist() if r["kind"] == "word")
        assert row["previous_share"] == pytest.approx(share)


def test_one_customer_with_five_hundred_mails_makes_no_trend_and_many_customers_do():
    base = [(f"C{i}", "x", ["card", "late" if i < 5 else "bill"]) for i in range(200)]
    loud = [("C0", "x", ["late"])] * 500
    found = {r["stem"]: r for r in words.words(table(base + loud), table(base)).to_pylist() if r["segment"] is None}
    assert found["late"]["count"] == 505
    assert found["late"]["trend"] is None
    many = [(f"C{i}", "x", ["card", "late" if i < 40 else "bill"]) for i in range(200)]
    found = {r["stem"]: r for r in words.words(table(many), table(base)).to_pylist() if r["segment"] is None}
    assert found["late"]["trend"] == "rising"
    assert found["late"]["trend_z"] > 4
    assert found["card"]["trend"] is None
    found = {r["stem"]: r for r in words.words(table(base), table(many)).to_pylist() if r["segment"] is None}
    assert found["late"]["trend"] == "falling"


def test_without_a_period_before_there_is_no_trend():
    rows = [(c, "x", ["card"]) for c in "ABCD"]
    for before in (None, table([])):
        row = words.words(table(rows), before).to_pylist()[0]
        assert (row["trend_z"], row["trend"], row["previous_share"]) == (None, None, None)


def test_by_chance_alone_hardly_anything_rises():
    draw = np.random.default_rng(3)
    share = 1 / np.arange(1, 1001) / 3
    wrong = 0
    for _ in range(100):
        users, before = draw.binomial(400, share), draw.binomial(700, share)
        kept = users >= words.FEWEST
        wrong += words.beyond_chance(words.trend(users[kept], 400, before[kept], 700)).any()
    assert wrong <= 8


def test_few_customers_are_sure_of_nothing():
    z = words.trend(np.array([3, 30]), 100, np.array([0, 0]), 100)
    assert 1 < z[0] < 2 < 5 < z[1]
    assert np.isnan(words.trend(np.array([3]), 100, np.array([0]), 0)).all()


def test_association_is_dunnings():
    from nltk.metrics import BigramAssocMeasures

    pair, first, second, total = np.array([8, 30, 1]), np.array([10, 60, 50]), np.array([9, 70, 60]), 1000
    expected = [
        BigramAssocMeasures.likelihood_ratio(int(p), (int(a), int(b)), total)
        for p, a, b in zip(pair, first, second, strict=True)
    ]
    found = words.association(pair, first, second, total)
    assert found[:2] == pytest.approx(expected[:2], rel=1e-6)
    assert found[2] == 0  # rarer together than by chance


def test_words_that_belong_together_are_a_collocation():
    draw = np.random.default_rng(1)
    rows = []
    for i in range(300):
        stems = draw.choice(["card", "bill", "late", "paid"], 4).tolist()
        rows.append((f"C{i}", None, [*stems, "direct", "debit"] if i % 5 == 0 else stems))
    found = [r for r in words.words(table(rows)).to_pylist() if r["kind"] == "collocation"]
    assert found[0]["stem"] == "direct debit"
    assert found[0]["association"] > 100


def test_the_list_ends_but_not_before_what_rises():
    rows = [(f"C{i}", None, [f"w{j:03}" for j in range(50)]) for i in range(30)]
    assert words.words(table(rows), top=10).num_rows == 40  # words, bigrams, trigrams and collocations
    before = [(customer, None, [stem for stem in stems if stem != "w049"]) for customer, _, stems in rows]
    found = words.words(table(rows), table(before), top=10)
    assert "w049" in found["stem"].to_pylist()


def test_nothing_written_lists_nothing():
    for now in (table([]), table([("A", None, []), ("B", "x", [])])):
        found = words.words(now, table([("A", "x", ["card"])]))
        assert found.num_rows == 0
        assert found.schema == words.SCHEMA
