"""Rules 5 and 6 with messages: a changed text, a file withdrawn, a customer renamed, other labels, masking off; then as a fresh home."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from crm_pipeline_tests.integration import strange_texts, world

pytestmark = pytest.mark.slow  # five runs

MONTHS = ("2024-01", "2024-02", "2024-03")
LABELLED = {
    "delivery": "where is my parcel number {n}",
    "return": "I want to send shoe {n} back",
    "thanks": "thank you {n} times, it was great",
}


@dataclass
class Mended:
    """Contents before and after, those of a fresh home, and what the plan named."""

    before: dict[world.Key, str]
    after: dict[world.Key, str]
    fresh: dict[world.Key, str]
    named: set[world.Key]
    left: list[Any]

    @property
    def changed(self) -> set[world.Key]:
        return set(world.differing(self.before, self.after))


@pytest.fixture(scope="module")
def place(folder: Path) -> Path:
    """A folder with a source, and a home of it."""
    made = folder / "messages_fixed"
    source = world.write_tiny(made / "source", customers=40, name="writing", months=MONTHS)
    people = (source / "customers.csv").read_text().splitlines()
    named = [f"{people[0]},name", *(f"{line},Person Strange" for line in people[1:-1]), f"{people[-1]},Person Okonkwo"]
    (source / "customers.csv").write_text("\n".join(named) + "\n")
    (source / "messages").mkdir()
    for month in MONTHS:
        rows = [row for row in strange_texts.ordinary(month) if row[1] < "00039"]
        strange_texts.write_messages(source / "messages" / f"{month}.csv", rows)
    late = [("late 1", "00003", "2024-02-20T10:00:00", "the parcel is late, which is awful", "in", "en", "")]
    strange_texts.write_messages(source / "messages" / "late.csv", late)
    renamed = [("by 39", "00039", "2024-03-20T10:00:00", "okonkwo calls +49 30 901820", "in", "en", "")]
    strange_texts.write_messages(source / "messages" / "of-39.csv", renamed)
    tables = {"customers": {"files": "customers.csv"}, "orders": {"files": "orders/*.csv"},
              "messages": {"files": "messages/*.csv"}}  # fmt: skip
    world.write_source(source, "writing", complete_through="2024-04-01 00:00:00", tables=tables)
    world.crm("run", "--source", source, "--home", world.new_home(made / "home", world.TINY))
    return made


def mended(place: Path, fresh: Path) -> Mended:
    """Run the home and a fresh one, at the same time."""
    source, home = place / "source", place / "home"
    before = world.hashes(home)
    named = {(item["asset"], item["partition"]) for item in world.plan(source, home)}
    both = [world.start("run", "--source", source, "--home", h) for h in (home, fresh)]
    for process in both:
        world.finish(process)
    return Mended(before, world.hashes(home), world.hashes(fresh), named, world.plan(source, home))


@pytest.fixture(scope="module")
def fixed(place: Path) -> Mended:
    """After a text of February was changed, a file with one of February withdrawn, and a customer renamed who wrote in March."""
    source = place / "source"
    path = source / "messages" / "2024-02.csv"
    head, first, *rest = path.read_text().splitlines()
    cells = first.split(",")
    path.write_text(
        "\n".join([head, ",".join([*cells[:3], '"This is terrible, I hate it"', "in", "", ""]), *rest]) + "\n"
    )
    (source / "messages" / "late.csv").unlink()
    people = source / "customers.csv"
    people.write_text(people.read_text().replace("Person Okonkwo", "Person Married"))
    return mended(place, world.new_home(place / "fresh", world.TINY))


def test_a_fix_of_messages_reaches_what_is_made_of_them_from_then_on_and_nothing_else(fixed: Mended) -> None:
    made = {key for key in fixed.changed if not key[0].startswith(("raw/", "snapshot/", *world.PUBLISHED))}
    assert made <= fixed.named
    assert {("clean/messages", "2024-02-01"), ("text/messages", "2024-02-01"), ("clean/messages", "2024-03-01"),
            ("activity/texts", "2024-02-01")} <= made  # fmt: skip
    assert not {key for key in fixed.changed | fixed.named if key[1] == "2024-01-01"}
    of_orders = ("clean/orders", "clean/customers", "activity/orders")
    assert not [key for key in fixed.changed | fixed.named if key[0].startswith(of_orders)]
    asked_again = (
        "lifetime/",
        "outcomes/",
        "features/purchase_process",
    )  # they read what customers did, messages counted
    assert not [key for key in fixed.changed if key[0].startswith(asked_again)]
    assert not {key for key in fixed.changed if key[0] in ("text/labels", "text/intent_model", "text/sentiment_model")}


def test_the_home_equals_a_fresh_one_and_nothing_is_left_to_do(fixed: Mended) -> None:
    assert world.differing(fixed.after, fixed.fresh, without=world.PUBLISHED) == []
    assert fixed.left == []


def test_other_labels_and_masking_off_equal_a_fresh_home(place: Path, fixed: Mended) -> None:
    file = place / "labels.csv"
    rows = [f"{text.format(n=n)},{label}" for n in range(25) for label, text in LABELLED.items()]
    file.write_text(
        "\n".join(["text,label", *(f'"{r.rpartition(",")[0]}",{r.rpartition(",")[2]}' for r in rows)]) + "\n"
    )
    world.crm("train-intents", file, "--home", place / "home")
    plain = {**world.TINY, "mask_text": False}
    (place / "home" / "crm.yaml").write_text(yaml.safe_dump(plain))
    fresh = world.new_home(place / "plain", plain)
    shutil.copytree(place / "home" / "labels", fresh / "labels")
    found = mended(place, fresh)
    assert {f"{month}-01" for month in MONTHS} <= {
        period for asset, period in found.changed if asset == "text/messages"
    }
    assert world.differing(found.after, found.fresh, without=world.PUBLISHED) == []
    assert found.left == []
    bodies = world.lake_of(place / "home").table("clean/messages", ["2024-03-01"]).execute().body
    assert "okonkwo calls +49 30 901820" in set(bodies)
