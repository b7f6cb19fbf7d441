"""What the checks of an asset hold, what a broken one leaves as it was, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_pipeline.console import show_warnings
from crm_pipeline.transforms import cleaning
from crm_pipeline_tests.unit.test_defs_lake import told
from crm_pipeline_tests.unit.test_defs_source import HEAD, MARCH, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def broken(change: Callable[[cleaning.Cleaned], cleaning.Cleaned]) -> Callable[..., cleaning.Cleaned]:
    """A cleaning that does its work and then makes one mistake."""
    right = cleaning.clean_table
    return lambda *args, **more: change(right(*args, **more))


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        (
            lambda c: c._replace(clean=c.clean.filter(c.clean.order_id != "c")),
            "of orders-03.csv 3 rows were read, but 2 are clean and 0 refused",
        ),
        (
            lambda c: c._replace(clean=c.clean.union(c.clean.filter(c.clean.order_id == "c"))),
            "order_id, customer_id, event is repeated in 1 rows",
        ),
    ],
    ids=["a row is lost", "a key is repeated"],
)
def test_rule_7_a_transform_that_loses_or_repeats_rows_leaves_the_last_good_partition_and_a_failed_check(
    world: World, monkeypatch: pytest.MonkeyPatch, mistake: Callable[..., cleaning.Cleaned], sentence: str
) -> None:
    assert world.materialize(MARCH).success
    before = world.lake.manifest("clean/orders", MARCH)
    world.write("orders-03.csv", HEAD + "a,1,2020-03-01,10\nb,2,2020-03-31,20\nc,2,2020-03-31,30\n")
    monkeypatch.setattr(cleaning, "clean_table", broken(mistake))
    failed = world.materialize(MARCH)
    assert not failed.success
    said = f"clean/orders of {MARCH} breaks its contract: {sentence}"
    assert f"{said}; it was not published, the last good partition stays." in told(failed)
    [verdict] = [e for e in failed.get_asset_check_evaluations() if not e.passed]
    assert (verdict.asset_key, verdict.check_name) == (dg.AssetKey(["clean", "orders"]), "contract")
    assert verdict.severity == dg.AssetCheckSeverity.ERROR
    assert verdict.description == said
    assert verdict.metadata["failures"].value == [sentence]
    assert verdict.metadata["rules_broken"].value == 1
    assert world.lake.manifest("clean/orders", MARCH) == before
    assert world.clean(MARCH) == {"a", "b"}
    monkeypatch.undo()
    assert world.materialize(MARCH).success
    assert world.clean(MARCH) == {"a", "b", "c"}


def test_what_a_contract_check_holds_stands_in_its_rules(world: World) -> None:
    specs = {(s.asset_key.to_user_string(), s.name): s for d in world.load().assets for s in d.check_specs}
    spec = specs["clean/orders", "contract"]
    rules = str(spec.metadata["rules"].value)
    assert "- `order_id` identifies a row" in rules
    assert "- `event_at`: in the period" in rules
    assert "- of every source file, rows read = rows here + rows in `rejects/orders`" in rules
    assert "the last good partition stays" in (spec.description or "")


files = st.lists(st.sampled_from(["one.csv", "two.csv"]), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)  # each a query
@given(read=files, refused=st.sets(st.integers(0, 7)), marks=st.integers(0, 2), lost=st.integers(0, 8))
def test_rows_are_unaccounted_for_exactly_in_the_file_that_lost_one(
    read: list[str], refused: set[int], marks: int, lost: int
) -> None:
    def table(names: list[str], events: list[str] | None = None) -> ibis.Table:
        rows = pd.DataFrame({"source_file": names, "event": events or ["placed"] * len(names)}, dtype="object")
        return ibis.memtable(rows, schema={"source_file": "string", "event": "string"})

    clean = [name for i, name in enumerate(read) if i not in refused and i != lost]
    rejects = [name for i, name in enumerate(read) if i in refused and i != lost]
    raw = table(read + ["one.csv"] * marks, ["placed"] * len(read) + ["repeated"] * marks)
    found = cleaning.unaccounted(raw, table(clean), table(rejects))
    if lost >= len(read):
        assert found == []
        return
    name = read[lost]
    counts = f"{clean.count(name)} are clean and {rejects.count(name)} refused"
    assert found == [f"of {name} {read.count(name)} rows were read, but {counts}"]


def months(world: World, rows: dict[str, int]) -> None:
    """Write a file a month, of so many orders."""
    for month, count in rows.items():
        lines = (f"{month}-{i},{i},{month}-15,10" for i in range(count))
        world.write(f"orders-{month}.csv", HEAD + "\n".join(lines) + "\n")


STEADY = {f"{year}-{month:02}": 30 for year in (2018, 2019) for month in range(1, 13)} | {"2020-01": 30, "2020-02": 30}


MISSING = (
    "orders of 2020-03: 12 rows were read, where earlier periods let expect about 30 (20 to 45); "
    "see whether a file is missing, cut or there twice."
)


@pytest.mark.parametrize(
    ("rows", "later", "passed", "sentence"),
    [
        (31, 30, True, "As many rows as expected."),
        (31, 500, True, "As many rows as expected."),
        (
            12,
            30,
            False,
            MISSING,
        ),
    ],
    ids=["as many", "later periods do not matter", "more than half is missing"],
)
def test_rule_1_the_volume_of_a_period_is_held_against_earlier_ones_alone_and_a_warning_holds_nothing_back(
    world: World, rows: int, later: int, passed: bool, sentence: str
) -> None:
    (world.root / "orders-03.csv").unlink()
    months(world, {**STEADY, "2020-03": rows, "2020-04": later, "2020-05": later})
    world.sync()
    done = world.materialize(MARCH, "clean/orders", "rejects/orders")
    assert done.success
    assert len(world.clean(MARCH)) == rows
    [seen] = [e for e in done.get_asset_check_evaluations() if e.check_name == "volume"]
    assert (seen.passed, seen.severity, seen.description) == (passed, dg.AssetCheckSeverity.WARN, sentence)
    assert (seen.metadata["rows_read"].value, seen.metadata["read_expected"].value) == (rows, 30)
    assert seen.metadata["failures"].value == ([] if passed else [sentence])


def test_the_volume_of_a_period_that_goes_on_or_that_little_precedes_is_not_judged(world: World) -> None:
    months(world, {"2020-04": 5})
    world.sync()
    for period, sentence in (
        (MARCH, "Too few periods or rows to say."),
        ("2020-04-01", "The period is not complete: nothing to say of its rows yet."),
    ):
        done = world.materialize(period)
        [seen] = [e for e in done.get_asset_check_evaluations() if e.check_name == "volume"]
        assert (seen.passed, seen.description) == (True, sentence)


def test_the_terminal_says_how_many_checks_warned_and_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    show_warnings([], Path("h"))
    assert capsys.readouterr().out == ""
    show_warnings(["orders of 2020-02: few.", MISSING], Path("h"))
    said = " ".join(capsys.readouterr().out.split())
    where = "All of them: the checks of clean/* and features/customers in `crm-pipeline ui --home h`."
    assert said == f"warning 2 checks warned; the newest: {MISSING} {where}"


def test_a_check_that_warns_asked_for_alone_looks_at_the_newest_period_or_says_that_there_is_none(world: World) -> None:
    def look() -> dg.ExecuteInProcessResult:
        key = dg.AssetCheckKey(dg.AssetKey(["clean", "orders"]), "volume")
        job = world.load().job.get_subset(asset_selection=set(), asset_check_selection={key})
        return job.execute_in_process(instance=world.instance, raise_on_error=False)

    failed = look()
    assert not failed.success
    assert "clean/orders was never built, so there is nothing to look at: materialize it first." in told(failed)
    assert world.materialize(MARCH).success
    [seen] = look().get_asset_check_evaluations()
    assert (seen.check_name, seen.passed, seen.metadata["partition"].value) == ("volume", True, MARCH)
