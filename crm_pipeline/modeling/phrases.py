"""One phrase per theme, from a customer's own numbers. Which themes are said, and in what order, is in `reasons`.

A phrase gets the facts and whether the theme speaks against the customer (``worse``: more risk, less spend), and picks,
among true statements, one that points that way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from crm_pipeline.periods import Grain
from crm_pipeline.transforms.features.entries_audio import SOUNDS
from crm_pipeline.transforms.texts import NEGATIVE, POSITIVE

Text: TypeAlias = Any
"""An Arrow array of strings, or one string for all rows."""


@dataclass(frozen=True)
class Facts:
    """The features of the customers a phrase speaks of, and the words for periods and money."""

    features: pd.DataFrame
    horizon: int
    year: int
    grain: Grain
    money_unit: float
    currency: str

    def of(self, rows: np.ndarray) -> Facts:
        """Return the facts of some rows only."""
        return Facts(self.features.iloc[rows], self.horizon, self.year, self.grain, self.money_unit, self.currency)

    def __len__(self) -> int:
        return len(self.features)

    def number(self, column: str) -> np.ndarray:
        """Return a feature, nan for all when the source does not have it."""
        if column not in self.features.columns:
            return np.full(len(self), np.nan)
        return self.features[column].to_numpy("float64", na_value=np.nan)

    @property
    def quarter(self) -> int:
        """Periods in a quarter."""
        return self.year // 4

    def periods(self, count: int) -> str:
        """Return the words for so many periods: ``3 months``."""
        return f"{count} {self.grain}s" if count != 1 else self.grain

    def money(self, units: np.ndarray) -> Text:
        """Return amounts in major units without decimals."""
        return join(f"{self.currency} " if self.currency else "", whole(units * self.money_unit))


def whole(numbers: np.ndarray) -> Text:
    """Return numbers rounded to whole ones as text, ``?`` where missing."""
    known = np.isfinite(numbers)
    rounded = np.rint(np.where(known, numbers, 0)).astype("int64")
    return pc.if_else(pa.array(known), pc.cast(pa.array(rounded), pa.string()), "?")


def decimal(numbers: np.ndarray) -> Text:
    """Return numbers with one decimal as text."""
    return pc.cast(pa.array(np.round(np.nan_to_num(numbers), 1) + 0.0), pa.string())


def join(*parts: Text) -> Text:
    """Return the parts strung together."""
    return pc.binary_join_element_wise(*parts, "")


def choose(condition: np.ndarray, yes: Text, no: Text) -> Text:
    """Return ``yes`` where the condition holds, else ``no``."""
    return pc.if_else(pa.array(condition), yes, no)


def times(numbers: np.ndarray, noun: str) -> Text:
    """Return counts with their noun: ``1 order``, ``2 orders``, ``no order``."""
    many = join(whole(numbers), f" {noun}s")
    return choose(numbers == 1, f"1 {noun}", choose(numbers == 0, f"no {noun}", many))


def recency(facts: Facts, worse: np.ndarray) -> Text:
    """Say how long ago the last order was, beside the customer's usual gap where that points the same way."""
    days, gap = facts.number("recency_days"), facts.number("gap_mean_days")
    late, usual = worse & (days > gap), join(", usually every ", whole(gap))
    points = np.where(worse, days > gap, days <= gap)  # a habit that speaks the other way would gainsay the sign
    once = choose(facts.number("order_days_all") == 1, ", the only one so far", "")
    habit = choose(np.isfinite(gap), choose(points, usual, ""), once)
    since = join(choose(days == 1, "1 day", join(whole(days), " days")))
    return choose(late, join("no order for ", since, habit), join("last order ", since, " ago", habit))


def rhythm(facts: Facts, worse: np.ndarray) -> Text:
    """Say how the number of orders moved, or where that points the other way, how many there are."""
    q = facts.quarter
    now, before = facts.number(f"orders_{q}"), facts.number(f"orders_{2 * q}") - facts.number(f"orders_{q}")
    some = join("ordered ", choose(now == 1, "once", join(whole(now), " times")))
    trend = join(
        choose(now == 0, "no order", some), f" in the last {facts.periods(q)}, ", whole(before), f" in the {q} before"
    )
    days, tenure = facts.number("order_days_all"), whole(facts.number("tenure_days"))
    several = join(choose(worse, "only ", ""), "ordered on ", whole(days), " days in ", tenure)
    points = np.where(worse, now < before, now > before) & np.isfinite(before)
    return choose(points, trend, choose(days == 1, join("ordered on one day only in ", tenure), several))


def spend(facts: Facts, worse: np.ndarray) -> Text:
    """Say how spend moved, or where that points the other way, how much it is."""
    q, y = facts.quarter, facts.year
    now, before = facts.number(f"spend_{q}"), facts.number(f"spend_{2 * q}") - facts.number(f"spend_{q}")
    trend = join(
        "spent ", facts.money(now), f" in the last {facts.periods(q)}, ", facts.money(before), f" in the {q} before"
    )
    year, mean = facts.number(f"spend_{y}"), facts.number(f"order_value_mean_{y}")
    total = join("spent ", facts.money(year), f" in the last {facts.periods(y)}, ", facts.money(mean), " an order")
    ever = join("spent ", facts.money(facts.number("spend_all")), " so far")
    points = np.where(worse, now < before, now > before)
    return choose(points & np.isfinite(before), trend, choose(np.isfinite(year) & np.isfinite(mean), total, ever))


def season(facts: Facts, worse: np.ndarray) -> Text:
    """Say what the customer did in the coming season a year ago."""
    orders = facts.number("orders_season_ly")
    return join(times(orders, "order"), f" in the same {facts.periods(facts.horizon)} last year")


def breadth(facts: Facts, worse: np.ndarray) -> Text:
    """Say how many kinds of goods, or products per order, the customer buys."""
    y = facts.year
    kinds, products = facts.number(f"categories_{y}"), facts.number(f"products_per_order_{y}")
    channels = facts.number(f"channels_{y}")
    by_kind = join(
        "bought in ",
        choose(kinds == 1, "1 category", join(whole(kinds), " categories")),
        f" in the last {facts.periods(y)}",
    )
    by_product = join(decimal(products), " different products an order")
    by_channel = join("used ", times(channels, "sales channel"))
    return choose(np.isfinite(kinds), by_kind, choose(np.isfinite(products), by_product, by_channel))


def service(facts: Facts, worse: np.ndarray) -> Text:
    """Say the returns, cases and calls of the last year, those the source has."""
    y, parts = facts.year, []
    for column, noun in ((f"returns_{y}", "return"), (f"cases_{y}", "case"), (f"calls_{y}", "call")):
        if np.isfinite(facts.number(column)).any():
            parts += [times(facts.number(column), noun), ", "]
    if not parts:
        return join(
            times(facts.number(f"returns_{facts.quarter}"), "return"), f" in the last {facts.periods(facts.quarter)}"
        )
    opened = facts.number("cases_open")
    still = choose(opened > 0, join(", ", whole(opened), " still open"), "")
    return join(*parts[:-1], f" in the last {facts.periods(y)}", still)


def messages(facts: Facts, worse: np.ndarray) -> Text:
    """Say how much the customer wrote lately, what about, how it felt, and what is unanswered."""
    q, y = facts.quarter, facts.year
    lately, longer = facts.number(f"messages_in_{q}"), facts.number(f"messages_in_{y}")
    often = choose(lately == 1, "once", choose(lately == 2, "twice", join(whole(lately), " times")))
    recent = join("wrote ", often, f" in the last {facts.periods(q)}")
    none = join(f"wrote no message in the last {facts.periods(q)}")
    year = choose(np.isfinite(longer), join(", ", whole(longer), f" in {facts.periods(y)}"), "")
    base = join(choose(lately > 0, recent, none), choose((longer == lately) & (lately > 0), "", year))
    about = choose(longer > 0, _mostly_about(facts), "")
    feels = facts.number(f"sentiment_{q}")
    feels = np.where(np.isfinite(feels), feels, facts.number(f"sentiment_{y}"))
    tone = choose(feels < NEGATIVE, ", negative", choose(feels > POSITIVE, ", positive", ""))
    unanswered = facts.number("messages_unanswered")
    still = choose(worse & (unanswered > 0), join(", ", whole(unanswered), " unanswered"), "")
    return join(base, about, tone, still)


def _mostly_about(facts: Facts) -> Text:
    """Say the intent of most of the year's messages; nothing where none has half of them."""
    names = [c for c in facts.features.columns if c.startswith("about_") and c.endswith(f"_{facts.year}")]
    if not names or not len(facts):
        return pa.array([""] * len(facts))
    shares = np.nan_to_num(np.column_stack([facts.number(name) for name in names]))
    words = [name.removeprefix("about_").removesuffix(f"_{facts.year}").replace("_", " ") for name in names]
    said = pa.array([f", mostly about {word}" for word in words]).take(pa.array(shares.argmax(axis=1)))
    return choose(shares.max(axis=1) >= 0.5, said, "")


def calls(facts: Facts, worse: np.ndarray) -> Text:
    """Say how the customer sounds in recorded calls, how often a watched word was said, and how much of the time the customer spoke."""
    y = facts.year
    spoke, watched = facts.number(f"heard_speech_{y}"), facts.number(f"heard_watched_{y}")
    base = join("spoke ", whole(spoke * 100), f" % of the time in recorded calls of the last {facts.periods(y)}")
    word = choose(watched > 0, join(", a watched word in ", whole(watched * 100), " % of them"), "")
    none = join(f"no recorded call in the last {facts.periods(y)}")
    return choose(np.isfinite(spoke), join(base, _mostly_sounds(facts), word), none)


def _mostly_sounds(facts: Facts) -> Text:
    """Say how the customer sounds in half of the calls or more; nothing where no label has as many."""
    names = [c for c in facts.features.columns if c.startswith(SOUNDS) and c.endswith(f"_{facts.year}")]
    if not names or not len(facts):
        return pa.array([""] * len(facts))
    shares = np.nan_to_num(np.column_stack([facts.number(name) for name in names]))
    words = [name.removeprefix(SOUNDS).removesuffix(f"_{facts.year}").replace("_", " ") for name in names]
    said = pa.array([f", sounding {word} in " for word in words]).take(pa.array(shares.argmax(axis=1)))
    most = shares.max(axis=1)
    return choose(most >= 0.5, join(said, whole(most * 100), " %"), "")


def contacts(facts: Facts, worse: np.ndarray) -> Text:
    """Say how many campaign contacts were sent, and how many were opened."""
    y = facts.year
    sent, opened = facts.number(f"contacts_{y}"), facts.number(f"contact_open_share_{y}")
    base = join(times(sent, "campaign contact"), f" in the last {facts.periods(y)}")
    return choose(np.isfinite(opened) & (sent > 0), join(base, ", ", whole(opened * 100), " % opened"), base)


def otherwise(facts: Facts, worse: np.ndarray) -> Text:
    """Say that something without a phrase of its own matters."""
    return pa.array(["other habits"] * len(facts))


PHRASES: dict[str, Callable[[Facts, np.ndarray], Text]] = {
    "recency": recency,
    "rhythm": rhythm,
    "spend": spend,
    "season": season,
    "breadth": breadth,
    "service": service,
    "messages": messages,
    "calls": calls,
    "contacts": contacts,
}
