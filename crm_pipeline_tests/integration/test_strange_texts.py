"""Whatever customers write: a run succeeds, no row is lost, and what is shown of it is text, in the page and in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from crm_pipeline_tests.integration import strange_texts, world
from crm_pipeline_tests.integration.conftest import Built

PERIOD = "2024-04-01"
REFUSED = {  # of what is strange, what the contract refuses: what the reason says
    "strange empty": "body is missing",
    "strange blanks": "body is missing",
    "direction 6": "direction is not in or out",
    "direction 8": "direction is not in or out",
    "nobody": "customer_id is missing",
    "2024-01-0": "repeats a row of an earlier period",
    "in the future": "lies in the future",
    "never": "not a date or time",
}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def strange(folder: Path) -> Built:
    source = strange_texts.write(folder / "strange")
    home = world.new_home(folder / "strange_home", world.TINY)
    done = world.crm("run", "--source", source, "--home", home, "--through", PERIOD[:7])
    assert "Traceback" not in done.stdout + done.stderr
    return Built(source, home, PERIOD[:7], world.hashes(home), done.stdout)


def test_no_message_is_lost_and_what_is_refused_says_why(strange: Built) -> None:
    lake = world.lake_of(strange.home)
    clean, rejects = (
        lake.table(f"{layer}/messages", lake.partitions(f"{layer}/messages")).execute()
        for layer in ("clean", "rejects")
    )
    kept, refused = clean.source_file.value_counts(), rejects.source_file.value_counts()
    later = {"messages/2024-05.csv": 60, "messages/2024-04.csv": 1}  # of periods that are not built
    with (strange.source / "messages" / "2024-03.jsonl").open("rb") as file:
        expected = {"messages/2024-03.jsonl": sum(1 for _ in file), "messages/2024-03.parquet": 5}
    for month in world.MONTHS:
        expected[f"messages/{month}.csv"] = 60
    expected["messages/2024-04.csv"] += sum(1 for _ in strange_texts.strange_rows()) + 4  # beside those, broken lines
    found = {name: int(kept.get(name, 0) + refused.get(name, 0)) for name in expected}
    assert found == {name: rows - later.get(name, 0) for name, rows in expected.items()}
    reasons = {json.loads(r.content).get("message_id"): r.reasons for r in rejects.itertuples()}
    for name, reason in REFUSED.items():
        assert reason in reasons[name], name
    for name in set(strange_texts.STRANGE) - {"empty", "blanks"}:
        assert f"strange {name}" in set(clean.message_id), name


def test_every_message_is_understood_and_says_nothing_where_it_says_nothing(strange: Built) -> None:
    lake = world.lake_of(strange.home)
    read = lake.table("text/messages", [PERIOD]).execute().set_index("message_id")
    assert len(read) == lake.manifest("clean/messages", PERIOD).rows
    silent = read.loc[["strange plus", "strange minus", "strange placeholders", "strange digits", "strange brackets"]]
    assert silent.sentiment.isna().all()
    assert read.loc["strange a megabyte", "sentiment"] < -0.5
    assert read.loc["strange a line of ten thousand words", "n_tokens"] == 10_000
    assert read.loc[[f"direction {n}" for n in range(9) if n not in (6, 8)], "inbound"].tolist() == [True] * 4 + [
        False
    ] * 2 + [True]
    assert set(read.loc[[f"language {n}" for n in range(8)], "language"].dropna()) == {"en", "de"}


class _Page(HTMLParser):
    """The elements of a page, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_shows_what_was_written_as_text(strange: Built) -> None:
    page = _Page((strange.home / "reports" / f"{PERIOD[:7]}.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert not [name for name in page.attributes if name.startswith("on")]
    text = " ".join(page.text)
    assert "<script>alert('stolen')</script>" in text, "the worst complaint is shown"
    assert not set("\u202a\u202b\u202d\u202e") & set(text), "nothing turns the line around"
    assert not [c for c in text if ord(c) < 32 and c not in "\t\n\r"]


def test_the_scores_survive_a_spreadsheet(strange: Built) -> None:
    rows = list(csv.DictReader(io.StringIO(world.crm("scores", "--home", strange.home, "--format", "csv").stdout)))
    assert len({row["customer_id"] for row in rows}) == strange_texts.CUSTOMERS + 1, (
        "the stranger is known by his message"
    )
    cells = [cell for row in rows for name, cell in row.items() if not name.startswith("change_")]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "@", "\t", "\r")]


def test_who_wrote_strange_things_is_explained_and_check_says_what_is_refused(strange: Built) -> None:
    for customer in ("00005", "00012"):
        assert customer in world.crm("explain", customer, "--home", strange.home).stdout
    said = world.crm("check", "--source", strange.source, "--home", strange.home, "--json").stdout
    for reason in {
        *REFUSED.values(),
        "half of a character",
        "not valid utf-8",
        "holds a NUL byte",
        "not a JSON object",
    }:
        assert reason in said, reason


def test_what_a_message_asks_for_changes_no_score(strange: Built) -> None:
    scores = json.loads(world.crm("scores", "--home", strange.home, "--format", "json").stdout)
    assert {row["churn_probability"] for row in scores if row["churn_probability"] is not None} - {0}
