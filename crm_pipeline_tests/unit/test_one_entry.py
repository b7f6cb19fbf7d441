"""A feature, and a canonical column, is one entry in one place: everything else follows from it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from crm_pipeline.contracts.canonical import CANONICAL, lake_columns
from crm_pipeline.contracts.core import Column
from crm_pipeline.contracts.derived import derived_columns, training_columns
from crm_pipeline.contracts.docs import tables_markdown
from crm_pipeline.modeling.explain import theme_contributions
from crm_pipeline.periods import Calendar
from crm_pipeline.transforms.features import catalogue, entries
from crm_pipeline.transforms.features.feature import Feature
from crm_pipeline_tests.unit import sources_world
from crm_pipeline_tests.unit.features_world import Order, Shape, World

SHAPE = Shape(windows=(1, 3, 6, 12), horizon=3, eligibility=12, year=12)
ENTRY = Feature(
    "largest_return_share_2", "Returned over ordered in the last 2 periods", "share", "orders", "service",
    lambda a: a.sum("returned_amount") / a.sum("spend").nullif(0), 2,
)  # fmt: skip


@pytest.fixture
def one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "ENTRIES", (*entries.ENTRIES, lambda shape: [ENTRY]))


def test_a_feature_is_one_entry(one_more: None) -> None:
    name = ENTRY.name
    assert catalogue.catalogue(["orders"], SHAPE)[-1] == ENTRY
    assert f"| `{name}` | {ENTRY.description} | share | orders | 2 |" in catalogue.markdown([ENTRY], SHAPE)
    columns = catalogue.columns(["orders"], SHAPE)
    for contract in (derived_columns("features/customers", columns), training_columns((), columns)):
        assert (contract[-1].name, contract[-1].type, contract[-1].unit) == (name, "float64", "share")

    day = 24 * 60
    orders = [Order("a", 0, 400), Order("a", 40 * day, 100, event="returned"), Order("a", 70 * day, 900), Order("b", 0)]
    world = World(Calendar("month", "UTC"), SHAPE)
    assert math.isnan(world.features(orders, "2019-01-01").loc["a", name]), "it reaches before the data begin"
    assert world.features(orders, "2019-02-01").loc["a", name] == 100 / 400
    march = world.features(orders, "2019-03-01")[name]
    assert march["a"] == 100 / 900
    assert math.isnan(march["b"]), "nothing to divide by"

    themes = {f.name: f.theme for f in catalogue.catalogue(["orders"], SHAPE)}
    told = theme_contributions(pd.DataFrame({name: [0.5], "orders_3": [0.25]}), themes)
    assert told["service"].tolist() == [0.5]
    assert told["rhythm"].tolist() == [0.25]


def test_only_where_its_source_is(monkeypatch: pytest.MonkeyPatch) -> None:
    of_calls = replace(ENTRY, name="calls_in_2", source="calls", value=lambda a: a.sum("n_in"), otherwise=0)
    monkeypatch.setattr(entries, "ENTRIES", (*entries.ENTRIES, lambda shape: [of_calls]))
    assert "calls_in_2" not in {c.name for c in catalogue.columns(["orders"], SHAPE)}
    assert "calls_in_2" in {c.name for c in catalogue.columns(["orders", "calls"], SHAPE)}
    assert "calls_in_2" not in World(Calendar("month", "UTC"), SHAPE).features([Order("a", 0)], "2019-01-01")


def test_what_is_read_covers_the_longest_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "ENTRIES", (*entries.ENTRIES, lambda shape: [replace(ENTRY, window=40)]))
    assert catalogue.history(SHAPE) == 40


def test_a_canonical_column_is_one_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    urgency = Column("urgency", "int", "how urgent the order is", unit="stars", low=1, high=5)
    orders = CANONICAL["orders"]
    monkeypatch.setitem(CANONICAL, "orders", replace(orders, columns=(*orders.columns, urgency)))

    world = sources_world.World(tmp_path, sources_world.tables(orders="orders.csv"))
    lines = ["a,1,2020-03-01,1,5", "b,1,2020-03-02,1,", "c,1,2020-03-03,1,6", "d,1,2020-03-04,1,soon"]
    world.write("orders.csv", "\n".join(["order_id,customer_id,ordered_at,amount,urgency", *lines]))
    clean, rejects = world.cleaned(world.sync(), "orders", "2020-03-01")
    assert [(r["order_id"], r["urgency"]) for r in clean] == [("a", 5), ("b", None)]
    assert {r["reasons"] for r in rejects} == {"urgency is above 5", "urgency is not a whole number"}

    for layer in ("raw", "clean"):
        told = {c.name: c for c in lake_columns(layer, "orders", ("amount", "urgency"))}["urgency"]
        assert (told.type, told.description, told.unit) == ("int64", urgency.description, "stars")
    assert "urgency" not in {c.name for c in lake_columns("clean", "orders", ("amount",))}, "a source without it"
    assert "| `urgency` | int64 |  | how urgent the order is | stars |" in tables_markdown()
