"""Rule 1 and the catalogue: nothing of the future in a feature, null before the data begin, absent without the table."""

from datetime import date
from functools import partial

import ibis
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_pipeline.engine import DuckDBEngine, InRanges, in_ranges
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings
from crm_pipeline.transforms import features
from crm_pipeline.transforms.features.catalogue import THEMES, activity_tables, catalogue, history, markdown
from crm_pipeline_tests.unit.features_world import Order, Shape, World, fetch

SHAPE = Shape(windows=(1, 3, 6, 12), horizon=3, eligibility=12, year=12)
SMALL = Shape(windows=(1, 2, 4), horizon=1, eligibility=4, year=4)
MONTHS = Calendar("month", "UTC")
ALL_TABLES = ("customers", "products", "orders", "order_lines", "messages", "cases", "calls", "contacts")
PERIOD = "2019-04-01"
END = 90 + 30  # days from 2019-01-01 to the end of April
EARLY, SOON = "2019-02-01", 59  # February, and the days to its end

some_orders = st.lists(
    st.builds(
        Order,
        customer=st.sampled_from("abc"),
        minute=st.integers(0, SOON * 1440 - 1),
        amount=st.integers(0, 10**7),
        event=st.sampled_from(["placed", "placed", "returned"]),
    ),
    max_size=25,
)
later_orders = st.lists(
    st.builds(
        Order,
        customer=st.sampled_from("abcz"),
        minute=st.integers(SOON * 1440, (SOON + 30) * 1440),
        amount=st.integers(0, 10**7),
        event=st.sampled_from(["placed", "returned", "cancelled"]),
    ),
    min_size=1,
    max_size=10,
)
few = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(some_orders, later_orders)
def test_rule_1_events_after_the_end_change_no_feature(orders, future):
    world = World(MONTHS, SMALL)
    before = world.features(orders, EARLY)
    after = world.features([*orders, *future], EARLY, seen_to="2019-03-01")
    pd.testing.assert_frame_equal(before, after, check_exact=True)


@few
@given(some_orders, st.randoms(use_true_random=False))
def test_rule_6_the_order_of_rows_changes_nothing(orders, random):
    world = World(MONTHS, SMALL)
    shuffled = random.sample(orders, len(orders))
    pd.testing.assert_frame_equal(world.features(orders, EARLY), world.features(shuffled, EARLY), check_exact=True)


def test_rule_9_windows_before_the_first_period_are_null_and_quiet_ones_are_zero():
    made = World(MONTHS, SHAPE).features([Order("a", 0), Order("b", 100 * 1440)], PERIOD)
    a = made.loc["a"]
    assert (a.orders_1, a.orders_3, a.spend_3, a.orders_m4, a.returns_3) == (0, 0, 0, 1, 0)
    unknown = ["orders_6", "spend_12", "orders_m5", "orders_season_ly", "orders_before_season_ly", "returns_12"]
    assert a[[*unknown, "orders_trend", "order_value_mean_12", "order_value_max_12"]].isna().all()
    assert a.recency_days == 120
    assert a.orders_all == 1


def test_eligible_is_who_ordered_in_the_last_periods():
    orders = [Order("gone", 0), Order("free", 100 * 1440, amount=0), Order("back", 100 * 1440, event="returned")]
    shape = Shape(windows=(1, 2), horizon=1, eligibility=2, year=4)
    assert list(World(MONTHS, shape).features([*orders, Order("here", 60 * 1440)], PERIOD).index) == ["here"]


def test_columns_are_those_of_the_catalogue():
    made = World(MONTHS, SHAPE).features([Order("a", 0)], PERIOD)
    process = {f.name for f in catalogue(["orders"], SHAPE) if f.source == "purchase_process"}
    assert list(made.columns) == ["as_of", *(f.name for f in catalogue(["orders"], SHAPE) if f.name not in process)]
    assert set(made.dtypes.drop("as_of").astype(str)) == {"float64"}
    assert made.as_of.iloc[0] == date(2019, 5, 1)


def test_every_activity_table_adds_its_features():
    day = date(2019, 4, 1)
    rows = {
        "order_lines": {"n_lines": 6, "n_orders": 2, "n_products": 5, "items": 9},
        "messages": {"n_messages": 3, "n_in": 2},
        "texts": {
            "n_in": 2, "n_scored": 2, "sentiment_sum": -500, "n_negative": 1, "last_negative_day": END - 3, "n_answered": 1,
            "response_minutes_sum": 90, "n_unanswered": 1,
        },
        "cases": {"n_opened": 2, "n_replied": 0, "n_closed": 1},
        "calls": {"n_calls": 4, "n_in": 1},
        "contacts": {"n_sent": 4, "n_opened": 5, "n_clicked": 1},
    }  # fmt: skip
    others = {
        name: ibis.memtable(pd.DataFrame([{"customer_id": "a", "period_start": day, **row}]))
        for name, row in rows.items()
    }
    spent = [("tea", 30, day), ("cups", 50, day), ("tea", 30, date(2019, 3, 1)), ("pots", 90, date(2017, 1, 1))]
    others["categories"] = ibis.memtable(
        [("a", c, d, s) for c, s, d in spent],
        schema={"customer_id": "string", "category": "string", "period_start": "date", "spend": "int64"},
    )
    others = {
        name: t.cast({c: "date" if c == "period_start" else t[c].type() for c in t.columns})
        for name, t in others.items()
    }
    first = World(Calendar("month", "UTC"), SHAPE)
    known, life = first.history([Order("a", END * 1440 - 5), Order("b", END * 1440 - 5)], PERIOD)
    process = ibis.memtable(
        {"customer_id": ["a"]}
        | {f"{m}_{v}": [0.5] for m in ("mbg", "pareto") for v in ("expected_orders", "alive", "no_order")}
    )
    windows = {"orders": known, **others}
    dates = ibis.memtable(features.dates(PERIOD, dict.fromkeys(windows, "2018-01-01"), MONTHS, SHAPE))
    table = features.customers(windows, life, process, dates, shape=SHAPE)
    made = fetch(table).set_index("customer_id")
    assert list(made.columns[1:]) == [f.name for f in catalogue(ALL_TABLES, SHAPE)]
    wanted = {
        "products_per_order_12": 2.5, "categories_12": 2, "top_category_share_12": 60 / 110, "messages_3": 3,
        "messages_in_12": 2, "cases_12": 2, "calls_3": 4, "contacts_12": 4, "contact_open_share_12": 1,
        "contact_click_share_12": 0.25, "cases_open": 0, "mbg_alive": 0.5,
    }  # fmt: skip
    assert made.loc["a", list(wanted)].to_dict() == pytest.approx(wanted)
    none = {"categories_12": 0, "messages_3": 0, "cases_12": 0, "calls_3": 0, "contacts_12": 0}
    assert made.loc["b", list(none)].to_dict() == none
    assert made.loc["b", ["contact_open_share_12", "products_per_order_12", "mbg_alive"]].isna().all()


def test_a_share_of_what_a_source_does_not_tell_is_unknown():
    first = World(Calendar("month", "UTC"), SHAPE)
    known, life = first.history([Order("a", END * 1440 - 5)], PERIOD)
    day = date(2019, 4, 1)
    contacts = ibis.memtable(
        [("a", day, 4, None, 1)],
        schema={
            "customer_id": "string",
            "period_start": "date",
            "n_sent": "int64",
            "n_opened": "int64",
            "n_clicked": "int64",
        },
    )
    windows = {"orders": known, "contacts": contacts}
    dates = ibis.memtable(features.dates(PERIOD, dict.fromkeys(windows, "2018-01-01"), MONTHS, SHAPE))
    (row,) = fetch(features.customers(windows, life, None, dates, shape=SHAPE)).itertuples()
    assert (row.contacts_12, row.contact_click_share_12) == (4, 0.25)
    assert pd.isna(row.contact_open_share_12)


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_features_in_ranges_of_customers_are_those_of_all_at_once(at_once: int):
    orders = [Order(who, minute) for who in "dbacé" for minute in (END * 1440 - 5, 90 * len(who), (END - 40) * 1440)]
    known, life = World(MONTHS, SMALL).history([*orders, Order("a", 5)], PERIOD)
    dates = ibis.memtable(features.dates(PERIOD, {"orders": "2018-01-01"}, MONTHS, SMALL))
    table = features.customers({"orders": known}, life, None, dates, shape=SMALL)
    ranged = in_ranges(table, "customer_id", life, at_once)
    assert isinstance(ranged, InRanges)
    parts = pd.concat([fetch(part) for part in ranged.parts()], ignore_index=True)
    assert len(parts) == 5
    pd.testing.assert_frame_equal(parts, fetch(table))


def test_one_query_serves_every_period_and_gives_each_its_own_values(tmp_path):
    engine, asked = DuckDBEngine("1GB", 1, tmp_path), []
    compile_, engine._compile = engine._compile, lambda *given, **more: asked.append(1) or compile_(*given, **more)
    table, found = partial(features.customers, shape=SMALL), {}
    for period, orders in (("2019-01-01", [Order("a", 5 * 1440)]), ("2019-04-01", [Order("a", (END - 1) * 1440)] * 2)):
        known, life = (t.to_pyarrow() for t in World(MONTHS, SMALL).history(orders, period))
        engine.release()
        windows, lifetime = {"orders": engine.given(known, "orders")}, engine.given(life, "lifetime")
        dates = engine.given(features.dates(period, {"orders": "2019-01-01"}, MONTHS, SMALL), "dates")
        file = engine.stage(engine.once(table, windows, lifetime, None, dates), tmp_path / f"{period}.parquet")
        columns = "as_of, recency_days, orders_1, orders_4, orders_season_ly, orders_before_season_ly"
        found[period] = engine.con.execute(f"SELECT {columns} FROM '{file.path}'").fetchall()
    assert len(asked) == 1
    assert found["2019-01-01"] == [(date(2019, 2, 1), 26, 1, None, None, None)]
    assert found["2019-04-01"] == [(date(2019, 5, 1), 1, 2, 2, 0, None)]


def test_features_of_absent_tables_are_absent():
    assert activity_tables(["orders", "products", "calls"]) == ("orders", "calls")
    assert activity_tables(["order_lines", "products"]) == ("orders", "order_lines", "categories")
    names = {f.name for f in catalogue(["orders"], SHAPE)}
    assert {"orders_12", "spend_season_ly", "mbg_alive"} <= names
    assert not names & {"categories_12", "cases_open", "messages_3", "contacts_12", "calls_12", "products_per_order_12"}


@pytest.mark.parametrize("grain", ["month", "week"])
def test_catalogue_is_complete_and_documented(grain):
    found = catalogue({*ALL_TABLES, "recordings"}, Settings(grain=grain))
    assert len({f.name for f in found}) == len(found)
    assert {f.theme for f in found} == set(THEMES)
    assert all(f.description and f.unit and f.source for f in found)
    assert not {"gender", "birth_year", "age", "region"} & {f.name for f in found}
    page = markdown(found, Settings(grain=grain))
    assert all(f"| `{f.name}` |" in page for f in found)


def test_history_covers_the_longest_reach():
    for shape in (Settings(), Settings(grain="week")):
        assert history(shape) == max(f.window or 0 for f in catalogue({*ALL_TABLES, "recordings"}, shape))
    assert history(Settings()) == 15


def test_a_table_that_begins_later_gives_null_and_not_zero_before_its_first_day():
    world = World(Calendar("month", "UTC"), SHAPE)
    known, life = world.history([Order("a", END * 1440 - 5)], PERIOD)
    empty = {"customer_id": "string", "period_start": "date", "n_opened": "int64"}
    cases = ibis.memtable([], schema=empty)

    def cases_of(begins: str) -> list[float | None]:
        windows = {"orders": known, "cases": cases}
        dates = ibis.memtable(features.dates(PERIOD, {"orders": "2018-01-01", "cases": begins}, MONTHS, SHAPE))
        table = features.customers(windows, life, None, dates, shape=SHAPE)
        made = fetch(table).iloc[0]
        assert made["orders_12"] == 1
        return [None if made[n] != made[n] else made[n] for n in ("cases_3", "cases_12", "cases_open")]

    assert cases_of(world.calendar.shift(PERIOD, -11)) == [0, 0, 0]
    assert cases_of(world.calendar.shift(PERIOD, -10)) == [0, None, 0]
    assert cases_of(world.calendar.shift(PERIOD, -2)) == [0, None, 0]
    assert cases_of(world.calendar.shift(PERIOD, -1)) == [None, None, 0]
    assert cases_of(world.calendar.shift(PERIOD, 1)) == [None, None, None]
