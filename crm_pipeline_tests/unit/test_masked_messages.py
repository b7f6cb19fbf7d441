"""Bodies of messages stay in raw alone: what the sync adds so that names can be masked, and what clean and rejects hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crm_pipeline.contracts.canonical import CANONICAL
from crm_pipeline.contracts.core import NAMED
from crm_pipeline.errors import UsageError
from crm_pipeline.home.labels import STARTER, kept_labels, labelled
from crm_pipeline.settings import Settings
from crm_pipeline.text.bodies import masked
from crm_pipeline.transforms.cleaning import clean_table, unaccounted
from crm_pipeline_tests.unit.sources_world import ORDERS, World, tables

APRIL, MAY = "2020-04-01", "2020-05-01"
PEOPLE = "customer_id,name,email\n1,Ada Lovelace,ada@example.org\n2,Grace Hopper,g@example.org\n3,Nobody Wrote,n@example.org\n"
MESSAGES = "message_id,customer_id,sent_at,body,direction\n"


@pytest.fixture
def shop(tmp_path: Path) -> World:
    world = World(tmp_path, tables(orders="orders*.csv", customers="people.csv", messages="messages*.csv"))
    world.write("orders.csv", ORDERS + "a,1,2020-04-01,1\nb,1,2020-05-31,2\n")
    world.write("people.csv", PEOPLE)
    world.write("messages1.csv", MESSAGES + "m1,1,2020-04-02,I am Lovelace: ada@example.org about order 4711,in\n"
                "m2,2,2020-04-03,lovelace is a fine name,in\nm3,1,2020-04-04,Dear Ms Lovelace,out\n"
                ",1,2020-04-05,call +49 30 901820 please,in\nm9,1,never,call +49 30 901820 please,in\n")  # fmt: skip
    world.write("messages2.csv", MESSAGES + "m4,2,2020-05-02,Hopper here,in\n")
    return world


def named(shop: World, period: str) -> dict[str, str]:
    rows = shop.lake.table("raw/messages", [period]).to_pyarrow().to_pylist()
    return {r["customer_id"]: r["body"] for r in rows if r["event"] == NAMED}


def test_a_period_knows_the_names_of_who_wrote_in_it(shop: World) -> None:
    report = shop.sync()
    assert named(shop, APRIL) == {"1": "Ada Lovelace", "2": "Grace Hopper"}
    assert named(shop, MAY) == {"2": "Grace Hopper"}
    assert report.rows["messages"] == 6, "a marker is no row of the source"


def test_who_is_renamed_changes_the_periods_in_which_he_wrote(shop: World) -> None:
    shop.sync()
    before = shop.hashes()
    shop.write("people.csv", PEOPLE.replace("Ada Lovelace", "Ada King"))
    shop.sync()
    assert {key for key, h in shop.hashes().items() if before[key] != h and key[0] == "raw/messages"} == {
        ("raw/messages", APRIL)
    }
    shop.write("people.csv", PEOPLE)
    shop.sync()
    assert shop.hashes() == before


def test_clean_and_rejects_hold_no_personal_data_and_no_row_is_lost(shop: World) -> None:
    report = shop.sync()
    raw = shop.lake.table("raw/messages", [APRIL])
    rows = shop.lake.engine.given(masked(raw.to_pyarrow(), ("DE",)), "masked")
    found = clean_table(rows, CANONICAL["messages"], columns=report.state.tables["messages"])
    bodies = {r["message_id"]: r["body"] for r in found.clean.to_pyarrow().to_pylist()}
    assert bodies["m1"] == "I am [name]: [email] about order 4711"
    assert bodies["m2"] == "lovelace is a fine name", "the name is not that of who wrote it"
    assert "Lovelace" not in bodies["m3"]
    refused = found.rejects.to_pyarrow().to_pylist()
    assert [json.loads(r["content"])["body"] for r in refused] == ["call [phone] please"]
    assert unaccounted(raw, found.clean, found.rejects) == []
    undated = shop.undated("messages")
    assert len(undated) == 1
    assert "[phone]" in undated[0]["content"]
    assert "901820" not in undated[0]["content"]


def test_nothing_is_masked_where_the_setting_says_so(tmp_path: Path, shop: World) -> None:
    plain = World(tmp_path / "plain", mask_text=False)
    plain.root = shop.root
    plain.sync()
    assert named(plain, APRIL) == {}
    assert "901820" in plain.undated("messages")[0]["content"]


def test_without_a_table_of_customers_there_are_no_names(tmp_path: Path) -> None:
    world = World(tmp_path, tables(orders="orders*.csv", messages="messages*.csv"))
    world.write("orders.csv", ORDERS + "a,1,2020-04-01,1\n")
    world.write("messages.csv", MESSAGES + "m1,1,2020-04-02,x,in\n")
    world.sync()
    assert named(world, APRIL) == {}


def test_labels_without_a_sentiment_keep_the_starters(tmp_path: Path) -> None:
    path = tmp_path / "intents.csv"
    path.write_text(
        "text,intent\n" + "".join(f"where is parcel {i},delivery\nthe bill {i},invoice\n" for i in range(6))
    )
    rows = labelled(kept_labels(path))
    own = [i for i, intent in enumerate(rows["intent"]) if intent is not None]
    assert own == list(range(12))
    assert set(rows["sentiment"][12:]) == {"positive", "neutral", "negative"}
    assert {"en", "de"} <= set(rows["language"][12:])
    starter = labelled(kept_labels(STARTER))
    assert None not in starter["intent"]


def test_a_broken_file_of_labels_is_one_sentence_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "intents.csv"
    path.write_text("text,intent\n" + "".join(f"where is parcel {i},delivery\n" for i in range(12)))
    with pytest.raises(
        UsageError, match=r"intents\.csv cannot be learned from .*1 intent.*train-intents.* again, or remove it"
    ):
        kept_labels(path)


def test_a_country_without_telephones_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="'UK' is no country"):
        Settings(phone_regions=("DE", "UK"))
