"""What a person is told about the values of a source."""

from __future__ import annotations

from pathlib import Path

from crm_pipeline_tests.unit.sources_world import ORDERS, World, tables

STATES = ORDERS.strip() + ",status,cancelled_at\n"


def test_cancelled_states_without_a_date_are_counted(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders*.csv"))
    world.write("orders1.csv", STATES + "a,1,2020-03-01,1,void,\nb,1,2020-03-02,1,Cancelled,\nc,1,2020-03-02,1,paid,\n")
    world.write("orders2.csv", STATES + "d,1,2020-04-01,1,refunded,\ne,1,2020-04-02,1,cancelled,2020-04-03\n")
    said = [w for w in world.sync().warnings if "cancelled status" in w]
    assert len(said) == 1
    assert said[0].startswith("orders: 3 of 5 rows have a cancelled status without a date")
    assert "cancelled_at" in said[0]
    assert world.sync().warnings == said, "said again though nothing was read again"


def test_nothing_is_said_where_every_cancellation_has_its_date(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders.csv"))
    world.write("orders.csv", STATES + "a,1,2020-03-01,1,cancelled,2020-03-02\nb,1,2020-03-02,1,paid,\n")
    assert world.sync().warnings == []
