"""Column lineage: exact on small expressions, and kept by real transforms: what no lineage names does not change a column."""

from __future__ import annotations

from typing import Any

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.periods import Calendar
from crm_pipeline.provenance.columns import column_origins
from crm_pipeline.transforms import activity, lifetime

T = ibis.table({"k": "string", "a": "int64", "b": "int64", "c": "int64", "many": "array<int64>"}, name="t")
U = ibis.table({"k": "string", "a": "int64", "x": "int64"}, name="u")
DATES = ibis.table({"as_of": "date"}, name="dates")


def origins(table: ibis.Table) -> dict[str, set[str]]:
    found = column_origins(table, {T.op(): "t", U.op(): "u"})
    return {column: {f"{o.table}.{o.column}" for o in of} for column, of in found.items()}


def test_projections_cases_and_literals() -> None:
    table = T.select(
        "a",
        total=T.a + T.b,
        either=ibis.cases((T.a > 0, T.b), else_=T.c),
        filled=T.a.fill_null(T.b),
        one=ibis.literal(1),
        nothing=ibis.null("int64"),
    )
    renamed = table.rename(sum_="total").mutate(twice=lambda t: t.sum_ * 2)
    assert origins(renamed) == {
        "a": {"t.a"},
        "sum_": {"t.a", "t.b"},
        "either": {"t.a", "t.b", "t.c"},
        "filled": {"t.a", "t.b"},
        "one": set(),
        "nothing": set(),
        "twice": {"t.a", "t.b"},
    }


def test_what_decides_which_rows_there_are_is_no_origin() -> None:
    wanted = T.semi_join(U, "k").filter(T.b > 0, T.a > T.c.max()).order_by("c").distinct().limit(3)
    assert origins(wanted.select("a")) == {"a": {"t.a"}}


def test_group_by() -> None:
    table = T.group_by(key=T.k.upper()).aggregate(
        rows=T.count(), some=T.count(where=T.b > 0), spent=T.a.sum(where=T.c > 0), last=T.a.last(order_by=T.b)
    )
    assert origins(table) == {
        "key": {"t.k"}, "rows": set(), "some": {"t.b"}, "spent": {"t.a", "t.c"}, "last": {"t.a", "t.b"}
    }  # fmt: skip


def test_windows() -> None:
    table = T.select(
        rank=ibis.row_number().over(group_by="k", order_by=T.b), share=T.a / T.a.sum().over(group_by="c"), lag=T.a.lag()
    )
    assert origins(table) == {"rank": {"t.k", "t.b"}, "share": {"t.a", "t.c"}, "lag": {"t.a"}}


def test_joins_take_each_column_from_its_side() -> None:
    joined = T.left_join(U, "k").mutate(sum_=lambda t: t.b + t.x)
    found = origins(joined)
    assert (found["a"], found["a_right"], found["x"], found["sum_"]) == ({"t.a"}, {"u.a"}, {"u.x"}, {"t.b", "u.x"})
    either = T.outer_join(U, "k").select(k=lambda t: ibis.coalesce(t.k, t.k_right))
    assert origins(either) == {"k": {"t.k", "u.k"}}
    assert origins(T.cross_join(DATES).select("b", "as_of")) == {"b": {"t.b"}, "as_of": set()}


def test_a_self_join_comes_from_one_table() -> None:
    other = T.view()
    assert origins(T.join(other, T.k == other.k).select(T.a, b=other.b, both=T.a + other.c)) == {
        "a": {"t.a"}, "b": {"t.b"}, "both": {"t.a", "t.c"}
    }  # fmt: skip


def test_a_union_comes_from_both_and_a_difference_from_the_left() -> None:
    one, two = T.select("k", "a"), U.select("k", a=U.x)
    assert origins(one.union(two)) == {"k": {"t.k", "u.k"}, "a": {"t.a", "u.x"}}
    assert origins(one.difference(two)) == {"k": {"t.k"}, "a": {"t.a"}}


def test_subqueries_give_their_value() -> None:
    table = T.select(most=T.a - U.x.max().as_scalar(), known=T.k.isin(U.k))
    assert origins(table) == {"most": {"t.a", "u.x"}, "known": {"t.k", "u.k"}}


def test_fills_drops_and_unnested_arrays() -> None:
    assert origins(T.drop("many").fill_null({"a": 0})) == {c: {f"t.{c}"} for c in ("k", "a", "b", "c")}
    table = T.unnest("many", offset="at").select("a", "many", "at")
    assert origins(table) == {"a": {"t.a"}, "many": {"t.many"}, "at": {"t.many"}}
    assert origins(T.nunique().name("n").as_table()) == {"n": {f"t.{c}" for c in T.columns}}


# -- real transforms: a column changes only with what its lineage names --------------------------------------------

CALENDAR, PERIOD = Calendar("month", "UTC"), "2019-01-01"
CUSTOMERS = ("a", "b", "c")
VALUES: dict[str, list[Any]] = {
    "amount": [0, 5, 90, -3],
    "discount": [None, 0, 7],
    "channel": [None, "web", "shop"],
}
"""What is no key and no filter of an order's events (its day is one: days are counted); changing it leaves the rows there are."""
DAYS = [pd.Timestamp(f"2019-01-{day:02} 10:00") for day in (3, 14, 28)]

events = st.lists(
    st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from(CUSTOMERS),
            "event": st.sampled_from(["placed", "returned", "cancelled"]),
            "event_at": st.sampled_from(DAYS),
            **{name: st.sampled_from(values) for name, values in VALUES.items()},
        }
    ),
    min_size=1,
    max_size=8,
)


def of_events(rows: list[dict[str, Any]]) -> ibis.Table:
    frame = pd.DataFrame(rows).astype({"discount": "float64"})
    frame["order_id"] = [str(i) for i in range(len(frame))]
    schema = {
        "customer_id": "string", "event": "string", "amount": "int64", "discount": "int64", "channel": "string",
        "event_at": "timestamp", "order_id": "string",
    }  # fmt: skip
    return ibis.memtable(frame, schema=schema)


def differing(con: Any, before: ibis.Table, after: ibis.Table) -> set[str]:
    one, two = (con.execute(t).sort_values("customer_id", ignore_index=True).astype(str) for t in (before, after))
    assert len(one) == len(two)
    return {c for c in one if not one[c].equals(two[c])}


def depends(table: ibis.Table, leaf: ibis.Table, column: str) -> set[str]:
    found = column_origins(table, {leaf.op(): "events"})
    return {name for name, of in found.items() if ("events", column) in of}


@pytest.fixture(scope="module")
def con() -> Any:
    return ibis.duckdb.connect()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(rows=events, column=st.sampled_from(sorted(VALUES)), data=st.data())
def test_a_changed_column_changes_only_what_it_is_an_origin_of(
    con: Any, rows: list[dict[str, Any]], column: str, data: st.DataObject
) -> None:
    changed = [{**row, column: data.draw(st.sampled_from(VALUES[column]))} for row in rows]

    def made(events: ibis.Table) -> tuple[ibis.Table, ibis.Table]:
        orders = activity.orders(events, PERIOD, CALENDAR)
        first = lifetime.customers(None, orders, None, {}, PERIOD)
        return orders, lifetime.customers(first, orders, None, {}, "2019-02-01")

    old, new = of_events(rows), of_events(changed)
    for before, after in zip(made(old), made(new), strict=True):
        assert differing(con, before, after) <= depends(before, old, column)


def test_the_lineage_of_activity_is_no_wider_than_it_must_be() -> None:
    leaf = of_events(
        [{"customer_id": "a", "event": "placed", "event_at": DAYS[0], **{name: of[-1] for name, of in VALUES.items()}}]
    )
    orders = activity.orders(leaf, PERIOD, CALENDAR)
    of = {name: {o.column for o in found} for name, found in column_origins(orders, {leaf.op(): "events"}).items()}
    assert of["customer_id"] == {"customer_id"}
    assert "channel" not in of["spend"] | of["n_orders"]
    assert {"amount", "event"} <= of["spend"]
    assert of["first_at"] == {"event", "event_at", "amount"}  # an order is what was placed with a positive amount
    assert of["period_start"] == set()
