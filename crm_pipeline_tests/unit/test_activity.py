"""Activity: what one period's clean events are counted and summed to, and the local day."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.modeling.tasks import task
from crm_pipeline.periods import Calendar
from crm_pipeline.settings import Settings
from crm_pipeline.transforms import activity, features, lifetime
from crm_pipeline.transforms.columns import local_day
from crm_pipeline_tests.unit.features_world import Order, Shape, World, connection, fetch

AT = pd.Timestamp("2019-01-05 10:00")
P = "2019-01-01"
WORLD = World(Calendar("month", "UTC"), Shape(windows=(1, 3), horizon=3, eligibility=12, year=12))


def events(**columns):
    n = max(len(v) for v in columns.values())
    return ibis.memtable(pd.DataFrame({"customer_id": ["a"] * n, "event_at": [AT] * n, **columns}))


def one(table):
    return fetch(table).iloc[0]


def test_orders_count_what_was_placed_and_paid():
    made, _ = WORLD.history(
        [
            Order("a", 10, amount=500, channel="web", discount=3),
            Order("a", 20, amount=300, channel="shop"),
            Order("a", 3000, amount=0, channel="phone"),
            Order("a", 4000, amount=100, event="returned"),
            Order("a", 5000, amount=50, event="cancelled"),
        ],
        P,
    )
    row = one(made)
    wanted = {
        "n_orders": 2, "spend": 800, "spend_sumsq": 340_000, "min_amount": 300, "max_amount": 500, "discount": 3,
        "min_channel": "shop", "max_channel": "web", "last_channel": "web", "order_days": 1, "gaps": 0,
        "n_returns": 1, "returned_amount": 100, "n_cancelled": 1, "cancelled_amount": 50,
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted


def test_the_engine_makes_the_types_that_ibis_promises():
    """A sum that the engine widens to 128 bits would be stored as a float."""
    con = connection()
    con.raw_sql(
        "create or replace table orders_once as select 'a' customer_id, 'placed' event, 5::bigint amount, now()::timestamp event_at"
    )
    made = activity.orders(con.table("orders_once"), P, WORLD.calendar)
    con.raw_sql(f"create or replace table activity_once as {con.compile(made)}")
    merged = lifetime.customers(None, con.table("activity_once"), None, {}, P)
    con.raw_sql(f"create or replace table lifetime_once as {con.compile(merged)}")
    again = lifetime.customers(con.table("lifetime_once"), con.table("activity_once"), None, {}, P)
    sums = task("demand").outcome(con.table("lifetime_once"), con.table("activity_once"), P)
    kinds = ("messages", "cases", "calls", "contacts")
    others = {name: getattr(activity, name)(con.table("orders_once"), P) for name in kinds}
    windows = {"orders": con.table("activity_once"), **others}
    con.con.register("dates_once", features.dates(P, dict.fromkeys(windows, "2017-01-01"), WORLD.calendar, Settings()))
    known = features.customers(windows, con.table("lifetime_once"), None, con.table("dates_once"), shape=Settings())
    for table in (made, merged, again, sums, known, *others.values()):
        made_types = {row[0]: row[1] for row in con.raw_sql(f"describe {con.compile(table)}").fetchall()}
        assert made_types == {
            name: {"int64": "BIGINT", "string": "VARCHAR", "float64": "DOUBLE", "decimal(38, 0)": "DECIMAL(38,0)"}.get(
                str(dtype), str(dtype).partition("(")[0].upper()
            )
            for name, dtype in table.schema().items()
        }


def test_order_lines_and_categories():
    lines = events(
        event=["placed"] * 4 + ["returned"], order_id=list("11122"), product_id=["p", "p", "q", "p", "q"],
        quantity=[1.0, 2.0, 1.0, 4.0, 9.0], amount=[10, 20, 5, 40, 90],
    )  # fmt: skip
    row = one(activity.order_lines(lines, P))
    assert (row.n_lines, row.n_orders, row.n_products, row["items"]) == (4, 2, 3, 8)
    products = ibis.memtable({"product_id": ["p", "q"], "category": ["tea", None]})
    found = fetch(activity.categories(lines, products, P))
    assert found.drop(columns="period_start").to_dict("records") == [
        {"customer_id": "a", "category": "tea", "n_lines": 3, "items": 7, "spend": 70}
    ]


def test_messages_calls_and_cases():
    row = one(activity.messages(events(direction=["in", "out", None, "INBOUND"]), P))
    assert (row.n_messages, row.n_in) == (4, 3)
    row = one(activity.calls(events(call_id=["1", "2"]), P))
    assert (row.n_calls, row.n_in) == (2, 2)
    row = one(activity.cases(events(event=["opened", "opened", "replied", "closed"]), P))
    assert (row.n_opened, row.n_replied, row.n_closed) == (2, 1, 1)


def test_what_names_no_customer_counts_for_nobody():
    whose = {"customer_id": ["a", None, None]}
    assert fetch(activity.calls(events(call_id=list("123"), **whose), P)).customer_id.tolist() == ["a"]
    assert fetch(activity.cases(events(event=["opened"] * 3, **whose), P)).customer_id.tolist() == ["a"]


def test_contacts_leave_the_control_arm_out():
    table = events(
        event=["sent", "sent", "opened", "clicked", "opted_out", "converted"],
        arm=["treatment", "control", "treatment", None, "treatment", "control"],
    )
    row = one(activity.contacts(table, P))
    assert (row.n_sent, row.n_control, row.n_opened, row.n_clicked, row.n_converted) == (1, 1, 1, 1, 0)
    assert row.opted_out_at == AT


def test_openings_that_a_source_does_not_tell_are_unknown_and_not_none():
    table = events(event=["sent", "clicked"], arm=["treatment", "treatment"])
    row = one(activity.contacts(table, P, ("sent_at", "clicked_at")))
    assert pd.isna(row.n_opened)
    assert (row.n_sent, row.n_clicked) == (1, 1)


@settings(max_examples=5, deadline=None)
@given(
    st.sampled_from(["Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
    st.sampled_from(["2019-03-01", "2019-04-01", "2019-10-01", "2019-11-01", "1969-12-01"]),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=20, max_size=20),
)
def test_local_day_follows_the_zone(zone, period, shares):
    calendar = Calendar("month", zone)
    start, end = calendar.start(period), calendar.as_of(period)
    near = [start, end - timedelta(seconds=1), *(start + share * (end - start) for share in shares)]
    near = [at.replace(microsecond=0) for at in near]
    table = ibis.memtable(pd.DataFrame({"at": pd.Series(near, dtype="datetime64[us]")}))
    made = fetch(table.select(day=local_day(table["at"], period, calendar))).day
    epoch = datetime(1970, 1, 1).toordinal()
    assert list(made) == [at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date().toordinal() - epoch for at in near]


@pytest.mark.parametrize(("zone", "period"), [("Europe/London", "2019-03-01"), ("UTC", "2019-03-01")])
def test_zones_become_constants(zone, period):
    table = ibis.table({"at": "timestamp"}, name="t")
    sql = ibis.to_sql(table.select(d=local_day(table["at"], period, Calendar("month", zone))), dialect="duckdb")
    assert zone not in sql
    assert ("CASE" in sql) == (zone != "UTC")
