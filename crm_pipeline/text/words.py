"""Which words a period's messages use, which stand together, and which come up or go down against the period before.

What is listed counts people: a word is as frequent as the customers who used it, so that one who writes five hundred mails
makes no trend, and what fewer than three used is not listed at all. Topics and intents do not belong here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.text.tokens import readable

FEWEST = 3
"""Customers below which a term is not listed, for the sake of their privacy."""

TOP = 200
"""Terms listed of a kind and segment, besides those that rise or fall."""

CHANCE = 0.05
"""Share of terms called rising or falling by chance alone (Benjamini and Hochberg, over a kind and segment)."""

OFTEN, TOGETHER = 5, 10.83
"""Occurrences, and log-likelihood ratio (one in a thousand by chance), from which two words are a collocation."""

SCHEMA = pa.schema(
    {
        "segment": pa.string(),
        "kind": pa.string(),
        "rank": pa.int32(),
        "term": pa.string(),
        "stem": pa.string(),
        "count": pa.int64(),
        "n": pa.int64(),
        "n_customers": pa.int64(),
        "share": pa.float64(),
        "previous_share": pa.float64(),
        "trend_z": pa.float64(),
        "trend": pa.string(),
        "association": pa.float64(),
    }
)
KINDS = ("word", "bigram", "trigram")


class Terms(NamedTuple):
    """Occurrences of the terms of one kind, and their names.

    Attributes
    ----------
    row, term : array
        Message and number of each occurrence's term.
    stems : array of shape (terms, words)
        The numbers of the stems that a term is made of.
    """

    row: np.ndarray
    term: np.ndarray
    stems: np.ndarray


def words(now: pa.Table, before: pa.Table | None = None, top: int = TOP) -> pa.Table:
    """List the words of a period's messages, by segment and in all.

    Parameters
    ----------
    now, before : pyarrow.Table
        The messages of the period and of the one before: ``customer_id``, ``segment`` (may be null), ``words``, ``stems``.
        None where there is no period before.
    top : int, default `TOP`
        Terms listed of a kind and segment, besides those that rise or fall.

    Returns
    -------
    pyarrow.Table
        - ``segment``: null for all customers;
        - ``kind``: word; bigram and trigram (stems that follow each other in a message, stop words left out); collocation
          (bigrams more frequent than chance, by Dunning's log-likelihood ratio, which is ``association``);
        - ``rank`` within both: by customers, of collocations by association;
        - ``term`` as a person reads it and its ``stem``;
        - ``count`` of occurrences, ``n`` messages, ``n_customers``;
        - ``share`` of the customers who wrote, ``previous_share`` in the period before (null where one or two used it);
        - ``trend_z`` by `trend`, and ``trend``: rising or falling where it is more than chance, else null.
    """
    messages = _stacked(now, before)
    stems = pc.list_flatten(messages["stems"]).combine_chunks()
    ordered = (
        stems.unique().sort()
    )  # in the order of the alphabet, so that equals are ranked alike whatever the rows' order
    names = ordered.to_pylist()
    row = np.repeat(np.arange(len(messages)), pc.list_value_length(messages["stems"]).to_numpy())
    found = terms(row, pc.index_in(stems, ordered).to_numpy().astype(np.int64), len(names))
    surface = readable(messages["words"], messages["stems"])
    listed = []
    for segment, within in _groups(messages):
        for kind, of in zip(KINDS, found, strict=True):
            counted = _counted(of, messages, within)
            listed.append(_named(_kept(counted, top, "n_customers"), of, names, surface, segment, kind))
            if kind == "bigram":
                bound = _collocations(counted, of, messages, within)
                listed.append(_named(_kept(bound, top, "association"), of, names, surface, segment, "collocation"))
    return pa.concat_tables(listed) if listed else SCHEMA.empty_table()


def terms(row: np.ndarray, stem: np.ndarray, many: int) -> list[Terms]:
    """Return single stems, pairs and triples of stems that follow each other in a message.

    Parameters
    ----------
    row, stem : array
        Message and number of each stem, in order.
    many : int
        How many stems there are.
    """
    found = [Terms(row, stem, np.arange(many)[:, None])]
    here = stem  # the term that begins at each place
    for length in (2, 3):
        starts = np.flatnonzero(row[: max(len(row) - length + 1, 0)] == row[length - 1 :])
        distinct, term = np.unique(here[starts] * many + stem[starts + length - 1], return_inverse=True)
        before, last = np.divmod(distinct, max(many, 1))
        found.append(Terms(row[starts], term, np.column_stack([found[-1].stems[before], last])))
        here = np.zeros(len(row), np.int64)
        here[starts] = term
    return found


def trend(users: np.ndarray, writers: int, users_before: np.ndarray, writers_before: int) -> np.ndarray:
    """Return how surely each term rises (positive) or falls, as a standard normal deviate.

    Of all customers who used a term in the two periods, the share of this period's is compared with this period's share of
    all who wrote: the exact conditional test of two Poisson rates. With few customers it is sure of nothing.

    Parameters
    ----------
    users, users_before : array of int
        Customers who used each term, in the period and in the one before.
    writers, writers_before : int
        Customers who wrote.

    Returns
    -------
    array
        NaN where one of the periods has no writers.

    References
    ----------
    Przyborowski and Wilenski (1940), Homogeneity of results in testing samples from Poisson series, Biometrika 31.
    """
    from scipy.stats import binom, norm

    if not writers or not writers_before:
        return np.full(len(users), np.nan)
    both, part = users + users_before, writers / (writers + writers_before)
    up, down = binom.sf(users - 1, both, part), binom.cdf(users, both, part)
    surely = norm.isf(np.clip(np.minimum(up, down), 1e-300, 0.5))
    return np.where(up <= down, surely, -surely)


def association(pair: np.ndarray, first: np.ndarray, second: np.ndarray, total: int) -> np.ndarray:
    """Return Dunning's log-likelihood ratio of pairs, 0 where they stand together no more often than by chance.

    Parameters
    ----------
    pair, first, second : array of int
        Occurrences of the pair, of its first word as a first one, and of its second as a second one.
    total : int
        Occurrences of all pairs.

    References
    ----------
    Dunning (1993), Accurate methods for the statistics of surprise and coincidence, Computational Linguistics 19.
    """
    from scipy.special import xlogy

    seen = np.array([pair, first - pair, second - pair, total - first - second + pair], dtype=float)
    beside = total - first, total - second
    expected = np.array([first * second, first * beside[1], beside[0] * second, beside[0] * beside[1]], float) / total
    # a cell with nothing in it may expect nothing either
    ratio = 2 * (xlogy(seen, seen) - xlogy(seen, np.where(seen > 0, expected, 1.0))).sum(axis=0)
    return np.where(pair > expected[0], np.maximum(ratio, 0), 0)


def beyond_chance(z: np.ndarray, rate: float = CHANCE) -> np.ndarray:
    """Return which deviates are more than chance, so that no more than a share of those is (Benjamini and Hochberg 1995)."""
    from scipy.stats import norm

    likely = 2 * norm.sf(np.abs(np.nan_to_num(z)))
    order = np.argsort(likely, kind="stable")
    under = np.flatnonzero(likely[order] <= rate * np.arange(1, len(z) + 1) / max(len(z), 1))
    found = np.zeros(len(z), dtype=bool)
    found[order[: under[-1] + 1 if len(under) else 0]] = True
    return found


def _stacked(now: pa.Table, before: pa.Table | None) -> pa.Table:
    """Return the messages of both periods, with ``now`` and numbers for customers."""
    columns = ["customer_id", "segment", "words", "stems"]
    parts = [now.select(columns).append_column("now", pa.array(np.ones(len(now), bool)))]
    if before is not None:
        parts.append(before.select(columns).append_column("now", pa.array(np.zeros(len(before), bool))))
    both = pa.concat_tables(parts, promote_options="permissive").combine_chunks()
    number = both["customer_id"].combine_chunks().dictionary_encode().indices
    return both.append_column("customer", number.cast(pa.int64()))


def _groups(messages: pa.Table) -> list[tuple[str | None, np.ndarray]]:
    """Return all messages, and those of each segment of the period, as masks."""
    segments = pc.unique(messages.filter(messages["now"])["segment"].cast(pa.string())).drop_null().sort().to_pylist()
    of = messages["segment"].cast(pa.string())
    masks = [pc.fill_null(pc.equal(of, segment), False).to_numpy() for segment in segments]
    return [(None, np.ones(len(messages), dtype=bool)), *zip(segments, masks, strict=True)]


def _counted(of: Terms, messages: pa.Table, within: np.ndarray) -> pa.Table:
    """Return the terms of one kind that enough customers of a group used, counted, with their trend."""
    now, customer = messages["now"].to_numpy(), messages["customer"].to_numpy()
    many = len(of.stems)
    here, there = within[of.row] & now[of.row], within[of.row] & ~now[of.row]
    writers, writers_before = (len(np.unique(customer[within & period])) for period in (now, ~now))
    users = _distinct(of.term[here], customer[of.row[here]], many)
    users_before = _distinct(of.term[there], customer[of.row[there]], many)
    term = np.flatnonzero(users >= FEWEST)
    z = trend(users[term], writers, users_before[term], writers_before)
    shown = ~np.isin(users_before[term], range(1, FEWEST)) & (writers_before > 0)
    direction = np.where(beyond_chance(z), np.where(z > 0, "rising", "falling"), "")
    return pa.table(
        {
            "number": term,
            "count": np.bincount(of.term[here], minlength=many)[term],
            "n": _distinct(of.term[here], of.row[here], many)[term],
            "n_customers": users[term],
            "share": users[term] / max(writers, 1),
            "previous_share": pa.array(users_before[term] / max(writers_before, 1), mask=~shown),
            "trend_z": pa.array(z, mask=np.isnan(z)),
            "trend": pa.array(direction.tolist(), pa.string(), mask=direction == ""),
            "association": pa.nulls(len(term), pa.float64()),
        }
    )


def _collocations(counted: pa.Table, pairs: Terms, messages: pa.Table, within: np.ndarray) -> pa.Table:
    """Return the pairs among those counted that stand together more often than by chance, with their association."""
    now = messages["now"].to_numpy()
    here = pairs.term[(within & now)[pairs.row]]
    number = counted["number"].to_numpy()
    if not len(number):
        return counted
    first, second = (np.bincount(pairs.stems[here, side]) for side in (0, 1))
    parts = pairs.stems[number]
    score = association(counted["count"].to_numpy(), first[parts[:, 0]], second[parts[:, 1]], len(here))
    bound = counted.set_column(counted.schema.get_field_index("association"), "association", pa.array(score))
    return bound.filter(pa.array((score >= TOGETHER) & (counted["count"].to_numpy() >= OFTEN)))


def _kept(counted: pa.Table, top: int, by: str) -> pa.Table:
    """Return the first terms by a column, and what rises or falls, with their rank."""
    ordered = counted.sort_by([(by, "descending"), ("count", "descending"), ("number", "ascending")])
    ranked = ordered.append_column("rank", pa.array(np.arange(1, len(ordered) + 1), pa.int32()))
    return ranked.filter(pc.or_(pc.less_equal(ranked["rank"], top), pc.is_valid(ranked["trend"])))


def _named(
    counted: pa.Table, of: Terms, names: list[str], surface: dict[str, str], segment: str | None, kind: str
) -> pa.Table:
    stems = [[names[stem] for stem in parts] for parts in of.stems[counted["number"].to_numpy()].tolist()]
    said = {
        "segment": pa.array([segment] * len(stems), pa.string()),
        "kind": pa.array([kind] * len(stems), pa.string()),
        "term": pa.array([" ".join(surface[stem] for stem in parts) for parts in stems], pa.string()),
        "stem": pa.array([" ".join(parts) for parts in stems], pa.string()),
    }
    columns = [said[name] if name in said else counted[name] for name in SCHEMA.names]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA)


def _distinct(term: np.ndarray, of: np.ndarray, many: int) -> np.ndarray:
    """Return how many distinct values stand beside each term."""
    wide = int(of.max(initial=0)) + 1
    return np.bincount(pa.array(term * wide + of).unique().to_numpy() // wide, minlength=many)
