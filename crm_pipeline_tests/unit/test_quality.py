"""Counts of what was read, kept and refused: by hand, and the same however a file is sorted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.reports.summary import of_nobody, refusals, row_quality
from crm_pipeline.transforms.cleaning import clean_table
from crm_pipeline.transforms.quality import count_rows
from crm_pipeline_tests.unit.sources_world import ORDERS, World, tables

MARCH = "2020-03-01"
ROWS = (
    "a,1,2020-03-01,1",
    "b,2,2020-03-02,2",
    ",3,2020-03-03,3",
    "d,,2020-03-04,4",
    "e,,2020-03-05,5",
    "b,2,2020-03-02,2",
)


def counted(folder: Path, rows: tuple[str, ...]) -> pd.DataFrame:
    world = World(folder, tables(orders="*.csv"))
    world.write("one.csv", ORDERS + "\n".join(rows) + "\n")
    world.write("two.csv", ORDERS + "x,1,2020-03-06,1\n")
    report = world.sync()
    raw = world.lake.table("raw/orders", [MARCH])
    found = clean_table(raw, CANONICAL["orders"], currency="GBP", columns=report.state.tables["orders"])
    counts = count_rows({"orders": (raw, found.clean, found.rejects)}).execute()
    return counts.sort_values(list(counts.columns), ignore_index=True)


def test_rows_are_counted_by_file_and_fate(tmp_path: Path) -> None:
    counts = counted(tmp_path, ROWS)
    found = {(r.source_file, r.fate, r.reasons): r.rows for r in counts.fillna("").itertuples()}
    duplicate = next(reason for _, _, reason in found if "equal" in reason or "duplicate" in reason)
    assert found == {
        ("one.csv", "read", ""): 6,
        ("one.csv", "clean", ""): 2,
        ("one.csv", "refused", "order_id is missing"): 1,
        ("one.csv", "refused", "customer_id is missing"): 2,
        ("one.csv", "refused", duplicate): 1,
        ("two.csv", "read", ""): 1,
        ("two.csv", "clean", ""): 1,
    }


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(ROWS))))
def test_a_file_sorted_anew_gives_the_same_counts(tmp_path_factory, order) -> None:  # type: ignore[no-untyped-def]
    as_given = counted(tmp_path_factory.mktemp("given"), ROWS)
    sorted_anew = counted(tmp_path_factory.mktemp("sorted"), tuple(ROWS[i] for i in order))
    pd.testing.assert_frame_equal(as_given, sorted_anew)


def test_rows_of_nobody_are_kept_and_counted_apart(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv", cases="cases.csv"))
    world.write("orders.csv", ORDERS + "a,1,2020-03-01,1\n")
    world.write(
        "cases.csv", "case_id,customer_id,opened_at\nk,1,2020-03-01\nl,,2020-03-02\nm,NULL,2020-03-03\nl,,2020-03-02\n"
    )
    world.sync()
    raw = world.lake.table("raw/cases", [MARCH])
    found = clean_table(raw, CANONICAL["cases"], columns=["case_id", "customer_id", "opened_at"])
    counts = count_rows({"cases": (raw, found.clean, found.rejects)}).execute()
    assert of_nobody(counts) == {"cases": 2}
    assert row_quality(counts, ["cases"]).to_dict("records") == [
        {"table": "cases", "rows": 4, "clean": 3, "refused": 1, "conserved": True}
    ]
    assert refusals(counts)["rows"].tolist() == [1], "the duplicate alone"


def test_the_report_adds_up_all_periods_and_says_which_table_lost_rows() -> None:
    columns = ["source_table", "source_file", "fate", "reasons", "rows"]
    counts = pd.DataFrame(
        [
            ("orders", "a", "read", None, 5),
            ("orders", "a", "clean", None, 3),
            ("orders", "a", "refused", "x", 2),
            ("orders", "b", "read", None, 7),
            ("orders", "b", "clean", None, 6),
            ("orders", "b", "refused", "x", 1),
            ("calls", "c", "read", None, 4),
            ("calls", "c", "clean", None, 3),
            ("calls", "d", "clean", None, 1),
        ],
        columns=columns,
    )
    quality = row_quality(counts, ["calls", "orders", "cases"])
    assert quality.to_dict("list") == {
        "table": ["calls", "orders", "cases"],
        "rows": [4, 12, 0],
        "clean": [4, 9, 0],
        "refused": [0, 3, 0],
        "conserved": [False, True, True],  # calls: one row lost of file c, one too many of file d
    }
    assert refusals(counts).to_dict("list") == {"table": ["orders"], "reason": ["x"], "rows": [3]}
    nothing = row_quality(counts[:0], ["orders"])
    assert nothing.to_dict("list") == {
        "table": ["orders"],
        "rows": [0],
        "clean": [0],
        "refused": [0],
        "conserved": [True],
    }
