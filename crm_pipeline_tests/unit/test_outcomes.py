"""Outcomes and training: who did nothing counts as zero, and the sample of customers is fixed."""

from datetime import date

import ibis
import pandas as pd
import pytest

from crm_pipeline.modeling.tasks import task, tasks
from crm_pipeline.periods import Calendar
from crm_pipeline.transforms import training
from crm_pipeline_tests.unit.features_world import fetch

CUTOFF = "2019-03-01"
THEN = ibis.memtable({"customer_id": ["a", "b", "c"], "orders_12": [1.0, 2.0, 3.0]})
SINCE = ibis.memtable(
    {
        "customer_id": ["a", "a", "b", "new"],
        "n_orders": [1, 2, 0, 5],
        "spend": [100, 50, 0, 70],
        "n_returns": [0, 0, 1, 0],
    }
)
MONTHS = Calendar("month")


def test_churn_and_demand_of_the_eligible():
    churn = fetch(task("churn").outcome(THEN, SINCE, CUTOFF)).set_index("customer_id").sort_index()
    assert churn.churned.to_dict() == {"a": 0, "b": 1, "c": 1}
    assert churn.churned.dtype == "int8"
    assert set(pd.to_datetime(churn.cutoff)) == {pd.Timestamp(CUTOFF)}
    demand = fetch(task("demand").outcome(THEN, SINCE, CUTOFF)).set_index("customer_id").sort_index()
    assert demand.spend.to_dict() == {"a": 150, "b": 0, "c": 0}
    assert demand.orders.to_dict() == {"a": 3, "b": 0, "c": 0}


def cut(n, months):
    keys = [date(2019, m, 1) for m in months for _ in range(n)]
    ends = [date(2019, m + 1, 1) for m in months for _ in range(n)]
    ids = [f"c{i:04d}" for i in range(n)] * len(months)
    known = pd.DataFrame({"customer_id": ids, "as_of": ends, "x": range(len(ids))})
    labels = pd.DataFrame({"customer_id": ids, "cutoff": keys, "churned": 1})
    return known, labels


def matrix(known, labels, cap, seed=1):
    tables = (
        ibis.memtable(known).cast({"as_of": "date"}),
        ibis.memtable(labels).cast({"cutoff": "date"}),
    )
    return fetch(training.design_matrix(*tables, calendar=MONTHS, cap=cap, seed=seed))


def test_every_row_under_the_cap_in_a_fixed_order():
    known, labels = cut(5, (1, 2, 3))
    made = matrix(known.sample(frac=1, random_state=1), labels.sample(frac=1, random_state=2), cap=15)
    assert list(made.columns) == ["customer_id", "cutoff", "as_of", "churned", "x"]
    assert list(made.x) == list(range(15))
    assert (pd.to_datetime(made.cutoff) + pd.DateOffset(months=1) == pd.to_datetime(made.as_of)).all()


def test_over_the_cap_whole_customers_are_drawn_and_the_draw_is_stable():
    known, labels = cut(200, (1, 2))
    made = matrix(known, labels, cap=101)
    assert len(made) == 100
    assert (made.groupby("customer_id").size() == 2).all()
    assert set(matrix(known, labels, cap=51).customer_id) < set(made.customer_id)
    later, later_labels = cut(200, (2, 3))
    assert set(matrix(later, later_labels, cap=101).customer_id) == set(made.customer_id)
    assert set(matrix(known, labels, cap=101, seed=2).customer_id) != set(made.customer_id)


@pytest.mark.parametrize("name", tasks())
def test_nobody_eligible_gives_no_rows(name):
    assert fetch(tasks()[name].outcome(THEN.filter(False), SINCE, CUTOFF)).empty


def test_weeks_join_on_the_monday_after():
    known = pd.DataFrame({"customer_id": ["a"], "as_of": [date(2019, 1, 14)], "x": [1.0]})
    labels = pd.DataFrame({"customer_id": ["a"], "cutoff": [date(2019, 1, 7)], "churned": [0]})
    tables = ibis.memtable(known).cast({"as_of": "date"}), ibis.memtable(labels).cast({"cutoff": "date"})
    made = fetch(training.design_matrix(*tables, calendar=Calendar("week"), cap=10, seed=1))
    assert len(made) == 1


def test_the_sample_of_every_cutoff_is_fixed_whatever_the_order_of_rows():
    _, said = cut(40, (1, 2))
    drawn = [fetch(training.sample_of_cutoffs(ibis.memtable(rows), 15, 7)) for rows in (said, said[::-1])]
    one, other = (set(map(tuple, rows[["cutoff", "customer_id"]].astype(str).to_numpy())) for rows in drawn)
    assert one == other
    assert list(drawn[0].groupby("cutoff").size()) == [15, 15]
    assert list(drawn[0].columns) == list(said.columns)
    assert len(fetch(training.sample_of_cutoffs(ibis.memtable(said), 50, 7))) == len(said)
