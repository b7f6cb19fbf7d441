"""Turns the recorded events into the company's orders, order lines, products and cases. No dirt, no files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from crm_pipeline.sample.columns import ids, instants, join, money, seconds_to_instants, words
from crm_pipeline.sample.grid import Grid
from crm_pipeline.sample.history import History
from crm_pipeline.sample.process import (
    CATEGORIES,
    DISCOUNTS,
    FAVOURITE,
    PRODUCTS_PER_CATEGORY,
    SECOND,
    People,
    Products,
    discount_probability,
)

CHANNELS = ("web", "app", "store", "phone")
BRANDS = ("Almhof", "Brisk", "Corvia", "Delmar", "Eskil", "Fennweg")
CASE_CATEGORIES = ("delivery", "damaged", "wrong item")
CANCELLED, RETURNED_IF_BAD, RETURNED = 0.02, 0.45, 0.02
LATE, LATE_DAYS = 0.008, (5.0, 60.0)
FAVOURITE_CHANNEL = 0.75


@dataclass
class Trade:
    """Orders, lines and cases of one chunk, and what the oracle and the messages need of them.

    ``spend`` is what each order of ``History.orders`` came to, in cents; ``case_*`` are columns of the cases
    (customer's position, time, mood, category).
    """

    orders: pa.Table
    lines: pa.Table
    cases: pa.Table
    spend: np.ndarray
    case_who: np.ndarray
    case_when: np.ndarray
    case_mood: np.ndarray
    case_category: np.ndarray


def product_table(products: Products, rng: np.random.Generator) -> pa.Table:
    """Return the canonical products."""
    n = products.price.size
    number = np.arange(n)
    category = number // PRODUCTS_PER_CATEGORY
    brand = rng.integers(0, len(BRANDS), n)
    cost = np.round(products.price.ravel() * rng.uniform(0.45, 0.7, n))
    named = words([c.title() for c in CATEGORIES], category)
    subcategory = join(words(CATEGORIES, category), " ", words(["basic", "classic", "premium"], number % 3))
    return pa.table(
        {
            "product_id": ids("P", number + 1, 4),
            "name": join(words(BRANDS, brand), " ", named, " ", ids("", number % PRODUCTS_PER_CATEGORY + 1, 2)),
            "category": words(CATEGORIES, category),
            "subcategory": subcategory,
            "brand": words(BRANDS, brand),
            "unit_cost": money(cost),
        }
    )


def trade(
    people: People,
    customer_id: pa.Array,
    history: History,
    products: Products,
    grid: Grid,
    next_id: dict[str, int],
    rng: np.random.Generator,
) -> Trade:
    """Return the orders, lines and cases of one chunk; ids count on from ``next_id``."""
    order_id = ids("O", next_id["orders"] + np.arange(len(history.orders["who"])), 9)
    lines, subtotal = _lines(people, history, products, order_id, rng)
    orders, spend = _orders(people, customer_id, history, grid, order_id, subtotal, rng)
    cases, columns = _cases(customer_id, history, grid, next_id["cases"], rng)
    return Trade(orders, lines, cases, spend, **columns)


def _lines(
    people: People, history: History, products: Products, order_id: pa.Array, rng: np.random.Generator
) -> tuple[pa.Table, np.ndarray]:
    who = history.orders["who"]
    count = 1 + rng.poisson(people.extra_lines[who])
    order = np.repeat(np.arange(len(who)), count)
    buyer, m = who[order], int(count.sum())
    taste, other = rng.random(m), rng.integers(0, len(CATEGORIES), m)
    category = np.where(
        taste < FAVOURITE, people.favourite[buyer], np.where(taste < FAVOURITE + SECOND, people.second[buyer], other)
    )
    shelf = np.cumsum(products.popularity, axis=1).clip(max=1.0)
    shelf[:, -1] = 1.0
    ladder = (shelf + np.arange(len(CATEGORIES))[:, None]).ravel()
    product = np.searchsorted(ladder, category + rng.random(m), side="right")
    price = products.price.ravel()[product]
    quantity = 1 + rng.poisson(people.extra_pieces[buyer])
    first = np.cumsum(count) - count
    table = pa.table(
        {
            "order_id": order_id.take(pa.array(order)),
            "line_no": (np.arange(m) - first[order] + 1).astype(np.int32),
            "product_id": ids("P", np.arange(products.price.size) + 1, 4).take(pa.array(product)),
            "quantity": quantity.astype(np.int32),
            "unit_price": money(price),
        }
    )
    return table, np.bincount(order, weights=quantity * price, minlength=len(who)).astype(np.int64)


def _orders(
    people: People,
    customer_id: pa.Array,
    history: History,
    grid: Grid,
    order_id: pa.Array,
    subtotal: np.ndarray,
    rng: np.random.Generator,
) -> tuple[pa.Table, np.ndarray]:
    events = history.orders
    who, when, bad, m = events["who"], events["when"], events["bad"], len(events["who"])
    reduced = rng.random(m) < discount_probability(people.price_sensitivity[who], grid.sale[events["step"]])
    percent = np.where(reduced, rng.choice(DISCOUNTS, m), 0)
    discount = np.where(events["zero"], subtotal, np.round(subtotal * percent / 100).astype(np.int64))
    cancelled = np.where(~bad & (rng.random(m) < CANCELLED), when + rng.uniform(0.05, 2.0, m), np.nan)
    returns = np.isnan(cancelled) & (rng.random(m) < np.where(bad, RETURNED_IF_BAD, RETURNED))
    returned = np.where(returns, when + rng.uniform(5.0, 25.0, m), np.nan)
    cancelled[cancelled >= grid.days] = np.nan  # not known on the day of the export
    returned[returned >= grid.days] = np.nan
    status = np.where(~np.isnan(cancelled), 1, np.where(~np.isnan(returned), 2, 0))
    favourite = rng.choice(len(CHANNELS), len(people), p=[0.45, 0.3, 0.2, 0.05])
    channel = np.where(rng.random(m) < FAVOURITE_CHANNEL, favourite[who], rng.integers(0, len(CHANNELS), m))
    table = pa.table(
        {
            "order_id": order_id,
            "customer_id": customer_id.take(pa.array(who)),
            "ordered_at": instants(grid, when),
            "status": words(["completed", "cancelled", "returned"], status),
            "amount": money(subtotal - discount),
            "discount": money(discount),
            "currency": words(["EUR"], np.zeros(m, dtype=np.int8)),
            "channel": words(CHANNELS, channel),
            "cancelled_at": instants(grid, cancelled),
            "returned_at": instants(grid, returned),
            "recorded_at": _recorded(grid, when, rng),
        }
    )
    return table, subtotal - discount


def _recorded(grid: Grid, when: np.ndarray, rng: np.random.Generator) -> pa.Array:
    """Rows reach the books within hours, a few weeks late; all before the export."""
    late = rng.random(len(when)) < LATE
    lag = np.where(late, 86_400 * rng.uniform(*LATE_DAYS, len(when)), rng.uniform(60, 3_600, len(when)))
    export = int(grid.seconds(np.array([grid.days]))[0]) - 25_200
    return seconds_to_instants(np.minimum(grid.seconds(when) + lag.astype(np.int64), export - 1))


def _cases(
    customer_id: pa.Array, history: History, grid: Grid, first_case: int, rng: np.random.Generator
) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """Cases follow bad orders by a few days; slow ones stay open for weeks, or are open still."""
    events = history.orders
    index = np.flatnonzero(events["case"])
    opened = events["when"][index] + rng.uniform(0.5, 4.0, len(index))
    index, opened = index[opened < grid.days], opened[opened < grid.days]
    m, slow = len(index), events["slow"][index]
    replied = opened + np.where(slow, rng.uniform(4, 15, m), rng.exponential(0.5, m) + 0.02)
    closed = replied + np.where(slow, rng.uniform(15, 60, m), rng.exponential(2.0, m) + 0.02)
    closed[slow & (rng.random(m) < 0.3)] = np.nan
    satisfaction = np.where(rng.random(m) < 0.4, np.where(slow, rng.integers(1, 4, m), rng.integers(3, 6, m)), 0)
    replied[replied >= grid.days], closed[~(closed < grid.days)] = np.nan, np.nan
    satisfaction[np.isnan(closed)] = 0
    category = rng.integers(0, len(CASE_CATEGORIES), m)
    table = pa.table(
        {
            "case_id": ids("K", first_case + np.arange(m), 8),
            "customer_id": customer_id.take(pa.array(events["who"][index])),
            "opened_at": instants(grid, opened),
            "first_reply_at": instants(grid, replied),
            "closed_at": instants(grid, closed),
            "category": words(CASE_CATEGORIES, category),
            "priority": words(["normal", "high"], (rng.random(m) < 0.2).astype(np.int8)),
            "satisfaction": pa.array(satisfaction.astype(np.int32), mask=satisfaction == 0),
        }
    )
    columns = {
        "case_who": events["who"][index],
        "case_when": opened,
        "case_mood": events["mood"][index],
        "case_category": category,
    }
    return table, columns
