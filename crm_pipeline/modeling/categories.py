"""How expected spend divides over product categories, per customer and in all. How much is spent at all is not asked here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd
from ibis.expr.types import Table

from crm_pipeline.engine import frame
from crm_pipeline.modeling.purchase_process.features import customer_rank

MOST = 20
"""Categories that are told apart, those with most spend in the last two years; the others together are `REST`."""

REST = "(other categories)"

SAMPLE = 20_000
"""Most customers that the strength of the prior is fitted on: a fixed sample by hash."""

BATCH = 131_072
"""Customers whose rows are made at once."""

STRENGTHS = np.geomspace(0.1, 200, 60)
"""Prior strengths that are tried, in order lines."""

PASSES, CLOSE = 200, 1e-9
"""Of the proportional fitting: most passes, and the relative error of a category's total at which it stops."""


class Shares(NamedTuple):
    """How spend divides over the categories.

    Attributes
    ----------
    forecast : Series
        Share of each category in all spend of the coming horizon; sums to 1.
    recent, season : Series
        Its share in the last year, and in the same season a year ago; nan where the data do not reach back.
    strength : float
        Order lines that the prior weighs as.
    """

    forecast: pd.Series
    recent: pd.Series
    season: pd.Series
    strength: float


class Divided(NamedTuple):
    """Expected spend of customers (n,), in the order of their ids, by category (k,).

    Attributes
    ----------
    spend, shares : ndarray (n, k)
        What each should spend on each category, and how a line of theirs divides.
    told : Shares or None
        None where nothing was bought in any category: then nobody's spend is divided.
    """

    customers: pd.Series
    categories: pd.Index
    spend: np.ndarray
    shares: np.ndarray
    told: Shares | None

    def rows(self) -> Iterator[pd.DataFrame]:
        """Yield customer_id, category, expected_spend, share, rank (1 is the category with most), by customer and rank."""
        for start in range(0, len(self.customers), BATCH):
            part = slice(start, start + BATCH)
            yield _long(self.customers.iloc[part], self.categories, self.spend[part], self.shares[part])


NOTHING = Divided(pd.Series(dtype="str"), pd.Index([]), np.zeros((0, 0)), np.zeros((0, 0)), None)


def named(history: Table) -> Table:
    """Return the history with all but the `MOST` biggest categories together as `REST`.

    Parameters
    ----------
    history : Table
        customer_id, category, period_start, n_lines, spend: a row per customer, category and period of the last two years.
    """
    history = history.filter(history.category.notnull())  # noqa: PD004 (an Ibis expression)
    spend = frame(history.group_by("category").aggregate(spend=history.spend.sum().cast("int64")))
    kept = spend.sort_values(["spend", "category"], ascending=[False, True])["category"].iloc[:MOST].tolist()
    if len(spend) <= MOST:
        return history
    history = history.mutate(category=ibis.ifelse(history.category.isin(kept), history.category, REST))
    sums = {name: history[name].sum().cast("int64") for name in ("n_lines", "spend")}
    return history.group_by("customer_id", "category", "period_start").aggregate(**sums)


def forecast_shares(totals: pd.DataFrame, year: int, horizon: int) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return each category's share in the spend of the coming horizon, in the last year, and in the same season a year ago.

    The forecast is the last year's share moved by the season: last year's season over the year it lies in, in logarithms; the mean
    of two where two seasons are known, and half of one. What moves no more than shares do from period to period is noise, and the
    movement is drawn towards none by as much (James & Stein 1961). It is set a priori, not learned.

    Parameters
    ----------
    totals : DataFrame, indexed by category
        A column per period, the newest last: spend of all customers. At most two years.
    year, horizon : int
        Periods in a year and in the horizon.
    """
    spend = totals.to_numpy("float64") + 1e-9
    periods = spend.shape[1]
    begins = [begin for begin in (periods - year, periods - 2 * year) if begin >= 0]
    recent = _share(spend[:, -year:])
    season, moved = np.full(len(spend), np.nan), recent
    if begins:
        moves = [np.log(_share(spend[:, b : b + horizon]) / _share(spend[:, b : b + year])) for b in begins]
        move, most = np.mean(moves, axis=0), len(moves) / 2
        moved = recent * np.exp(most * _signal(move, spend, horizon, year, len(moves)) * move)
        season = _share(spend[:, begins[0] : begins[0] + horizon])
    index = totals.index
    return pd.Series(moved / moved.sum(), index), pd.Series(recent, index), pd.Series(season, index)


def _share(spend: np.ndarray) -> np.ndarray:
    part = spend.sum(axis=1)
    return part / part.sum()


def _signal(move: np.ndarray, spend: np.ndarray, horizon: int, year: int, seasons: int) -> float:
    """Return how much of the categories' movements is more than the noise of shares from one period to the next."""
    logs = np.log(spend / spend.sum(axis=0))
    noise = np.square(np.diff(logs, axis=1)).mean(axis=1) / 2 * (1 / horizon - 1 / year) / seasons
    return max(0.0, 1 - float(noise.sum()) / max(float(np.square(move).sum()), 1e-12))


def prior_strength(lines: np.ndarray, prior: np.ndarray) -> float:
    """Return the strength of a Dirichlet prior around ``prior`` (k,) under which customers' lines by category (n × k) are most likely.

    The likelihood is the Dirichlet-multinomial's (Mosimann 1962), over `STRENGTHS`. A customer with one line says nothing of it.
    """
    from scipy.special import gammaln

    lines = lines[lines.sum(axis=1) >= 2]
    if not len(lines):
        return float(STRENGTHS[-1])
    whole = lines.sum(axis=1)
    likelihoods = [
        float((gammaln(s) - gammaln(s + whole)).sum() + (gammaln(s * prior + lines) - gammaln(s * prior)).sum())
        for s in STRENGTHS
    ]
    return float(STRENGTHS[int(np.argmax(likelihoods))])


def divided(expected: np.ndarray, shares: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Return expected spend by customer and category (n × k): rows sum to ``expected`` (n,), columns to ``totals`` (k,).

    Iterative proportional fitting (Deming & Stephan 1940) of ``expected`` × ``shares`` (n × k, positive); both margins have the same sum.
    Rows are fitted last, so a customer's categories always add up to what the customer is expected to spend. The sums are not BLAS's,
    which depend on how many threads it has.
    """
    if not expected.sum() > 0:
        return np.zeros_like(shares)
    columns = np.ones(len(totals))
    for _ in range(PASSES):
        weights = expected / np.einsum("nk,k->n", shares, columns)
        reached = columns * np.einsum("n,nk->k", weights, shares)
        columns = np.divide(columns * totals, reached, out=np.zeros_like(columns), where=reached > 0)
        if np.all(np.abs(reached - totals) <= CLOSE * max(totals.sum(), 1e-300)):
            break
    table = shares * columns
    table *= (expected / table.sum(axis=1))[:, None]
    return table


def by_category(history: Table, demand: Table, periods: list[str], year: int, horizon: int, seed: int) -> Divided:
    """Return what each customer is expected to spend by category, and how all spend divides.

    Parameters
    ----------
    history : Table
        As of `named`; may be empty.
    demand : Table
        customer_id, value: expected spend of the horizon of everybody who was scored.
    periods : list of str
        Keys of the periods of the history, the oldest first, without a gap: at most two years.
    year, horizon : int
        In periods.
    seed : int
        Of the sample.
    """
    bought = named(history)
    known = bought.mutate(period=bought.period_start.cast("string").substr(0, 10))
    known = known.filter((known.spend > 0) & known.period.isin(periods))
    sums = {name: known[name].sum().cast("int64") for name in ("n_lines", "spend")}
    in_periods = frame(known.group_by("category", "period").aggregate(**sums))
    scored = frame(demand.select("customer_id", "value").order_by("customer_id"))
    if in_periods.empty or scored.empty:
        return NOTHING
    totals = in_periods.pivot_table(index="category", columns="period", values="spend", fill_value=0)
    forecast, recent, season = forecast_shares(totals.reindex(columns=periods, fill_value=0), year, horizon)
    lines = _lines(known.filter(known.period.isin(periods[-year:])), demand, forecast.index)
    price = _price(in_periods, forecast.index)
    said = _counts_of(forecast, price)
    strength = prior_strength(_sampled(lines, scored["customer_id"], seed), said)
    shares = lines  # (n, k) may be a good part of the memory: nothing is copied
    shares += strength * said
    shares *= price
    shares /= shares.sum(axis=1, keepdims=True)
    expected = scored["value"].to_numpy("float64")
    spend = divided(expected, shares, forecast.to_numpy() * expected.sum())
    return Divided(scored["customer_id"], forecast.index, spend, shares, Shares(forecast, recent, season, strength))


def in_all(found: Divided) -> pd.DataFrame:
    """Return the expected spend of each category, the greatest first, with its share, last year's and that of last year's season."""
    columns = ["category", "expected_spend", "share", "share_last_year", "share_last_season"]
    if found.told is None:
        return pd.DataFrame(columns=columns)
    shares = found.told
    table = pd.DataFrame(
        {"expected_spend": pd.Series(found.spend.sum(axis=0), found.categories), "share": shares.forecast,
         "share_last_year": shares.recent, "share_last_season": shares.season}
    )  # fmt: skip
    return table.sort_values("expected_spend", ascending=False, kind="stable").rename_axis("category").reset_index()


def _lines(history: Table, demand: Table, categories: pd.Index) -> np.ndarray:
    """Return the order lines of the customers of ``demand``, in the order of their ids, by category (n × k)."""
    counted = {
        f"of_{place}": history.n_lines.sum(where=history.category == name).cast("float64")
        for place, name in enumerate(categories)
    }
    wide = history.group_by("customer_id").aggregate(**counted)
    rows = demand.select("customer_id").left_join(wide, "customer_id").order_by("customer_id")
    counts = frame(rows.select(*counted))
    lines = np.empty(counts.shape, order="F")  # its columns are filled, and summed over, one after another
    for place, name in enumerate(counted):
        lines[:, place] = counts.pop(name).fillna(0.0)
    return lines


def _price(sums: pd.DataFrame, categories: pd.Index) -> np.ndarray:
    """Return what an order line of each category costs in the mean."""
    each = sums.groupby("category")[["spend", "n_lines"]].sum().reindex(categories)
    return (each["spend"] / each["n_lines"].clip(lower=1)).to_numpy("float64")


def _counts_of(shares: pd.Series, price: np.ndarray) -> np.ndarray:
    """Return the share of each category in order lines that gives these shares in spend."""
    lines = shares.to_numpy() / price
    return lines / lines.sum()


def _sampled(lines: np.ndarray, customers: pd.Series, seed: int) -> np.ndarray:
    if len(lines) <= SAMPLE:
        return lines
    return lines[np.argsort(customer_rank(customers, seed), kind="stable")[:SAMPLE]]


def _long(customers: pd.Series, categories: pd.Index, spend: np.ndarray, shares: np.ndarray) -> pd.DataFrame:
    """Return a row per customer and category, of somebody who will spend nothing too."""
    order = np.argsort(-np.where(spend.sum(axis=1, keepdims=True) > 0, spend, shares), axis=1, kind="stable")
    n, k = spend.shape
    whole = spend.sum(axis=1, keepdims=True)
    part = np.divide(spend, whole, out=shares.copy(), where=whole > 0)
    return pd.DataFrame(
        {
            "customer_id": np.repeat(customers.to_numpy(), k),
            "category": categories.to_numpy()[order].ravel(),
            "expected_spend": np.take_along_axis(spend, order, axis=1).ravel(),
            "share": np.take_along_axis(part, order, axis=1).ravel(),
            "rank": np.tile(np.arange(1, k + 1), n),
        }
    )
