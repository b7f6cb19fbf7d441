"""Runs the hidden process through the company's span and records what happened. No tables, no files, no texts.

Events are columns of arrays: ``who`` is a customer's position in the chunk, times are days since the start of the span.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from crm_pipeline.sample.grid import Grid
from crm_pipeline.sample.process import (
    APPETITE_NEW,
    BAD_ORDER_DROP,
    CASE_IF_BAD,
    EXPERIMENT,
    SLOW_CASE_DROP,
    SLOW_IF_CASE,
    TREATED,
    ZERO_ORDER,
    People,
    State,
    advance,
    contact_probability,
    first_state,
    leave_rate,
    order_rate,
)

FIRST_ORDER = 0.75
MESSAGES_PER_DAY, CALLS_PER_DAY = 0.14 / 30, 0.05 / 30
Columns = dict[str, np.ndarray]


@dataclass
class Moment:
    """The hidden state at the end of a period; ``present`` are those created by then who have not left."""

    state: State
    present: np.ndarray
    known: np.ndarray
    last_order: np.ndarray
    consent: np.ndarray


@dataclass
class History:
    """All that happened to the customers of one chunk.

    Attributes
    ----------
    left : ndarray
        Time of leaving, nan for those who are still there.
    orders, talks, calls, contacts : dict of ndarray
        Columns of the events. Orders, in order of time: ``who, when, step, bad, case, slow, zero, mood``. Talks and calls:
        ``who, when, mood`` (satisfaction at that moment). Contacts: ``who, step, arm`` (0 targeted, 1 treatment, 2 control)
        and the times of the reactions.
    moments : list of Moment
        The state at the end of every period.
    """

    left: np.ndarray
    consent: np.ndarray
    orders: Columns = field(default_factory=dict)
    talks: Columns = field(default_factory=dict)
    calls: Columns = field(default_factory=dict)
    contacts: Columns = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)


def live(people: People, grid: Grid, rng: np.random.Generator) -> History:
    """Let the customers live through the company's span, step by step."""
    n = len(people)
    state = first_state(people, rng)
    history = History(left=people.gone.copy(), consent=rng.random(n) < 0.75)
    last_order = np.where(people.created < 0, people.created * rng.random(n) ** 3, np.nan)
    rows: dict[str, list[Columns]] = {"orders": [], "talks": [], "calls": [], "contacts": []}
    for step in range(grid.steps):
        begin, days = grid.step_start[step], grid.step_days[step]
        absent = np.clip(people.created - begin, 0.0, days)
        arrives = (people.created >= begin) & (people.created < begin + days)
        state.appetite[arrives] = APPETITE_NEW
        contacts = None
        if grid.campaign[step] >= 0:
            contacts = _contact(people, history, state, step, begin, last_order, rng)
        exposure = _leave(history, state, begin, absent, days, rng)
        rate = order_rate(people, state, grid.season[step], grid.sale[step])
        count = rng.poisson(rate * exposure) + (arrives & (exposure > 0) & (rng.random(n) < FIRST_ORDER))
        orders = _orders(people, state, step, begin + absent, exposure, count, rng)
        if contacts is not None:
            rows["contacts"].append(_react(history, state, contacts, orders, begin, rng))
        rows["orders"].append(orders)
        louder = people.talkative * np.exp(-0.3 * state.satisfaction)
        for name, per_day in (("talks", MESSAGES_PER_DAY), ("calls", CALLS_PER_DAY)):
            rows[name].append(_utter(state, begin + absent, exposure, per_day * louder, rng))
        drop = BAD_ORDER_DROP * orders["bad"] + SLOW_CASE_DROP * orders["slow"]
        drop = np.bincount(orders["who"], weights=drop, minlength=n).astype(float)
        np.fmax.at(last_order, orders["who"], orders["when"])
        state = advance(people, state, days, rng.standard_normal((2, n)), count, drop)
        if (step + 1) % grid.per_period == 0:
            known = people.created < begin + days
            present = known & np.isnan(history.left)
            history.moments.append(Moment(state, present, known, last_order.copy(), history.consent.copy()))
    for name, parts in rows.items():
        setattr(history, name, _concatenate(parts))
    in_time = np.argsort(history.orders["when"], kind="stable")
    history.orders = {name: column[in_time] for name, column in history.orders.items()}
    return history


def _leave(
    history: History, state: State, begin: float, absent: np.ndarray, days: float, rng: np.random.Generator
) -> np.ndarray:
    """Let some leave within the step; return each customer's time (days) in it as a customer."""
    exposure = np.where(np.isnan(history.left), days - absent, 0.0)
    until = rng.standard_exponential(len(exposure)) / leave_rate(state)
    leaves = until < exposure
    history.left[leaves] = begin + absent[leaves] + until[leaves]
    return np.minimum(exposure, until)


def _orders(
    people: People,
    state: State,
    step: int,
    begin: np.ndarray,
    exposure: np.ndarray,
    count: np.ndarray,
    rng: np.random.Generator,
) -> Columns:
    who = np.repeat(np.arange(len(count), dtype=np.int32), count)
    m = len(who)
    bad = rng.random(m) < people.bad_order[who]
    case = bad & (rng.random(m) < CASE_IF_BAD)
    slow = case & (rng.random(m) < SLOW_IF_CASE)
    mood = state.satisfaction[who] - BAD_ORDER_DROP * bad - SLOW_CASE_DROP * slow
    return {
        "who": who,
        "when": begin[who] + rng.random(m) * exposure[who],
        "step": np.full(m, step, dtype=np.int16),
        "bad": bad,
        "case": case,
        "slow": slow,
        "zero": rng.random(m) < ZERO_ORDER,
        "mood": mood.astype(np.float32),
    }


def _utter(
    state: State, begin: np.ndarray, exposure: np.ndarray, per_day: np.ndarray, rng: np.random.Generator
) -> Columns:
    who = np.repeat(np.arange(len(exposure), dtype=np.int32), rng.poisson(per_day * exposure))
    when = begin[who] + rng.random(len(who)) * exposure[who]
    return {"who": who, "when": when, "mood": state.satisfaction[who].astype(np.float32)}


def _contact(
    people: People,
    history: History,
    state: State,
    step: int,
    begin: float,
    last_order: np.ndarray,
    rng: np.random.Generator,
) -> Columns:
    """Send a campaign: a small randomised experiment first, then the targeting, which cannot know who has left."""
    n = len(people)
    reachable = history.consent & (people.created < begin)
    silent = begin - np.where(np.isnan(last_order), people.created, last_order)
    experiment = reachable & (rng.random(n) < EXPERIMENT)
    treated = experiment & (rng.random(n) < TREATED)
    targeted = reachable & ~experiment & (rng.random(n) < contact_probability(silent))
    sent = treated | targeted
    who = np.flatnonzero(sent | experiment).astype(np.int32)
    arm = np.where(treated[who], 1, np.where(experiment[who], 2, 0)).astype(np.int8)
    warm = state.attention[who].copy()
    state.attention[sent] += people.contact_lift[sent]
    return {"who": who, "step": np.full(len(who), step, dtype=np.int16), "arm": arm, "warm": warm}


def _react(
    history: History, state: State, contacts: Columns, orders: Columns, begin: float, rng: np.random.Generator
) -> Columns:
    """Draw who opens, clicks, converts (an order in the same step) and opts out; consent is overwritten in place."""
    who = contacts["who"]
    m, mood = len(who), state.satisfaction[who]
    sent = begin + 0.25 * rng.random(m)
    here = np.isnan(history.left[who])
    chance = np.where(here, 1 / (1 + np.exp(0.9 - 0.8 * contacts["warm"] - 0.3 * mood)), 0.04)
    opens = (contacts["arm"] != 2) & (rng.random(m) < chance)
    opened = np.where(opens, sent + rng.exponential(0.4, m), np.nan)
    clicked = np.where(opens & (rng.random(m) < 0.35), opened + rng.exponential(0.02, m), np.nan)
    first = np.full(len(history.left), np.inf)
    np.minimum.at(first, orders["who"], orders["when"])
    converted = np.where(first[who] > clicked, first[who], np.nan)
    converted[~np.isfinite(converted)] = np.nan
    leaves_list = opens & (rng.random(m) < np.where(mood < -0.5, 0.06, 0.01))
    history.consent[who[leaves_list]] = False
    opted_out = np.where(leaves_list, opened + rng.exponential(0.02, m), np.nan)
    columns = {"sent": sent, "opened": opened, "clicked": clicked, "converted": converted, "opted_out": opted_out}
    return {name: contacts[name] for name in ("who", "step", "arm")} | columns


def _concatenate(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
