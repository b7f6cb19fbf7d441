"""The hidden process: who the customers are and how need, satisfaction and attention move. No files, no tables.

Per customer, in continuous time (rates per day, held constant within a step of about a week):

- *need* and *satisfaction* are Ornstein-Uhlenbeck processes, so neither is ever written down in a table;
- *appetite* falls with every order and grows back, so that buying is more regular than Poisson;
- *attention* rises with a contact and fades;
- orders come at ``exp(base + need + appetite + season + sale + satisfaction + attention)``;
- a bad order (late, damaged) and a slow case hurt satisfaction;
- the customer leaves for good at ``LEAVE * exp(-1.8 satisfaction - 0.8 need)``, and tells nobody.

It is neither BG/NBD nor Pareto/NBD (the rate moves, is lognormal, and leaving follows the state), nor a logistic
rule on windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEED_DAYS, NEED_SD = 100.0, 0.85
SATISFACTION_DAYS, SATISFACTION_SD = 75.0, 0.5
ATTENTION_DAYS = 40.0
APPETITE_DROP, APPETITE_FLOOR, APPETITE_NEW = 0.35, -2.0, 0.6
BASE_MEAN, BASE_SD = -3.2, 1.2
LEAVE, LEAVE_CAP = 0.00014, 0.05
LEAVE_SATISFACTION, LEAVE_NEED = 1.8, 0.8
ORDER_SATISFACTION = 0.6
BAD_ORDER_DROP, SLOW_CASE_DROP = 0.7, 0.6
CASE_IF_BAD, SLOW_IF_CASE = 0.45, 0.35
ZERO_ORDER = 0.01
EXPERIMENT, TREATED = 0.06, 0.5
RISKY_DAYS = (40.0, 270.0)
TARGET_RISKY, TARGET_OTHER = 0.45, 0.05
NEW_SHARE, GONE_SHARE = 0.35, 0.04
DISCOUNTS = np.array([5, 10, 15, 20])

CATEGORIES = ("kitchen", "garden", "toys", "books", "sport", "beauty", "office", "pets")
PRODUCTS_PER_CATEGORY = 25
FAVOURITE, SECOND = 0.5, 0.3  # shares of a customer's two favourite categories; the rest is spread evenly


@dataclass
class Products:
    """The assortment: ``price`` in cents and ``popularity`` within its category, both (categories, products)."""

    price: np.ndarray
    popularity: np.ndarray

    @property
    def mean_price(self) -> np.ndarray:
        """Mean price of a line of each category, in cents."""
        return (self.price * self.popularity).sum(axis=1)


@dataclass
class People:
    """What does not change about the customers of one chunk; each field is an array of one value per customer.

    ``created`` and ``gone`` (the time of leaving before the company's span, else nan) are in days; ``order_value``
    is the
    mean of an order before discounts, in cents.
    """

    created: np.ndarray
    gone: np.ndarray
    base: np.ndarray
    season_load: np.ndarray
    price_sensitivity: np.ndarray
    contact_lift: np.ndarray
    appetite_days: np.ndarray
    satisfaction_mean: np.ndarray
    bad_order: np.ndarray
    region: np.ndarray
    extra_lines: np.ndarray
    extra_pieces: np.ndarray
    favourite: np.ndarray
    second: np.ndarray
    talkative: np.ndarray
    order_value: np.ndarray

    def __len__(self) -> int:
        return len(self.created)

    def take(self, index: np.ndarray) -> People:
        """Return the customers at ``index``."""
        return People(**{name: value[index] for name, value in vars(self).items()})


@dataclass
class State:
    """The hidden state at one moment; arrays whose last axis is the customers."""

    need: np.ndarray
    appetite: np.ndarray
    satisfaction: np.ndarray
    attention: np.ndarray

    def take(self, index: np.ndarray) -> State:
        """Return the state of the customers at ``index``."""
        return State(**{name: value[..., index] for name, value in vars(self).items()})

    def copies(self, index: np.ndarray, k: int) -> State:
        """Return ``k`` independent copies of the customers at ``index``, each field (k, customers)."""
        return State(**{name: np.repeat(value[None, index], k, axis=0) for name, value in vars(self).items()})


def draw_products(rng: np.random.Generator) -> Products:
    """Draw the assortment: lognormal prices around each category's level, few bestsellers."""
    shape = (len(CATEGORIES), PRODUCTS_PER_CATEGORY)
    level = rng.uniform(2.3, 3.8, (shape[0], 1))
    price = np.round(100 * np.exp(level + 0.5 * rng.standard_normal(shape))).clip(99) // 10 * 10 + 9
    popularity = rng.dirichlet(np.full(shape[1], 0.7), size=shape[0])
    return Products(price.astype(np.int64), popularity)


def draw_people(
    n: int, days: float, products: Products, region_quality: np.ndarray, rng: np.random.Generator
) -> People:
    """Draw ``n`` customers of a company whose span has ``days`` days.

    About a third join during the span, a few left before it began. ``region_quality`` is the probability of a bad
    order per region.
    """
    new = rng.random(n) < NEW_SHARE
    created = np.where(new, rng.random(n) * days, -1 - 1000 * rng.random(n) ** 1.5)
    gone = np.where(~new & (rng.random(n) < GONE_SHARE / (1 - NEW_SHARE)), created * rng.random(n), np.nan)
    region = rng.integers(0, len(region_quality), n)
    favourite = rng.integers(0, len(CATEGORIES), n)
    second = (favourite + rng.integers(1, len(CATEGORIES), n)) % len(CATEGORIES)
    lines, pieces = 0.5 * rng.gamma(2.0, 0.5, n), 0.3 * rng.gamma(1.5, 1 / 1.5, n)
    mean = products.mean_price
    taste = FAVOURITE * mean[favourite] + SECOND * mean[second] + (1 - FAVOURITE - SECOND) * mean.mean()
    sensitivity = rng.beta(2.0, 3.0, n)
    return People(
        created=created,
        gone=gone,
        base=BASE_MEAN + BASE_SD * rng.standard_normal(n),
        season_load=rng.uniform(0.3, 1.7, n),
        price_sensitivity=sensitivity,
        contact_lift=0.2 + 1.1 * sensitivity * rng.random(n) ** 0.5,
        appetite_days=np.exp(rng.normal(2.8, 0.4, n)),
        satisfaction_mean=0.3 * rng.standard_normal(n),
        bad_order=region_quality[region],
        region=region,
        extra_lines=lines,
        extra_pieces=pieces,
        favourite=favourite,
        second=second,
        talkative=np.exp(rng.normal(-0.32, 0.8, n)),
        order_value=(1 + lines) * (1 + pieces) * taste,
    )


def first_state(people: People, rng: np.random.Generator) -> State:
    """Draw the state in which the company's span begins: the stationary one, appetites somewhere on their way back."""
    n = len(people)
    return State(
        need=NEED_SD * rng.standard_normal(n),
        appetite=-0.5 * rng.random(n),
        satisfaction=people.satisfaction_mean + SATISFACTION_SD * rng.standard_normal(n),
        attention=np.zeros(n),
    )


def order_rate(people: People, state: State, season: float, sale: float) -> np.ndarray:
    """Return the intensity of ordering, per day, of customers who have not left."""
    known = people.base + people.season_load * season + 0.9 * people.price_sensitivity * sale
    return np.exp(known + state.need + state.appetite + ORDER_SATISFACTION * state.satisfaction + state.attention)


def leave_rate(state: State) -> np.ndarray:
    """Return the hazard of leaving for good, per day."""
    rate = LEAVE * np.exp(-LEAVE_SATISFACTION * state.satisfaction - LEAVE_NEED * state.need)
    return np.minimum(rate, LEAVE_CAP)


def contact_probability(days_since_order: np.ndarray) -> np.ndarray:
    """Return the company's targeting rule outside the experiment: mostly those silent for a while, a few others."""
    risky = (days_since_order > RISKY_DAYS[0]) & (days_since_order < RISKY_DAYS[1])
    return np.where(risky, TARGET_RISKY, TARGET_OTHER)


def discount_probability(price_sensitivity: np.ndarray, sale: np.ndarray | float) -> np.ndarray:
    """Return the probability that an order carries a discount."""
    return 0.05 + 0.3 * price_sensitivity + 0.3 * sale


def advance(
    people: People, state: State, days: float, noise: np.ndarray, orders: np.ndarray | float, drop: np.ndarray | float
) -> State:
    """Move the state over a step of ``days``.

    Parameters
    ----------
    noise : ndarray, shape (2, ..., customers)
        Standard normal: of need and of satisfaction (exact Ornstein-Uhlenbeck transition).
    orders, drop : ndarray or float
        Orders in the step, and the satisfaction lost by bad orders and slow cases in it.
    """
    need_kept, satisfaction_kept = np.exp(-days / NEED_DAYS), np.exp(-days / SATISFACTION_DAYS)
    mean = people.satisfaction_mean
    need = state.need * need_kept + NEED_SD * np.sqrt(1 - need_kept**2) * noise[0]
    spread = SATISFACTION_SD * np.sqrt(1 - satisfaction_kept**2)
    satisfaction = mean + (state.satisfaction - mean) * satisfaction_kept + spread * noise[1] - drop
    appetite = state.appetite * np.exp(-days / people.appetite_days) - APPETITE_DROP * orders
    return State(
        need, np.maximum(appetite, APPETITE_FLOOR), satisfaction, state.attention * np.exp(-days / ATTENTION_DAYS)
    )
