"""Features made through activity and lifetime equal those computed straight from the orders, period by period."""

import math
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_pipeline.periods import Calendar
from crm_pipeline.transforms.features.feature import quarter
from crm_pipeline_tests.unit.features_world import FIRST, Order, Shape, World, order_frame

MONTHS = Shape(windows=(1, 3, 6, 12), horizon=3, eligibility=12, year=12)
SMALL_MONTHS = Shape(windows=(1, 2, 4), horizon=2, eligibility=4, year=4)
WEEKS = Shape(windows=(4, 13, 26, 52), horizon=13, eligibility=52, year=52)
SMALL_WEEKS = Shape(windows=(2, 4), horizon=2, eligibility=5, year=8)


FEW = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))


def orders_of(days: int) -> st.SearchStrategy[list[Order]]:
    order = st.builds(
        Order,
        customer=st.sampled_from(["a", "b", "c", "d"]),
        minute=st.integers(0, days * 1440 - 1),
        amount=st.sampled_from([0, 1, 199_900, 1_000_000, 1_684_690_000]),
        event=st.sampled_from(["placed", "placed", "placed", "placed", "returned", "cancelled"]),
        discount=st.sampled_from([None, 0, 5_000]),
        channel=st.sampled_from([None, "shop", "web"]),
    )
    return st.lists(order, min_size=1, max_size=60)


def many_orders(n: int = 120) -> list[Order]:
    rng = np.random.default_rng(5)
    events = ["placed", "placed", "placed", "returned"]
    return [
        Order(
            str(rng.choice(list("abcdef"))), int(rng.integers(0, 550 * 1440)), int(rng.integers(0, 10**7)), str(event)
        )
        for event in rng.choice(events, n)
    ]


def expected(orders: list[Order], world: World, period: str) -> dict[str, dict[str, float]]:
    """The features from the plain list of orders, by loops."""
    calendar, shape = world.calendar, world.shape
    frame = order_frame(orders, calendar)
    end = calendar.end_date(period)
    known = frame[frame.day < end]
    covered = calendar.distance(calendar.key(FIRST), period) + 1
    q, y, h = quarter(shape), shape.year, shape.horizon
    found = {}
    for customer, events in known.groupby("customer"):
        bought = events[(events.event == "placed") & (events.amount > 0)]
        if not ((bought.day >= date.fromisoformat(calendar.shift(period, 1 - shape.eligibility))).any()):
            continue

        def over(table, low, high):
            after, before = calendar.shift(period, 1 - high), calendar.shift(period, 1 - low)
            inside = table[(table.day >= date.fromisoformat(after)) & (table.day < date.fromisoformat(before))]
            return inside if high <= covered else None

        def count(low, high, table=bought):
            inside = over(table, low, high)
            return math.nan if inside is None else float(len(inside))

        def spent(low, high, table=bought):
            inside = over(table, low, high)
            return math.nan if inside is None else float(inside.amount.sum())

        days = sorted(set(bought.day))
        gaps = np.diff([d.toordinal() for d in days]).astype(float)
        recency = float((end - days[-1]).days)
        mean = gaps.mean() if len(gaps) else math.nan
        sd = gaps.std(ddof=1) if len(gaps) > 1 else math.nan
        row = {
            "recency_days": recency,
            "tenure_days": float((end - days[0]).days),
            "orders_all": float(len(bought)),
            "order_days_all": float(len(days)),
            "spend_all": float(bought.amount.sum()),
            "gap_mean_days": mean,
            "gap_sd_days": sd,
            "gap_cv": sd / mean,
            "recency_over_gap": recency / mean,
            "orders_season_ly": count(y - h, y),
            "spend_season_ly": spent(y - h, y),
            "orders_before_season_ly": count(y, y + h),
            "orders_trend": trend(count(0, q), count(q, 2 * q)),
            "spend_trend": trend(spent(0, q), spent(q, 2 * q)),
        }
        row |= {f"orders_m{i}": count(i - 1, i) for i in range(1, 13)}
        for w in shape.windows:
            inside = over(bought, 0, w)
            row[f"orders_{w}"], row[f"spend_{w}"] = count(0, w), spent(0, w)
            row[f"order_days_{w}"] = math.nan if inside is None else float(inside.day.nunique())
            row[f"active_periods_{w}"] = math.nan if inside is None else float(inside.day.map(calendar.key).nunique())
        returned = events[events.event == "returned"]
        row |= {f"returns_{w}": count(0, w, returned) for w in (q, y)}
        year = over(bought, 0, y)
        if year is not None and len(year):
            amounts = year.amount.astype(float)
            discount = year.discount.sum(min_count=1)
            row |= {
                f"orders_share_{q}_of_{y}": count(0, q) / len(year),
                f"order_value_mean_{y}": amounts.mean(),
                f"order_value_max_{y}": amounts.max(),
                f"order_value_cv_{y}": amounts.std(ddof=1) / amounts.mean() if len(year) > 1 else math.nan,
                f"discount_share_{y}": discount / (amounts.sum() + discount),
                f"channels_{y}": float(year.channel.nunique()) or math.nan,
                f"return_share_{y}": spent(0, y, returned) / amounts.sum(),
            }
        found[str(customer)] = row
    return found


def trend(new: float, old: float) -> float:
    if math.isnan(new) or math.isnan(old):
        return math.nan
    return (new - old) / (new + old) if new + old else 0.0


def check(world: World, orders: list[Order], period: str) -> None:
    made = world.features(orders, period)
    wanted = expected(orders, world, period)
    assert set(made.index) == set(wanted)
    for customer, row in wanted.items():
        assert set(made.columns) - {"as_of"} >= set(row)
        for name in set(made.columns) - {"as_of"}:
            value = made.loc[customer, name]
            want = row.get(name, math.nan)
            assert value == pytest.approx(want, rel=1e-9, abs=2e-6, nan_ok=True), (customer, name)


@FEW
@given(orders_of(150))
def test_months_equal_brute_force(orders):
    check(World(Calendar("month", "Europe/London"), SMALL_MONTHS), orders, "2019-05-01")


@pytest.mark.parametrize("period", ["2019-03-01", "2020-04-01"])
def test_the_default_months_equal_brute_force(period):
    check(World(Calendar("month", "Europe/London"), MONTHS), many_orders(), period)


@FEW
@given(orders_of(100))
def test_weeks_equal_brute_force(orders):
    check(World(Calendar("week", "America/New_York"), SMALL_WEEKS), orders, "2019-03-25")


def test_the_default_weeks_equal_brute_force():
    period = Calendar("week").key(FIRST + timedelta(days=480))
    check(World(Calendar("week", "UTC"), WEEKS), many_orders(18), period)


def test_an_order_just_after_local_midnight_on_a_summer_night_counts_for_the_new_day():
    world = World(Calendar("month", "Europe/London"), MONTHS)
    evening = int((datetime(2019, 7, 4, 23, 30) - datetime(2019, 1, 1)).total_seconds() // 60)  # 00:30 on the 5th
    made = world.features([Order("a", evening, 5)], "2019-07-01")
    assert made.loc["a", "recency_days"] == 27
