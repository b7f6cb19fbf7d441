"""What the checks of an asset hold, what a broken one leaves as it was, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import ibis
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_pipeline.transforms import cleaning
from crm_pipeline.transforms.quality import unaccounted
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
    found = unaccounted(raw, table(clean), table(rejects))
    if lost >= len(read):
        assert found == []
        return
    name = read[lost]
    counts = f"{clean.count(name)} are clean and {rejects.count(name)} refused"
    assert found == [f"of {name} {read.count(name)} rows were read, but {counts}"]
