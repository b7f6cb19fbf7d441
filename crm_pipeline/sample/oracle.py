"""The oracle: what could be known from the hidden state at a period's end, and what then happened. No files.

Orders and leaving are integrated out exactly along each simulated path of the hidden state (Rao-Blackwell), so a few
antithetic paths are enough: with the rate of orders r and the hazard m constant in a step of d days, the
probability of being there without an
order falls by exp(-(r + m) d), and m / (r + m) of what falls away has left without one.
"""

from __future__ import annotations

import numpy as np

from crm_pipeline.sample.grid import Grid
from crm_pipeline.sample.history import History, Moment
from crm_pipeline.sample.process import (
    ATTENTION_DAYS,
    BAD_ORDER_DROP,
    CASE_IF_BAD,
    DISCOUNTS,
    EXPERIMENT,
    SLOW_CASE_DROP,
    SLOW_IF_CASE,
    TREATED,
    ZERO_ORDER,
    People,
    State,
    advance,
    contact_probability,
    discount_probability,
    leave_rate,
    order_rate,
)

PATHS = 16


def foresee(people: People, moment: Moment, period: int, grid: Grid, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return what the hidden state at the end of ``period`` says about the next h periods.

    Returns
    -------
    dict of ndarray, one value per customer
        ``no_order`` the probability of no order with a positive amount, ``expected_orders`` (positive ones),
        ``expected_spend`` in
        cents, ``contact_effect`` the change of ``no_order`` by one contact now. Who has left has 1, 0, 0 and 0.
        Future contacts are drawn by the company's rule; opting out in the window and free orders' effect on
        appetite are left out.
    """
    result = {
        name: np.zeros(len(people)) for name in ("no_order", "expected_orders", "expected_spend", "contact_effect")
    }
    result["no_order"][:] = 1.0
    index = np.flatnonzero(moment.present)
    if not len(index):
        return result
    some, consent = people.take(index), moment.consent[index]
    last = np.where(np.isnan(moment.last_order), people.created, moment.last_order)[index]
    silence, with_contact = _without_orders(some, moment.state.copies(index, PATHS), last, consent, period, grid, rng)
    orders, spend = _with_orders(some, moment.state.copies(index, PATHS), last, consent, period, grid, rng)
    result["no_order"][index], result["contact_effect"][index] = silence, with_contact - silence
    result["expected_orders"][index], result["expected_spend"][index] = orders, spend
    return result


def outcomes(people: People, history: History, spend: np.ndarray, period: int, grid: Grid) -> dict[str, np.ndarray]:
    """Return what happened: ``eligible`` (a positive order in the year before), orders and spend (cents) in the h periods."""
    now, n = grid.period_start[period + 1], len(people)
    year_ago = grid.period_start[max(period + 1 - grid.year, 0)]
    until = grid.period_start[period + 1 + grid.horizon]
    who, when, positive = history.orders["who"], history.orders["when"], spend > 0
    before, after = positive & (when >= year_ago) & (when < now), positive & (when >= now) & (when < until)
    last = np.full(n, -np.inf)
    np.maximum.at(last, who[before], when[before])
    return {
        "eligible": np.bincount(who[before], minlength=n) > 0,
        "orders": np.bincount(who[after], minlength=n),
        "spend": np.bincount(who[after], weights=spend[after], minlength=n),
        "silent_days": now - last,
    }


def auc(score: np.ndarray, label: np.ndarray) -> float:
    """Return the area under the ROC curve of ``score`` for a boolean ``label``, ties counted half; nan with one class."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(label, score)) if 0 < label.mean() < 1 else float("nan")


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    half = rng.standard_normal((2, shape[0] // 2, *shape[1:]))
    return np.concatenate([half, -half], axis=1)


def _contacted(state: State, people: People, silent: np.ndarray, consent: np.ndarray, rng: np.random.Generator) -> None:
    chance = consent * (EXPERIMENT * TREATED + (1 - EXPERIMENT) * contact_probability(silent))
    state.attention += people.contact_lift * (rng.random(state.attention.shape) < chance)


def _without_orders(
    people: People,
    state: State,
    last: np.ndarray,
    consent: np.ndarray,
    period: int,
    grid: Grid,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Probability of no positive order, as things are and with one contact now, along paths on which none comes."""
    here, silent_gone = np.ones((2, *state.need.shape)), np.zeros((2, *state.need.shape))
    first = (period + 1) * grid.per_period
    for step in range(first, first + grid.horizon * grid.per_period):
        days, elapsed = grid.step_days[step], grid.step_start[step] - grid.step_start[first]
        if grid.campaign[step] >= 0:
            _contacted(state, people, grid.step_start[step] - last, consent, rng)
        rate = (1 - ZERO_ORDER) * order_rate(people, state, grid.season[step], grid.sale[step])
        lifted = rate * np.exp(people.contact_lift * np.exp(-elapsed / ATTENTION_DAYS))
        hazard = leave_rate(state)
        for i, r in enumerate((rate, lifted)):
            falls = here[i] * -np.expm1(-(r + hazard) * days)
            silent_gone[i] += falls * hazard / (r + hazard)
            here[i] -= falls
        state = advance(people, state, days, _noise(state.need.shape, rng), 0.0, 0.0)
    plain, contacted = (here + silent_gone).mean(axis=1)
    return plain, contacted


def _with_orders(
    people: People,
    state: State,
    last: np.ndarray,
    consent: np.ndarray,
    period: int,
    grid: Grid,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Expected positive orders and spend in cents, along paths with orders, bad ones too; leaving is integrated out."""
    shape = state.need.shape
    here, orders, spend = np.ones(shape), np.zeros(shape), np.zeros(shape)
    last = np.repeat(last[None, :], shape[0], axis=0)
    first = (period + 1) * grid.per_period
    for step in range(first, first + grid.horizon * grid.per_period):
        begin, days = grid.step_start[step], grid.step_days[step]
        if grid.campaign[step] >= 0:
            _contacted(state, people, begin - last, consent, rng)
        rate = order_rate(people, state, grid.season[step], grid.sale[step])
        hazard = leave_rate(state)
        expected = (1 - ZERO_ORDER) * here * rate * -np.expm1(-hazard * days) / hazard
        reduced = 1 - discount_probability(people.price_sensitivity, grid.sale[step]) * DISCOUNTS.mean() / 100
        orders += expected
        spend += expected * people.order_value * reduced
        here *= np.exp(-hazard * days)
        good = rng.poisson(rate * (1 - people.bad_order) * days)
        bad = rng.poisson(rate * people.bad_order * days)
        last = np.where(good + bad > 0, begin + days / 2, last)
        drop = bad * (BAD_ORDER_DROP + SLOW_CASE_DROP * CASE_IF_BAD * SLOW_IF_CASE)
        state = advance(people, state, days, _noise(shape, rng), good + bad, drop)
    return orders.mean(axis=0), spend.mean(axis=0)
